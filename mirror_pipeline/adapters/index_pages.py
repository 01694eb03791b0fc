"""Project pages of upstream indexes (PEP 503, 691): each is asked for once in the life of a process.

A page is kept compressed, packed while it arrives, and read for the releases that are wanted: pages list
thousands of files, and few of them ever are. An index at a ``file:`` URL is read from disk, as pip reads it.
"""

from __future__ import annotations

import threading
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit
from urllib.request import url2pathname

from mirror_pipeline.adapters.files import sha256_of
from mirror_pipeline.adapters.retrying import Retrier, StatusError
from mirror_pipeline.adapters.transport import Transport
from mirror_pipeline.adapters.urls import index_key, is_on_disk, redacted, split_login
from mirror_pipeline.domain.drift import Page
from mirror_pipeline.domain.project_facts import NOTHING, ProjectFacts
from mirror_pipeline.domain.simple_page import (
    ACCEPT,
    PageError,
    Wanted,
    is_project_page,
    read_project,
)
from mirror_pipeline.domain.wheelset import UpstreamFile
from mirror_pipeline.errors import UpstreamError

_PAGE = "index.html"
_QUICK = 1
"""zlib's level: a page of 1.7 MB shrinks to a tenth in a few milliseconds."""
_Key = tuple[Any, ...]
_Whole = tuple[tuple[UpstreamFile, ...], ProjectFacts]


@dataclass(frozen=True, slots=True)
class _Page:
    """A page, compressed. ``base`` is where it was found, after redirects; '' where there is none."""

    packed: bytes
    media: str
    base: str


class _Packing:
    """A page on its way: never whole in memory, since sixteen at once take a hundred megabytes."""

    def __init__(self) -> None:
        self._compressor = zlib.compressobj(_QUICK)
        self._parts: list[bytes] = []

    def add(self, piece: bytes) -> None:
        """What follows."""
        if packed := self._compressor.compress(piece):
            self._parts.append(packed)

    def whole(self) -> bytes:
        """All of it; nothing can follow."""
        return b"".join((*self._parts, self._compressor.flush()))


class Pages:
    """The pages of any number of indexes, for the length of one process; many threads may ask."""

    def __init__(self, transport: Transport, retrier: Retrier) -> None:
        self._transport, self._retrier = transport, retrier
        self._pages: dict[_Key, _Page] = {}
        self._read: dict[_Key, Mapping[str, UpstreamFile]] = {}
        self._said: dict[_Key, ProjectFacts] = {}
        self._turns: defaultdict[_Key, threading.Lock] = defaultdict(threading.Lock)
        self._guard = threading.Lock()
        # Python reads no two pages at once, and what a thread needed for a long one stays its own afterwards.
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="pages")

    def files(self, index: str, project: str, releases: frozenset[str]) -> Mapping[str, UpstreamFile]:
        """The files of some releases by name; an index that does not know the project has none.

        A release is the version as file names spell it (``release_of``). An index that cannot be asked, or
        answers with something else than a page, is an ``UpstreamError``.
        """
        key = (*index_key(index), project, releases)
        with self._guard:
            known = self._read.get(key)
        if known is None:
            found, facts = self._whole(index, project, lambda name, _: release_of(name) in releases)
            known = {file.file: file for file in found}
            with self._guard:
                self._read[key], self._said[key[:-1]] = known, facts
        return known

    def facts(self, index: str, project: str) -> ProjectFacts:
        """What the page whose files were asked for says of the project."""
        with self._guard:
            return self._said.get((*index_key(index), project), NOTHING)

    def listing(self, index: str, project: str) -> tuple[UpstreamFile, ...]:
        """Every file of a project, none with credentials in its URL. Read anew each time: keep what you need.

        Files on disk get the digest of their bytes where the page states none.
        """
        files, _ = self._whole(index, project, lambda _name, _digest: True)
        complete = _hashed if is_on_disk(index) else _without_login
        return tuple(complete(file) for file in files)

    def look(self, index: str, project: str, names: frozenset[str]) -> Page:
        """A project's page with those of some files that it lists, and what it says of the project.

        An index that does not know the project has no such page. What is there and is no project page is an
        ``UpstreamError``: its silence about a file would mean nothing.
        """
        page, shown = self._page(index, project), redacted(index)
        if not page.base:
            return Page(shown, exists=False)
        files, facts = self._whole(index, project, lambda name, _: name in names)
        if not files and not is_project_page(zlib.decompress(page.packed), page.media):
            raise _no_page(index, project, "this is no project page")
        found = {file.file: replace(file, url="", provenance=None) for file in files}
        return Page(shown, exists=True, files=found, status=facts.status)

    def _whole(self, index: str, project: str, wanted: Wanted) -> _Whole:
        page = self._page(index, project)
        try:
            return self._reader.submit(_read, page, wanted).result()
        except PageError as error:
            raise _no_page(index, project, str(error)) from None

    def _page(self, index: str, project: str) -> _Page:
        key = (*index_key(index), project)
        with self._guard:
            turn = self._turns[key]
        with turn:  # who asks for the same page waits for it
            if key not in self._pages:
                self._transport.credentials.learn(index)
                url = _url(index, project)
                self._pages[key] = _from_disk(url) if is_on_disk(index) else self._load(url)
        return self._pages[key]

    def _load(self, url: str) -> _Page:
        def request() -> _Page:
            body = _Packing()
            answer = self._transport.get(
                url, lambda _head, chunk: body.add(chunk), {"Accept": ACCEPT}, decode=True
            )
            if answer.status == 404:
                return _Page(zlib.compress(b""), "text/html", "")
            if answer.status != 200:
                raise StatusError(answer, url)
            return _Page(body.whole(), answer.headers.get("content-type", ""), answer.url)

        return self._retrier.run(url, request)


def _read(page: _Page, wanted: Wanted) -> _Whole:
    return read_project(zlib.decompress(page.packed), page.media, page.base, wanted)


def release_of(file: str) -> str:
    """The version as a file name spells it: the part between the first two dashes of a wheel's name."""
    parts = file.split("-")
    if file.endswith(".whl") and len(parts) > 4:
        return parts[1]
    return file.rpartition("-")[2].removesuffix(".tar.gz").removesuffix(".zip")


def path_of(url: str) -> Path:
    """Where a ``file:`` URL points to."""
    return Path(url2pathname(urlsplit(url).path))


def _url(index: str, project: str) -> str:
    return f"{index.rstrip('/')}/{quote(project)}/"


def _no_page(index: str, project: str, why: str) -> UpstreamError:
    url = redacted(_url(index, project))
    return UpstreamError(f"{url}: {why}", url=url, project=project)


def _from_disk(url: str) -> _Page:
    page = path_of(url) / _PAGE
    with _reading(page):
        if not page.is_file():
            return _Page(zlib.compress(b""), "text/html", "")
        return _Page(zlib.compress(page.read_bytes(), _QUICK), "text/html", f"{url}{_PAGE}")


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UpstreamError(f"{path}: {error.strerror or error}", path=str(path)) from None


def _hashed(file: UpstreamFile) -> UpstreamFile:
    if file.sha256 or not is_on_disk(file.url):
        return file
    path = path_of(file.url)
    with _reading(path):
        return replace(file, sha256=sha256_of(path)) if path.is_file() else file


def _without_login(file: UpstreamFile) -> UpstreamFile:
    plain, login = split_login(file.url)
    return replace(file, url=plain) if login else file
