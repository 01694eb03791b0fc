"""What is wanted of AWS, compared with answers as AWS gives them: with defaults, in other orders."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from mirror_pipeline.domain.bucket_layout import error_page
from mirror_pipeline.domain.cloud import Cloud
from mirror_pipeline.domain.edge import function_name
from mirror_pipeline.domain.infra import (
    UNKNOWN,
    Change,
    Kind,
    NotOursError,
    Observed,
    changes_between,
    flatten,
    listed,
    merged,
    refuse_what_is_not_ours,
    shown,
    step_for,
)
from mirror_pipeline.domain.infra_distribution import (
    caller_reference,
    disabled_config,
    distribution_config,
    new_config,
    origin_domain,
    updated_config,
)
from mirror_pipeline.domain.infra_wanted import Known, mark, rules_of_others, wanted

CLOUD = Cloud(bucket="wheels.example", region="eu-central-1", mode="generations")
IDS = {
    "oac": "EOAC",
    "cache_policy": "cp",
    "headers_policy": "hp",
    "function": "arn:f",
    "certificate": "arn:c",
}
WANTED = distribution_config(CLOUD, mark(CLOUD.bucket), IDS)


def as_aws_answers(config: Mapping[str, Any]) -> dict[str, Any]:
    """A distribution's configuration with what AWS adds to it, and in its own order."""
    found = copy.deepcopy(dict(config))
    behavior, origin = found["DefaultCacheBehavior"], found["Origins"]["Items"][0]
    behavior.pop("OriginRequestPolicyId", None)
    behavior["AllowedMethods"]["Items"] = ["HEAD", "GET"]
    behavior["AllowedMethods"]["CachedMethods"]["Items"] = ["HEAD", "GET"]
    behavior |= {
        "TrustedSigners": {"Enabled": False, "Quantity": 0},
        "TrustedKeyGroups": {"Enabled": False, "Quantity": 0},
        "SmoothStreaming": False,
        "FieldLevelEncryptionId": "",
        "GrpcConfig": {"Enabled": False},
    }
    origin |= {
        "CustomHeaders": {"Quantity": 0},
        "ConnectionAttempts": 3,
        "ConnectionTimeout": 10,
        "OriginShield": {"Enabled": False},
    }
    if found["ViewerCertificate"].get("CloudFrontDefaultCertificate"):
        found["ViewerCertificate"] |= {
            "SSLSupportMethod": "vip",
            "MinimumProtocolVersion": "TLSv1",
            "CertificateSource": "cloudfront",
        }
    else:
        arn = found["ViewerCertificate"]["ACMCertificateArn"]
        found["ViewerCertificate"] |= {
            "CloudFrontDefaultCertificate": False,
            "Certificate": arn,
            "CertificateSource": "acm",
        }
    return {
        **found,
        "CallerReference": caller_reference(CLOUD.bucket, 1),
        "DefaultRootObject": "",
        "OriginGroups": {"Quantity": 0},
        "WebACLId": "",
        "Restrictions": {"GeoRestriction": {"RestrictionType": "none", "Quantity": 0}},
        "ContinuousDeploymentPolicyId": "",
        "Staging": False,
    }


def test_paths_name_elements_by_their_ids_and_lists_of_values_are_sets() -> None:
    state = {
        "Methods": {"Quantity": 2, "Items": ["HEAD", "GET"], "Cached": {"Quantity": 0}},
        "Rules": [{"ID": "old", "Days": 3}],
        "On": True,
    }
    assert flatten(state) == {
        "Methods": ("GET", "HEAD"),
        "Methods.Cached": (),
        "Rules": ("old",),
        "Rules(old).Days": 3,
        "On": True,
    }


def test_only_wanted_fields_are_compared() -> None:
    assert changes_between({"A": {"B": 1}}, {"A": {"B": 1, "C": 2}, "D": 3}) == ()
    assert changes_between({"A": {"B": 1}}, {"A": {"B": 2}}) == (Change("A.B", 2, 1),)


@pytest.mark.parametrize("empty", [False, "", (), [], None, 0])
def test_what_is_empty_equals_what_is_not_set(empty: object) -> None:
    assert changes_between({"A": empty}, {}) == ()
    assert changes_between({"A": empty}, {"A": None}) == ()


