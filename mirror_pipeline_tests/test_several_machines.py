"""Machines that share a Dagster instance and an S3 server, and no disk: MIRROR_STORE_URL."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mirror_pipeline import cli
from mirror_pipeline.definitions import build_definitions
from mirror_pipeline.refresh import Refreshed, refresh, states_now
from mirror_pipeline_tests.aws_servers import Ministack, S3Server
from mirror_pipeline_tests.mirrors import Workbench, materialize, workbench
from mirror_pipeline_tests.test_cli import Outcome
from mirror_pipeline_tests.test_refresh import EVERYTHING
from mirror_pipeline_tests.wheels import Dist, noise

PREFIX = "team/shop"
on_both = pytest.mark.parametrize("kind", ["ministack", "rclone"])
Run = Callable[..., Outcome]


@dataclass
class Cluster:
    """An S3 server, the bucket of the store and the one that is published to, and the first machine."""

    server: Ministack | S3Server
    store: str
    site: str
    first: Workbench

    def machine(self, name: str) -> Workbench:
        """Another machine: another checkout of the same folder, and an empty home with another name."""
        root = self.first.root.parent / "elsewhere" / name
        values = {**self.first.values, "MIRROR_HOME": f"home-of-{name}"}
        return Workbench(root, self.first.upstream, dict(self.first.packages), values, self.first.comment)

    def refresh(self, machine: Workbench, *, force: bool = False, repair: bool = False) -> Refreshed:
        """Bring the mirror up to date from some machine."""
        with self.first.instance() as instance:
            return refresh(machine.mirror(), instance, force=force, repair=repair)

    def stale(self, machine: Workbench) -> Mapping[str, str]:
        """What is not fresh, as some machine sees it, and why."""
        with self.first.instance() as instance:
            states = states_now(machine.mirror(), instance)
        return {f"{state.asset}/{state.partition}": state.why for state in states if state.needs_work}

    def s3(self) -> Any:
        """The server's own client, to look and to do damage."""
        return self.server.client("s3") if isinstance(self.server, Ministack) else self.server.client()

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        """Keys of a bucket."""
        pages = self.s3().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [found["Key"] for page in pages for found in page.get("Contents", ())]

    def content(self, bucket: str, key: str) -> bytes:
        """An object's bytes."""
        return bytes(self.s3().get_object(Bucket=bucket, Key=key)["Body"].read())

    def key(self, dist: Dist, more: str = "") -> str:
        """Where a wheel of the store lies."""
        return f"{PREFIX}/packages/{dist.sha256}/{dist.file}{more}"

    def spoil(self, key: str, content: bytes) -> None:
        """Put other bytes under a key, as nobody but a vandal does."""
        self.s3().put_object(Bucket=self.store, Key=key, Body=content)


@pytest.fixture
def kind() -> str:
    """Which server, where a test does not run on both."""
    return "ministack"


@pytest.fixture
def cluster(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str
) -> Iterator[Cluster]:
    server: Ministack | S3Server = request.getfixturevalue(kind)
    store, site = server.bucket(), server.bucket()
    with workbench(tmp_path / "first") as bench:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        bench.configure(
            MIRROR_STORE_URL=f"s3://{store}/{PREFIX}",
            BUCKET_NAME=site,
            MIRROR_PUBLISH="in-place",
            S3_ENDPOINT_URL=server.url,
        )
        yield Cluster(server, store, site, bench)


def files_in(folder: Path) -> set[str]:
    """Names of the files in a folder, none where there is no folder."""
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


@on_both
def test_what_is_published_is_what_one_machine_publishes(cluster: Cluster, tmp_path: Path) -> None:
    done = cluster.refresh(cluster.first)
    assert not done.failures, done.failures
    assert done.recomputed == EVERYTHING

    with workbench(tmp_path / "alone") as alone:
        assert not alone.refresh().failures
        manifest = (alone.site / "manifest.json").read_bytes()
        report = (alone.home / "documents" / "index.json").read_bytes()
    assert cluster.content(cluster.site, "manifest.json") == manifest
    assert cluster.content(cluster.store, f"{PREFIX}/documents/index.json") == report


