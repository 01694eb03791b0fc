"""The planner: against Dagster's own resolver as an oracle, and against the sets that the design promises.

The oracle is private and used nowhere else. It knows neither what is observed outside Dagster, nor failed
runs, nor incomplete publications: those have tests of their own.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver
from dagster._core.loader import LoadingContextForTest

from mirror_pipeline.automation import observed
from mirror_pipeline.definitions import build_definitions
from mirror_pipeline.errors import FetchFailedError
from mirror_pipeline.phases.drift import look_upstream
from mirror_pipeline.phases.history import roll_back
from mirror_pipeline.phases.tokens import access_of, add
from mirror_pipeline.refresh import states_now
from mirror_pipeline.staleness import State, asset_states, most_upstream
from mirror_pipeline_tests.mirrors import NOW, Kept, Workbench, keep, materialize

PLATFORMS = ("linux-x86_64", "windows-amd64", "noarch")
PLANS = [("wheel_plan", platform) for platform in PLATFORMS]
INDEX = ("index", None)
PUBLICATION = [INDEX, ("s3_sync", None), ("verification_report", None)]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    return keep(tmp_path_factory.mktemp("staleness"))


@pytest.fixture
def bench(kept: Kept) -> Iterator[Workbench]:
    with kept.restored() as bench:
        yield bench


def states(bench: Workbench) -> Sequence[State]:
    """Every state as ``status`` shows it."""
    with bench.instance() as instance:
        return states_now(bench.mirror(), instance)


def waiting(bench: Workbench) -> dict[tuple[str, str | None], State]:
    """What is not fresh."""
    return {(state.asset, state.partition): state for state in states(bench) if state.needs_work}


def compared(definitions: dg.Definitions, instance: dg.DagsterInstance) -> list[tuple[str, str | None, str]]:
    """All states by the planner, found the same by Dagster."""
    planned = asset_states(list(definitions.resolve_all_asset_specs()), instance)
    oracle = CachingStaleStatusResolver(
        instance, definitions.resolve_asset_graph(), LoadingContextForTest(instance)
    )
    ours = [(state.asset, state.partition, state.status) for state in planned]
    theirs = [
        (asset, partition, oracle.get_status(dg.AssetKey(asset), partition).value.lower())
        for asset, partition, _ in ours
    ]
    assert ours == theirs
    return [place for place in ours if place[2] != "fresh"]


def settle(bench: Workbench, instance: dg.DagsterInstance) -> list[tuple[str, str | None]]:
    """Run what is stale, one asset partition at a time, with the oracle asked after each; what was run."""
    mirror, ran = bench.mirror(), list[tuple[str, str | None]]()
    definitions = build_definitions(mirror, retries=None)
    specs = list(definitions.resolve_all_asset_specs())
    while todo := most_upstream(asset_states(specs, instance, observed(mirror))):
        assert len(ran) < 20, "it never settles"
        materialize(definitions, instance, todo[0].asset, partition=todo[0].partition)
        ran.append((todo[0].asset, todo[0].partition))
        compared(definitions, instance)
    assert compared(definitions, instance) == []
    return ran


def stale_by_both(bench: Workbench) -> list[tuple[str, str | None, str]]:
    with bench.instance() as instance:
        return compared(build_definitions(bench.mirror(), retries=None), instance)


class TestAgainstTheOracle:
    def test_nothing_has_run(self, bench: Workbench) -> None:
        with dg.DagsterInstance.ephemeral() as instance:
            found = compared(build_definitions(bench.mirror(), retries=None), instance)
        assert {status for _, _, status in found} == {"missing"}
        assert len(found) == 11

    def test_a_sequence_of_changes(self, bench: Workbench) -> None:
        with dg.DagsterInstance.ephemeral() as instance:
            assert len(settle(bench, instance)) == 11
            bench.bump_windows()
            assert ("wheels", "windows-amd64") in settle(bench, instance)
            bench.add_comment()
            assert settle(bench, instance) == [("lock", None), ("requirements", None)]
            bench.add_pin()
            assert ("wheels", "noarch") in settle(bench, instance)

    def test_a_platform_less(self, bench: Workbench) -> None:
        bench.configure(MIRROR_PLATFORMS="linux-x86_64")
        assert stale_by_both(bench) == [
            ("wheel_plan", "linux-x86_64", "stale"),
            ("wheel_plan", "noarch", "stale"),
            ("index", None, "stale"),
        ]

    def test_a_platform_more(self, bench: Workbench) -> None:
        bench.configure(MIRROR_PLATFORMS="linux-x86_64,macos-arm64,windows-amd64")
        found = stale_by_both(bench)
        assert ("wheels", "macos-arm64", "missing") in found
        assert ("wheels", "linux-x86_64", "stale") not in found
        assert ("index", None, "stale") in found

    @pytest.mark.parametrize(
        ("setting", "stale"),
        [
            ({"MIRROR_SELECTION": "prod"}, [("requirements", None, "stale")]),
            ({"MIRROR_PYTHONS": "3.12"}, [(*plan, "stale") for plan in (*PLANS, INDEX)]),
            ({"MIRROR_SDISTS": "fallback"}, [(*plan, "stale") for plan in (*PLANS, INDEX)]),
            ({"MIRROR_CONCURRENCY": "2"}, []),
        ],
    )
    def test_a_code_version_follows_settings(
        self, bench: Workbench, setting: dict[str, str], stale: list[tuple[str, str | None, str]]
    ) -> None:
        bench.configure(**setting)
        assert stale_by_both(bench) == stale


class TestWhatAChangeRecomputes:
    def test_nothing_at_all(self, bench: Workbench) -> None:
        assert waiting(bench) == {}
        assert bench.refresh().recomputed == []

    def test_a_windows_wheel(self, bench: Workbench) -> None:
        bench.bump_windows()
        assert bench.refresh().recomputed == [
            ("lock", None),
            ("requirements", None),
            *PLANS,
            ("wheels", "windows-amd64"),
            *PUBLICATION,
        ]
        assert waiting(bench) == {}

    def test_a_comment(self, bench: Workbench) -> None:
        before = bench.published()
        bench.add_comment()
        assert bench.refresh().recomputed == [("lock", None), ("requirements", None)]
        assert bench.published() == before
        assert waiting(bench) == {}

    def test_a_marker_that_no_target_notices(self, bench: Workbench) -> None:
        marker = 'sys_platform == "win32" and python_version >= "3.8"'
        bench.put(replace(bench.packages["winonly"], markers=marker))
        assert bench.refresh().recomputed == [("lock", None), ("requirements", None), *PLANS, *PUBLICATION]
        assert "3.8" in (bench.site / "requirements-prod.txt").read_text()
        assert waiting(bench) == {}

    def test_a_change_taken_back(self, bench: Workbench) -> None:
        packages = dict(bench.packages)
        bench.bump_windows()
        bench.packages = packages
        bench.write()
        assert waiting(bench) == {}

    def test_a_platform_left_out(self, bench: Workbench) -> None:
        bench.configure(MIRROR_PLATFORMS="linux-x86_64")
        assert bench.refresh().recomputed == [
            ("wheel_plan", "linux-x86_64"),
            ("wheel_plan", "noarch"),
            *PUBLICATION,
        ]
        assert not [key for key in bench.mirror().site.manifest().files if "win_amd64" in key]  # type: ignore[union-attr]


class TestWhy:
    def test_every_reason_names_its_cause(self, bench: Workbench) -> None:
        bench.add_comment()
        bench.configure(MIRROR_SELECTION="prod", MIRROR_PYTHONS="3.12")
        reasons = {place[0]: state.why for place, state in waiting(bench).items()}
        assert reasons == {
            "lock": "what is there is not what was recorded",
            "requirements": "its code or settings changed",
            "wheel_plan": "its code or settings changed",
            "index": "its code or settings changed",
        }

    def test_a_changed_dependency_is_named(self, bench: Workbench) -> None:
        bench.bump_windows()
        bench.upstream.fail(f"/files/{bench.dist('winonly').file}", 404, times=1)
        assert [type(error) for error in bench.refresh().failures] == [FetchFailedError]
        assert waiting(bench)[("wheels", "windows-amd64")].why == (
            "the last run failed; wheel_plan[windows-amd64] changed"
        )

    def test_levels_order_the_work(self, bench: Workbench) -> None:
        levels = {state.asset: state.level for state in states(bench)}
        assert levels == {
            "lock": 0,
            "requirements": 1,
            "wheel_plan": 2,
            "wheels": 3,
            "index": 4,
            "s3_sync": 5,
            "verification_report": 6,
        }

    def test_most_upstream_leaves_the_rest_for_later(self) -> None:
        one, two, fresh = (
            State("a", "x", "stale", level=2),
            State("b", None, "missing", level=3),
            State("c", None, "fresh", level=0),
        )
        assert most_upstream([fresh, two, one]) == [one]
        assert most_upstream([fresh, two, replace(one, status="failed")])[0].status == "failed"
        assert most_upstream([fresh]) == []


class TestFailedRuns:
    def test_shown_and_tried_again(self, bench: Workbench) -> None:
        dist = bench.bump_windows()
        bench.upstream.fail(bench.upstream.path_of(dist), 404, times=1)
        bench.refresh()
        failed = waiting(bench)
        assert failed.keys() == {("wheels", "windows-amd64")}
        assert failed["wheels", "windows-amd64"].status == "failed"
        assert bench.refresh().recomputed == [("wheels", "windows-amd64"), *PUBLICATION]
        assert waiting(bench) == {}

    def test_failed_before_it_was_ever_made(self, bench: Workbench) -> None:
        shutil.rmtree(bench.home)
        native = bench.dist("native", "x86_64")
        bench.upstream.fail(bench.upstream.path_of(native), 404, times=1)
        bench.refresh()
        found = waiting(bench)
        assert found["wheels", "linux-x86_64"].status == "failed"
        assert found["index", None].status == "missing"

    def test_only_what_failed_of_a_run_of_several(self, bench: Workbench) -> None:
        """A run from the UI may hold several assets: those that were made before it broke are fine."""
        bench.add_comment()
        (bench.root / "requirements-all.txt").unlink()
        (bench.root / "requirements-all.txt").mkdir()
        definitions = build_definitions(bench.mirror(), retries=None)
        with bench.instance() as instance:
            assert not materialize(definitions, instance, "lock", "requirements").success
        assert {place: state.status for place, state in waiting(bench).items()} == {
            ("requirements", None): "failed"
        }


class TestIncomplete:
    def test_counts_as_stale_until_complete(self, bench: Workbench) -> None:
        bench.configure(MIRROR_ALLOW_FAILURES="true")
        dist = bench.bump_windows()
        bench.upstream.fail(bench.upstream.path_of(dist), 404, times=2)
        assert bench.refresh().failures == []
        found = waiting(bench)
        assert found["wheels", "windows-amd64"].why == "it was left incomplete"
        assert found.keys() == {("wheels", "windows-amd64"), ("verification_report", None)}

        again = bench.refresh().recomputed
        assert again == [("wheels", "windows-amd64"), ("verification_report", None)]

        assert bench.refresh().recomputed == [("wheels", "windows-amd64"), *PUBLICATION]
        assert waiting(bench) == {}


class TestTheWorldOutside:
    def test_the_site_was_removed(self, bench: Workbench) -> None:
        bench.site.unlink()
        assert {place: state.why for place, state in waiting(bench).items()} == {
            ("s3_sync", None): "nothing is published"
        }
        assert bench.refresh().recomputed == [("s3_sync", None), ("verification_report", None)]
        assert (bench.site / "simple" / "index.html").is_file()
        assert waiting(bench) == {}

    @pytest.mark.parametrize("content", ["{}", "", None])
    def test_the_manifest_was_tampered_with(self, bench: Workbench, content: str | None) -> None:
        manifest, before = bench.site / "manifest.json", bench.published()
        if content is None:
            manifest.write_text(manifest.read_text("utf-8").replace('"size": ', '"size": 1'), "utf-8")
        else:
            manifest.write_text(content, encoding="utf-8")
        assert waiting(bench).keys() == {("s3_sync", None)}
        bench.refresh()
        assert bench.published() == before

    def test_a_generation_was_rolled_back_by_hand(self, bench: Workbench) -> None:
        bench.bump_windows()
        bench.refresh()
        bench.site.unlink()
        bench.site.symlink_to("generations/1", target_is_directory=True)
        assert waiting(bench).keys() == {("s3_sync", None)}

    def test_upstream_yanked_a_file(self, bench: Workbench) -> None:
        bench.upstream.add(bench.dist("alpha"), yanked="leaks keys")
        look_upstream(bench.mirror())
        assert waiting(bench)[INDEX].why == "upstream says something else of what is mirrored"
        assert bench.refresh().recomputed == PUBLICATION
        assert "leaks keys" in (bench.site / "simple/alpha/index.html").read_text("utf-8")

        published = bench.published()
        assert waiting(bench) == {}
        look_upstream(bench.mirror())
        assert bench.refresh().recomputed == []
        assert bench.published() == published

    def test_a_rollback_holds_whatever_upstream_says(self, bench: Workbench) -> None:
        bench.bump_windows()
        bench.refresh()
        roll_back(bench.mirror(), None, "broken")
        held = bench.published()
        bench.upstream.add(bench.dist("alpha"), yanked="leaks keys")
        look_upstream(bench.mirror())
        bench.refresh()
        assert bench.published() == held
        assert waiting(bench) == {}

    def test_clients_need_a_login(self, bench: Workbench) -> None:
        assert "login NAME" not in (bench.site / "index.html").read_text("utf-8")
        add(access_of(bench.mirror().settings), "laptop", "test", NOW.isoformat())
        assert bench.refresh().recomputed == PUBLICATION
        assert "login NAME" in (bench.site / "index.html").read_text("utf-8")
        assert waiting(bench) == {}

    def test_the_lock_cannot_be_read(self, bench: Workbench) -> None:
        bench.lock.unlink()
        assert waiting(bench).keys() == {("lock", None)}


class TestNewDependency:
    def test_counts_when_it_was_made(self) -> None:
        """One that is made by hand, such as ``infrastructure``, makes nothing stale as long as it is not."""

        @dg.asset(code_version="1")
        def site() -> None:
            """Made before it depended on anything."""

        @dg.asset(code_version="1")
        def infrastructure() -> None:
            """Made by hand."""

        specs = [
            dg.AssetSpec("infrastructure", code_version="1"),
            dg.AssetSpec("site", deps=["infrastructure"], code_version="1"),
        ]
        with dg.DagsterInstance.ephemeral() as instance:
            assert dg.materialize([site], instance=instance).success
            made = {state.asset: (state.status, state.why) for state in asset_states(specs, instance)}
            assert made == {"infrastructure": ("missing", ""), "site": ("fresh", "")}

            assert dg.materialize([infrastructure], instance=instance).success
            made = {state.asset: (state.status, state.why) for state in asset_states(specs, instance)}
            assert made == {
                "infrastructure": ("fresh", ""),
                "site": ("stale", "infrastructure is a new dependency"),
            }
