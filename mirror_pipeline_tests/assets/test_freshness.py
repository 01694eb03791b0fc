"""Dagster's own evaluator on the report's freshness policy: what it says after nights that were missed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from datetime import timedelta

import dagster as dg
import pytest
from dagster._core.definitions.freshness import FreshnessState
from dagster._core.definitions.freshness_evaluator import TimeWindowFreshnessPolicyEvaluator
from dagster._core.events import StepMaterializationData
from dagster._core.loader import LoadingContextForTest

from mirror_pipeline.assets import graph
from mirror_pipeline.definitions import build_definitions
from mirror_pipeline_tests.mirrors import Workbench, workbench

REPORT = dg.AssetKey(graph.VERIFICATION_REPORT)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    with workbench(tmp_path_factory.mktemp("freshness")) as bench:
        yield bench


def verified(instance: dg.DagsterInstance, ago: timedelta) -> None:
    """Record a report that was made some time ago."""
    event = dg.DagsterEvent(
        event_type_value=dg.DagsterEventType.ASSET_MATERIALIZATION.value,
        job_name="verified_before",
        event_specific_data=StepMaterializationData(dg.AssetMaterialization(REPORT)),
    )
    instance.report_dagster_event(event, run_id="", timestamp=time.time() - ago.total_seconds())


def state(bench: Workbench, schedule: str) -> FreshnessState:
    bench.configure(MIRROR_SCHEDULE=schedule)
    node = build_definitions(bench.mirror()).resolve_asset_graph().get(REPORT)
    with bench.instance() as instance:
        context = LoadingContextForTest(instance)
        return asyncio.run(TimeWindowFreshnessPolicyEvaluator().evaluate_freshness(context, node))


@pytest.mark.parametrize(
    ("schedule", "hours", "expected"),
    [
        ("0 3 * * *", 0, FreshnessState.PASS),
        ("0 3 * * *", 24 + 1, FreshnessState.PASS),
        ("0 3 * * *", 24 + 3, FreshnessState.WARN),
        ("0 3 * * *", 48 + 1, FreshnessState.WARN),
        ("0 3 * * *", 48 + 3, FreshnessState.FAIL),
        ("0 3 * * *", 24 * 365, FreshnessState.FAIL),
        ("0 3 * * 1-5", 48 + 3, FreshnessState.PASS),
        ("0 3 * * 0", 48 + 3, FreshnessState.PASS),
        ("0 * * * *", 2, FreshnessState.WARN),
        ("0 * * * *", 3, FreshnessState.FAIL),
    ],
)
def test_missed_nights_warn_and_then_fail(
    bench: Workbench, schedule: str, hours: int, expected: FreshnessState
) -> None:
    with bench.instance() as instance:
        verified(instance, timedelta(hours=hours))
    assert state(bench, schedule) is expected


def test_nothing_is_known_before_the_first_report(tmp_path_factory: pytest.TempPathFactory) -> None:
    with workbench(tmp_path_factory.mktemp("unverified")) as bench:
        assert state(bench, "0 3 * * *") is FreshnessState.UNKNOWN


def test_the_daemon_evaluates_unless_it_is_told_not_to(bench: Workbench) -> None:
    with bench.instance() as instance:
        assert "FRESHNESS_DAEMON" in instance.get_required_daemon_types()
