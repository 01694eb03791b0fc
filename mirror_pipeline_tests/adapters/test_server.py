"""The published directory over real sockets: bytes, conditions, ranges, switches, and what is refused."""

from __future__ import annotations

import hashlib
import http.client
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

import mirror_pipeline
from mirror_pipeline.adapters.server import serving
from mirror_pipeline.domain.answers import is_text
from mirror_pipeline.domain.serving import IMMUTABLE, REVALIDATED, cache_control, content_type
from mirror_pipeline.errors import PortInUseError
from mirror_pipeline_tests.domain.test_serving import CASES, MISSING, OK, PIP, PUBLISHED, Case

WHEEL = "packages/foo_bar-1.0+cpu-py3-none-any.whl"
BIG = "packages/big-1.0-py3-none-any.whl"
BIG_BYTES = bytes(range(256)) * 4096  # more than one chunk
REPOSITORY = Path(mirror_pipeline.__file__).parent.parent


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes


class Mirror:
    """A mirror's home: a store, generations beside it, and the link that says which one is live."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.site = home / "site"
        self.store = home / "packages"
        self.store.mkdir()

    def generation(self, number: int, pages: Mapping[str, bytes], *, manifest: bool = True) -> Path:
        root = self.home / "generations" / str(number)
        for key, content in pages.items():
            path = root / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        (root / "packages").symlink_to(os.path.relpath(self.store, root))
        if manifest:
            self.write_manifest(root)
        return root

    def write_manifest(self, root: Path) -> None:
        files = [path for path in root.rglob("*") if path.is_file() and path.name != "manifest.json"]
        entries = {str(path.relative_to(root)): entry(path.read_bytes()) for path in files}
        entries |= {f"packages/{path.name}": entry(path.read_bytes()) for path in self.store.iterdir()}
        (root / "manifest.json").write_text(json.dumps({"files": entries}))

    def switch(self, number: int) -> None:
        waiting = self.home / "site.next"
        waiting.symlink_to(Path("generations") / str(number))
        waiting.replace(self.site)


def entry(content: bytes) -> dict[str, object]:
    return {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}


def body_of(key: str) -> bytes:
    return f"this is {key}".encode()


def etag_of(content: bytes) -> str:
    return f'"{hashlib.sha256(content).hexdigest()}"'


def ask(base: str, path: str, method: str = "GET", **headers: str) -> Answer:
    """Send a path exactly as given: the client normalizes nothing. ``_`` in a header name is ``-``."""
    with closing(http.client.HTTPConnection(base.removeprefix("http://"), timeout=30)) as connection:
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        response = connection.getresponse()
        fields = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, fields, response.read())


def ask_raw(base: str, request: bytes) -> bytes:
    """Send what no client library would, and return all that comes back."""
    host, _, port = base.removeprefix("http://").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def new_mirror(home: Path) -> Mirror:
    mirror = Mirror(home)
    for key in PUBLISHED:
        if key.startswith("packages/"):
            (home / key).write_bytes(body_of(key))
    (home / BIG).write_bytes(BIG_BYTES)
    mirror.generation(1, {key: body_of(key) for key in PUBLISHED if not key.startswith("packages/")})
    mirror.switch(1)
    return mirror


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One server for all tests that only ask."""
    with serving(new_mirror(tmp_path_factory.mktemp("mirror")).site) as base:
        yield base


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    """A mirror that the test may change."""
    return new_mirror(tmp_path)


@pytest.fixture
def live(mirror: Mirror) -> Iterator[str]:
    """The server of that mirror."""
    with serving(mirror.site) as base:
        yield base


def test_the_table_over_http(base: str) -> None:
    for case in CASES:
        expected = (case.status, case.result if case.status != MISSING else "")
        assert observed(base, case) == expected, case


def observed(base: str, case: Case) -> tuple[int, str]:
    headers = {} if case.accept is None else {"accept": case.accept}
    answer = ask(base, case.path, **headers)
    if answer.status == OK and case.result != "manifest.json":
        return OK, answer.body.decode().removeprefix("this is ")
    return answer.status, case.result if answer.status == OK else answer.headers.get("location", "")


