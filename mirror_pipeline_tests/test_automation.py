"""What runs by itself, asked without a daemon: conditions, the lock sensor and the nightly schedule."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import dagster as dg
import pytest

import mirror_pipeline
from mirror_pipeline import automation
from mirror_pipeline.assets import drift
from mirror_pipeline.definitions import build_definitions
from mirror_pipeline.phases.lock import current_version
from mirror_pipeline.staleness import State
from mirror_pipeline_tests.mirrors import Kept, Workbench, keep, materialize, workbench

CHECKOUT = Path(mirror_pipeline.__file__).parent.parent
THREE = {"linux-x86_64", "windows-amd64", "noarch"}
NIGHT = datetime(2026, 1, 1, 3, 0, tzinfo=timezone.utc)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    return keep(tmp_path_factory.mktemp("automation"))


@pytest.fixture
def bench(kept: Kept) -> Iterator[Workbench]:
    with kept.restored() as bench:
        yield bench


class Daemon:
    """The automation condition sensor's part: evaluates, remembers its cursor, and runs what it is told."""

    def __init__(self, bench: Workbench, instance: dg.DagsterInstance) -> None:
        self._bench, self._instance = bench, instance
        self._cursor: object = None
        self._queued: set[tuple[str, str | None]] = set()

    @property
    def definitions(self) -> dg.Definitions:
        """As the code location would load them now."""
        return build_definitions(self._bench.mirror(), retries=None)

    def tick(self) -> Mapping[str, set[str | None]]:
        """What is requested: asset → partitions. What waits for its run is not asked for again."""
        definitions = self.definitions
        result = dg.evaluate_automation_conditions(
            definitions,
            self._instance,
            cursor=self._cursor,  # type: ignore[arg-type]  # of a type that dagster does not export
            asset_selection=dg.AssetSelection.all(),
        )
        self._cursor = result.cursor
        keys = [spec.key for spec in definitions.resolve_all_asset_specs()]
        asked = {
            (key.to_user_string(), partition)
            for key in keys
            for partition in result.get_requested_partitions(key)
        } - self._queued
        self._queued |= asked
        return {asset: {each for name, each in asked if name == asset} for asset, _ in asked}

    def run(self, asset: str, *partitions: str) -> None:
        """Run an asset, partition by partition."""
        for partition in partitions or (None,):
            self._queued.discard((asset, partition))
            assert materialize(self.definitions, self._instance, asset, partition=partition).success

    def forget(self) -> None:
        """Begin anew, without a cursor."""
        self._cursor = None

    def fail(self, asset: str, partition: str) -> None:
        """Run an asset that cannot be made."""
        self._queued.discard((asset, partition))
        assert not materialize(self.definitions, self._instance, asset, partition=partition).success

    def obey(self) -> list[Mapping[str, set[str | None]]]:
        """Run what each tick asks for until one asks for nothing; what they asked for."""
        asked: list[Mapping[str, set[str | None]]] = []
        while wanted := self.tick():
            assert len(asked) < 10, "it never comes to rest"
            asked.append(wanted)
            for asset, partitions in wanted.items():
                self.run(asset, *sorted(partition for partition in partitions if partition))
        return asked


@pytest.fixture
def daemon(bench: Workbench) -> Iterator[Daemon]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Daemon(bench, instance)


