"""The books of a bucket, ``.mirror/manifest.json``: what lies in it, which generations, who was last.

Every publisher decides against them and replaces them by compare-and-swap, so that they change one step at a
time and the loser of a race notices. They never claim an object that may not be there: a key is entered after
it was written, and taken out before it is overwritten or removed. What belongs here: the books and the steps
they go through. What does not: requests (``sites.books``), or what is uploaded (``domain.bucket_layout``).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from operator import index
from typing import Any

from mirror_pipeline.domain.generations import Generation, Hold, SiteStatus, refuse_no_time, went_live
from mirror_pipeline.domain.objects import Stored
from mirror_pipeline.errors import DocumentError

LEDGER = ".mirror/manifest.json"
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Writer:
    """Who made an entry: user, host and process, and when (seconds since the epoch)."""

    name: str
    host: str
    process: int
    at: float

    def __str__(self) -> str:
        return f"{self.name}@{self.host}"


@dataclass(frozen=True, slots=True)
class Ledger:
    """One state of the books."""

    next: int = 1
    """The number that the next generation gets; a number is given once, also if nothing came of it."""
    live: int | None = None
    """What the pointer was last known to show."""
    switching: int | None = None
    """The pointer is being moved to this, and it may show either."""
    generations: tuple[Generation, ...] = ()
    packages: Mapping[str, Stored] = field(default_factory=dict)
    placed: Mapping[str, Stored] = field(default_factory=dict)
    """Pages at the keys where clients ask (in-place mode)."""
    folders: bool | None = None
    """Whether the server keeps objects whose name ends in a slash beside those below; None: not tried."""
    unsettled: tuple[str, ...] = ()
    """Being written or removed: there or not."""
    hold: Hold | None = None
    shown_by: str = ""
    """The kind of front that shows what is live: another one has yet to."""
    writer: Writer | None = None

    @property
    def status(self) -> SiteStatus:
        """What everybody may know of it."""
        digest = next((one.manifest for one in self.generations if one.number == self.live), "")
        return SiteStatus(
            live=self.live,
            digest=digest,
            hold=self.hold,
            generations=self.generations,
            pending=self.switching is not None,
            unsettled=bool(self.unsettled),
        )

    def generation(self, number: int) -> Generation | None:
        """The record of a generation, None where there is none."""
        return next((one for one in self.generations if one.number == number), None)

    @property
    def shown(self) -> tuple[int, ...]:
        """What clients may be shown: what is live, and what the pointer is being moved to."""
        return tuple(number for number in (self.live, self.switching) if number is not None)

    def reserved(self, number: int) -> Ledger:
        """A number is taken, so that nobody else writes below it; never one that was taken before."""
        if number < self.next:
            raise ValueError(f"generation {number} was there before")
        return replace(self, next=number + 1)

    def committed(self, record: Generation, packages: Mapping[str, Stored]) -> Ledger:
        """A generation is complete, and the pointer goes to it."""
        return replace(
            self,
            generations=(*self.generations, record),
            packages={**self.packages, **packages},
            unsettled=tuple(key for key in self.unsettled if key not in packages),
            hold=None,
        ).towards(record.number, record.made)

    def towards(self, number: int, now: str) -> Ledger:
        """The pointer is about to go to a generation: whatever it may have shown is left from now on."""
        return replace(
            self, switching=number, generations=went_live(self.generations, number, self.shown, now)
        )

    def without_placed(self, changed: Collection[str], removed: Collection[str]) -> Ledger:
        """Pages that are about to be overwritten or removed are not known any more."""
        gone = {*changed, *removed}
        return replace(
            self,
            placed={key: stored for key, stored in self.placed.items() if key not in gone},
            unsettled=tuple(sorted({*self.unsettled, *gone})),
        )

    def arrived(
        self, placed: Mapping[str, Stored] | None = None, removed: Collection[str] = (), shown_by: str = ""
    ) -> Ledger:
        """The pointer shows what it was moved to; ``placed`` keys are there, ``removed`` ones are gone."""
        settled = {*(placed or {}), *removed}
        return replace(
            self,
            live=self.switching,
            switching=None,
            shown_by=shown_by,
            placed={**self.placed, **(placed or {})},
            unsettled=tuple(key for key in self.unsettled if key not in settled),
        )

    def retired(self, numbers: Collection[int], keys: Collection[str], now: str) -> Ledger:
        """Generations are about to lose their pages, and packages are about to go."""
        gone = set(keys)
        return replace(
            self,
            generations=tuple(
                replace(one, removed=now) if one.number in numbers else one for one in self.generations
            ),
            packages={key: stored for key, stored in self.packages.items() if key not in gone},
            unsettled=tuple(sorted({*self.unsettled, *gone})),
        )

    def removed(self, keys: Collection[str]) -> Ledger:
        """These keys are gone."""
        gone = set(keys)
        return replace(self, unsettled=tuple(key for key in self.unsettled if key not in gone))

    def to_bytes(self) -> bytes:
        """The stored form: sorted JSON."""
        document = {
            "version": _VERSION,
            "next": self.next,
            "live": self.live,
            "switching": self.switching,
            "generations": [asdict(one) for one in self.generations],
            "packages": objects_document(self.packages),
            "placed": objects_document(self.placed),
            "folders": self.folders,
            "unsettled": list(self.unsettled),
            "hold": asdict(self.hold) if self.hold else None,
            "shown_by": self.shown_by,
            "writer": asdict(self.writer) if self.writer else None,
        }
        return (json.dumps(document, sort_keys=True, separators=(",", ":")) + "\n").encode()


def objects_document(objects: Mapping[str, Stored]) -> dict[str, list[str | int]]:
    """Objects as JSON-ready lists, which keeps the books of thousands of them small."""
    return {key: [stored.sha256, stored.size, stored.etag] for key, stored in objects.items()}


def objects_read(document: Mapping[str, Any]) -> dict[str, Stored]:
    """The inverse of ``objects_document``; a ``TypeError`` or ``ValueError`` where it is none."""
    return {
        key: Stored(str(sha256), index(size), str(etag)) for key, (sha256, size, etag) in document.items()
    }


def parse_ledger(content: bytes, name: str = LEDGER) -> Ledger:
    """Read the books back; damaged ones are refused, since deciding against them would lose things."""
    try:
        document: Mapping[str, Any] = json.loads(content)
        if document["version"] != _VERSION:
            raise DocumentError(
                f"{name}: version {document['version']} is not known here",
                hint="a newer mirror-pipeline wrote it",
                document=name,
            )
        ledger = Ledger(
            next=document["next"],
            live=document["live"],
            switching=document["switching"],
            generations=tuple(Generation(**one) for one in document["generations"]),
            packages=objects_read(document["packages"]),
            placed=objects_read(document["placed"]),
            folders=document["folders"],
            unsettled=tuple(document["unsettled"]),
            hold=Hold(**document["hold"]) if document["hold"] else None,
            shown_by=document.get("shown_by", ""),
            writer=Writer(**document["writer"]) if document["writer"] else None,
        )
        _check(ledger)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DocumentError(
            f"{name}: the publisher's books are damaged: {error!r}",
            hint="restore an earlier version of this object",
            document=name,
        ) from None
    return ledger


def _check(ledger: Ledger) -> None:
    """A ``ValueError`` where this is JSON, but says what the steps above never say."""
    numbers = [one.number for one in ledger.generations]
    if not all(type(number) is int for number in (ledger.next, *numbers)):
        raise ValueError("numbers that are none")
    if len(set(numbers)) < len(numbers) or max(numbers, default=0) >= ledger.next:
        raise ValueError("numbers given twice")
    for one in ledger.generations:
        refuse_no_time(one)
    if not set(ledger.shown) <= set(numbers):
        raise ValueError("a generation that is not there")
    if not all(isinstance(key, str) for key in ledger.unsettled):
        raise ValueError("keys that are none")
