"""Generations as they are told: number, when, from which lock, how much, by whom; and what holds one live.

The same for a directory and a bucket. What belongs here: the records and the rules over them that need no
files. What does not: how a bucket keeps its books (``domain.ledger``), which generations go (``retention``).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime

from mirror_pipeline.domain.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Generation:
    """One complete generation. Times are ISO 8601, UTC."""

    number: int
    made: str
    by: str
    """Who published: user and host."""
    manifest: str
    """SHA-256 of its ``manifest.json``."""
    requirements: str
    """The data version of the requirements that it was made from."""
    lock: str
    """SHA-256 of the lock file; of several, of their digests."""
    packages: int
    pages: int
    size: int
    """Bytes of all that it names."""
    left: str = ""
    """When it stopped being live, '' while it is or where it never was."""
    removed: str = ""
    """When its pages were removed; the record stays."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A rollback: ``generation`` stays live as long as the requirements are those of then.

    ``requirements`` is the version that would be published if it were not for this.
    """

    generation: int
    requirements: str
    reason: str
    by: str
    since: str

    def __str__(self) -> str:
        return f"generation {self.generation} since {self.since}, by {self.by}: {self.reason}"


@dataclass(frozen=True, slots=True)
class SiteStatus:
    """What is live: generation, digest of its manifest, and what holds it there."""

    live: int | None = None
    digest: str = ""
    hold: Hold | None = None
    generations: tuple[Generation, ...] = ()
    pending: bool = False
    """A switch was begun and not finished."""
    unsettled: bool = False
    """A removal was begun and not finished."""

    def held_by(self, requirements: str) -> Hold | None:
        """The rollback that still counts: nothing else than what it left behind would be published."""
        return self.hold if self.hold and self.hold.requirements == requirements else None


@dataclass(frozen=True, slots=True)
class Provenance:
    """What is written down about a generation besides its content."""

    made: str
    by: str
    lock: str


def record_of(number: int, manifest: Manifest, provenance: Provenance) -> Generation:
    """The record of a new generation."""
    packages = [key for key in manifest.files if key.startswith("packages/")]
    return Generation(
        number=number,
        made=provenance.made,
        by=provenance.by,
        manifest=manifest.digest,
        requirements=manifest.requirements,
        lock=provenance.lock,
        packages=sum(not key.endswith(".metadata") for key in packages),
        pages=len(manifest.files) - len(packages),
        size=sum(entry.size for entry in manifest.files.values()),
    )


def went_live(
    generations: tuple[Generation, ...], number: int, before: Collection[int], now: str
) -> tuple[Generation, ...]:
    """The records after a switch: what clients may have had before was left now, the new one is not left."""
    left = {**dict.fromkeys(before, now), number: ""}
    return tuple(replace(one, left=left[one.number]) if one.number in left else one for one in generations)


def refuse_no_time(record: Generation) -> None:
    """A ``ValueError`` where a time of a record is none, or has no zone: retention compares them."""
    for text in filter(None, (record.made, record.left, record.removed)):
        if datetime.fromisoformat(text).tzinfo is None:
            raise ValueError(f"a time without a zone: {text}")
