"""Who may do what, as policy documents: the bucket's own, a publisher's, a worker's, a provisioner's. Pure.

The publisher writes objects and moves the pointer; a worker reads and writes the wheel store, where that is
in a bucket; the provisioner makes and removes what is published to, and touches no published object. ARNs
name one bucket, one function and, once it exists, one distribution.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mirror_pipeline.domain.bucket_layout import ERROR_PAGE
from mirror_pipeline.domain.cloud import Cloud, StorePlace
from mirror_pipeline.domain.edge import function_name

Policy = Mapping[str, Any]
Statement = dict[str, Any]

VERSION = "2012-10-17"
TAG = "mirror-pipeline"
"""The tag that marks what this project made; its value is the bucket."""
PREFIXES = ("packages/*", "g/*", "simple/*", ".mirror/*")
"""Keys of a publication in any mode."""
IN_PLACE = ("index.html", "manifest.json", "requirements*", "pylock/*", "project/*", "assets/*")
"""Public keys that lie at the top of the bucket in in-place mode, besides ``simple/``."""

_TEXTS = ("Sid", "Effect")
_WRITE = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload")
_WORK = tuple(action for action in _WRITE if action != "s3:DeleteObject")
_POINTER = ("DescribeFunction", "GetFunction", "UpdateFunction", "PublishFunction")
_BUCKET = (
    "s3:CreateBucket", "s3:DeleteBucket", "s3:ListBucket", "s3:ListBucketVersions", "s3:TagResource",
    "s3:GetBucketTagging", "s3:PutBucketTagging", "s3:GetBucketVersioning", "s3:PutBucketVersioning",
    "s3:GetBucketPublicAccessBlock", "s3:PutBucketPublicAccessBlock", "s3:GetBucketOwnershipControls",
    "s3:PutBucketOwnershipControls", "s3:GetEncryptionConfiguration", "s3:PutEncryptionConfiguration",
    "s3:GetLifecycleConfiguration", "s3:PutLifecycleConfiguration", "s3:GetBucketPolicy",
    "s3:PutBucketPolicy", "s3:DeleteBucketPolicy",
)  # fmt: skip
_LOG_BUCKET = (
    *(action for action in _BUCKET if "Policy" not in action),
    "s3:GetBucketAcl",
    "s3:PutBucketAcl",
)
"""CloudFront changes the log bucket's ACL with the rights of whoever sets up logging."""
_FOR_ALL = (
    "ListDistributions", "ListOriginAccessControls", "ListCachePolicies", "ListResponseHeadersPolicies",
    "CreateDistribution", "CreateOriginAccessControl", "CreateCachePolicy", "CreateResponseHeadersPolicy",
    "CreateFunction",
)  # fmt: skip
"""Actions that AWS ties to no resource."""


def bucket_policy(bucket: str, distribution: str, *, plain_http: bool = False) -> Policy:
    """One distribution reads, and nobody speaks without TLS, unless the server has none.

    The distribution may list as well, since otherwise S3 answers 403 for what is not there.
    """
    arn = _s3(bucket)
    front = {
        "Effect": "Allow",
        "Principal": {"Service": "cloudfront.amazonaws.com"},
        "Condition": {"StringEquals": {"AWS:SourceArn": distribution}},
    }
    statements = [
        {"Sid": "DistributionReads", **front, "Action": "s3:GetObject", "Resource": f"{arn}/*"},
        {"Sid": "DistributionLists", **front, "Action": "s3:ListBucket", "Resource": arn},
    ]
    return _document(statements if plain_http else [*statements, _only_tls(arn)])


