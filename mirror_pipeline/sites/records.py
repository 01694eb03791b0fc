"""What a generation was stored as, ``.mirror/generations/<n>.json``: what a listing is compared with.

Besides what the books of the bucket know: that grows with every page, and is read with every publication.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from mirror_pipeline.adapters.objects import ObjectStore
from mirror_pipeline.domain.bucket_layout import document, record_key
from mirror_pipeline.domain.ledger import objects_document, objects_read
from mirror_pipeline.domain.objects import Stored
from mirror_pipeline.errors import DocumentError
from mirror_pipeline.sites.front import Sender


def read_record(store: ObjectStore, number: int, holding: str) -> Mapping[str, Stored]:
    """What was stored, by bucket key; a ``DocumentError`` where the record is gone or damaged.

    One that lacks ``holding`` is of a generation that was published in another way.
    """
    key = record_key(number)
    found = store.get(key)
    if found is None:
        raise DocumentError(f"{key}: the record of generation {number} is gone", document=key)
    try:
        stored = objects_read(json.loads(found.content)["objects"])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise DocumentError(f"{key}: damaged: {error!r}", document=key) from None
    if holding not in stored:
        raise DocumentError(f"{key}: does not name {holding}", document=key)
    return stored


def write_record(sender: Sender, number: int, stored: Mapping[str, Stored]) -> Mapping[str, Stored]:
    """Write it, last of all; what it was stored as itself."""
    record = json.dumps({"objects": objects_document(stored)}, sort_keys=True)
    return sender.send_waves([[document(record_key(number), record.encode())]])
