"""The assets as a person meets them in the UI: what they say of themselves, of each run, and of a failure."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from mirror_pipeline.adapters.turns import Turns
from mirror_pipeline.assets import graph
from mirror_pipeline.assets.reporting import difference, failures_explained
from mirror_pipeline.definitions import build_definitions
from mirror_pipeline.domain.charts import INLINE
from mirror_pipeline.errors import DocumentError, FetchFailedError, UpstreamError
from mirror_pipeline.phases.lock import current_version
from mirror_pipeline_tests.mirrors import Kept, Workbench, keep, materialize

Metadata = Mapping[str, Any]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    return keep(tmp_path_factory.mktemp("assets"))


@pytest.fixture
def bench(kept: Kept) -> Iterator[Workbench]:
    with kept.restored() as bench:
        yield bench


@pytest.fixture(scope="module")
def second_run(kept: Kept) -> Mapping[str, Metadata]:
    """Metadata by asset (or ``asset[partition]``) after one pin changed and one came that has a gap."""
    with kept.restored() as bench:
        bench.bump_windows()
        bench.add_gap()
        assert not bench.refresh().failures
        with bench.instance() as instance:
            names = [
                f"{spec.key.to_user_string()}{f'[{partition}]' if partition else ''}"
                for spec in build_definitions(bench.mirror()).resolve_all_asset_specs()
                for partition in (spec.partitions_def.get_partition_keys() if spec.partitions_def else [None])
            ]
            return {name: latest(instance, name) for name in names}


def latest(instance: dg.DagsterInstance, name: str) -> Metadata:
    """Metadata of the last materialization."""
    asset, _, partition = name.removesuffix("]").partition("[")
    wanted = dg.AssetRecordsFilter(
        asset_key=dg.AssetKey(asset), asset_partitions=[partition] if partition else None
    )
    event = instance.fetch_materializations(wanted, limit=1).records[0].asset_materialization
    assert event is not None
    return {key: value.value for key, value in event.metadata.items()}


class TestDefinitions:
    def specs(self, bench: Workbench) -> Mapping[str, dg.AssetSpec]:
        definitions = build_definitions(bench.mirror())
        return {spec.key.to_user_string(): spec for spec in definitions.resolve_all_asset_specs()}

    def test_the_graph(self, bench: Workbench) -> None:
        edges = {
            name: [dep.asset_key.to_user_string() for dep in spec.deps]
            for name, spec in self.specs(bench).items()
        }
        assert edges == {
            "lock": [],
            "requirements": ["lock"],
            "wheel_plan": ["requirements"],
            "wheels": ["wheel_plan"],
            "index": ["wheels"],
            "s3_sync": ["index"],
            "verification_report": ["s3_sync"],
        }

    def test_groups_kinds_and_descriptions(self, bench: Workbench) -> None:
        specs = self.specs(bench)
        groups: dict[str | None, set[str]] = {}
        for name, spec in specs.items():
            groups.setdefault(spec.group_name, set()).add(name)
        assert sorted(groups.values(), key=sorted) == [
            {"index", "s3_sync", "verification_report"},
            {"lock", "requirements"},
            {"wheel_plan", "wheels"},
        ]
        assert all(spec.kinds for spec in specs.values())
        assert all(len(spec.description or "") > 30 for spec in specs.values())
        assert all(spec.code_version for spec in specs.values())

    def test_owners(self, bench: Workbench) -> None:
        assert all(spec.owners == [] for spec in self.specs(bench).values())
        bench.configure(MIRROR_OWNERS="team:platform, ann@example.com")
        assert all(spec.owners == ["team:platform", "ann@example.com"] for spec in self.specs(bench).values())

    def test_only_what_every_night_makes_anew_can_be_overdue(self, bench: Workbench) -> None:
        bench.configure(MIRROR_SCHEDULE="0 3 * * 1-5")
        policies = {name: spec.freshness_policy for name, spec in self.specs(bench).items()}
        policy = policies.pop("verification_report")
        assert set(policies.values()) == {None}
        hour, day = timedelta(hours=1), timedelta(days=1)
        assert policy == dg.FreshnessPolicy.time_window(4 * day + 2 * hour, 3 * day + 2 * hour)

    def test_partitions_are_the_platforms(self, bench: Workbench) -> None:
        bench.configure(MIRROR_PLATFORMS="macos-arm64,musllinux-x86_64")
        partitioned = {
            name: spec.partitions_def.get_partition_keys()
            for name, spec in self.specs(bench).items()
            if spec.partitions_def
        }
        platforms = ["macos-arm64", "musllinux-x86_64", "noarch"]
        assert partitioned == {"wheel_plan": platforms, "wheels": platforms}

    def test_only_the_verification_has_checks(self, bench: Workbench) -> None:
        checks = build_definitions(bench.mirror()).resolve_asset_graph().asset_check_keys
        assert {(key.asset_key.to_user_string(), key.name) for key in checks} == {
            ("verification_report", name)
            for name in ("coverage", "integrity", "index", "installability", "upstream")
        }


class TestCodeVersions:
    @pytest.mark.parametrize(
        ("settings", "changed"),
        [
            ({"MIRROR_SELECTION": "prod"}, {"requirements"}),
            ({"MIRROR_GROUPS": "dev"}, {"requirements"}),
            ({"MIRROR_EXPORTER": "poetry"}, {"requirements"}),
            ({"MIRROR_PLATFORMS": "linux-x86_64"}, {"wheel_plan", "index"}),
            ({"MIRROR_PYTHONS": "3.11,3.12"}, {"wheel_plan", "index"}),
            ({"MIRROR_SDISTS": "always"}, {"wheel_plan", "index"}),
            ({"MIRROR_WHEELS": "best-per-floor"}, {"wheel_plan", "index"}),
            ({"MIRROR_GLIBC": "2.17"}, {"wheel_plan", "index"}),
            ({"MIRROR_MACOS": "14.0"}, {"wheel_plan", "index"}),
            ({"MIRROR_TITLE": "Ours"}, {"index"}),
            ({"MIRROR_PUBLIC_URL": "https://mirror.example"}, {"index"}),
            ({"MIRROR_HOME": "elsewhere"}, {"s3_sync", "verification_report"}),
            ({"ORBIT_PROJECT": "shop/poetry.lock"}, {"lock"}),
            ({"MIRROR_ALLOW_UNHASHED": "true"}, {"lock", "requirements"}),
            ({"MIRROR_REQUIREMENTS_DEV": "shop/dev.txt"}, {"lock"}),
            ({"MIRROR_CONCURRENCY": "1", "MIRROR_ALLOW_FAILURES": "true"}, set()),
            ({"MIRROR_INDEX_URL": "https://mirror.example/simple/"}, set()),
            ({"S3_ENDPOINT_URL": "https://s3.example"}, set()),
            ({"MIRROR_STORE_URL": "s3://store/shop"}, set(graph.GROUPS) - {"infrastructure"}),
        ],
    )
    def test_react_to_what_changes_the_output(
        self, bench: Workbench, settings: dict[str, str], changed: set[str]
    ) -> None:
        before = graph.code_versions(bench.mirror())
        bench.configure(**settings)
        after = graph.code_versions(bench.mirror())
        assert {asset for asset in before if before[asset] != after[asset]} == changed

    def test_are_the_same_in_every_checkout(self, bench: Workbench, tmp_path: Path) -> None:
        elsewhere = Workbench(tmp_path / "deeper" / "checkout", bench.upstream, values=bench.values)
        here, there = graph.code_versions(bench.mirror()), graph.code_versions(elsewhere.mirror())
        of_the_place = {"s3_sync", "verification_report"}  # each checkout publishes to a directory of its own
        assert {asset for asset in here if here[asset] != there[asset]} == of_the_place
        assert current_version(bench.mirror()) == current_version(elsewhere.mirror())

    def test_are_the_same_in_every_process(self, bench: Workbench) -> None:
        assert graph.code_versions(bench.mirror()) == graph.code_versions(bench.mirror())
        numbers = [version.partition("-")[0] for version in graph.code_versions(bench.mirror()).values()]
        assert all(number.isdigit() for number in numbers)


class TestMetadata:
    def test_lock(self, second_run: Mapping[str, Metadata]) -> None:
        said = second_run["lock"]
        assert said["projects"] == 1
        assert "| shop | poetry.lock |" in said["files"]
        assert "| shop | pyproject.toml |" in said["files"]

    def test_requirements(self, second_run: Mapping[str, Metadata]) -> None:
        said = second_run["requirements"]
        assert said["pins"] == 5
        assert "| shop | poetry 2.1 | >=3.10 | 5 | dev |" in said["locks"]
        assert "**2 added**\n\n- `linuxish==1.0`\n- `winonly==1.1`" in said["changed"]
        assert "**1 removed**\n\n- `winonly==1.0`" in said["changed"]
        assert "winonly==1.1 ; sys_platform ==" in said["preview"]
        assert "--hash=sha256:" in said["preview"]

    def test_wheel_plan(self, second_run: Mapping[str, Metadata]) -> None:
        said = second_run["wheel_plan[windows-amd64]"]
        assert (said["artifacts"], said["projects"], said["gaps"]) == (2, 2, 1)
        assert said["gap list"].splitlines()[2:] == [
            "| linuxish | 1.0 | 3.11 | no wheel for windows-amd64 among 1 | shop |"
        ]
        assert said["coverage"].replace("\u00a0", " ").splitlines() == [
            "| platform | 3.11 |",
            "| --- | --- |",
            "| linux-x86_64 | ✓ 4 |",
            "| windows-amd64 | **4 of 5** |",
        ]
        assert said["outside the mirror"] == "nothing"
        assert "winonly-1.1" in said["changed"]
        assert said["above the floor"] == 0
        assert said["floors"] == "none"
        assert second_run["wheel_plan[linux-x86_64]"]["gap list"] == "none"

    def test_wheels(self, second_run: Mapping[str, Metadata], bench: Workbench) -> None:
        said = second_run["wheels[windows-amd64]"]
        assert said["complete"] is True
        assert said["artifacts"] == 2
        assert said["downloaded_files"] == 1
        assert 0 < said["downloaded_bytes"] < said["bytes"]
        assert said["size"] == f"{said['bytes'] / 1e6:,.1f} MB"
        native = bench.dist("native", "win").file
        assert said["biggest"].startswith("![the biggest of 2 files](<data:image/svg+xml,")
        assert re.findall(r"[\w.-]+\.whl", said["biggest"]) == [
            native,
            "winonly-1.1-cp310-abi3-win_amd64.whl",
        ]
        assert said["files"].splitlines()[2].startswith(f"| {native} |")
        assert (said["added"], said["removed"]) == (1, 1)
        assert "**1 added**" in said["changed"]
        assert "winonly-1.0" in said["changed"]
        assert (said["failures"], said["yanked"]) == ("none", "none")

    def test_index(self, second_run: Mapping[str, Metadata]) -> None:
        said = second_run["index"]
        assert said["projects"] == 5
        assert said["packages"] == 6
        shown = re.findall(r"MB ([\w-]+)%3C/text", said["platforms"])
        assert sorted(shown) == ["linux-x86_64", "noarch", "windows-amd64"]
        assert 0 < said["bytes"] < 1e6
        assert said["preview"].startswith("`simple/alpha/`\n\n```html\n<!DOCTYPE html>")
        assert "- `simple/linuxish/index.html`" in said["changed"]
        assert "**2 removed**" in said["changed"]

    def test_s3_sync(self, second_run: Mapping[str, Metadata]) -> None:
        said = second_run["s3_sync"]
        assert said["generation"] == 2
        assert said["deleted"] == 2
        *keys, last = said["changed keys"].splitlines()
        more = re.fullmatch(r"- … and (\d+) more", last)
        assert more
        assert said["uploaded"] == len(keys) + int(more[1])
        assert "- `packages/linuxish-1.0-cp310-abi3-manylinux_2_17_x86_64" in keys[0]
        assert "simple/alpha/index.html" not in said["changed keys"]
        assert said["site"].endswith("/site")
        assert said["project list"].endswith("/site/simple/")
        assert "bucket" not in said

    def test_verification_report(self, second_run: Mapping[str, Metadata]) -> None:
        said = second_run["verification_report"]
        assert (said["passed"], said["complete"], said["findings"], said["gaps"]) == (True, True, 0, 1)
        assert said["checked"] > 20
        assert said["report"].startswith("# Verification: passed")
        assert said["file"].endswith("reports/verification-latest.json")
        assert said["site"].endswith("/site")
        assert "| windows-amd64 | **4\u00a0of\u00a05** |" in said["coverage"]
        assert [line.split(" | ")[0] for line in said["layers"].splitlines()[2:]] == [
            "| coverage",
            "| integrity",
            "| index",
            "| installability",
        ]
        assert said["layers"].count(" 0 | ✓ |") == 4

    def test_what_is_worth_a_look_is_shown_in_place(self, second_run: Mapping[str, Metadata]) -> None:
        names = {"biggest", "changed", "coverage", "gap list", "layers", "platforms"}
        found = [(asset, key, said[key]) for asset, said in second_run.items() for key in names & said.keys()]
        assert {key for _, key, _ in found} == names
        assert [(asset, key) for asset, key, text in found if len(text) >= INLINE] == []

    def test_numbers_are_numbers_to_plot_over_time(self, second_run: Mapping[str, Metadata]) -> None:
        numbers = {
            asset: {key for key, value in said.items() if type(value) in (int, float)}
            for asset, said in second_run.items()
        }
        assert {"added", "removed"} <= numbers["lock"] & numbers["requirements"] & numbers["index"]
        assert {"gaps", "artifacts"} <= numbers["wheel_plan[noarch]"]
        assert {"bytes", "downloaded_bytes", "artifacts"} <= numbers["wheels[noarch]"]
        assert {"bytes", "generation", "uploaded", "seconds"} <= numbers["s3_sync"]
        assert {"checked", "findings", "gaps"} <= numbers["verification_report"]

    def test_yanked_files_are_named(self, bench: Workbench) -> None:
        dist = bench.add_pin("beta")
        bench.upstream.add(dist, yanked="broken build")
        bench.refresh()
        with bench.instance() as instance:
            assert latest(instance, "wheels[noarch]")["yanked"] == f"- `{dist.file}`: broken build"

    def test_what_failed_is_named_where_failures_are_allowed(self, bench: Workbench) -> None:
        bench.configure(MIRROR_ALLOW_FAILURES="true")
        dist = bench.add_pin("beta")
        bench.upstream.remove(dist)
        bench.refresh()
        with bench.instance() as instance:
            said = latest(instance, "wheels[noarch]")
        assert said["complete"] is False
        assert dist.file in said["failures"]


class TestDifference:
    def test_the_first_time(self) -> None:
        assert difference(None, ["a"]).value == "first materialization"

    def test_nothing(self) -> None:
        assert difference(["a"], ["a"]).value == "no difference"

    def test_long_lists_are_cut_where_they_would_not_be_shown_in_place(self) -> None:
        now, before = ([f"{one}{number:03}{'x' * 50}" for number in range(300)] for one in "ab")
        text = difference(before, now).value or ""
        assert len(text) < INLINE
        assert text.count("- `a0") == text.count("- `b0") == 7
        assert text.count("- … and 293 more") == 2

    def test_a_long_list_is_cut(self) -> None:
        shown = difference([], [f"{number:03}" for number in range(25)]).value or ""
        assert shown.startswith("**25 added**")
        assert shown.endswith("- `019`\n- … and 5 more")


def checks(bench: Workbench) -> tuple[dg.ExecuteInProcessResult, Mapping[str, dg.AssetCheckEvaluation]]:
    """Run the verification; its layers' checks by name. What upstream says is no affair of the site."""
    with bench.instance() as instance:
        result = materialize(build_definitions(bench.mirror()), instance, "verification_report")
    found = {check.check_name: check for check in result.get_asset_check_evaluations()}
    assert found.pop("upstream").passed
    return result, found


