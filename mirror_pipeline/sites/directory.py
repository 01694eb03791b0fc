"""The published directory: generations below ``MIRROR_HOME/generations``, one link that says which is live.

A generation is a directory of pages and documents; ``packages`` in it is a link to the store. Numbers
only grow. Switching is one rename of a link, so that a reader sees one generation whole or the other. Beside
each generation lies its record, beside all of them the hold of a rollback.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from mirror_pipeline.adapters.documents import decode, encode
from mirror_pipeline.adapters.files import disk_errors, sha256_of, sync_directory, write_atomically
from mirror_pipeline.adapters.progress import Progress
from mirror_pipeline.domain.bucket_layout import packages_of
from mirror_pipeline.domain.cloud import Retention
from mirror_pipeline.domain.generations import (
    Generation,
    Hold,
    Provenance,
    SiteStatus,
    record_of,
    refuse_no_time,
)
from mirror_pipeline.domain.manifest import MANIFEST, Manifest, difference, parse_manifest
from mirror_pipeline.domain.verification import Finding, SiteFacts
from mirror_pipeline.errors import DocumentError, StorageError, UsageError
from mirror_pipeline.sites import directory_observing, directory_rubbish
from mirror_pipeline.sites.site import Collected, Outcome, Publication

_HOLD = "hold.json"
_TOLD_ANEW = "remove it: it is told anew"


class DirectorySite:
    """Publication to a plain directory."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.generations = home / "generations"
        self.link = home / "site"

    @property
    def location(self) -> str:
        """The directory."""
        return str(self.link)

    @property
    def identity(self) -> str:
        """The directory."""
        return str(self.link)

    @property
    def live(self) -> int | None:
        """Number of the live generation, None before the first publication."""
        if not self.link.is_symlink():
            return None
        name = self.link.readlink().name
        return int(name) if name.isdigit() else None

    def status(self) -> SiteStatus:
        """What is live and which generations there are or were."""
        live, manifest, hold = self.live, self.manifest(), self._hold()
        records = tuple(self._records())
        records = tuple(replace(one, left="") if one.number == live else one for one in records)
        pending = hold is not None and hold.generation != live
        hold = hold if hold and hold.requirements else None
        return SiteStatus(live, manifest.digest if manifest else "", hold, records, pending)

    def manifest(self) -> Manifest | None:
        """The live generation's manifest, None where there is none that can be read."""
        return _manifest_in(self.link)

    def manifest_of(self, generation: int) -> Manifest | None:
        """A kept generation's manifest."""
        return _manifest_in(self.generations / str(generation))

    def page_digests(self, manifest: Manifest) -> Mapping[str, str]:
        """SHA-256 of the live pages that a manifest names; what is missing has no entry."""
        keys = [key for key in manifest.files if not key.startswith("packages/")]
        return {key: sha256_of(self.link / key) for key in keys if (self.link / key).is_file()}

    def missing_packages(self, manifest: Manifest) -> tuple[str, ...]:
        """Packages that a manifest names and the store has not, or not in that size."""
        packages = {key: entry for key, entry in manifest.files.items() if key.startswith("packages/")}
        return tuple(key for key, entry in packages.items() if _size(self.home / key) != entry.size)

    def publish(self, publication: Publication, progress: Progress) -> Outcome:
        """Write a new generation beside the live one, then switch to it.

        Nothing is written where it is live already and undamaged, or where a rollback holds the site.
        """
        status, live = self.status(), self.manifest()
        hold = publication.held_by(status)
        if hold:
            status = self.roll_back(hold) if status.pending else status
            return Outcome(status.live or 0, status.digest, hold)
        if live == publication.manifest and not status.hold and not self._is_damaged(live):
            return Outcome(status.live or 0, status.digest, skipped=len(live.files))
        change = difference(live.files if live else {}, publication.manifest.files)
        number = self._published(publication, status)
        uploaded = (*change.added, *change.changed)
        size = sum(publication.manifest.files[key].size for key in uploaded)
        skipped = len(publication.manifest.files) - len(uploaded)
        return Outcome(
            number, publication.manifest.digest, None, uploaded, skipped, deleted=change.removed, size=size
        )

    def repair(self, publication: Publication, progress: Progress) -> Outcome:
        """The same: a damaged page makes a new generation, and packages are the store's."""
        publication.brought(packages_of(publication.manifest.files))
        return self.publish(publication, progress)

    def roll_back(self, hold: Hold) -> SiteStatus:
        """Make a kept generation live, and hold it there."""
        kept = [one.number for one in self._records() if not one.removed]
        if hold.generation not in kept or self.manifest_of(hold.generation) is None:
            raise UsageError(
                f"generation {hold.generation} is not there",
                hint=f"kept: {', '.join(map(str, kept)) or 'none'}",
            )
        with disk_errors(self.generations):
            self._refuse_what_is_in_the_way()
            write_atomically(self.generations / _HOLD, encode(hold))
            self._leave(hold.generation, hold.since)
            self._switch(hold.generation)
        return self.status()

    def collect(self, retention: Retention, now: str, *, wanted: frozenset[str], delete: bool) -> Collected:
        """Remove (or only name) generations, and packages that neither a kept one nor ``wanted`` has."""
        return directory_rubbish.collect(self, retention, now, wanted=wanted, delete=delete)

    def observe(self, progress: Progress) -> SiteFacts:
        """Hash every published file that the manifest names, and read the pages."""
        return directory_observing.observe(self.link, self.manifest(), progress)

    def reconcile(self) -> tuple[int, tuple[Finding, ...]]:
        """A directory keeps no books besides its manifest."""
        return 0, ()

    def for_installers(self, facts: SiteFacts) -> AbstractContextManager[str]:
        """A server on the loopback interface."""
        return directory_observing.served(self.link)

    def write_record(self, record: Generation) -> None:
        """Replace a generation's record."""
        write_atomically(self._record_path(record.number), encode(record))

    # Publishing.

    def _published(self, publication: Publication, status: SiteStatus) -> int:
        manifest = publication.manifest
        with disk_errors(self.generations):
            self._refuse_what_is_in_the_way()
            publication.brought(packages_of(manifest.files))
            if missing := self.missing_packages(manifest):
                raise StorageError(
                    f"{missing[0]}: not in the store, though the index names it ({len(missing)} such)",
                    hint="run 'mirror-pipeline refresh --force'",
                    path=missing[0],
                    reason="missing",
                )
            pages = {**publication.pages, MANIFEST: manifest.to_bytes()}
            with self._staged(pages) as staged:
                number = self._next_number()
                self.write_record(record_of(number, manifest, publication.provenance))
                staged.rename(self.generations / str(number))
            sync_directory(self.generations)
            self._end_hold(number, publication.provenance)
            self._leave(number, publication.provenance.made)
            self._switch(number)
            with suppress(FileNotFoundError):
                (self.generations / _HOLD).unlink()
        return number

    def _end_hold(self, number: int, provenance: Provenance) -> None:
        """In the place of a rollback's hold: what the link is about to be moved to, held for nothing."""
        if (self.generations / _HOLD).is_file():
            switch = Hold(number, "", "", provenance.by, provenance.made)
            write_atomically(self.generations / _HOLD, encode(switch))

    @contextmanager
    def _staged(self, files: Mapping[str, bytes]) -> Iterator[Path]:
        """A new generation under a name that nobody looks for."""
        self.generations.mkdir(parents=True, exist_ok=True)
        staged = self.generations / f".new-{uuid.uuid4().hex[:8]}"
        try:
            for key, content in files.items():
                path = staged / key
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            (staged / "packages").symlink_to(Path("../../packages"), target_is_directory=True)
            _sync_tree(staged)
            yield staged
        finally:
            shutil.rmtree(staged, ignore_errors=True)

    def _next_number(self) -> int:
        """Greater than any there is or was: a removed generation's number is not given again."""
        return max([*self._numbers(), self.live or 0]) + 1

    def _numbers(self) -> list[int]:
        names = [path.name.removesuffix(".json") for path in self.generations.iterdir()]
        return [int(name) for name in names if name.isdigit()]

    def _refuse_what_is_in_the_way(self) -> None:
        if self.link.exists() and not self.link.is_symlink():
            raise StorageError(
                f"{self.link}: not a link of ours",
                hint="move it away: the published site is a link to a generation",
                path=str(self.link),
                reason="in the way",
            )

    def _leave(self, number: int, now: str) -> None:
        """Write down when the live generation was left; while it is still live, that does not count."""
        live = self.live
        record = self._record(live) if live is not None and live != number else None
        if record:
            self.write_record(replace(record, left=now))

    def _switch(self, number: int) -> None:
        temporary = self.home / f".site-{uuid.uuid4().hex[:8]}"
        temporary.symlink_to(Path("generations") / str(number), target_is_directory=True)
        temporary.replace(self.link)
        sync_directory(self.home)

    def _is_damaged(self, live: Manifest) -> bool:
        """Whether someone changed or removed a published page behind the manifest's back."""
        digests = self.page_digests(live)
        pages = {key: entry for key, entry in live.files.items() if not key.startswith("packages/")}
        return any(digests.get(key) != entry.sha256 for key, entry in pages.items())

    # Records.

    def _record_path(self, number: int) -> Path:
        return self.generations / f"{number}.json"

    def _records(self) -> Iterator[Generation]:
        numbers = sorted(set(self._numbers())) if self.generations.is_dir() else []
        return (record for number in numbers if (record := self._record(number)))

    def _record(self, number: int) -> Generation | None:
        """As written, or as can be told of a generation that has no record; None where neither is there.

        A record that was written before a publication was interrupted is of nothing.
        """
        path, folder = self._record_path(number), self.generations / str(number)
        if path.is_file():
            record = _decoded(path)
            return record if record.removed or folder.is_dir() else None
        manifest = _manifest_in(folder)
        if manifest is None:
            return None
        made = datetime.fromtimestamp((folder / MANIFEST).stat().st_mtime, timezone.utc)
        return record_of(number, manifest, Provenance(made.isoformat(timespec="seconds"), "", ""))

    def _hold(self) -> Hold | None:
        path = self.generations / _HOLD
        if not path.is_file():
            return None
        return decode(path.read_bytes(), Hold, str(path), "remove it, which ends the rollback")


def _decoded(path: Path) -> Generation:
    record = decode(path.read_bytes(), Generation, str(path), _TOLD_ANEW)
    try:
        refuse_no_time(record)
    except ValueError as error:
        raise DocumentError(f"{path}: damaged: {error}", hint=_TOLD_ANEW, document=str(path)) from None
    return record


def _manifest_in(folder: Path) -> Manifest | None:
    try:
        return parse_manifest((folder / MANIFEST).read_bytes())
    except (OSError, DocumentError):
        return None


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else -1


def _sync_tree(root: Path) -> None:
    """Flush a new tree to the disk before a name points at it."""
    if hasattr(os, "sync"):
        os.sync()
    sync_directory(root)
