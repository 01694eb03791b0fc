"""The Dagster UI in a real browser: what an owner sees there, and a partition materialized by a click.

One UI (``mirror-pipeline ui``, with its daemon) on one mirror for the whole module. When it starts, the
mirror is published, one project has a gap, and the last verification seems to be three days old.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import pytest
from dagster._core.events import StepMaterializationData

from mirror_pipeline.assets import graph
from mirror_pipeline_tests.browsers import PATIENCE, browsing, chromium, materialized, running_ui
from mirror_pipeline_tests.mirrors import Workbench, workbench

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

OWNER = "ann@example.com"
GROUPS = tuple(dict.fromkeys(graph.GROUPS.values()))
OLD = timedelta(days=3)


@pytest.fixture(scope="module")
def program() -> str:
    return chromium()


@pytest.fixture(scope="module")
def bench(program: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    with workbench(tmp_path_factory.mktemp("ui") / "bench", MIRROR_OWNERS=f"team:platform,{OWNER}") as bench:
        bench.add_gap()
        assert not bench.refresh().failures
        with bench.instance() as instance:
            verified_at(instance, time.time() - OLD.total_seconds())
        yield bench


def verified_at(instance: dg.DagsterInstance, moment: float) -> None:
    """The last materialization of the report once more, as if it had been made at another time."""
    event = instance.get_latest_materialization_event(dg.AssetKey(graph.VERIFICATION_REPORT))
    assert event is not None
    assert event.asset_materialization is not None
    again = dg.DagsterEvent(
        event_type_value=dg.DagsterEventType.ASSET_MATERIALIZATION.value,
        job_name="verified_before",
        event_specific_data=StepMaterializationData(event.asset_materialization),
    )
    instance.report_dagster_event(again, run_id=event.run_id, timestamp=moment)


@pytest.fixture(scope="module")
def url(bench: Workbench, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    log = tmp_path_factory.mktemp("log") / "ui.txt"
    with running_ui(bench.config, log, FRESHNESS_DAEMON_INTERVAL_SECONDS="2") as url:
        yield url


@pytest.fixture(scope="module")
def browser(program: str, url: str) -> Iterator[Page]:
    with browsing(program) as page:
        page.goto(url)
        yield page


@pytest.fixture
def page(browser: Page, url: str) -> Page:
    """The browser, at a place that no test is about."""
    browser.goto(f"{url}/deployment")
    return browser


def freshness(page: Page, url: str, state: str) -> None:
    """See a state of the report's freshness policy. It is judged later, which an open page may not see."""
    from playwright.sync_api import TimeoutError as NotSeenError

    shown = page.get_by_text(state, exact=True).first
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and not shown.is_visible():
        page.goto(f"{url}/assets/{graph.VERIFICATION_REPORT}")
        page.get_by_text("Fails if more than 2 days since last materialization").wait_for()
        with suppress(NotSeenError):
            shown.wait_for(timeout=5000)
    assert shown.is_visible()


def test_the_graph_has_all_assets(page: Page, url: str) -> None:
    page.goto(f"{url}/asset-groups")
    for group in GROUPS:
        page.locator(f"[data-tooltip={group}]").click()
    for asset in (graph.INDEX, graph.S3_SYNC, graph.VERIFICATION_REPORT):
        page.locator("[data-tooltip]").get_by_text(asset, exact=True).wait_for()
    page.get_by_text("4 / 5 Passed").wait_for()  # upstream has not been asked yet: that is for the night


def test_a_report_is_overdue_when_nights_were_missed_until_there_is_a_new_one(
    page: Page, url: str, bench: Workbench
) -> None:
    freshness(page, url, "Failed")
    dist = bench.dist("alpha")
    damage(bench.home / "packages" / dist.file)

    materialized(page)

    freshness(page, url, "Passing")
    page.goto(f"{url}/assets/{graph.VERIFICATION_REPORT}?view=checks&checkDetail=integrity")
    page.get_by_text("The bytes of every artifact have the lock's hash.").wait_for()
    page.get_by_text(f"{dist.file}: the bytes are not those of the lock", exact=True).wait_for()
    page.get_by_role("cell", name=f"{dist.sha256[:12]}…", exact=True).wait_for()
    page.get_by_text("Failed", exact=True).first.wait_for()


def damage(path: Path) -> None:
    """Change the last byte."""
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def test_a_partition_is_materialized_by_a_click(page: Page, url: str, bench: Workbench) -> None:
    dist = bench.dist("winonly")
    (bench.home / "packages" / dist.file).unlink()
    partition = f"{url}/assets/{graph.WHEELS}?view=partitions&partition=windows-amd64"
    page.goto(partition)
    page.get_by_text("View all historical events (1)").wait_for()

    materialized(page, "Launch 1 run")

    page.get_by_placeholder("Filter…").fill("files/s")
    page.get_by_text(re.compile(rf"windows-amd64: 1/1 files, .* MB/s, in .* s: {dist.file}")).wait_for()
    assert (bench.home / "packages" / dist.file).is_file()
    page.goto(partition)
    page.get_by_text("View all historical events (2)").wait_for()


def test_the_coverage_is_a_matrix(page: Page, url: str) -> None:
    page.goto(f"{url}/assets/{graph.WHEEL_PLAN}?view=partitions&partition=windows-amd64")
    lacking = page.get_by_role("cell", name="4 of 5", exact=True)
    lacking.wait_for()
    row = page.get_by_role("row").filter(has=lacking).last
    assert row.get_by_role("cell").all_inner_texts() == ["windows-amd64", "4\u00a0of\u00a05"]
    page.get_by_role("cell", name="✓ 4", exact=True).wait_for()
    page.get_by_role("cell", name="no wheel for windows-amd64 among 1").first.wait_for()


def test_the_biggest_files_are_a_chart(page: Page, url: str) -> None:
    page.goto(f"{url}/assets/{graph.WHEELS}?view=partitions&partition=linux-x86_64")
    assert drawn(page.get_by_alt_text("the biggest of 2 files")) == [460, 2 * 28]
    page.goto(f"{url}/assets/{graph.INDEX}")
    assert drawn(page.get_by_alt_text("bytes of each platform")) == [460, 3 * 28]


def drawn(image: Locator) -> list[int]:
    """Width and height of an image that the browser could read; it has none otherwise."""
    image.wait_for()
    size: list[int] = image.evaluate(
        "async image => { await image.decode(); return [image.naturalWidth, image.naturalHeight] }"
    )
    return size


def test_owners_and_versions_are_there(page: Page, url: str) -> None:
    page.goto(f"{url}/assets/{graph.S3_SYNC}")
    page.get_by_text(OWNER, exact=True).first.wait_for()
    page.get_by_text("platform", exact=True).first.wait_for()
    page.goto(f"{url}/assets/{graph.WHEELS}?view=partitions&partition=noarch")
    page.get_by_text("Show tags").click()
    for tag in ("code_version", "data_version"):
        page.get_by_text(tag, exact=True).first.wait_for()
