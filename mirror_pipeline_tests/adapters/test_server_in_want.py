"""What becomes of requests while there are too few file descriptors, and of many that come at once."""

from __future__ import annotations

import asyncio
import fcntl
import os
import resource
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest

from mirror_pipeline.adapters.sending import CopiedByTheKernel, opened
from mirror_pipeline.adapters.server import serving
from mirror_pipeline.domain.answers import Span
from mirror_pipeline_tests.adapters.test_connection import connected, request, rest, statuses
from mirror_pipeline_tests.adapters.test_server import BIG, WHEEL, Mirror, new_mirror


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    return new_mirror(tmp_path)


@contextmanager
def only(more: int) -> Iterator[None]:
    """So many files may be opened, and not one more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free + more, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def status_of(client: HTTPConnection, path: str) -> int:
    client.request("GET", path)
    answer = client.getresponse()
    answer.read()
    return answer.status


def files_open() -> int:
    return len(list(Path("/dev/fd").iterdir()))


@pytest.mark.parametrize("more", [0, 1])
def test_a_package_that_cannot_be_opened_now_is_sent_later(mirror: Mirror, more: int) -> None:
    """It takes two: the file, and a duplicate of the socket."""
    with serving(mirror.site) as base, closing(HTTPConnection(base.rpartition("/")[2], timeout=30)) as client:
        assert status_of(client, f"/{BIG}") == 200
        before = files_open()
        with only(more):
            assert [status_of(client, f"/{BIG}") for _ in range(5)] == [500] * 5
        assert files_open() == before
        assert status_of(client, f"/{BIG}") == 200


def test_where_the_kernel_cannot_copy_it_is_done_by_hand(tmp_path: Path) -> None:
    """As on file systems without ``sendfile``; here it refuses, since the socket is said to append."""
    content = os.urandom(3_000_000)
    (tmp_path / "big").write_bytes(content)
    span = Span(str(tmp_path / "big"), 7, len(content), len(content))

    async def received() -> tuple[bytes, bool]:
        loop, (ours, client) = asyncio.get_running_loop(), socket.socketpair()
        with ours, client:
            ours.setblocking(False)
            fcntl.fcntl(ours, fcntl.F_SETFL, os.O_APPEND | os.O_NONBLOCK)
            ended: asyncio.Future[bool] = loop.create_future()
            CopiedByTheKernel(loop, ours.fileno(), b"head ", opened(span), span, ended.set_result).go_on()
            reader, writer = await asyncio.open_connection(sock=client)
            arrived = await reader.readexactly(len(b"head ") + len(span))
            writer.close()
            return arrived, await ended

    assert asyncio.run(received()) == (b"head " + content[7:], True)


def test_a_manifest_that_cannot_be_opened_now_is_read_later(mirror: Mirror) -> None:
    with serving(mirror.site) as base, closing(HTTPConnection(base.rpartition("/")[2], timeout=30)) as client:
        client.connect()
        assert status_of(client, "/simple/absent/") == 404
        mirror.write_manifest(mirror.site.resolve())
        with only(0):
            assert [status_of(client, path) for path in ("/simple/", "/healthz")] == [500, 500]
        assert [status_of(client, path) for path in ("/simple/", "/healthz")] == [200, 200]


def test_a_thousand_packages_asked_for_in_one_breath(mirror: Mirror) -> None:
    with serving(mirror.site) as base, connected(base) as client:
        client.sendall(request(f"/{WHEEL}"))
        assert client.recv(1 << 20).startswith(b"HTTP/1.1 200 ")
        client.sendall(request(f"/{WHEEL}") * 1000 + request("/absent", "Connection: close"))
        assert statuses(rest(client)) == [200] * 1000 + [404]