@on_both
def test_another_machine_finds_all_of_it_fresh_and_fetches_nothing(cluster: Cluster) -> None:
    cluster.refresh(cluster.first)
    second = cluster.machine("second")
    second.upstream.forget()

    assert cluster.stale(second) == {}
    done = cluster.refresh(second)

    assert (done.recomputed, done.failures) == ([], [])
    assert second.upstream.count() == 0
    assert not (second.root / "home-of-second").exists()
    assert not (second.root / "requirements-prod.txt").exists()
    assert cluster.stale(cluster.first) == {}


def test_a_machine_without_files_makes_all_of_it_again_from_the_store(cluster: Cluster) -> None:
    cluster.refresh(cluster.first)
    manifest = cluster.content(cluster.site, "manifest.json")
    second = cluster.machine("second")
    second.upstream.forget()

    done = cluster.refresh(second, force=True)

    assert not done.failures
    assert done.recomputed == EVERYTHING
    assert done.counts["downloaded_files"] == 0
    assert not any(request.path.endswith(".whl") for request in second.upstream.requests)
    assert files_in(second.root / "home-of-second" / "packages") == set()
    assert cluster.content(cluster.site, "manifest.json") == manifest


@on_both
def test_each_machine_goes_on_where_another_left_off(cluster: Cluster) -> None:
    cluster.refresh(cluster.first)
    second = cluster.machine("second")
    new = second.bump_windows()

    done = cluster.refresh(second)

    assert not done.failures
    assert [asset for asset in done.recomputed if asset[0] == "wheels"] == [("wheels", "windows-amd64")]
    assert done.counts["downloaded_files"] == 1
    assert files_in(second.root / "home-of-second" / "packages") == {new.file, f"{new.file}.metadata"}
    assert f"packages/{new.file}" in cluster.keys(cluster.site)

    third = cluster.machine("third")
    third.packages = dict(second.packages)
    third.write()
    assert cluster.stale(third) == {}


def test_who_publishes_brings_only_what_it_has_to_write(cluster: Cluster) -> None:
    cluster.refresh(cluster.first)
    second = cluster.machine("second")
    new = second.bump_windows()
    assert not cluster.refresh(second).failures
    del second.packages["checker"]
    second.write()
    cluster.s3().delete_object(Bucket=cluster.site, Key=f"packages/{new.file}")
    third = cluster.machine("third")
    third.packages = dict(second.packages)
    third.write()

    done = cluster.refresh(third, repair=True)

    assert not done.failures
    assert done.counts["downloaded_files"] == 0
    assert files_in(third.root / "home-of-third" / "packages") == {new.file}
    assert cluster.content(cluster.site, f"packages/{new.file}") == new.content


def test_requirement_files_are_minded_where_they_were_written(cluster: Cluster) -> None:
    cluster.refresh(cluster.first)
    second = cluster.machine("second")
    (second.root / "requirements-prod.txt").write_text("# another's\n")
    assert cluster.stale(second) == {}

    (cluster.first.root / "requirements-prod.txt").write_text("# edited\n")
    assert list(cluster.stale(cluster.first)) == ["requirements/None"]


def test_a_strange_file_on_another_machine_is_not_replaced(cluster: Cluster) -> None:
    cluster.refresh(cluster.first)
    second = cluster.machine("second")
    second.add_pin()
    (second.root / "requirements-prod.txt").write_text("my own\n")
    with pytest.raises(Exception, match="not written by mirror-pipeline"):
        cluster.refresh(second)
    assert (second.root / "requirements-prod.txt").read_text() == "my own\n"


