"""``infra`` from nothing to provisioned and back to nothing, in an account of its own on a real ministack.

What AWS does in minutes and ministack at once is put on by ``provisioning.Wire``, as are lost answers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from botocore.exceptions import ClientError

from mirror_pipeline import cli
from mirror_pipeline.adapters.edge_function import EdgeFunction
from mirror_pipeline.assets import graph, infrastructure
from mirror_pipeline.configuration import load_settings
from mirror_pipeline.domain.cloud import Cloud
from mirror_pipeline.domain.edge import Edge, function_name
from mirror_pipeline.domain.iam import provisioner_policy
from mirror_pipeline.domain.infra import NotOursError, PendingError
from mirror_pipeline.domain.infra_wanted import mark
from mirror_pipeline.errors import CloudError, CloudUnreachableError
from mirror_pipeline.instance import dagster_home, open_instance
from mirror_pipeline.phases.infrastructure import plan
from mirror_pipeline.phases.infrastructure_removal import destroy, removals
from mirror_pipeline.phases.mirror import build_mirror
from mirror_pipeline.resources import mirror_resource
from mirror_pipeline_tests.aws_servers import Keys, Ministack, run_ministack
from mirror_pipeline_tests.provisioning import Bench, as_ministack_judges, distributions, inventory, nothing

BUCKET = "wheels"
CLOUD = Cloud(bucket=BUCKET, mode="generations")
DOMAIN = "wheels.example.org"
FULL = replace(CLOUD, domain=DOMAIN, log_bucket="wheels-logs")
KINDS = [
    "bucket", "error page", "origin access control", "cache policy", "response headers policy", "function",
    "distribution", "bucket policy",
]  # fmt: skip


@pytest.fixture(scope="module")
def aws() -> Iterator[Ministack]:
    """An account with nothing in it."""
    with run_ministack() as server:
        yield server


@pytest.fixture(scope="module")
def kept(aws: Ministack) -> Bench:
    return Bench(aws)


@pytest.fixture
def bench(kept: Bench) -> Iterator[Bench]:
    """Clients of the account, which is empty before and after each test."""
    kept.begin()
    yield kept
    kept.begin()
    _clear(kept.ministack)


def _clear(aws: Ministack, left: Mapping[str, Any] | None = None) -> None:
    """Remove everything, whoever made it."""
    front, acm, s3 = (aws.client(service) for service in ("cloudfront", "acm", "s3"))
    left = inventory(aws) if left is None else left
    for id_, found in left["distributions"].items():
        config = {**found["distribution"]["DistributionConfig"], "Enabled": False}
        done = front.update_distribution(Id=id_, IfMatch=found["etag"], DistributionConfig=config)
        front.delete_distribution(Id=id_, IfMatch=done["ETag"])
    for name in left["functions"]:
        front.delete_function(
            Name=name, IfMatch=front.describe_function(Name=name, Stage="DEVELOPMENT")["ETag"]
        )
    for item in left["oacs"]:
        front.delete_origin_access_control(
            Id=item["Id"], IfMatch=front.get_origin_access_control(Id=item["Id"])["ETag"]
        )
    for item in left["cache policies"]:
        id_ = item["CachePolicy"]["Id"]
        front.delete_cache_policy(Id=id_, IfMatch=front.get_cache_policy(Id=id_)["ETag"])
    for item in left["headers policies"]:
        id_ = item["ResponseHeadersPolicy"]["Id"]
        front.delete_response_headers_policy(
            Id=id_, IfMatch=front.get_response_headers_policy(Id=id_)["ETag"]
        )
    for certificate in left["certificates"]:
        acm.delete_certificate(CertificateArn=certificate["CertificateArn"])
    for name, bucket in left["buckets"].items():
        for version in bucket["versions"]:
            s3.delete_object(Bucket=name, Key=version["Key"], VersionId=version["VersionId"])
        s3.delete_bucket(Bucket=name)


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def answer(self) -> Mapping[str, Any]:
        """The one JSON object."""
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found


Run = Callable[..., Outcome]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.env"
    path.write_text(f"# ours\nORBIT_PROJECT=shop\nBUCKET_NAME={BUCKET} # private\nCLOUDFRONT_DOMAIN=''\n")
    return path


@pytest.fixture
def run(
    bench: Bench, config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Run:
    """Run a command in this process, as the administrator or somebody else."""
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: str, keys: Keys | None = None, without: Sequence[str] = ()) -> Outcome:
        for key, value in bench.ministack.environment(keys).items():
            monkeypatch.setenv(key, value)
        for key in without:
            monkeypatch.delenv(key)
        capsys.readouterr()
        code = cli.run([*arguments, "--config", str(config)])
        return Outcome(code, *capsys.readouterr())

    return call


# From nothing to provisioned and back.


def test_from_nothing_to_provisioned_and_back_to_nothing(run: Run, bench: Bench, config: Path) -> None:
    assert nothing(inventory(bench.ministack))
    before = config.read_text()
    assert run("infra", "apply").code == 0
    made = inventory(bench.ministack)
    assert [len(found) for found in made.values()] == [1, 1, 1, 1, 1, 1, 0]
    assert run("infra", "destroy", "--yes").code == 0
    assert nothing(inventory(bench.ministack))
    assert config.read_text() == before + "CLOUDFRONT_DISTRIBUTION_ID=\nCLOUDFRONT_OAC_ID=\n"


def test_with_everything_that_can_be_configured(bench: Bench) -> None:
    key = bench.ministack.client("kms").create_key()["KeyMetadata"]["Arn"]
    cloud = replace(FULL, kms_key=key)
    done = bench.apply(cloud)
    assert [step.kind for step in done.steps] == [
        "log bucket", *KINDS[:6], "certificate", "distribution", "bucket policy"
    ]  # fmt: skip
    made = inventory(bench.ministack)
    (front,) = made["distributions"].values()
    shown = front["distribution"]["DistributionConfig"]
    assert shown["Aliases"]["Items"] == [DOMAIN]
    assert shown["ViewerCertificate"]["ACMCertificateArn"] == made["certificates"][0]["CertificateArn"]
    assert shown["Logging"]["Bucket"] == "wheels-logs.s3.amazonaws.com"
    assert any(f"{DOMAIN} has to be a CNAME" in note and "cloudfront.net" in note for note in done.notes)
    assert any("kms:Decrypt" in note for note in done.notes)
    assert bench.apply(cloud).changed == ()
    gone = destroy(bench.account(cloud), delete_objects=False)
    assert {removal.kind for removal in gone if removal.action == "keep"} == {"log bucket"}
    assert set(inventory(bench.ministack)["buckets"]) == {"wheels-logs"}
    assert inventory(bench.ministack)["certificates"] == []


def test_what_was_made_is_tagged_or_marked(bench: Bench) -> None:
    bench.apply(FULL)
    made = inventory(bench.ministack)
    ours = {"Key": "mirror-pipeline", "Value": BUCKET}
    for name in (BUCKET, "wheels-logs"):
        assert ours in made["buckets"][name]["get_bucket_tagging"]["TagSet"]
    (front,) = made["distributions"].values()
    assert ours in front["tags"]["Items"]
    arn = made["certificates"][0]["CertificateArn"]
    acm = bench.ministack.client("acm")
    assert ours in acm.list_tags_for_certificate(CertificateArn=arn)["Tags"]
    cloudfront = bench.ministack.client("cloudfront")
    function = cloudfront.describe_function(Name=function_name(BUCKET), Stage="LIVE")
    arn = function["FunctionSummary"]["FunctionMetadata"]["FunctionARN"]
    assert ours in cloudfront.list_tags_for_resource(Resource=arn)["Tags"]["Items"]
    assert made["oacs"][0]["Description"] == mark(BUCKET)


# plan.


def test_a_plan_changes_nothing_and_only_reads(bench: Bench) -> None:
    for state in ("nothing", "half", "all"):
        before = inventory(bench.ministack)
        bench.begin()
        planned = plan(bench.account(FULL))
        assert bench.wire.changes == []
        assert len(bench.wire.operations) > 5
        assert planned.in_line == (state == "all")
        assert inventory(bench.ministack) == before
        if state == "nothing":
            bench.begin(fail_at=9)
            with pytest.raises(CloudUnreachableError):
                bench.apply(FULL)
        else:
            bench.begin()
            bench.apply(FULL)


def test_a_plan_of_nothing_lists_what_would_be_made(run: Run) -> None:
    told = run("infra", "plan", "--json")
    assert told.code == 1
    assert told.answer["status"] == "findings"
    assert [item["resource"] for item in told.answer["resources"]] == KINDS
    assert {item["action"] for item in told.answer["resources"]} == {"create"}
    change = {"field": "Versioning", "now": None, "wanted": "Enabled"}
    assert change in told.answer["resources"][0]["changes"]


def test_a_plan_for_people_is_a_table(run: Run) -> None:
    told = run("infra", "plan")
    assert told.code == 1
    rows = [line for line in told.out.splitlines() if " create " in line]
    assert [row.split("│")[1].strip() for row in rows] == KINDS
    assert all(row.split("│")[4].strip().endswith(" fields") for row in rows)
    assert told.out.count("\n") < 20
    assert "'mirror-pipeline infra apply' makes it so." in told.out


def test_a_plan_for_people_has_the_fields_of_what_differs(run: Run, bench: Bench) -> None:
    run("infra", "apply")
    drifted(bench.ministack)
    told = run("infra", "plan")
    assert "Lifecycle.noncurrent-versions.Status" in told.out
    assert "lifecycle rules of others stay: all" in told.out


def test_a_plan_in_line_is_ok(run: Run) -> None:
    run("infra", "apply")
    told = run("infra", "plan", "--json")
    assert (told.code, told.answer["status"]) == (0, "ok")
    assert {item["action"] for item in told.answer["resources"]} == {"none"}


# apply.


def test_a_second_apply_changes_nothing(bench: Bench) -> None:
    first = bench.apply(FULL)
    before = inventory(bench.ministack)
    bench.begin()
    second = bench.apply(FULL)
    assert bench.wire.changes == []
    assert second.changed == ()
    assert (second.ids, second.version) == (first.ids, first.version)
    assert inventory(bench.ministack) == before


def test_an_apply_ends_with_the_address_that_clients_have_and_what_comes_next(
    run: Run, bench: Bench, config: Path
) -> None:
    told = run("infra", "apply")
    assert f": https://{load_settings({}, config).cloud.distribution_domain}/simple/" in told.out
    assert told.out.endswith("'mirror-pipeline refresh' publishes.\n")
    config.write_text(f"{config.read_text()}MIRROR_PUBLIC_URL=https://proxy.example.org/py\n")
    told = run("infra", "apply")
    assert told.out.endswith(": https://proxy.example.org/py/simple/\n")
    bench.clients.s3.put_object(Bucket=BUCKET, Key="g/1/index.html", Body=b"x")
    run("infra", "destroy", "--yes")
    told = run("infra", "apply")
    assert told.out.endswith("'mirror-pipeline refresh --repair' makes the newest generation live again.\n")


def test_a_domain_is_what_clients_are_told(run: Run, config: Path) -> None:
    config.write_text(f"{config.read_text()}MIRROR_DOMAIN={DOMAIN}\n")
    assert f": https://{DOMAIN}/simple/" in run("infra", "apply").out


def test_only_what_changed_something_is_recorded(run: Run, config: Path) -> None:
    def recorded() -> int:
        with open_instance(dagster_home(load_settings({}, config), {})) as instance:
            found = instance.fetch_materializations(dg.AssetKey("infrastructure"), limit=10)
            return len(found.records)

    run("infra", "apply")
    assert recorded() == 1
    run("infra", "apply")
    assert recorded() == 1


def test_a_distribution_that_is_gone_is_made_under_its_comment(run: Run, bench: Bench, config: Path) -> None:
    run("infra", "apply")
    gone = load_settings({}, config).cloud.distribution
    run("infra", "destroy", "--yes")
    config.write_text(config.read_text().replace("DISTRIBUTION_ID=", f"DISTRIBUTION_ID={gone}"))
    told = run("infra", "apply")
    assert f"distribution {mark(BUCKET)}: creating" in told.err
    assert gone not in told.err


def test_the_ids_are_written_beside_the_comments(run: Run, config: Path) -> None:
    told = run("infra", "apply", "--json")
    ids = told.answer["ids"]
    assert config.read_text() == (
        f"# ours\nORBIT_PROJECT=shop\nBUCKET_NAME={BUCKET} # private\n"
        f"CLOUDFRONT_DOMAIN='{ids['CLOUDFRONT_DOMAIN']}'\n"
        f"CLOUDFRONT_DISTRIBUTION_ID={ids['CLOUDFRONT_DISTRIBUTION_ID']}\n"
        f"CLOUDFRONT_OAC_ID={ids['CLOUDFRONT_OAC_ID']}\n"
    )
    assert set(told.answer["written"]) == set(ids)
    assert run("infra", "apply", "--json").answer["written"] == []


def test_what_the_environment_gives_is_said_instead(
    run: Run, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = config.read_text()
    monkeypatch.setenv("CLOUDFRONT_DISTRIBUTION_ID", "")
    monkeypatch.setenv("CLOUDFRONT_OAC_ID", "E0LDER")
    monkeypatch.setenv("CLOUDFRONT_DOMAIN", "old.cloudfront.net")
    told = run("infra", "apply", "--json")
    for key, value in told.answer["ids"].items():
        assert f"{key} is set in the environment, which wins: set it to {value}" in told.err
    assert told.answer["written"] == []
    assert config.read_text() == before


def test_without_a_file_the_values_are_said(
    bench: Bench, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for key, value in bench.ministack.environment().items():
        monkeypatch.setenv(key, value)
    monkeypatch.setenv("ORBIT_PROJECT", "shop")
    monkeypatch.setenv("BUCKET_NAME", BUCKET)
    monkeypatch.delenv("MIRROR_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    assert cli.run(["infra", "apply", "--json"]) == 0
    assert "no configuration file to write to: CLOUDFRONT_DISTRIBUTION_ID=" in capsys.readouterr().err


def drifted(aws: Ministack) -> Sequence[tuple[str, str]]:
    """Change something of everything by hand; resource and field of each."""
    s3, front = aws.client("s3"), aws.client("cloudfront")
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Suspended"})
    s3.delete_public_access_block(Bucket=BUCKET)
    s3.put_bucket_lifecycle_configuration(
        Bucket=BUCKET,
        LifecycleConfiguration={
            "Rules": [{"ID": "all", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}]
        },
    )
    s3.put_object(Bucket=BUCKET, Key=".mirror/404.txt", Body=b"?", ContentType="text/html")
    policy = json.loads(s3.get_bucket_policy(Bucket=BUCKET)["Policy"])
    policy["Statement"][0]["Condition"]["StringEquals"]["AWS:SourceArn"] += "X"
    s3.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(policy))
    for item in distributions(front):
        found = front.get_distribution_config(Id=item["Id"])
        changed = found["DistributionConfig"]
        changed["DefaultCacheBehavior"]["ViewerProtocolPolicy"] = "allow-all"
        changed["WebACLId"] = "arn:aws:wafv2:us-east-1:000000000000:global/webacl/a/b"
        front.update_distribution(Id=item["Id"], IfMatch=found["ETag"], DistributionConfig=changed)
    _loosen_policies(front)
    return [
        ("bucket", "Versioning"),
        ("bucket", "PublicAccess.BlockPublicPolicy"),
        ("bucket", "Lifecycle.noncurrent-packages.Status"),
        ("error page", "ContentType"),
        ("bucket policy", "Statement(DistributionReads).Condition.StringEquals.AWS:SourceArn"),
        ("distribution", "DefaultCacheBehavior.ViewerProtocolPolicy"),
        ("cache policy", "DefaultTTL"),
        ("origin access control", "SigningBehavior"),
        ("response headers policy", "CorsConfig"),
    ]


def _loosen_policies(front: Any) -> None:
    (item,) = front.list_cache_policies(Type="custom")["CachePolicyList"]["Items"]
    found = front.get_cache_policy(Id=item["CachePolicy"]["Id"])
    changed = {**found["CachePolicy"]["CachePolicyConfig"], "DefaultTTL": 3600}
    front.update_cache_policy(Id=found["CachePolicy"]["Id"], IfMatch=found["ETag"], CachePolicyConfig=changed)
    (item,) = front.list_origin_access_controls()["OriginAccessControlList"]["Items"]
    oac = front.get_origin_access_control(Id=item["Id"])
    changed = {**oac["OriginAccessControl"]["OriginAccessControlConfig"], "SigningBehavior": "never"}
    front.update_origin_access_control(Id=item["Id"], IfMatch=oac["ETag"], OriginAccessControlConfig=changed)
    (item,) = front.list_response_headers_policies(Type="custom")["ResponseHeadersPolicyList"]["Items"]
    id_ = item["ResponseHeadersPolicy"]["Id"]
    headers = front.get_response_headers_policy(Id=id_)
    every = {"Quantity": 1, "Items": ["*"]}
    cors = {
        "AccessControlAllowOrigins": every,
        "AccessControlAllowHeaders": every,
        "AccessControlAllowMethods": {"Quantity": 1, "Items": ["GET"]},
        "AccessControlAllowCredentials": False,
        "OriginOverride": True,
    }
    changed = {**headers["ResponseHeadersPolicy"]["ResponseHeadersPolicyConfig"], "CorsConfig": cors}
    front.update_response_headers_policy(Id=id_, IfMatch=headers["ETag"], ResponseHeadersPolicyConfig=changed)


def test_drift_is_shown_and_mended_and_what_is_not_ours_to_set_stays(bench: Bench) -> None:
    bench.apply(CLOUD)
    fields = drifted(bench.ministack)
    found = {
        (step.kind, change.field) for step in plan(bench.account(CLOUD)).steps for change in step.changes
    }
    assert set(fields) <= found
    bench.begin()
    done = bench.apply(CLOUD)
    assert {step.kind for step in done.changed} == {kind for kind, _ in fields}
    assert any("ViewerProtocolPolicy: allow-all → redirect-to-https" in line for line in bench.told.lines)
    assert plan(bench.account(CLOUD)).in_line
    (front,) = inventory(bench.ministack)["distributions"].values()
    assert front["distribution"]["DistributionConfig"]["WebACLId"].startswith("arn:aws:wafv2")
    rules = bench.clients.s3.get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"]
    assert {"all", "noncurrent-packages"} <= {rule["ID"] for rule in rules}


@pytest.mark.parametrize("kind", ["origin access control", "cache policy", "error page", "bucket policy"])
def test_what_was_deleted_by_hand_is_made_again(bench: Bench, kind: str) -> None:
    bench.apply(CLOUD)
    aws = bench.ministack
    s3 = aws.client("s3")
    if kind == "bucket policy":
        s3.delete_bucket_policy(Bucket=BUCKET)
    elif kind == "error page":
        s3.delete_object(Bucket=BUCKET, Key=".mirror/404.txt")
    else:
        destroy(bench.account(CLOUD), delete_objects=False)
    assert kind in {step.kind for step in plan(bench.account(CLOUD)).steps if step.action == "create"}
    bench.apply(CLOUD)
    assert plan(bench.account(CLOUD)).in_line


def test_a_renewal_keeps_what_is_live(bench: Bench) -> None:
    bench.apply(CLOUD)
    function = EdgeFunction(bench.clients.cloudfront, function_name(BUCKET))
    deployed = function.read()
    assert deployed is not None
    held = Edge(12, ("b" * 64,))
    function.deploy(held, deployed.etag)
    assert bench.apply(CLOUD).changed == ()
    again = function.read()
    assert again is not None
    assert again.edge == held


def changing_requests(bench: Bench) -> int:
    """How many requests of an apply from nothing change something."""
    bench.begin()
    bench.apply(FULL)
    number = len(bench.wire.changes)
    bench.begin()
    _clear(bench.ministack)
    return number


def test_an_apply_that_got_no_answer_to_any_request_is_finished_by_the_next(bench: Bench) -> None:
    requests = changing_requests(bench)
    assert requests > 12
    for number in range(1, requests + 1):
        bench.begin(fail_at=number, lost=True, remembers=True)
        with pytest.raises(CloudUnreachableError):
            bench.apply(FULL)
        bench.wire.fail_at = None
        bench.apply(FULL)
        assert plan(bench.account(FULL)).in_line
        made = inventory(bench.ministack)
        assert [len(found) for found in made.values()] == [2, 1, 1, 1, 1, 1, 1], number
        _clear(bench.ministack, made)


def test_an_apply_that_fails_after_every_request_gets_there_in_the_end(bench: Bench) -> None:
    failures = 0
    while failures < 100:
        bench.begin(fail_at=2)  # one request is carried out, the next is not
        try:
            bench.apply(FULL)
        except CloudUnreachableError:
            failures += 1
        else:
            break
    assert failures > 12
    made = inventory(bench.ministack)
    assert [len(found) for found in made.values()] == [2, 1, 1, 1, 1, 1, 1]
    bench.begin()
    assert plan(bench.account(FULL)).in_line


def test_after_a_removal_it_is_made_again_though_the_reference_was_used(bench: Bench) -> None:
    bench.begin(remembers=True)
    first = bench.apply(CLOUD)
    destroy(bench.account(CLOUD), delete_objects=False)
    second = bench.apply(CLOUD)
    assert first.ids != second.ids
    assert len(bench.wire.references) == 2
    assert len(inventory(bench.ministack)["distributions"]) == 1


# What is not ours.


def test_what_exists_is_taken_over_only_when_told_so(run: Run, bench: Bench) -> None:
    s3 = bench.ministack.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="old", Body=b"x")
    before = inventory(bench.ministack)
    planned = run("infra", "plan")
    assert planned.code == 1
    assert "infra apply --adopt" in planned.out
    refused = run("infra", "apply", "--json")
    assert (refused.code, refused.answer["error"]["kind"]) == (2, "not-ours")
    assert refused.answer["error"]["names"] == [f"bucket {BUCKET}"]
    assert inventory(bench.ministack) == before
    adopted = run("infra", "apply", "--adopt", "--json")
    assert adopted.code == 0
    assert adopted.answer["resources"][0]["action"] == "adopt"
    assert plan(bench.account(CLOUD)).in_line
    assert s3.get_object(Bucket=BUCKET, Key="old")["Body"].read() == b"x"


def test_everything_of_others_is_refused_and_can_be_adopted(bench: Bench) -> None:
    bench.apply(CLOUD)
    _unmark(bench)
    kinds = {"bucket", "origin access control", "cache policy", "response headers policy", "distribution"}
    found = {step.kind for step in plan(bench.account(CLOUD)).steps if step.action == "adopt"}
    assert found == kinds
    bench.begin()
    with pytest.raises(NotOursError):
        bench.apply(CLOUD)
    assert bench.wire.changes == []
    bench.apply(CLOUD, adopt=True)
    assert plan(bench.account(CLOUD)).in_line


def _unmark(bench: Bench) -> None:
    """Take our marks off, but for the function's, whose code is known."""
    front = bench.clients.cloudfront
    bench.clients.s3.delete_bucket_tagging(Bucket=BUCKET)
    for holder, comment in (
        ("cache_policy", "Comment"),
        ("response_headers_policy", "Comment"),
        ("origin_access_control", "Description"),
    ):
        noun = "".join(part.title() for part in holder.split("_"))
        listed = f"list_{holder.replace('policy', 'policies').replace('control', 'controls')}"
        items = getattr(front, listed)(**({} if "origin" in holder else {"Type": "custom"}))[f"{noun}List"]
        id_ = items["Items"][0].get(noun, items["Items"][0])["Id"]
        got = getattr(front, f"get_{holder}")(Id=id_)
        changed = {**got[noun][f"{noun}Config"], comment: "by hand"}
        getattr(front, f"update_{holder}")(Id=id_, IfMatch=got["ETag"], **{f"{noun}Config": changed})
    (item,) = distributions(front)
    found = front.get_distribution(Id=item["Id"])
    front.untag_resource(Resource=found["Distribution"]["ARN"], TagKeys={"Items": ["mirror-pipeline"]})
    changed = {**found["Distribution"]["DistributionConfig"], "Comment": "by hand"}
    front.update_distribution(Id=item["Id"], IfMatch=found["ETag"], DistributionConfig=changed)


