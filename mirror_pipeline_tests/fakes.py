"""A bucket that is a dictionary, with conditions, ETags and batches as in S3, and hooks to kill or race.

``MemoryObjects`` is an ``adapters.objects.ObjectStore``. What S3 leaves open is chosen so that nobody can
rely on it: side by side has no order, and a batch of deletions may end half-way.
"""

from __future__ import annotations

import hashlib
import itertools
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from mirror_pipeline.adapters.objects import OnUploaded
from mirror_pipeline.domain.objects import Condition, Found, IfAbsent, Listed, Stored, Unchanged, Upload
from mirror_pipeline.errors import CloudError, PreconditionError

BATCH = 1000
"""So many keys does one request list or delete at most."""

Hook = Callable[[str, str], None]
"""Gets the operation (``get``, ``inspect``, ``put``, ``list``, ``delete``) and the key or prefix."""


def nothing(_operation: str, _key: str) -> None:
    """A hook that lets everything pass."""


def upload_of(
    key: str,
    content: bytes,
    content_type: str = "application/octet-stream",
    cache_control: str = "no-store",
    content_encoding: str = "",
) -> Upload:
    """An upload of some bytes, with the digest and size that they have."""
    digest = hashlib.sha256(content).hexdigest()
    return Upload(key, content, digest, len(content), content_type, cache_control, content_encoding)


@dataclass(frozen=True, slots=True)
class Kept:
    """An object as it lies in the bucket. ``modified`` is seconds since the epoch."""

    content: bytes
    content_type: str
    cache_control: str
    content_encoding: str
    modified: float

    @property
    def etag(self) -> str:
        """MD5 of the bytes, as S3 answers it for what was written in one part; without quotes."""
        return hashlib.md5(self.content, usedforsecurity=False).hexdigest()


@dataclass
class Bucket:
    """What all clients of one bucket share. ``conditional`` false ignores conditions, as some servers do."""

    name: str = "s3://memory"
    objects: dict[str, Kept] = field(default_factory=dict)
    conditional: bool = True
    clock: Callable[[], float] = time.time
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fails(self, key: str, condition: Condition | None) -> bool:
        """Whether a condition does not hold now."""
        there = self.objects.get(key)
        if condition is None or not self.conditional:
            return False
        if isinstance(condition, IfAbsent):
            return there is not None
        return there is None or there.etag != condition.etag


