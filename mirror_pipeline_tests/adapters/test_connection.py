"""Connections over real sockets: kept, pipelined, slow, malformed, many at once, and ended."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import socket
import struct
import threading
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

from mirror_pipeline.adapters.host import Limits
from mirror_pipeline.adapters.server import Extras, serving
from mirror_pipeline.domain.serving import IMMUTABLE
from mirror_pipeline_tests.adapters.test_server import (
    BIG,
    BIG_BYTES,
    WHEEL,
    Mirror,
    ask,
    ask_raw,
    body_of,
    etag_of,
    new_mirror,
)
from mirror_pipeline_tests.domain.test_serving import PIP

HASTY = Extras(metrics=True, limits=Limits(head=0.3, idle=0.3, stalled=0.3, goodbye=0.3, sweep=0.05))
TEXT = b"<a href='x'>compresses well</a>\n" * 400


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    return new_mirror(tmp_path)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One server for all tests that only ask."""
    mirror = new_mirror(tmp_path_factory.mktemp("mirror"))
    mirror.generation(2, {"simple/foo-bar/index.html": TEXT, "simple/foo-bar/index.v1_json": TEXT[:3000]})
    mirror.switch(2)
    with serving(mirror.site) as base:
        yield base


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that waits for nobody."""
    mirror = new_mirror(tmp_path_factory.mktemp("mirror"))
    sparse(mirror)
    with serving(mirror.site, extras=HASTY) as base:
        yield base


def sparse(mirror: Mirror) -> str:
    """A wheel that no socket has room for; its key."""
    path = mirror.store / "sparse-1.0-py3-none-any.whl"
    path.touch()
    os.truncate(path, 80_000_000)
    mirror.write_manifest(mirror.site.resolve())
    return f"packages/{path.name}"


def connected(base: str) -> socket.socket:
    host, _, port = base.rpartition("/")[2].rpartition(":")
    return socket.create_connection((host.strip("[]"), int(port)), timeout=30)


def request(path: str, *fields: str, version: str = "1.1", method: str = "GET") -> bytes:
    lines = [f"{method} {path} HTTP/{version}", "Host: m", *fields, "", ""]
    return "\r\n".join(lines).encode("latin-1")


def rest(client: socket.socket) -> bytes:
    return b"".join(iter(lambda: client.recv(1 << 20), b""))


def statuses(replies: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3})", replies)]


# Compressed pages.


@pytest.mark.parametrize("accept", ["text/html", PIP])
def test_a_page_comes_compressed_and_is_known_again(base: str, accept: str) -> None:
    path = "/simple/foo-bar/"
    plain = ask(base, path, accept=accept)
    packed = ask(base, path, accept=accept, accept_encoding="gzip")
    assert gzip.decompress(packed.body) == plain.body
    assert len(packed.body) < len(plain.body) / 2
    assert packed.headers["content-length"] == str(len(packed.body))
    assert packed.headers["etag"] != plain.headers["etag"]
    assert packed.headers["vary"] == plain.headers["vary"] == "Accept, Accept-Encoding"
    for etag in (packed.headers["etag"], plain.headers["etag"]):
        again = ask(base, path, accept=accept, accept_encoding="gzip", if_none_match=etag)
        assert again.status == (304 if etag == packed.headers["etag"] else 200)


def test_packages_come_as_they_are(base: str) -> None:
    answer = ask(base, f"/{BIG}", accept_encoding="gzip")
    assert (answer.body, answer.headers["cache-control"]) == (BIG_BYTES, IMMUTABLE)
    assert not {"content-encoding", "vary"} & answer.headers.keys()


# Connections that are kept.


def test_one_connection_is_enough_for_everything(base: str) -> None:
    with closing(HTTPConnection(base.removeprefix("http://"), timeout=30)) as connection:
        sockets = set()
        for path in ("/simple/foo-bar/", f"/{BIG}", "/absent", "/simple/Foo.Bar", f"/{WHEEL}", f"/{BIG}") * 3:
            connection.request("GET", path)
            answer = connection.getresponse()
            content = answer.read()
            sockets.add(connection.sock)
            assert path != f"/{BIG}" or content == BIG_BYTES
        assert len(sockets) == 1


def test_pipelined_requests_are_answered_in_order(base: str) -> None:
    paths = [f"/{WHEEL}", "/absent", f"/{BIG}", "/simple/Foo.Bar", "/simple/foo-bar/"]
    wanted = [200, 404, 200, 301, 200] * 40
    asked = b"".join(request(path) for path in paths * 40)[:-2] + b"Connection: close\r\n\r\n"
    replies = ask_raw(base, asked)
    assert statuses(replies) == wanted
    assert replies.count(BIG_BYTES) == 40


def test_a_request_may_come_in_pieces(base: str) -> None:
    with connected(base) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in request(f"/{WHEEL}", "Connection: close"):
            client.sendall(bytes([byte]))
        assert rest(client).endswith(body_of(WHEEL))


def test_an_old_client_gets_one_answer(base: str) -> None:
    reply = ask_raw(base, f"GET /{WHEEL} HTTP/1.0\r\n\r\n".encode())
    assert reply.endswith(body_of(WHEEL))
    assert b"\r\nconnection: close\r\n" in reply


def test_an_old_client_may_ask_to_stay(base: str) -> None:
    asked = request("/absent", "Connection: keep-alive", version="1.0") * 2
    reply = ask_raw(base, asked + request("/absent", version="1.0"))
    assert statuses(reply) == [404, 404, 404]
    assert reply.count(b"connection: keep-alive") == 2


def test_a_client_that_says_that_it_sends_no_more_gets_its_answer(base: str) -> None:
    with connected(base) as client:
        client.sendall(request(f"/{BIG}"))
        client.shutdown(socket.SHUT_WR)
        assert rest(client).endswith(BIG_BYTES)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("target", "path"),
    [
        (f"http://ci:SECRET@m.example/{WHEEL}?x=//y", f"/{WHEEL}"),
        ("HTTPS://m.example:8443/simple/", "/simple/"),
        ("http://m.example", "/"),
        ("http://m.example?x", "/"),
        ("http://m.example/healthz", "/healthz"),
    ],
)
def test_a_target_may_be_a_whole_address(base: str, target: str, path: str, method: str) -> None:
    """As a client asks that takes the mirror for a proxy, too (RFC 9112 §3.2.2)."""
    there, plain = (
        ask_raw(base, request(asked, "Connection: close", method=method)) for asked in (target, path)
    )
    assert re.sub(rb"date: .*", b"", there) == re.sub(rb"date: .*", b"", plain)


def test_an_offered_upgrade_is_not_taken(base: str) -> None:
    offer = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__")
    reply = ask_raw(base, request(f"/{WHEEL}", *offer))
    assert statuses(reply) == [200]
    assert reply.endswith(body_of(WHEEL))


# What cannot be answered.


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n", 400),
        (b"GET / HTTP/3.0\r\nHost: a\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (request("/" + "a" * 9000), 414),
        (request("/", *(f"X-{number}: 1" for number in range(200))), 431),
        (request("/", "X: " + "a" * 40_000), 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 40_000, 431),
        (request("/", "Expect: wonders"), 417),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_request_that_cannot_be_read_is_refused_once(base: str, asked: bytes, status: int) -> None:
    reply = ask_raw(base, asked + request("/"))
    assert statuses(reply) == [status]
    assert b"\r\nconnection: close\r\n" in reply
    assert ask(base, f"/{WHEEL}").status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "GET"])
def test_a_body_is_not_waited_for(base: str, method: str) -> None:
    fields = ("Content-Length: 1000000000", "Expect: 100-continue")
    with connected(base) as client:
        client.sendall(request(f"/{WHEEL}", *fields, method=method))
        reply = rest(client)
    assert statuses(reply) == [200 if method == "GET" else 405]
    assert b"100 Continue" not in reply


def test_an_answer_is_not_lost_over_a_body_that_nobody_reads(base: str) -> None:
    with connected(base) as client:
        client.sendall(request("/simple/", "Content-Length: 300000", method="PUT"))
        client.sendall(b"a" * 300_000)
        assert statuses(rest(client)) == [405]


# Clients that take their time.


@pytest.mark.parametrize("begun", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: m\r\nX: "])
def test_a_head_has_to_come_within_its_time(hasty: str, begun: bytes) -> None:
    with connected(hasty) as client:
        client.sendall(begun)
        assert statuses(rest(client)) == ([408] if begun else [])


def test_a_head_that_trickles_in_is_not_waited_for(hasty: str) -> None:
    ended = threading.Event()

    def trickle(client: socket.socket) -> None:
        while not ended.wait(0.02):
            try:
                client.sendall(b"X: y\r\n")
            except OSError:
                return

    with connected(hasty) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: m\r\n")
        trickling = threading.Thread(target=trickle, args=(client,))
        trickling.start()
        try:
            assert statuses(client.recv(65536)) == [408]
        finally:
            ended.set()
            trickling.join()


def test_a_connection_that_nobody_uses_is_closed(hasty: str) -> None:
    with connected(hasty) as client:
        client.sendall(request("/absent"))
        assert statuses(rest(client)) == [404]


def test_a_client_that_stops_reading_is_left(hasty: str) -> None:
    with connected(hasty) as client:
        client.sendall(request("/packages/sparse-1.0-py3-none-any.whl"))
        assert statuses(client.recv(1000)) == [200]
        while connections(hasty) > 1:  # the one that asks
            pass
        assert 0 < len(rest(client)) < 80_000_000


def connections(base: str) -> int:
    """How many the server has, by its own count."""
    found = re.search(rb"^mirror_pipeline_http_connections (\d+)$", ask(base, "/metrics").body, re.MULTILINE)
    assert found
    return int(found[1])


def test_a_client_that_does_not_wait_is_no_failure(mirror: Mirror) -> None:
    slow = "packages/slow-1.0-py3-none-any.whl"
    (mirror.store / "slow-1.0-py3-none-any.whl").touch()
    os.truncate(mirror.store / "slow-1.0-py3-none-any.whl", 500_000_000)  # in no manifest: it takes a digest
    with serving(mirror.site, extras=Extras(metrics=True)) as base:
        with connected(base) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.sendall(request(f"/{slow}"))
        while connections(base) > 1:
            pass
        told = ask(base, "/metrics").body
        assert b'{method="GET",status="4xx",kind="none"} 1\n' in told
        assert b'status="5xx"' not in told


def test_two_hundred_clients_at_once(base: str) -> None:
    page = ask(base, "/simple/foo-bar/")

    def fetch(number: int) -> tuple[int, str]:
        with closing(HTTPConnection(base.removeprefix("http://"), timeout=60)) as connection:
            together.wait()
            for path, etag in ((f"/{BIG}", etag_of(BIG_BYTES)), ("/simple/foo-bar/", page.headers["etag"])):
                connection.request("GET", path)
                answer = connection.getresponse()
                content = answer.read()
                assert answer.getheader("etag") == etag == f'"{hashlib.sha256(content).hexdigest()}"'
        return number, "whole"

    together = threading.Barrier(200)
    with ThreadPoolExecutor(200) as pool:
        assert dict(pool.map(fetch, range(200))) == dict.fromkeys(range(200), "whole")


def test_a_crowd_that_reads_nothing_stops_nobody(mirror: Mirror) -> None:
    key = sparse(mirror)
    with serving(mirror.site) as base, ExitStack() as crowd:
        for _ in range(100):
            client = crowd.enter_context(connected(base))
            client.sendall(request(f"/{key}"))
            assert client.recv(12) == b"HTTP/1.1 200"
        assert ask(base, f"/{BIG}").body == BIG_BYTES
        assert ask(base, "/simple/foo-bar/").status == 200


def test_a_crowd_that_does_not_read_a_page_shares_it(mirror: Mirror) -> None:
    mirror.generation(2, {"simple/foo-bar/index.html": TEXT * 80})
    mirror.switch(2)
    tracemalloc.start()
    try:
        with serving(mirror.site, extras=Extras(metrics=True)) as base, ExitStack() as crowd:
            assert ask(base, "/simple/foo-bar/").body == TEXT * 80
            before, _ = tracemalloc.get_traced_memory()
            for _ in range(50):
                client = crowd.enter_context(socket.socket())
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                client.connect(("127.0.0.1", int(base.rpartition(":")[2])))
                client.sendall(request("/simple/foo-bar/") * 9)
                assert client.recv(12) == b"HTTP/1.1 200"
            after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 10 * len(TEXT * 80)


def test_one_client_too_many_is_sent_away(mirror: Mirror) -> None:
    with serving(mirror.site, extras=Extras(limits=Limits(connections=2))) as base, ExitStack() as stack:
        for _ in range(2):
            client = stack.enter_context(connected(base))
            client.sendall(request("/absent"))
            assert statuses(client.recv(65536)) == [404]
        with pytest.raises(OSError, match=r"reset|closed|aborted"):
            ask(base, "/")


def test_no_mixture_while_generations_change(mirror: Mirror) -> None:
    """Each answer is of one generation, whole, under its own validator."""
    pages = {number: f"generation {number} ".encode() * 3000 for number in (1, 2)}
    for number, page in pages.items():
        root = mirror.home / "generations" / str(number)
        if number == 2:
            mirror.generation(2, {"simple/foo-bar/index.html": page})
        (root / "simple/foo-bar/index.html").write_bytes(page)
        mirror.write_manifest(root)
    over = threading.Event()

    def switch() -> int:
        turns = 0
        while not over.is_set():
            turns += 1
            mirror.switch(1 + turns % 2)
        return turns

    def fetch(base: str) -> set[str]:
        seen = set()
        with closing(HTTPConnection(base.removeprefix("http://"), timeout=30)) as connection:
            for _ in range(300):
                connection.request("GET", "/simple/foo-bar/")
                answer = connection.getresponse()
                content = answer.read()
                assert content in pages.values()
                assert answer.getheader("etag") == etag_of(content)
                seen.add(content[:12].decode())
        return seen

    with serving(mirror.site) as base, ThreadPoolExecutor(9) as pool:
        switching = pool.submit(switch)
        try:
            seen = set[str]().union(*pool.map(fetch, [base] * 8))
        finally:
            over.set()
        assert switching.result() > 2
    assert seen == {"generation 1", "generation 2"}


def test_over_ipv6(mirror: Mirror) -> None:
    with serving(mirror.site, "::1") as base:
        assert base.startswith("http://[::1]:")
        with connected(base) as client:
            client.sendall(request(f"/{WHEEL}", "Connection: close"))
            assert rest(client).endswith(body_of(WHEEL))


def test_a_site_that_vanishes_is_missing(mirror: Mirror, caplog: pytest.LogCaptureFixture) -> None:
    with serving(mirror.site) as base:
        assert (ask(base, "/").status, ask(base, "/healthz").status) == (200, 200)
        mirror.site.unlink()
        for path in ("/", f"/{WHEEL}", "/simple/foo-bar/"):
            assert ask(base, path).status == 404
        assert ask(base, "/healthz").status == 503
        mirror.switch(1)
        assert (ask(base, "/").status, ask(base, "/healthz").status) == (200, 200)
    assert caplog.records == []


def test_a_package_that_is_another_now_is_not_sent_as_before(mirror: Mirror) -> None:
    with serving(mirror.site) as base:
        assert ask(base, f"/{BIG}").headers["etag"] == etag_of(BIG_BYTES)
        (mirror.home / BIG).write_bytes(b"cut")
        changed = ask(base, f"/{BIG}")
        assert (changed.body, changed.headers["etag"]) == (b"cut", etag_of(b"cut"))
        (mirror.home / BIG).unlink()
        assert ask(base, f"/{BIG}").status == 404
        (mirror.home / "secret").write_bytes(BIG_BYTES)
        (mirror.home / BIG).symlink_to(mirror.home / "secret")
        assert ask(base, f"/{BIG}").status == 404
