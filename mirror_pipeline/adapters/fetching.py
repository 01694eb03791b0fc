"""Fetching artifacts into the store: many at once, streamed, hashed on the way, resumed, never half-stored.

A wrong hash is a permanent failure of that file and names both digests. A failed file never stops its
neighbours; a full disk or an interrupt stops everything, and leaves what is complete.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from mirror_pipeline.adapters.files import disk_errors
from mirror_pipeline.adapters.pip_config import PipConfig, read_pip_config
from mirror_pipeline.adapters.progress import Progress
from mirror_pipeline.adapters.store import Incoming, WheelStore
from mirror_pipeline.adapters.transport import Answer, Transport, TransportError
from mirror_pipeline.adapters.upstream import Retrier, StatusError, Upstream
from mirror_pipeline.domain.artifact import Artifact
from mirror_pipeline.domain.wheelset import Failure, UpstreamFile
from mirror_pipeline.errors import DigestMismatchError, UpstreamError


@dataclass(frozen=True, slots=True)
class Fetched:
    """What became of a list of artifacts: sizes in bytes of those that are in the store now, and failures."""

    sizes: Mapping[str, int] = field(default_factory=dict)
    facts: Mapping[str, UpstreamFile] = field(default_factory=dict)
    failures: tuple[Failure, ...] = ()


class Fetcher:
    """Upstream access as configured; pip's configuration is read when it is first needed."""

    def __init__(
        self,
        index_url: str | None,
        extra_index_urls: Sequence[str] | None,
        concurrency: int,
        *,
        config: PipConfig | None = None,
        retrier: Retrier | None = None,
    ) -> None:
        self._index_url, self._extra = index_url, extra_index_urls
        self._concurrency = concurrency
        self._config = config
        self._cancelled = threading.Event()
        self._retrier = retrier or Retrier(self._cancelled.wait)
        self._upstream: Upstream | None = None
        self._transport: Transport | None = None

    def _connected(self) -> tuple[Transport, Upstream]:
        if self._transport is None or self._upstream is None:
            config = self._config or read_pip_config()
            extra = config.extra_index_urls if self._extra is None else self._extra
            indexes = (self._index_url or config.index_url, *extra)
            self._transport = Transport(config, self._cancelled)
            self._upstream = Upstream(self._transport, indexes, self._retrier)
        return self._transport, self._upstream

    def locate(self, artifacts: Sequence[Artifact]) -> Fetched:
        """What upstream says of artifacts (their sizes, above all); nothing is downloaded."""
        if not artifacts:
            return Fetched()
        _, upstream = self._connected()
        with self._pool() as pool, self._cancelling(pool):
            facts, failures = _merged(
                pool.map(lambda group: _located(upstream, group), _by_project(artifacts))
            )
        sizes = {file: fact.size for file, fact in facts.items() if fact.size is not None}
        return Fetched(sizes, facts, _sorted(failures))

    def fetch(
        self, artifacts: Sequence[Artifact], store: WheelStore, progress: Progress, label: str = "fetching"
    ) -> Fetched:
        """Bring artifacts into the store."""
        if not artifacts:
            return Fetched()
        transport, upstream = self._connected()
        run = _Run(transport, upstream, store, self._retrier)
        with self._pool() as pool, self._cancelling(pool):
            facts, failures = _merged(pool.map(run.locate, _by_project(artifacts)))
            found = [(artifact, facts[artifact.file]) for artifact in artifacts if artifact.file in facts]
            found.sort(key=lambda pair: -(pair[1].size or 0))  # the longest first: no long tail at the end
            total = sum(fact.size or 0 for _, fact in found) or None
            sizes: dict[str, int] = {}
            with progress.work(label, len(artifacts), total) as advance:
                advance(len(failures), 0)
                tasks = {pool.submit(run.fetch, artifact, fact): artifact for artifact, fact in found}
                for task in as_completed(tasks):
                    result = task.result()
                    if isinstance(result, Failure):
                        failures.append(result)
                    else:
                        sizes[tasks[task].file] = result
                    advance(1, 0 if isinstance(result, Failure) else result)
        return Fetched(sizes, {file: facts[file] for file in sizes}, _sorted(failures))

    @contextmanager
    def _cancelling(self, pool: ThreadPoolExecutor) -> Iterator[None]:
        """An interrupt or a full disk ends every transfer at once, not after the queue is worked off."""
        try:
            yield
        except BaseException:
            self._cancelled.set()
            pool.shutdown(wait=True, cancel_futures=True)
            self._cancelled.clear()
            raise

    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._concurrency, thread_name_prefix="fetch")


def _by_project(artifacts: Sequence[Artifact]) -> Iterator[list[Artifact]]:
    ordered = sorted(artifacts, key=lambda artifact: (artifact.project, artifact.index or "", artifact.file))
    for _, group in groupby(ordered, key=lambda artifact: (artifact.project, artifact.index)):
        yield list(group)


