"""An upstream index on a real loopback socket that can be told to misbehave.

    with FakeUpstream() as upstream:
        alpha = upstream.add(wheel("alpha"))
        upstream.fail(upstream.path_of(alpha), 503, times=2, retry_after="7")
        ...  # fetch from ``upstream.url``
        assert upstream.count(upstream.path_of(alpha)) == 3

Project pages lie at ``/simple/<project>/``, files at ``/files/<file>`` unless ``add`` says otherwise. A page
is JSON (PEP 691) for who asks for it and HTML (PEP 503) for others; ``pages = "html"`` makes it HTML for
everybody. Files understand ``Range``. Everything may be changed while the server runs.

Faults are set per path. Those that end (``fail``, ``redirect``, ``cut``, ``overstate``) queue up: each spoils
its number of requests, then the next one does, then the path is well again. The others (``replace``,
``ignore_ranges``, ``compress``, ``require``, ``hold``) last, and go together with the former.

Requests in absolute form (``GET http://host.example/…``) are answered as well, whatever their host: one
``FakeUpstream`` can so be the plain proxy to itself. ``requests`` tells what was asked for and answered.
"""

from __future__ import annotations

import base64
import gzip
import html
import json
import re
import socket
import ssl
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal
from urllib.parse import quote, unquote, urlsplit

from typing_extensions import Self

from mirror_pipeline_tests.wheels import Dist

SIMPLE_JSON = "application/vnd.pypi.simple.v1+json"
_Locations = tuple[tuple[str, ...], tuple[str, ...]]
"""What a project tracks, and its alternate locations."""
_FOREVER = sys.maxsize
_PATIENCE = 120.0  # seconds after which a test that waits for nothing fails instead of hanging


@dataclass(frozen=True, slots=True)
class Request:
    """A request and the status it was answered with. ``path`` is decoded; header names are lower case."""

    method: str
    path: str
    target: str
    """The request line's own words: percent-encoded, absolute where a client talks to a proxy."""
    headers: Mapping[str, str]
    status: int
    client: int
    """The client's port: requests that came over one connection have it in common."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One file as its project page lists it."""

    file: str
    path: str
    sha256: str | None
    size: int
    requires_python: str | None
    yanked: str | bool
    upload_time: str | None
    provenance: str | None
    """The full URL that the page states."""


@dataclass(slots=True)
class Hold:
    """A path that keeps its clients waiting. ``arrived`` is set as soon as one of them waits."""

    after: int | None
    arrived: threading.Event = field(default_factory=threading.Event)
    _free: threading.Event = field(default_factory=threading.Event)

    def release(self) -> None:
        """Let everybody go on."""
        self._free.set()

    def wait(self) -> None:
        """Keep a client waiting: called by the server."""
        self.arrived.set()
        self._free.wait(_PATIENCE)

    def wait_for_client(self) -> None:
        """Return when somebody waits."""
        assert self.arrived.wait(_PATIENCE), "nobody asked for the path that is held"


@dataclass(slots=True)
class _Fault:
    """What happens to the next ``left`` requests of a path."""

    left: int
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    cut_after: int | None = None
    claimed_more: int = 0