def test_nothing_of_others_is_deleted(bench: Bench) -> None:
    bench.apply(CLOUD)
    _unmark(bench)
    found = {removal.kind: removal.action for removal in removals(bench.account(CLOUD), delete_objects=True)}
    assert found["function"] == "delete"
    assert {kind for kind, action in found.items() if action == "keep"} == {
        "bucket", "bucket policy", "distribution", "origin access control", "cache policy",
        "response headers policy",
    }  # fmt: skip


def test_the_log_bucket_is_another_bucket(run: Run, config: Path) -> None:
    config.write_text(f"{config.read_text()}MIRROR_LOG_BUCKET={BUCKET}\n")
    told = run("infra", "plan", "--json")
    assert (told.code, told.answer["error"]["key"]) == (2, "MIRROR_LOG_BUCKET")


# Waiting.


def test_deployment_is_waited_for_with_progress(bench: Bench) -> None:
    bench.begin(undeployed=3)
    bench.apply(CLOUD)
    assert bench.waited == [20.0, 20.0]  # the creation and two looks found it under way, the third did not
    lines = [line for line in bench.told.lines if "waiting for every edge" in line]
    assert [line.rpartition("(")[2] for line in lines] == ["0 s)", "20 s)", "40 s)"]


def test_a_deployment_that_takes_too_long_is_gone_on_with_later(bench: Bench) -> None:
    bench.apply(CLOUD)
    bench.begin(undeployed=10_000)
    with pytest.raises(PendingError, match="still being deployed after 40 minutes") as caught:
        bench.apply(CLOUD)
    assert caught.value.exit_code == 3
    assert sum(bench.waited) == 2400
    assert any("waiting for every edge to have it (20 s)" in line for line in bench.told.lines)
    bench.begin()
    assert bench.apply(CLOUD).changed == ()


