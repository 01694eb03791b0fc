"""Generations shown by a pointer at the edge: the CloudFront function that adds the live generation's prefix.

Switching is one publication of the function, guarded by its ETag; no cache has to be invalidated, because the
rewritten path is the cache key. What belongs here: staging below ``g/<n>/`` and moving the pointer. What does
not: the function's code (``domain.edge``) or its service (``adapters.edge_function``).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import quote

from mirror_pipeline.adapters.edge_function import Deployed, EdgeFunction
from mirror_pipeline.adapters.objects import ObjectStore
from mirror_pipeline.adapters.token_store import ObjectTokens
from mirror_pipeline.domain.bucket_layout import (
    compressed,
    error_page,
    generation_key,
    record_key,
    staged_pages,
)
from mirror_pipeline.domain.edge import Edge
from mirror_pipeline.domain.ledger import Ledger
from mirror_pipeline.domain.manifest import MANIFEST
from mirror_pipeline.domain.objects import Stored
from mirror_pipeline.errors import CloudError, PreconditionError, PublisherConflictError
from mirror_pipeline.sites.front import MOST_PATHS, Invalidate, Pages, Sender, Shown
from mirror_pipeline.sites.records import read_record, write_record

_TRIES = 6
_COMPRESSORS = min(os.cpu_count() or 1, 8)
_PART = 32
"""Pages that one of them packs at a time."""


@dataclass(frozen=True)
class EdgeFront:
    """Pages below ``g/<n>/``; the function says which ``n``."""

    one_step: ClassVar[bool] = True

    store: ObjectStore
    function: Callable[[], EdgeFunction]
    """Made when it is wanted: a publication with nothing to do asks CloudFront nothing."""
    distribution: str = ""
    invalidate: Invalidate | None = None

    @property
    def kind(self) -> str:
        """This distribution: another one has yet to be told what is live."""
        return f"edge {self.distribution}".rstrip()

    def stage(self, number: int, pages: Pages, sender: Sender) -> None:
        """All pages with their gzip variants, then the record of what they were stored as."""
        waves = staged_pages(number, pages, _compressed_side_by_side)
        stored = sender.send_waves([[error_page()], *waves])
        write_record(sender, number, stored)

    def about_to_show(self, ledger: Ledger, pages: Pages) -> Ledger:
        """Nothing that clients see changes before the pointer does."""
        return ledger

    def show(self, number: int, pages: Pages, sender: Sender) -> Shown:
        """Move the pointer, as long as this publisher is the one who wrote in the books last.

        Whoever wrote last owns the pointer: a slower publisher finds the function or the books changed and
        gives up, a faster one that lost the function to a slower one tries again.
        """
        function = self.function()
        for _ in range(_TRIES):
            deployed = function.read()
            if deployed is None:
                raise CloudError(
                    f"cloudfront: the function {function.name} does not exist",
                    hint="run 'mirror-pipeline infra apply'",
                    service="cloudfront",
                    resource=function.name,
                )
            # The book says who gets in, not what the function held: that may be a new one. It is read after
            # the look at the function, as the token commands do: who changes tokens meanwhile is not undone.
            edge = Edge(number, self._tokens(deployed))
            if deployed.current and deployed.edge == edge:
                return Shown(requests=function.requests)
            if not sender.turn.is_mine():
                break
            try:
                function.deploy(edge, deployed.etag)
            except PreconditionError:
                continue  # somebody else moved it: look again who is the last
            return Shown(requests=function.requests)
        raise PublisherConflictError(
            f"{self.store.name}: somebody else publishes at the same time; generation {number} is not shown",
            hint="nothing is lost; run 'mirror-pipeline refresh' again",
            generation=number,
            bucket=self.store.name,
        )

    def _tokens(self, deployed: Deployed) -> tuple[str, ...] | None:
        """Who gets in, by the book; where that is gone, whoever got in before: losing it opens nothing."""
        kept = ObjectTokens(self.store).read()
        if not kept.version and deployed.edge:
            return deployed.edge.tokens
        return kept.book.digests

    def restore(
        self, number: int, at_hand: Pages, damaged: AbstractSet[str], sender: Sender
    ) -> Mapping[str, Stored]:
        """Those whose bytes are at hand, and then the record; without a record, all of them."""
        key = record_key(number)
        if key in damaged and not at_hand:
            return {}
        waves = [
            [upload for upload in wave if key in damaged or upload.key in damaged]
            for wave in ([error_page()], *staged_pages(number, at_hand, _compressed_side_by_side))
        ]
        restored: dict[str, Stored] = sender.send_waves([wave for wave in waves if wave])
        if restored:
            before = {} if key in damaged else self.stored(number)
            restored.update(write_record(sender, number, {**before, **restored}))
        return restored

    def forget(self, keys: Collection[str]) -> None:
        """Edges keep a package for a year: one that was wrong has to be dropped there."""
        paths = [f"/{quote(key)}" for key in sorted(keys) if key.startswith("packages/")]
        if self.invalidate and paths:
            self.invalidate(paths if len(paths) <= MOST_PATHS else ["/packages/*"])

    def pointer(self, ledger: Ledger) -> int | None:
        """What the function says; None also where it is not there, or not ours."""
        deployed = self.function().read()
        return deployed.edge.generation if deployed and deployed.edge else None

    def is_astray(self, ledger: Ledger) -> bool:
        """Whether the function shows something else than the books say, or lets in others than the list."""
        deployed = self.function().read()
        if deployed is None or deployed.edge is None or not deployed.current:
            return True
        return deployed.edge.generation not in ledger.shown or deployed.edge.tokens != self._tokens(deployed)

    def pages(self, number: int) -> Pages:
        """None are needed: they lie where they are shown from."""
        return {}

    def manifest(self, number: int) -> bytes | None:
        """A kept generation's ``manifest.json``."""
        found = self.store.get(generation_key(number, MANIFEST))
        return found.content if found else None

    def stored(self, number: int) -> Mapping[str, Stored]:
        """What its pages were stored as."""
        return read_record(self.store, number, generation_key(number, MANIFEST))

    def prefixes(self, number: int) -> tuple[str, ...]:
        """Its pages and its record."""
        return (generation_key(number, ""), record_key(number))


def _compressed_side_by_side(contents: Iterable[bytes]) -> Iterable[bytes]:
    """zlib lets other threads run meanwhile. With a task for each page it took a fifth longer."""
    waiting = list(contents)
    parts = [waiting[start : start + _PART] for start in range(0, len(waiting), _PART)]
    with ThreadPoolExecutor(_COMPRESSORS) as pool:
        return [one for packed in pool.map(lambda part: [*map(compressed, part)], parts) for one in packed]
