"""What a bucket can do, as a protocol: S3 by ``s3_objects``, a dictionary in the tests.

Every call is one request or, where many objects are concerned, as few as the service allows. Errors are of
the family of ``errors.CloudError``; a condition that does not hold is ``errors.PreconditionError``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from mirror_pipeline.domain.objects import Condition, Found, Listed, Stored, Unchanged, Upload

OnUploaded = Callable[[Upload], None]


class ObjectStore(Protocol):
    """The objects of one bucket."""

    @property
    def name(self) -> str:
        """The bucket, for people: ``s3://bucket``."""

    @property
    def requests(self) -> int:
        """How many requests were made so far."""

    def get(self, key: str) -> Found | None:
        """An object's bytes and ETag, None where there is none."""

    def get_other(self, key: str, etag: str) -> Found | Unchanged | None:
        """The same, unless the object still has this ETag; a server may hand out its bytes even then."""

    def read(self, key: str) -> Iterator[bytes] | None:
        """An object's bytes piece by piece, for what may be big; None where there is none."""

    def inspect(self, key: str) -> Stored | None:
        """What an object is, by its bytes, which are streamed and not kept; None where there is none."""

    def put(self, upload: Upload, condition: Condition | None = None) -> Stored:
        """Write one object whole, or raise; with a checksum that the server compares."""

    def put_all(
        self, uploads: Sequence[Upload], on_uploaded: OnUploaded, condition: Condition | None = None
    ) -> Mapping[str, Stored | None]:
        """Write many, side by side; by key, None for those whose condition did not hold.

        The first error stops what has not begun and is raised when what has begun is at an end.
        """

    def list(self, prefix: str) -> Iterator[Listed]:
        """All objects whose keys begin with a prefix, in any order."""

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects; those that are not there do not matter."""