class MemoryObjects:
    """One client of a bucket, with a counter and hooks of its own.

    ``before`` is called before a request takes effect: what it raises is what became of the request, and
    what it does to the bucket came first. ``after`` is called when it took effect and before it is answered:
    what it raises is a lost answer. Requests that a hook makes itself call no hook.
    """

    def __init__(self, bucket: Bucket | None = None, before: Hook = nothing, after: Hook = nothing) -> None:
        self.bucket = bucket or Bucket()
        self.before, self.after = before, after
        self._requests = 0
        self._in_a_hook = threading.local()

    def beside(self, before: Hook = nothing, after: Hook = nothing) -> MemoryObjects:
        """Another client of the same bucket."""
        return MemoryObjects(self.bucket, before, after)

    @property
    def name(self) -> str:
        """The bucket, for people."""
        return self.bucket.name

    @property
    def requests(self) -> int:
        """How many requests this client made."""
        return self._requests

    @property
    def objects(self) -> dict[str, Kept]:
        """What is in the bucket, for looking and for changing it behind everybody's back."""
        return self.bucket.objects

    def get(self, key: str) -> Found | None:
        """An object's bytes and ETag."""
        there = self._look("get", key)
        return None if there is None else Found(there.content, there.etag)

    def get_other(self, key: str, etag: str) -> Found | Unchanged | None:
        """The same, unless it still has this ETag."""
        found = self.get(key)
        return Unchanged() if found and found.etag == etag else found

    def read(self, key: str) -> Iterator[bytes] | None:
        """An object's bytes in two pieces."""
        there = self._look("get", key)
        if there is None:
            return None
        middle = len(there.content) // 2
        return iter((there.content[:middle], there.content[middle:]))

    def inspect(self, key: str) -> Stored | None:
        """What an object is, by its bytes."""
        there = self._look("inspect", key)
        if there is None:
            return None
        return Stored(hashlib.sha256(there.content).hexdigest(), len(there.content), there.etag)

    def put(self, upload: Upload, condition: Condition | None = None) -> Stored:
        """Write one object whole, where the condition holds and the bytes are those that were announced."""
        content = upload.source.read_bytes() if isinstance(upload.source, Path) else upload.source
        self._begin("put", upload.key)
        with self.bucket.lock:
            if self.bucket.fails(upload.key, condition):
                raise PreconditionError(
                    f"s3: put {upload.key}: changed by somebody else meanwhile (PreconditionFailed)",
                    service="s3", operation="put", code="PreconditionFailed", resource=upload.key,
                    key=upload.key, expected=getattr(condition, "etag", None),
                )  # fmt: skip
            if (hashlib.sha256(content).hexdigest(), len(content)) != (upload.sha256, upload.size):
                raise CloudError(
                    f"s3: put {upload.key}: BadDigest: these are not the bytes that were announced",
                    service="s3", operation="put", code="BadDigest", resource=upload.key,
                )  # fmt: skip
            kept = Kept(
                content,
                upload.content_type,
                upload.cache_control,
                upload.content_encoding,
                self.bucket.clock(),
            )
            self.bucket.objects[upload.key] = kept
        self._end("put", upload.key)
        return Stored(upload.sha256, upload.size, kept.etag)

    def put_all(
        self, uploads: Sequence[Upload], on_uploaded: OnUploaded, condition: Condition | None = None
    ) -> Mapping[str, Stored | None]:
        """Write many, in an order of its own; ``on_uploaded`` hears of those that were written."""
        stored: dict[str, Stored | None] = {}
        for upload in sorted(uploads, key=lambda upload: hashlib.sha256(upload.key.encode()).digest()):
            try:
                stored[upload.key] = self.put(upload, condition)
            except PreconditionError:
                stored[upload.key] = None
            else:
                on_uploaded(upload)
        return stored

    def list(self, prefix: str) -> Iterator[Listed]:
        """Objects by prefix: each request sees the bucket as it is at that moment."""
        last = ""
        while True:
            self._begin("list", prefix)
            with self.bucket.lock:
                keys = sorted(key for key in self.bucket.objects if key.startswith(prefix) and key > last)
                page = [(key, self.bucket.objects[key]) for key in keys[:BATCH]]
            self._end("list", prefix)
            yield from (Listed(key, len(kept.content), kept.etag, kept.modified) for key, kept in page)
            if len(keys) <= BATCH:
                return
            last = page[-1][0]

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects, a batch per request; the hooks hear of every key: a batch may end half-way."""
        waiting = iter(keys)
        while batch := tuple(itertools.islice(waiting, BATCH)):
            self._count()
            for key in batch:
                self._call(self.before, "delete", key)
                with self.bucket.lock:
                    self.bucket.objects.pop(key, None)
                self._call(self.after, "delete", key)

    def spoil(self, key: str, content: bytes) -> None:
        """Change an object's bytes behind everybody's back; its headers stay."""
        self.bucket.objects[key] = replace(self.bucket.objects[key], content=content)

    def _look(self, operation: str, key: str) -> Kept | None:
        self._begin(operation, key)
        with self.bucket.lock:
            there = self.bucket.objects.get(key)
        self._end(operation, key)
        return there

    def _begin(self, operation: str, key: str) -> None:
        self._count()
        self._call(self.before, operation, key)

    def _end(self, operation: str, key: str) -> None:
        self._call(self.after, operation, key)

    def _count(self) -> None:
        with self.bucket.lock:
            self._requests += 1

    def _call(self, hook: Hook, operation: str, key: str) -> None:
        if getattr(self._in_a_hook, "now", False):
            return
        self._in_a_hook.now = True
        try:
            hook(operation, key)
        finally:
            self._in_a_hook.now = False