def findings(check: dg.AssetCheckEvaluation) -> list[Mapping[str, Any]]:
    """The rows of a check's table."""
    table = check.metadata["findings"]
    assert isinstance(table, dg.TableMetadataValue)
    return [record.data for record in table.records]


class TestChecks:
    def test_all_pass(self, bench: Workbench) -> None:
        result, found = checks(bench)
        assert result.success
        assert {name: check.passed for name, check in found.items()} == dict.fromkeys(
            ("coverage", "integrity", "index", "installability"), True
        )
        assert all(check.metadata["checked"].value for check in found.values())
        assert all(
            (check.description or "").endswith(" comparisons, nothing found") for check in found.values()
        )

    def test_a_flipped_byte(self, bench: Workbench) -> None:
        dist = bench.dist("alpha")
        path = bench.home / "packages" / dist.file
        path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])
        result, found = checks(bench)
        assert result.success, "a finding is a result, not an error"
        assert not found["integrity"].passed
        (row,) = findings(found["integrity"])
        assert (row["subject"], row["problem"]) == (dist.file, "the bytes are not those of the lock")
        assert row["expected"] == f"{dist.sha256[:12]}…" != row["actual"]
        assert found["integrity"].description == f"{dist.file}: the bytes are not those of the lock"
        assert found["coverage"].passed
        with bench.instance() as instance:
            said = latest(instance, "verification_report")
        assert (said["passed"], said["complete"]) == (False, False)

    def test_a_missing_file(self, bench: Workbench) -> None:
        dist = bench.dist("native", "win")
        (bench.home / "packages" / dist.file).unlink()
        _, found = checks(bench)
        assert [row["subject"] for row in findings(found["integrity"])] == [dist.file]
        assert not found["index"].passed

    def test_a_page_with_a_wrong_digest(self, bench: Workbench) -> None:
        page = bench.site / "simple" / "alpha" / "index.html"
        page.write_text(page.read_text("utf-8").replace(bench.dist("alpha").sha256, "0" * 64), "utf-8")
        _, found = checks(bench)
        assert found["integrity"].passed
        assert any("wrong digest for alpha-1.0" in row["problem"] for row in findings(found["index"]))

    def test_nothing_is_published(self, bench: Workbench) -> None:
        bench.site.unlink()
        _, found = checks(bench)
        assert not any(check.passed for check in found.values())


