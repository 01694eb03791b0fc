"""Looking at a published bucket as a client would: the protocol, and the way for buckets without a URL.

What belongs here: reading all that a manifest names, by the bucket's own interface. What does not: looking
from outside (``sites.http_looking``), which is better wherever clients have a URL, and judging (``domain``).
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from mirror_pipeline.adapters.files import disk_errors
from mirror_pipeline.adapters.objects import ObjectStore
from mirror_pipeline.adapters.progress import Progress
from mirror_pipeline.domain.manifest import Manifest
from mirror_pipeline.domain.published import Reply, facts_of
from mirror_pipeline.domain.questions import MANIFEST_QUESTION, Question, for_installers, is_safe_key
from mirror_pipeline.domain.verification import SiteFacts

NOTHING = SiteFacts(None, {}, {})
LABEL = "looking at what is published"
_READERS = 16


class Looker(Protocol):
    """One way of looking."""

    def observe(
        self, manifest: Manifest | None, progress: Progress, generation: int | None = None
    ) -> SiteFacts:
        """What a client gets of all that the manifest names. ``generation`` is live, where that is known."""

    def for_installers(self, facts: SiteFacts) -> AbstractContextManager[str]:
        """A URL at which an installer finds the site, without a trailing slash."""


class BucketLooker:
    """Reads the objects of a bucket whose pages lie where clients ask; installers get a copy of the pages."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def observe(
        self, manifest: Manifest | None, progress: Progress, generation: int | None = None
    ) -> SiteFacts:
        """Every object that the manifest names, and the manifest: pages whole, packages by their digest."""
        if manifest is None:
            return NOTHING
        questions = [MANIFEST_QUESTION, *(Question(f"/{key}", key) for key in manifest.files)]
        sizes = {key: entry.size for key, entry in manifest.files.items()}
        replies = {}
        with (
            progress.work(LABEL, len(questions), sum(sizes.values())) as advance,
            ThreadPoolExecutor(_READERS, thread_name_prefix="look") as pool,
        ):
            tasks = {pool.submit(self._reply, question): question for question in questions}
            try:
                for task in as_completed(tasks):
                    replies[tasks[task]] = task.result()
                    advance(tasks[task].key, sizes.get(tasks[task].key, 0))
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        return facts_of(manifest, replies)

    @contextmanager
    def for_installers(self, facts: SiteFacts) -> Iterator[str]:
        """A server on the loopback interface with the pages as they were read, and what else decides."""
        from mirror_pipeline.adapters.server import serving  # slow to import, and only needed here

        with tempfile.TemporaryDirectory(prefix="mirror-look-") as folder:
            self._copy(facts, Path(folder))
            with serving(Path(folder)) as url:
                yield url

    def _reply(self, question: Question) -> Reply:
        key = question.key
        if key.startswith("packages/") and not key.endswith(".metadata"):
            stored = self._store.inspect(key)
            return Reply(200, stored.sha256) if stored else Reply(404)
        found = self._store.get(key)
        if found is None:
            return Reply(404)
        digest = hashlib.sha256(found.content).hexdigest()
        return Reply(200, digest, content=found.content if question.keeps else None)

    def _copy(self, facts: SiteFacts, folder: Path) -> None:
        _write(((key, content) for key, content in facts.pages.items() if is_safe_key(key)), folder)
        keys = for_installers(facts.manifest) if facts.manifest else ()
        with ThreadPoolExecutor(_READERS, thread_name_prefix="look") as pool:
            found = zip(keys, pool.map(self._store.get, keys), strict=True)
            _write(((key, one.content) for key, one in found if one), folder)


def _write(files: Iterable[tuple[str, bytes]], folder: Path) -> None:
    with disk_errors(folder):
        for key, content in files:
            path = folder / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
