"""HTTP as libcurl does it: proxies, CA bundles, netrc and client certificates as pip has them.

Handles are kept with their open connections; name lookups and TLS sessions are shared among them. A refusal
for want of credentials (401) is answered with those that ``credentials`` has for that host, and no other's.
Chosen by measurement: docs/decisions/0003-http-client.md.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import pycurl

from mirror_pipeline.adapters.credentials import Credentials, Keyring
from mirror_pipeline.adapters.pip_config import PipConfig
from mirror_pipeline.adapters.transfer import Answer, OnRedirect, Sink, Transfer
from mirror_pipeline.adapters.urls import Login, origin, redacted, split_login

_CONNECT_TIMEOUT = 15
_NAMES_KEPT = 600
"""Seconds that an address is remembered."""
_STALLED_BYTES_PER_SECOND = 1
_MAX_REDIRECTS = 10
_MOST_LOGINS = 5
"""Credentials that are tried for one request before a refusal is final."""
_BUFFER = 256 * 1024
_TRANSIENT = frozenset(
    {
        pycurl.E_COULDNT_RESOLVE_PROXY,
        pycurl.E_COULDNT_RESOLVE_HOST,
        pycurl.E_COULDNT_CONNECT,
        pycurl.E_PARTIAL_FILE,
        pycurl.E_OPERATION_TIMEDOUT,
        pycurl.E_SSL_CONNECT_ERROR,
        pycurl.E_GOT_NOTHING,
        pycurl.E_SEND_ERROR,
        pycurl.E_RECV_ERROR,
        16,  # HTTP/2 framing
        92,  # HTTP/2 stream
    }
)
_HTTP = pycurl.PROTO_HTTP
_UNREACHABLE = frozenset(
    {pycurl.E_COULDNT_RESOLVE_PROXY, pycurl.E_COULDNT_RESOLVE_HOST, pycurl.E_COULDNT_CONNECT}
)


class TransportError(Exception):
    """No answer, or a broken one. ``unreachable``: not even a connection; ``reason``: libcurl's words."""

    def __init__(self, url: str, reason: str, *, transient: bool, unreachable: bool = False) -> None:
        super().__init__(f"{redacted(url)}: {reason}")
        self.reason = reason
        self.transient, self.unreachable = transient, unreachable


class CancelledError(Exception):
    """The transfer was given up because the work as a whole was."""


