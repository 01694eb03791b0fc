"""Documents as objects of a bucket, for workers that share no disk.

A document that was read is not read again as long as its object has the same ETag: asking for it then is one
request without a body.
"""

from __future__ import annotations

import hashlib
from typing import TypeVar

from mirror_pipeline.adapters.documents import decode, encode, not_made_yet
from mirror_pipeline.adapters.objects import ObjectStore
from mirror_pipeline.domain.bucket_layout import PRIVATE
from mirror_pipeline.domain.objects import Found, Unchanged, Upload
from mirror_pipeline.errors import DocumentError

T = TypeVar("T")


class ObjectDocuments:
    """Documents below a prefix of a bucket."""

    def __init__(self, objects: ObjectStore, prefix: str) -> None:
        self._objects, self._prefix = objects, prefix
        self._known: dict[str, tuple[str, object]] = {}

    def write(self, name: str, value: object) -> str:
        """Store a document; returns its digest."""
        upload = private(self._key(name), encode(value), "application/json")
        self._objects.put(upload)
        return upload.sha256

    def read(self, name: str, kind: type[T]) -> T:
        """Load a document; a missing one says which phase has to run first."""
        known = self._known.get(name)
        if known is None or not isinstance(known[1], kind):
            return self._decoded(name, kind, self._objects.get(self._key(name)))
        found = self._objects.get_other(self._key(name), known[0])
        return known[1] if isinstance(found, Unchanged) else self._decoded(name, kind, found)

    def find(self, name: str, kind: type[T]) -> T | None:
        """Load a document where there is a readable one; that no server answers is no such case."""
        try:
            return self.read(name, kind)
        except DocumentError:
            return None

    def _decoded(self, name: str, kind: type[T], found: Found | None) -> T:
        if found is None:
            raise not_made_yet(name)
        value = decode(found.content, kind, name)
        self._known[name] = (found.etag, value)
        return value

    def _key(self, name: str) -> str:
        return f"{self._prefix}{name}.json"


def private(key: str, content: bytes, content_type: str) -> Upload:
    """Some bytes as an object that no cache may keep."""
    digest = hashlib.sha256(content).hexdigest()
    return Upload(key, content, digest, len(content), content_type, PRIVATE)
