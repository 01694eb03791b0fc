"""Which site a configuration means, wired from adapters; no connection is made before it is asked."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from mirror_pipeline.adapters import identity
from mirror_pipeline.adapters.aws import Aws, aws_errors
from mirror_pipeline.adapters.edge_function import EdgeFunction
from mirror_pipeline.adapters.objects import ObjectStore
from mirror_pipeline.adapters.s3_objects import S3Objects
from mirror_pipeline.domain.cloud import Cloud, Retention
from mirror_pipeline.domain.edge import function_name
from mirror_pipeline.domain.ledger import Writer
from mirror_pipeline.sites.books import Office
from mirror_pipeline.sites.bucket import BucketSite
from mirror_pipeline.sites.directory import DirectorySite
from mirror_pipeline.sites.edge_front import EdgeFront
from mirror_pipeline.sites.looking import BucketLooker, Looker
from mirror_pipeline.sites.placed_front import PlacedFront
from mirror_pipeline.sites.site import Site

_CLOUDFRONT = "us-east-1"


def site_for(cloud: Cloud, retention: Retention, home: Path, concurrency: int = 16) -> Site:
    """The site that is published to."""
    if cloud.mode == "directory":
        return DirectorySite(home)
    aws = Aws(cloud)
    store = S3Objects(aws)
    office = Office(store, writer, identity.is_alive, time.sleep)
    location = f"{cloud.public_url or store.name}"
    if cloud.mode == "generations":
        front: EdgeFront | PlacedFront = EdgeFront(
            store, functools.partial(edge_function, aws), cloud.distribution, _invalidation(aws)
        )
    else:
        front = PlacedFront(store, _invalidation(aws) if cloud.distribution else None)
    looker = _looker(cloud, store, concurrency)
    return BucketSite(store, office, front, looker, location, retention)


def writer() -> Writer:
    """This process, now."""
    return Writer(identity.user(), identity.host(), identity.process(), time.time())


def edge_function(aws: Aws) -> EdgeFunction:
    """The function that holds the pointer of the configured bucket."""
    return EdgeFunction(aws.client("cloudfront", _CLOUDFRONT), function_name(aws.cloud.bucket))


def _looker(cloud: Cloud, store: ObjectStore, concurrency: int) -> Looker:
    if cloud.public_url:
        from mirror_pipeline.sites.http_looking import HttpLooker

        return HttpLooker(cloud.public_url, cloud.login, concurrency, guarded=cloud.on_aws)
    return BucketLooker(store)


def _invalidation(aws: Aws) -> Callable[[Sequence[str]], None]:
    """Tells the configured distribution to forget paths, in one request."""

    def invalidate(paths: Sequence[str]) -> None:
        client, distribution = aws.client("cloudfront", _CLOUDFRONT), aws.cloud.distribution
        batch = {
            "Paths": {"Quantity": len(paths), "Items": list(paths)},
            "CallerReference": f"mirror-pipeline-{time.time_ns()}",
        }
        with aws_errors("cloudfront", "CreateInvalidation", distribution):
            client.create_invalidation(DistributionId=distribution, InvalidationBatch=batch)

    return invalidate
