"""Generations shown in place: pages at the keys where clients ask, for buckets with no function before them.

Not atomic as a whole, but ordered: packages are there before a page links to them, project pages before the
list, and what is removed goes last. A page is replaced whole; one that did not change is not touched. All
pages of a generation are also kept in one archive, so that it can be shown again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import ClassVar

from mirror_pipeline.adapters.objects import ObjectStore
from mirror_pipeline.domain.bucket_layout import (
    RECORDS,
    Waves,
    archive,
    archived,
    differing,
    document,
    keys_of,
    placed_pages,
    record_key,
    removed_pages,
)
from mirror_pipeline.domain.ledger import Ledger
from mirror_pipeline.domain.manifest import MANIFEST
from mirror_pipeline.domain.objects import Stored, Upload
from mirror_pipeline.errors import CloudError, DocumentError
from mirror_pipeline.sites.front import MOST_PATHS, Invalidate, Pages, Sender, Shown
from mirror_pipeline.sites.records import read_record, write_record

_FOLDER = ".mirror/probe-folder/"


def archive_key(number: int) -> str:
    """Where a generation's pages are kept."""
    return f"{RECORDS}{number}.json.gz"


@dataclass(frozen=True)
class PlacedFront:
    """Pages in place. ``invalidate`` is for a distribution before the bucket, if there is one."""

    store: ObjectStore
    invalidate: Invalidate | None = None
    one_step: ClassVar[bool] = False
    kind: str = "in place"

    def stage(self, number: int, pages: Pages, sender: Sender) -> None:
        """The archive: it is what a rollback, or the next run after an interruption, places."""
        stored = sender.send_waves([[document(archive_key(number), archive(pages))]])
        write_record(sender, number, stored)

    def about_to_show(self, ledger: Ledger, pages: Pages) -> Ledger:
        """What is about to be overwritten or removed is not known any more."""
        if ledger.folders is None:
            ledger = replace(ledger, folders=self._holds_folders())
        target = _target(ledger, pages)
        changed = set(keys_of(differing(target, ledger.placed)))
        return ledger.without_placed(changed, removed_pages(ledger.placed, target))

    def show(self, number: int, pages: Pages, sender: Sender) -> Shown:
        """Place what is not known to be there, in order, then remove what no page names any more."""
        ledger = sender.turn.ledger
        target = _target(ledger, pages)
        waves = differing(target, ledger.placed)
        placed = sender.send_waves(waves)
        wanted = set(keys_of(target))
        removed = [key for key in ledger.unsettled if key not in wanted and not key.startswith("packages/")]
        self.store.delete(removed)
        if self.invalidate and (placed or removed):
            self.invalidate(invalidated_paths([*placed, *removed]))
        return Shown(placed, tuple(removed))

    def _holds_folders(self) -> bool:
        """Whether the server keeps ``a/`` and ``a/b`` side by side; file systems behind some cannot."""
        written: list[str] = []
        both = True
        try:
            for key in (_FOLDER, f"{_FOLDER}object"):
                if both:  # the second write would be repeated for long where the first one made a file
                    self.store.put(_probe(key))
                    written.append(key)
                    both = sorted(found.key for found in self.store.list(_FOLDER)) == written
        except CloudError as error:
            if not error.facts.get("code"):
                raise  # no answer is none: it would be remembered
            both = False
        # Where it is a file system that could not, it has made a file of the first.
        self.store.delete(written if both else [_FOLDER.rstrip("/")])
        return both

    def restore(
        self, number: int, at_hand: Pages, damaged: AbstractSet[str], sender: Sender
    ) -> Mapping[str, Stored]:
        """The archive and its record."""
        if not at_hand or damaged.isdisjoint((archive_key(number), record_key(number))):
            return {}
        stored = sender.send_waves([[document(archive_key(number), archive(at_hand))]])
        return {**stored, **write_record(sender, number, stored)}

    def forget(self, keys: Collection[str]) -> None:
        """Whatever stands before the bucket has to ask for them again."""
        if self.invalidate and keys:
            self.invalidate(invalidated_paths(list(keys)))

    def pointer(self, ledger: Ledger) -> int | None:
        """There is none to ask, but where nothing was placed nothing is shown."""
        return ledger.live if ledger.placed else None

    def is_astray(self, ledger: Ledger) -> bool:
        """Only where another front showed it."""
        return ledger.shown_by != self.kind

    def pages(self, number: int) -> Pages:
        """From the archive."""
        key = archive_key(number)
        found = self.store.get(key)
        if found is None:
            raise DocumentError(f"{key}: the archive of generation {number} is gone", document=key)
        return archived(found.content, key)

    def manifest(self, number: int) -> bytes | None:
        """A kept generation's ``manifest.json``."""
        found = self.store.get(archive_key(number))
        return archived(found.content, archive_key(number)).get(MANIFEST) if found else None

    def stored(self, number: int) -> Mapping[str, Stored]:
        """Its archive; what is placed, the books know."""
        return read_record(self.store, number, archive_key(number))

    def prefixes(self, number: int) -> tuple[str, ...]:
        """Its record, and its archive, whose name begins with that of the record."""
        return (record_key(number),)


def invalidated_paths(keys: Sequence[str]) -> list[str]:
    """Paths under which a cache may have these keys: a page is asked for by its folder too.

    So many that CloudFront would not take them in one request are told as all there is.
    """
    paths: dict[str, None] = {}
    for key in sorted(keys):
        paths[f"/{key}"] = None
        if key.endswith("/index.html") or key == "index.html":
            paths[f"/{key.removesuffix('index.html')}"] = None
    return list(paths) if len(paths) <= MOST_PATHS else ["/*"]


def _target(ledger: Ledger, pages: Pages) -> Waves:
    return placed_pages(pages, folders=bool(ledger.folders))


def _probe(key: str) -> Upload:
    return document(key, b"{}\n")
