"""The objects of an S3 bucket: bulk by obstore's synchronous calls in threads, big files by boto3.

boto3 alone spends about 4 ms of the interpreter's time on each request, whatever the threads; obstore works
outside of it. Its asynchronous interface is not used: it was seen to abort at the end of the interpreter. Big
files go by boto3, because it streams them and writes them in one part, so that conditions and whole-object
checksums hold for them too. What does not belong here: which objects (``domain.bucket_layout``).
"""

from __future__ import annotations

import base64
import functools
import hashlib
import io
import itertools
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from mirror_pipeline.adapters.aws import Aws, Client, aws_errors
from mirror_pipeline.adapters.files import disk_errors, sha256_of
from mirror_pipeline.adapters.objects import OnUploaded
from mirror_pipeline.adapters.s3_bulk import bulk_store
from mirror_pipeline.adapters.s3_errors import not_removed, object_errors
from mirror_pipeline.adapters.side_by_side import side_by_side
from mirror_pipeline.domain.objects import Condition, Found, IfAbsent, Listed, Stored, Unchanged, Upload
from mirror_pipeline.errors import CloudError, PreconditionError

if TYPE_CHECKING:
    from obstore.store import S3Store

BIG = 8 * 1024 * 1024
"""Bytes from which on a file is streamed and not held in memory."""
_MOST = 5 * 1024**3
"""What S3 takes in one part."""
_THREADS = 48
_BIG_AT_ONCE, _FOLDERS_AT_ONCE = 4, 10
"""Those that go by boto3: it keeps ten connections."""
_BATCH = 1000
_PIECE = 1 << 20


class S3Objects:
    """The configured bucket of an account. Making it makes no request.

    ``requests`` counts what was asked, without repetitions inside the clients.
    """

    def __init__(self, aws: Aws, retries: int = 5) -> None:
        self._aws, self._bucket, self._retries = aws, aws.cloud.bucket, retries
        self._asked = 0
        self._counting, self._telling, self._opening = threading.Lock(), threading.Lock(), threading.RLock()

    @property
    def _client(self) -> Client:
        """Made when something is asked: importing boto3 takes longer than most commands."""
        with self._opening:  # many may ask first, and boto3 makes one client at a time
            return self._made_client

    @property
    def _store(self) -> S3Store:
        with self._opening:
            return self._made_store

    @functools.cached_property
    def _made_client(self) -> Client:
        return self._aws.client("s3")

    @functools.cached_property
    def _made_store(self) -> S3Store:
        return bulk_store(self._aws, lambda: self._client, self._retries)

    @property
    def name(self) -> str:
        """The bucket, for people."""
        return f"s3://{self._bucket}"

    @property
    def requests(self) -> int:
        """How many requests were made so far."""
        return self._asked

    def get(self, key: str) -> Found | None:
        """An object's bytes and ETag, None where there is none."""
        with object_errors(self._bucket, "get", key):
            answer = self._answer(key)
            return None if answer is None else _found(answer)

    def get_other(self, key: str, etag: str) -> Found | Unchanged | None:
        """The same, unless the object still has this ETag."""
        from obstore.exceptions import NotModifiedError

        with object_errors(self._bucket, "get", key):
            try:
                answer = self._answer(key, {"if_none_match": f'"{etag}"'})
            except NotModifiedError:
                return Unchanged()
            return None if answer is None else _found(answer)

    def read(self, key: str) -> Iterator[bytes] | None:
        """An object's bytes piece by piece; None where there is none."""
        with object_errors(self._bucket, "get", key):
            answer = self._answer(key)
        return None if answer is None else self._pieces(key, answer)

    def _pieces(self, key: str, answer: Any) -> Iterator[bytes]:
        with object_errors(self._bucket, "get", key):
            for piece in answer.stream(min_chunk_size=_PIECE):
                yield bytes(piece)

    def _answer(self, key: str, options: Any = None) -> Any:
        import obstore

        self._count()
        try:
            return obstore.get(self._store, key, options=options)
        except FileNotFoundError as error:
            self._refuse_no_bucket(error, key)
            return None

    def inspect(self, key: str) -> Stored | None:
        """What an object is: by the checksum the server keeps of it, else by its bytes."""
        self._count()
        with aws_errors("s3", "HeadObject", key):
            try:
                head = self._client.head_object(Bucket=self._bucket, Key=key, ChecksumMode="ENABLED")
            except self._client.exceptions.ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                    return None
                raise
        checksum, etag = head.get("ChecksumSHA256", ""), _unquoted(head["ETag"])
        if checksum and head.get("ChecksumType", "FULL_OBJECT") == "FULL_OBJECT" and "-" not in checksum:
            return Stored(base64.b64decode(checksum).hex(), head["ContentLength"], etag)
        return Stored(self._hashed(key), head["ContentLength"], etag)

    def put(self, upload: Upload, condition: Condition | None = None) -> Stored:
        """Write one object whole, with a SHA-256 that the server compares."""
        import obstore

        if _is_for_boto3(upload):
            return self._put_by_boto3(upload, condition)
        content = _content(upload)
        attributes: Any = {"Content-Type": upload.content_type, "Cache-Control": upload.cache_control}
        if upload.content_encoding:
            attributes["Content-Encoding"] = upload.content_encoding
        self._count()
        with object_errors(self._bucket, "put", upload.key, _expected(condition)):
            mode = _mode(condition)
            answer = obstore.put(
                self._store, upload.key, content, attributes=attributes, mode=mode, use_multipart=False
            )
        return Stored(upload.sha256, upload.size, _unquoted(answer["e_tag"]))

    def put_all(
        self, uploads: Sequence[Upload], on_uploaded: OnUploaded, condition: Condition | None = None
    ) -> Mapping[str, Stored | None]:
        """Write many side by side, the biggest first; by key, None for those whose condition did not hold."""

        def one(upload: Upload) -> tuple[str, Stored | None]:
            try:
                stored = self.put(upload, condition)
            except PreconditionError:
                return upload.key, None
            with self._telling:  # whoever is told may ask something here
                on_uploaded(upload)
            return upload.key, stored

        return dict(side_by_side(one, sorted(uploads, key=lambda upload: -upload.size), _at_once))

    def list(self, prefix: str) -> Iterator[Listed]:
        """All objects whose keys begin with a prefix."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
        with aws_errors("s3", "ListObjectsV2", f"{self.name}/{prefix}"):
            for page in pages:
                self._count()
                for found in page.get("Contents", ()):
                    etag, modified = _unquoted(found["ETag"]), found["LastModified"].timestamp()
                    yield Listed(found["Key"], found["Size"], etag, modified)

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects, a thousand per request; what could not be removed is an error that names it."""
        waiting = iter(keys)
        while batch := [{"Key": key} for key in itertools.islice(waiting, _BATCH)]:
            self._count()
            with aws_errors("s3", "DeleteObjects", self.name):
                answer = self._client.delete_objects(
                    Bucket=self._bucket, Delete={"Objects": batch, "Quiet": True}
                )
            if errors := answer.get("Errors"):
                raise not_removed(errors[0], len(errors))

    def _hashed(self, key: str) -> str:
        self._count()
        digest = hashlib.sha256()
        with aws_errors("s3", "GetObject", key):
            body = self._client.get_object(Bucket=self._bucket, Key=key)["Body"]
            for chunk in body.iter_chunks(_PIECE):
                digest.update(chunk)
        return digest.hexdigest()

    def _put_by_boto3(self, upload: Upload, condition: Condition | None) -> Stored:
        """One part, streamed from the file; the checksum is the one the lock names, so the server decides."""
        if upload.size > _MOST:
            raise CloudError(
                f"{upload.key}: {upload.size} bytes are more than S3 takes in one part", key=upload.key
            )
        self._count()
        conditions = {} if condition is None else (
            {"IfNoneMatch": "*"} if isinstance(condition, IfAbsent) else {"IfMatch": f'"{condition.etag}"'}
        )  # fmt: skip
        encoding = {"ContentEncoding": upload.content_encoding} if upload.content_encoding else {}
        with aws_errors("s3", "PutObject", upload.key), _opened(upload) as body:
            answer = self._client.put_object(
                Bucket=self._bucket, Key=upload.key, Body=body, ContentType=upload.content_type,
                CacheControl=upload.cache_control,
                ChecksumSHA256=base64.b64encode(bytes.fromhex(upload.sha256)).decode(),
                **conditions, **encoding,
            )  # fmt: skip
        return Stored(upload.sha256, upload.size, _unquoted(answer["ETag"]))

    def _refuse_no_bucket(self, error: FileNotFoundError, key: str) -> None:
        """That an object is not there is an answer; that the bucket is not there is none."""
        if "NoSuchBucket" in str(error):
            raise CloudError(
                f"s3: the bucket {self._bucket} does not exist",
                hint="make it first; 'mirror-pipeline infra apply' makes the one that BUCKET_NAME names",
                service="s3", operation="get", code="NoSuchBucket", resource=key,
            ) from error  # fmt: skip

    def _count(self) -> None:
        with self._counting:
            self._asked += 1


