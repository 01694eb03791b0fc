"""How clients get to see a generation of a bucket, as a protocol: at the edge by a pointer, or in place.

What belongs here: the protocol and the sender of uploads that both share. What does not: the books and the
order of a publication (``sites.bucket``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from mirror_pipeline.adapters.objects import ObjectStore
from mirror_pipeline.adapters.progress import Advance
from mirror_pipeline.domain.bucket_layout import RECORDS, Waves, number_of
from mirror_pipeline.domain.ledger import Ledger
from mirror_pipeline.domain.manifest import Manifest, parse_manifest
from mirror_pipeline.domain.objects import Condition, Stored, Upload
from mirror_pipeline.errors import DocumentError
from mirror_pipeline.sites.books import Turn

Invalidate = Callable[[Sequence[str]], None]
"""Told the paths that a cache before the bucket has to forget."""
MOST_PATHS = 1000
"""So many paths are told one by one; more are told as a pattern."""

Pages = Mapping[str, bytes]
"""Public key → content, the manifest among them."""


@dataclass(frozen=True)
class Sender:
    """Sends uploads, tells the progress and keeps a lease alive meanwhile; remembers what it wrote."""

    store: ObjectStore
    turn: Turn
    advance: Advance
    sent: list[Upload] = field(default_factory=list)

    def send(self, uploads: Sequence[Upload], condition: Condition | None = None) -> dict[str, Stored | None]:
        """Side by side, in no order."""
        return dict(self.store.put_all(uploads, self._sent, condition))

    def send_waves(self, waves: Waves) -> dict[str, Stored]:
        """One wave after the other: all of one is there before any of the next."""
        stored: dict[str, Stored] = {}
        for wave in waves:
            stored.update({key: one for key, one in self.send(wave).items() if one is not None})
        return stored

    def _sent(self, upload: Upload) -> None:
        self.sent.append(upload)
        self.advance(upload.key, upload.size)
        self.turn.keep_alive()


@dataclass(frozen=True, slots=True)
class Shown:
    """What it took to show a generation: pages that were placed, and keys that were removed."""

    placed: Mapping[str, Stored] = field(default_factory=dict)
    removed: tuple[str, ...] = ()
    requests: int = 0
    """Requests that were made elsewhere than to the bucket."""


class Front(Protocol):
    """One way of showing generations."""

    one_step: ClassVar[bool]
    """Whether a switch is one step: else two publishers at once would leave a mixture."""

    @property
    def kind(self) -> str:
        """What the books call it: what one front showed has yet to be shown by another."""

    def stage(self, number: int, pages: Pages, sender: Sender) -> None:
        """Write a generation where nobody looks yet."""

    def about_to_show(self, ledger: Ledger, pages: Pages) -> Ledger:
        """The books before anything that clients see is touched."""

    def show(self, number: int, pages: Pages, sender: Sender) -> Shown:
        """Let clients see it; where it was interrupted before, finish it."""

    def restore(
        self, number: int, at_hand: Pages, damaged: AbstractSet[str], sender: Sender
    ) -> Mapping[str, Stored]:
        """Write damaged objects of a generation again, with the bytes they had; those that could be, by key.

        ``at_hand`` are the generation's pages, or nothing where only the bucket may have them. What is
        placed where clients ask is not written: a publication does that.
        """

    def pointer(self, ledger: Ledger) -> int | None:
        """What clients are shown; where that cannot be asked, what the books say."""

    def forget(self, keys: Collection[str]) -> None:
        """Have caches before the bucket drop what was wrong in it."""

    def is_astray(self, ledger: Ledger) -> bool:
        """Whether clients are shown something else than the books say."""

    def pages(self, number: int) -> Pages:
        """A kept generation's pages, as far as showing it again needs them."""

    def manifest(self, number: int) -> bytes | None:
        """A kept generation's ``manifest.json``."""

    def stored(self, number: int) -> Mapping[str, Stored]:
        """What a kept generation was stored as, by bucket key; a ``DocumentError`` where that is gone."""

    def prefixes(self, number: int) -> tuple[str, ...]:
        """Where a generation's own objects lie."""


def manifest_at(front: Front, number: int) -> Manifest | None:
    """A kept generation's manifest, None where it is gone or cannot be read."""
    try:
        content = front.manifest(number)
        return parse_manifest(content) if content else None
    except DocumentError:
        return None


def unused_number(store: ObjectStore, front: Front, ledger: Ledger) -> int:
    """The next number. Books that were lost, or restored as they once were, do not know all that is there."""
    records = filter(None, (number_of(found.key) for found in store.list(RECORDS)))
    number = max([ledger.next, *(number + 1 for number in records)])
    while any(True for prefix in _pages(front, number) for _ in store.list(prefix)):
        number += 1  # the rest of a publication that was interrupted before its record
    return number


def _pages(front: Front, number: int) -> Iterator[str]:
    return (prefix for prefix in front.prefixes(number) if not prefix.startswith(RECORDS))
