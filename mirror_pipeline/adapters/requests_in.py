"""Bytes to requests: HTTP/1.1 as it arrives (RFC 9112), within limits. llhttp parses, as it does in node.

What belongs here: what a request has to be like to be answered at all. What does not: the answer.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import httptools

from mirror_pipeline.domain.answers import Request

LONGEST_TARGET = 8 * 1024
MOST_FIELDS = 100
BIGGEST_HEAD = 32 * 1024
_WHOLE_ADDRESS = re.compile(r"https?://[^/?#]*(.*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, and what only its connection wants to know."""

    request: Request
    version: str
    keep: bool
    """Whether another request may follow it."""
    linger: bool = False
    """A body follows, which nobody reads: the answer must not get lost over it."""


class Reader:
    """Reads one connection's requests. A body is never read: whoever sends one has used the connection up."""

    def __init__(self) -> None:
        self.requests: deque[Asked | int] = deque()
        """What was read and not answered yet; a number is the status for one that cannot be, and the last."""
        self.over = False
        """Nothing more is read."""
        self.midway = False
        """A request has begun and its head is not complete."""
        self._parser = httptools.HttpRequestParser(self)
        self._unfinished = self._size = 0
        self._target = b""
        self._fields: list[tuple[bytes, bytes]] = []

    def feed(self, data: bytes) -> None:
        """What came in."""
        if self.over:
            return
        self._unfinished += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:  # offered, and not taken: what follows is not HTTP/1.1 any more
            self.over = True
        except httptools.HttpParserError:
            self._refuse(400)
        if self._unfinished > BIGGEST_HEAD:
            self._refuse(431)

    def _refuse(self, status: int) -> None:
        if not self.over:
            self.requests.append(status)
            self.over = True

    # The parser calls these.

    def on_message_begin(self) -> None:
        """A new request."""
        self._target, self._fields, self._size, self.midway = b"", [], 0, True

    def on_url(self, url: bytes) -> None:
        """A piece of its target."""
        self._target += url
        if len(self._target) > LONGEST_TARGET:
            self._refuse(414)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One line."""
        self._fields.append((name, value))
        self._size += len(name) + len(value)
        if len(self._fields) > MOST_FIELDS or self._size > BIGGEST_HEAD:
            self._refuse(431)

    def on_headers_complete(self) -> None:
        """All that counts is there."""
        self._unfinished, self.midway = 0, False
        if self.over:
            return None
        version, headers = self._parser.get_http_version(), _joined(self._fields)
        if status := _trouble(version, headers, self._fields):
            return self._refuse(status)
        body = "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
        keep = not body and self._parser.should_keep_alive()
        method = self._parser.get_method().decode("latin-1")
        request = Request(method, _origin_form(self._target.decode("latin-1")), headers)
        self.requests.append(Asked(request, version, keep, linger=body))
        self.over = not keep
        return None


def _origin_form(target: str) -> str:
    """The path and query of a target that is a whole address, as a proxy is asked (RFC 9112 §3.2.2)."""
    address = _WHOLE_ADDRESS.fullmatch(target)
    if address is None:
        return target
    return address[1] if address[1].startswith("/") else f"/{address[1]}"


def _joined(fields: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for raw_name, raw_value in fields:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return headers


def _trouble(version: str, headers: dict[str, str], fields: list[tuple[bytes, bytes]]) -> int:
    """The status for a request that is well-formed and yet not to be answered, 0 for all others."""
    if version not in ("1.0", "1.1"):
        return 505
    hosts = sum(name.lower() == b"host" for name, _ in fields)
    if hosts > 1 or (hosts == 0 and version == "1.1"):  # RFC 9112 §3.2
        return 400
    expected = headers.get("expect")
    return 417 if expected is not None and expected.lower() != "100-continue" else 0