def test_a_certificate_is_waited_for_and_its_record_is_shown(bench: Bench) -> None:
    bench.begin(unissued=4)
    bench.apply(FULL)
    lines = [line for line in bench.told.lines if line.startswith(f"certificate {DOMAIN}: waiting")]
    assert "for AWS to say which DNS record" in lines[0]
    assert any("_a1.wheels.example.org. CNAME _b2.validations.example" in line for line in lines)
    assert len(bench.waited) == len(lines) - 1
    assert plan(bench.account(FULL)).in_line


def test_a_certificate_that_stays_pending_ends_with_the_record_and_goes_on_from_there(bench: Bench) -> None:
    bench.begin(unissued=10_000)
    with pytest.raises(PendingError) as caught:
        bench.apply(FULL)
    assert caught.value.exit_code == 3
    assert "DNS record _a1.wheels.example.org. CNAME _b2.validations.example" in str(caught.value)
    assert "'infra apply' goes on from there" in str(caught.value)
    assert caught.value.facts["dns"] == ["_a1.wheels.example.org. CNAME _b2.validations.example."]
    assert sum(bench.waited) == 900
    made = inventory(bench.ministack)
    assert (len(made["certificates"]), len(made["distributions"]), len(made["functions"])) == (1, 0, 1)
    planned = plan(bench.account(FULL))
    assert [record.type for record in planned.dns] == ["CNAME"]
    assert any(change.wanted == "ISSUED" for step in planned.steps for change in step.changes)
    bench.begin()
    bench.apply(FULL)
    assert len(inventory(bench.ministack)["certificates"]) == 1


