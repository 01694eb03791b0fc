"""An upstream index that costs next to nothing, so that what is measured against it is the mirror.

    python benchmarks/upstream.py PORT PROJECTS

It serves the crowd of so many projects (``mirror_pipeline_tests.crowds``): pages at ``/simple/<project>/`` as
JSON, made beforehand and kept in memory, each with a few older releases besides the one that is locked; files
at ``/files/<file>``. ``GET /-/cpu`` tells the seconds of CPU that it took so far, its start left out.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mirror_pipeline_tests.crowds import VERSION, Crowd, Member, make_crowd

JSON_TYPE = "application/vnd.pypi.simple.v1+json"
CPU = "/-/cpu"
_OLDER = ("1.0", "1.1", "1.2", "2.0")


def contents(crowd: Crowd) -> dict[str, bytes]:
    """Path → the whole answer."""
    found = {f"/simple/{member.name}/": _answer(page(member), JSON_TYPE) for member in crowd.members}
    for dist in crowd.dists:
        found[f"/files/{dist.file}"] = _answer(dist.content, "application/octet-stream")
    return found


def page(member: Member) -> bytes:
    """A project page (PEP 691)."""
    files = [_entry(dist.file, dist.sha256, dist.size) for dist in member.dists]
    for version in _OLDER:
        for dist in member.dists:
            name = dist.file.replace(f"-{VERSION}-", f"-{version}-")
            files.append(_entry(name, hashlib.sha256(name.encode()).hexdigest(), dist.size))
    versions = [*_OLDER, VERSION]
    document = {"meta": {"api-version": "1.1"}, "name": member.name, "versions": versions, "files": files}
    return json.dumps(document).encode()


def _entry(file: str, sha256: str, size: int) -> Mapping[str, Any]:
    return {
        "filename": file,
        "url": f"../../files/{file}",
        "hashes": {"sha256": sha256},
        "size": size,
        "requires-python": ">=3.9",
        "upload-time": "2026-01-01T00:00:00.000000Z",
        "yanked": False,
    }


def _answer(body: bytes, kind: str) -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


class Connection(asyncio.Protocol):
    """HTTP/1.1 with kept connections: GET requests, one after the other."""

    def __init__(self, answers: Mapping[str, bytes], started: float) -> None:
        self._answers, self._started = answers, started
        self._data = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        self._data += data
        if self._data.endswith(b"\r\n\r\n"):
            path, self._data = self._data.split(b" ", 2)[1].decode("latin-1"), b""
            if path == CPU:
                self._transport.write(
                    _answer(str(time.process_time() - self._started).encode(), "text/plain")
                )
            else:
                missing = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
                self._transport.write(self._answers.get(path, missing))


async def serve(port: int, count: int) -> None:
    """Answer until the process is ended."""
    answers = contents(make_crowd(count))
    started, loop = time.process_time(), asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(answers, started), "127.0.0.1", port, backlog=256)
    await server.serve_forever()


@contextmanager
def run_upstream(port: int, count: int) -> Iterator[str]:
    """The server in a process of its own, once it listens; its address."""
    command = [sys.executable, str(Path(__file__).resolve()), str(port), str(count)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert process.poll() is None, "the upstream did not start"
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def cpu_of(url: str) -> float:
    """Seconds of CPU that the server took since it listens."""
    with urllib.request.urlopen(url + CPU) as answer:  # noqa: S310 - http, loopback
        return float(answer.read())


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("port", type=int)
    parser.add_argument("projects", type=int)
    asked = parser.parse_args()
    asyncio.run(serve(asked.port, asked.projects))


if __name__ == "__main__":
    main()
