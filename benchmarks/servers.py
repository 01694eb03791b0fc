"""Servers that a bucket is published to for a benchmark, each started here, and publishers that use them.

What belongs here: starting them, and what their clients need. What does not: what is measured
(``publishing``).
"""

from __future__ import annotations

import os
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sink import COUNTER, run_sink

from mirror_pipeline.adapters import identity
from mirror_pipeline.adapters.aws import Aws
from mirror_pipeline.adapters.edge_function import EdgeFunction
from mirror_pipeline.adapters.s3_objects import S3Objects
from mirror_pipeline.domain.cloud import Cloud
from mirror_pipeline.domain.edge import Edge
from mirror_pipeline.domain.objects import Upload
from mirror_pipeline.sites.books import Office
from mirror_pipeline.sites.bucket import BucketSite
from mirror_pipeline.sites.choosing import writer
from mirror_pipeline.sites.edge_front import EdgeFront
from mirror_pipeline.sites.looking import BucketLooker
from mirror_pipeline.sites.placed_front import PlacedFront
from mirror_pipeline_tests.aws_servers import REGION, Keys, free_port, run_ministack, run_rclone
from mirror_pipeline_tests.sites.places import FUNCTION, FakeCloudFront

_LATENCY = 0.03
_KEYS = Keys("AKIDFORTHEBENCHMARK", "secret-for-the-benchmark")


class Recorder(S3Objects):
    """The bucket as it is published to, with what is sent in bulk and how long that takes."""

    def __init__(self, aws: Aws) -> None:
        super().__init__(aws)
        self.sent: list[Upload] = []
        self.sending = 0.0

    def put_all(self, uploads: Sequence[Upload], *rest: Any) -> Any:
        """As ever."""
        started = time.perf_counter()
        try:
            return super().put_all(uploads, *rest)
        finally:
            self.sending += time.perf_counter() - started
            self.sent += uploads


@dataclass
class Server:
    """A server to publish to, and how."""

    name: str
    mode: str
    url: str = ""
    functions: Callable[[str], Callable[[], EdgeFunction]] | None = None
    """Per bucket, where generations are shown by one."""
    buckets: list[str] = field(default_factory=list)
    threads: int = 16
    """Of boto3."""

    def client(self) -> Any:
        """boto3 as who wants the most of it would set it up: a connection per thread, no checksums."""
        import boto3
        from botocore.config import Config

        config = Config(
            max_pool_connections=self.threads,
            s3={"addressing_style": "path"} if self.url else {},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        return boto3.Session().client("s3", endpoint_url=self.url or None, config=config)

    def bucket(self) -> str:
        """A new bucket."""
        name = f"mirror-benchmark-{uuid.uuid4().hex[:12]}"
        self.client().create_bucket(Bucket=name)
        self.buckets.append(name)
        return name

    def site(self, bucket: str) -> tuple[BucketSite, Recorder]:
        """A new publisher to a bucket, and what it sends."""
        region = os.environ.get("AWS_DEFAULT_REGION", REGION)
        store = Recorder(Aws(Cloud(bucket=bucket, endpoint=self.url, region=region)))
        office = Office(store, writer, identity.is_alive, time.sleep)
        front = EdgeFront(store, self.functions(bucket)) if self.functions else PlacedFront(store)
        return BucketSite(store, office, front, BucketLooker(store), store.name), store

    def requests(self) -> int | None:
        """How many requests it got since the last question; None where it does not tell."""
        if self.name != "sink":
            return None
        with urllib.request.urlopen(self.url + COUNTER) as answer:  # noqa: S310 - http, loopback
            return int(answer.read())

    def empty(self) -> None:
        """Remove every bucket that was made, and what is in it.

        Those of rclone go with its folder: some file systems are slow to write after much was removed.
        """
        if self.name == "rclone":
            return
        client = self.client()
        while self.buckets:
            bucket = self.buckets.pop()
            for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
                keys = [{"Key": found["Key"]} for found in page.get("Contents", ())]
                if keys:
                    client.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
            if self.name == "own":
                client.delete_bucket(Bucket=bucket)


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Variables of AWS as they should be, and no others."""
    before = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("AWS_")}
    os.environ.update({"AWS_DEFAULT_REGION": REGION, "AWS_EC2_METADATA_DISABLED": "true", **values})
    try:
        yield
    finally:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            del os.environ[name]
        os.environ.update(before)


@contextmanager
def running(name: str, endpoint: str) -> Iterator[Server]:
    """One of the servers, with the environment that its clients need."""
    with ExitStack() as stack:
        if name == "own":
            yield Server(name, "in place", endpoint)
        elif name == "rclone":
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="mirror-bench-rclone-"))
            rclone = stack.enter_context(run_rclone(Path(folder)))
            stack.enter_context(environment(rclone.environment()))
            yield Server(name, "in place", rclone.url)
        elif name == "ministack":
            ministack = stack.enter_context(run_ministack())
            stack.enter_context(environment(ministack.environment()))
            yield Server(name, "generations", ministack.url, functions_of(ministack.client("cloudfront")))
        else:
            url = stack.enter_context(run_sink(free_port(), _LATENCY if name == "distant" else 0.0))
            keys = {"AWS_ACCESS_KEY_ID": _KEYS.access, "AWS_SECRET_ACCESS_KEY": _KEYS.secret}
            stack.enter_context(environment(keys))
            yield Server(name, "generations", url, functions_of(FakeCloudFront()))


def functions_of(client: Any) -> Callable[[str], Callable[[], EdgeFunction]]:
    """A function for each bucket, made when the bucket is first published to."""
    made: set[str] = set()

    def of(bucket: str) -> Callable[[], EdgeFunction]:
        name = f"{FUNCTION}-{bucket}"[:64]
        if name not in made:
            EdgeFunction(client, name).create(Edge(), {})
            made.add(name)
        return lambda: EdgeFunction(client, name)

    return of