@pytest.mark.parametrize("key", sorted(PUBLISHED))
def test_every_key_has_its_headers(base: str, key: str) -> None:
    answer = ask(base, "/" + key)
    content = answer.body if key == "manifest.json" else body_of(key)
    assert (answer.status, answer.body) == (200, content)
    wanted = {
        "content-type": content_type(key),
        "cache-control": cache_control(key),
        "content-length": str(len(content)),
        "etag": etag_of(content),
        "accept-ranges": "bytes",
        "x-content-type-options": "nosniff",
    }
    assert {name: answer.headers.get(name) for name in wanted} == wanted
    assert answer.headers.get("vary") == ("Accept-Encoding" if is_text(key) else None)
    assert not {"content-encoding", "server"} & answer.headers.keys()


def test_accept_may_come_in_several_lines(base: str) -> None:
    lines = (
        "GET /simple/ HTTP/1.1",
        "Host: m",
        "Connection: close",
        "Accept: text/html;q=0.5",
        f"Accept: {PIP}",
    )
    assert b"index.v1_json" in ask_raw(base, "\r\n".join((*lines, "", "")).encode())


@pytest.mark.parametrize("accept", ["text/html", PIP])
@pytest.mark.parametrize("path", ["/simple/", "/simple/foo-bar/"])
def test_negotiated_answers_vary_even_when_unchanged(base: str, path: str, accept: str) -> None:
    first = ask(base, path, accept=accept)
    again = ask(base, path, accept=accept, if_none_match=first.headers["etag"])
    assert (first.status, first.headers["vary"]) == (200, "Accept, Accept-Encoding")
    assert (again.status, again.headers["vary"]) == (304, "Accept, Accept-Encoding")


def test_the_two_forms_of_a_page_have_different_etags(base: str) -> None:
    forms = {ask(base, "/simple/", accept=accept).headers["etag"] for accept in ("text/html", PIP)}
    assert len(forms) == 2


@pytest.mark.parametrize("path", ["/simple/", f"/{WHEEL}", f"/{BIG}", "/simple/Foo.Bar", "/absent", "/"])
def test_head_is_get_without_the_body(base: str, path: str) -> None:
    get, head = ask(base, path), ask(base, path, "HEAD")
    assert head.body == b""
    assert (head.status, without_date(head)) == (get.status, without_date(get))


def without_date(answer: Answer) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name != "date"}


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"])
def test_nothing_but_get_and_head(base: str, method: str) -> None:
    answer = ask(base, "/simple/", method, content_length="0")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("path", ["/simple/Foo.Bar", "/absent", "/packages/", "/../etc/passwd"])
def test_answers_without_a_file_are_safe_too(base: str, path: str) -> None:
    headers = ask(base, path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-type"].startswith("text/plain")
    assert "etag" not in headers


# Validators and conditions.


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "*"])
def test_what_the_client_has_is_not_sent_again(base: str, form: str) -> None:
    answer = ask(base, f"/{WHEEL}", if_none_match=form.format(etag_of(body_of(WHEEL))))
    assert (answer.status, answer.body) == (304, b"")
    assert answer.headers["etag"] == etag_of(body_of(WHEEL))
    assert answer.headers["cache-control"] == IMMUTABLE


def test_another_validator_gets_the_file(base: str) -> None:
    assert ask(base, f"/{WHEEL}", if_none_match='"other"').body == body_of(WHEEL)


def test_without_a_manifest_the_etag_is_still_the_content(mirror: Mirror) -> None:
    mirror.generation(2, {"index.html": b"bare"}, manifest=False)
    mirror.switch(2)
    with serving(mirror.site) as base:
        assert ask(base, "/").headers["etag"] == etag_of(b"bare")
        assert ask(base, f"/{WHEEL}").headers["etag"] == etag_of(body_of(WHEEL))


@pytest.mark.parametrize(
    "manifest",
    [
        b"",
        b"[]",
        b'{"files": []}',
        b'{"files": {"index.html": 3}}',
        b'{"files": {"index.html": {"sha256": "not a digest\\r\\nx: y", "size": 4}}}',
        b'{"files": {"index.html": {"sha256": null, "size": 4}}}',
        b'{"files": {"index.html": {"sha256": "%s", "size": 5}}}' % (b"0" * 64),
    ],
)
def test_a_manifest_that_is_wrong_costs_no_page(mirror: Mirror, manifest: bytes) -> None:
    root = mirror.generation(2, {"index.html": b"page"}, manifest=False)
    (root / "manifest.json").write_bytes(manifest)
    mirror.switch(2)
    with serving(mirror.site) as base:
        assert ask(base, "/").headers["etag"] == etag_of(b"page")


