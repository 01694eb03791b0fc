"""What ``mirror_pipeline`` answers, on servers by others: the candidates that ``serving`` measures.

Each is handed the same decision (``adapters.service``), so that the servers are compared and nothing else.
The site is named by ``MIRROR_BENCH_SITE``.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mirror_pipeline.adapters.service import Service
from mirror_pipeline.adapters.site_files import Site
from mirror_pipeline.domain.answers import Answer, Request, Span

_CHUNK = 256 * 1024
_SERVICE = Service(Site(Path(os.environ["MIRROR_BENCH_SITE"])))


async def answered(method: str, target: str, fields: Iterable[tuple[str, str]]) -> Answer:
    """The answer to a request."""
    request = Request(method, target, {name.lower(): value for name, value in fields})
    answer = _SERVICE.at_once(request)
    return answer or await asyncio.to_thread(_SERVICE.after_reading, request)


async def asgi(scope: Any, _receive: Any, send: Any) -> None:
    """ASGI: ``pathsend`` for whole files where the server has it, pieces otherwise."""
    fields = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    answer = await answered(scope["method"], scope["raw_path"].decode("latin-1"), fields)
    headers = [(name.encode(), value.encode()) for name, value in with_length(answer)]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    body = answer.body
    if not isinstance(body, Span):
        await send({"type": "http.response.body", "body": body})
    elif len(body) == body.size and "http.response.pathsend" in scope.get("extensions", {}):
        await send({"type": "http.response.pathsend", "path": body.path})
    else:
        await in_pieces(body, send)


async def in_pieces(span: Span, send: Any) -> None:
    """A span, read here."""
    at = span.start
    with Path(span.path).open("rb", buffering=0) as file:
        file.seek(at)
        while at < span.stop:
            piece = file.read(min(span.stop - at, _CHUNK))
            at += len(piece)
            await send({"type": "http.response.body", "body": piece, "more_body": at < span.stop})


async def rsgi(scope: Any, protocol: Any) -> None:
    """RSGI: the server sends files and parts of them by itself."""
    answer = await answered(scope.method, scope.path, scope.headers.items())
    headers, body = with_length(answer), answer.body
    if not isinstance(body, Span):
        protocol.response_bytes(answer.status, headers, body)
    elif len(body) == body.size:
        protocol.response_file(answer.status, headers, body.path)
    else:
        protocol.response_file_range(answer.status, headers, body.path, body.start, body.stop)


def with_length(answer: Answer) -> list[tuple[str, str]]:
    """All fields."""
    length = [] if answer.status == 304 else [("content-length", str(len(answer.body)))]
    return [*answer.headers, *length]
