"""Looking behind the books of a bucket: a listing, compared with all that they and the records know."""

from __future__ import annotations

from collections.abc import Iterator

from mirror_pipeline.adapters.objects import ObjectStore
from mirror_pipeline.domain.ledger import Ledger
from mirror_pipeline.domain.objects import Listed, Stored
from mirror_pipeline.domain.reconcile import UNREADABLE, compare
from mirror_pipeline.domain.verification import Finding
from mirror_pipeline.errors import DocumentError
from mirror_pipeline.sites.front import Front


def reconcile(store: ObjectStore, ledger: Ledger, front: Front) -> tuple[int, tuple[Finding, ...]]:
    """How many objects should be there, and which are not what was stored; unsettled ones do not count."""
    known: dict[str, Stored] = {**ledger.packages, **ledger.placed}
    unreadable = []
    for one in ledger.generations:
        if not one.removed:
            try:
                known.update(front.stored(one.number))
            except DocumentError as error:
                unreadable.append(Finding("bucket", str(error.facts["document"]), UNREADABLE))
    for key in ledger.unsettled:
        known.pop(key, None)
    return len(known), (*unreadable, *compare(known, _listed(store, known)))


def _listed(store: ObjectStore, known: dict[str, Stored]) -> Iterator[Listed]:
    """Listings by the first part of the keys: of what others keep in the same bucket nothing is asked."""
    for prefix in sorted({key.partition("/")[0] + ("/" if "/" in key else "") for key in known}):
        yield from store.list(prefix)
