"""Runs that were killed: the history is told, so that they no longer look as if they were at work.

A process that is killed cannot say so. Dagster notices where the code server outlives it; where it does not,
or where the command line was killed, its runs would stay "started" for ever, and what they were about would
never be asked for again. Once told, Dagster begins runs of the daemon anew (``run_retries`` of
``dagster.yaml``).
"""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

from mirror_pipeline.phases.mirror import Mirror

_SENSOR_SECONDS = 10


def fail_abandoned(mirror: Mirror, instance: dg.DagsterInstance) -> Sequence[str]:
    """Record the runs that were killed at work at this home as failed; their ids."""
    told = []
    for run_id in mirror.turns.abandoned():
        run = instance.get_run_by_id(run_id)
        if run is not None and not run.is_finished:
            instance.report_run_failed(run, "The process of this run ended without a word: it was killed.")
            told.append(run_id)
        mirror.turns.forget(run_id)
    return told


def recovery_sensor(mirror: Mirror) -> dg.SensorDefinition:
    """Looks for runs that were killed."""

    @dg.sensor(
        name="recovery",
        asset_selection=dg.AssetSelection.all(),
        minimum_interval_seconds=_SENSOR_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells the history of runs that were killed, so that they are begun anew.",
    )
    def watch(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        told = fail_abandoned(mirror, context.instance)
        return dg.SkipReason(f"killed at work: {', '.join(told)}" if told else "no run was killed")

    return watch