class TestFailures:
    def failure(self, bench: Workbench, asset: str, partition: str | None = None) -> dg.Failure:
        with bench.instance() as instance:
            result = materialize(
                build_definitions(bench.mirror(), retries=None), instance, asset, partition=partition
            )
        (event,) = [event for event in result.all_events if event.is_step_failure]
        error = event.step_failure_data.user_failure_data
        assert error is not None
        return dg.Failure(error.description, error.metadata)

    def test_a_permanent_failure_names_both_digests_and_is_not_retried(self, bench: Workbench) -> None:
        dist = bench.add_pin("beta")
        bench.upstream.replace(bench.upstream.path_of(dist), b"wrong")
        bench.refresh()
        bench.upstream.forget()
        policy = dg.RetryPolicy(max_retries=2, delay=0)
        with bench.instance() as instance:
            definitions = build_definitions(bench.mirror(), retries=policy)
            result = materialize(definitions, instance, "wheels", partition="noarch")
        assert not result.success
        assert bench.upstream.count(bench.upstream.path_of(dist)) == 1
        assert dist.sha256 in (self.failure(bench, "wheels", "noarch").description or "")

    def test_a_passing_failure_is_retried(self, bench: Workbench) -> None:
        dist = bench.add_pin("beta")
        for asset in ("lock", "requirements"):
            with bench.instance() as instance:
                assert materialize(build_definitions(bench.mirror()), instance, asset).success
        with bench.instance() as instance:
            definitions = build_definitions(bench.mirror(), retries=dg.RetryPolicy(max_retries=2, delay=0))
            materialize(definitions, instance, "wheel_plan", partition="noarch")
            bench.upstream.fail(bench.upstream.path_of(dist), 503, times=7)
            assert materialize(definitions, instance, "wheels", partition="noarch").success
        assert bench.upstream.count(bench.upstream.path_of(dist)) == 8

    def test_facts_are_metadata(self, bench: Workbench) -> None:
        bench.lock.write_text("<<<<<<< ours\n", encoding="utf-8")
        failure = self.failure(bench, "lock")
        assert "merge-conflict marker" in (failure.description or "")
        assert {key: value.value for key, value in failure.metadata.items()} == {
            "lock": str(bench.lock),
            "line": "1",
        }

    def test_an_asset_without_its_input_says_what_to_do(self, bench: Workbench) -> None:
        (bench.home / "documents" / "requirements.json").unlink()
        assert "materialize 'requirements' first" in (
            self.failure(bench, "wheel_plan", "noarch").description or ""
        )

    @pytest.mark.parametrize(
        ("error", "retry"),
        [
            (FetchFailedError("x", retryable=True), True),
            (FetchFailedError("x"), False),
            (UpstreamError("x"), True),
            (DocumentError("x"), False),
        ],
    )
    def test_only_what_may_pass_is_retried(self, error: Exception, retry: bool) -> None:
        with pytest.raises(dg.Failure) as caught, failures_explained():
            raise error
        assert caught.value.allow_retries is retry
        assert caught.value.__cause__ is error