@on_both
def test_damage_in_the_store_is_repaired_and_never_published(cluster: Cluster) -> None:
    cluster.refresh(cluster.first)
    alpha, native = cluster.first.dist("alpha"), cluster.first.dist("native", "win_amd64")
    for dist in (alpha, native):
        cluster.spoil(cluster.key(dist), noise("damage", dist.size))
        cluster.s3().delete_object(Bucket=cluster.site, Key=f"packages/{dist.file}")
    cluster.s3().delete_object(Bucket=cluster.store, Key=cluster.key(alpha, ".metadata"))
    second = cluster.machine("second")

    done = cluster.refresh(second, repair=True)

    assert not done.failures
    assert done.counts["downloaded_files"] == 2
    for dist in (alpha, native):
        assert cluster.content(cluster.store, cluster.key(dist)) == dist.content
        assert cluster.content(cluster.site, f"packages/{dist.file}") == dist.content
    assert cluster.keys(cluster.store, cluster.key(alpha, ".metadata"))


def test_damage_stops_a_publication(cluster: Cluster) -> None:
    cluster.refresh(cluster.first)
    second = cluster.machine("second")
    new = second.bump_windows()
    assert cluster.refresh(second).generation == 2
    cluster.spoil(cluster.key(new), b"damage")
    site = cluster.server.bucket()
    third = cluster.machine("third")
    third.packages = dict(second.packages)
    third.configure(BUCKET_NAME=site)

    done = cluster.refresh(third)

    assert len(done.failures) == 1
    assert f"packages/{new.file}: the store has other bytes" in str(done.failures[0])
    assert "--repair" in str(done.failures[0])
    assert "\n" not in str(done.failures[0])
    assert "manifest.json" not in cluster.keys(site)

    assert not cluster.refresh(third, repair=True).failures
    assert cluster.content(site, f"packages/{new.file}") == new.content


def test_a_store_that_is_named_anew_is_filled(cluster: Cluster) -> None:
    cluster.refresh(cluster.first)
    cluster.first.configure(MIRROR_STORE_URL=f"s3://{cluster.store}/another")
    done = cluster.refresh(cluster.first)
    assert not done.failures
    assert done.recomputed == EVERYTHING
    assert f"another/packages/{cluster.first.dist('alpha').sha256}/{cluster.first.dist('alpha').file}" in (
        cluster.keys(cluster.store, "another/")
    )


def test_reports_outlive_the_machine(cluster: Cluster) -> None:
    cluster.refresh(cluster.first)
    names = {key.rpartition("/")[2] for key in cluster.keys(cluster.store, f"{PREFIX}/reports/")}
    assert {"verification-latest.json", "verification-latest.md"} < names
    assert names == files_in(cluster.first.home / "reports")