def test_a_certificate_that_is_given_is_used(bench: Bench) -> None:
    acm = bench.ministack.client("acm")
    arn = acm.request_certificate(DomainName=DOMAIN)["CertificateArn"]
    cloud = replace(CLOUD, domain=DOMAIN, certificate=arn)
    done = bench.apply(cloud)
    assert "certificate" not in {step.kind for step in done.steps}
    (front,) = inventory(bench.ministack)["distributions"].values()
    assert front["distribution"]["DistributionConfig"]["ViewerCertificate"]["ACMCertificateArn"] == arn
    destroy(bench.account(cloud), delete_objects=False)
    assert len(inventory(bench.ministack)["certificates"]) == 1


# destroy.


def test_without_yes_it_is_only_told_what_would_go(run: Run, bench: Bench) -> None:
    run("infra", "apply")
    before = inventory(bench.ministack)
    told = run("infra", "destroy", "--json")
    assert (told.code, told.answer["status"], told.answer["dry_run"]) == (0, "ok", True)
    assert {item["action"] for item in told.answer["resources"]} == {"delete"}
    assert told.answer["resources"][0]["resource"] == "distribution"
    assert inventory(bench.ministack) == before
    assert "would be deleted" in run("infra", "destroy").out


def test_a_bucket_with_objects_stays_until_they_are_to_go(run: Run, bench: Bench) -> None:
    run("infra", "apply")
    s3 = bench.ministack.client("s3")
    for key in ("g/1/index.html", "packages/a.whl"):
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"x")
    s3.delete_object(Bucket=BUCKET, Key="packages/a.whl")  # a version and a marker remain
    told = run("infra", "destroy", "--yes", "--json")
    assert told.code == 0
    (bucket,) = [item for item in told.answer["resources"] if item["resource"] == "bucket"]
    assert bucket["action"] == "keep"
    assert "3 versions of objects; --delete-objects" in bucket["why"]
    left = inventory(bench.ministack)
    assert {kind for kind, found in left.items() if found} == {"buckets"}
    assert len(left["buckets"][BUCKET]["versions"]) == 4
    assert left["buckets"][BUCKET]["get_bucket_policy"] == {"code": "NoSuchBucketPolicy"}
    assert run("infra", "destroy", "--yes", "--delete-objects").code == 0
    assert nothing(inventory(bench.ministack))


