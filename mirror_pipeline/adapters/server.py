"""The published directory over HTTP: Starlette answers, uvicorn listens.

What belongs here: sockets, signals, and the part of HTTP that needs the bytes (RFC 9110: validators,
conditions, ranges). What does not: which key answers a path and with which headers (``domain.serving``),
which file that is (``adapters.site_files``), or who may read (``domain.tokens``).
"""

from __future__ import annotations

import errno
import logging
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from mirror_pipeline.adapters.signals import signals_interrupt
from mirror_pipeline.adapters.site_files import Etags, FoundFile, LiveGeneration
from mirror_pipeline.domain.serving import File, Redirect, client_has, requested_range, route
from mirror_pipeline.domain.tokens import Admission
from mirror_pipeline.errors import PortInUseError

Admits = Callable[[str | None], Admission]
"""What becomes of a request with this ``Authorization`` header."""

_CHUNK = 256 * 1024
_LOGIN_WANTED = {"www-authenticate": 'Basic realm="mirror"', "cache-control": "no-store"}

_log = logging.getLogger(__name__)


def _everybody(_authorization: str | None) -> Admission:
    return Admission.PUBLIC


def create_app(site: Path, etags: Etags | None = None, admits: Admits = _everybody) -> Starlette:
    """Serve what ``site`` leads to at the moment of each request, to those that ``admits`` lets in then.

    ``etags`` gives the SHA-256 of keys and replaces the generation's own ``manifest.json``.
    """
    return Starlette(routes=[_EveryPath(site, etags, admits)])


def serve(
    site: Path, host: str, port: int, on_ready: Callable[[str], None], admits: Admits = _everybody
) -> None:
    """Serve until Ctrl-C or SIGTERM, then return. ``on_ready`` gets the base URL, without a trailing slash.

    Only for the main thread, where signals arrive.
    """
    with signals_interrupt():
        try:
            with serving(site, host, port, admits) as url:
                on_ready(url)
                threading.Event().wait()
        except KeyboardInterrupt:
            return


@contextmanager
def serving(site: Path, host: str = "127.0.0.1", port: int = 0, admits: Admits = _everybody) -> Iterator[str]:
    """Serve in a background thread for the length of a block; the value is the base URL, as in ``serve``."""
    listener = _listen(host, port)
    server = _Server(_configuration(create_app(site, admits=admits)))
    # A daemon, so that a second Ctrl-C while it finishes its downloads ends the process at once.
    thread = threading.Thread(target=server.run, args=([listener],), name="mirror-server", daemon=True)
    try:
        thread.start()
        # The socket already listens: whoever connects before uvicorn is up waits in its backlog.
        yield _base_url(host, listener)
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def _configuration(app: Starlette) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        lifespan="off",
        ws="none",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=2,  # seconds for open downloads
    )