class Transport:
    """GET requests from many threads, and a POST now and then."""

    def __init__(
        self, config: PipConfig, cancelled: threading.Event, credentials: Credentials | None = None
    ) -> None:
        self._config = config
        self._cancelled = cancelled
        self.credentials = credentials or Credentials(keyring=Keyring(config.keyring_provider))
        self._idle: queue.SimpleQueue[pycurl.Curl] = queue.SimpleQueue()
        self._shared = pycurl.CurlShare()
        for data in (pycurl.LOCK_DATA_DNS, pycurl.LOCK_DATA_SSL_SESSION):
            self._shared.setopt(pycurl.SH_SHARE, data)
        self._ways: dict[tuple[str, str], Mapping[int, object]] = {}
        self._introductions: dict[str, threading.Lock] = {}
        self._introduced: set[str] = set()

    def get(
        self,
        url: str,
        sink: Sink,
        headers: Mapping[str, str],
        *,
        decode: bool = False,
        on_redirect: OnRedirect | None = None,
    ) -> Answer:
        """Fetch a URL, handing the body to ``sink``, but not that of a 401.

        ``decode`` lets the server compress the body; never for files whose bytes are what counts.
        """
        login = self.credentials.first(url)
        tried = [login]
        for _ in range(_MOST_LOGINS):
            transfer = Transfer(sink, self._cancelled, url, on_redirect)
            answer = self._perform(url, login, headers, transfer, decode=decode)
            if answer.status != 401:
                break
            if origin(answer.url) != origin(url):  # sent on to a host that has credentials of its own
                url, tried = answer.url, []
            login = self.credentials.next(url, tried)
            if login is None:
                break
            tried.append(login)
        return answer

    def _perform(
        self, url: str, login: Login | None, headers: Mapping[str, str], transfer: Transfer, *, decode: bool
    ) -> Answer:
        """One request, with the redirects that it leads to."""
        self._introduce(url)
        with self._handle() as curl:
            self._prepare(curl, url, headers, decode=decode)
            for option, value in _login_options(login):
                curl.setopt(option, value)
            return self._answered(curl, url, transfer)

    def post(self, url: str, body: bytes, headers: Mapping[str, str], seconds: int) -> Answer:
        """Send a body within so many seconds; what is answered to it besides the head is not read.

        No redirect is followed: the body is for this URL, and for nobody whom that names.
        """
        transfer = Transfer(lambda _head, _chunk: None, self._cancelled, url, None)
        with self._handle() as curl:
            self._prepare(curl, url, {"Expect": "", **headers}, decode=False)
            for option, value in _login_options(split_login(url)[1]):
                curl.setopt(option, value)
            curl.setopt(pycurl.FOLLOWLOCATION, 0)
            curl.setopt(pycurl.TIMEOUT, seconds)
            curl.setopt(pycurl.POSTFIELDS, body)
            return self._answered(curl, url, transfer)

    def _answered(self, curl: pycurl.Curl, url: str, transfer: Transfer) -> Answer:
        curl.setopt(pycurl.HEADERFUNCTION, transfer.on_header)
        curl.setopt(pycurl.WRITEFUNCTION, transfer.on_body)
        curl.setopt(pycurl.XFERINFOFUNCTION, transfer.on_progress)
        try:
            curl.perform()
        except pycurl.error as error:
            raise self._explained(error, url, transfer) from None
        return transfer.answer(cast("str", curl.getinfo(pycurl.EFFECTIVE_URL)))

    def _introduce(self, url: str) -> None:
        """Let the first thread that needs a host look its name up while the others wait.

        Sixteen threads that ask at once make a burst which some resolvers drop parts of, and a lost
        question costs five seconds. What fails here fails again, and is reported, in the request itself.
        """
        host = urlsplit(url).netloc.rpartition("@")[2]
        with self._introductions.setdefault(host, threading.Lock()):
            if host not in self._introduced:
                curl = self._new_handle()
                self._prepare(curl, url, {}, decode=False)
                curl.setopt(pycurl.CONNECT_ONLY, 1)
                curl.setopt(pycurl.NOPROGRESS, 1)  # with nobody to take it, libcurl prints it
                with suppress(pycurl.error):
                    curl.perform()
                curl.close()
                self._introduced.add(host)

    def _new_handle(self) -> pycurl.Curl:
        curl = pycurl.Curl()
        curl.setopt(pycurl.SHARE, self._shared)
        return curl

    @contextmanager
    def _handle(self) -> Iterator[pycurl.Curl]:
        """An idle handle with its open connections, or a new one; each is used by one thread at a time."""
        try:
            curl = self._idle.get_nowait()
        except queue.Empty:
            curl = self._new_handle()
        try:
            yield curl
        finally:
            self._idle.put(curl)

    def _prepare(self, curl: pycurl.Curl, url: str, headers: Mapping[str, str], *, decode: bool) -> None:
        curl.reset()  # options only: connections and what is shared stay
        plain, _ = split_login(url)
        options: dict[int, object] = {
            pycurl.URL: plain.encode(),
            pycurl.HTTPHEADER: [f"{name}: {value}" for name, value in headers.items()],
            pycurl.NOSIGNAL: 1,  # signals and threads do not mix
            pycurl.NOPROGRESS: 0,
            pycurl.FOLLOWLOCATION: 1,
            pycurl.MAXREDIRS: _MAX_REDIRECTS,
            pycurl.PROTOCOLS: _HTTP | pycurl.PROTO_HTTPS,
            pycurl.REDIR_PROTOCOLS: pycurl.PROTO_HTTPS | (0 if plain.startswith("https:") else _HTTP),
            pycurl.CONNECTTIMEOUT: _CONNECT_TIMEOUT,
            pycurl.DNS_CACHE_TIMEOUT: _NAMES_KEPT,
            pycurl.LOW_SPEED_LIMIT: _STALLED_BYTES_PER_SECOND,
            pycurl.LOW_SPEED_TIME: int(self._config.timeout),
            pycurl.BUFFERSIZE: _BUFFER,
            pycurl.NETRC: pycurl.NETRC_OPTIONAL,
            pycurl.HTTP_VERSION: pycurl.CURL_HTTP_VERSION_1_1,  # measured: faster than multiplexing here
        }
        options |= self._way(plain)
        if decode:
            options[pycurl.ACCEPT_ENCODING] = ""
        if self._config.netrc:
            options[pycurl.NETRC_FILE] = self._config.netrc
        for option, value in options.items():
            curl.setopt(option, value)

    def _way(self, url: str) -> Mapping[int, object]:
        """How to get to where a URL leads; looked up once per server, since it costs more than a request."""
        place = urlsplit(url)[:2]
        if place not in self._ways:
            self._ways[place] = self._looked_up(url)
        return self._ways[place]

    def _looked_up(self, url: str) -> Mapping[int, object]:
        config, options = self._config, dict[int, object]()
        options[pycurl.PROXY] = config.proxy or _proxy_from_environment(url)
        if config.proxy is None:
            options[pycurl.NOPROXY] = ""
        if config.ca_bundle:
            place = pycurl.CAPATH if Path(config.ca_bundle).is_dir() else pycurl.CAINFO
            options[place] = config.ca_bundle
        if config.client_certificate:
            options[pycurl.SSLCERT] = config.client_certificate
        parts = urlsplit(url)
        if {parts.netloc, parts.hostname or ""} & set(config.trusted_hosts):
            options |= {pycurl.SSL_VERIFYPEER: 0, pycurl.SSL_VERIFYHOST: 0}
        return options

    def _explained(self, error: pycurl.error, url: str, transfer: Transfer) -> BaseException:
        if transfer.raised is not None:
            return transfer.raised
        if self._cancelled.is_set():
            return CancelledError()
        code, message = (*error.args, 0, "")[:2]
        return TransportError(
            url,
            str(message or f"libcurl error {code}"),
            transient=code in _TRANSIENT,
            unreachable=code in _UNREACHABLE,
        )


def _proxy_from_environment(url: str) -> str:
    """The proxy that Python's own library, and so pip, would take; '' for none.

    libcurl reads the environment too, but not ``HTTP_PROXY`` in capitals.
    """
    parts = urlsplit(url)
    if proxy_bypass(parts.netloc.rpartition("@")[2]):
        return ""
    proxies = getproxies()
    return proxies.get(parts.scheme) or proxies.get("all") or ""


def _login_options(login: Login | None) -> list[tuple[int, bytes]]:
    if login is None:
        return []
    name = [(pycurl.USERNAME, login.user.encode())]
    return name if login.password is None else [*name, (pycurl.PASSWORD, login.password.encode())]
