"""A lease on a bucket whose server ignores conditional writes: one publisher at a time, as far as can be.

It is weaker than compare-and-swap, and used only where that does not work. A publisher looks whether somebody
claims the bucket, puts a claim of its own there, and looks again: of two who do so at once, at least one sees
the other, however slow they are. Who sees another one steps back and comes again a little later. Claims are
renewed during the work; that of a process which died on this host is known to be over at once, that of one on
another host when it was not renewed for long.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import asdict

from mirror_pipeline.adapters.objects import ObjectStore
from mirror_pipeline.domain.bucket_layout import document
from mirror_pipeline.domain.ledger import Writer
from mirror_pipeline.errors import PublisherConflictError

LEASE = ".mirror/lease/"
"""Where the claims lie, each with the name of a turn."""
SECONDS = 300.0
"""How long a claim counts without being renewed."""
_TRIES, _APART = 6, 2.0
"""How often, and for how many seconds at most, who met another one steps back."""


class Lease:
    """One publisher's claim for one turn. ``alive`` says whether a process of this host runs."""

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
        self._key = f"{LEASE}{self._turn}.json"

    def take(self) -> None:
        """Claim the bucket, or say who has it."""
        for attempt in range(_TRIES):
            if others := self._others():
                raise self._taken(others[0])
            self._write()
            others = self._others()
            if not others:
                return
            self.give_back()
            self._pause(_APART * (int(self._turn[attempt * 4 :][:4], 16) + 1) / 0x10000)
        raise self._taken(None)

    def renew(self) -> None:
        """Prolong it; where somebody took it to be over, this publisher has lost."""
        if self._store.get(self._key) is None:
            raise self._taken(next(iter(self._others()), None))
        self._write()

    def renew_if_due(self) -> None:
        """Prolong it when a third of it is over."""
        if self._writer().at - self._renewed > SECONDS / 3:
            self.renew()

    def give_back(self) -> None:
        """End it."""
        self._store.delete([self._key])

    def _others(self) -> list[Writer | None]:
        """Who else is at work here, None where the claim is just being written. Those that are over go."""
        others: list[Writer | None] = []
        over: list[str] = []
        for claim in self._store.list(LEASE):
            found = None if claim.key == self._key else self._store.get(claim.key)
            if found is None:  # withdrawn meanwhile
                continue
            writer = _writer_of(found.content)
            if self._is_at_work(writer, claim.modified):
                others.append(writer)
            else:
                over.append(claim.key)
        self._store.delete(over)
        return others

    def _write(self) -> None:
        me = self._writer()
        self._store.put(document(self._key, json.dumps(asdict(me), sort_keys=True).encode()))
        self._renewed = me.at

    def _is_at_work(self, other: Writer | None, since: float) -> bool:
        me = self._writer()
        if me.at - (other.at if other else since) > SECONDS:
            return False
        return other is None or other.host != me.host or self._alive(other.process)

    def _taken(self, holder: Writer | None) -> PublisherConflictError:
        return PublisherConflictError(
            f"{self._store.name}: {holder or 'somebody else'} is publishing",
            hint=f"wait for it to end; if it died, its lease is over after {SECONDS / 60:.0f} minutes",
            by=str(holder) if holder else None,
            since=holder.at if holder else None,
            bucket=self._store.name,
        )


def _writer_of(claim: bytes) -> Writer | None:
    try:
        return Writer(**json.loads(claim))
    except (ValueError, TypeError):
        return None