def test_something_more_in_a_list_is_a_difference() -> None:
    found = changes_between(
        {"Rules": [{"ID": "a", "Days": 1}]}, {"Rules": [{"ID": "a", "Days": 1}, {"ID": "b"}]}
    )
    assert found == (Change("Rules", ("a", "b"), ("a",)),)


def test_a_block_that_is_not_wanted_is_a_difference_where_it_has_content() -> None:
    assert changes_between({"Cors": None}, {"Cors": {"Origins": {"Quantity": 0}}}) == ()
    change = changes_between({"Cors": None}, {"Cors": {"Origins": listed(["*"])}})[0]
    assert (change.field, change.now) == ("Cors", ("Cors.Origins",))


def test_a_merge_keeps_what_nobody_asked_for_and_takes_out_what_is_not_wanted() -> None:
    now = {"Kept": 1, "Gone": 2, "Items": [{"Id": "x", "Extra": 5, "Value": 1}, {"Id": "y"}]}
    want = {"Gone": None, "Items": [{"Id": "x", "Value": 2}]}
    assert merged(now, want) == {"Kept": 1, "Items": [{"Id": "x", "Extra": 5, "Value": 2}]}
    assert merged(listed(["a"]), listed([])) == {"Quantity": 0}


@pytest.mark.parametrize(
    ("observed", "action"),
    [
        (None, "create"),
        (Observed("b", True, {"A": 1}), "none"),
        (Observed("b", True, {"A": 2}), "update"),
        (Observed("b", False, {"A": 1}), "adopt"),
        (Observed("b", False, {"A": 2}, leave=True, note="as it is"), "none"),
    ],
)
def test_what_is_there_decides_the_action(observed: Observed | None, action: str) -> None:
    assert step_for("bucket", "b", {"A": 1}, observed).action == action


def test_what_is_not_ours_is_refused_in_one_line_that_names_all() -> None:
    steps = [step_for(kind, "x", {}, Observed("x", False)) for kind in ("bucket", "function")]
    with pytest.raises(NotOursError) as caught:
        refuse_what_is_not_ours(steps, lambda step: f"{step.kind} {step.name}")
    assert caught.value.exit_code == 2
    assert "bucket x, function x: exist and were not made by this project" in str(caught.value)
    assert "--adopt" in str(caught.value)
    refuse_what_is_not_ours([step_for("bucket", "x", {}, Observed("x", True))], str)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "not set"),
        (True, "yes"),
        (False, "no"),
        ((), "none"),
        (("a", "b"), "a, b"),
        ("", "empty"),
        (3, "3"),
    ],
)
def test_values_are_shown_to_people(value: Any, text: str) -> None:
    assert shown(value) == text


def test_ids_that_are_not_known_yet_are_said_to_be_so() -> None:
    fields = flatten(wanted("distribution", CLOUD, Known()))
    assert fields["Origins(bucket).OriginAccessControlId"] == UNKNOWN
    known = (
        Known().after("origin access control", Observed("EOAC", True)).after("bucket", Observed("b", True))
    )
    assert flatten(wanted("distribution", CLOUD, known))["Origins(bucket).OriginAccessControlId"] == "EOAC"
    assert known.after("function", None) == known


@pytest.mark.parametrize("cloud", [CLOUD, replace(CLOUD, domain="w.example.org", log_bucket="logs")])
def test_a_distribution_as_aws_answers_it_has_no_differences(cloud: Cloud) -> None:
    want = distribution_config(cloud, mark(cloud.bucket), IDS)
    assert changes_between(want, as_aws_answers(new_config(want, "r"))) == ()


def test_the_distribution_is_what_the_design_says() -> None:
    fields = flatten(new_config(WANTED, "ref"))
    assert fields["Origins(bucket).DomainName"] == "wheels.example.s3.eu-central-1.amazonaws.com"
    assert fields["Origins(bucket).S3OriginConfig.OriginAccessIdentity"] == ""
    assert fields["DefaultCacheBehavior.ViewerProtocolPolicy"] == "redirect-to-https"
    assert fields["DefaultCacheBehavior.AllowedMethods"] == ("GET", "HEAD")
    assert fields["DefaultCacheBehavior.FunctionAssociations(viewer-request).FunctionARN"] == "arn:f"
    assert fields["DefaultCacheBehavior.Compress"] is False
    assert (fields["HttpVersion"], fields["IsIPV6Enabled"]) == ("http2and3", True)
    assert fields["PriceClass"] == "PriceClass_100"
    for status in (403, 404):
        assert fields[f"CustomErrorResponses({status}).ResponsePagePath"] == "/.mirror/404.txt"
        assert fields[f"CustomErrorResponses({status}).ResponseCode"] == "404"
        assert fields[f"CustomErrorResponses({status}).ErrorCachingMinTTL"] == 10
    assert new_config(WANTED, "ref")["ViewerCertificate"] == {"CloudFrontDefaultCertificate": True}
    assert "OriginRequestPolicyId" not in new_config(WANTED, "ref")["DefaultCacheBehavior"]