def test_a_kept_bucket_is_provisioned_again(bench: Bench) -> None:
    bench.apply(CLOUD)
    bench.clients.s3.put_object(Bucket=BUCKET, Key="g/1/index.html", Body=b"x")
    destroy(bench.account(CLOUD), delete_objects=False)
    bench.apply(CLOUD)
    assert plan(bench.account(CLOUD)).in_line


def test_the_distribution_is_disabled_and_waited_for_before_it_is_deleted(bench: Bench) -> None:
    bench.apply(CLOUD)
    bench.begin()
    destroy(bench.account(CLOUD), delete_objects=False)
    assert bench.wire.changes[:2] == ["UpdateDistribution", "DeleteDistribution"]
    bench.begin()
    bench.apply(CLOUD)
    bench.begin(undeployed=10_000)
    with pytest.raises(PendingError, match="disabled, and not yet at every edge"):
        destroy(bench.account(CLOUD), delete_objects=False)
    assert bench.wire.changes == ["UpdateDistribution"]
    bench.begin()
    destroy(bench.account(CLOUD), delete_objects=False)
    assert "UpdateDistribution" not in bench.wire.changes
    assert nothing(inventory(bench.ministack))


def test_a_disabled_distribution_is_enabled_by_apply(bench: Bench) -> None:
    bench.apply(CLOUD)
    bench.begin(undeployed=10_000)
    with pytest.raises(PendingError):
        destroy(bench.account(CLOUD), delete_objects=False)
    bench.begin()
    done = bench.apply(CLOUD)
    assert [str(change) for step in done.changed for change in step.changes] == ["Enabled: no → yes"]


