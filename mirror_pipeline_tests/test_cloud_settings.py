"""The keys about the cloud: what they mean, what is refused, and what follows from several of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from mirror_pipeline.cloud_settings import CLOUD_DEFAULTS
from mirror_pipeline.domain.cloud import Cloud, PublishMode, Retention, StorePlace
from mirror_pipeline.errors import INPUT_IS_WRONG, SettingsError
from mirror_pipeline.settings import Settings, parse_settings

CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/12ab-34cd"
KMS = "arn:aws:kms:eu-central-1:123456789012:key/12ab-34cd"
SECRET = "s3cret-t0ken"
BUCKET = {"BUCKET_NAME": "wheels"}


def parse(**values: str) -> Settings:
    return parse_settings("".join(f"{key}={value}\n" for key, value in values.items()), {}, Path("/srv/shop"))


def cloud(**values: str) -> Cloud:
    return parse(**values).cloud


def refused(**values: str) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        parse(**values)
    assert caught.value.exit_code == INPUT_IS_WRONG
    assert "\n" not in str(caught.value)
    return caught.value


def test_nothing_said_is_a_directory() -> None:
    assert cloud() == Cloud()
    assert cloud().mode == "directory"
    assert not cloud().on_aws
    assert parse().retention == Retention(keep=10, grace_days=7)


def test_every_key_may_be_left_empty() -> None:
    empty = dict.fromkeys(CLOUD_DEFAULTS, "")
    assert (parse(**empty).cloud, parse(**empty).retention) == (parse().cloud, parse().retention)


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("s3://store", StorePlace("store")),
        ("s3://store/", StorePlace("store")),
        ("s3://store.example/team/shop", StorePlace("store.example", "team/shop")),
        ("s3://store/_shop-1.x/", StorePlace("store", "_shop-1.x")),
    ],
)
def test_a_store_is_a_bucket_and_perhaps_a_prefix(url: str, place: StorePlace) -> None:
    found = parse(MIRROR_STORE_URL=url).store
    assert found == place
    assert found.url == url.rstrip("/")
    assert StorePlace("store").key("packages/x") == "packages/x"
    assert StorePlace("store", "shop").key("packages/x") == "shop/packages/x"


def test_a_store_wants_no_bucket_to_publish_to() -> None:
    settings = parse(MIRROR_STORE_URL="s3://store", S3_ENDPOINT_URL="http://127.0.0.1:9000")
    assert (settings.cloud.mode, settings.cloud.endpoint) == ("directory", "http://127.0.0.1:9000")
    assert parse().store is None


def test_what_clients_read_is_no_place_for_a_store() -> None:
    error = refused(MIRROR_STORE_URL="s3://wheels/store", **BUCKET)
    assert error.facts["key"] == "MIRROR_STORE_URL"
    assert "another bucket than BUCKET_NAME" in str(error)


GOOD = [
    ("BUCKET_NAME", "abc", "bucket"),
    ("BUCKET_NAME", "wheels-2", "bucket"),
    ("BUCKET_NAME", "0" * 63, "bucket"),
    ("AWS_PROFILE", "work/admin role", "profile"),
    ("AWS_REGION", "eu-central-1", "region"),
    ("CLOUDFRONT_DISTRIBUTION_ID", "E1ABCDEF2GHIJ", "distribution"),
    ("CLOUDFRONT_DOMAIN", "d111111abcdef8.cloudfront.net", "distribution_domain"),
    ("CLOUDFRONT_OAC_ID", "E2OAC", "oac"),
    ("S3_ENDPOINT_URL", "http://127.0.0.1:9000", "endpoint"),
    ("S3_ENDPOINT_URL", "https://[::1]:9000/s3", "endpoint"),
    ("MIRROR_PUBLIC_URL", "https://wheels.example.org/mirror", "public_url"),
    ("MIRROR_LOGIN", f"ci:{SECRET}", "login"),
    ("MIRROR_LOGIN", "ci:with:colons", "login"),
    ("MIRROR_DOMAIN", "wheels.example.org", "domain"),
    ("MIRROR_DOMAIN", "xn--bcher-kva.example", "domain"),
    ("MIRROR_CERTIFICATE_ARN", CERTIFICATE, "certificate"),
    ("MIRROR_CERTIFICATE_ARN", CERTIFICATE.replace("arn:aws:", "arn:aws-us-gov:"), "certificate"),
    ("MIRROR_LOG_BUCKET", "wheels-logs", "log_bucket"),
    ("MIRROR_KMS_KEY", KMS, "kms_key"),
]


@pytest.mark.parametrize(("key", "value", "field"), GOOD)
def test_a_good_value_is_kept_as_it_is(key: str, value: str, field: str) -> None:
    assert getattr(cloud(**{**BUCKET, key: value}), field) == value


def test_a_slash_at_the_end_of_a_url_says_nothing() -> None:
    assert (
        cloud(**BUCKET, S3_ENDPOINT_URL="http://minio.example:9000/").endpoint == "http://minio.example:9000"
    )
    assert cloud(**BUCKET, MIRROR_PUBLIC_URL="https://a.example/x/").public_url == "https://a.example/x"


A_BUCKET = "a bucket name: 3 to 63 of a-z, 0-9, '-' and '.', or empty"
A_HOST = "a host name such as wheels.example.org, or empty"
A_URL = "an http:// or https:// URL without login and query"
A_CERTIFICATE = "the ARN of an ACM certificate in us-east-1, or empty"
BAD = [
    ("BUCKET_NAME", "ab", A_BUCKET),
    ("BUCKET_NAME", "a" * 64, A_BUCKET),
    ("BUCKET_NAME", "Wheels", A_BUCKET),
    ("BUCKET_NAME", "-wheels", A_BUCKET),
    ("BUCKET_NAME", "wheels.", A_BUCKET),
    ("BUCKET_NAME", "wheels..eu", A_BUCKET),
    ("BUCKET_NAME", "wheels_eu", A_BUCKET),
    ("BUCKET_NAME", "192.168.5.4", A_BUCKET),
    ("BUCKET_NAME", "s3://wheels", A_BUCKET),
    ("BUCKET_NAME", "wheels/prefix", A_BUCKET),
    ("AWS_REGION", "eu central 1", "a region such as eu-central-1, or empty"),
    ("AWS_REGION", "EU", "a region such as eu-central-1, or empty"),
    ("CLOUDFRONT_DISTRIBUTION_ID", "e1abc", "an id such as E1ABCDEF, or empty"),
    ("CLOUDFRONT_OAC_ID", "E1-ABC", "an id such as E1ABCDEF, or empty"),
    (
        "CLOUDFRONT_DOMAIN",
        "https://d1.cloudfront.net",
        "a host name such as d111111.cloudfront.net, or empty",
    ),
    ("CLOUDFRONT_DOMAIN", "localhost", "a host name such as d111111.cloudfront.net, or empty"),
    ("MIRROR_DOMAIN", "wheels.example.org:443", A_HOST),
    ("MIRROR_DOMAIN", "-wheels.example.org", A_HOST),
    ("MIRROR_DOMAIN", "*.example.org", A_HOST),
    ("MIRROR_DOMAIN", "wheels.example.org/simple", A_HOST),
    ("S3_ENDPOINT_URL", "minio.example:9000", A_URL),
    ("S3_ENDPOINT_URL", "s3://wheels", A_URL),
    ("S3_ENDPOINT_URL", "http://", A_URL),
    ("S3_ENDPOINT_URL", "http://minio.example:port", "an http:// or https:// URL"),
    ("S3_ENDPOINT_URL", "http://[::1", "an http:// or https:// URL"),
    ("MIRROR_PUBLIC_URL", "ftp://wheels.example.org", A_URL),
    ("MIRROR_PUBLIC_URL", "https://wheels.example.org/?x=1", A_URL),
    ("MIRROR_PUBLIC_URL", "https://wheels.example.org/ simple", A_URL),
    ("MIRROR_CERTIFICATE_ARN", CERTIFICATE.replace("us-east-1", "eu-west-1"), A_CERTIFICATE),
    ("MIRROR_CERTIFICATE_ARN", KMS, A_CERTIFICATE),
    ("MIRROR_LOG_BUCKET", "Logs", "a bucket name, or empty"),
    ("MIRROR_KMS_KEY", "alias/wheels", "the ARN of a KMS key, or empty"),
    ("MIRROR_KMS_KEY", CERTIFICATE, "the ARN of a KMS key, or empty"),
    ("MIRROR_PUBLISH", "inplace", "generations, in-place, or empty"),
    ("MIRROR_PUBLISH", "directory", "generations, in-place, or empty"),
    ("MIRROR_KEEP_GENERATIONS", "0", "a whole number from 1"),
    ("MIRROR_KEEP_GENERATIONS", "-1", "a whole number from 1"),
    ("MIRROR_KEEP_GENERATIONS", "ten", "a whole number from 1"),
    ("MIRROR_KEEP_GENERATIONS", "1.5", "a whole number from 1"),
    ("MIRROR_GRACE_DAYS", "-1", "a whole number of days from 0"),
    ("MIRROR_GRACE_DAYS", "1d", "a whole number of days from 0"),
    ("MIRROR_GRACE_DAYS", "٣", "a whole number of days from 0"),
]


@pytest.mark.parametrize(("key", "value", "allowed"), BAD)
def test_a_bad_value_is_refused_with_key_value_and_what_is_allowed(
    key: str, value: str, allowed: str
) -> None:
    error = refused(**{**BUCKET, key: value})
    assert (error.facts["key"], error.facts["value"], error.facts["allowed"]) == (key, value, allowed)
    assert f"{key}={value!r}" in str(error)
    assert str(error).endswith(allowed)


@pytest.mark.parametrize("value", [SECRET, f":{SECRET}", f"ci {SECRET}:x", f"{SECRET}:", f"ci:a {SECRET}"])
def test_a_login_is_never_shown(value: str) -> None:
    error = refused(**BUCKET, MIRROR_LOGIN=value)
    assert (error.facts["key"], error.facts["value"]) == ("MIRROR_LOGIN", "...")
    assert error.facts["allowed"] == "name:token, or empty"
    assert SECRET not in f"{error} {error.facts}"


@pytest.mark.parametrize("key", ["S3_ENDPOINT_URL", "MIRROR_PUBLIC_URL"])
@pytest.mark.parametrize(
    "url",
    [f"https://ci:{SECRET}@wheels.example.org", f"https://ci:{SECRET}@[::1", f"ftp://{SECRET}@a.example"],
)
def test_nor_is_the_one_in_a_url(key: str, url: str) -> None:
    error = refused(**{**BUCKET, key: url})
    assert error.facts["key"] == key
    assert SECRET not in f"{error} {error.facts}"


class TestMode:
    @pytest.mark.parametrize(
        ("values", "mode"),
        [
            ({}, "directory"),
            ({"S3_ENDPOINT_URL": "http://minio.example"}, "directory"),
            (BUCKET, "generations"),
            ({**BUCKET, "S3_ENDPOINT_URL": "http://minio.example"}, "in-place"),
            ({**BUCKET, "MIRROR_PUBLISH": "in-place"}, "in-place"),
            ({**BUCKET, "MIRROR_PUBLISH": "In-Place"}, "in-place"),
            ({**BUCKET, "MIRROR_PUBLISH": "generations"}, "generations"),
            (
                {**BUCKET, "MIRROR_PUBLISH": "generations", "S3_ENDPOINT_URL": "http://a.example"},
                "generations",
            ),
        ],
    )
    def test_follows_from_bucket_endpoint_and_what_is_asked_for(
        self, values: dict[str, str], mode: PublishMode
    ) -> None:
        assert cloud(**values).mode == mode
        assert cloud(**values).on_aws is (mode == "generations")

    @pytest.mark.parametrize("mode", ["in-place", "generations"])
    def test_a_directory_has_none(self, mode: str) -> None:
        error = refused(MIRROR_PUBLISH=mode)
        assert error.facts["allowed"] == "empty, as BUCKET_NAME is"


class TestPublicUrl:
    public, own, front = "https://pub.example/x", "wheels.example.org", "d1.cloudfront.net"

    def test_is_what_was_said_else_ones_own_domain_else_the_distribution_s(self) -> None:
        values = {
            **BUCKET,
            "MIRROR_PUBLIC_URL": self.public,
            "MIRROR_DOMAIN": self.own,
            "CLOUDFRONT_DOMAIN": self.front,
        }
        assert cloud(**values).public_url == self.public
        values["MIRROR_PUBLIC_URL"] = ""
        assert cloud(**values).public_url == f"https://{self.own}"
        values["MIRROR_DOMAIN"] = ""
        assert cloud(**values).public_url == f"https://{self.front}"
        values["CLOUDFRONT_DOMAIN"] = ""
        assert cloud(**values).public_url == ""


@pytest.mark.parametrize(("keep", "grace"), [(1, 0), (3, 30), (1000, 3650)])
def test_retention(keep: int, grace: int) -> None:
    values = {"MIRROR_KEEP_GENERATIONS": str(keep), "MIRROR_GRACE_DAYS": str(grace)}
    assert parse(**values).retention == Retention(keep, grace)


def test_the_environment_wins() -> None:
    found = parse_settings("BUCKET_NAME=from-file\n", {"BUCKET_NAME": "from-outside"}, Path("/srv"))
    assert found.cloud.bucket == "from-outside"
    assert parse_settings("BUCKET_NAME=from-file\n", {"BUCKET_NAME": ""}, Path("/srv")).cloud.bucket == ""


def test_a_name_with_dots_is_for_buckets_without_a_distribution() -> None:
    """The distribution asks the bucket by TLS, whose certificate holds for one label."""
    assert cloud(BUCKET_NAME="wheels.example.org", MIRROR_PUBLISH="in-place").bucket == "wheels.example.org"
    with pytest.raises(SettingsError, match="a name without dots"):
        parse(BUCKET_NAME="wheels.example.org")