def test_a_domain_brings_alias_and_certificate_and_a_log_bucket_brings_logs() -> None:
    cloud = replace(CLOUD, domain="w.example.org", log_bucket="logs")
    config = new_config(distribution_config(cloud, "c", IDS), "ref")
    assert config["Aliases"] == {"Quantity": 1, "Items": ["w.example.org"]}
    assert config["ViewerCertificate"] == {
        "ACMCertificateArn": "arn:c",
        "SSLSupportMethod": "sni-only",
        "MinimumProtocolVersion": "TLSv1.2_2021",
    }
    assert config["Logging"] == {
        "Enabled": True,
        "IncludeCookies": False,
        "Bucket": "logs.s3.amazonaws.com",
        "Prefix": "wheels.example/",
    }


def test_an_update_sends_everything_that_was_there_with_ours_changed() -> None:
    now = as_aws_answers(new_config(WANTED, "r"))
    now["WebACLId"] = "arn:acl"
    now["DefaultCacheBehavior"]["Compress"] = True
    sent = updated_config(now, WANTED)
    assert sent["WebACLId"] == "arn:acl"
    assert sent["CallerReference"] == now["CallerReference"]
    assert sent["Origins"]["Items"][0]["ConnectionAttempts"] == 3
    assert sent["DefaultCacheBehavior"]["Compress"] is False
    assert changes_between(WANTED, sent) == ()
    assert now.keys() <= sent.keys()


def test_an_adopted_distribution_loses_what_contradicts_ours() -> None:
    now = as_aws_answers(new_config(WANTED, "r"))
    behavior, origin = now["DefaultCacheBehavior"], now["Origins"]["Items"][0]
    behavior |= {"ForwardedValues": {"QueryString": True}, "MinTTL": 5, "OriginRequestPolicyId": "all"}
    origin["CustomOriginConfig"] = {"HTTPPort": 80}
    now["CacheBehaviors"] = listed([{"PathPattern": "g/*", "TargetOriginId": "bucket"}])
    now["Aliases"] = listed(["old.example.org"])
    fields = {change.field for change in changes_between(WANTED, now)}
    assert fields == {"DefaultCacheBehavior.OriginRequestPolicyId", "CacheBehaviors", "Aliases"}
    sent = updated_config(now, WANTED)
    assert not {"ForwardedValues", "MinTTL", "OriginRequestPolicyId"} & sent["DefaultCacheBehavior"].keys()
    assert "CustomOriginConfig" not in sent["Origins"]["Items"][0]
    assert (sent["CacheBehaviors"], sent["Aliases"]) == ({"Quantity": 0}, {"Quantity": 0})


def test_the_certificate_is_changed_both_ways() -> None:
    with_domain = distribution_config(replace(CLOUD, domain="w.example.org"), mark(CLOUD.bucket), IDS)
    for before, after in ((WANTED, with_domain), (with_domain, WANTED)):
        now = as_aws_answers(new_config(before, "r"))
        assert any(change.field.startswith("ViewerCertificate") for change in changes_between(after, now))
        assert updated_config(now, after)["ViewerCertificate"] == after["ViewerCertificate"]


def test_a_disabled_distribution_is_the_same_but_for_that() -> None:
    now = as_aws_answers(new_config(WANTED, "r"))
    assert disabled_config(now) == {**now, "Enabled": False}


def test_references_differ_by_bucket_and_attempt() -> None:
    found = [caller_reference(bucket, attempt) for bucket in ("a", "b") for attempt in (1, 2, 3)]
    assert len(set(found)) == len(found)
    assert caller_reference("a", 1) == caller_reference("a", 1)


def test_names_and_comments_are_within_their_limits() -> None:
    long = "b" * 63
    assert len(mark(long)) <= 128
    assert len(function_name(long)) <= 64
    assert origin_domain(replace(CLOUD, bucket=long)).startswith(f"{long}.s3.")


