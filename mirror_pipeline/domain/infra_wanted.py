"""What the provisioned resources are to look like, as the services' own configurations. Pure.

What belongs here: the bucket, its log bucket, the policies of the edge and the certificate. The distribution,
which ties them together, is ``domain.infra_distribution``; who may do what is ``domain.iam``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from mirror_pipeline.domain.bucket_layout import error_page
from mirror_pipeline.domain.cloud import Cloud
from mirror_pipeline.domain.edge import function_name
from mirror_pipeline.domain.iam import TAG, bucket_policy, comparable_policy
from mirror_pipeline.domain.infra import UNKNOWN, Kind, Observed, State, listed
from mirror_pipeline.domain.infra_distribution import distribution_config

NEWER_KEPT, NONCURRENT_DAYS, UPLOAD_DAYS, LOG_DAYS = 3, 30, 2, 90
DEFAULT_TTL, LONGEST_TTL = 60, 31_536_000
"""Seconds an answer is kept that says nothing of it, and the most it may ask for."""
VARIES_BY = "Accept, Accept-Encoding"
CURRENT_CODE = "current"
_OLD_LOGS = "old-logs"
ISSUED = "ISSUED"


def mark(bucket: str) -> str:
    """The comment that marks what has no tags."""
    return f"mirror-pipeline: {bucket}"


def tags(bucket: str) -> Mapping[str, str]:
    """The tags of everything that can have some."""
    return {TAG: bucket}


@dataclass(frozen=True, slots=True)
class Known:
    """Ids and ARNs that other resources are made with, as far as they are known."""

    cache_policy: str = UNKNOWN
    headers_policy: str = UNKNOWN
    oac: str = UNKNOWN
    function: str = UNKNOWN
    certificate: str = UNKNOWN
    distribution: str = UNKNOWN

    def after(self, kind: Kind, observed: Observed | None) -> Known:
        """The same with what a resource adds."""
        attribute = _ADDS.get(kind)
        if observed is None or attribute is None:
            return self
        return replace(self, **{attribute: observed.arn or observed.id})


_ADDS: Mapping[Kind, str] = MappingProxyType(
    {
        "cache policy": "cache_policy",
        "response headers policy": "headers_policy",
        "origin access control": "oac",
        "function": "function",
        "certificate": "certificate",
        "distribution": "distribution",
    }
)


def wanted(kind: Kind, cloud: Cloud, known: Known, *, plain_http: bool = False) -> State:
    """What one resource is to look like. ``plain_http``: S3 is a test server without TLS."""
    if kind == "distribution":
        ids = {"cache_policy": known.cache_policy, "headers_policy": known.headers_policy}
        ids |= {"oac": known.oac, "function": known.function, "certificate": known.certificate}
        return {**distribution_config(cloud, mark(cloud.bucket), ids), "Tags": tags(cloud.bucket)}
    if kind == "bucket policy":
        policy = bucket_policy(cloud.bucket, known.distribution, plain_http=plain_http)
        return comparable_policy(policy)
    return _SIMPLE[kind](cloud)


def _bucket(cloud: Cloud) -> State:
    return {
        "Ownership": "BucketOwnerEnforced",
        "PublicAccess": _no_public_access(),
        "Versioning": "Enabled",
        "Encryption": _encryption(cloud.kms_key),
        "Lifecycle": _lifecycle(),
        "Tags": tags(cloud.bucket),
    }


def _lifecycle() -> State:
    """The rules by their ids.

    What is overwritten keeps its newest old versions; of a removed package or page the only old version goes.
    A rule cannot leave a prefix out, hence one for each. Where no version is left, the marker goes as well.
    """
    old = {"NoncurrentDays": NONCURRENT_DAYS}
    gone = (("packages", "packages/"), ("pages", "g/"), ("pages-in-place", "simple/"))
    books = {**old, "NewerNoncurrentVersions": NEWER_KEPT}
    upload = {"DaysAfterInitiation": UPLOAD_DAYS}
    return _rules(
        _rule("noncurrent-versions", ".mirror/", NoncurrentVersionExpiration=books),
        *(_rule(f"noncurrent-{name}", prefix, NoncurrentVersionExpiration=old) for name, prefix in gone),
        _rule("delete-markers", Expiration={"ExpiredObjectDeleteMarker": True}),
        _rule("unfinished-uploads", AbortIncompleteMultipartUpload=upload),
    )


def rules_of_others(rules: Collection[str]) -> tuple[str, ...]:
    """The ids of lifecycle rules that are not written here; they stay, whatever they do."""
    return tuple(sorted(set(rules) - _lifecycle().keys() - {_OLD_LOGS}))


def _log_bucket(cloud: Cloud) -> State:
    """Standard logs are delivered with an ACL, which BucketOwnerEnforced would refuse."""
    return {
        "Ownership": "BucketOwnerPreferred",
        "PublicAccess": _no_public_access(),
        "Encryption": _encryption(""),
        "Lifecycle": _rules(
            _rule(
                _OLD_LOGS,
                Expiration={"Days": LOG_DAYS},
                AbortIncompleteMultipartUpload={"DaysAfterInitiation": UPLOAD_DAYS},
            )
        ),
    }


def _no_public_access() -> State:
    names = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    return dict.fromkeys(names, True)


def _encryption(kms_key: str) -> State:
    if kms_key:  # the bucket key saves a request to KMS for each object
        return {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": kms_key, "BucketKeyEnabled": True}
    return {"SSEAlgorithm": "AES256"}


def _rule(name: str, prefix: str = "", **what: object) -> State:
    return {"ID": name, "Status": "Enabled", "Filter": {"Prefix": prefix}, **what}


def _rules(*rules: State) -> State:
    """By id, so that a comparison passes over the rules of others."""
    return {rule["ID"]: rule for rule in rules}


def _error_page(_cloud: Cloud) -> State:
    page = error_page()
    return {"ContentType": page.content_type, "CacheControl": page.cache_control, "SHA256": page.sha256}


def _cache_policy(cloud: Cloud) -> State:
    """As long as the origin says; nothing but the path in the key, which the function has made it."""
    return {
        "Name": function_name(cloud.bucket),
        "Comment": mark(cloud.bucket),
        "MinTTL": 0,
        "DefaultTTL": DEFAULT_TTL,
        "MaxTTL": LONGEST_TTL,
        "ParametersInCacheKeyAndForwardedToOrigin": {
            "EnableAcceptEncodingGzip": False,  # the .gz objects are chosen by the function
            "EnableAcceptEncodingBrotli": False,
            "HeadersConfig": {"HeaderBehavior": "none"},
            "CookiesConfig": {"CookieBehavior": "none"},
            "QueryStringsConfig": {"QueryStringBehavior": "none"},
        },
    }


def _headers_policy(cloud: Cloud) -> State:
    """No CORS: with it CloudFront writes a ``Vary`` of its own over this one."""
    vary = {"Header": "Vary", "Value": VARIES_BY, "Override": True}
    return {
        "Name": function_name(cloud.bucket),
        "Comment": mark(cloud.bucket),
        "SecurityHeadersConfig": {
            "StrictTransportSecurity": {
                "Override": True,
                "AccessControlMaxAgeSec": LONGEST_TTL,
                "IncludeSubdomains": False,
                "Preload": False,
            },
            "ContentTypeOptions": {"Override": True},
            "ReferrerPolicy": {"Override": True, "ReferrerPolicy": "no-referrer"},
        },
        "CustomHeadersConfig": listed([vary]),
        "RemoveHeadersConfig": listed([]),
        "CorsConfig": None,
    }


def _oac(cloud: Cloud) -> State:
    return {
        "Name": function_name(cloud.bucket),
        "Description": mark(cloud.bucket),
        "SigningProtocol": "sigv4",
        "SigningBehavior": "always",
        "OriginAccessControlOriginType": "s3",
    }


def _function(_cloud: Cloud) -> State:
    return {"Code": CURRENT_CODE}


def _certificate(cloud: Cloud) -> State:
    return {"DomainName": cloud.domain, "Status": ISSUED}


_SIMPLE = {
    "bucket": _bucket,
    "log bucket": _log_bucket,
    "error page": _error_page,
    "cache policy": _cache_policy,
    "response headers policy": _headers_policy,
    "origin access control": _oac,
    "function": _function,
    "certificate": _certificate,
}
