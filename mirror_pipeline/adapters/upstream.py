"""Upstream indexes: project pages (PEP 503, 691), asked for once per run, only the wanted files kept.

An artifact is taken from the index that its lock names, or from the configured ones in their order. An
index at a ``file:`` URL is read from disk, as pip reads it.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote, urlsplit, urlunsplit
from urllib.request import url2pathname

from mirror_pipeline.adapters.transport import Answer, Transport, TransportError, redacted
from mirror_pipeline.domain.artifact import Artifact
from mirror_pipeline.domain.retry import delay, is_transient, parse_retry_after
from mirror_pipeline.domain.simple_page import ACCEPT, PageError, read_page
from mirror_pipeline.domain.wheelset import UpstreamFile
from mirror_pipeline.errors import UpstreamError

T = TypeVar("T")
_HTML_NAMES = ("index.html",)
Wait = Callable[[float], object]


class StatusError(Exception):
    """An answer that is not a success. ``retry_after`` in seconds where the server asked for it."""

    def __init__(self, answer: Answer, url: str) -> None:
        super().__init__(f"{redacted(url)}: HTTP {answer.status}")
        self.status = answer.status
        self.retry_after = parse_retry_after(answer.headers.get("retry-after"), datetime.now(timezone.utc))


class Retrier:
    """Tries a request again while that may help, and remembers hosts that cannot be reached at all."""

    def __init__(self, wait: Wait = time.sleep) -> None:
        self._wait = wait
        self._unreachable: dict[str, str] = {}

    def run(self, url: str, request: Callable[[], T]) -> T:
        """The request's result; a final failure is an ``UpstreamError``."""
        host = urlsplit(url).netloc
        attempt = 0
        while True:
            if host in self._unreachable:
                raise self._unreachable_error(url, self._unreachable[host], attempt)
            attempt += 1
            try:
                return request()
            except (TransportError, StatusError) as error:
                pause = _pause(error, attempt)
                if pause is None:
                    raise self._given_up(error, url, host, attempt) from None
                self._wait(pause)

    def _given_up(
        self, error: TransportError | StatusError, url: str, host: str, attempts: int
    ) -> UpstreamError:
        if isinstance(error, TransportError) and error.unreachable:
            self._unreachable[host] = error.reason
            return self._unreachable_error(url, error.reason, attempts)
        tried = f" (tried {attempts} times)" if attempts > 1 else ""
        status = error.status if isinstance(error, StatusError) else None
        return UpstreamError(f"{error}{tried}", url=redacted(url), status=status, attempts=attempts)

    @staticmethod
    def _unreachable_error(url: str, reason: str, attempts: int) -> UpstreamError:
        host = urlsplit(redacted(url)).netloc
        return UpstreamError(
            f"no connection to {host}: {reason}",
            hint="check the network, the proxy and MIRROR_INDEX_URL",
            url=redacted(url),
            attempts=attempts,
            unreachable=True,
        )


def _pause(error: TransportError | StatusError, attempt: int) -> float | None:
    transient = error.transient if isinstance(error, TransportError) else is_transient(error.status)
    after = error.retry_after if isinstance(error, StatusError) else None
    return delay(attempt, after, random.random()) if transient else None  # noqa: S311 - spreads retries


class Upstream:
    """The configured indexes, for the length of one process."""

    def __init__(self, transport: Transport, indexes: Sequence[str], retrier: Retrier) -> None:
        self._transport, self._retrier = transport, retrier
        self._indexes = tuple(indexes)
        self._pages: dict[tuple[str, str, frozenset[str]], Mapping[str, UpstreamFile]] = {}
        self._guard = threading.Lock()

    def locate(self, artifacts: Sequence[Artifact]) -> Mapping[str, UpstreamFile]:
        """Where the artifacts of one project are to be had; what no index lists has no entry."""
        found = {a.file: UpstreamFile(a.file, a.url, a.sha256) for a in artifacts if a.url}
        for index in self._in_order(artifacts):
            missing = [a for a in artifacts if a.file not in found and a.index in (None, index)]
            if missing:
                page = self._page(index, missing[0].project, missing)
                found.update({a.file: page[a.file] for a in missing if a.file in page})
        return found

    def _in_order(self, artifacts: Iterable[Artifact]) -> tuple[str, ...]:
        """The indexes that locks name for these artifacts, then the configured ones."""
        named = [artifact.index for artifact in artifacts if artifact.index]
        return tuple(dict.fromkeys([*named, *self._indexes]))

    def _page(self, index: str, project: str, wanted: Sequence[Artifact]) -> Mapping[str, UpstreamFile]:
        """A project's page, reduced to the releases that the wanted files belong to.

        Other platforms will ask for other files of the same releases: those are kept too.
        """
        releases = frozenset(_release(artifact.file) for artifact in wanted)
        key = (index, project, releases)
        with self._guard:
            known = self._pages.get(key)
        if known is None:
            known = {file.file: file for file in self._read(index, project, releases)}
            with self._guard:
                self._pages[key] = known
        return known

    def _read(self, index: str, project: str, releases: frozenset[str]) -> tuple[UpstreamFile, ...]:
        url = f"{index.rstrip('/')}/{quote(project)}/"
        content, media, base = self._load_file(url) if url.startswith("file:") else self._load(url)
        try:
            files = read_page(content, media, base, lambda name, _digest: _release(name) in releases)
        except PageError as error:
            raise UpstreamError(f"{redacted(url)}: {error}", url=redacted(url), project=project) from None
        on_disk = url.startswith("file:")  # what comes from the network names no files of this machine
        return tuple(_with_credentials(f, index) for f in files if on_disk or not f.url.startswith("file:"))

    def _load(self, url: str) -> tuple[bytes, str, str]:
        def request() -> tuple[bytes, str, str]:
            body = bytearray()
            answer = self._transport.get(
                url, lambda _head, chunk: body.extend(chunk), {"Accept": ACCEPT}, decode=True
            )
            if answer.status == 404:
                return b"", "text/html", url
            if answer.status != 200:
                raise StatusError(answer, url)
            return bytes(body), answer.headers.get("content-type", ""), answer.url

        return self._retrier.run(url, request)

    @staticmethod
    def _load_file(url: str) -> tuple[bytes, str, str]:
        folder = Path(url2pathname(urlsplit(url).path))
        page = folder / _HTML_NAMES[0]
        return (page.read_bytes() if page.is_file() else b""), "text/html", f"{url}{_HTML_NAMES[0]}"


def _release(file: str) -> str:
    """The version as a file name spells it: the part between the first two dashes of a wheel's name."""
    parts = file.split("-")
    if file.endswith(".whl") and len(parts) > 4:
        return parts[1]
    return file.rpartition("-")[2].removesuffix(".tar.gz").removesuffix(".zip")


def _with_credentials(file: UpstreamFile, index: str) -> UpstreamFile:
    """Files on the index's own host are asked for with the index's credentials, as pip does."""
    user, _, host = urlsplit(index).netloc.rpartition("@")
    target = urlsplit(file.url)
    if not user or target.netloc != host:
        return file
    url = urlunsplit(target._replace(netloc=f"{user}@{host}"))
    return UpstreamFile(
        file.file, url, file.sha256, file.size, file.requires_python, file.yanked, file.upload_time
    )