def test_a_removal_that_got_no_answer_to_any_request_is_finished_by_the_next(bench: Bench) -> None:
    bench.apply(FULL)
    bench.begin()
    destroy(bench.account(FULL), delete_objects=False)
    requests = len(bench.wire.changes)
    assert requests > 8
    for number in range(1, requests + 1):
        bench.begin()
        bench.apply(FULL)
        bench.begin(fail_at=number, lost=True)
        with pytest.raises(CloudUnreachableError):
            destroy(bench.account(FULL), delete_objects=False)
        bench.begin()
        destroy(bench.account(FULL), delete_objects=False)
        assert set(inventory(bench.ministack)["buckets"]) == {"wheels-logs"}, number
        assert inventory(bench.ministack)["certificates"] == []


def test_what_is_still_in_use_is_waited_for_and_then_said(bench: Bench) -> None:
    bench.apply(CLOUD)
    s3_clients = bench.clients

    def refuse(**_more: Any) -> None:
        error = {"Code": "FunctionInUse", "Message": "used by a distribution"}
        raise ClientError({"Error": error}, "DeleteFunction")

    events = s3_clients.cloudfront.meta.events
    events.register("before-call.cloudfront.DeleteFunction", refuse, unique_id="refuse")
    bench.begin()
    try:
        with pytest.raises(PendingError, match=r"function .* is still in use: .*FunctionInUse"):
            destroy(bench.account(CLOUD), delete_objects=False)
    finally:
        events.unregister("before-call.cloudfront.DeleteFunction", unique_id="refuse")
    assert sum(bench.waited) == 600
    destroy(bench.account(CLOUD), delete_objects=False)
    assert nothing(inventory(bench.ministack))


def test_where_nothing_is_nothing_is_deleted_or_written(run: Run, config: Path) -> None:
    before = config.read_text()
    told = run("infra", "destroy", "--yes")
    assert told.code == 0
    assert "There is nothing to delete." in told.out
    assert config.read_text() == before


def test_the_keys_of_a_distribution_that_stays_are_kept(run: Run, bench: Bench, config: Path) -> None:
    run("infra", "apply")
    _unmark(bench)
    before = config.read_text()
    assert run("infra", "destroy", "--yes").code == 0
    assert config.read_text() == before


# What is refused, and how it is said.


@pytest.mark.parametrize("command", [["plan"], ["apply"], ["destroy"], ["policy", "provisioner"]])
@pytest.mark.parametrize(
    ("setting", "key"), [("BUCKET_NAME=", "BUCKET_NAME"), ("MIRROR_PUBLISH=in-place", "MIRROR_PUBLISH")]
)
def test_without_bucket_or_distribution_it_is_refused(
    run: Run, config: Path, command: Sequence[str], setting: str, key: str
) -> None:
    config.write_text(f"{config.read_text()}{setting}\n")
    told = run("infra", *command, "--json")
    assert told.code == 2
    assert told.answer["error"]["key"] == key
    assert told.answer["error"]["message"]


def test_missing_credentials_are_one_line(run: Run) -> None:
    told = run("infra", "plan", without=("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"))
    assert told.code == 3
    assert len(told.err.strip().splitlines()) == 1
    assert "no usable AWS credentials" in told.err


def test_wrong_credentials_are_one_line(run: Run) -> None:
    told = run("infra", "plan", keys=Keys("AKIAWRONG00000000000", "wrong"))
    assert told.code == 3
    assert len(told.err.strip().splitlines()) == 1
    assert "sts: GetCallerIdentity was refused: InvalidClientTokenId" in told.err


def test_who_may_not_is_told_which_policy_would_do(run: Run, publisher: Bench) -> None:
    told = run("infra", "plan", keys=publisher.keys)
    assert told.code == 3
    assert "AccessDenied" in told.err
    assert "infra policy provisioner' (or publisher, or worker) prints what is needed" in told.err
    assert "sso" not in told.err


def test_a_policy_without_credentials_says_how(run: Run) -> None:
    without = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    told = run("infra", "policy", "publisher", without=without)
    assert told.code == 3
    assert "'--account N' needs no credentials" in told.err
    told = run("infra", "policy", "publisher", "--account", "123456789012", "--json", without=without)
    assert (told.code, told.answer["account"]) == (0, "123456789012")


