"""Reading and replacing the books of a bucket (``domain.ledger``), one step at a time and never blindly.

Replacing is compare-and-swap: ``If-Match`` of what was read. On servers that ignore conditions, which is
found out before the first write, publishers keep apart by a lease (``sites.lease``). What belongs here: one
publisher's turn over the books. What does not: what is changed in them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import replace as changed

from mirror_pipeline.adapters.objects import ObjectStore
from mirror_pipeline.domain.bucket_layout import document
from mirror_pipeline.domain.ledger import LEDGER, Ledger, Writer, parse_ledger
from mirror_pipeline.domain.objects import Condition, IfAbsent, IfMatch
from mirror_pipeline.errors import CloudError, PreconditionError, PublisherConflictError
from mirror_pipeline.sites.lease import SECONDS, Lease

PROBE = ".mirror/probe"
_PROBE = document(PROBE, b"{}\n")
_NOT_IMPLEMENTED = ("NotImplemented", "501")
IGNORES_CONDITIONS = "this server ignores conditional writes: publishers are kept apart by a lease"


@dataclass(frozen=True)
class Office:
    """Where the books are kept, and who keeps them. ``alive`` judges a process of this host."""

    store: ObjectStore
    writer: Callable[[], Writer]
    alive: Callable[[int], bool]
    pause: Callable[[float], None]

    def read(self) -> Ledger:
        """The books as they are now, in one request."""
        found = self.store.get(LEDGER)
        return parse_ledger(found.content) if found else Ledger()

    def open(self) -> Turn:
        """Read, to change. The bucket's server is tried out first; the lease is taken where it is needed."""
        self.store.put(_PROBE)
        absent = self._knows(IfAbsent())
        conditional = self._knows(IfMatch("0" * 32)) and absent
        lease = None if conditional else Lease(self.store, self.writer, self.alive, self.pause)
        if lease:
            lease.take()
        try:
            found = self.store.get(LEDGER)
            ledger = parse_ledger(found.content) if found else Ledger()
        except BaseException:
            if lease:
                lease.give_back()
            raise
        return Turn(self, ledger, found.etag if found else None, lease, IfAbsent() if absent else None)

    def _knows(self, condition: Condition) -> bool:
        """Whether a write is refused on a condition that cannot hold."""
        try:
            self.store.put(_PROBE, condition)
        except PreconditionError:
            return True
        except CloudError as error:
            if error.facts.get("code") not in _NOT_IMPLEMENTED:
                raise
        return False


class Turn:
    """One publisher's turn: the books as this publisher last saw or wrote them."""

    def __init__(
        self,
        office: Office,
        ledger: Ledger,
        etag: str | None,
        lease: Lease | None,
        absent: IfAbsent | None,
    ) -> None:
        self._office, self._etag, self._lease = office, etag, lease
        self._written = 0.0
        self.ledger, self.absent = ledger, absent

    @property
    def store(self) -> ObjectStore:
        """The bucket."""
        return self._office.store

    @property
    def notes(self) -> tuple[str, ...]:
        """What the publisher should be told about the server."""
        return (IGNORES_CONDITIONS,) if self._lease else ()

    def write(self, ledger: Ledger) -> None:
        """Replace the books, unless somebody else did so since: then this publisher has lost."""
        me = self._office.writer()
        ledger = changed(ledger, writer=me)
        if self._lease:
            self._lease.renew()
            if not self.is_mine():
                raise self._lost()
        self._etag = self._replaced(ledger.to_bytes())
        self.ledger, self._written = ledger, me.at

    def _replaced(self, content: bytes) -> str:
        """The ETag of the new books."""
        condition = None if self._lease else IfMatch(self._etag) if self._etag else IfAbsent()
        try:
            return self._office.store.put(document(LEDGER, content), condition).etag
        except PreconditionError as error:
            # A request that got no answer is repeated, and then finds what it did itself.
            found = self._office.store.get(LEDGER)
            if found is None or found.content != content:
                raise self._lost() from error
            return found.etag

    def is_mine(self) -> bool:
        """Whether the books are still as this publisher left them."""
        found = self._office.store.get(LEDGER)
        return (found.etag if found else None) == self._etag

    def keep_alive(self) -> None:
        """Say that this publisher is still at work, where others wait for its end."""
        if self._lease:
            self._lease.renew_if_due()
        elif self.ledger.switching is not None and self._office.writer().at - self._written > SECONDS / 3:
            self.write(self.ledger)

    def close(self) -> None:
        """Give the lease back."""
        if self._lease:
            self._lease.give_back()

    def refuse_races(self, keys: set[str], window: float) -> None:
        """Stop where somebody may just be removing what this publisher is about to write."""
        contested = sorted(keys.intersection(self.ledger.unsettled))
        if contested:
            self._refuse(f"removing {contested[0]}, which is wanted again", window)

    def refuse_overlap(self) -> None:
        """Stop where somebody may just be placing pages: what is on its way there cannot be called back."""
        if self.ledger.switching is not None and not self._lease:
            self._refuse(f"placing generation {self.ledger.switching}", SECONDS)

    def _refuse(self, what: str, window: float) -> None:
        """Stop, unless whoever wrote last cannot be at work any more."""
        other, now = self.ledger.writer, self._office.writer()
        if other is None or now.at - other.at > window or self._is_over(other, now):
            return
        raise PublisherConflictError(
            f"{self._office.store.name}: {other} is just {what}",
            hint=f"nothing is lost; try again in {window / 60:.0f} minutes",
            by=str(other),
            since=other.at,
            bucket=self._office.store.name,
        )

    def _is_over(self, other: Writer, now: Writer) -> bool:
        """Whether the other one ended: it is this process, or none any more."""
        return other.host == now.host and (
            other.process == now.process or not self._office.alive(other.process)
        )

    def _lost(self) -> PublisherConflictError:
        """Who was faster, as far as the books tell."""
        ledger = self._office.read()
        other = ledger.writer
        number = ledger.switching or ledger.live
        what = f"{other or 'somebody else'} published meanwhile{f' (generation {number})' if number else ''}"
        return PublisherConflictError(
            f"{self._office.store.name}: {what}",
            hint="nothing is lost; run 'mirror-pipeline refresh' again",
            by=str(other) if other else None,
            since=other.at if other else None,
            generation=number,
            bucket=self._office.store.name,
        )
