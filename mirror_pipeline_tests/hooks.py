"""A webhook on a real loopback socket: it keeps what it was sent, and answers as it is told to."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "T0KEN/B0T/x9y8z7w6v5u4"


@dataclass(frozen=True, slots=True)
class Sent:
    """One request."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def told(self) -> Mapping[str, Any]:
        """The JSON object."""
        found = json.loads(self.body)
        assert isinstance(found, dict)
        return found


@dataclass
class Hook:
    """What was sent. ``answers`` are the statuses of the next requests, and headers; then it is 200."""

    url: str = ""
    sent: list[Sent] = field(default_factory=list)
    answers: list[tuple[int, Mapping[str, str]]] = field(default_factory=list)

    @property
    def told(self) -> list[Mapping[str, Any]]:
        """Every JSON object, in order."""
        return [one.told for one in self.sent]


@contextmanager
def webhook() -> Iterator[Hook]:
    """A webhook whose URL has a token in it, as those of chat services have."""
    hook, guard = Hook(), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with guard:
                headers = {name.lower(): value for name, value in self.headers.items()}
                hook.sent.append(Sent(self.path, headers, body))
                status, told = hook.answers.pop(0) if hook.answers else (200, {})
            self.send_response(status)
            for name, value in {**told, "Content-Length": "2"}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hook.url = f"http://127.0.0.1:{server.server_port}/services/{TOKEN}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), name="webhook")
    thread.start()
    try:
        yield hook
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