def _is_for_boto3(upload: Upload) -> bool:
    """What is streamed, and keys that end in a slash: obstore has neither."""
    return (isinstance(upload.source, Path) and upload.size > BIG) or upload.key.endswith("/")


def _at_once(upload: Upload) -> int:
    """How many such are under way side by side."""
    if not _is_for_boto3(upload):
        return _THREADS
    return _FOLDERS_AT_ONCE if upload.size <= BIG else _BIG_AT_ONCE


def _content(upload: Upload) -> bytes:
    """The bytes, which are those that were announced, or an error."""
    if isinstance(upload.source, Path):
        with disk_errors(upload.source):
            content = upload.source.read_bytes()
    else:
        content = upload.source
    _refuse_other_bytes(upload, hashlib.sha256(content).hexdigest())
    return content


@contextmanager
def _opened(upload: Upload) -> Iterator[IO[bytes]]:
    """The bytes as a stream, looked at before: not every server compares the checksum that it is sent."""
    if isinstance(upload.source, bytes):
        yield io.BytesIO(_content(upload))
        return
    with disk_errors(upload.source):
        _refuse_other_bytes(upload, sha256_of(upload.source))
        stream = upload.source.open("rb")
    with stream:
        yield stream


def _refuse_other_bytes(upload: Upload, actual: str) -> None:
    if actual != upload.sha256:
        raise CloudError(
            f"{upload.key}: the local bytes are not those to publish: expected {upload.sha256}, got {actual}",
            hint="'mirror-pipeline refresh --repair' fetches what is damaged",
            key=upload.key,
            expected=upload.sha256,
            actual=actual,
        )


def _found(answer: Any) -> Found:
    return Found(bytes(answer.bytes()), _unquoted(answer.meta["e_tag"]))


def _mode(condition: Condition | None) -> Any:
    if condition is None:
        return "overwrite"
    return "create" if isinstance(condition, IfAbsent) else {"e_tag": f'"{condition.etag}"'}


def _expected(condition: Condition | None) -> str | None:
    return None if condition is None or isinstance(condition, IfAbsent) else condition.etag


def _unquoted(etag: str | None) -> str:
    return (etag or "").strip('"')
