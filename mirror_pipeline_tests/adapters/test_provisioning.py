"""Each resource by itself on ministack, and answers of AWS's that ministack does not give."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

import pytest
from botocore.exceptions import ClientError

from mirror_pipeline.adapters.edge_function import EdgeFunction
from mirror_pipeline.adapters.provisioning.buckets import Bucket
from mirror_pipeline.adapters.provisioning.calls import listed_items
from mirror_pipeline.adapters.provisioning.certificates import Certificate
from mirror_pipeline.adapters.provisioning.distributions import Distribution
from mirror_pipeline.adapters.provisioning.front import Function, Named
from mirror_pipeline.adapters.provisioning.objects import delete_versions, empty, versions
from mirror_pipeline.domain.cloud import Cloud
from mirror_pipeline.domain.edge import Edge, function_name
from mirror_pipeline.domain.infra import Kind, NotOursError, State, changes_between
from mirror_pipeline.domain.infra_distribution import new_config, origin_domain
from mirror_pipeline.domain.infra_wanted import Known, mark, tags, wanted
from mirror_pipeline.errors import CloudError, SettingsError
from mirror_pipeline_tests.aws_servers import Keys, Ministack, unique
from mirror_pipeline_tests.provisioning import Bench


@pytest.fixture
def cloud() -> Cloud:
    return Cloud(bucket=unique("wheels"), mode="generations")


@pytest.fixture
def bench(ministack: Ministack) -> Bench:
    return Bench(ministack)


@dataclass
class Scripted:
    """A client that answers from a script, operation by operation, and remembers what it was asked."""

    service: str
    answers: Mapping[str, Sequence[Any]]
    asked: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)

    @property
    def meta(self) -> Any:
        """What boto3's clients say of themselves."""
        return SimpleNamespace(
            service_model=SimpleNamespace(service_name=self.service),
            method_to_api_mapping={name: name.title().replace("_", "") for name in self.answers},
        )

    def __getattr__(self, name: str) -> Any:
        def call(**arguments: Any) -> Any:
            answers = self.answers[name]
            answer = answers[min(sum(1 for asked, _ in self.asked if asked == name), len(answers) - 1)]
            self.asked.append((name, arguments))
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call


def refusal(code: str, message: str = "") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "Operation")


def bucket(bench: Bench, cloud: Cloud, kind: Kind = "bucket") -> Bucket:
    name = cloud.bucket if kind == "bucket" else cloud.log_bucket
    return Bucket(bench.clients.s3, kind, name, cloud.region, tags(cloud.bucket))


# Buckets.


def test_a_bucket_is_made_as_wanted_and_read_back_the_same(bench: Bench, cloud: Cloud) -> None:
    one, want = bucket(bench, cloud), wanted("bucket", cloud, Known())
    assert one.read() is None
    one.create(want)
    found = one.read()
    assert found is not None
    assert found.ours
    assert changes_between(want, found.state) == ()