class TestConditions:
    def test_nothing_is_asked_for_before_the_lock_is_known(self, daemon: Daemon) -> None:
        assert daemon.tick() == {}

    def test_from_the_first_lock_to_the_verification(self, daemon: Daemon) -> None:
        daemon.tick()
        daemon.run("lock")
        assert daemon.obey() == [
            {"requirements": {None}},
            {"wheel_plan": THREE},
            {"wheels": THREE},
            {"index": {None}},
            {"s3_sync": {None}},
            {"verification_report": {None}},
        ]
        assert daemon.tick() == {}

    def test_partitions_come_one_by_one(self, daemon: Daemon) -> None:
        daemon.tick()
        for asset in ("lock", "requirements"):
            daemon.run(asset)
            daemon.tick()
        daemon.run("wheel_plan", "noarch")
        assert daemon.tick() == {"wheels": {"noarch"}}
        daemon.run("wheel_plan", "linux-x86_64")
        assert daemon.tick() == {"wheels": {"linux-x86_64"}}
        daemon.run("wheels", "noarch", "linux-x86_64")
        assert daemon.tick() == {}, "the index waits for the last platform"
        daemon.run("wheel_plan", "windows-amd64")
        assert daemon.tick() == {"wheels": {"windows-amd64"}}
        daemon.run("wheels", "windows-amd64")
        assert daemon.tick() == {"index": {None}}

    def test_half_a_change_is_not_indexed(self, daemon: Daemon, bench: Workbench) -> None:
        daemon.tick()
        daemon.run("lock")
        daemon.obey()
        missing = bench.bump_windows()
        bench.add_pin()
        bench.upstream.remove(missing)
        for asset in ("lock", "requirements"):
            daemon.run(asset)
            daemon.tick()
        daemon.run("wheel_plan", *sorted(THREE))
        assert daemon.tick() == {"wheels": {"noarch", "windows-amd64"}}
        daemon.run("wheels", "noarch")
        daemon.fail("wheels", "windows-amd64")
        assert daemon.tick() == {}, "the index waits for what failed, and nobody tries that again"

        bench.write()
        daemon.run("wheels", "windows-amd64")
        assert daemon.obey()[0] == {"index": {None}}

    def test_nothing_is_asked_for_while_a_command_has_the_home(
        self, daemon: Daemon, bench: Workbench
    ) -> None:
        daemon.tick()
        daemon.run("lock")
        with bench.mirror().turns.alone("refresh", print):
            assert daemon.tick() == {}
        assert daemon.tick() == {"requirements": {None}}

    def test_a_change_of_markers_alone_reaches_the_index(self, daemon: Daemon, bench: Workbench) -> None:
        daemon.tick()
        daemon.run("lock")
        daemon.obey()
        bench.put(replace(bench.packages["winonly"], markers='os_name == "nt"'))
        daemon.run("lock")
        assert daemon.obey() == [
            {"requirements": {None}},
            {"wheel_plan": THREE},
            {"index": {None}},
            {"s3_sync": {None}},
            {"verification_report": {None}},
        ]

    def test_the_index_waits_for_every_plan(self, daemon: Daemon, bench: Workbench) -> None:
        """One platform may have fetched its new wheels before another has planned."""
        daemon.tick()
        daemon.run("lock")
        daemon.obey()
        bench.bump_windows()
        bench.add_pin()
        for asset in ("lock", "requirements"):
            daemon.run(asset)
            daemon.tick()
        daemon.run("wheel_plan", "noarch", "linux-x86_64")
        assert daemon.tick() == {"wheels": {"noarch"}}
        daemon.run("wheels", "noarch")
        assert daemon.tick() == {}
        daemon.run("wheel_plan", "windows-amd64")
        assert daemon.tick() == {"wheels": {"windows-amd64"}}
        daemon.run("wheels", "windows-amd64")
        assert daemon.tick() == {"index": {None}}

    def test_what_changes_while_it_is_being_made_is_made_again(
        self, daemon: Daemon, bench: Workbench
    ) -> None:
        """The run at work has read the earlier plan; that it ends well must not count as an answer."""
        daemon.tick()
        daemon.run("lock")
        daemon.obey()
        held = bench.upstream.hold(f"/files/{bench.bump_windows_to('1.1').file}")
        daemon.run("lock")
        for asset, partitions in (("requirements", ()), ("wheel_plan", THREE)):
            assert daemon.tick().keys() == {asset}
            daemon.run(asset, *partitions)
        assert daemon.tick() == {"wheels": {"windows-amd64"}}
        at_work = threading.Thread(target=daemon.run, args=("wheels", "windows-amd64"))
        at_work.start()
        assert held.arrived.wait(60)
        bench.bump_windows_to("1.2")
        daemon.run("lock")
        for asset, partitions in (("requirements", ()), ("wheel_plan", THREE)):
            assert daemon.tick().keys() == {asset}
            daemon.run(asset, *partitions)
        assert daemon.tick() == {}, "it waits for the run at work"
        held.release()
        at_work.join()
        assert [set(asked) for asked in daemon.obey()] == [
            {"wheels"},
            {"index"},
            {"s3_sync"},
            {"verification_report"},
        ]

    def test_a_daemon_that_begins_asks_for_what_is_behind(self, daemon: Daemon, bench: Workbench) -> None:
        """What happened before its first look is no event to it."""
        daemon.tick()
        daemon.run("lock")
        daemon.obey()
        bench.bump_windows()
        daemon.run("lock")
        daemon.forget()
        assert [set(asked) for asked in daemon.obey()] == [
            {"requirements"},
            {"wheel_plan"},
            {"wheels"},
            {"index"},
            {"s3_sync"},
            {"verification_report"},
        ]

    def test_after_a_change(self, daemon: Daemon, bench: Workbench) -> None:
        daemon.tick()
        daemon.run("lock")
        daemon.obey()

        bench.bump_windows()
        assert daemon.tick() == {}, "the sensor looks at the lock, not the condition"
        daemon.run("lock")
        assert daemon.obey() == [
            {"requirements": {None}},
            {"wheel_plan": THREE},
            {"wheels": {"windows-amd64"}},
            {"index": {None}},
            {"s3_sync": {None}},
            {"verification_report": {None}},
        ]

        bench.add_comment()
        daemon.run("lock")
        assert daemon.obey() == [{"requirements": {None}}]

        daemon.run("lock")
        assert daemon.obey() == [], "the same data version again is no change"

        bench.configure(MIRROR_PLATFORMS="linux-x86_64")
        assert daemon.tick() == {"wheel_plan": {"linux-x86_64", "noarch"}, "index": {None}}