def _located(
    upstream: Upstream, artifacts: Sequence[Artifact]
) -> tuple[Mapping[str, UpstreamFile], list[Failure]]:
    """One project's files on upstream; a missing file, or one with another digest, is a failure."""
    try:
        found = upstream.locate(artifacts)
    except UpstreamError as error:
        permanent = error.facts.get("status") in (401, 403)
        return {}, [Failure(a.file, a.project, str(error), permanent) for a in artifacts]
    failures = [
        Failure(a.file, a.project, "upstream does not list this file", True)
        for a in artifacts
        if a.file not in found
    ]
    for artifact in artifacts:
        stated = found[artifact.file].sha256 if artifact.file in found else None
        if stated not in (None, artifact.sha256):
            failures.append(_mismatch(artifact, str(stated), "upstream lists other bytes under this name"))
    failed = {failure.file for failure in failures}
    return {file: fact for file, fact in found.items() if file not in failed}, failures


def _mismatch(artifact: Artifact, actual: str, what: str) -> Failure:
    reason = f"{what}: expected sha256 {artifact.sha256}, found {actual}"
    return Failure(artifact.file, artifact.project, reason, True, artifact.sha256, actual)


def _merged(
    parts: Iterable[tuple[Mapping[str, UpstreamFile], list[Failure]]],
) -> tuple[dict[str, UpstreamFile], list[Failure]]:
    facts: dict[str, UpstreamFile] = {}
    failures: list[Failure] = []
    for found, failed in parts:
        facts.update(found)
        failures.extend(failed)
    return facts, failures


def _sorted(failures: Iterable[Failure]) -> tuple[Failure, ...]:
    return tuple(sorted(failures, key=lambda failure: failure.file))


@dataclass(frozen=True, slots=True)
class _Run:
    """The tasks of one ``fetch``."""

    transport: Transport
    upstream: Upstream
    store: WheelStore
    retrier: Retrier

    def locate(self, artifacts: Sequence[Artifact]) -> tuple[Mapping[str, UpstreamFile], list[Failure]]:
        return _located(self.upstream, artifacts)

    def fetch(self, artifact: Artifact, fact: UpstreamFile) -> int | Failure:
        """Size in bytes of what is in the store now, or why it is not."""
        try:
            return self._fetch(artifact, fact)
        except DigestMismatchError as error:
            return _mismatch(artifact, str(error.facts["actual"]), "wrong bytes arrived")
        except UpstreamError as error:
            permanent = error.facts.get("status") in (401, 403, 404, 410)
            return Failure(artifact.file, artifact.project, str(error), permanent)

    def _fetch(self, artifact: Artifact, fact: UpstreamFile) -> int:
        with disk_errors(self.store.packages), self.store.incoming(artifact.file) as incoming:
            if fact.url.startswith("file:"):
                _copy(fact.url, incoming)
            else:
                self.retrier.run(fact.url, lambda: self._download(fact.url, incoming))
                if incoming.resumed and incoming.sha256 != artifact.sha256:
                    incoming.restart()  # perhaps two servers behind one name: the halves are of two files
                    self.retrier.run(fact.url, lambda: self._download(fact.url, incoming))
            if incoming.sha256 != artifact.sha256:
                raise DigestMismatchError(
                    f"{artifact.file}: wrong bytes",
                    file=artifact.file,
                    expected=artifact.sha256,
                    actual=incoming.sha256,
                )
            incoming.commit()
            return incoming.size

    def _download(self, url: str, incoming: Incoming) -> None:
        """One attempt; after a broken one it goes on where that ended (Range, RFC 9110)."""
        headers = {"Accept": "*/*", "Accept-Encoding": "identity"}
        if incoming.size:
            headers["Range"] = f"bytes={incoming.size}-"
        state = {"first": True}

        def sink(head: Answer, chunk: bytes) -> None:
            if state.pop("first", False) and head.status == 200 and incoming.size:
                incoming.restart()
            if head.status in (200, 206):
                incoming.resumed = incoming.resumed or head.status == 206
                incoming.write(chunk)

        answer = self.transport.get(url, sink, headers)
        if answer.status == 416 and incoming.size:  # more was promised than there is: begin again
            incoming.restart()
            raise TransportError(url, "HTTP 416", transient=True)
        if answer.status not in (200, 206):
            raise StatusError(answer, url)


def _copy(url: str, incoming: Incoming) -> None:
    """A file of an index on disk."""
    path = Path(url2pathname(urlsplit(url).path))
    try:
        with path.open("rb") as source:
            shutil.copyfileobj(source, incoming)
    except FileNotFoundError:
        raise UpstreamError(f"{path}: no such file", url=url, status=404) from None
