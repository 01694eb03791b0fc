"""Policies as documents: what they name, and what they leave out. What they do is tested on ministack."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from mirror_pipeline.domain.cloud import Cloud, StorePlace
from mirror_pipeline.domain.iam import (
    Policy,
    bucket_policy,
    comparable_policy,
    provisioner_policy,
    publisher_policy,
    worker_policy,
)
from mirror_pipeline.domain.infra import changes_between

ACCOUNT = "123456789012"
CLOUD = Cloud(bucket="wheels", distribution="E1ABCDEFGH", mode="generations")
ARN = f"arn:aws:cloudfront::{ACCOUNT}:distribution/E1ABCDEFGH"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/k"


def statements(policy: Policy) -> Mapping[str, Mapping[str, Any]]:
    return {statement["Sid"]: statement for statement in policy["Statement"]}


def allowed(policy: Policy) -> set[tuple[str, str]]:
    return {
        (action, resource)
        for statement in policy["Statement"]
        for action in statement["Action"]
        for resource in statement["Resource"]
    }


def test_only_the_distribution_reads_and_lists() -> None:
    found = statements(bucket_policy("wheels", ARN))
    assert set(found) == {"DistributionReads", "DistributionLists", "OnlyTls"}
    for sid, action, resource in (
        ("DistributionReads", "s3:GetObject", "arn:aws:s3:::wheels/*"),
        ("DistributionLists", "s3:ListBucket", "arn:aws:s3:::wheels"),
    ):
        assert (found[sid]["Action"], found[sid]["Resource"]) == (action, resource)
        assert found[sid]["Principal"] == {"Service": "cloudfront.amazonaws.com"}
        assert found[sid]["Condition"] == {"StringEquals": {"AWS:SourceArn": ARN}}


def test_without_tls_nothing_is_allowed_but_on_a_server_that_has_none() -> None:
    denied = statements(bucket_policy("wheels", ARN))["OnlyTls"]
    assert (denied["Effect"], denied["Action"]) == ("Deny", "s3:*")
    assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert "OnlyTls" not in statements(bucket_policy("wheels", ARN, plain_http=True))


def test_a_policy_as_aws_spells_it_is_the_same_policy() -> None:
    wanted = comparable_policy(bucket_policy("wheels", ARN))
    spelled = json.loads(json.dumps(bucket_policy("wheels", ARN)))
    for statement in spelled["Statement"]:
        statement["Action"] = [statement["Action"]]
    spelled["Statement"][2]["Principal"] = {"AWS": "*"}
    spelled["Statement"][2]["Resource"].reverse()
    spelled["Statement"].reverse()
    assert changes_between(wanted, comparable_policy(spelled)) == ()


def test_a_statement_more_or_another_distribution_is_a_difference() -> None:
    wanted = comparable_policy(bucket_policy("wheels", ARN))
    more = json.loads(json.dumps(bucket_policy("wheels", ARN)))
    more["Statement"].append({"Sid": "All", "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject"})
    assert [change.field for change in changes_between(wanted, comparable_policy(more))] == ["Statement"]
    other = comparable_policy(bucket_policy("wheels", f"{ARN}X"))
    assert len(changes_between(wanted, other)) == 2
    assert len(changes_between(wanted, comparable_policy({"Statement": more["Statement"][3]}))) > 5


def test_the_publisher_writes_below_its_prefixes_only() -> None:
    objects = statements(publisher_policy(CLOUD, ACCOUNT))["Objects"]
    keys = {resource.removeprefix("arn:aws:s3:::wheels/") for resource in objects["Resource"]}
    assert keys == {"packages/*", "g/*", "simple/*", ".mirror/*"}
    assert {"s3:GetObject", "s3:PutObject", "s3:DeleteObject"} <= set(objects["Action"])


def test_in_place_it_writes_the_public_keys_at_the_top_and_moves_no_pointer() -> None:
    found = statements(publisher_policy(replace(CLOUD, mode="in-place", distribution=""), ACCOUNT))
    keys = {resource.removeprefix("arn:aws:s3:::wheels/") for resource in found["Objects"]["Resource"]}
    assert {"index.html", "manifest.json", "requirements*", "pylock/*", "project/*", "assets/*"} < keys
    assert set(found) == {"Objects", "List"}


def test_the_publisher_moves_one_pointer_and_invalidates_one_distribution() -> None:
    found = statements(publisher_policy(CLOUD, ACCOUNT))
    assert found["Pointer"]["Resource"] == [f"arn:aws:cloudfront::{ACCOUNT}:function/mirror-wheels"]
    assert found["Invalidation"]["Resource"] == [ARN]
    assert "Invalidation" not in statements(publisher_policy(replace(CLOUD, distribution=""), ACCOUNT))


def test_whoever_publishes_may_do_with_the_store_what_workers_may_and_clean_up() -> None:
    store = StorePlace("store", "shop")
    worker, publisher = worker_policy(store), publisher_policy(CLOUD, ACCOUNT, store)
    more = allowed(publisher) - allowed(publisher_policy(CLOUD, ACCOUNT))
    assert more - allowed(worker) == {("s3:DeleteObject", "arn:aws:s3:::store/shop/*")}
    assert allowed(worker) < more
    assert ("s3:GetObject", "arn:aws:s3:::store/*") in allowed(worker_policy(StorePlace("store")))


def test_the_publisher_has_no_wildcard_for_all() -> None:
    for action, resource in allowed(publisher_policy(replace(CLOUD, kms_key=KEY), ACCOUNT)):
        assert "*" not in action
        assert resource != "*"


@pytest.mark.parametrize("policy", [publisher_policy, provisioner_policy])
def test_a_key_may_be_used_where_there_is_one(policy: Any) -> None:
    assert statements(policy(replace(CLOUD, kms_key=KEY), ACCOUNT))["Key"]["Resource"] == [KEY]
    assert "Key" not in statements(policy(CLOUD, ACCOUNT))


def test_the_provisioner_reads_and_writes_no_object_but_the_error_page() -> None:
    actions = {"s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:DeleteObjectVersion"}
    objects = {
        resource for action, resource in allowed(provisioner_policy(CLOUD, ACCOUNT)) if action in actions
    }
    assert objects == {"arn:aws:s3:::wheels/.mirror/404.txt"}


def test_the_provisioner_deletes_objects_only_when_asked_for() -> None:
    more = allowed(provisioner_policy(CLOUD, ACCOUNT, delete_objects=True))
    new = more - allowed(provisioner_policy(CLOUD, ACCOUNT))
    assert new == {
        (f"s3:{action}", "arn:aws:s3:::wheels/*") for action in ("DeleteObject", "DeleteObjectVersion")
    }


def test_the_provisioner_is_held_to_one_distribution_once_there_is_one() -> None:
    found = statements(provisioner_policy(CLOUD, ACCOUNT))
    assert found["FrontDistribution"]["Resource"] == [ARN]
    before = statements(provisioner_policy(replace(CLOUD, distribution=""), ACCOUNT))
    assert before["FrontDistribution"]["Resource"] == [f"arn:aws:cloudfront::{ACCOUNT}:distribution/*"]


def test_the_provisioner_tags_with_our_tag_only() -> None:
    found = statements(provisioner_policy(replace(CLOUD, domain="w.example.org"), ACCOUNT))
    for sid in ("FrontTag", "CertificateTag"):
        assert found[sid]["Condition"] == {"StringEquals": {"aws:RequestTag/mirror-pipeline": "wheels"}}


def test_what_is_not_configured_is_not_allowed() -> None:
    plain = statements(provisioner_policy(CLOUD, ACCOUNT))
    assert not {"LogBucket", "Certificate", "CertificateMake"} & plain.keys()
    given = replace(CLOUD, domain="w.example.org", certificate="arn:c")
    assert not {"Certificate", "CertificateMake"} & statements(provisioner_policy(given, ACCOUNT)).keys()
    full = statements(provisioner_policy(replace(CLOUD, domain="w.example.org", log_bucket="logs"), ACCOUNT))
    assert full["LogBucket"]["Resource"] == ["arn:aws:s3:::logs"]
    assert {"s3:GetBucketAcl", "s3:PutBucketAcl"} <= set(
        full["LogBucket"]["Action"]
    )  # CloudFront asks for both


@pytest.mark.parametrize(
    "cloud", [CLOUD, replace(CLOUD, domain="w.example.org", log_bucket="l", kms_key=KEY)]
)
def test_policies_fit_into_a_managed_policy(cloud: Cloud) -> None:
    for policy in (publisher_policy(cloud, ACCOUNT), provisioner_policy(cloud, ACCOUNT, delete_objects=True)):
        assert len(json.dumps(policy, separators=(",", ":"))) < 6144
        assert all(statement["Sid"].isalnum() for statement in policy["Statement"])
        assert len(statements(policy)) == len(policy["Statement"])
