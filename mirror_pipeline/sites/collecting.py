"""Removing from a bucket what no kept generation needs: first from the books, then from the bucket.

Nothing is removed that a kept generation names: their manifests are read, and where one cannot be read
nothing goes. What belongs here: the order of a removal. What does not: which generations go
(``domain.retention``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from mirror_pipeline.adapters.objects import ObjectStore
from mirror_pipeline.domain.bucket_layout import RECORDS
from mirror_pipeline.domain.cloud import Retention
from mirror_pipeline.domain.ledger import LEDGER, Ledger
from mirror_pipeline.domain.objects import Listed
from mirror_pipeline.domain.retention import superfluous, unneeded
from mirror_pipeline.errors import DocumentError
from mirror_pipeline.sites.books import Turn
from mirror_pipeline.sites.front import Front, manifest_at
from mirror_pipeline.sites.site import Collected

_OURS = ("packages/", "g/", RECORDS)


def collect(front: Front, turn: Turn, retention: Retention, now: str, *, remains: bool = False) -> Collected:
    """Remove what is superfluous, and what an earlier removal left; ``remains``: unknown objects too."""
    store = turn.store
    found = superfluous_objects(store, front, turn.ledger, retention, now, remains=remains)
    unsettled = {key for key in turn.ledger.unsettled if key.startswith(_OURS)}  # pages in place are live
    keys = tuple(sorted({*found.keys, *unsettled}))
    if not keys and not found.generations:
        return Collected(done=True)
    turn.write(turn.ledger.retired(found.generations, keys, now))
    store.delete(keys)
    turn.write(turn.ledger.removed(keys))
    return Collected(found.generations, found.keys if remains else keys, found.size, done=True)


def superfluous_objects(
    store: ObjectStore, front: Front, ledger: Ledger, retention: Retention, now: str, *, remains: bool = True
) -> Collected:
    """What a removal would remove: old generations, packages that only they name, and remains.

    Where nothing was ever published, as far as the books know, nothing is ours.
    """
    numbers = superfluous(ledger.status, retention, now)
    keys = {found.key: found.size for found in _of_generations(store, front, numbers)}
    if numbers:
        packages = unneeded(ledger.packages, _named(store, front, ledger, numbers), ())
        keys.update({key: ledger.packages[key].size for key in packages})
    if remains and ledger.shown:
        keys.update({found.key: found.size for found in _remains(store, front, ledger, retention, now)})
    return Collected(numbers, tuple(sorted(keys)), sum(keys.values()))


def _of_generations(store: ObjectStore, front: Front, numbers: Iterable[int]) -> Iterator[Listed]:
    for number in numbers:
        for prefix in front.prefixes(number):
            yield from store.list(prefix)


def _named(
    store: ObjectStore, front: Front, ledger: Ledger, going: tuple[int, ...]
) -> Iterator[dict[str, object]]:
    """Files of every generation that stays."""
    for one in ledger.generations:
        if one.removed or one.number in going:
            continue
        manifest = manifest_at(front, one.number)
        if manifest is None:
            raise DocumentError(
                f"{store.name}: the manifest of generation {one.number} cannot be read: nothing is removed",
                hint="'mirror-pipeline verify' says what is wrong",
                document=f"generation {one.number}",
            )
        yield dict(manifest.files)


def _remains(
    store: ObjectStore, front: Front, ledger: Ledger, retention: Retention, now: str
) -> Iterator[Listed]:
    """What a removal left, and objects in our places that nobody entered, older than the grace period."""
    since = (datetime.fromisoformat(now) - timedelta(days=retention.grace_days)).timestamp()
    own = tuple(
        prefix for one in ledger.generations if not one.removed for prefix in front.prefixes(one.number)
    )
    for place in _OURS:
        for found in store.list(place):
            is_known = found.key in ledger.packages or found.key.startswith(own)
            if found.key in ledger.unsettled or (not is_known and found.modified < since):
                yield found


def refuse_unknown_pointer(store: ObjectStore, front: Front, ledger: Ledger) -> None:
    """Stop where clients are shown a generation that the books do not know to be live."""
    number = front.pointer(ledger)
    if number is not None and number not in ledger.shown:
        raise DocumentError(
            f"{store.name}: clients are shown generation {number}, which the books do not say is live",
            hint="'mirror-pipeline refresh --repair' moves the pointer",
            document=LEDGER,
        )
