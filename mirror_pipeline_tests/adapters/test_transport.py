"""HTTP over real sockets: proxies, TLS, credentials, redirects, encodings, and being told to stop."""

from __future__ import annotations

import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import pytest
import trustme
from typing_extensions import Self

from mirror_pipeline.adapters.credentials import Credentials, Keyring
from mirror_pipeline.adapters.pip_config import PipConfig
from mirror_pipeline.adapters.transfer import Answer
from mirror_pipeline.adapters.transport import CancelledError, Transport, TransportError
from mirror_pipeline_tests.upstreams import SIMPLE_JSON, FakeUpstream
from mirror_pipeline_tests.wheels import wheel

CONFIG = PipConfig("https://unused.example/simple/", timeout=5.0)
ALPHA = wheel("alpha", payload=20_000)


class Got(NamedTuple):
    answer: Answer
    body: bytes


def get(
    url: str,
    config: PipConfig = CONFIG,
    *,
    headers: Mapping[str, str] | None = None,
    decode: bool = False,
    cancelled: threading.Event | None = None,
    credentials: Credentials | None = None,
) -> Got:
    body = bytearray()
    transport = Transport(config, cancelled or threading.Event(), credentials)
    answer = transport.get(url, lambda _head, chunk: body.extend(chunk), headers or {}, decode=decode)
    return Got(answer, bytes(body))


@pytest.fixture(autouse=True)
def _no_netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def upstream() -> Iterator[FakeUpstream]:
    with FakeUpstream() as server:
        server.add(ALPHA)
        yield server


@pytest.fixture
def other() -> Iterator[FakeUpstream]:
    with FakeUpstream() as server:
        server.add(ALPHA)
        yield server


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def bundle(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("authority") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


def server_context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost", "upstream.example").configure_cert(context)
    return context


@pytest.fixture
def secure(authority: trustme.CA) -> Iterator[FakeUpstream]:
    with FakeUpstream(tls=server_context(authority)) as server:
        server.add(ALPHA)
        yield server


class Proxy(socketserver.ThreadingTCPServer):
    """A forward proxy to which every host is the same server. ``heads`` are the requests it was sent."""

    daemon_threads = False

    def __init__(self, behind: FakeUpstream) -> None:
        super().__init__(("127.0.0.1", 0), _Relay)
        self.behind = ("127.0.0.1", int(behind.host.rpartition(":")[2]))
        self.heads: list[str] = []
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Relay(socketserver.BaseRequestHandler):
    """One connection through the proxy: the first request's head is looked at, the rest is passed on."""

    request: socket.socket
    server: Proxy

    def handle(self) -> None:
        head = b""
        while b"\r\n\r\n" not in head and (chunk := self.request.recv(65536)):
            head += chunk
        if not head:
            return
        self.server.heads.append(head.decode("latin-1"))
        with socket.create_connection(self.server.behind) as onward:
            if head.startswith(b"CONNECT "):
                self.request.sendall(b"HTTP/1.1 200 Connection established\r\nX-Proxy: yes\r\n\r\n")
            else:
                onward.sendall(head)
            back = threading.Thread(target=_pump, args=(onward, self.request))
            back.start()
            _pump(self.request, onward)
            back.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while chunk := source.recv(65536):
            sink.sendall(chunk)
    for end in (source, sink):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def proxy(upstream: FakeUpstream) -> Iterator[Proxy]:
    with Proxy(upstream) as server:
        yield server


# A plain request.


def test_head_and_body(upstream: FakeUpstream) -> None:
    url = f"{upstream.root}{upstream.path_of(ALPHA)}"

    answer, body = get(url)

    assert (answer.status, answer.url, body) == (200, url, ALPHA.content)
    assert answer.headers["content-length"] == str(ALPHA.size)


def test_nothing_is_printed(upstream: FakeUpstream, capfd: pytest.CaptureFixture[str]) -> None:
    assert get(upstream.url + "alpha/").answer.status == 200

    assert capfd.readouterr() == ("", "")


def test_request_headers_are_sent(upstream: FakeUpstream) -> None:
    get(upstream.url + "alpha/", headers={"Accept": SIMPLE_JSON})

    assert upstream.requests[0].headers["accept"] == SIMPLE_JSON


def test_a_refusal_is_an_answer_with_its_body(upstream: FakeUpstream) -> None:
    answer, body = get(f"{upstream.root}/nothing/here")

    assert (answer.status, body) == (404, b"status 404\n")


def test_each_piece_comes_with_the_head_it_belongs_to(upstream: FakeUpstream) -> None:
    seen: list[tuple[int, int]] = []
    transport = Transport(CONFIG, threading.Event())
    url = f"{upstream.root}{upstream.path_of(ALPHA)}"

    transport.get(url, lambda head, chunk: seen.append((head.status, len(chunk))), {"Range": "bytes=100-"})

    assert {status for status, _ in seen} == {206}
    assert sum(size for _, size in seen) == ALPHA.size - 100


def test_connections_are_kept(upstream: FakeUpstream) -> None:
    transport = Transport(CONFIG, threading.Event())
    for _ in range(3):
        transport.get(upstream.url + "alpha/", lambda _head, _chunk: None, {})

    assert len({request.client for request in upstream.requests}) == 1


def test_many_threads_at_once(upstream: FakeUpstream) -> None:
    transport = Transport(CONFIG, threading.Event())

    def body(_: int) -> bytes:
        received = bytearray()
        url = f"{upstream.root}{upstream.path_of(ALPHA)}"
        transport.get(url, lambda _head, chunk: received.extend(chunk), {})
        return bytes(received)

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(body, range(100))) == {ALPHA.content}
    assert len({request.client for request in upstream.requests}) <= 8


