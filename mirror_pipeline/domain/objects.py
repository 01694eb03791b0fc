"""Objects of a bucket as values: what is written, with which headers, on which condition; what is there.

What belongs here: the values that cross the border of ``adapters.objects``. What does not: which objects a
publication writes (``domain.bucket_layout``), or the books that are kept of them (``domain.ledger``).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class IfAbsent:
    """Write only where no object has the key (``If-None-Match: *``)."""


@dataclass(frozen=True, slots=True)
class IfMatch:
    """Write only over the object with this ETag (``If-Match``), as an earlier answer had it."""

    etag: str


Condition = IfAbsent | IfMatch


@dataclass(frozen=True, slots=True)
class Upload:
    """One object to write. ``source`` is its bytes or a file with them, which is streamed where it is big."""

    key: str
    source: bytes | Path
    sha256: str
    size: int
    content_type: str
    cache_control: str
    content_encoding: str = ""


@dataclass(frozen=True, slots=True)
class Stored:
    """An object as it was written: what a later look at the bucket is compared with.

    ``etag`` is without quotes, as the server listed or returned it.
    """

    sha256: str
    size: int
    etag: str


@dataclass(frozen=True, slots=True)
class Listed:
    """An object as a listing shows it. ``modified`` is seconds since the epoch."""

    key: str
    size: int
    etag: str
    modified: float


@dataclass(frozen=True, slots=True)
class Found:
    """An object that was read."""

    content: bytes
    etag: str


@dataclass(frozen=True, slots=True)
class Unchanged:
    """An object that is what an earlier answer had: its ETag is that one's."""
