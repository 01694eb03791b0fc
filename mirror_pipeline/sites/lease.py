"""A lease on a bucket whose server ignores conditional writes: one publisher at a time, as far as can be.

It is weaker than compare-and-swap, and used only where that does not work. A publisher writes its name,
waits, and looks whether its name is still there; it renews while it works. One that died on this host is
known to be dead at once, one on another host when the lease is over.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass

from mirror_pipeline.adapters.objects import ObjectStore
from mirror_pipeline.domain.bucket_layout import document
from mirror_pipeline.domain.ledger import Writer
from mirror_pipeline.errors import PublisherConflictError

LEASE = ".mirror/lease.json"
SECONDS = 300.0
"""How long a lease counts without being renewed."""
SETTLING = 2.0
"""Longer than it takes another publisher from reading to writing."""


@dataclass(frozen=True, slots=True)
class _Claim:
    """What is written: the publisher, and which of its turns."""

    writer: Writer
    turn: str


class Lease:
    """One publisher's claim. ``alive`` says whether a process of this host runs."""

    def __init__(
        self,
        store: ObjectStore,
        writer: Callable[[], Writer],
        alive: Callable[[int], bool],
        pause: Callable[[float], None],
    ) -> None:
        self._store, self._writer, self._alive, self._pause = store, writer, alive, pause
        self._renewed = 0.0
        self._turn = uuid.uuid4().hex

    def take(self) -> None:
        """Claim the bucket, or say who has it."""
        holder = self._holder()
        if holder is not None and self._is_at_work(holder.writer):
            raise self._taken(holder.writer)
        self._write()
        self._pause(SETTLING)
        self._check()

    def renew(self) -> None:
        """Prolong it; where somebody else took it over, this publisher has lost."""
        self._check()
        self._write()

    def renew_if_due(self) -> None:
        """Prolong it when a third of it is over."""
        if self._writer().at - self._renewed > SECONDS / 3:
            self.renew()

    def give_back(self) -> None:
        """End it, unless somebody else has it."""
        holder = self._holder()
        if holder is not None and holder.turn == self._turn:
            self._store.delete([LEASE])

    def _check(self) -> None:
        holder = self._holder()
        if holder is None or holder.turn != self._turn:
            raise self._taken(holder.writer if holder else None)

    def _holder(self) -> _Claim | None:
        found = self._store.get(LEASE)
        if found is None:
            return None
        try:
            document = json.loads(found.content)
            return _Claim(Writer(**document["writer"]), document["turn"])
        except (ValueError, TypeError, KeyError):
            return None  # half a lease is nobody's

    def _write(self) -> None:
        me = self._writer()
        claim = json.dumps(asdict(_Claim(me, self._turn)), sort_keys=True)
        self._store.put(document(LEASE, claim.encode()))
        self._renewed = me.at

    def _is_at_work(self, holder: Writer) -> bool:
        me = self._writer()
        if me.at - holder.at > SECONDS:
            return False
        return holder.host != me.host or self._alive(holder.process)

    def _taken(self, holder: Writer | None) -> PublisherConflictError:
        return PublisherConflictError(
            f"{self._store.name}: {holder or 'somebody else'} is publishing",
            hint=f"wait for it to end; if it died, its lease is over after {SECONDS / 60:.0f} minutes",
            by=str(holder) if holder else None,
            since=holder.at if holder else None,
            bucket=self._store.name,
        )