def test_etags_come_from_the_manifest_where_it_has_them(mirror: Mirror) -> None:
    root = mirror.generation(2, {"index.html": b"page"}, manifest=False)
    told = {"sha256": "0" * 64, "size": 4}
    (root / "manifest.json").write_text(json.dumps({"files": {"index.html": told}}))
    mirror.switch(2)
    with serving(mirror.site) as base:
        assert ask(base, "/").headers["etag"] == f'"{"0" * 64}"'


# Ranges.


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=5-9", 5, 10),
        ("bytes=300000-", 300_000, len(BIG_BYTES)),
        ("bytes=-70000", len(BIG_BYTES) - 70_000, len(BIG_BYTES)),
        ("bytes=1-99999999", 1, len(BIG_BYTES)),
        ("bytes=-99999999", 0, len(BIG_BYTES)),
    ],
)
def test_a_single_range(base: str, asked: str, start: int, stop: int) -> None:
    answer = ask(base, f"/{BIG}", range=asked)
    assert (answer.status, answer.body) == (206, BIG_BYTES[start:stop])
    assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/{len(BIG_BYTES)}"
    assert answer.headers["content-length"] == str(stop - start)
    assert answer.headers["etag"] == etag_of(BIG_BYTES)


@pytest.mark.parametrize("asked", ["bytes=99999999-", "bytes=-0"])
def test_a_range_outside_the_file(base: str, asked: str) -> None:
    answer = ask(base, f"/{BIG}", range=asked)
    assert (answer.status, answer.headers["content-range"]) == (416, f"bytes */{len(BIG_BYTES)}")


@pytest.mark.parametrize("asked", ["bytes=0-1,5-6", "bytes=7-3", "lines=1-2", "bytes", "bytes=x-"])
def test_other_ranges_get_the_whole_file(base: str, asked: str) -> None:
    answer = ask(base, f"/{BIG}", range=asked)
    assert (answer.status, answer.body) == (200, BIG_BYTES)


def test_head_ignores_ranges(base: str) -> None:
    answer = ask(base, f"/{BIG}", "HEAD", range="bytes=0-9")
    assert (answer.status, answer.headers["content-length"]) == (200, str(len(BIG_BYTES)))


@pytest.mark.parametrize(
    ("if_range", "status"),
    [
        (etag_of(BIG_BYTES), 206),
        ("W/" + etag_of(BIG_BYTES), 200),
        ('"other"', 200),
        ("Wed, 01 Jan 2025 00:00:00 GMT", 200),
    ],
)
def test_if_range(base: str, if_range: str, status: int) -> None:
    assert ask(base, f"/{BIG}", range="bytes=0-9", if_range=if_range).status == status


def test_an_empty_file_has_no_ranges(mirror: Mirror, live: str) -> None:
    (mirror.store / "empty-1.0.tar.gz").touch()
    assert ask(live, "/packages/empty-1.0.tar.gz").body == b""
    assert ask(live, "/packages/empty-1.0.tar.gz", range="bytes=0-").status == 416


# Generations.


def test_a_switch_under_a_running_server(mirror: Mirror, live: str) -> None:
    before = ask(live, "/simple/foo-bar/")
    mirror.generation(2, {"simple/foo-bar/index.html": b"second"})
    assert ask(live, "/simple/foo-bar/").body == before.body
    mirror.switch(2)
    after = ask(live, "/simple/foo-bar/", if_none_match=before.headers["etag"])
    assert (after.status, after.body, after.headers["etag"]) == (200, b"second", etag_of(b"second"))
    assert ask(live, "/assets/style.css").status == 404
    assert ask(live, f"/{WHEEL}").body == body_of(WHEEL)
    mirror.switch(1)
    assert ask(live, "/simple/foo-bar/", if_none_match=before.headers["etag"]).status == 304