class FakeUpstream:
    """A Simple index; see the module. ``tls`` makes it an https server."""

    def __init__(
        self, *, pages: Literal["negotiated", "html"] = "negotiated", tls: ssl.SSLContext | None = None
    ) -> None:
        self.pages = pages
        self.guard = threading.Lock()
        self._tls = tls
        self._projects: dict[str, dict[str, Listed]] = {}
        self._marks: dict[str, dict[str, str]] = {}
        self._locations: dict[str, _Locations] = {}
        self._contents: dict[str, bytes] = {}
        self._replaced: dict[str, tuple[bytes, str | None]] = {}
        self._faults: dict[str, list[_Fault]] = {}
        self._holds: dict[str, Hold] = {}
        self._without_ranges: set[str] = set()
        self._compressed: set[str] = set()
        self._secrets: dict[str, tuple[str, str]] = {}
        self._requests: list[Request] = []
        self._server = _Server(self, tls)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), name="upstream")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if error is None:
            assert not self._server.errors, self._server.errors

    def close(self) -> None:
        """Stop, and end every connection: from now on nobody is reached here."""
        if not self._thread.is_alive():
            return
        for hold in self._holds.values():
            hold.release()
        self._server.shutdown()
        self._thread.join()
        self._server.hang_up()
        self._server.server_close()

    # Where things are.

    @property
    def host(self) -> str:
        """``127.0.0.1:port``."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def root(self) -> str:
        """The server's address, without a slash at its end."""
        return f"{'https' if self._tls else 'http'}://{self.host}"

    @property
    def url(self) -> str:
        """The index URL, as ``MIRROR_INDEX_URL`` has it."""
        return f"{self.root}/simple/"

    def url_with(self, user: str, password: str) -> str:
        """The index URL with credentials in it."""
        return self.url.replace("://", f"://{quote(user, safe='')}:{quote(password, safe='')}@")

    @staticmethod
    def page_of(project: str) -> str:
        """Path of a project page."""
        return f"/simple/{project}/"

    @staticmethod
    def provenance_of(dist: Dist) -> str:
        """Path of a file's provenance."""
        return f"/integrity/{dist.project}/{dist.version}/{dist.file}/provenance"

    def path_of(self, dist: Dist) -> str:
        """Path of a file."""
        return self._projects[dist.project][dist.file].path

    # What there is.

    def add(
        self,
        dist: Dist,
        *,
        path: str | None = None,
        sha256: str | None = "",
        yanked: str | bool = False,
        upload_time: str | None = None,
        provenance: bytes | None = None,
        listed: bool = True,
    ) -> Dist:
        """Offer a file; adding it again changes what its page says.

        ``sha256`` is the digest that the page states, by default the true one, None for none at all.
        ``listed=False`` serves the file without any page that names it.
        """
        place = path or f"/files/{dist.file}"
        stated = dist.sha256 if sha256 == "" else sha256
        attested = f"{self.root}{self.provenance_of(dist)}" if provenance is not None else None
        entry = Listed(
            dist.file, place, stated, dist.size, dist.requires_python, yanked, upload_time, attested
        )
        with self.guard:
            self._contents[place] = dist.content
            if provenance is not None:
                self._contents[self.provenance_of(dist)] = provenance
            if listed:
                self._projects.setdefault(dist.project, {})[dist.file] = entry
        return dist

    def remove(self, dist: Dist) -> None:
        """Take a file off its page and off the server."""
        with self.guard:
            self._contents.pop(self._projects[dist.project].pop(dist.file).path)

    def withdraw(self, project: str) -> None:
        """Have no page of a project any more; its files stay on the server."""
        with self.guard:
            del self._projects[project]

    def mark(self, project: str, status: str, reason: str = "") -> None:
        """Say of a project what PEP 792 has words for; a quarantined one lists no file any more."""
        with self.guard:
            self._marks[project] = {"status": status, **({"reason": reason} if reason else {})}
            if status == "quarantined":
                self._projects[project] = {}

    def say(self, project: str, *, tracks: Sequence[str] = (), alternates: Sequence[str] = ()) -> None:
        """Say of a project where else it is (PEP 708)."""
        with self.guard:
            self._locations[project] = (tuple(tracks), tuple(alternates))

    # Faults that end.

    def fail(self, path: str, status: int, *, times: int = _FOREVER, retry_after: str | None = None) -> None:
        """Answer with a status and nothing else."""
        headers = {"Retry-After": retry_after} if retry_after is not None else {}
        self._queue(path, _Fault(times, status, headers))

    def redirect(self, path: str, location: str, *, status: int = 302, times: int = _FOREVER) -> None:
        """Send clients elsewhere."""
        self._queue(path, _Fault(times, status, {"Location": location}))

    def cut(self, path: str, after: int, *, times: int = 1) -> None:
        """Hang up after so many bytes of the body (of what was asked for, where that is a range)."""
        self._queue(path, _Fault(times, cut_after=after))

    def overstate(self, path: str, by: int, *, times: int = 1) -> None:
        """Promise more bytes than there are, then hang up after the last."""
        self._queue(path, _Fault(times, claimed_more=by))

    # Faults that last.

    def replace(self, path: str, content: bytes, content_type: str | None = None) -> None:
        """Serve these bytes instead, with a length that fits them."""
        with self.guard:
            self._replaced[path] = (content, content_type)

    def ignore_ranges(self, path: str) -> None:
        """Answer a ``Range`` with the whole file, as servers may."""
        with self.guard:
            self._without_ranges.add(path)

    def compress(self, path: str) -> None:
        """Send the body gzip-encoded, whether or not that was asked for."""
        with self.guard:
            self._compressed.add(path)

    def require(self, user: str, password: str, *, under: str = "/") -> None:
        """Answer 401 to whoever does not name these by Basic authentication, for paths that begin so."""
        with self.guard:
            self._secrets[under] = (user, password)

    def hold(self, path: str, *, after: int | None = None) -> Hold:
        """Keep clients waiting: for the first byte, or for what follows the head and ``after`` bytes."""
        with self.guard:
            return self._holds.setdefault(path, Hold(after))

    # What was asked for.

    @property
    def requests(self) -> tuple[Request, ...]:
        """Every request so far, in the order of their answers' heads."""
        with self.guard:
            return tuple(self._requests)

    def asked(self, path: str) -> tuple[Request, ...]:
        """The requests for one path."""
        return tuple(request for request in self.requests if request.path == path)

    def count(self, path: str | None = None) -> int:
        """How many requests there were, for one path or at all."""
        return len(self.requests if path is None else self.asked(path))

    def forget(self) -> None:
        """Count from nothing again."""
        with self.guard:
            self._requests.clear()

    # For the handler.

    def _queue(self, path: str, fault: _Fault) -> None:
        with self.guard:
            self._faults.setdefault(path, []).append(fault)

    def next_fault(self, path: str) -> _Fault:
        """What to do to this request; an empty fault where the path is well."""
        with self.guard:
            for fault in self._faults.get(path, ()):
                if fault.left > 0:
                    fault.left -= 1
                    return fault
        return _Fault(0)

    def held(self, path: str) -> Hold | None:
        """The hold on a path, if there is one."""
        with self.guard:
            return self._holds.get(path)

    def is_allowed(self, path: str, authorization: str | None) -> bool:
        """Whether the credentials are right, or none are needed."""
        with self.guard:
            wanted = [secret for under, secret in self._secrets.items() if path.startswith(under)]
        encoded = {base64.b64encode(":".join(secret).encode()).decode() for secret in wanted}
        return not wanted or authorization in {f"Basic {secret}" for secret in encoded}

    def content(self, path: str, accept: str) -> tuple[bytes, str] | None:
        """Body and type of a path, None where nothing is there."""
        with self.guard:
            found = self._contents.get(path)
            page = re.fullmatch(r"/simple/([^/]+)/", path)
            kind = "application/octet-stream"
            if found is None and page and page[1] in self._projects:
                found, kind = self._page(page[1], accept)
            if path in self._replaced:
                other, other_kind = self._replaced[path]
                return other, other_kind or kind
            return None if found is None else (found, kind)

    def understands_ranges(self, path: str) -> bool:
        """Whether a ``Range`` is honoured: for files only."""
        with self.guard:
            return path in self._contents and path not in self._without_ranges

    def is_compressed(self, path: str) -> bool:
        """Whether the body goes out gzip-encoded."""
        with self.guard:
            return path in self._compressed

    def record(self, request: Request) -> None:
        """Note a request."""
        with self.guard:
            self._requests.append(request)

    def _page(self, project: str, accept: str) -> tuple[bytes, str]:
        files = [self._projects[project][name] for name in sorted(self._projects[project])]
        mark, where = self._marks.get(project, {}), self._locations.get(project, ((), ()))
        if self.pages == "negotiated" and SIMPLE_JSON in accept:
            return _as_json(project, files, mark, where), SIMPLE_JSON
        return _as_html(project, files, mark, where), "text/html; charset=utf-8"


