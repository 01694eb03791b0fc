"""The keys of ``config.env`` that are about the cloud, parsed into ``domain.cloud`` values. Pure.

What the other keys mean is said in ``settings``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import cast
from urllib.parse import urlsplit

from mirror_pipeline.config_values import Values, whole_number
from mirror_pipeline.domain.cloud import Cloud, PublishMode, Retention, StorePlace

CLOUD_DEFAULTS: Mapping[str, str] = {
    "BUCKET_NAME": "",
    "AWS_PROFILE": "",
    "AWS_REGION": "us-east-1",
    "CLOUDFRONT_DISTRIBUTION_ID": "",
    "CLOUDFRONT_DOMAIN": "",
    "CLOUDFRONT_OAC_ID": "",
    "S3_ENDPOINT_URL": "",
    "MIRROR_PUBLISH": "",
    "MIRROR_PUBLIC_URL": "",
    "MIRROR_LOGIN": "",
    "MIRROR_DOMAIN": "",
    "MIRROR_CERTIFICATE_ARN": "",
    "MIRROR_LOG_BUCKET": "",
    "MIRROR_KMS_KEY": "",
    "MIRROR_KEEP_GENERATIONS": "10",
    "MIRROR_GRACE_DAYS": "7",
    "MIRROR_STORE_URL": "",
}

_BUCKET = re.compile(r"(?!\d+\.\d+\.\d+\.\d+$)[a-z0-9](?:[a-z0-9-]|\.(?!\.)){1,61}[a-z0-9]")
_REGION = re.compile(r"[a-z0-9-]{1,40}")
_ID = re.compile(r"[A-Z0-9]{1,40}")
_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}")
_LOGIN = re.compile(r"[^:\s]+:\S+")
_CERTIFICATE = re.compile(r"arn:aws[\w-]*:acm:us-east-1:\d{12}:certificate/[\w-]+")
_PREFIX = re.compile(r"(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
_KEY = re.compile(r"arn:aws[\w-]*:kms:[a-z0-9-]+:\d{12}:key/[\w-]+")


def read_cloud(values: Values) -> Cloud:
    """Bucket and distribution as configured; without a bucket all of it is a directory's."""
    bucket = _matching(values, "BUCKET_NAME", _BUCKET, "a bucket name: 3 to 63 of a-z, 0-9, '-' and '.'")
    endpoint = _url(values, "S3_ENDPOINT_URL")
    domain = _matching(values, "MIRROR_DOMAIN", _DOMAIN, "a host name such as wheels.example.org")
    front = _matching(values, "CLOUDFRONT_DOMAIN", _DOMAIN, "a host name such as d111111.cloudfront.net")
    public = _url(values, "MIRROR_PUBLIC_URL")
    return Cloud(
        bucket=bucket,
        profile=values.texts["AWS_PROFILE"],
        region=_matching(values, "AWS_REGION", _REGION, "a region such as eu-central-1"),
        endpoint=endpoint,
        distribution=_matching(values, "CLOUDFRONT_DISTRIBUTION_ID", _ID, "an id such as E1ABCDEF"),
        distribution_domain=front,
        oac=_matching(values, "CLOUDFRONT_OAC_ID", _ID, "an id such as E1ABCDEF"),
        mode=_mode(values, bucket, endpoint),
        public_url=public or next((f"https://{host}" for host in (domain, front) if host), ""),
        login=_matching(values, "MIRROR_LOGIN", _LOGIN, "name:token", secret=True),
        domain=domain,
        certificate=_matching(
            values, "MIRROR_CERTIFICATE_ARN", _CERTIFICATE, "the ARN of an ACM certificate in us-east-1"
        ),
        log_bucket=_matching(values, "MIRROR_LOG_BUCKET", _BUCKET, "a bucket name"),
        kms_key=_matching(values, "MIRROR_KMS_KEY", _KEY, "the ARN of a KMS key"),
    )


def read_store(values: Values, cloud: Cloud) -> StorePlace | None:
    """Where the wheel store and the documents are, None where that is ``MIRROR_HOME``.

    Not in the bucket that is published to: what lies there may be read by clients, and is removed by ``gc``.
    """
    text = values.texts["MIRROR_STORE_URL"]
    if not text:
        return None
    bucket, slash, path = text.removeprefix("s3://").removesuffix("/").partition("/")
    if not text.startswith("s3://") or not _BUCKET.fullmatch(bucket) or not _PREFIX.fullmatch(slash + path):
        raise values.refused("MIRROR_STORE_URL", text, "s3://bucket/prefix or s3://bucket, or empty")
    if bucket == cloud.bucket:
        raise values.refused("MIRROR_STORE_URL", text, "another bucket than BUCKET_NAME, which clients read")
    return StorePlace(bucket, path)


def read_retention(values: Values) -> Retention:
    """How long generations stay."""
    return Retention(
        values.read("MIRROR_KEEP_GENERATIONS", lambda text: whole_number(text, 1), "a whole number from 1"),
        values.read("MIRROR_GRACE_DAYS", lambda text: whole_number(text, 0), "a whole number of days from 0"),
    )


def _mode(values: Values, bucket: str, endpoint: str) -> PublishMode:
    text = values.texts["MIRROR_PUBLISH"]
    chosen = text.lower()
    if chosen not in ("", "generations", "in-place"):
        raise values.refused("MIRROR_PUBLISH", text, "generations, in-place, or empty")
    if not bucket:
        if chosen:
            raise values.refused("MIRROR_PUBLISH", chosen, "empty, as BUCKET_NAME is")
        return "directory"
    mode = cast("PublishMode", chosen or ("in-place" if endpoint else "generations"))
    if mode == "generations" and "." in bucket:
        raise values.refused("BUCKET_NAME", bucket, "a name without dots: the distribution asks it by TLS")
    return mode


def _matching(
    values: Values, key: str, pattern: re.Pattern[str], allowed: str, *, secret: bool = False
) -> str:
    text = values.texts[key]
    if text and not pattern.fullmatch(text):
        raise values.refused(key, "..." if secret else text, f"{allowed}, or empty")
    return text


def _url(values: Values, key: str) -> str:
    """An http or https URL without login, query and trailing slash; '' where the value is empty."""
    written = values.texts[key]
    text = written.rstrip("/")
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        raise values.refused(key, written, "an http:// or https:// URL") from None
    sound = parts.scheme in ("http", "https") and parts.hostname and text.isprintable() and " " not in text
    if text and (not sound or parts.username is not None or parts.query or parts.fragment):
        raise values.refused(key, written, "an http:// or https:// URL without login and query")
    return text
