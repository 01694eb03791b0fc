"""HTTP as libcurl does it: proxies, CA bundles, netrc and client certificates as pip has them.

Handles are kept with their open connections; name lookups and TLS sessions are shared among them.
Chosen by measurement: docs/decisions/0003-http-client.md.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import getproxies, proxy_bypass

import pycurl

from mirror_pipeline.adapters.pip_config import PipConfig

_CONNECT_TIMEOUT = 15
_NAMES_KEPT = 600
"""Seconds that an address is remembered."""
_STALLED_BYTES_PER_SECOND = 1
_MAX_REDIRECTS = 10
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


@dataclass(frozen=True, slots=True)
class Answer:
    """A response's head. ``url`` is where it came from after redirects; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    url: str


class CancelledError(Exception):
    """The transfer was given up because the work as a whole was."""


def redacted(url: str) -> str:
    """A URL without credentials, fit for messages and logs."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


class Transport:
    """GET requests from many threads."""

    def __init__(self, config: PipConfig, cancelled: threading.Event) -> None:
        self._config = config
        self._cancelled = cancelled
        self._idle: queue.SimpleQueue[pycurl.Curl] = queue.SimpleQueue()
        self._shared = pycurl.CurlShare()
        for data in (pycurl.LOCK_DATA_DNS, pycurl.LOCK_DATA_SSL_SESSION):
            self._shared.setopt(pycurl.SH_SHARE, data)
        self._introductions: dict[str, threading.Lock] = {}
        self._introduced: set[str] = set()

    def get(
        self,
        url: str,
        sink: Callable[[Answer, bytes], None],
        headers: Mapping[str, str],
        *,
        decode: bool = False,
    ) -> Answer:
        """Fetch a URL, handing the body to ``sink`` piece by piece, each with the head it belongs to.

        ``decode`` lets the server compress the body; never for files whose bytes are what counts.
        """
        transfer = _Transfer(sink, self._cancelled)
        self._introduce(url)
        with self._handle() as curl:
            self._prepare(curl, url, headers, decode=decode)
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
        plain, credentials = _split_credentials(url)
        options: dict[int, object] = {
            pycurl.URL: plain,
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
        if credentials:
            options[pycurl.USERPWD] = credentials
        if self._config.netrc:
            options[pycurl.NETRC_FILE] = self._config.netrc
        for option, value in options.items():
            curl.setopt(option, value)

    def _way(self, url: str) -> dict[int, object]:
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

    def _explained(self, error: pycurl.error, url: str, transfer: _Transfer) -> BaseException:
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


class _Transfer:
    """Callbacks of one request. pycurl reports what they raise as a write error: it is kept in ``raised``."""

    def __init__(self, sink: Callable[[Answer, bytes], None], cancelled: threading.Event) -> None:
        self._sink, self._cancelled = sink, cancelled
        self._status, self._headers = 0, dict[str, str]()
        self.raised: BaseException | None = None

    def answer(self, url: str) -> Answer:
        return Answer(self._status, self._headers, url)

    def on_header(self, line: bytes) -> None:
        text = line.decode("iso-8859-1").strip()
        if text.startswith("HTTP/"):  # a new head: after a redirect, or from a proxy before the server
            self._status, self._headers = int(text.split()[1]), {}
        elif ":" in text:
            name, _, value = text.partition(":")
            self._headers[name.strip().lower()] = value.strip()

    def on_body(self, chunk: bytes) -> int:
        try:
            self._sink(self.answer(""), chunk)
        except BaseException as error:
            self.raised = error
            return -1
        return len(chunk)

    def on_progress(self, *_sizes: int) -> int:
        return 1 if self._cancelled.is_set() else 0


def _proxy_from_environment(url: str) -> str:
    """The proxy that Python's own library, and so pip, would take; '' for none.

    libcurl reads the environment too, but not ``HTTP_PROXY`` in capitals.
    """
    parts = urlsplit(url)
    if proxy_bypass(parts.netloc.rpartition("@")[2]):
        return ""
    proxies = getproxies()
    return proxies.get(parts.scheme) or proxies.get("all") or ""


def _split_credentials(url: str) -> tuple[str, str]:
    """The URL without its user part, and ``user:password`` where it had one."""
    parts = urlsplit(url)
    if "@" not in parts.netloc:
        return url, ""
    user, _, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=host)), unquote(user)