@pytest.mark.parametrize("number", ["abc", "12345", "1234567890123"])
def test_what_is_no_number_of_an_account_is_refused(run: Run, number: str) -> None:
    told = run("infra", "policy", "provisioner", "--account", number, "--json")
    assert (told.code, told.answer["error"]["kind"]) == (2, "usage")


# Policies, with real users.


def policy_of(run: Run, role: str, *options: str) -> Mapping[str, Any]:
    told = run("infra", "policy", role, *options)
    assert told.code == 0
    found = json.loads(told.out)
    assert isinstance(found, dict)
    return found


def test_a_policy_is_printed_ready_to_use(run: Run) -> None:
    policy = policy_of(run, "publisher")
    told = run("infra", "policy", "publisher", "--json")
    assert told.answer["policy"] == policy
    assert (told.answer["status"], told.answer["role"]) == ("ok", "publisher")
    assert "000000000000" in json.dumps(policy)
    assert "123456789012" in json.dumps(policy_of(run, "publisher", "--account", "123456789012"))


def test_a_publisher_in_place_has_a_policy_too(run: Run, config: Path) -> None:
    config.write_text(f"{config.read_text()}MIRROR_PUBLISH=in-place\n")
    without = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")  # nobody is asked whose account it is
    told = run("infra", "policy", "publisher", "--json", without=without)
    assert (told.code, told.answer["account"]) == (0, None)
    assert f"arn:aws:s3:::{BUCKET}/requirements*" in told.out


@pytest.fixture
def publisher(run: Run, bench: Bench) -> Bench:
    """A user with the publisher's policy, after everything was provisioned by somebody else."""
    assert run("infra", "apply").code == 0
    keys = bench.ministack.user(as_ministack_judges(policy_of(run, "publisher")))
    return Bench(bench.ministack, keys)


def test_with_the_publishers_policy_everything_needed_works(publisher: Bench, config: Path) -> None:
    s3, front = publisher.clients.s3, publisher.clients.cloudfront
    for key in ("packages/a.whl", "g/1/simple/index.html", "simple/index.html", ".mirror/manifest.json"):
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"x", IfNoneMatch="*")
        etag = s3.get_object(Bucket=BUCKET, Key=key)["ETag"]
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"y", IfMatch=etag)
        assert s3.list_objects_v2(Bucket=BUCKET, Prefix=key)["KeyCount"] == 1
        s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": key}]})
        with pytest.raises(ClientError, match="NoSuchKey"):
            s3.get_object(Bucket=BUCKET, Key=key)
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="packages/big.whl")["UploadId"]
    s3.upload_part(Bucket=BUCKET, Key="packages/big.whl", UploadId=upload, PartNumber=1, Body=b"x")
    s3.abort_multipart_upload(Bucket=BUCKET, Key="packages/big.whl", UploadId=upload)
    function = EdgeFunction(front, function_name(BUCKET))
    deployed = function.read()
    assert deployed is not None
    function.deploy(Edge(1), deployed.etag)
    distribution = load_settings({}, config).cloud.distribution
    batch = {"Paths": {"Quantity": 1, "Items": ["/simple/a/"]}, "CallerReference": "1"}
    made = front.create_invalidation(DistributionId=distribution, InvalidationBatch=batch)
    front.get_invalidation(DistributionId=distribution, Id=made["Invalidation"]["Id"])


def test_with_the_publishers_policy_nothing_else_works(publisher: Bench, config: Path) -> None:
    s3, front = publisher.clients.s3, publisher.clients.cloudfront
    iam, acm = (publisher.ministack.client(service, publisher.keys) for service in ("iam", "acm"))
    id_ = load_settings({}, config).cloud.distribution
    admin = publisher.ministack.client("cloudfront").get_distribution_config(Id=id_)
    other = publisher.ministack.bucket()
    publisher.ministack.client("s3").put_object(Bucket=other, Key="packages/a.whl", Body=b"x")
    versioned = publisher.ministack.client("s3").list_object_versions(Bucket=BUCKET)["Versions"][0]
    batch = {"Paths": {"Quantity": 1, "Items": ["/*"]}, "CallerReference": "1"}
    forbidden: Sequence[Callable[[], Any]] = (
        lambda: s3.put_object(Bucket=BUCKET, Key="index.html", Body=b"x"),
        lambda: s3.put_object(Bucket=BUCKET, Key="other/x", Body=b"x"),
        lambda: s3.delete_object(Bucket=BUCKET, Key="index.html"),
        lambda: s3.get_object(Bucket=other, Key="packages/a.whl"),
        lambda: s3.put_object(Bucket=other, Key="packages/a.whl", Body=b"x"),
        lambda: s3.list_objects_v2(Bucket=other),
        lambda: s3.delete_object(Bucket=BUCKET, Key=versioned["Key"], VersionId=versioned["VersionId"]),
        lambda: s3.list_object_versions(Bucket=BUCKET),
        lambda: s3.put_bucket_policy(Bucket=BUCKET, Policy="{}"),
        lambda: s3.delete_bucket_policy(Bucket=BUCKET),
        lambda: s3.delete_public_access_block(Bucket=BUCKET),
        lambda: s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Suspended"}),
        lambda: s3.put_object_acl(Bucket=BUCKET, Key="packages/a", ACL="public-read"),
        lambda: s3.delete_bucket(Bucket=BUCKET),
        lambda: s3.create_bucket(Bucket="another"),
        s3.list_buckets,
        lambda: front.update_distribution(
            Id=id_, IfMatch=admin["ETag"], DistributionConfig=admin["DistributionConfig"]
        ),
        lambda: front.delete_distribution(Id=id_, IfMatch=admin["ETag"]),
        lambda: front.create_invalidation(DistributionId="E0THER0000000", InvalidationBatch=batch),
        lambda: front.delete_function(Name=function_name(BUCKET), IfMatch="x"),
        lambda: front.create_function(
            Name="f", FunctionCode=b"x", FunctionConfig={"Comment": "", "Runtime": "cloudfront-js-2.0"}
        ),
        front.list_distributions,
        front.list_origin_access_controls,
        lambda: iam.create_user(UserName="another"),
        lambda: iam.create_access_key(UserName="another"),
        acm.list_certificates,
    )
    for call in forbidden:
        with pytest.raises(ClientError) as caught:
            call()
        assert caught.value.response["Error"]["Code"] in ("AccessDenied", "AccessDeniedException"), call
    _delete_bucket(publisher.ministack, other)