def test_what_the_receiver_raises_comes_through_and_spoils_nothing(upstream: FakeUpstream) -> None:
    transport = Transport(CONFIG, threading.Event())

    def refuse(_head: Answer, _chunk: bytes) -> None:
        raise LookupError("no room")

    with pytest.raises(LookupError, match="no room"):
        transport.get(upstream.url + "alpha/", refuse, {})

    assert transport.get(upstream.url + "alpha/", lambda _head, _chunk: None, {}).status == 200


def test_a_transfer_that_is_cut_may_be_tried_again(upstream: FakeUpstream) -> None:
    upstream.cut(upstream.path_of(ALPHA), 100)

    with pytest.raises(TransportError) as caught:
        get(f"{upstream.root}{upstream.path_of(ALPHA)}")

    assert caught.value.transient
    assert not caught.value.unreachable


def test_nobody_there() -> None:
    with FakeUpstream() as gone:
        url = gone.url_with("ann", "s3cret")

    with pytest.raises(TransportError) as caught:
        get(url)

    assert caught.value.transient
    assert caught.value.unreachable
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("url", ["ftp://upstream.example/a", "file:///etc/hostname", "gopher://x.example/"])
def test_only_http(url: str) -> None:
    with pytest.raises(TransportError) as caught:
        get(url)

    assert not caught.value.transient


# Encodings.


def test_pages_are_decoded(upstream: FakeUpstream) -> None:
    upstream.compress(upstream.page_of("alpha"))

    _, body = get(upstream.url + "alpha/", decode=True)

    assert body.startswith(b"<!DOCTYPE html>")
    assert "gzip" in upstream.requests[0].headers["accept-encoding"]


def test_files_are_not_decoded(upstream: FakeUpstream) -> None:
    upstream.compress(upstream.path_of(ALPHA))

    answer, body = get(f"{upstream.root}{upstream.path_of(ALPHA)}")

    assert answer.headers["content-encoding"] == "gzip"
    assert body.startswith(b"\x1f\x8b")
    assert "accept-encoding" not in upstream.requests[0].headers