def lock_tick(
    bench: Workbench, instance: dg.DagsterInstance, cursor: str | None = None
) -> dg.SensorResult | dg.SkipReason:
    """One evaluation of the lock sensor."""
    with dg.build_sensor_context(instance=instance, cursor=cursor) as context:
        answer = automation.lock_sensor(bench.mirror())(context)
    assert isinstance(answer, dg.SensorResult | dg.SkipReason)
    return answer


class TestLockSensor:
    def test_asks_once_for_a_new_lock(self, bench: Workbench) -> None:
        bench.bump_windows()
        with bench.instance() as instance:
            answer = lock_tick(bench, instance)
            assert isinstance(answer, dg.SensorResult)
            (request,) = answer.run_requests or ()
            assert request.asset_selection == [dg.AssetKey("lock"), dg.AssetKey("requirements")]
            assert (answer.cursor or "").startswith(f"1 {current_version(bench.mirror())}/")
            again = lock_tick(bench, instance, answer.cursor)
        assert isinstance(again, dg.SkipReason)
        assert again.skip_message == "the lock files have not changed"

    def test_asks_nothing_of_what_is_recorded(self, bench: Workbench) -> None:
        with bench.instance() as instance:
            for cursor in ("7 an older version", "a version alone, as earlier releases kept it"):
                assert isinstance(lock_tick(bench, instance, cursor), dg.SkipReason)

    def test_a_cursor_of_an_earlier_release_hides_nothing(self, bench: Workbench) -> None:
        bench.bump_windows()
        with bench.instance() as instance:
            assert isinstance(lock_tick(bench, instance, "0f" * 32), dg.SensorResult)

    def test_asks_for_the_first_snapshot(self, tmp_path: Path) -> None:
        with workbench(tmp_path / "bench") as empty, empty.instance() as instance:
            assert isinstance(lock_tick(empty, instance), dg.SensorResult)

    def test_a_change_taken_back_is_asked_for_too(self, bench: Workbench) -> None:
        """A run key that Dagster has seen is never run again, so it cannot be the lock's version alone."""
        before, keys, cursor = bench.lock.read_text("utf-8"), list[str | None](), None
        with bench.instance() as instance:
            for text in (f"# changed\n{before}", before, f"# changed\n{before}"):
                bench.lock.write_text(text, encoding="utf-8")
                answer = lock_tick(bench, instance, cursor)
                assert isinstance(answer, dg.SensorResult)
                cursor = answer.cursor
                keys += [request.run_key for request in answer.run_requests or ()]
                assert materialize(build_definitions(bench.mirror()), instance, "lock").success
        assert len(set(keys)) == 3

    @pytest.mark.parametrize("companion", ["poetry.lock", "pyproject.toml"])
    def test_looks_at_content_not_at_times(self, bench: Workbench, companion: str) -> None:
        path = bench.lock.parent / companion
        os.utime(path, (1, 1))
        with bench.instance() as instance:
            assert isinstance(lock_tick(bench, instance), dg.SkipReason)
            path.write_text(f"{path.read_text('utf-8')}# more\n", encoding="utf-8")
            assert isinstance(lock_tick(bench, instance), dg.SensorResult)

    def test_what_was_broken_and_is_mended_is_asked_for(self, bench: Workbench) -> None:
        """It is what it was; but until a run says so, the history says that it failed."""
        before = bench.lock.read_text("utf-8")
        with bench.instance() as instance:
            bench.lock.write_text("<<<<<<< ours\n", encoding="utf-8")
            broken = lock_tick(bench, instance)
            assert isinstance(broken, dg.SensorResult)
            definitions = build_definitions(bench.mirror(), retries=None)
            assert not materialize(definitions, instance, "lock", "requirements").success
            assert isinstance(lock_tick(bench, instance, broken.cursor), dg.SkipReason), "once is enough"
            bench.lock.write_text(before, encoding="utf-8")
            mended = lock_tick(bench, instance, broken.cursor)
            assert isinstance(mended, dg.SensorResult)
            assert materialize(definitions, instance, "lock", "requirements").success
            assert isinstance(lock_tick(bench, instance, mended.cursor), dg.SkipReason)

    def test_no_run_key_is_ever_used_again(self, bench: Workbench) -> None:
        """Broken and mended again and again, while no run of it succeeds: Dagster skips a key it has seen."""
        before, cursor, keys = bench.lock.read_text("utf-8"), None, list[str | None]()
        with bench.instance() as instance:
            definitions = build_definitions(bench.mirror(), retries=None)
            for text in ("<<<<<<< ours\n", before) * 2:
                bench.lock.write_text(text, encoding="utf-8")
                answer = lock_tick(bench, instance, cursor)
                assert isinstance(answer, dg.SensorResult)
                keys += [request.run_key for request in answer.run_requests or ()]
                cursor = answer.cursor
                bench.lock.write_text("<<<<<<< theirs\n", encoding="utf-8")
                assert not materialize(definitions, instance, "lock").success
        assert len(set(keys)) == 4

    def test_what_the_command_line_changed_meanwhile_does_not_hide_a_change_back(
        self, bench: Workbench
    ) -> None:
        with bench.instance() as instance:
            bench.add_comment()
            first = lock_tick(bench, instance)
            assert isinstance(first, dg.SensorResult)
            text = bench.lock.read_text("utf-8")
            assert materialize(build_definitions(bench.mirror()), instance, "lock").success
            bench.bump_windows()
            bench.refresh()
            bench.lock.write_text(text, encoding="utf-8")
            assert isinstance(lock_tick(bench, instance, first.cursor), dg.SensorResult)

    def test_asks_for_nothing_while_a_command_has_the_home(self, bench: Workbench) -> None:
        bench.bump_windows()
        turns = bench.mirror().turns
        with bench.instance() as instance:
            with turns.alone("refresh", print):
                answer = lock_tick(bench, instance)
                assert isinstance(answer, dg.SkipReason)
                assert "refresh of " in (answer.skip_message or "")
            assert isinstance(lock_tick(bench, instance), dg.SensorResult)

    def test_a_missing_lock_is_a_reason_to_skip(self, bench: Workbench) -> None:
        bench.lock.unlink()
        with bench.instance() as instance:
            answer = lock_tick(bench, instance)
        assert isinstance(answer, dg.SkipReason)
        assert "no lock file" in (answer.skip_message or "")

    def test_a_broken_lock_is_asked_for_so_that_the_run_says_why(self, bench: Workbench) -> None:
        bench.lock.write_text("<<<<<<< ours\n", encoding="utf-8")
        with bench.instance() as instance:
            assert isinstance(lock_tick(bench, instance), dg.SensorResult)
            result = materialize(build_definitions(bench.mirror(), retries=None), instance, "lock")
        assert not result.success
        failure = next(event for event in result.all_events if event.is_step_failure)
        assert "merge-conflict marker" in str(failure.event_specific_data)


