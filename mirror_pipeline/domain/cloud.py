"""Where a mirror is published besides a directory, as configured: bucket, distribution, how, and how long;
and where it is kept besides ``MIRROR_HOME``.

Values only. Reading them from ``config.env`` is ``cloud_settings``; what AWS has of them is the adapters'.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

PublishMode = Literal["directory", "generations", "in-place"]
"""``generations``: pages below ``g/<n>/``, one pointer at the edge. ``in-place``: pages where clients ask."""


@dataclass(frozen=True, slots=True)
class Cloud:
    """All that is configured about the bucket and what stands before it. Empty texts: not configured."""

    bucket: str = ""
    profile: str = ""
    region: str = "us-east-1"
    endpoint: str = ""
    """Another S3 server (``S3_ENDPOINT_URL``); empty is AWS."""
    distribution: str = ""
    distribution_domain: str = ""
    oac: str = ""
    mode: PublishMode = "directory"
    public_url: str = ""
    """What clients are told, without a trailing slash; empty where only the bucket's own address is known."""
    login: str = field(default="", repr=False)
    """``name:token`` for asking a private mirror as a client would. A secret."""
    domain: str = ""
    """A host name of one's own for the distribution."""
    certificate: str = ""
    """ARN of the certificate for ``domain``, in us-east-1; empty: one is requested."""
    log_bucket: str = ""
    kms_key: str = ""

    @property
    def on_aws(self) -> bool:
        """Whether bucket and distribution are provisioned by this project (``infra``)."""
        return self.mode == "generations"


@dataclass(frozen=True, slots=True)
class StorePlace:
    """A wheel store and documents in a bucket (``MIRROR_STORE_URL``), for workers that share no disk."""

    bucket: str
    prefix: str = ""
    """Without slashes at its ends."""

    @property
    def url(self) -> str:
        """As it is configured."""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    def key(self, name: str) -> str:
        """Where something of the store lies in the bucket."""
        return f"{self.prefix}/{name}" if self.prefix else name


@dataclass(frozen=True, slots=True)
class Retention:
    """How long generations, and packages that only they name, stay."""

    keep: int = 10
    """So many of the newest complete generations, the live one among them or besides."""
    grace_days: int = 7
    """What was live within so many days stays, since a client may still hold its pages."""