def _as_html(project: str, files: list[Listed], mark: Mapping[str, str], where: _Locations) -> bytes:
    names = {"status": "pypi:project-status", "reason": "pypi:project-status-reason"}
    told = {"pypi:repository-version": "1.4", **{names[key]: value for key, value in mark.items()}}
    tracks, alternates = where
    said = [
        *told.items(),
        *(("pypi:tracks", url) for url in tracks),
        *(("pypi:alternate-locations", url) for url in alternates),
    ]
    metas = [f'<meta name="{name}" content="{html.escape(value)}">' for name, value in said]
    title = f"<title>Links for {project}</title>"
    lines = ["<!DOCTYPE html>", "<html>", "<head>", *metas, title, "</head>", "<body>"]
    for entry in files:
        fragment = f"#sha256={entry.sha256}" if entry.sha256 else ""
        attributes = {"href": f"../..{quote(entry.path)}{fragment}"}
        if entry.requires_python:
            attributes["data-requires-python"] = entry.requires_python
        if entry.yanked is not False:
            attributes["data-yanked"] = "" if entry.yanked is True else entry.yanked
        if entry.provenance:
            attributes["data-provenance"] = entry.provenance
        written = " ".join(f'{name}="{html.escape(value)}"' for name, value in attributes.items())
        lines.append(f"<a {written}>{html.escape(entry.file)}</a><br>")
    return "\n".join([*lines, "</body>", "</html>", ""]).encode()


def _as_json(project: str, files: list[Listed], mark: Mapping[str, str], where: _Locations) -> bytes:
    tracks, alternates = where
    document = {
        "meta": {"api-version": "1.4", **({"tracks": tracks} if tracks else {})},
        "name": project,
        "files": [_json_entry(entry) for entry in files],
        **({"project-status": mark} if mark else {}),
        **({"alternate-locations": alternates} if alternates else {}),
    }
    return json.dumps(document).encode()


def _json_entry(entry: Listed) -> dict[str, Any]:
    known: dict[str, Any] = {
        "filename": entry.file,
        "url": f"../..{quote(entry.path)}",
        "hashes": {"sha256": entry.sha256} if entry.sha256 else {},
        "size": entry.size,
        "yanked": entry.yanked,
    }
    if entry.requires_python:
        known["requires-python"] = entry.requires_python
    if entry.upload_time:
        known["upload-time"] = entry.upload_time
    if entry.provenance:
        known["provenance"] = entry.provenance
    return known


