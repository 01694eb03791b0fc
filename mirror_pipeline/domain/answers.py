"""What is answered to a request, decided without I/O: status, headers, and bytes or a span of a file.

What belongs here: the part of HTTP that is about what was asked and what there is (RFC 9110: validators,
conditions, ranges, encodings). What does not: which key answers a path (``domain.serving``), finding it
(``adapters.site_files``), connections (``adapters.connection``), or who may read (``domain.tokens``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from mirror_pipeline.domain.serving import (
    File,
    NotFound,
    Redirect,
    client_has,
    content_type,
    requested_range,
    route,
)
from mirror_pipeline.domain.tokens import Admission

GZIP = "gzip"
_LONGEST_REMEMBERED = 512
_COMPRESSED_TYPES = (
    "text/",
    "application/json",
    "application/vnd.pypi.",
    "application/toml",
    "image/svg+xml",
)
_QUALITY = re.compile(r"\s*q=(0(\.[0-9]{0,3})?|1(\.0{0,3})?)\s*", re.IGNORECASE)  # RFC 9110 §12.4.2
_COMMON = (("cache-control", "public, max-age=10"), ("x-content-type-options", "nosniff"))
_NO_STORE = (("cache-control", "no-store"), ("x-content-type-options", "nosniff"))
_LOGIN_WANTED = (("www-authenticate", 'Basic realm="mirror"'), *_NO_STORE)

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asks: only a ``GET`` or ``HEAD`` gets anything."""

    method: str
    target: str
    """As the request line had it, undecoded: ``%2f`` differs from a slash."""
    headers: Mapping[str, str]
    """By names in lower case; several lines of one name are joined with commas (RFC 9110 §5.2)."""

    @property
    def authorization(self) -> str | None:
        """The login, if one is sent."""
        return self.headers.get("authorization")


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes of a file that was looked up. ``size`` is that of the whole file then."""

    path: str
    start: int
    stop: int
    size: int

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True, slots=True)
class Content:
    """What is published under a key: a regular file, and its bytes where they are kept in memory."""

    digest: str
    """Of the bytes, so it validates them strongly; other than a date, which two files may have."""
    path: str
    size: int
    data: bytes | None = None
    compressed: bytes | None = None
    """With gzip, where that makes it smaller."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response. ``body`` is what a ``GET`` gets; with ``HEAD`` only its length is told."""

    status: int
    headers: Headers
    body: bytes | Span = b""
    kind: str = "none"
    """What was asked for, in one word, for those who count."""
    user: str = ""
    """The name of the login that let it in."""


def message(status: int, text: str, headers: Headers = _COMMON) -> Answer:
    """An answer without a file: its own name is all it says."""
    return Answer(
        status, (("content-type", "text/plain; charset=utf-8"), *headers), f"{text}\n".encode("latin-1")
    )


NOT_FOUND = message(404, "Not Found")
FAILED = message(500, "Internal Server Error", _NO_STORE)
_WRONG_METHOD = message(405, "Method Not Allowed", (("allow", "GET, HEAD"), *_COMMON))
_UNAUTHORIZED = message(401, "Unauthorized", _LOGIN_WANTED)
_UNAVAILABLE = message(503, "Service Unavailable", _NO_STORE)


def refused_method(request: Request) -> Answer | None:
    """The answer to whoever wants anything but to read."""
    return None if request.method in ("GET", "HEAD") else _WRONG_METHOD


def refused_login(admission: Admission) -> Answer | None:
    """The answer to whoever is not let in; the same whatever was asked for."""
    if admission is Admission.REFUSED:
        return _UNAUTHORIZED
    return _UNAVAILABLE if admission is Admission.UNKNOWN else None


def for_those_admitted(answer: Answer, user: str) -> Answer:
    """What a login was needed for: a cache that others share would let them in."""
    headers = tuple(
        (name, value.replace("public", "private") if name == "cache-control" else value)
        for name, value in answer.headers
    )
    return replace(answer, headers=headers, user=user)


def routed(request: Request) -> File | Answer:
    """The key that may answer, or what answers without one."""
    accept = request.headers.get("accept")
    remembered = len(request.target) + len(accept or "") <= _LONGEST_REMEMBERED
    outcome = (_remembered_route if remembered else _route)(request.target, accept)
    if isinstance(outcome, Redirect):
        return message(301, "Moved Permanently", (("location", outcome.location), *_COMMON))
    return NOT_FOUND if isinstance(outcome, NotFound) else outcome