class LateTurn(Turns):
    """A turn that is given only after somebody else has materialized ``index``, or at once."""

    def __init__(self, home: Path, instance: dg.DagsterInstance, *, made: bool) -> None:
        super().__init__(home)
        self._instance, self._made = instance, made

    @contextmanager
    def beside(self, what: str, run: str, tell: Callable[[str], None]) -> Iterator[None]:
        """The turn."""
        if self._made:
            self._instance.report_runless_asset_event(dg.AssetMaterialization("index"))
        with super().beside(what, run, tell):
            yield


class ToldTurn(Turns):
    """A turn that tells when it waits."""

    def __init__(self, home: Path, told: Callable[[], None]) -> None:
        super().__init__(home)
        self._told = told

    @contextmanager
    def beside(self, what: str, run: str, tell: Callable[[str], None]) -> Iterator[None]:
        """The turn."""
        with super().beside(what, run, lambda _line: self._told()):
            yield


class TestTurns:
    @pytest.mark.parametrize(
        ("tags", "made", "times"),
        [
            ({"dagster/sensor_name": "automation"}, True, 0),
            ({"dagster/schedule_name": "nightly"}, True, 0),
            ({"dagster/schedule_name": "nightly"}, False, 1),
            ({}, True, 1),
        ],
        ids=["sensor", "schedule", "nobody made it", "click"],
    )
    def test_what_was_made_meanwhile_is_not_made_again_unless_somebody_clicked(
        self, bench: Workbench, tags: Mapping[str, str], made: bool, times: int
    ) -> None:
        wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey("index"))
        with bench.instance() as instance:
            before = len(instance.fetch_materializations(wanted, limit=100).records)
            mirror = replace(bench.mirror(), turns=LateTurn(bench.home, instance, made=made))
            job = build_definitions(mirror).resolve_implicit_global_asset_job_def()
            result = job.execute_in_process(
                instance=instance, asset_selection=[dg.AssetKey("index")], tags=dict(tags)
            )
            assert result.success
            after = len(instance.fetch_materializations(wanted, limit=100).records)
        assert after - before == made + times

    def test_a_verification_has_its_turn_too(self, bench: Workbench) -> None:
        """It must not look at a site that a command is about to change, and is noticed when it is killed."""
        heard = threading.Event()
        with bench.instance() as instance:
            mirror = replace(bench.mirror(), turns=ToldTurn(bench.home, heard.set))
            definitions, results = build_definitions(mirror), list[dg.ExecuteInProcessResult]()
            run = threading.Thread(
                target=lambda: results.append(materialize(definitions, instance, "verification_report"))
            )
            with Turns(bench.home).alone("refresh", print):
                run.start()
                assert heard.wait(60)
                assert not results
            run.join(60)
        assert results[0].success

    def test_a_click_on_the_index_after_half_a_change(self, bench: Workbench) -> None:
        bench.bump_windows()
        definitions = build_definitions(bench.mirror())
        with bench.instance() as instance:
            assert materialize(definitions, instance, "lock", "requirements").success
            plan = materialize(definitions, instance, "index")
            assert "the plan of linux-x86_64 comes from other requirements" in said(plan)
            for platform in ("linux-x86_64", "windows-amd64", "noarch"):
                assert materialize(definitions, instance, "wheel_plan", partition=platform).success
            wheels = materialize(definitions, instance, "index")
            assert "the wheels of windows-amd64 are not those that the plan wants" in said(wheels)
            assert materialize(definitions, instance, "wheels", partition="windows-amd64").success
            assert materialize(definitions, instance, "index").success


def said(result: dg.ExecuteInProcessResult) -> str:
    """How a failed step explains itself."""
    assert not result.success
    return next(str(event.event_specific_data) for event in result.all_events if event.is_step_failure)