def test_a_bucket_elsewhere_has_its_place_and_is_refused_under_another_region(
    bench: Bench, cloud: Cloud
) -> None:
    far = replace(cloud, region="eu-central-1")
    s3 = bench.ministack.client("s3")
    s3.create_bucket(Bucket=cloud.bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    found = bucket(bench, far).read()
    assert found is not None
    with pytest.raises(
        SettingsError, match=f"{cloud.bucket} lies in eu-central-1, not in AWS_REGION=us-east-1"
    ):
        bucket(bench, cloud).read()


@pytest.mark.parametrize(
    ("region", "configuration"),
    [("us-east-1", {}), ("eu-central-1", {"LocationConstraint": "eu-central-1"})],
)
def test_only_other_regions_than_the_first_are_named(region: str, configuration: State, cloud: Cloud) -> None:
    s3 = Scripted("s3", {"create_bucket": [{}]})
    labels = tags(cloud.bucket)
    Bucket(s3, "bucket", cloud.bucket, region, labels).create({"Ownership": "BucketOwnerEnforced"})
    sent = s3.asked[0][1]["CreateBucketConfiguration"]
    assert sent == {**configuration, "Tags": [{"Key": "mirror-pipeline", "Value": cloud.bucket}]}


def test_a_bucket_of_somebody_elses_is_one_clear_line(ministack: Ministack, cloud: Cloud) -> None:
    other = ministack.client("s3", Keys("210987654321", "test"))
    other.create_bucket(Bucket=cloud.bucket)
    with pytest.raises(CloudError, match="exists and is somebody else's") as caught:
        bucket(Bench(ministack), cloud).read()
    assert "BUCKET_NAME" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_name_that_is_taken_meanwhile_is_the_same_line(cloud: Cloud) -> None:
    s3 = Scripted("s3", {"create_bucket": [refusal("BucketAlreadyExists")]})
    with pytest.raises(CloudError, match="exists and is somebody else's"):
        Bucket(s3, "bucket", cloud.bucket, "us-east-1", tags("x")).create({"Ownership": "x"})


def test_tags_of_others_stay(bench: Bench, cloud: Cloud) -> None:
    s3 = bench.ministack.client("s3")
    s3.create_bucket(Bucket=cloud.bucket)
    s3.put_bucket_tagging(Bucket=cloud.bucket, Tagging={"TagSet": [{"Key": "team", "Value": "a"}]})
    one, want = bucket(bench, cloud), wanted("bucket", cloud, Known())
    found = one.read()
    assert found is not None
    assert not found.ours
    one.update(found, want, changes_between(want, found.state))
    again = one.read()
    assert again is not None
    assert again.ours
    assert again.state["Tags"] == {"team": "a", "mirror-pipeline": cloud.bucket}


def test_lifecycle_rules_of_others_stay_and_ours_of_before_are_replaced(bench: Bench, cloud: Cloud) -> None:
    s3 = bench.ministack.client("s3")
    s3.create_bucket(Bucket=cloud.bucket)
    days = {"NoncurrentDays": 30, "NewerNoncurrentVersions": 3}
    before = {"ID": "noncurrent-versions", "Status": "Enabled", "Filter": {"Prefix": ""}}
    theirs = {
        "ID": "theirs",
        "Status": "Enabled",
        "Filter": {"Prefix": "scratch/"},
        "Expiration": {"Days": 9},
    }
    rules = [{**before, "NoncurrentVersionExpiration": days}, theirs]
    s3.put_bucket_lifecycle_configuration(Bucket=cloud.bucket, LifecycleConfiguration={"Rules": rules})
    one, want = bucket(bench, cloud), wanted("bucket", cloud, Known())
    found = one.read()
    assert found is not None
    assert found.note == "lifecycle rules of others stay: theirs"
    one.update(found, want, changes_between(want, found.state))
    again = one.read()
    assert again is not None
    assert changes_between(want, again.state) == ()
    assert again.state["Lifecycle"].pop("theirs") == theirs
    assert again.state["Lifecycle"].keys() == want["Lifecycle"].keys()


def test_a_rule_of_the_older_form_is_written_in_todays(cloud: Cloud) -> None:
    old = {"ID": "theirs", "Status": "Enabled", "Prefix": "scratch/", "Expiration": {"Days": 9}}
    answers: Mapping[str, Sequence[Any]] = {
        "head_bucket": [{}], "get_bucket_lifecycle_configuration": [{"Rules": [old]}],
        "get_bucket_versioning": [{}], "put_bucket_lifecycle_configuration": [{}],
        "get_bucket_ownership_controls": [refusal("OwnershipControlsNotFoundError")],
        "get_public_access_block": [refusal("NoSuchPublicAccessBlockConfiguration")],
        "get_bucket_encryption": [refusal("ServerSideEncryptionConfigurationNotFoundError")],
        "get_bucket_tagging": [{"TagSet": [{"Key": "mirror-pipeline", "Value": cloud.bucket}]}],
    }  # fmt: skip
    s3, want = Scripted("s3", answers), wanted("bucket", cloud, Known())
    one = Bucket(s3, "bucket", cloud.bucket, cloud.region, tags(cloud.bucket))
    found = one.read()
    assert found is not None
    lifecycle = {"Lifecycle": want["Lifecycle"]}
    one.update(found, lifecycle, changes_between(lifecycle, found.state))
    sent = s3.asked[-1][1]["LifecycleConfiguration"]["Rules"]
    assert {
        "ID": "theirs",
        "Status": "Enabled",
        "Filter": {"Prefix": "scratch/"},
        "Expiration": {"Days": 9},
    } in sent
    assert len(sent) == 1 + len(want["Lifecycle"])


def test_a_log_bucket_of_others_is_used_as_it_is(bench: Bench, cloud: Cloud) -> None:
    logged = replace(cloud, log_bucket=unique("logs"))
    s3 = bench.ministack.client("s3")
    s3.create_bucket(Bucket=logged.log_bucket, ObjectOwnership="BucketOwnerPreferred")
    found = bucket(bench, logged, "log bucket").read()
    assert found is not None
    assert found.leave
    assert not found.ours


def test_a_log_bucket_without_acls_is_refused(bench: Bench, cloud: Cloud) -> None:
    logged = replace(cloud, log_bucket=unique("logs"))
    bench.ministack.client("s3").create_bucket(Bucket=logged.log_bucket)
    with pytest.raises(SettingsError, match="has no ACLs"):
        bucket(bench, logged, "log bucket").read()


def test_every_version_of_every_object_is_found_and_deleted(bench: Bench, ministack: Ministack) -> None:
    name, s3 = ministack.bucket(), bench.clients.s3
    for number in (1, 1, 2, 3):
        s3.put_object(Bucket=name, Key=f"k{number}", Body=b"x")
    markers = [{"Key": f"k{number}"} for number in range(1000)]
    s3.delete_objects(Bucket=name, Delete={"Objects": markers, "Quiet": True})
    assert len(set(versions(s3, name))) == 1004
    told: list[int] = []
    empty(s3, name, "", told.append)
    assert told == [1000, 4]
    s3.delete_bucket(Bucket=name)


def test_an_object_that_s3_keeps_is_named() -> None:
    answer = {"Errors": [{"Key": "a", "Code": "AccessDenied"}, {"Key": "b", "Code": "AccessDenied"}]}
    with pytest.raises(CloudError, match=r"DeleteObjects bucket/a: AccessDenied:.*\(and 1 more\)"):
        delete_versions(
            Scripted("s3", {"delete_objects": [answer]}), "bucket", iter([("a", "1"), ("b", "2")])
        )


# What a distribution is made of.


@pytest.mark.parametrize("kind", ["origin access control", "cache policy", "response headers policy"])
def test_a_policy_is_made_found_mended_and_removed(bench: Bench, cloud: Cloud, kind: Kind) -> None:
    one = Named(bench.clients.cloudfront, kind, function_name(cloud.bucket), mark(cloud.bucket))
    want = wanted(kind, cloud, Known())
    assert one.read() is None
    made = one.create(want)
    found = one.read()
    assert found is not None
    assert (found.id, found.etag, found.ours) == (made.id, made.etag, True)
    assert changes_between(want, found.state) == ()
    one.update(found, want, ())
    changed = one.read()
    assert changed is not None
    assert changed.etag != found.etag
    with pytest.raises(CloudError):
        one.delete(found)  # with the ETag from before
    one.delete(changed)
    assert one.read() is None


def test_a_policy_with_another_comment_is_not_ours(bench: Bench, cloud: Cloud) -> None:
    want = {**wanted("cache policy", cloud, Known()), "Comment": "made by hand"}
    name = function_name(cloud.bucket)
    one = Named(bench.clients.cloudfront, "cache policy", name, mark(cloud.bucket))
    one.create(want)
    found = one.read()
    assert found is not None
    assert not found.ours


def test_lists_are_read_to_their_end() -> None:
    one, two, three = ({"Id": name} for name in "abc")
    pages = [{"L": {"Items": [one, two], "NextMarker": "m"}}, {"L": {"Items": [three]}}]
    client = Scripted("cloudfront", {"list_things": pages})
    assert list(listed_items(client, "list_things", "L", Type="custom")) == [one, two, three]
    assert client.asked[1][1] == {"Type": "custom", "Marker": "m"}


def test_the_function_keeps_what_it_holds_when_its_code_is_renewed(bench: Bench, cloud: Cloud) -> None:
    front, name = bench.clients.cloudfront, function_name(cloud.bucket)
    one = Function(front, name, tags(cloud.bucket))
    one.create({})
    edge, held = EdgeFunction(front, name), Edge(7, ("a" * 64,))
    deployed = edge.read()
    assert deployed is not None
    edge.deploy(held, deployed.etag)
    _write_older_code(front, name)
    found = one.read()
    assert found is not None
    assert found.state == {"Code": "another release's"}
    one.update(found, {}, ())
    again = edge.read()
    assert again is not None
    assert (again.edge, again.current) == (held, True)


def _write_older_code(front: Any, name: str) -> None:
    """The same function as another release would have made it."""
    got = front.get_function(Name=name, Stage="DEVELOPMENT")
    code = got["FunctionCode"].read() + b"\n// an older release\n"
    config = {"Comment": "", "Runtime": "cloudfront-js-2.0"}
    front.update_function(Name=name, IfMatch=got["ETag"], FunctionConfig=config, FunctionCode=code)
    etag = front.describe_function(Name=name, Stage="DEVELOPMENT")["ETag"]
    front.publish_function(Name=name, IfMatch=etag)


def test_a_function_of_others_is_not_ours_and_one_that_lost_its_code_says_that_nothing_is_live(
    bench: Bench, cloud: Cloud
) -> None:
    front, name = bench.clients.cloudfront, function_name(cloud.bucket)
    config = {"Comment": "", "Runtime": "cloudfront-js-2.0"}
    code = b"function handler(event) { return event.request; }"
    front.create_function(Name=name, FunctionConfig=config, FunctionCode=code)
    found = Function(front, name, tags(cloud.bucket)).read()
    assert found is not None
    assert not found.ours
    front.tag_resource(
        Resource=found.arn, Tags={"Items": [{"Key": "mirror-pipeline", "Value": cloud.bucket}]}
    )
    again = Function(front, name, tags(cloud.bucket)).read()
    assert again is not None
    assert again.ours
    assert "no generation is live" in again.note


def test_an_adopted_function_is_ours_and_shows_nothing(bench: Bench, cloud: Cloud) -> None:
    front, name = bench.clients.cloudfront, function_name(cloud.bucket)
    config = {"Comment": "", "Runtime": "cloudfront-js-2.0"}
    code = b"function handler(event) { return event.request; }"
    front.create_function(Name=name, FunctionConfig=config, FunctionCode=code)
    one = Function(front, name, tags(cloud.bucket))
    found = one.read()
    assert found is not None
    one.update(found, {}, ())
    again, deployed = one.read(), EdgeFunction(front, name).read()
    assert again is not None
    assert deployed is not None
    assert (again.ours, again.state, deployed.edge) == (True, {"Code": "current"}, Edge())
    assert mine(front, again.arn) == tags(cloud.bucket)


def mine(front: Any, arn: str) -> Mapping[str, str]:
    items = front.list_tags_for_resource(Resource=arn)["Tags"]["Items"]
    return {item["Key"]: item["Value"] for item in items}


# The distribution.


def made_by_hand(bench: Bench, cloud: Cloud, comment: str, reference: str) -> str:
    """A distribution before the bucket; returns its id."""
    ids = {
        "oac": "",
        "cache_policy": "658327ea-f89d-4fab-a63d-7e88639e58f6",
        "headers_policy": "",
        "function": "",
    }
    known = Known(**ids)
    config = {**wanted("distribution", cloud, known), "Comment": comment}
    config.pop("Tags")
    body = new_config(config, reference)
    body["DefaultCacheBehavior"]["FunctionAssociations"] = {"Quantity": 0}
    answer = bench.clients.cloudfront.create_distribution(DistributionConfig=body)
    return str(answer["Distribution"]["Id"])


def test_the_distribution_is_found_by_id_then_by_comment_then_by_origin(bench: Bench, cloud: Cloud) -> None:
    front = bench.clients.cloudfront
    assert Distribution(front, cloud).read() is None
    foreign = made_by_hand(bench, cloud, "by hand", unique("r"))
    found = Distribution(front, cloud).read()
    assert found is not None
    assert (found.id, found.ours) == (foreign, False)
    ours = made_by_hand(bench, cloud, mark(cloud.bucket), unique("r"))
    found = Distribution(front, cloud).read()
    assert found is not None
    assert (found.id, found.ours) == (ours, True)
    named = Distribution(front, replace(cloud, distribution=foreign)).read()
    assert named is not None
    assert named.id == foreign


def test_several_of_which_none_is_ours_are_for_a_person_to_choose_from(bench: Bench, cloud: Cloud) -> None:
    ids = {made_by_hand(bench, cloud, "by hand", unique("r")) for _ in range(2)}
    with pytest.raises(NotOursError, match="name the right one by CLOUDFRONT_DISTRIBUTION_ID") as caught:
        Distribution(bench.clients.cloudfront, cloud).read()
    assert set(caught.value.facts["names"]) == ids  # type: ignore[call-overload]


def test_an_id_that_is_gone_is_looked_up_anew(bench: Bench, cloud: Cloud) -> None:
    ours = made_by_hand(bench, cloud, mark(cloud.bucket), unique("r"))
    found = Distribution(bench.clients.cloudfront, replace(cloud, distribution="E0GONE00000000")).read()
    assert found is not None
    assert found.id == ours


def answer_of(id_: str, cloud: Cloud, comment: str) -> Mapping[str, Any]:
    config = {"Comment": comment, "Origins": {"Items": [{"DomainName": origin_domain(cloud)}]}}
    return {
        "ETag": "1",
        "Distribution": {
            "Id": id_, "ARN": f"arn:{id_}", "Status": "Deployed", "DomainName": "d1.cloudfront.net",
            "DistributionConfig": config,
        },
    }  # fmt: skip


def used(id_: str) -> ClientError:
    return refusal("DistributionAlreadyExists", f"The reference is taken. Already exists: {id_}")


def references(front: Scripted) -> list[str]:
    return [
        arguments["DistributionConfigWithTags"]["DistributionConfig"]["CallerReference"]
        for name, arguments in front.asked
        if name == "create_distribution_with_tags"
    ]


def test_a_creation_whose_answer_was_lost_is_found_by_its_reference(cloud: Cloud) -> None:
    front = Scripted(
        "cloudfront",
        {
            "create_distribution_with_tags": [used("E1LOSTANSWER")],
            "get_distribution": [answer_of("E1LOSTANSWER", cloud, mark(cloud.bucket))],
            "list_tags_for_resource": [{"Tags": {"Items": []}}],
        },
    )
    found = Distribution(front, cloud).create(wanted("distribution", cloud, Known()))
    assert found.id == "E1LOSTANSWER"
    assert len(references(front)) == 1


def test_the_reference_of_a_deleted_distribution_is_passed_over(cloud: Cloud) -> None:
    front = Scripted(
        "cloudfront",
        {
            "create_distribution_with_tags": [
                used("E1DELETED00"),
                used("E2DELETED00"),
                answer_of("E3", cloud, ""),
            ],
            "get_distribution": [refusal("NoSuchDistribution")],
        },
    )
    found = Distribution(front, cloud).create(wanted("distribution", cloud, Known()))
    assert found.id == "E3"
    assert len(set(references(front))) == 3


def test_a_reference_that_names_nothing_is_looked_for_in_the_list(cloud: Cloud) -> None:
    front = Scripted(
        "cloudfront",
        {
            "create_distribution_with_tags": [refusal("DistributionAlreadyExists", "taken")],
            "list_distributions": [
                {
                    "DistributionList": {
                        "Items": [
                            {
                                "Id": "E9",
                                "Comment": mark(cloud.bucket),
                                "Origins": {"Items": [{"DomainName": origin_domain(cloud)}]},
                            }
                        ]
                    }
                }
            ],
            "get_distribution": [answer_of("E9", cloud, mark(cloud.bucket))],
            "list_tags_for_resource": [{"Tags": {"Items": []}}],
        },
    )
    assert Distribution(front, cloud).create(wanted("distribution", cloud, Known())).id == "E9"


def test_what_was_made_for_the_bucket_and_lost_its_mark_is_refused(cloud: Cloud) -> None:
    front = Scripted(
        "cloudfront",
        {
            "create_distribution_with_tags": [used("E1UNMARKED00")],
            "get_distribution": [answer_of("E1UNMARKED00", cloud, "renamed")],
            "list_tags_for_resource": [{"Tags": {"Items": []}}],
        },
    )
    with pytest.raises(NotOursError, match=r"E1UNMARKED00 was made for .* and has lost its mark"):
        Distribution(front, cloud).create(wanted("distribution", cloud, Known()))


def test_another_refusal_is_told_as_it_is(cloud: Cloud) -> None:
    front = Scripted(
        "cloudfront", {"create_distribution_with_tags": [refusal("CNAMEAlreadyExists", "taken")]}
    )
    with pytest.raises(CloudError, match="CNAMEAlreadyExists: taken"):
        Distribution(front, cloud).create(wanted("distribution", cloud, Known()))


# Certificates.


def test_a_certificate_is_requested_once_and_found_by_its_tag(bench: Bench, cloud: Cloud) -> None:
    domain = f"{unique('w')}.example.org"
    one = Certificate(bench.clients.acm, domain, tags(cloud.bucket))
    bench.clients.acm.request_certificate(DomainName=domain)  # somebody else's
    assert one.read() is None
    made = one.create(wanted("certificate", replace(cloud, domain=domain), Known()))
    found = one.read()
    assert found is not None
    assert found.id == made.id
    assert [other.id for other in one.ours()] == [made.id]
    one.delete(found)
    assert one.read() is None


def test_a_certificate_that_failed_counts_for_nothing_and_an_issued_one_comes_first() -> None:
    def described(arn: str, status: str) -> Mapping[str, Any]:
        return {"Certificate": {"DomainName": "w.example.org", "Status": status, "CertificateArn": arn}}

    states = {"a": "FAILED", "b": "PENDING_VALIDATION", "c": "ISSUED"}
    acm = Scripted(
        "acm",
        {
            "list_certificates": [
                {"CertificateSummaryList": [_summary("a")], "NextToken": "t"},
                {"CertificateSummaryList": [_summary("b"), _summary("c")]},
            ],
            "list_tags_for_certificate": [{"Tags": [{"Key": "mirror-pipeline", "Value": "wheels"}]}],
            "describe_certificate": [described(arn, status) for arn, status in states.items()],
        },
    )
    found = Certificate(acm, "w.example.org", tags("wheels")).read()
    assert found is not None
    assert found.state["Status"] == "ISSUED"


def _summary(arn: str) -> Mapping[str, str]:
    return {"CertificateArn": arn, "DomainName": "w.example.org"}


def test_a_request_that_cannot_be_looked_up_yet_is_pending(cloud: Cloud) -> None:
    acm = Scripted(
        "acm",
        {
            "request_certificate": [{"CertificateArn": "arn:new"}],
            "describe_certificate": [refusal("ResourceNotFoundException")],
        },
    )
    made = Certificate(acm, "w.example.org", tags(cloud.bucket)).create({"DomainName": "w.example.org"})
    assert (made.id, made.ready, made.dns) == ("arn:new", False, ())


# All together, through the data plane.


@dataclass(frozen=True)
class Answer:
    """What a client got."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def get(url: str, **headers: str) -> Answer:
    opener = build_opener(ProxyHandler({}))
    opener.addheaders = list(headers.items())
    try:
        with opener.open(url) as answer:
            return Answer(answer.status, dict(answer.headers), answer.read())
    except HTTPError as error:
        with error:
            return Answer(error.code, dict(error.headers), error.read())


@pytest.fixture
def front(bench: Bench, cloud: Cloud) -> Iterator[str]:
    """Address of a provisioned distribution with generation 1 live, which has one page."""
    done = bench.apply(cloud)
    s3 = bench.clients.s3
    s3.put_object(
        Bucket=cloud.bucket,
        Key="g/1/simple/index.html",
        Body=b"<p>all",
        ContentType="text/html; charset=utf-8",
    )
    edge = EdgeFunction(bench.clients.cloudfront, function_name(cloud.bucket))
    deployed = edge.read()
    assert deployed is not None
    edge.deploy(Edge(1), deployed.etag)
    with bench.ministack.edge(done.ids["CLOUDFRONT_DOMAIN"]) as address:
        yield address.url


def test_clients_reach_what_is_live_with_the_headers_of_the_policy(front: str) -> None:
    answer = get(f"{front}/simple/", Accept="text/html")
    assert (answer.status, answer.body) == (200, b"<p>all")
    assert answer.headers["Vary"] == "Accept, Accept-Encoding"
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"


def test_what_is_not_there_is_the_error_page(front: str) -> None:
    answer = get(f"{front}/simple/nothing/")
    assert (answer.status, answer.body) == (404, b"Not Found\n")


def test_the_bucket_answers_nobody_directly(front: str, cloud: Cloud, ministack: Ministack) -> None:
    for key in ("g/1/simple/index.html", ".mirror/404.txt", ""):
        assert get(f"{ministack.url}/{cloud.bucket}/{key}").status == 403


def test_another_distribution_reads_nothing(bench: Bench, cloud: Cloud, front: str) -> None:
    other = made_by_hand(bench, cloud, "somebody's", unique("r"))
    domain = bench.clients.cloudfront.get_distribution(Id=other)["Distribution"]["DomainName"]
    with bench.ministack.edge(domain) as address:
        assert get(f"{address.url}/g/1/simple/index.html").status in (403, 404)


def test_the_policy_of_the_bucket_names_the_distribution(bench: Bench, cloud: Cloud) -> None:
    done = bench.apply(cloud)
    policy = json.loads(bench.clients.s3.get_bucket_policy(Bucket=cloud.bucket)["Policy"])
    id_ = done.ids["CLOUDFRONT_DISTRIBUTION_ID"]
    assert all(id_ in json.dumps(statement["Condition"]) for statement in policy["Statement"])
