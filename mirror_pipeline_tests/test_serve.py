"""``serve`` as a process of its own: TLS, the access log, health, metrics, and how it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from datetime import datetime, timedelta, timezone
from http.client import HTTPConnection, HTTPSConnection, IncompleteRead
from pathlib import Path
from typing import NamedTuple

import pytest

from mirror_pipeline.domain.tokens import TokenBook
from mirror_pipeline_tests.adapters.test_certificates import certificate
from mirror_pipeline_tests.adapters.test_server import (
    BIG,
    BIG_BYTES,
    REPOSITORY,
    WHEEL,
    Mirror,
    ask,
    body_of,
    new_mirror,
)
from mirror_pipeline_tests.adapters.test_server_access import CI, OTHER, SECRET, keep, login, token
from mirror_pipeline_tests.domain.test_access_line import COMBINED
from mirror_pipeline_tests.domain.test_metrics import read

HOUR = timedelta(hours=1)


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    home = tmp_path / "mirror"
    home.mkdir()
    (tmp_path / "config.env").write_text("ORBIT_PROJECT=.\nMIRROR_HOME=mirror\n")
    return new_mirror(home)


class Serve(NamedTuple):
    """A process that serves."""

    process: subprocess.Popen[str]
    url: str
    line: str
    """What it said when it began."""

    def end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str, str]:
        """Exit code, standard output and error, after a signal."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, out, err


def command(mirror: Mirror, *options: str, port: int = 0) -> list[str]:
    config = str(mirror.home.parent / "config.env")
    start = [sys.executable, "-m", "mirror_pipeline", "serve", "--config", config, "--port", str(port)]
    return [*start, *options]