def test_a_switch_on_a_kept_connection(mirror: Mirror, live: str) -> None:
    mirror.generation(2, {"index.html": b"second"})
    with closing(http.client.HTTPConnection(live.removeprefix("http://"), timeout=30)) as connection:
        connection.request("GET", "/")
        assert connection.getresponse().read() == body_of("index.html")
        mirror.switch(2)
        connection.request("GET", "/")
        assert connection.getresponse().read() == b"second"


def test_a_download_that_began_before_the_switch_ends_whole(mirror: Mirror, live: str) -> None:
    first = mirror.generation(2, {"assets/large": os.urandom(24_000_000)})
    mirror.generation(3, {"assets/large": b"other"})
    mirror.switch(2)
    content = (first / "assets/large").read_bytes()
    with closing(http.client.HTTPConnection(live.removeprefix("http://"), timeout=30)) as connection:
        connection.request("GET", "/assets/large")
        response = connection.getresponse()
        mirror.switch(3)
        (first / "assets/large").unlink()
        assert response.read() == content


def test_before_the_first_publication_everything_is_missing(tmp_path: Path) -> None:
    with serving(tmp_path / "site") as base:
        assert ask(base, "/").status == 404
        assert ask(base, "/simple/foo-bar/").status == 404


# What must not get out.


@pytest.mark.parametrize("target", ["/etc/passwd", "../secret.txt", "../generations", "loop-1.0.tar.gz"])
def test_a_link_in_the_store_that_leads_elsewhere_is_refused(mirror: Mirror, live: str, target: str) -> None:
    (mirror.home / "secret.txt").write_text("secret")
    (mirror.store / "loop-1.0.tar.gz").symlink_to(target)
    assert ask(live, "/packages/loop-1.0.tar.gz").status == 404


def test_a_link_in_a_generation_that_leads_elsewhere_is_refused(mirror: Mirror, live: str) -> None:
    (mirror.home / "secret.txt").write_text("secret")
    (mirror.site.resolve() / "assets" / "leak.txt").symlink_to(mirror.home / "secret.txt")
    (mirror.site.resolve() / "assets" / "up").symlink_to(mirror.home)
    assert ask(live, "/assets/leak.txt").status == 404
    assert ask(live, "/assets/up/secret.txt").status == 404


def test_a_link_within_the_store_is_served(mirror: Mirror, live: str) -> None:
    (mirror.store / "alias-1.0.tar.gz").symlink_to("foo_bar-1.0.tar.gz")
    assert ask(live, "/packages/alias-1.0.tar.gz").body == body_of("packages/foo_bar-1.0.tar.gz")


def test_directories_and_pipes_are_not_files(mirror: Mirror, live: str) -> None:
    (mirror.store / "dir-1.0-py3-none-any.whl").mkdir()
    os.mkfifo(mirror.store / "pipe-1.0-py3-none-any.whl")
    for key in ("packages/dir-1.0-py3-none-any.whl", "packages/pipe-1.0-py3-none-any.whl", "assets/fonts"):
        assert ask(live, f"/{key}").status == 404


@pytest.mark.parametrize("name", ["a" * 251, "a/" * 2100 + "a"])
def test_names_too_long_for_a_disk_are_missing(base: str, name: str) -> None:
    assert ask(base, f"/assets/{name}").status == 404


@pytest.mark.parametrize(
    "target",
    [
        b"/packages/../../secret.txt",
        b"/packages/..\\..\\secret.txt",
        b"/packages/%2e%2e/%2e%2e/secret.txt",
        b"/assets/\xc0\xae\xc0\xae/secret.txt",
        b"/assets/\xff",
        b"/secret.txt\x00.html",
        b"//secret.txt",
        b"secret.txt",
        b"*",
        b"file:///secret.txt",
        b"http://elsewhere.example/secret.txt",
    ],
)
def test_no_request_line_gets_a_secret_or_breaks_the_server(mirror: Mirror, live: str, target: bytes) -> None:
    for folder in (mirror.home, mirror.site.resolve(), mirror.store):
        (folder / "secret.txt").write_text("the secret")
    reply = ask_raw(live, b"GET " + target + b" HTTP/1.1\r\nHost: m\r\nConnection: close\r\n\r\n")
    assert reply.split(b" ")[1:2] in ([b"404"], [b"400"]) or reply == b""
    assert b"the secret" not in reply
    assert str(mirror.home).encode() not in reply
    assert ask(live, "/").status == 200