class _Server(uvicorn.Server):
    """uvicorn, but a client that stopped reading leaves no half-closed connection behind."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        for connection in list(self.server_state.connections):
            connection.transport.abort()


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=512)
    except (OSError, UnicodeError) as error:  # UnicodeError: a name that no host can have
        busy = getattr(error, "errno", None) == errno.EADDRINUSE
        reason = "another program listens there" if busy else getattr(error, "strerror", None) or error
        raise PortInUseError(f"cannot listen at {host}:{port}: {reason}", host=host, port=port) from error


def _base_url(host: str, listener: socket.socket) -> str:
    """Address to call: an address that stands for every interface is no address to connect to."""
    name = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    port = listener.getsockname()[1]
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


class _EveryPath(BaseRoute):
    """One route for all, because the table of paths is ``domain.serving`` and not Starlette's."""

    def __init__(self, site: Path, etags: Etags | None, admits: Admits) -> None:
        self._site, self._etags, self._admits = site, etags, admits

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        return (Match.FULL if scope["type"] == "http" else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await run_in_threadpool(self._answer, Request(scope))
        await response(scope, receive, send)

    def _answer(self, request: Request) -> Response:
        """Method, then login, then path: the function at CloudFront's edge goes the same way."""
        if request.method not in ("GET", "HEAD"):
            return _message(405, "Method Not Allowed", {"allow": "GET, HEAD"})
        admission = self._admits(",".join(request.headers.getlist("authorization")) or None)
        if admission is Admission.REFUSED:
            return _message(401, "Unauthorized", _LOGIN_WANTED)
        if admission is Admission.UNKNOWN:
            return _message(503, "Service Unavailable", {"cache-control": "no-store"})
        response = self._answer_admitted(request)
        if admission is Admission.GRANTED:  # a cache that others share would let them in
            response.headers["cache-control"] = response.headers["cache-control"].replace("public", "private")
        return response

    def _answer_admitted(self, request: Request) -> Response:
        try:
            return _answer_from(LiveGeneration.live(self._site, self._etags), request)
        except FileNotFoundError:  # pruned between the look and the opening
            return _message(404, "Not Found")
        except OSError:
            _log.exception("cannot answer %r", request.scope["path"])
            return _message(500, "Internal Server Error", {"cache-control": "no-store"})


def _answer_from(generation: LiveGeneration, request: Request) -> Response:
    accept = ",".join(request.headers.getlist("accept")) or None
    path = request.scope["raw_path"].decode("latin-1")  # undecoded: ``%2f`` still differs from a slash
    outcome = route(path, accept, lambda _: True)  # looked up once, below
    if isinstance(outcome, Redirect):
        return _message(301, "Moved Permanently", {"location": outcome.location})
    if isinstance(outcome, File) and (found := generation.find(outcome.key)):
        return _file(outcome, found, request)
    return _message(404, "Not Found")


def _message(status: int, text: str, headers: Mapping[str, str] | None = None) -> Response:
    common = {"cache-control": "public, max-age=10", "x-content-type-options": "nosniff"}
    return Response(f"{text}\n", status, {**common, **(headers or {})}, media_type="text/plain")


def _file(file: File, found: FoundFile, request: Request) -> Response:
    headers = {
        "content-type": file.content_type,
        "cache-control": file.cache_control,
        "etag": found.etag,
        "accept-ranges": "bytes",
        "x-content-type-options": "nosniff",
        **({"vary": "Accept"} if file.vary else {}),
    }
    if client_has(found.etag, ",".join(request.headers.getlist("if-none-match"))):
        return Response(status_code=304, headers=headers)
    if request.method == "HEAD":  # ranges are defined for GET alone (RFC 9110 §14.2)
        return Response(headers={**headers, "content-length": str(found.size)})
    # Equal exactly, so neither a date nor a weak validator counts (RFC 9110 §13.1.5).
    current = request.headers.get("if-range", found.etag) == found.etag
    wanted = requested_range(request.headers.get("range", ""), found.size) if current else None
    return _content(found, wanted, headers)


def _content(found: FoundFile, wanted: range | None, headers: dict[str, str]) -> Response:
    if wanted is not None and not wanted:
        return _message(416, "Range Not Satisfiable", {"content-range": f"bytes */{found.size}"})
    if wanted is not None:
        headers["content-range"] = f"bytes {wanted.start}-{wanted.stop - 1}/{found.size}"
    status, span = (200, range(found.size)) if wanted is None else (206, wanted)
    headers["content-length"] = str(len(span))
    source = FileIO(found.path)
    if len(span) > _CHUNK:
        return _Stream(source, span, status, headers)
    with source:
        return Response(b"".join(_chunks(source, span)), status, headers)


def _chunks(source: FileIO, span: range) -> Iterator[bytes]:
    """Read a span in pieces; a file that turns out shorter ends early, which the client sees as a cut."""
    source.seek(span.start)
    left = len(span)
    while left and (chunk := source.read(min(left, _CHUNK))):
        left -= len(chunk)
        yield chunk


class _Stream(StreamingResponse):
    """Starlette's own file response opens by name after the headers are out; here the file is open before."""

    def __init__(self, source: FileIO, span: range, status: int, headers: Mapping[str, str]) -> None:
        super().__init__(_chunks(source, span), status, headers)
        self._source = source

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._source.close()
