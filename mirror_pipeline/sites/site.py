"""What the phases ask of a place that a mirror is published to, whatever it is.

A site has generations, of which one is live; switching is one atomic step (but for ``in_place``, which says
so). What belongs here: the protocol and its values. What does not: anything that knows files or buckets.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mirror_pipeline.adapters.progress import Progress
from mirror_pipeline.domain.bucket_layout import packages_of
from mirror_pipeline.domain.cloud import Retention
from mirror_pipeline.domain.generations import Hold, Provenance, SiteStatus
from mirror_pipeline.domain.manifest import MANIFEST, Manifest
from mirror_pipeline.domain.verification import Finding, SiteFacts
from mirror_pipeline.errors import StorageError


class Bring(Protocol):
    """Sees to it that packages lie in the store's folder, where the store is elsewhere."""

    def __call__(self, keys: Iterable[str], digests: Mapping[str, str], /) -> Mapping[str, str]:
        """By key, why one cannot be had. ``digests`` has all packages that may be meant, by key."""


def _nothing_to_bring(_keys: Iterable[str], _digests: Mapping[str, str]) -> Mapping[str, str]:
    return {}


@dataclass(frozen=True, slots=True)
class Publication:
    """What is to be live: pages by key, the manifest over pages and packages, and where packages lie."""

    pages: Mapping[str, bytes]
    manifest: Manifest
    packages: Path
    """The wheel store's folder."""
    provenance: Provenance
    force: bool = False
    """Whether a rollback that holds the site ends with this."""
    bring: Bring = _nothing_to_bring

    @property
    def pages_with_manifest(self) -> Mapping[str, bytes]:
        """Everything but the packages."""
        return {**self.pages, MANIFEST: self.manifest.to_bytes()}

    def brought(self, keys: Iterable[str]) -> None:
        """Have these packages in the folder; a ``StorageError`` names one that cannot be had."""
        digests = {key: entry.sha256 for key, entry in packages_of(self.manifest.files).items()}
        missing = self.bring(keys, digests)
        for key in sorted(missing)[:1]:
            raise StorageError(
                f"{key}: {missing[key]} ({len(missing)} such)",
                hint="run 'mirror-pipeline refresh --repair'",
                path=key,
                reason=missing[key],
            )

    def held_by(self, status: SiteStatus) -> Hold | None:
        """The rollback that keeps this from being published."""
        return None if self.force else status.held_by(self.manifest.requirements)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a publication did. ``generation`` is live now, and ``digest`` is its manifest's."""

    generation: int
    digest: str
    hold: Hold | None = None
    uploaded: tuple[str, ...] = ()
    skipped: int = 0
    deleted: tuple[str, ...] = ()
    size: int = 0
    """Bytes that were written."""
    requests: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Collected:
    """What ``gc`` removed or would remove: generations, packages and remains by key, and their bytes."""

    generations: tuple[int, ...] = ()
    keys: tuple[str, ...] = ()
    size: int = 0
    done: bool = False


class Site(Protocol):
    """One place that a mirror is published to."""

    @property
    def location(self) -> str:
        """What people are told: a URL, or a directory."""

    @property
    def identity(self) -> str:
        """What makes it this place and no other; a change of it makes the publication stale."""

    def status(self) -> SiteStatus:
        """What is live, in one request; nothing where nothing was published."""

    def manifest(self) -> Manifest | None:
        """The live generation's manifest, None where there is none that can be read."""

    def manifest_of(self, generation: int) -> Manifest | None:
        """A kept generation's manifest, None where it is gone or cannot be read."""

    def publish(self, publication: Publication, progress: Progress) -> Outcome:
        """Make it live, as a new generation.

        Nothing is written where it is live already, or where a rollback holds the site.
        """

    def repair(self, publication: Publication, progress: Progress) -> Outcome:
        """Put right what was changed behind the books' back, and publish."""

    def roll_back(self, hold: Hold) -> SiteStatus:
        """Make a kept generation live, and hold it there."""

    def collect(self, retention: Retention, now: str, *, wanted: frozenset[str], delete: bool) -> Collected:
        """Remove (or only name) what no kept generation needs. ``wanted`` are files that stay anyway."""

    def observe(self, progress: Progress) -> SiteFacts:
        """What a client gets of all that the live manifest names, read from outside where possible."""

    def reconcile(self) -> tuple[int, tuple[Finding, ...]]:
        """Compare the books with what is there: how many objects, and what was changed behind their back."""

    def for_installers(self, facts: SiteFacts) -> AbstractContextManager[str]:
        """A URL at which an installer finds the site, without a trailing slash."""