def night(bench: Workbench, instance: dg.DagsterInstance) -> list[tuple[str, str | None]]:
    """What the nightly schedule requests."""
    mirror = bench.mirror()
    repository = build_definitions(mirror).get_repository_def()
    context = dg.build_schedule_context(instance, NIGHT, repository_def=repository)
    with context:
        requests = automation.nightly(mirror).evaluate_tick(context).run_requests or []
    checks = [request for request in requests if not request.asset_selection]
    assert all(len(request.asset_selection or ()) == 1 for request in requests if request not in checks)
    assert [request.asset_check_keys for request in checks] == [[drift.KEY]], "upstream is looked at too"
    assert all(drift.KEY not in (request.asset_check_keys or ()) for request in requests[:-1])
    assert all("mirror/why" in request.tags for request in requests)
    assert len({request.run_key for request in requests}) == len(requests)
    return [
        (request.asset_selection[0].to_user_string(), request.partition_key)
        for request in requests
        if request.asset_selection
    ]


VERIFICATION = ("verification_report", None)
"""Asked for every night."""


class TestNightly:
    def test_verifies_when_all_is_fresh(self, bench: Workbench) -> None:
        with bench.instance() as instance:
            assert night(bench, instance) == [("verification_report", None)]

    def test_before_the_first_publication_there_is_nothing_to_verify(self) -> None:
        missing = [State("lock", None, "missing"), State("s3_sync", None, "missing", level=5)]
        report = State("verification_report", None, "missing", level=6)
        assert automation.to_request([*missing, report]) == missing[:1]

    def test_begins_most_upstream(self, bench: Workbench) -> None:
        bench.bump_windows()
        bench.configure(MIRROR_PYTHONS="3.12")
        with bench.instance() as instance:
            assert night(bench, instance) == [("lock", None), VERIFICATION]

    def test_requests_every_stale_partition(self, bench: Workbench) -> None:
        bench.configure(MIRROR_PYTHONS="3.12")
        with bench.instance() as instance:
            assert night(bench, instance) == [
                ("wheel_plan", "linux-x86_64"),
                ("wheel_plan", "windows-amd64"),
                ("wheel_plan", "noarch"),
                VERIFICATION,
            ]

    def test_requests_a_failed_partition_again(self, bench: Workbench) -> None:
        bench.upstream.remove(bench.bump_windows())
        bench.refresh()
        with bench.instance() as instance:
            assert night(bench, instance) == [("wheels", "windows-amd64"), VERIFICATION]

    def test_publishes_again_what_was_removed(self, bench: Workbench) -> None:
        bench.site.unlink()
        with bench.instance() as instance:
            assert night(bench, instance) == [("s3_sync", None), VERIFICATION]

    def test_a_lock_that_cannot_be_read_is_requested(self, bench: Workbench) -> None:
        bench.lock.unlink()
        with bench.instance() as instance:
            assert night(bench, instance) == [("lock", None), VERIFICATION]