def test_the_bucket_is_private_versioned_encrypted_and_forgets() -> None:
    fields = flatten(wanted("bucket", CLOUD, Known()))
    assert fields["Ownership"] == "BucketOwnerEnforced"
    assert all(value for path, value in fields.items() if path.startswith("PublicAccess."))
    assert len([path for path in fields if path.startswith("PublicAccess.")]) == 4
    assert fields["Versioning"] == "Enabled"
    assert fields["Encryption.SSEAlgorithm"] == "AES256"
    unfinished = "Lifecycle.unfinished-uploads.AbortIncompleteMultipartUpload"
    assert fields[f"{unfinished}.DaysAfterInitiation"] == 2
    assert fields["Lifecycle.delete-markers.Expiration.ExpiredObjectDeleteMarker"] is True
    assert fields["Tags.mirror-pipeline"] == CLOUD.bucket


def test_old_versions_of_the_books_are_kept_and_those_of_all_else_go() -> None:
    rules = wanted("bucket", CLOUD, Known())["Lifecycle"]
    old = "NoncurrentVersionExpiration"
    by_prefix = {rule["Filter"]["Prefix"]: rule[old] for rule in rules.values() if old in rule}
    assert by_prefix.pop(".mirror/") == {"NoncurrentDays": 30, "NewerNoncurrentVersions": 3}
    assert by_prefix == {key: {"NoncurrentDays": 30} for key in ("packages/", "g/", "simple/")}
    assert all(rule["ID"] == name for name, rule in rules.items())


def test_rules_of_others_are_no_difference_and_are_named() -> None:
    state = wanted("bucket", CLOUD, Known())
    more = {**state, "Lifecycle": {**state["Lifecycle"], "theirs": {"ID": "theirs", "Status": "Enabled"}}}
    assert changes_between(state, more) == ()
    assert rules_of_others(more["Lifecycle"]) == ("theirs",)
    assert rules_of_others(wanted("log bucket", CLOUD, Known())["Lifecycle"]) == ()


def test_a_key_encrypts_the_bucket() -> None:
    key = "arn:aws:kms:eu-central-1:123456789012:key/k"
    state = wanted("bucket", replace(CLOUD, kms_key=key), Known())
    assert state["Encryption"] == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key, "BucketKeyEnabled": True}


def test_the_log_bucket_takes_acls_and_forgets_after_90_days() -> None:
    fields = flatten(wanted("log bucket", replace(CLOUD, log_bucket="logs"), Known()))
    assert fields["Ownership"] == "BucketOwnerPreferred"
    assert fields["Lifecycle.old-logs.Expiration.Days"] == 90
    assert "Versioning" not in fields


def test_the_cache_key_is_the_path_alone() -> None:
    fields = flatten(wanted("cache policy", CLOUD, Known()))
    assert (fields["MinTTL"], fields["DefaultTTL"], fields["MaxTTL"]) == (0, 60, 31_536_000)
    key = "ParametersInCacheKeyAndForwardedToOrigin"
    assert fields[f"{key}.EnableAcceptEncodingGzip"] is False
    for name in ("Header", "Cookie", "QueryString"):
        assert fields[f"{key}.{name}sConfig.{name}Behavior"] == "none"


def test_answers_say_what_they_vary_by() -> None:
    fields = flatten(wanted("response headers policy", CLOUD, Known()))
    assert fields["CustomHeadersConfig(Vary).Value"] == "Accept, Accept-Encoding"
    security = "SecurityHeadersConfig"
    assert fields[f"{security}.StrictTransportSecurity.AccessControlMaxAgeSec"] == 31_536_000
    assert fields[f"{security}.ContentTypeOptions.Override"] is True
    assert fields[f"{security}.ReferrerPolicy.ReferrerPolicy"] == "no-referrer"
    assert fields["CorsConfig"] is None  # with CORS, CloudFront writes its own Vary


def test_the_error_page_is_the_one_that_publishing_knows() -> None:
    state = wanted("error page", CLOUD, Known())
    assert (state["SHA256"], state["ContentType"]) == (error_page().sha256, "text/plain")
    assert error_page().source == b"Not Found\n"


@pytest.mark.parametrize("kind", ["origin access control", "cache policy", "response headers policy"])
def test_what_has_no_tags_is_marked_by_its_comment(kind: Kind) -> None:
    assert mark(CLOUD.bucket) in flatten(wanted(kind, CLOUD, Known())).values()
