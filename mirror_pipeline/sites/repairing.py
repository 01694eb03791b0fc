"""Putting right what was changed or removed in a bucket behind its books' back.

What should be there is known by digest, so it is written again from the wheel store, the archive or the
pages at hand: the same bytes at the same keys, which is why the books stay as they are meanwhile. Only what
clients see in place is not touched here: the books forget it, and the publication that follows places it. A
generation that cannot be restored is given up, unless clients see it: then the finding stays.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from pathlib import Path

from mirror_pipeline.adapters.files import sha256_of
from mirror_pipeline.domain.bucket_layout import packages_of
from mirror_pipeline.domain.ledger import Ledger
from mirror_pipeline.domain.objects import Stored, Upload
from mirror_pipeline.domain.serving import cache_control, content_type
from mirror_pipeline.errors import DocumentError
from mirror_pipeline.sites.front import Front, Sender, manifest_at
from mirror_pipeline.sites.site import Publication


@dataclass(frozen=True)
class Repair:
    """One repair: what is damaged, and what it can be made good from. ``astray``: the pointer is, too."""

    front: Front
    sender: Sender
    publication: Publication
    damaged: frozenset[str]
    astray: bool = False

    def run(self) -> tuple[str, ...]:
        """Restore what can be restored and enter it; returns a line for each thing that cannot."""
        turn, now = self.sender.turn, self.publication.provenance.made
        packages = self._restored_packages(turn.ledger)
        pages = self._restored_pages(turn.ledger)
        placed = self._placed_again(turn.ledger)
        lost = self.damaged - packages.keys() - pages.keys() - placed
        ledger = replace(turn.ledger, packages={**turn.ledger.packages, **packages})
        beyond = tuple(self._beyond_repair(ledger, lost))
        ledger = ledger.retired(beyond, self._given_up(ledger, lost), now)
        if placed or self.astray:
            ledger = ledger.without_placed(placed, ()).towards(ledger.shown[-1], now)
        turn.write(ledger)
        self.front.forget([*packages, *pages])
        given_up = [
            f"generation {number} is damaged and cannot be restored: it is given up" for number in beyond
        ]
        return (*given_up, *(f"{key} cannot be restored from here" for key in sorted(lost)))

    def _restored_packages(self, ledger: Ledger) -> Mapping[str, Stored]:
        """From the wheel store, where that has the right bytes."""
        folder = self.publication.packages
        digests = {key: stored.sha256 for key, stored in ledger.packages.items()}
        self.publication.bring(self.damaged & digests.keys(), digests)
        uploads = [
            _package(key, stored, folder)
            for key, stored in ledger.packages.items()
            if key in self.damaged and _has(folder, key, stored)
        ]
        return {key: stored for key, stored in self.sender.send(uploads).items() if stored}

    def _restored_pages(self, ledger: Ledger) -> Mapping[str, Stored]:
        """Of what clients may be shown; the pages at hand are those of one generation."""
        restored: dict[str, Stored] = {}
        for record in filter(None, map(ledger.generation, ledger.shown)):
            at_hand = record.manifest == self.publication.manifest.digest
            pages = self.publication.pages_with_manifest if at_hand else {}
            restored.update(self.front.restore(record.number, pages, self.damaged, self.sender))
        return restored

    def _placed_again(self, ledger: Ledger) -> AbstractSet[str]:
        """Damaged pages in place: those that the publication which follows, or its hold, has bytes for."""
        hold = self.publication.held_by(ledger.status)
        try:
            if hold:
                self.front.pages(hold.generation)
        except DocumentError:
            return frozenset()
        return self.damaged & ledger.placed.keys()

    def _beyond_repair(self, ledger: Ledger, lost: AbstractSet[str]) -> Iterator[int]:
        """Generations that nobody is shown and that lack a page, or name a package that is lost."""
        for one in ledger.generations:
            if one.removed or one.number in ledger.shown:
                continue
            manifest = manifest_at(self.front, one.number)
            if (
                manifest is None
                or any(key.startswith(self.front.prefixes(one.number)) for key in lost)
                or not lost.isdisjoint(packages_of(manifest.files))
            ):
                yield one.number

    def _given_up(self, ledger: Ledger, lost: AbstractSet[str]) -> AbstractSet[str]:
        """Packages that nobody is shown: what is left of them goes, so that they can be published again."""
        shown = [manifest_at(self.front, number) for number in ledger.shown]
        named = {key for manifest in shown if manifest for key in manifest.files}
        return frozenset() if None in shown else (lost & ledger.packages.keys()) - named


def _package(key: str, stored: Stored, folder: Path) -> Upload:
    path = folder / key.removeprefix("packages/")
    return Upload(key, path, stored.sha256, stored.size, content_type(key), cache_control(key))


def _has(folder: Path, key: str, stored: Stored) -> bool:
    path = folder / key.removeprefix("packages/")
    return path.is_file() and sha256_of(path) == stored.sha256