class TestDefinitions:
    def test_can_be_loaded(self, bench: Workbench) -> None:
        dg.Definitions.validate_loadable(build_definitions(bench.mirror()))

    def test_everything_runs_by_default(self, bench: Workbench) -> None:
        repository = build_definitions(bench.mirror()).get_repository_def()
        assert {sensor.name: sensor.default_status for sensor in repository.sensor_defs} == {
            "automation": dg.DefaultSensorStatus.RUNNING,
            "lock_sensor": dg.DefaultSensorStatus.RUNNING,
            "recovery": dg.DefaultSensorStatus.RUNNING,
        }
        assert {schedule.name: schedule.default_status for schedule in repository.schedule_defs} == {
            "nightly": dg.DefaultScheduleStatus.RUNNING
        }

    def test_the_schedule_is_configurable(self, bench: Workbench) -> None:
        assert automation.nightly(bench.mirror()).cron_schedule == "0 3 * * *"
        bench.configure(MIRROR_SCHEDULE="30 1 * * 0")
        assert automation.nightly(bench.mirror()).cron_schedule == "30 1 * * 0"

    def test_only_what_uses_the_network_is_retried(self, bench: Workbench) -> None:
        definitions = build_definitions(bench.mirror())
        retried = {
            asset.key.to_user_string()
            for asset in definitions.resolve_asset_graph().assets_defs
            if asset.op.retry_policy is not None
        }
        assert retried == {"requirements", "wheels", "s3_sync"}

    def test_dagster_validates_the_workspace(self, bench: Workbench, tmp_path: Path) -> None:
        result = subprocess.run(
            [sys.executable, "-m", "dagster", "definitions", "validate", "-w", "workspace.yaml"],
            cwd=CHECKOUT,
            env={**os.environ, "MIRROR_CONFIG": str(bench.config), "DAGSTER_HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        said = result.stdout + result.stderr
        assert result.returncode == 0, said
        assert "mirror_pipeline.definitions" in said
        assert not (CHECKOUT / "mirror_pipeline" / "dagster").exists()
