"""Which source a pin is taken from: one, and always the same.

That is the index its lock names; where the lock names none, the first of the configured ones that lists a
file of the pin as it is locked. No other index hears of the pin, so that nobody can slip a file in under a
name that is known elsewhere (dependency confusion). Nor does a lock's own URL of a file lead around an index
that is configured. See docs/decisions/0008-sources.md.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from packaging.utils import NormalizedName

from mirror_pipeline.adapters.file_hosts import FileHosts, RefusedError
from mirror_pipeline.adapters.index_pages import Pages, release_of
from mirror_pipeline.adapters.retrying import Retrier
from mirror_pipeline.adapters.urls import index_key, is_http, redacted
from mirror_pipeline.domain.artifact import Artifact
from mirror_pipeline.domain.project_facts import NOTHING, ProjectFacts, page_of
from mirror_pipeline.domain.wheelset import Failure, UpstreamFile
from mirror_pipeline.errors import UpstreamError

__all__ = ["Asked", "Listing", "Located", "Retrier", "Sources", "Upstream", "mismatch"]

_REFUSED = frozenset({401, 403})


@dataclass(frozen=True, slots=True)
class Asked:
    """A project to be listed: by the index that its lock names (None: the configured ones) and ``also``."""

    project: NormalizedName
    index: str | None = None
    also: tuple[str, ...] = ()


Listing = tuple[tuple[str | None, tuple[UpstreamFile, ...]], ...]
"""By priority: an index as the lock names it (None for a configured one), and the files listed there."""


@dataclass(frozen=True, slots=True)
class Located:
    """Where files are to be had, by name, and why some are not."""

    files: Mapping[str, UpstreamFile] = field(default_factory=dict)
    failures: tuple[Failure, ...] = ()
    pages: Mapping[str, ProjectFacts] = field(default_factory=dict)
    """What the pages of these files say of the project, by ``UpstreamFile.page``."""


@dataclass(frozen=True, slots=True)
class _Found:
    """What the indexes say of one pin. ``index`` is its source, ``files`` what that lists as it is locked.

    ``others`` are the digests that were seen under a wanted name and are not the lock's. ``error``: nobody
    could be asked, so nothing is known.
    """

    index: str = ""
    files: Mapping[str, UpstreamFile] = field(default_factory=dict)
    others: Mapping[str, Sequence[str]] = field(default_factory=dict)
    error: UpstreamError | None = None
    page: str = ""
    facts: ProjectFacts = NOTHING


class Sources:
    """The indexes that may be asked: the configured ones in their order, or the one a lock names.

    ``default`` is the public index as locks name it. Where it is not configured itself it stands for the
    configured ones: that is how this machine reaches the public index.
    """

    def __init__(self, configured: Iterable[str], default: str) -> None:
        self._configured = {index_key(url): url for url in reversed(tuple(configured))}
        self.configured = tuple(reversed(self._configured.values()))
        self._default = index_key(default)

    def of(self, index: str | None) -> tuple[str, ...]:
        """What to ask for a pin, the first first. A lock cannot name a place on this machine's disk."""
        if index is None:
            return self.configured
        key = index_key(index)
        if key in self._configured:
            return (self._configured[key],)
        if key == self._default:
            return self.configured
        if not is_http(index):
            raise RefusedError(
                f"{redacted(index)}: a lock names this index, and only http and https URLs are asked",
                hint="name it in MIRROR_EXTRA_INDEX_URLS if it is meant",
                url=redacted(index),
            )
        return (index,)

    def owner_of(self, named: str | None, asked: str) -> str:
        """The index that a pin's name belongs to, as far as anybody says so; '' where nobody does.

        That is the one its lock names, else the public one where that is asked. Another index that is
        configured may be a proxy of whatever, and its address is this machine's affair.
        """
        return named or (asked if index_key(asked) == self._default else "")

    def is_foreign(self, index: str | None) -> bool:
        """Whether an index is known from a lock only."""
        return index is not None and index_key(index) not in {*self._configured, self._default}