# Proxies.


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
def test_proxy_from_the_environment(
    upstream: FakeUpstream, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, proxy.url)

    answer, _ = get("http://upstream.example/simple/alpha/")

    assert (answer.status, answer.url) == (200, "http://upstream.example/simple/alpha/")
    assert [request.target for request in upstream.requests] == ["http://upstream.example/simple/alpha/"]
    assert len(proxy.heads) == 1


def test_proxy_from_pip_wins_over_the_environment(
    upstream: FakeUpstream, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # nobody listens at the discard port
    config = replace(CONFIG, proxy=proxy.url)

    assert get("http://upstream.example/simple/alpha/", config).answer.status == 200


@pytest.mark.parametrize(
    ("exceptions", "through_proxy"),
    [("127.0.0.1", False), ("*", False), ("a.example,127.0.0.1", False), ("upstream.example", True)],
)
@pytest.mark.parametrize("variable", ["no_proxy", "NO_PROXY"])
def test_hosts_without_proxy(
    upstream: FakeUpstream,
    proxy: Proxy,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    exceptions: str,
    through_proxy: bool,
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv(variable, exceptions)

    assert get(upstream.url + "alpha/").answer.status == 200
    assert bool(proxy.heads) is through_proxy


@pytest.mark.parametrize("variable", ["https_proxy", "HTTPS_PROXY"])
def test_https_goes_through_a_tunnel(
    secure: FakeUpstream, bundle: str, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    with Proxy(secure) as proxy:
        monkeypatch.setenv(variable, proxy.url)
        answer, body = get("https://upstream.example/files/" + ALPHA.file, replace(CONFIG, ca_bundle=bundle))

    assert (answer.status, body) == (200, ALPHA.content)
    assert "x-proxy" not in answer.headers
    assert proxy.heads[0].startswith("CONNECT upstream.example:443 ")


def test_credentials_for_the_proxy_are_for_the_proxy(
    secure: FakeUpstream, bundle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Proxy(secure) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url.replace("://", "://ann:s3cret@"))
        get("https://upstream.example/simple/alpha/", replace(CONFIG, ca_bundle=bundle))

    assert "Proxy-Authorization: Basic " in proxy.heads[0]
    assert {"authorization", "proxy-authorization"}.isdisjoint(secure.requests[0].headers)


def test_a_proxy_that_is_not_there_is_named_without_its_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://ann:s3cret@127.0.0.1:9")

    with pytest.raises(TransportError) as caught:
        get("http://upstream.example/simple/alpha/")

    assert caught.value.unreachable
    assert "s3cret" not in str(caught.value)


# TLS.


def test_a_certificate_of_an_unknown_authority_is_refused_for_good(secure: FakeUpstream) -> None:
    with pytest.raises(TransportError) as caught:
        get(secure.url + "alpha/")

    assert not caught.value.transient
    assert not secure.requests


def test_an_authority_that_is_configured(secure: FakeUpstream, bundle: str) -> None:
    assert get(secure.url + "alpha/", replace(CONFIG, ca_bundle=bundle)).answer.status == 200


def test_a_certificate_for_another_name_is_refused(
    authority: trustme.CA, bundle: str, upstream: FakeUpstream
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("elsewhere.example").configure_cert(context)
    with FakeUpstream(tls=context) as server:
        with pytest.raises(TransportError):
            get(server.url, replace(CONFIG, ca_bundle=bundle))
        assert not server.requests


@pytest.mark.parametrize(
    ("trusted", "works"),
    [("127.0.0.1", True), ("127.0.0.1:{port}", True), ("127.0.0.1:1", False), ("upstream.example", False)],
)
def test_trusted_hosts(secure: FakeUpstream, trusted: str, works: bool) -> None:
    port = secure.host.rpartition(":")[2]
    config = replace(CONFIG, trusted_hosts=("a.example", trusted.format(port=port)))

    if works:
        assert get(secure.url + "alpha/", config).answer.status == 200
    else:
        with pytest.raises(TransportError):
            get(secure.url + "alpha/", config)


def test_a_client_certificate(authority: trustme.CA, bundle: str, tmp_path: Path) -> None:
    context = server_context(authority)
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    own = tmp_path / "client.pem"
    authority.issue_cert("client.example").private_key_and_cert_chain_pem.write_to_path(str(own))
    with FakeUpstream(tls=context) as server:
        server.add(ALPHA)
        url, config = server.url + "alpha/", replace(CONFIG, ca_bundle=bundle)

        with pytest.raises(TransportError):
            get(url, config)
        assert get(url, replace(config, client_certificate=str(own))).answer.status == 200


# Credentials.


def write_netrc(path: Path, host: str) -> None:
    path.write_text(f"machine {host} login ann password s3cret\n")
    path.chmod(0o600)


def test_credentials_of_the_url(upstream: FakeUpstream) -> None:
    upstream.require("ann", "s3cret/@:")

    answer, _ = get(upstream.url_with("ann", "s3cret/@:") + "alpha/")

    assert (answer.status, answer.url) == (200, upstream.url + "alpha/")


def test_credentials_of_netrc(upstream: FakeUpstream, tmp_path: Path) -> None:
    upstream.require("ann", "s3cret")
    write_netrc(tmp_path / ".netrc", "127.0.0.1")

    assert get(upstream.url + "alpha/").answer.status == 200


def test_credentials_of_a_netrc_elsewhere(upstream: FakeUpstream, tmp_path: Path) -> None:
    upstream.require("ann", "s3cret")
    write_netrc(tmp_path / "elsewhere", "127.0.0.1")

    assert (
        get(upstream.url + "alpha/", replace(CONFIG, netrc=str(tmp_path / "elsewhere"))).answer.status == 200
    )


def test_netrc_is_for_the_hosts_it_names(upstream: FakeUpstream, tmp_path: Path) -> None:
    write_netrc(tmp_path / ".netrc", "upstream.example")

    get(upstream.url + "alpha/")

    assert "authorization" not in upstream.requests[0].headers


def test_the_url_wins_over_netrc(upstream: FakeUpstream, tmp_path: Path) -> None:
    upstream.require("bob", "other")
    write_netrc(tmp_path / ".netrc", "127.0.0.1")

    assert get(upstream.url_with("bob", "other") + "alpha/").answer.status == 200


def test_a_refusal_is_answered_with_other_credentials(upstream: FakeUpstream) -> None:
    upstream.require("ann", "s3cret")
    known = Credentials([upstream.url_with("bob", "wrong"), upstream.url_with("ann", "s3cret")])

    answer, body = get(upstream.url + "alpha/", credentials=known)

    assert answer.status == 200
    assert body.startswith(b"<!DOCTYPE html>")  # nothing of the refusal
    assert [request.status for request in upstream.requests] == [401, 200]


def test_a_refusal_is_final_when_nobody_is_left_to_ask(upstream: FakeUpstream) -> None:
    upstream.require("ann", "s3cret")
    known = Credentials([upstream.url_with("bob", "wrong")], Keyring("disabled"))

    assert get(upstream.url + "alpha/", credentials=known).answer.status == 401
    assert upstream.count() == 1


def test_who_was_sent_on_asks_with_the_credentials_of_the_new_place(
    upstream: FakeUpstream, other: FakeUpstream
) -> None:
    upstream.require("ann", "s3cret")
    other.require("bob", "0ther")
    upstream.redirect(upstream.path_of(ALPHA), f"{other.root}{other.path_of(ALPHA)}")
    known = Credentials([upstream.url_with("ann", "s3cret"), other.url_with("bob", "0ther")])

    answer, body = get(f"{upstream.root}{upstream.path_of(ALPHA)}", credentials=known)

    assert (answer.status, body) == (200, ALPHA.content)
    assert [request.status for request in upstream.requests] == [302]
    refused, allowed = other.requests
    assert "authorization" not in refused.headers
    assert allowed.headers["authorization"] != upstream.requests[0].headers["authorization"]


def test_letters_of_any_alphabet_in_a_password(upstream: FakeUpstream) -> None:
    upstream.require("jörg", "über:weg")

    assert get(upstream.url_with("jörg", "über:weg") + "alpha/").answer.status == 200


# Redirects.


def test_credentials_follow_to_the_same_host(upstream: FakeUpstream) -> None:
    upstream.require("ann", "s3cret")
    upstream.redirect("/simple/Alpha/", "/simple/alpha/", status=301)

    answer, body = get(upstream.url_with("ann", "s3cret") + "Alpha/")

    assert (answer.status, answer.url) == (200, upstream.url + "alpha/")
    assert b"status 301" not in body


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_credentials_do_not_follow_to_another_host(
    upstream: FakeUpstream, other: FakeUpstream, name: str
) -> None:
    place = other.root.replace("127.0.0.1", name)
    upstream.require("ann", "s3cret")
    upstream.redirect(upstream.path_of(ALPHA), f"{place}{other.path_of(ALPHA)}")

    answer, body = get(upstream.url_with("ann", "s3cret").replace("/simple/", upstream.path_of(ALPHA)))

    assert (answer.url, body) == (f"{place}{other.path_of(ALPHA)}", ALPHA.content)
    assert "authorization" in upstream.requests[0].headers
    assert "authorization" not in other.requests[0].headers


def test_https_is_not_left_for_http(secure: FakeUpstream, other: FakeUpstream, bundle: str) -> None:
    secure.redirect("/simple/alpha/", other.url + "alpha/")

    with pytest.raises(TransportError):
        get(secure.url + "alpha/", replace(CONFIG, ca_bundle=bundle))

    assert not other.requests


@pytest.mark.parametrize("location", ["file:///etc/hostname", "ftp://upstream.example/"])
def test_http_is_not_left_for_other_protocols(upstream: FakeUpstream, location: str) -> None:
    upstream.redirect("/simple/alpha/", location)

    with pytest.raises(TransportError):
        get(upstream.url + "alpha/")


def test_a_circle_of_redirects_ends(upstream: FakeUpstream) -> None:
    upstream.redirect("/simple/alpha/", upstream.url + "alpha/")

    with pytest.raises(TransportError) as caught:
        get(upstream.url + "alpha/")

    assert not caught.value.transient
    assert upstream.count() < 20


def test_the_caller_is_told_of_every_redirect_and_may_object(
    upstream: FakeUpstream, other: FakeUpstream
) -> None:
    upstream.redirect("/one", "two")
    upstream.redirect("/two", f"{other.root}/three")
    told: list[str] = []

    def object_to_the_third(url: str) -> None:
        told.append(url)
        if url.endswith("/three"):
            raise LookupError("not there")

    transport = Transport(CONFIG, threading.Event())
    with pytest.raises(LookupError, match="not there"):
        transport.get(f"{upstream.root}/one", lambda _head, _chunk: None, {}, on_redirect=object_to_the_third)

    assert told == [f"{upstream.root}/two", f"{other.root}/three"]
    assert not other.requests


# Being told to stop.


@pytest.mark.parametrize("after", [None, 10_000])
def test_a_transfer_under_way_can_be_given_up(upstream: FakeUpstream, after: int | None) -> None:
    url, patient = f"{upstream.root}{upstream.path_of(ALPHA)}", replace(CONFIG, timeout=600.0)
    hold = upstream.hold(upstream.path_of(ALPHA), after=after)
    cancelled = threading.Event()

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(get, url, patient, cancelled=cancelled)
        hold.wait_for_client()
        cancelled.set()
        error = running.exception(timeout=20)

    assert isinstance(error, CancelledError)


@pytest.mark.parametrize("after", [None, 1])
def test_a_server_that_falls_silent_counts_as_broken(upstream: FakeUpstream, after: int | None) -> None:
    upstream.hold(upstream.path_of(ALPHA), after=after)

    with pytest.raises(TransportError) as caught:
        get(f"{upstream.root}{upstream.path_of(ALPHA)}", replace(CONFIG, timeout=1.0))

    assert caught.value.transient
