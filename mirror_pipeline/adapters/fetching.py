"""Fetching artifacts into the store, and asking upstream about them: many at once.

A failed file never stops its neighbours; a full disk or an interrupt stops everything, and leaves what is
complete.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby

from mirror_pipeline.adapters.attesting import Attested, Attesting
from mirror_pipeline.adapters.credentials import Credentials, Keyring
from mirror_pipeline.adapters.downloading import Downloads
from mirror_pipeline.adapters.file_hosts import FileHosts
from mirror_pipeline.adapters.index_pages import Pages
from mirror_pipeline.adapters.pip_config import PipConfig, default_index, read_pip_config
from mirror_pipeline.adapters.progress import Progress
from mirror_pipeline.adapters.retrying import Retrier
from mirror_pipeline.adapters.store import Store
from mirror_pipeline.adapters.transport import Transport
from mirror_pipeline.adapters.upstream import Asked, Listing, Located, Sources, Upstream
from mirror_pipeline.adapters.watching import Watch
from mirror_pipeline.domain.artifact import Artifact
from mirror_pipeline.domain.drift import Heard
from mirror_pipeline.domain.project_facts import ProjectFacts
from mirror_pipeline.domain.wheelset import Failure, UpstreamFile


@dataclass(frozen=True, slots=True)
class Fetched:
    """What became of a list of artifacts: sizes in bytes of those that are in the store now, and failures."""

    sizes: Mapping[str, int] = field(default_factory=dict)
    facts: Mapping[str, UpstreamFile] = field(default_factory=dict)
    failures: tuple[Failure, ...] = ()
    pages: Mapping[str, ProjectFacts] = field(default_factory=dict)
    """What project pages say besides, by ``UpstreamFile.page``."""


class Fetcher:
    """Upstream access as configured; pip's configuration is read when it is first needed."""

    def __init__(
        self,
        index_url: str | None,
        extra_index_urls: Sequence[str] | None,
        concurrency: int,
        *,
        file_hosts: Sequence[str] = (),
        config: PipConfig | None = None,
        retrier: Retrier | None = None,
    ) -> None:
        self._index_url, self._extra = index_url, extra_index_urls
        self._concurrency = concurrency
        self._hosts = FileHosts(file_hosts)
        self._config = config
        self._cancelled = threading.Event()
        self._retrier = retrier or Retrier(self._cancelled.wait)
        self._upstream: Upstream | None = None
        self._sources = Sources((), "")
        self._transport: Transport | None = None

    def _connected(self) -> tuple[Transport, Upstream]:
        if self._transport is None or self._upstream is None:
            config = self._config or read_pip_config()
            extra = config.extra_index_urls if self._extra is None else self._extra
            indexes = (self._index_url or config.index_url, *extra)
            credentials = Credentials(indexes, Keyring(config.keyring_provider))
            self._transport = Transport(config, self._cancelled, credentials)
            pages, self._sources = Pages(self._transport, self._retrier), Sources(indexes, default_index())
            self._upstream = Upstream(pages, self._sources, self._hosts)
        return self._transport, self._upstream

    def locate(self, artifacts: Sequence[Artifact]) -> Fetched:
        """What upstream says of artifacts (their sizes, above all); nothing is downloaded."""
        if not artifacts:
            return Fetched()
        _, upstream = self._connected()
        with self._pool() as pool, self._cancelling(pool):
            facts, failures, pages = _merged(pool.map(upstream.locate, _by_project(artifacts)))
        sizes = {file: fact.size for file, fact in facts.items() if fact.size is not None}
        return Fetched(sizes, facts, _sorted(failures), pages)

    def listings(self, asked: Sequence[Asked]) -> Mapping[Asked, Listing]:
        """Every file of projects, index by index in the order of priority; nothing is downloaded.

        For pins whose lock tells hashes and no names. An index that cannot be asked is an ``UpstreamError``:
        without it nobody knows which hashes are unknown. The lists of big projects run to megabytes.
        """
        if not asked:
            return {}
        _, upstream = self._connected()
        with self._pool() as pool, self._cancelling(pool):
            return dict(zip(asked, pool.map(upstream.listing, asked), strict=True))

    def look_again(self, artifacts: Sequence[Artifact]) -> tuple[Heard, ...]:
        """What the project pages of artifacts say now, whatever this process was told before.

        One request for each page. A project that cannot be asked about keeps no other from being asked about.
        """
        if not artifacts:
            return ()
        transport, _ = self._connected()
        watch = Watch(Pages(transport, self._retrier.anew()), self._sources)
        with self._pool() as pool, self._cancelling(pool):
            return tuple(heard for part in pool.map(watch.look, _by_project(artifacts)) for heard in part)

    def fetch(
        self, artifacts: Sequence[Artifact], store: Store, progress: Progress, label: str = "fetching"
    ) -> Fetched:
        """Bring artifacts into the store."""
        if not artifacts:
            return Fetched()
        transport, upstream = self._connected()
        downloads = Downloads(transport, store, self._retrier, self._hosts)
        with self._pool() as pool, self._cancelling(pool):
            facts, failures, pages = _merged(pool.map(upstream.locate, _by_project(artifacts)))
            found = [(artifact, facts[artifact.file]) for artifact in artifacts if artifact.file in facts]
            found.sort(key=lambda pair: -(pair[1].size or 0))  # the longest first: no long tail at the end
            total = sum(fact.size or 0 for _, fact in found) or None
            sizes: dict[str, int] = {}
            with progress.work(label, len(artifacts), total) as advance:
                for failure in failures:
                    advance(failure.file, 0)
                tasks = {pool.submit(downloads.fetch, artifact, fact): artifact for artifact, fact in found}
                for task in as_completed(tasks):
                    result = task.result()
                    if isinstance(result, Failure):
                        failures.append(result)
                    else:
                        sizes[tasks[task].file] = result
                    advance(tasks[task].file, 0 if isinstance(result, Failure) else result)
        return Fetched(sizes, {file: facts[file] for file in sizes}, _sorted(failures), pages)

    def attest(
        self, wanted: Sequence[tuple[Artifact, UpstreamFile]], progress: Progress, label: str = "provenance"
    ) -> Attested:
        """The provenance of files whose pages say where it lies; what cannot be had is told, and no error."""
        if not wanted:
            return Attested()
        transport, _ = self._connected()
        attesting = Attesting(transport, self._retrier, self._hosts)
        texts, failures = dict[str, str](), list[Failure]()
        with (
            self._pool() as pool,
            self._cancelling(pool),
            progress.work(label, len(wanted), None) as advance,
        ):
            answers = pool.map(attesting.ask, *zip(*wanted, strict=True))
            for (artifact, _), answer in zip(wanted, answers, strict=True):
                if isinstance(answer, Failure):
                    failures.append(answer)
                else:
                    texts[artifact.file] = answer
                advance(artifact.file, 0 if isinstance(answer, Failure) else len(answer))
        return Attested(texts, _sorted(failures))

    @contextmanager
    def _cancelling(self, pool: ThreadPoolExecutor) -> Iterator[None]:
        """An interrupt or a full disk ends every transfer at once, not after the queue is worked off.

        It stays so until the next use: a thread that was just being started when the interrupt came is not
        known to the pool, which does not wait for it.
        """
        self._cancelled.clear()
        try:
            yield
        except BaseException:
            self._cancelled.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise

    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._concurrency, thread_name_prefix="fetch")


def _by_project(artifacts: Sequence[Artifact]) -> Iterator[list[Artifact]]:
    ordered = sorted(artifacts, key=lambda artifact: (artifact.project, artifact.index or "", artifact.file))
    for _, group in groupby(ordered, key=lambda artifact: artifact.project):
        yield list(group)


def _merged(
    parts: Iterable[Located],
) -> tuple[dict[str, UpstreamFile], list[Failure], dict[str, ProjectFacts]]:
    facts: dict[str, UpstreamFile] = {}
    failures: list[Failure] = []
    pages: dict[str, ProjectFacts] = {}
    for part in parts:
        facts.update(part.files)
        failures.extend(part.failures)
        pages.update(part.pages)
    return facts, failures, pages


def _sorted(failures: Iterable[Failure]) -> tuple[Failure, ...]:
    return tuple(sorted(failures, key=lambda failure: failure.file))
