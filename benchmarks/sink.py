"""An S3 server that costs next to nothing, so that what is measured against it is the client.

    python benchmarks/sink.py PORT [--latency SECONDS]

Objects are kept in memory. It checks no signature and no checksum, and hashes nothing: an ETag is a number.
What a publisher needs is there: PUT and GET, ``If-None-Match`` and ``If-Match``, lists, deletions of many.
With a latency every answer waits that long, as those of a distant service do, and costs nothing meanwhile.
``GET /-/requests`` tells how many requests came since the last such question.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape, unescape

COUNTER = "/-/requests"
_STATUS = {200: "OK", 204: "No Content", 404: "Not Found", 412: "Precondition Failed"}
_KEY = re.compile(rb"<Key>(.*?)</Key>")
_DATE = "Thu, 01 Jan 2026 00:00:00 GMT"

Answer = tuple[int, str, bytes]
"""Status, ETag and body."""


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Objects:
    """All buckets: they need not be made, and share one dictionary by path."""

    kept: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    etags: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    requests: int = 0

    def answer(self, asked: Asked) -> Answer:
        """What S3 would say, as far as a publisher asks."""
        if asked.target == COUNTER:
            count, self.requests = self.requests, 0
            return 200, "", str(count).encode()
        self.requests += 1
        parts = urlsplit(asked.target)
        path, query = unquote(parts.path), parse_qs(parts.query, keep_blank_values=True)
        if "delete" in query:
            return self._deleted(path.rstrip("/"), asked.body)
        if "list-type" in query:
            return self._listed(path.rstrip("/"), query.get("prefix", [""])[0])
        return self._put(path, asked) if asked.method == "PUT" else self._found(path)

    def _put(self, path: str, asked: Asked) -> Answer:
        there = self.kept.get(path)
        wanted, unwanted = asked.headers.get("if-match"), asked.headers.get("if-none-match")
        if (unwanted and there) or (wanted and (there is None or there[1] != wanted)):
            return 412, "", _error("PreconditionFailed")
        etag = f'"{next(self.etags):032x}"'
        self.kept[path] = (asked.body, etag)
        return 200, etag, b""

    def _found(self, path: str) -> Answer:
        there = self.kept.get(path)
        return (200, there[1], there[0]) if there else (404, "", _error("NoSuchKey"))

    def _listed(self, bucket: str, prefix: str) -> Answer:
        found = sorted(path for path in self.kept if path.startswith(f"{bucket}/{prefix}"))
        entries = "".join(
            f"<Contents><Key>{escape(path.removeprefix(f'{bucket}/'))}</Key><Size>{len(self.kept[path][0])}"
            f"</Size><ETag>{escape(self.kept[path][1])}</ETag>"
            "<LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
            for path in found
        )
        return (
            200,
            "",
            f"<ListBucketResult><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>".encode(),
        )

    def _deleted(self, bucket: str, body: bytes) -> Answer:
        for key in _KEY.findall(body):
            self.kept.pop(f"{bucket}/{unescape(key.decode())}", None)
        return 200, "", b"<DeleteResult></DeleteResult>"


class Connection(asyncio.Protocol):
    """HTTP/1.1 with kept connections: one request after the other, each with a length."""

    def __init__(self, objects: Objects, latency: float) -> None:
        self._objects, self._latency = objects, latency
        self._chunks: list[bytes] = []
        self._head: tuple[str, str, dict[str, str]] | None = None
        self._missing = 0
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        self._chunks.append(data)
        self._missing -= len(data)
        if self._head is None:
            self._read_head()
        if self._head is not None and self._missing <= 0:
            self._answer(*self._head)

    def _read_head(self) -> None:
        data = b"".join(self._chunks)
        self._chunks = [data]
        head, end, body = data.partition(b"\r\n\r\n")
        if not end:
            return
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        method, target, _ = first.split(" ")
        self._head, self._chunks = (method, target, headers), [body]
        self._missing = int(headers.get("content-length", 0)) - len(body)
        if headers.get("expect", "").lower() == "100-continue" and self._missing > 0:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _answer(self, method: str, target: str, headers: dict[str, str]) -> None:
        status, etag, body = self._objects.answer(Asked(method, target, headers, b"".join(self._chunks)))
        self._head, self._chunks, self._missing = None, [], 0
        tag = f"ETag: {etag}\r\n" if etag else ""
        head = f"HTTP/1.1 {status} {_STATUS[status]}\r\nDate: {_DATE}\r\nLast-Modified: {_DATE}\r\n{tag}"
        written = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + (b"" if method == "HEAD" else body)
        if self._latency:
            asyncio.get_running_loop().call_later(self._latency, self._transport.write, written)
        else:
            self._transport.write(written)


def _error(code: str) -> bytes:
    return f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()


async def serve(port: int, latency: float) -> None:
    """Answer until the process is ended."""
    objects = Objects()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(objects, latency), "127.0.0.1", port, backlog=256)
    await server.serve_forever()


@contextmanager
def run_sink(port: int, latency: float = 0.0) -> Iterator[str]:
    """The server in a process of its own, once it listens; its address."""
    command = [sys.executable, str(Path(__file__).resolve()), str(port), "--latency", str(latency)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert process.poll() is None, "the sink did not start"
                time.sleep(0.02)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("port", type=int)
    parser.add_argument("--latency", type=float, default=0.0)
    asked = parser.parse_args()
    asyncio.run(serve(asked.port, asked.latency))


if __name__ == "__main__":
    main()