def _route(target: str, accept: str | None) -> File | Redirect | NotFound:
    return route(target, accept, lambda _: True)  # whether it exists is looked up once, later


_remembered_route = lru_cache(maxsize=8192)(_route)


def answer_with(request: Request, file: File, content: Content) -> Answer:
    """Send a file, a part of it, or word that the client has it."""
    asked = request.headers.get
    # A range is one of the bytes as they lie there: a client goes on with what it has (RFC 9110 §14.2).
    wants_range = "range" in request.headers and request.method == "GET"
    compressed = None if wants_range else _compressed(content, asked("accept-encoding"))
    etag = f'"{content.digest}"' if compressed is None else f'"{content.digest}-{GZIP}"'
    headers = _headers(file, etag, compressed is not None)
    kind = kind_of(file.key)
    if client_has(etag, asked("if-none-match", "")):
        return Answer(304, headers, kind=kind)
    if compressed is not None:
        return Answer(200, headers, compressed, kind)
    # Equal exactly, so neither a date nor a weak validator counts (RFC 9110 §13.1.5).
    current = wants_range and asked("if-range", etag) == etag
    wanted = requested_range(asked("range", ""), content.size) if current else None
    return _part(content, wanted, headers, kind)


def _part(content: Content, wanted: range | None, headers: Headers, kind: str) -> Answer:
    if wanted is None:
        return Answer(200, headers, _bytes_of(content, range(content.size)), kind)
    if not wanted:
        nothing = (("content-range", f"bytes */{content.size}"), *_COMMON)
        return replace(message(416, "Range Not Satisfiable", nothing), kind=kind)
    told = ("content-range", f"bytes {wanted.start}-{wanted.stop - 1}/{content.size}")
    return Answer(206, (*headers, told), _bytes_of(content, wanted), kind)


def _bytes_of(content: Content, span: range) -> bytes | Span:
    if content.data is None:
        return Span(content.path, span.start, span.stop, content.size)
    return content.data[span.start : span.stop]


@lru_cache(maxsize=8192)
def _headers(file: File, etag: str, compressed: bool) -> Headers:
    varies = [name for name, does in (("Accept", file.vary), ("Accept-Encoding", is_text(file.key))) if does]
    return (
        ("content-type", file.content_type),
        ("cache-control", file.cache_control),
        ("etag", etag),
        ("accept-ranges", "bytes"),
        ("x-content-type-options", "nosniff"),
        *([("vary", ", ".join(varies))] if varies else []),
        *([("content-encoding", GZIP)] if compressed else []),
    )


def _compressed(content: Content, accept_encoding: str | None) -> bytes | None:
    if content.compressed is None or accept_encoding is None or not accepts_gzip(accept_encoding):
        return None
    return content.compressed


def is_text(key: str) -> bool:
    """Whether it is worth compressing. Packages never are: their bytes are what their hash is of."""
    if key.startswith("packages/") and not key.endswith(".metadata"):
        return False
    return content_type(key).startswith(_COMPRESSED_TYPES)


@lru_cache(maxsize=256)
def accepts_gzip(accept_encoding: str) -> bool:
    """Negotiate the encoding (RFC 9110 §12.5.3): named, or by ``*`` where it is not named, and not with 0."""
    offers = dict[str, bool]()
    for item in accept_encoding.split(","):
        name, _, parameter = item.partition(";")
        quality = _QUALITY.fullmatch(parameter)
        if not parameter or quality:
            offers[name.strip().lower()] = quality is None or float(quality[1]) > 0
    return offers.get(GZIP, offers.get("x-gzip", offers.get("*", False)))


def kind_of(key: str) -> str:
    """What a key is, in one word."""
    folder, _, name = key.partition("/")
    if folder == "packages":
        return "metadata" if name.endswith(".metadata") else "package"
    if folder == "simple":
        return "page"
    return "document" if folder in ("pylock", "requirements", "manifest.json") or _is_list(key) else "site"


def _is_list(key: str) -> bool:
    return key.startswith("requirements-")