class _Server(ThreadingHTTPServer):
    """Ends every connection when it closes, and keeps what went wrong in its own code."""

    daemon_threads = False  # joined at the end, so that no socket outlives its test
    request_queue_size = 128

    def __init__(self, upstream: FakeUpstream, tls: ssl.SSLContext | None) -> None:
        self.upstream, self._tls = upstream, tls
        self.errors: list[BaseException] = []
        self._open: set[socket.socket] = set()
        self._closing = False
        super().__init__(("127.0.0.1", 0), _Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        if self._tls is not None:  # the handshake is left to the connection's own thread
            connection = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    @contextmanager
    def connected(self, connection: socket.socket) -> Iterator[None]:
        """Remember a connection for as long as it is open."""
        with self.upstream.guard:
            self._open.add(connection)
            closing = self._closing
        if closing:
            _hang_up(connection)
        try:
            yield
        finally:
            with self.upstream.guard:
                self._open.discard(connection)

    def hang_up(self) -> None:
        """End what is open; the threads of those connections then end by themselves."""
        with self.upstream.guard:
            self._closing = True
            waiting = list(self._open)
        for connection in waiting:
            _hang_up(connection)

    def handle_error(self, request: object, client_address: object) -> None:
        error = sys.exc_info()[1]
        if error is not None and not isinstance(error, OSError):  # clients may hang up, or distrust us
            self.errors.append(error)


def _hang_up(connection: socket.socket) -> None:
    with suppress(OSError):
        socket.socket.shutdown(connection, socket.SHUT_RDWR)  # below TLS: the thread that reads wakes up


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server
    connection: socket.socket
    requestline: str

    def handle(self) -> None:
        with self.server.connected(self.connection):
            super().handle()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Nothing: ``requests`` tells more."""

    def do_GET(self) -> None:
        """Answer a GET."""
        self._answer()

    def do_HEAD(self) -> None:
        """Answer a HEAD."""
        self._answer()

    def _answer(self) -> None:
        upstream, path = self.server.upstream, unquote(urlsplit(self.path).path)
        hold = upstream.held(path)
        if hold and hold.after is None:
            hold.wait()
        if not upstream.is_allowed(path, self.headers.get("Authorization")):
            self._send_bare(path, 401, {"WWW-Authenticate": 'Basic realm="tests"'})
            return
        fault = upstream.next_fault(path)
        if fault.status is not None:
            self._send_bare(path, fault.status, fault.headers)
            return
        found = upstream.content(path, self.headers.get("Accept", ""))
        if found is None:
            self._send_bare(path, 404, {})
            return
        self._send_content(path, *found, fault, hold)

    def _send_content(self, path: str, body: bytes, kind: str, fault: _Fault, hold: Hold | None) -> None:
        headers = {"Content-Type": kind}
        if self.server.upstream.is_compressed(path):
            body, headers["Content-Encoding"] = gzip.compress(body, mtime=0), "gzip"
        status, part = 200, body
        if self.server.upstream.understands_ranges(path):
            headers["Accept-Ranges"] = "bytes"
            start = _start(self.headers.get("Range"))
            if start is not None and start >= len(body):
                self._send_bare(path, 416, {"Content-Range": f"bytes */{len(body)}"})
                return
            if start is not None:
                status, part = 206, body[start:]
                headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        headers["Content-Length"] = str(len(part) + fault.claimed_more)
        self._send_head(path, status, headers)
        if self.command != "HEAD":
            self._send_body(part, fault, hold)

    def _send_body(self, body: bytes, fault: _Fault, hold: Hold | None) -> None:
        if hold and hold.after is not None:
            self.wfile.write(body[: hold.after])
            hold.wait()
            body = body[hold.after :]
        self.wfile.write(body if fault.cut_after is None else body[: fault.cut_after])
        if fault.cut_after is not None or fault.claimed_more:
            self.close_connection = True

    def _send_bare(self, path: str, status: int, headers: Mapping[str, str]) -> None:
        body = f"status {status}\n".encode()
        self._send_head(path, status, {**headers, "Content-Length": str(len(body))})
        if self.command != "HEAD":
            self.wfile.write(body)

    def _send_head(self, path: str, status: int, headers: Mapping[str, str]) -> None:
        lowered = {name.lower(): value for name, value in self.headers.items()}
        client = self.client_address[1]
        self.server.upstream.record(Request(self.command, path, self.path, lowered, status, client))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


def _start(wanted: str | None) -> int | None:
    """First byte of an open range, the only kind that is understood here."""
    found = re.fullmatch(r"bytes=(\d+)-", wanted or "")
    return int(found[1]) if found else None
