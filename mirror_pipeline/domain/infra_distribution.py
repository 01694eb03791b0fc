"""What the CloudFront distribution is to look like, and how a found one becomes that. Pure.

Only what is written here is compared and changed; everything else of a distribution (a web ACL, geographic
restrictions) stays as somebody set it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mirror_pipeline.domain.bucket_layout import ERROR_PAGE
from mirror_pipeline.domain.cloud import Cloud
from mirror_pipeline.domain.infra import State, listed, merged

ORIGIN = "bucket"
ERROR_TTL = 10
MOST_REFERENCES = 20
_TTL_FIELDS = ("ForwardedValues", "MinTTL", "DefaultTTL", "MaxTTL")
"""What a behavior has where it has no cache policy; CloudFront refuses both."""


def origin_domain(cloud: Cloud) -> str:
    """The bucket's regional host name: the global one redirects while a new bucket is unknown there."""
    return f"{cloud.bucket}.s3.{cloud.region}.amazonaws.com"


def caller_reference(bucket: str, attempt: int) -> str:
    """What makes a repeated creation known to CloudFront.

    CloudFront refuses one that it has seen, and it is not documented whether it forgets those of deleted
    distributions: hence a sequence, which is counted up past those.
    """
    return f"mirror-pipeline/{bucket}" + (f"/{attempt}" if attempt > 1 else "")


def distribution_config(cloud: Cloud, comment: str, ids: Mapping[str, str]) -> State:
    """The wanted fields, with the ids of what the distribution is made of."""
    return {
        "Comment": comment,
        "Enabled": True,
        "PriceClass": "PriceClass_100",
        "HttpVersion": "http2and3",
        "IsIPV6Enabled": True,
        "Aliases": listed([cloud.domain] if cloud.domain else []),
        "Origins": listed([_origin(cloud, ids["oac"])]),
        "DefaultCacheBehavior": _behavior(ids),
        "CacheBehaviors": listed([]),  # one of them could pass the function by
        "CustomErrorResponses": listed([_not_found(status) for status in (403, 404)]),
        "ViewerCertificate": _certificate(cloud, ids["certificate"]),
        "Logging": _logging(cloud),
    }


def _origin(cloud: Cloud, oac: str) -> State:
    return {
        "Id": ORIGIN,
        "DomainName": origin_domain(cloud),
        "OriginPath": "",
        "OriginAccessControlId": oac,
        "S3OriginConfig": {"OriginAccessIdentity": ""},
    }


def _behavior(ids: Mapping[str, str]) -> State:
    methods = ["GET", "HEAD"]
    return {
        "TargetOriginId": ORIGIN,
        "ViewerProtocolPolicy": "redirect-to-https",
        "AllowedMethods": {**listed(methods), "CachedMethods": listed(methods)},
        "Compress": False,  # the .gz objects are there already
        "CachePolicyId": ids["cache_policy"],
        "OriginRequestPolicyId": None,
        "ResponseHeadersPolicyId": ids["headers_policy"],
        "FunctionAssociations": listed([{"EventType": "viewer-request", "FunctionARN": ids["function"]}]),
        "LambdaFunctionAssociations": listed([]),
    }


def _not_found(status: int) -> State:
    """Nothing tells what is forbidden from what is not there, and a new file is not hidden for long."""
    return {
        "ErrorCode": status,
        "ResponsePagePath": f"/{ERROR_PAGE}",
        "ResponseCode": "404",
        "ErrorCachingMinTTL": ERROR_TTL,
    }


def _certificate(cloud: Cloud, arn: str) -> State:
    if not cloud.domain:
        return {"CloudFrontDefaultCertificate": True}
    return {
        "ACMCertificateArn": arn,
        "SSLSupportMethod": "sni-only",
        "MinimumProtocolVersion": "TLSv1.2_2021",
    }


def _logging(cloud: Cloud) -> State:
    if not cloud.log_bucket:
        return {"Enabled": False}
    return {
        "Enabled": True,
        "IncludeCookies": False,
        "Bucket": f"{cloud.log_bucket}.s3.amazonaws.com",
        "Prefix": f"{cloud.bucket}/",
    }


def new_config(wanted: State, reference: str) -> dict[str, Any]:
    """The configuration of a distribution that is made."""
    return {**_sound({}, wanted), "CallerReference": reference}


def updated_config(now: State, wanted: State) -> dict[str, Any]:
    """The whole configuration of a distribution that is changed: what is sent replaces what is there."""
    return _sound(now, wanted)


def disabled_config(now: State) -> dict[str, Any]:
    """The same configuration, serving nobody: what has to be before a distribution is deleted."""
    return {**now, "Enabled": False}


def _sound(now: State, wanted: State) -> dict[str, Any]:
    """Both merged, without what contradicts what is wanted, and with what may not be left out."""
    config = merged(now, wanted)
    behavior = {key: v for key, v in config["DefaultCacheBehavior"].items() if key not in _TTL_FIELDS}
    origins = [
        {key: v for key, v in origin.items() if key != "CustomOriginConfig"}
        for origin in config["Origins"]["Items"]
    ]
    return {
        **config,
        "DefaultCacheBehavior": behavior,
        "Origins": listed(origins),
        # CloudFront writes down the certificate it uses in several ways, and accepts one.
        "ViewerCertificate": wanted["ViewerCertificate"],
        "Logging": {"IncludeCookies": False, "Bucket": "", "Prefix": "", **config["Logging"]},
    }
