"""What lies in a bucket, as far as provisioning is concerned: the error page, and emptying it for good."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from itertools import islice

from mirror_pipeline.adapters.aws import Client
from mirror_pipeline.adapters.provisioning.calls import ask, ask_if_there
from mirror_pipeline.domain.bucket_layout import ERROR_PAGE, error_page
from mirror_pipeline.domain.iam import VERSION, comparable_policy
from mirror_pipeline.domain.infra import Change, Kind, Observed, State
from mirror_pipeline.errors import CloudError

_ABSENT = ("NoSuchKey", "NoSuchBucket", "404")
_BATCH = 1000
"""As many objects as one request deletes or lists."""

Version = tuple[str, str]
"""A key, and a version of it or a delete marker."""


@dataclass(frozen=True, slots=True)
class ErrorPage:
    """What the distribution answers for what is not there."""

    client: Client
    bucket: str
    kind: Kind = "error page"
    name: str = ERROR_PAGE

    def read(self) -> Observed | None:
        """Its headers and its digest."""
        answer = ask_if_there(
            self.client,
            "get_object",
            _ABSENT,
            f"{self.bucket}/{self.name}",
            Bucket=self.bucket,
            Key=self.name,
        )
        if answer is None:
            return None
        state = {
            "ContentType": answer.get("ContentType"),
            "CacheControl": answer.get("CacheControl"),
            "SHA256": hashlib.sha256(answer["Body"].read()).hexdigest(),
        }
        return Observed(self.name, True, state)

    def create(self, wanted: State) -> Observed:
        """Write it."""
        page = error_page()
        checksum = base64.b64encode(bytes.fromhex(page.sha256)).decode()
        ask(
            self.client, "put_object", f"{self.bucket}/{self.name}", Bucket=self.bucket, Key=self.name,
            Body=page.source, ContentType=page.content_type, CacheControl=page.cache_control,
            ChecksumSHA256=checksum,
        )  # fmt: skip
        return Observed(self.name, True, wanted)

    def update(self, observed: Observed, wanted: State, changes: Collection[Change]) -> Observed:
        """Write it anew."""
        return self.create(wanted)

    def delete(self, observed: Observed) -> None:
        """Remove it with its older versions."""
        delete_versions(self.client, self.bucket, versions(self.client, self.bucket, self.name))


@dataclass(frozen=True, slots=True)
class BucketPolicy:
    """Who may read the bucket."""

    client: Client
    name: str
    kind: Kind = "bucket policy"

    def read(self) -> Observed | None:
        """The statements; a bucket without any has none."""
        absent = ("NoSuchBucketPolicy", "NoSuchBucket")
        answer = ask_if_there(self.client, "get_bucket_policy", absent, self.name, Bucket=self.name)
        if answer is None:
            return None
        return Observed(self.name, True, comparable_policy(json.loads(answer["Policy"])))

    def create(self, wanted: State) -> Observed:
        """Set it."""
        text = json.dumps({"Version": VERSION, **wanted})
        ask(self.client, "put_bucket_policy", self.name, Bucket=self.name, Policy=text)
        return Observed(self.name, True, wanted)

    def update(self, observed: Observed, wanted: State, changes: Collection[Change]) -> Observed:
        """Set it anew, whole."""
        return self.create(wanted)

    def delete(self, observed: Observed) -> None:
        """Take it off."""
        ask(self.client, "delete_bucket_policy", self.name, Bucket=self.name)


def versions(client: Client, bucket: str, prefix: str = "") -> Iterator[Version]:
    """Every version and delete marker in a bucket."""
    marker: dict[str, str] = {}
    while True:
        page = ask(client, "list_object_versions", bucket, Bucket=bucket, Prefix=prefix, **marker)
        for entry in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
            yield entry["Key"], entry["VersionId"]
        if not page.get("IsTruncated"):
            return
        marker = {"KeyMarker": page["NextKeyMarker"]}
        if page.get("NextVersionIdMarker"):
            marker["VersionIdMarker"] = page["NextVersionIdMarker"]


def empty(client: Client, bucket: str, prefix: str, on_deleted: Callable[[int], None]) -> None:
    """Delete every version for good. Each batch is listed from the start: a marker must not be deleted."""
    while batch := list(islice(versions(client, bucket, prefix), _BATCH)):
        delete_versions(client, bucket, iter(batch), on_deleted)


def delete_versions(
    client: Client, bucket: str, found: Iterator[Version], on_deleted: Callable[[int], None] = lambda _: None
) -> None:
    """Delete for good, batch by batch; one that S3 refuses is an error that names it."""
    while batch := list(islice(found, _BATCH)):
        objects = [{"Key": key, "VersionId": version} for key, version in batch]
        answer = ask(
            client, "delete_objects", bucket, Bucket=bucket, Delete={"Objects": objects, "Quiet": True}
        )
        if refused := answer.get("Errors"):
            first = refused[0]
            raise CloudError(
                f"s3: DeleteObjects {bucket}/{first['Key']}: {first['Code']}: {first.get('Message', '')}"
                + (f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""),
                service="s3", operation="DeleteObjects", code=first["Code"], resource=bucket,
            )  # fmt: skip
        on_deleted(len(batch))