def test_a_redirect_never_names_another_host(base: str) -> None:
    for path in ("//elsewhere.example/simple", "/\\elsewhere.example/simple", "/simple//elsewhere.example"):
        answer = ask(base, path)
        assert (answer.status, answer.headers.get("location")) == (404, None)


def test_a_file_that_shrinks_while_sent_is_cut_not_completed(mirror: Mirror, live: str) -> None:
    sparse = mirror.store / "sparse-1.0-py3-none-any.whl"
    sparse.touch()
    os.truncate(sparse, 80_000_000)
    (mirror.site.resolve() / "manifest.json").write_text(
        json.dumps({"files": {f"packages/{sparse.name}": {"sha256": "0" * 64, "size": 80_000_000}}})
    )
    with closing(http.client.HTTPConnection(live.removeprefix("http://"), timeout=30)) as connection:
        connection.request("GET", f"/packages/{sparse.name}")
        response = connection.getresponse()
        os.truncate(sparse, 1000)
        with pytest.raises(http.client.IncompleteRead):
            response.read()


# Life and death of the server.


def test_a_busy_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        with pytest.raises(PortInUseError) as caught, serving(Path("site"), port=port):
            pass
    assert caught.value.facts == {"host": "127.0.0.1", "port": port}
    assert str(port) in str(caught.value)


@pytest.mark.parametrize(("host", "port"), [("192.0.2.1", 0), ("no.such.host.invalid", 0), ("bad..name", 0)])
def test_an_address_that_cannot_be_used_is_named(host: str, port: int) -> None:
    with pytest.raises(PortInUseError) as caught, serving(Path("site"), host, port):
        pass
    assert caught.value.facts == {"host": host, "port": port}


def test_the_port_is_free_again_afterwards(mirror: Mirror) -> None:
    with serving(mirror.site) as base:
        port = int(base.rpartition(":")[2])
        assert ask(base, "/").status == 200
    with serving(mirror.site, port=port) as base:
        assert ask(base, "/").status == 200


def test_a_server_nobody_asked_stops_as_well(mirror: Mirror) -> None:
    with serving(mirror.site) as base:
        assert base.startswith("http://127.0.0.1:")


def test_every_interface_is_reached_through_loopback(mirror: Mirror) -> None:
    with serving(mirror.site, host="0.0.0.0") as base:  # noqa: S104
        assert base.startswith("http://127.0.0.1:")
        assert ask(base, "/").status == 200


def test_a_client_that_stopped_reading_does_not_hold_the_server(mirror: Mirror) -> None:
    sparse = mirror.store / "sparse-1.0-py3-none-any.whl"
    sparse.touch()
    os.truncate(sparse, 80_000_000)
    with socket.socket() as client:
        with serving(mirror.site) as base:
            host, _, port = base.removeprefix("http://").rpartition(":")
            client.connect((host, int(port)))
            client.sendall(b"GET /packages/%s HTTP/1.1\r\nHost: m\r\n\r\n" % sparse.name.encode())
            client.recv(1000)
            began = time.monotonic()
        assert time.monotonic() - began < 10


def test_no_access_log_unless_asked_for(base: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        ask(base, "/")
    assert caplog.records == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_ends_cleanly_on_a_signal(mirror: Mirror, number: signal.Signals) -> None:
    program = (
        "import sys; from pathlib import Path; from mirror_pipeline.adapters.server import serve;"
        "serve(Path(sys.argv[1]), '127.0.0.1', 0, lambda url: print(url, flush=True)); print('ended')"
    )
    command = [sys.executable, "-W", "error", "-c", program, str(mirror.site)]
    with subprocess.Popen(
        command, cwd=REPOSITORY, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        base = process.stdout.readline().strip()
        assert ask(base, "/simple/").headers["cache-control"] == REVALIDATED
        process.send_signal(number)
        rest, errors = process.communicate(timeout=30)
    assert (process.returncode, rest, errors) == (0, "ended\n", "")
