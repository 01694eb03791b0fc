"""The daemon itself, in its own processes, beside a person who edits, breaks, mends, kills and refreshes.

One instance runs for the whole module; each test leaves a mirror that is up to date, and begins at rest.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator

import pytest

from mirror_pipeline_tests.daemons import (
    PATIENCE,
    Ran,
    Watched,
    refreshed,
    running_ui,
    serves,
    with_real_history,
)
from mirror_pipeline_tests.mirrors import WINDOWS, Workbench
from mirror_pipeline_tests.wheels import wheel

PLATFORMS = ("windows-amd64", "noarch")
EVERYTHING_BUT_WHEELS = [
    ("lock+requirements", None),
    *(("wheel_plan", platform) for platform in sorted(PLATFORMS)),
]
PUBLICATION = [("index", None), ("s3_sync", None), ("verification_report", None)]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    """A mirror that is up to date."""
    with with_real_history(tmp_path_factory.mktemp("daemon"), MIRROR_PLATFORMS=PLATFORMS[0]) as bench:
        yield bench


@pytest.fixture(scope="module")
def daemon(bench: Workbench) -> Iterator[Watched]:
    with running_ui(bench) as watched:
        yield watched


def what(runs: list[Ran]) -> list[tuple[str, str | None]]:
    """The asset partitions, sorted where they ran side by side."""
    return sorted(((run.asset, run.partition) for run in runs), key=_order)


def _order(one: tuple[str, str | None]) -> tuple[int, str]:
    order = ["lock+requirements", "wheel_plan", "wheels", "index", "s3_sync", "verification_report"]
    return order.index(one[0]), one[1] or ""


def file_of(version: str) -> str:
    """Where upstream has that version of the project that only Windows has."""
    return f"/files/{wheel('winonly', version, WINDOWS).file}"


def worker(bench: Workbench) -> int:
    """The process that has its turn at the home."""
    return int(json.loads((bench.home / "turns" / "work").read_text())["process"])


def test_a_lock_change_recomputes_exactly_what_it_affects_once(daemon: Watched, bench: Workbench) -> None:
    began = time.time()
    dist = bench.bump_windows()
    last = daemon.wait_for_run("verification_report", since=began)
    daemon.settle()
    runs = daemon.runs(began)
    assert what(runs) == [*EVERYTHING_BUT_WHEELS, ("wheels", "windows-amd64"), *PUBLICATION]
    assert {run.status for run in runs} == {"SUCCESS"}
    assert runs[0].why == "the lock files changed"
    assert all(run.why for run in runs)
    assert last.ended - began < PATIENCE
    assert serves(bench, dist)


def test_a_change_that_means_nothing_ends_at_the_requirements(daemon: Watched, bench: Workbench) -> None:
    began = time.time()
    bench.add_comment()
    daemon.wait_for_run("lock+requirements", since=began)
    daemon.settle()
    assert what(daemon.runs(began)) == [("lock+requirements", None)]


def test_a_broken_lock_damages_nothing_and_is_read_again_when_it_is_mended(
    daemon: Watched, bench: Workbench
) -> None:
    published, began = bench.published(), time.time()
    text = bench.lock.read_text("utf-8")
    bench.lock.write_text(f"<<<<<<< ours\n{text}", encoding="utf-8")
    assert daemon.wait_for_run("lock+requirements", since=began).status == "FAILURE"
    daemon.settle()
    assert what(daemon.runs(began)) == [("lock+requirements", None)], "asked for once, not again and again"
    mended = time.time()
    bench.lock.write_text(text, encoding="utf-8")
    assert daemon.wait_for_run("lock+requirements", since=mended).status == "SUCCESS"
    daemon.settle()
    assert what(daemon.runs(mended)) == [("lock+requirements", None)]
    assert bench.published() == published


def test_what_one_platform_lacks_keeps_the_publication_as_it_is(daemon: Watched, bench: Workbench) -> None:
    published, began = bench.published(), time.time()
    page = bench.upstream.page_of("winonly")
    asked = bench.upstream.count(page)
    pure = bench.add_pin("gamma")
    missing = bench.bump_windows_to("1.3")
    bench.upstream.remove(missing)
    assert daemon.wait_for_run("wheels", "windows-amd64", since=began).status == "FAILURE"
    assert daemon.wait_for_run("wheels", "noarch", since=began).status == "SUCCESS"
    daemon.settle()
    wheels = [("wheels", "noarch"), ("wheels", "windows-amd64")]
    assert what(daemon.runs(began)) == [*EVERYTHING_BUT_WHEELS, *wheels]
    assert bench.published() == published
    assert bench.upstream.count(page) == asked + 1, "what upstream does not have is not asked for again"

    mended = time.time()
    bench.upstream.add(missing)
    answer = refreshed(bench)
    assert answer["recomputed"] == [
        {"asset": "wheels", "partition": "windows-amd64"},
        *({"asset": asset, "partition": None} for asset, _ in PUBLICATION),
    ]
    daemon.settle()
    assert what(daemon.runs(mended)) == [("wheels", "windows-amd64"), *PUBLICATION], (
        "by the command line alone"
    )
    assert serves(bench, missing)
    assert serves(bench, pure)


def test_a_run_that_is_killed_is_begun_anew(daemon: Watched, bench: Workbench) -> None:
    began = time.time()
    held = bench.upstream.hold(file_of("1.4"))
    dist = bench.bump_windows_to("1.4")
    daemon.wait_until("fetch", held.arrived.is_set)
    os.kill(worker(bench), signal.SIGKILL)
    held.release()
    daemon.wait_for_run("verification_report", since=began)
    daemon.settle()
    fetching = [run for run in daemon.runs(began) if run.asset == "wheels"]
    assert [run.status for run in fetching] == ["FAILURE", "SUCCESS"]
    assert serves(bench, dist)


def test_command_line_and_daemon_at_once_make_everything_once(daemon: Watched, bench: Workbench) -> None:
    began = time.time()
    dist = bench.bump_windows_to("1.5")
    answer = refreshed(bench)
    assert answer["status"] == "ok"
    daemon.settle()
    assert serves(bench, dist)
    counts = {
        (asset, partition): daemon.made(asset, partition, since=began)
        for asset, partition in [
            ("lock", None),
            ("requirements", None),
            *(("wheel_plan", platform) for platform in PLATFORMS),
            ("wheels", "windows-amd64"),
            *PUBLICATION,
        ]
    }
    assert set(counts.values()) == {1}, counts
    assert daemon.made("wheels", "noarch", since=began) == 0


def test_changed_settings_are_loaded_by_the_daemon_too(daemon: Watched, bench: Workbench) -> None:
    began = time.time()
    bench.configure(MIRROR_PLATFORMS="windows-amd64,linux-x86_64")
    daemon.wait_for_run("verification_report", since=began)
    daemon.settle()
    assert {run.status for run in daemon.runs(began)} == {"SUCCESS"}
    assert daemon.made("wheels", "linux-x86_64", since=began) == 1
    assert serves(bench, bench.dist("native", "manylinux_2_17_x86_64"))
    mended = time.time()
    bench.configure(MIRROR_PLATFORMS=PLATFORMS[0])
    daemon.wait_for_run("verification_report", since=mended)
    daemon.settle()
    assert not serves(bench, bench.dist("native", "manylinux_2_17_x86_64"))


def test_what_changes_while_it_is_fetched_is_fetched_again(daemon: Watched, bench: Workbench) -> None:
    began = time.time()
    held = bench.upstream.hold(file_of("1.7"))
    bench.bump_windows_to("1.7")
    daemon.wait_until("fetch", held.arrived.is_set)
    dist = bench.bump_windows_to("1.8")
    daemon.wait_until("plan", lambda: daemon.made("wheel_plan", PLATFORMS[0], since=began) == 2)
    seen = time.time()
    daemon.wait_until("look", lambda: daemon.ticks("automation", seen) > 1)
    held.release()
    daemon.wait_for_run("verification_report", since=began)
    daemon.settle()
    assert daemon.made("wheels", PLATFORMS[0], since=began) == 2
    assert serves(bench, dist)


def test_after_a_power_cut_in_the_middle_of_a_run(daemon: Watched, bench: Workbench) -> None:
    began = time.time()
    held = bench.upstream.hold(file_of("1.6"))
    dist = bench.bump_windows_to("1.6")
    daemon.wait_until("fetch", held.arrived.is_set)
    daemon.kill()
    held.release()
    daemon.start()
    daemon.wait_for_run("verification_report", since=began)
    fetching = [run for run in daemon.runs(began) if run.asset == "wheels"]
    assert [run.status for run in fetching] == ["FAILURE", "SUCCESS"]
    assert serves(bench, dist)