def _delete_bucket(aws: Ministack, name: str) -> None:
    s3 = aws.client("s3")
    for version in s3.list_object_versions(Bucket=name)["Versions"]:
        s3.delete_object(Bucket=name, Key=version["Key"], VersionId=version["VersionId"])
    s3.delete_bucket(Bucket=name)


def test_with_the_provisioners_policy_everything_is_made_changed_and_removed(run: Run, bench: Bench) -> None:
    keys = bench.ministack.user(as_ministack_judges(policy_of(run, "provisioner")))
    assert run("infra", "plan", keys=keys).code == 1
    assert run("infra", "apply", keys=keys).code == 0
    assert run("infra", "plan", keys=keys).code == 0
    drifted(bench.ministack)
    told = run("infra", "apply", keys=keys)
    assert told.code == 0, told.err
    assert run("infra", "destroy", "--yes", keys=keys).code == 0
    assert nothing(inventory(bench.ministack))


def test_the_provisioners_policy_is_enough_for_all_that_can_be_configured(bench: Bench) -> None:
    policy = provisioner_policy(FULL, "000000000000", delete_objects=True)
    user = Bench(bench.ministack, bench.ministack.user(as_ministack_judges(policy)))
    user.apply(FULL)
    user.clients.s3.put_object(Bucket=BUCKET, Key=".mirror/404.txt", Body=b"again")
    bench.clients.s3.put_object(Bucket=BUCKET, Key="g/1/index.html", Body=b"x")
    destroy(user.account(FULL), delete_objects=True)
    assert set(inventory(bench.ministack)["buckets"]) == {"wheels-logs"}


def test_with_the_provisioners_policy_no_published_object_is_touched(run: Run, bench: Bench) -> None:
    run("infra", "apply")
    bench.clients.s3.put_object(Bucket=BUCKET, Key="packages/a.whl", Body=b"x")
    keys = bench.ministack.user(as_ministack_judges(policy_of(run, "provisioner")))
    s3, iam = (bench.ministack.client(service, keys) for service in ("s3", "iam"))
    forbidden: Sequence[Callable[[], Any]] = (
        lambda: s3.get_object(Bucket=BUCKET, Key="packages/a.whl"),
        lambda: s3.put_object(Bucket=BUCKET, Key="packages/a.whl", Body=b"y"),
        lambda: s3.delete_object(Bucket=BUCKET, Key="packages/a.whl"),
        lambda: s3.create_bucket(Bucket="another"),
        lambda: iam.create_user(UserName="another"),
    )
    for call in forbidden:
        with pytest.raises(ClientError) as caught:
            call()
        assert caught.value.response["Error"]["Code"] == "AccessDenied"
    told = run("infra", "destroy", "--yes", "--delete-objects", keys=keys)
    assert told.code == 3
    assert "DeleteObjects" in told.err


def test_somebody_who_may_nothing_reads_it_in_one_line(run: Run, bench: Bench) -> None:
    keys = bench.ministack.user({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "sts:GetCallerIdentity", "Resource": "*"}
    ]})  # fmt: skip
    bench.ministack.client("s3").create_bucket(Bucket=BUCKET)
    told = run("infra", "plan", keys=keys)
    assert told.code == 3
    assert "these credentials may not look at it" in told.err
    assert len(told.err.strip().splitlines()) == 1


# The asset.


def test_the_asset_provisions_and_its_version_follows_ids_and_wishes(
    bench: Bench, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key, value in bench.ministack.environment().items():
        monkeypatch.setenv(key, value)
    with dg.DagsterInstance.ephemeral() as instance:
        first = materialized(config, instance)
        assert "CLOUDFRONT_DISTRIBUTION_ID=E" in config.read_text()
        again = materialized(config, instance)
        assert version_of(again) == version_of(first)
        assert "nothing was changed" in str(again.metadata["changed"])
        assert "| distribution |" in str(first.metadata["resources"].value)
        config.write_text(f"{config.read_text()}MIRROR_LOG_BUCKET=wheels-logs\n")
        assert version_of(materialized(config, instance)) != version_of(first)


def materialized(config: Path, instance: dg.DagsterInstance) -> dg.AssetMaterialization:
    mirror = build_mirror(load_settings({}, config))
    definitions = dg.Definitions(
        assets=[infrastructure.build(mirror, "1")],
        resources={graph.RESOURCE: mirror_resource(mirror)},
        executor=dg.in_process_executor,
    )
    done = definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=instance, run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    )
    (event,) = done.asset_materializations_for_node("infrastructure")
    return event


def version_of(event: dg.AssetMaterialization) -> str:
    return str((event.tags or {})["dagster/data_version"])


def test_an_error_is_a_failure_of_the_step(
    bench: Bench, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key, value in bench.ministack.environment().items():
        monkeypatch.setenv(key, value)
    bench.ministack.client("s3").create_bucket(Bucket=BUCKET)
    with (
        dg.DagsterInstance.ephemeral() as instance,
        pytest.raises(dg.Failure, match="not made by this project"),
    ):
        materialized(config, instance)


def test_code_versions_do_not_follow_what_provisioning_writes(config: Path) -> None:
    before = graph.code_versions(build_mirror(load_settings({}, config)))[graph.INFRASTRUCTURE]
    config.write_text(f"{config.read_text()}CLOUDFRONT_OAC_ID=E1\n")
    assert graph.code_versions(build_mirror(load_settings({}, config)))[graph.INFRASTRUCTURE] == before
    config.write_text(f"{config.read_text()}MIRROR_DOMAIN={DOMAIN}\n")
    assert graph.code_versions(build_mirror(load_settings({}, config)))[graph.INFRASTRUCTURE] != before


def test_errors_of_the_family_are_cloud_errors() -> None:
    assert issubclass(PendingError, CloudError)
    assert issubclass(NotOursError, CloudError)
