"""What provisioning works with: the account, and everything in it that is ours to make, read at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mirror_pipeline.adapters.aws import Aws
from mirror_pipeline.adapters.progress import Progress
from mirror_pipeline.adapters.provisioning.buckets import Bucket
from mirror_pipeline.adapters.provisioning.calls import Clients, Resource, account_number, clients_of
from mirror_pipeline.adapters.provisioning.certificates import Certificate
from mirror_pipeline.adapters.provisioning.distributions import Distribution
from mirror_pipeline.adapters.provisioning.front import Function, Named
from mirror_pipeline.adapters.provisioning.objects import BucketPolicy, ErrorPage
from mirror_pipeline.domain.cloud import Cloud
from mirror_pipeline.domain.edge import function_name
from mirror_pipeline.domain.infra import Kind, Observed, State
from mirror_pipeline.domain.infra_wanted import Known, mark, tags, wanted
from mirror_pipeline.errors import SettingsError

Pause = Callable[[float], None]
Seen = tuple[Resource, Observed | None]


@dataclass(frozen=True, slots=True)
class Account:
    """What provisioning works with. ``pause`` waits so many seconds."""

    cloud: Cloud
    clients: Clients
    progress: Progress
    pause: Pause

    @property
    def plain_http(self) -> bool:
        """Whether S3 is a test server without TLS."""
        return str(self.clients.s3.meta.endpoint_url).startswith("http://")

    def wanted(self, kind: Kind, known: Known) -> State:
        """What a resource is to look like."""
        return wanted(kind, self.cloud, known, plain_http=self.plain_http)


def account_of(cloud: Cloud, progress: Progress) -> Account:
    """The account that the settings name; makes no connection yet."""
    return Account(cloud, clients_of(Aws(cloud)), progress, time.sleep)


def resources(account: Account) -> Sequence[Resource]:
    """Everything that is made, in the order in which one needs the other."""
    cloud, clients = account.cloud, account.clients
    name, label, labels = function_name(cloud.bucket), mark(cloud.bucket), tags(cloud.bucket)
    s3, front = clients.s3, clients.cloudfront
    found: list[Resource] = []
    if cloud.log_bucket:
        found.append(Bucket(s3, "log bucket", cloud.log_bucket, cloud.region, labels))
    found += [
        Bucket(s3, "bucket", cloud.bucket, cloud.region, labels),
        ErrorPage(s3, cloud.bucket),
        Named(front, "origin access control", name, label),
        Named(front, "cache policy", name, label),
        Named(front, "response headers policy", name, label),
        Function(front, name, labels),
    ]
    if cloud.domain and not cloud.certificate:
        found.append(Certificate(clients.acm, cloud.domain, labels))
    return [*found, Distribution(front, cloud), BucketPolicy(s3, cloud.bucket)]


def name_of(resource: Resource, observed: Observed | None) -> str:
    """What a person is told: a distribution that is there by its id, which need not be the configured one."""
    return observed.id if observed and resource.kind == "distribution" else resource.name


def look(account: Account) -> tuple[Seen, ...]:
    """Read everything; changes nothing.

    Who asks comes first: STS says what is wrong with credentials, where a HEAD of S3's has no words for it.
    """
    if account.cloud.log_bucket == account.cloud.bucket:
        raise SettingsError(
            f"MIRROR_LOG_BUCKET={account.cloud.log_bucket!r} is the bucket that is published to",
            hint="logs need a bucket of their own",
            key="MIRROR_LOG_BUCKET", value=account.cloud.log_bucket, allowed="another bucket",
        )  # fmt: skip
    account_number(account.clients.sts)
    return tuple((resource, resource.read()) for resource in resources(account))
