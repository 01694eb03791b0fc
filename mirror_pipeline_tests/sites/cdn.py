"""What stands before a bucket, as a real HTTP server that can be told to misbehave.

``guarded`` answers as the function at the edge does: ``domain.serving.route``, gzip variants, nothing but
what that table has. Otherwise it gives files by their paths, and ``index.html`` for folders, as plain servers
do. Faults may be set while it runs; every request is noted.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

from mirror_pipeline.domain.bucket_layout import compressed
from mirror_pipeline.domain.edge import has_gzip
from mirror_pipeline.domain.serving import File, Redirect, cache_control, content_type, route

Source = Callable[[str, bool], "bytes | None"]
"""What lies there of a public key: as it is, or its gzip variant."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request and what it was answered."""

    path: str
    accept: str
    authorization: str
    status: int


@dataclass
class Cdn:
    """One front, and its faults: by path what is answered, by key what files are given with."""

    source: Source
    guarded: bool = True
    login: str = ""
    """``name:token``: nobody else gets in."""
    statuses: dict[str, int] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    readable: dict[str, bytes] = field(default_factory=dict)
    """Paths outside of the table at which there is something all the same."""
    changed: dict[tuple[str, bool], bytes | None] = field(default_factory=dict)
    """By key and whether it is the gzip variant: other bytes, or None for nothing."""
    types: dict[str, str] = field(default_factory=dict)
    caching: dict[str, str] = field(default_factory=dict)
    encodings: dict[str, str] = field(default_factory=dict)
    open_paths: set[str] = field(default_factory=set)
    """Where nobody asks for a login."""
    requests: list[Asked] = field(default_factory=list)

    def answer(self, path: str, headers: Message) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of a request."""
        expected = f"Basic {base64.b64encode(self.login.encode()).decode()}"
        if self.login and path not in self.open_paths and headers.get("Authorization") != expected:
            return 401, {"WWW-Authenticate": 'Basic realm="mirror"'}, b"Unauthorized\n"
        if path in self.redirects:
            return 302, {"Location": self.redirects[path]}, b""
        if path in self.statuses:
            return self.statuses[path], {}, b"in trouble\n"
        if path in self.readable:
            return 200, {}, self.readable[path]
        return self._file(path, headers)

    def _file(self, path: str, headers: Message) -> tuple[int, dict[str, str], bytes]:
        if not self.guarded:
            return self._given(unquote(path[1:]) + ("index.html" if path.endswith("/") else ""), packed=False)
        found = route(path, headers.get("Accept"), lambda _key: True)
        if isinstance(found, Redirect):
            return 301, {"Location": found.location}, b""
        if not isinstance(found, File):
            return 404, {}, b"Not Found\n"
        return self._given(
            found.key, packed=has_gzip(found.key) and "gzip" in headers.get("Accept-Encoding", "")
        )

    def _given(self, key: str, *, packed: bool) -> tuple[int, dict[str, str], bytes]:
        place = (key, packed)
        content = self.changed[place] if place in self.changed else self.source(key, packed)
        if content is None:
            return 404, {}, b"Not Found\n"
        told = {
            "Content-Type": self.types.get(key, content_type(key)),
            "Cache-Control": self.caching.get(key, cache_control(key)),
            "Content-Encoding": "gzip" if packed else self.encodings.get(key, ""),
        }
        return 200, {name: value for name, value in told.items() if value}, content


def source_of(files: Mapping[str, bytes]) -> Source:
    """Files that lie there as they are, compressed when that is asked for."""

    def source(key: str, packed: bool) -> bytes | None:
        content = files.get(key)
        return compressed(content) if packed and content is not None else content

    return source


@contextmanager
def running(cdn: Cdn) -> Iterator[str]:
    """The front, at a URL on the loopback interface."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, headers, body = cdn.answer(self.path, self.headers)
            asked = self.headers.get("Accept", ""), self.headers.get("Authorization", "")
            cdn.requests.append(Asked(self.path, *asked, status))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """``requests`` is the log."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