@contextmanager
def serve(mirror: Mirror, *options: str) -> Iterator[Serve]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("MIRROR_")}
    with subprocess.Popen(
        command(mirror, *options), cwd=REPOSITORY, env=environ, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        try:
            assert process.stderr is not None
            line = process.stderr.readline()
            found = re.search(r" at (https?://\S+)/simple/ ", line)
            assert found, line + process.stderr.read()
            yield Serve(process, found[1], line)
        finally:
            process.kill()


def refused(mirror: Mirror, *options: str, port: int = 0) -> tuple[int, str]:
    done = subprocess.run(
        command(mirror, *options, port=port), cwd=REPOSITORY, text=True, capture_output=True, check=False,
        timeout=60,
    )  # fmt: skip
    assert done.stdout == ""
    return done.returncode, done.stderr


# Health and metrics.


def test_health_tells_what_is_live_to_anybody(mirror: Mirror) -> None:
    keep(mirror, TokenBook((token("ci", SECRET),)))
    with serve(mirror) as server:
        health = ask(server.url, "/healthz")
        assert (health.status, health.headers["content-type"]) == (200, "application/json")
        told = json.loads(health.body)
        assert (told["generation"], told["status"]) == (1, "ok")
        assert datetime.now(timezone.utc) - datetime.fromisoformat(told["since"]) < HOUR
        assert ask(server.url, "/healthz", "HEAD").body == b""
        mirror.generation(2, {"index.html": b"second"})
        mirror.switch(2)
        assert json.loads(ask(server.url, "/healthz").body)["generation"] == 2
        (mirror.site / "manifest.json").unlink()
        assert ask(server.url, "/healthz").status == 503


def test_metrics_count_what_was_asked(mirror: Mirror) -> None:
    keep(mirror, TokenBook((token("ci", SECRET),)))
    with serve(mirror) as server:
        assert ask(server.url, "/metrics").status == 401
        assert ask(server.url, "/simple/", authorization=login("ci", OTHER)).status == 401
        assert ask(server.url, f"/{BIG}", authorization=CI, range="bytes=0-99").status == 206
        assert ask(server.url, f"/{WHEEL}.metadata", authorization=CI).status == 200
        answer = ask(server.url, "/metrics", authorization=CI)
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    samples = read(answer.body.decode())
    requests = "mirror_pipeline_http_requests_total"
    assert samples[f'{requests}{{method="GET",status="2xx",kind="package"}}'] == 1
    assert samples[f'{requests}{{method="GET",status="2xx",kind="metadata"}}'] == 1
    assert samples[f'{requests}{{method="GET",status="4xx",kind="none"}}'] == 2
    assert samples['mirror_pipeline_http_response_body_bytes_total{kind="package"}'] == 100
    assert samples["mirror_pipeline_login_failures_total"] == 1
    assert samples["mirror_pipeline_http_requests_in_flight"] == 1
    assert samples["mirror_pipeline_live_generation"] == 1
    assert any(name.startswith("mirror_pipeline_build_info{version=") for name in samples)


def test_metrics_can_be_left_out(mirror: Mirror) -> None:
    with serve(mirror, "--no-metrics") as server:
        assert ask(server.url, "/metrics").status == 404
        assert ask(server.url, "/healthz").status == 200


# The access log.


def lines_of(path: Path) -> list[dict[str, str]]:
    found = [COMBINED.fullmatch(line) for line in path.read_text().splitlines()]
    assert all(found), path.read_text()
    return [one.groupdict() for one in found if one]


def test_each_request_is_a_line_and_no_secret_is_in_it(mirror: Mirror, tmp_path: Path) -> None:
    keep(mirror, TokenBook((token("ci", SECRET),)))
    log = tmp_path / "access.log"
    log.write_text("before\n")
    with serve(mirror, "--access-log", str(log)) as server:
        ask(server.url, f"/simple/foo-bar/?token={SECRET}", authorization=CI, user_agent='a"b')
        ask(server.url, f"/{BIG}", authorization=CI, range="bytes=0-99", referer=f"http://x:{SECRET}@m/")
        ask(server.url, "/simple/", authorization=login("ci", OTHER))
        ask(server.url, f"/{BIG}", "HEAD", authorization=CI)
        assert server.end() == (0, "", "")
    kept, *_ = log.read_text().splitlines()
    assert kept == "before"
    log.write_text(log.read_text().removeprefix("before\n"))
    lines = lines_of(log)
    told = [(one["user"], one["line"], one["status"], one["sent"]) for one in lines]
    page = str(len(body_of("simple/foo-bar/index.html")))
    assert told == [
        ("ci", "GET /simple/foo-bar/ HTTP/1.1", "200", page),
        ("ci", f"GET /{BIG} HTTP/1.1", "206", "100"),
        ("-", "GET /simple/ HTTP/1.1", "401", "13"),
        ("ci", f"HEAD /{BIG} HTTP/1.1", "200", "0"),
    ]
    assert lines[0]["agent"] == "a\\x22b"
    for secret in (SECRET, OTHER, CI.removeprefix("Basic ")):
        assert secret not in log.read_text()


def test_what_a_client_did_not_take_is_not_counted(mirror: Mirror, tmp_path: Path) -> None:
    sparse = mirror.store / "sparse-1.0-py3-none-any.whl"
    sparse.touch()
    os.truncate(sparse, 80_000_000)
    mirror.write_manifest(mirror.site.resolve())
    log = tmp_path / "access.log"
    with serve(mirror, "--access-log", str(log)) as server:
        with closing(connected(server.url)) as connection:
            connection.request("GET", f"/packages/{sparse.name}")
            with connection.getresponse() as answer:
                answer.read(1000)
        until(lambda: bool(log.read_text()))
    (line,) = lines_of(log)
    assert (line["status"], int(line["sent"]) < 80_000_000) == ("200", True)


def until(holds: Callable[[], bool]) -> None:
    """Wait for what another process does."""
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end, "it never came to that"


@pytest.mark.parametrize("hangup", [True, False])
def test_a_log_that_was_rotated_is_begun_anew(mirror: Mirror, tmp_path: Path, hangup: bool) -> None:
    log = tmp_path / "access.log"
    with serve(mirror, "--access-log", str(log)) as server:
        ask(server.url, "/first")
        log.rename(tmp_path / "access.log.1")
        if hangup:
            server.process.send_signal(signal.SIGHUP)
        until(log.exists)
        ask(server.url, "/second")
        assert server.end()[0] == 0
    assert [one["line"] for one in lines_of(tmp_path / "access.log.1")] == ["GET /first HTTP/1.1"]
    assert [one["line"] for one in lines_of(log)] == ["GET /second HTTP/1.1"]


def test_the_log_can_be_standard_output(mirror: Mirror) -> None:
    with serve(mirror, "--access-log", "-") as server:
        ask(server.url, "/absent")
        code, out, _ = server.end()
    assert code == 0
    assert '"GET /absent HTTP/1.1" 404 10 "-" "-" ' in out


def test_nobody_waits_for_whoever_reads_the_log(mirror: Mirror) -> None:
    """A pipe has room for some hundred lines."""
    with serve(mirror, "--access-log", "-") as server:
        with closing(connected(server.url)) as connection:
            for _ in range(2000):
                connection.request("HEAD", "/absent")
                assert connection.getresponse().read() == b""
        code, out, told = server.end()
    assert code == 0
    assert told.startswith("the access log cannot be written: ")
    assert told.endswith("its reader does not keep up\n")
    assert told.count("\n") == 1
    lines = out.splitlines()
    assert 100 < len(lines) < 2000
    assert all('"HEAD /absent HTTP/1.1" 404 0 ' in line for line in lines)


def test_a_log_that_cannot_be_written_is_told_before_anything_listens(mirror: Mirror) -> None:
    code, told = refused(mirror, "--access-log", str(mirror.home))
    assert (code, told.count("\n")) == (3, 1)
    assert str(mirror.home) in told


def test_two_kinds_of_output_do_not_share_one_place(mirror: Mirror) -> None:
    command_line = command(mirror, "--access-log", "-", "--json")
    done = subprocess.run(command_line, cwd=REPOSITORY, text=True, capture_output=True, check=False)
    assert done.returncode == 2
    assert json.loads(done.stdout)["status"] == "error"


# TLS.


def test_over_tls_everything_is_the_same(mirror: Mirror, tmp_path: Path) -> None:
    files = certificate(tmp_path / "tls")
    context = ssl.create_default_context(cafile=files.authority)
    with serve(mirror, *files.options) as server:
        assert server.url.startswith("https://127.0.0.1:")
        for path, content in ((f"/{BIG}", BIG_BYTES), (f"/{WHEEL}", body_of(WHEEL))):
            with urllib.request.urlopen(server.url + path, context=context) as answer:  # noqa: S310
                assert answer.read() == content
        part = urllib.request.Request(f"{server.url}/{BIG}", headers={"Range": "bytes=5-300000"})  # noqa: S310
        with urllib.request.urlopen(part, context=context) as answer:  # noqa: S310
            assert answer.read() == BIG_BYTES[5:300_001]
        assert old_handshake(server.url, files.authority) is None
        assert server.end() == (0, "", "")


def old_handshake(url: str, authority: Path) -> str | None:
    """The version that a client gets which knows nothing newer than TLS 1.1; None where it is refused."""
    context = ssl.create_default_context(cafile=authority)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    host, _, port = url.removeprefix("https://").rpartition(":")
    try:
        with (
            socket.create_connection((host, int(port)), timeout=30) as plain,
            context.wrap_socket(plain, server_hostname=host) as wrapped,
        ):
            return wrapped.version()
    except (ssl.SSLError, ConnectionError):
        return None


def test_pip_and_uv_install_over_tls_with_a_login(mirror: Mirror, tmp_path: Path) -> None:
    from mirror_pipeline_tests.wheels import wheel

    dist = wheel("shop-lib")
    (mirror.store / dist.file).write_bytes(dist.content)
    file = {"filename": dist.file, "url": f"../../packages/{dist.file}", "hashes": {"sha256": dist.sha256}}
    page = {"meta": {"api-version": "1.0"}, "name": "shop-lib", "files": [file]}
    mirror.generation(2, {"simple/shop-lib/index.v1_json": json.dumps(page).encode()})
    mirror.switch(2)
    keep(mirror, TokenBook((token("ci", SECRET),)))
    files = certificate(tmp_path / "tls")
    log = tmp_path / "access.log"
    with serve(mirror, *files.options, "--access-log", str(log)) as server:
        index = f"{server.url.replace('https://', f'https://ci:{SECRET}@')}/simple/"
        for number, client in enumerate((("-m", "pip"), ("-m", "uv", "pip"))):
            install(client, index, files.authority, tmp_path / str(number))
            assert (tmp_path / str(number) / "shop_lib").is_dir()
    assert {one["user"] for one in lines_of(log) if one["status"] == "200"} == {"ci"}
    assert SECRET not in log.read_text()


def install(client: Sequence[str], index: str, authority: Path, target: Path) -> None:
    isolated = {
        "PATH": os.environ["PATH"],
        "HOME": str(target.parent),
        "SSL_CERT_FILE": str(authority),
        "PIP_CERT": str(authority),
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "UV_CACHE_DIR": str(target.parent / "uv-cache"),
        "UV_NO_CONFIG": "1",
    }
    no_cache = [] if "uv" in client else ["--no-cache-dir"]
    python = ["--python", sys.executable] if "uv" in client else []
    subprocess.run(
        [sys.executable, *client, "install", *no_cache, *python, "--index-url", index,
         "--target", str(target), "shop-lib"],
        env=isolated, check=True, capture_output=True, timeout=120, cwd=target.parent,
    )  # fmt: skip


def test_files_that_cannot_be_used_are_told_before_anything_listens(mirror: Mirror, tmp_path: Path) -> None:
    good, other = certificate(tmp_path / "good"), certificate(tmp_path / "other")
    pairs = (
        (("--tls-cert", str(good.certificate)), "belong together"),
        (("--tls-cert", str(good.certificate), "--tls-key", str(other.key)), "mismatch"),
    )
    for options, reason in pairs:
        code, told = refused(mirror, *options)
        assert (code, told.count("\n"), reason in told) == (2, 1, True), (options, told)


# One client that wants everything.


def test_a_client_that_never_stops_asking_does_not_keep_others_waiting(mirror: Mirror) -> None:
    """It sends requests as fast as it can, thousands in one piece, and reads what it gets."""
    with serve(mirror) as server, closing(connected(server.url)) as greedy:
        greedy.request("GET", f"/{WHEEL}")
        assert greedy.getresponse().read() == body_of(WHEEL)
        many = f"HEAD /{WHEEL} HTTP/1.1\r\nHost: m\r\n\r\n".encode() * 4000
        with ThreadPoolExecutor(2) as pool:
            asking, reading = pool.submit(ask_for_ever, greedy.sock, many), pool.submit(read_all, greedy.sock)
            try:
                for _ in range(5):
                    with closing(HTTPConnection(server.url.removeprefix("http://"), timeout=10)) as modest:
                        modest.request("GET", "/healthz")
                        assert modest.getresponse().status == 200
                assert not asking.done()
            finally:
                greedy.sock.shutdown(socket.SHUT_RDWR)
        assert reading.result() > 100_000


def ask_for_ever(sock: socket.socket, requests: bytes) -> None:
    with suppress(OSError):
        while True:
            sock.sendall(requests)


def read_all(sock: socket.socket) -> int:
    total = 0
    with suppress(OSError):
        while piece := sock.recv(1 << 20):
            total += len(piece)
    return total


# How it ends.


def test_a_running_download_ends_whole_and_nobody_new_gets_in(mirror: Mirror) -> None:
    content = os.urandom(8_000_000)
    (mirror.store / "slow-1.0-py3-none-any.whl").write_bytes(content)
    mirror.write_manifest(mirror.site.resolve())
    with serve(mirror) as server:
        with closing(small_window(server.url)) as connection:
            connection.request("GET", "/packages/slow-1.0-py3-none-any.whl")
            answer = connection.getresponse()
            server.process.send_signal(signal.SIGTERM)
            until(lambda: not is_listening(server.url))
            assert answer.read() == content
        out, err = server.process.communicate(timeout=30)
    assert (server.process.returncode, out, err) == (0, "", "")


def test_a_second_signal_ends_what_is_running(mirror: Mirror) -> None:
    sparse = mirror.store / "sparse-1.0-py3-none-any.whl"
    sparse.touch()
    os.truncate(sparse, 80_000_000)
    mirror.write_manifest(mirror.site.resolve())
    with serve(mirror) as server, closing(small_window(server.url)) as connection:
        connection.request("GET", f"/packages/{sparse.name}")
        answer = connection.getresponse()
        server.process.send_signal(signal.SIGTERM)
        until(lambda: not is_listening(server.url))
        began = time.monotonic()
        assert server.end() == (0, "", "")
        assert time.monotonic() - began < 5
        with pytest.raises((IncompleteRead, ConnectionResetError)):
            answer.read()


def connected(url: str) -> HTTPConnection:
    return HTTPConnection(url.removeprefix("http://"), timeout=30)


def small_window(url: str) -> HTTPConnection:
    """A connection that takes little at a time."""
    connection = connected(url)
    host, _, port = url.removeprefix("http://").rpartition(":")
    connection.sock = socket.socket()
    connection.sock.settimeout(30)
    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    connection.sock.connect((host, int(port)))
    return connection


def is_listening(url: str) -> bool:
    host, _, port = url.removeprefix("http://").rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except OSError:
        return False
    return True


def test_a_port_that_is_taken_is_told(mirror: Mirror) -> None:
    with serve(mirror) as server:
        code, told = refused(mirror, port=int(server.url.rpartition(":")[2]))
    assert (code, told.count("\n")) == (3, 1)
    assert "another program listens there" in told


def test_an_idle_connection_does_not_hold_it_up(mirror: Mirror) -> None:
    with serve(mirror) as server, closing(connected(server.url)) as connection:
        connection.request("GET", f"/{WHEEL}")
        assert connection.getresponse().read() == body_of(WHEEL)
        began = time.monotonic()
        assert server.end(signal.SIGINT) == (0, "", "")
        assert time.monotonic() - began < 5


def test_nor_does_one_that_is_encrypted(mirror: Mirror, tmp_path: Path) -> None:
    """A client that waits for nothing does not say goodbye either."""
    files = certificate(tmp_path / "tls")
    context = ssl.create_default_context(cafile=files.authority)
    with serve(mirror, *files.options) as server:
        host = server.url.removeprefix("https://")
        with closing(HTTPSConnection(host, timeout=30, context=context)) as connection:
            connection.request("GET", f"/{WHEEL}")
            assert connection.getresponse().read() == body_of(WHEEL)
            began = time.monotonic()
            assert server.end() == (0, "", "")
            assert time.monotonic() - began < 7


@pytest.mark.parametrize(("host", "told"), [("127.0.0.1", False), ("0.0.0.0", True)])  # noqa: S104
def test_it_is_told_where_it_listens_on_every_interface(mirror: Mirror, host: str, told: bool) -> None:
    with serve(mirror, "--host", host) as here:
        assert ("/simple/ and on every interface (Ctrl-C ends it)" in here.line) == told