def test_a_directory_is_published_from_a_store_elsewhere(cluster: Cluster) -> None:
    cluster.first.configure(BUCKET_NAME="", MIRROR_PUBLISH="")
    cluster.refresh(cluster.first)
    second = cluster.machine("second")
    second.upstream.forget()

    done = cluster.refresh(second)

    assert not done.failures
    assert {asset for asset, _ in done.recomputed} == {"s3_sync", "verification_report"}
    home = second.root / "home-of-second"
    assert files_in(home / "packages") == files_in(cluster.first.home / "packages")
    assert (home / "site" / "manifest.json").read_bytes() == (
        cluster.first.site / "manifest.json"
    ).read_bytes()
    assert second.upstream.count() == 0

    alpha = second.dist("alpha")
    (home / "packages" / alpha.file).write_bytes(noise("damage", alpha.size))
    assert not cluster.refresh(second, repair=True).failures
    assert (home / "packages" / alpha.file).read_bytes() == alpha.content


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command of some machine in this process, with the instance of the first."""
    monkeypatch.setenv("COLUMNS", "200")

    def call(machine: Workbench, *arguments: str) -> Outcome:
        capsys.readouterr()
        code = cli.run([*arguments, "--config", str(machine.config)])
        return Outcome(code, *capsys.readouterr())

    return call


def test_gc_removes_from_the_store_what_nobody_wants(cluster: Cluster, run: Run) -> None:
    old = cluster.first.dist("winonly")
    cluster.first.configure(MIRROR_KEEP_GENERATIONS="1", MIRROR_GRACE_DAYS="0")
    cluster.refresh(cluster.first)
    cluster.first.bump_windows()
    assert not cluster.refresh(cluster.first).failures

    named = run(cluster.first, "gc", "--json")
    assert named.code == 0, named
    assert cluster.keys(cluster.store, cluster.key(old))
    assert run(cluster.first, "gc", "--yes", "--json").code == 0

    assert cluster.keys(cluster.store, cluster.key(old)) == []
    assert old.file not in files_in(cluster.first.home / "packages")
    kept = {key.split("/")[-1] for key in cluster.keys(cluster.store, f"{PREFIX}/packages/")}
    wheels = {dist.file for item in cluster.first.packages.values() for dist in item.dists}
    assert {name for name in kept if name.endswith(".whl")} <= wheels
    assert cluster.stale(cluster.first) == {}


@pytest.mark.parametrize("command", ["refresh", "status", "verify"])
def test_a_bucket_that_is_not_there_is_one_line(cluster: Cluster, run: Run, command: str) -> None:
    cluster.first.configure(MIRROR_STORE_URL="s3://nobodys-bucket-at-all/x")
    done = run(cluster.first, command)
    assert done.code == 3
    (line,) = [line for line in done.err.splitlines() if "error" in line]
    assert "nobodys-bucket-at-all" in line
    assert "does not exist" in line
    assert cluster.keys(cluster.site) == []


def test_no_server_and_no_credentials_are_one_line(
    cluster: Cluster, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.first.configure(BUCKET_NAME="", MIRROR_PUBLISH="")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    done = run(cluster.first, "refresh", "--json")
    assert (done.code, done.answer["error"]["kind"]) == (3, "credentials")
    assert not cluster.first.site.exists()


def test_no_server_is_one_line(cluster: Cluster, run: Run) -> None:
    cluster.first.configure(BUCKET_NAME="", MIRROR_PUBLISH="", S3_ENDPOINT_URL="http://127.0.0.1:9")
    done = run(cluster.first, "refresh")
    assert done.code == 3
    (line,) = done.err.splitlines()
    assert "documents/" in line
    assert "no answer" in line


def test_roles_need_no_more_than_their_policies_say(
    cluster: Cluster, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(cluster.server, Ministack)
    policies = {
        role: run(cluster.first, "infra", "policy", role, "--json").answer["policy"]
        for role in ("worker", "publisher")
    }

    site = f"arn:aws:s3:::{cluster.site}"
    of_the_site = {"Effect": "Allow", "Action": "s3:*", "Resource": [site, f"{site}/*"]}
    policies["publisher"]["Statement"].append(of_the_site)  # ministack does not know that * may be nothing

    def become(role: str) -> None:
        assert isinstance(cluster.server, Ministack)
        keys = cluster.server.user(policies[role])
        for name, value in cluster.server.environment(keys).items():
            monkeypatch.setenv(name, value)

    become("worker")
    with cluster.first.instance() as instance:
        for asset, partition in EVERYTHING[:-2]:
            definitions = build_definitions(cluster.first.mirror(), retries=None)
            assert materialize(definitions, instance, asset, partition=partition).success, asset
        assert not materialize(definitions, instance, "s3_sync").success
    become("publisher")
    done = cluster.refresh(cluster.first)
    assert [str(error) for error in done.failures] == []
    assert done.recomputed == EVERYTHING[-2:]
    assert run(cluster.first, "gc", "--yes").code == 0


def test_the_policy_of_workers_names_the_store_and_nothing_else(cluster: Cluster, run: Run) -> None:
    policy = run(cluster.first, "infra", "policy", "worker", "--json").answer["policy"]
    resources = {one for statement in policy["Statement"] for one in statement["Resource"]}
    arn = f"arn:aws:s3:::{cluster.store}"
    assert resources == {arn, f"{arn}/{PREFIX}/*"}
    assert "s3:DeleteObject" not in {one for statement in policy["Statement"] for one in statement["Action"]}

    cluster.first.configure(MIRROR_STORE_URL="")
    refused = run(cluster.first, "infra", "policy", "worker", "--json")
    assert (refused.code, refused.answer["error"]["key"]) == (2, "MIRROR_STORE_URL")