def _only_tls(arn: str) -> Statement:
    return {
        "Sid": "OnlyTls",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def comparable_policy(policy: Policy) -> Policy:
    """A policy as it is compared: AWS makes lists of one into texts and the other way round."""
    statements = policy.get("Statement", ())
    found = [statements] if isinstance(statements, Mapping) else statements
    return {"Statement": [_comparable(statement) for statement in found]}


def _comparable(statement: Mapping[str, Any]) -> Statement:
    found = {key: value if key in _TEXTS else _in_lists(value) for key, value in statement.items()}
    if found.get("Principal") in (["*"], {"AWS": ["*"]}):
        found["Principal"] = "*"
    return found


def _in_lists(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _in_lists(inner) for key, inner in value.items()}
    return list(value) if isinstance(value, list | tuple) else [value]


def worker_policy(store: StorePlace) -> Policy:
    """What a machine needs that does not publish: the store, from which it removes nothing."""
    return _document(_store_statements(store, _WORK))


def _store_statements(store: StorePlace, actions: Sequence[str]) -> Sequence[Statement]:
    objects = [f"{_s3(store.bucket)}/{store.key('*')}"]
    return [_allow("Store", actions, objects), _allow("StoreList", ["s3:ListBucket"], [_s3(store.bucket)])]


def publisher_policy(cloud: Cloud, account: str, store: StorePlace | None = None) -> Policy:
    """What ``refresh``, ``rollback``, ``gc`` and ``token`` need, and no more.

    ListBucket has no condition on the prefix: with one, S3 would answer 403 for an object that is not there.
    """
    keys = (*PREFIXES, *(IN_PLACE if cloud.mode == "in-place" else ()))
    objects = [f"{_s3(cloud.bucket)}/{key}" for key in keys]
    statements = [
        _allow("Objects", _WRITE, objects),
        _allow("List", ["s3:ListBucket"], [_s3(cloud.bucket)]),
        *_key_statement(cloud),
    ]
    if cloud.mode != "in-place":
        statements.append(_allow("Pointer", _front(_POINTER), [_function(cloud, account)]))
    if cloud.distribution:
        actions = _front(("CreateInvalidation", "GetInvalidation"))
        statements.append(_allow("Invalidation", actions, [_distribution(cloud, account)]))
    if store:
        statements += _store_statements(store, _WRITE)
    return _document(statements)


def provisioner_policy(cloud: Cloud, account: str, *, delete_objects: bool = False) -> Policy:
    """What ``infra plan``, ``apply`` and ``destroy`` need; objects only for ``--delete-objects``."""
    bucket, page = _s3(cloud.bucket), f"{_s3(cloud.bucket)}/{ERROR_PAGE}"
    removal = ("s3:DeleteObject", "s3:DeleteObjectVersion")
    statements = [
        _allow("Bucket", _BUCKET, [bucket]),
        _allow("ErrorPage", ("s3:GetObject", "s3:PutObject", *removal), [page]),
        *_key_statement(cloud),
        *_front_statements(cloud, account),
    ]
    if delete_objects:
        statements.append(_allow("DeleteObjects", removal, [f"{bucket}/*"]))
    if cloud.log_bucket:
        statements.append(_allow("LogBucket", _LOG_BUCKET, [_s3(cloud.log_bucket)]))
    if cloud.domain and not cloud.certificate:
        statements += _certificate_statements(cloud, account)
    return _document(statements)


def _front_statements(cloud: Cloud, account: str) -> Iterator[Statement]:
    distribution, function = _distribution(cloud, account), _function(cloud, account)
    yield _allow("FrontMake", _front(_FOR_ALL), ["*"])
    yield _allow("FrontDistribution", _front(_all_but_create("Distribution")), [distribution])
    for name, path in (
        ("OriginAccessControl", "origin-access-control"),
        ("CachePolicy", "cache-policy"),
        ("ResponseHeadersPolicy", "response-headers-policy"),
    ):
        everyone = f"arn:aws:cloudfront::{account}:{path}/*"
        yield _allow(f"Front{name}", _front(_all_but_create(name)), [everyone])
    yield _allow("FrontFunction", _front((*_POINTER, "DeleteFunction")), [function])
    any_distribution = f"arn:aws:cloudfront::{account}:distribution/*"
    yield _allow("FrontTags", ["cloudfront:ListTagsForResource"], [any_distribution, function])
    yield _tagging("FrontTag", "cloudfront:TagResource", cloud.bucket)


def _certificate_statements(cloud: Cloud, account: str) -> Iterator[Statement]:
    certificates = f"arn:aws:acm:us-east-1:{account}:certificate/*"
    known = ("acm:DescribeCertificate", "acm:ListTagsForCertificate", "acm:DeleteCertificate")
    yield _allow("CertificateMake", ("acm:ListCertificates", "acm:RequestCertificate"), ["*"])
    yield _allow("Certificate", known, [certificates])
    yield _tagging("CertificateTag", "acm:AddTagsToCertificate", cloud.bucket)


def _tagging(sid: str, action: str, bucket: str) -> Statement:
    """Tagging while something is made names no resource yet: what it may be tagged with is ruled instead."""
    only_ours = {"StringEquals": {f"aws:RequestTag/{TAG}": bucket}}
    return {**_allow(sid, [action], ["*"]), "Condition": only_ours}


def _key_statement(cloud: Cloud) -> Iterator[Statement]:
    if cloud.kms_key:
        yield _allow("Key", ("kms:GenerateDataKey", "kms:Decrypt"), [cloud.kms_key])


def _all_but_create(what: str) -> Sequence[str]:
    return f"Get{what}", f"Update{what}", f"Delete{what}"


def _front(actions: Sequence[str]) -> Sequence[str]:
    return [f"cloudfront:{action}" for action in actions]


def _function(cloud: Cloud, account: str) -> str:
    return f"arn:aws:cloudfront::{account}:function/{function_name(cloud.bucket)}"


def _distribution(cloud: Cloud, account: str) -> str:
    return f"arn:aws:cloudfront::{account}:distribution/{cloud.distribution or '*'}"


def _s3(bucket: str) -> str:
    return f"arn:aws:s3:::{bucket}"


def _allow(sid: str, actions: Sequence[str], resources: Sequence[str]) -> Statement:
    return {"Sid": sid, "Effect": "Allow", "Action": list(actions), "Resource": list(resources)}


def _document(statements: Sequence[Statement]) -> Policy:
    return {"Version": VERSION, "Statement": list(statements)}