class Upstream:
    """The indexes, for the length of one process."""

    def __init__(self, pages: Pages, sources: Sources, hosts: FileHosts) -> None:
        self._pages, self._sources, self._hosts = pages, sources, hosts
        self._chosen: dict[tuple[str, str, tuple[str, ...]], str] = {}
        self._guard = threading.Lock()

    def locate(self, artifacts: Sequence[Artifact]) -> Located:
        """Where the artifacts of one project are to be had; each is in ``files`` or in ``failures``."""
        releases = frozenset(release_of(artifact.file) for artifact in artifacts)
        results: list[UpstreamFile | Failure] = []
        pages: dict[str, ProjectFacts] = {}
        for _, group in groupby(sorted(artifacts, key=_pin), key=_pin):
            pin = list(group)
            found = _Found() if pin[0].direct else self._find(pin, releases)
            results += [self._place(artifact, found) for artifact in pin]
            if found.page:
                pages[found.page] = found.facts
        return Located(
            {result.file: result for result in results if isinstance(result, UpstreamFile)},
            tuple(result for result in results if isinstance(result, Failure)),
            pages,
        )

    def listing(self, asked: Asked) -> Listing:
        """Every file of a project, index by index; one that cannot be asked is an ``UpstreamError``."""
        found: dict[object, tuple[str | None, tuple[UpstreamFile, ...]]] = {}
        for named in (asked.index, *asked.also):
            for url in self._sources.of(named):
                if index_key(url) not in found:
                    found[index_key(url)] = named, self._pages.listing(url, asked.project)
        return tuple(found.values())

    def _find(self, artifacts: Sequence[Artifact], releases: frozenset[str]) -> _Found:
        """The source of one pin. An index in trouble ends the search: the next one is not its deputy."""
        others: dict[str, list[str]] = defaultdict(list)
        try:
            for index in self._order(artifacts[0]):
                page = self._pages.files(index, artifacts[0].project, releases)
                listed = [(a, page[a.file]) for a in artifacts if a.file in page]
                fitting = {file.file: file for a, file in listed if file.sha256 in (None, a.sha256)}
                for file in (file for _, file in listed if file.file not in fitting):
                    others[file.file].append(str(file.sha256))
                if fitting:
                    self._choose(artifacts[0], index)
                    where, facts = self._said(index, artifacts[0])
                    return _Found(index, fitting, others, page=where, facts=facts)
        except UpstreamError as error:
            return _Found(error=error)
        return _Found(others=others)

    def _said(self, index: str, pin: Artifact) -> tuple[str, ProjectFacts]:
        """Which page lists a pin, and what it says; whose name it is, where the page leaves that open."""
        facts, owner = self._pages.facts(index, pin.project), self._sources.owner_of(pin.index, index)
        page = f"{redacted(owner or index).rstrip('/')}/{pin.project}/"
        return page, replace(facts, tracks=facts.tracks or page_of(owner, pin.project))

    def _order(self, pin: Artifact) -> tuple[str, ...]:
        """Which indexes to ask for a pin; once one has served a file of it, that one alone."""
        order = self._sources.of(pin.index)
        with self._guard:
            chosen = self._chosen.get((pin.project, pin.version, order))
        return (chosen,) if chosen else order

    def _choose(self, pin: Artifact, index: str) -> None:
        with self._guard:
            self._chosen.setdefault((pin.project, pin.version, self._sources.of(pin.index)), index)

    def _place(self, artifact: Artifact, found: _Found) -> UpstreamFile | Failure:
        """One file: from the page of its source, else, where that counts, from the URL in the lock."""
        file, index = found.files.get(artifact.file), found.index
        if file is None and artifact.url and self._counts_url(artifact, found):
            file, index = UpstreamFile(artifact.file, artifact.url, artifact.sha256, artifact.size), ""
        if file is None:
            return self._missing(artifact, found)
        try:
            self._hosts.check_link(file.url, index)
        except RefusedError as error:
            return Failure(artifact.file, artifact.project, str(error), permanent=True)
        return replace(file, page=found.page if index else "")

    def _counts_url(self, artifact: Artifact, found: _Found) -> bool:
        """Whether a file may be taken from the URL in the lock: never around an index that was configured.

        Besides pins at URLs, that is where an index that only the lock knows answers and lists no such file.
        """
        if artifact.direct:
            return True
        answered = found.error is None and artifact.file not in found.others
        return answered and self._sources.is_foreign(artifact.index)

    def _missing(self, artifact: Artifact, found: _Found) -> Failure:
        error = found.error
        if error is not None:
            permanent = error.permanent or error.facts.get("status") in _REFUSED
            return Failure(artifact.file, artifact.project, str(error), permanent)
        if digests := found.others.get(artifact.file):
            what = "upstream lists other bytes under this name"
            return mismatch(artifact, ", ".join(dict.fromkeys(digests)), what)
        foreign = artifact.index if self._sources.is_foreign(artifact.index) else None
        reason = f"{redacted(foreign) if foreign else 'upstream'} does not list this file"
        return Failure(artifact.file, artifact.project, reason, permanent=True)


def _pin(artifact: Artifact) -> tuple[str, str, bool]:
    return artifact.version, artifact.index or "", artifact.direct


def mismatch(artifact: Artifact, actual: str, what: str) -> Failure:
    """A file that is there, but is another one; no use in trying again."""
    reason = f"{what}: expected sha256 {artifact.sha256}, found {actual}"
    return Failure(artifact.file, artifact.project, reason, True, artifact.sha256, actual)
