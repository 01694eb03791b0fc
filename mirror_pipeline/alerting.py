"""Alerts of what Dagster runs by itself or for a click: sensors that look at how runs ended.

A run is told of when it has failed for good: retries of steps are within it, and one that the instance starts
again is not over. Runs within a command are left to that command (``command_alerts``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import dagster as dg

from mirror_pipeline.assets import drift, graph
from mirror_pipeline.domain.alerts import Alert
from mirror_pipeline.phases.alerts import drift_alert, send, verification_alert
from mirror_pipeline.phases.drift import last_drift
from mirror_pipeline.phases.mirror import Mirror
from mirror_pipeline.phases.verification import last_report

_SECONDS = 10
_STARTED_AGAIN = "dagster/will_retry"
_PARTITION = "dagster/partition"


def sensors(mirror: Mirror) -> Sequence[dg.SensorDefinition]:
    """The sensors, where a webhook is configured."""
    return (_failures(mirror), _findings(mirror)) if mirror.settings.webhook else ()


def _failures(mirror: Mirror) -> dg.SensorDefinition:
    @dg.run_failure_sensor(
        name="alert_failures",
        minimum_interval_seconds=_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells MIRROR_WEBHOOK_URL of runs that failed.",
    )
    def alert_failures(context: dg.RunFailureSensorContext) -> None:
        if _is_ours(context.dagster_run):
            _send(mirror, context, failure_alert(context))

    return alert_failures


def _findings(mirror: Mirror) -> dg.SensorDefinition:
    @dg.run_status_sensor(
        run_status=dg.DagsterRunStatus.SUCCESS,
        name="alert_findings",
        minimum_interval_seconds=_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells MIRROR_WEBHOOK_URL of findings: of the verification, and of the check upstream.",
    )
    def alert_findings(context: dg.RunStatusSensorContext) -> None:
        if _is_ours(context.dagster_run):
            for alert in finding_alerts(mirror, context):
                _send(mirror, context, alert)

    return alert_findings


def _is_ours(run: dg.DagsterRun) -> bool:
    """Whether nobody else tells of this run, and it is over."""
    return run.tags.get(graph.BY) != graph.COMMAND_LINE and run.tags.get(_STARTED_AGAIN) != "true"


def _send(mirror: Mirror, context: dg.RunStatusSensorContext, alert: Alert) -> None:
    run = context.dagster_run
    told = replace(alert, run_id=run.run_id, partition=run.tags.get(_PARTITION))
    if warning := send(mirror, told):
        context.log.warning(warning)


def failure_alert(context: dg.RunFailureSensorContext) -> Alert:
    """What a failed run has to say: of the first step that failed, or why the run itself did."""
    failed = context.get_step_failure_events()
    if not failed:
        message = context.failure_event.message or "the run failed"
        return Alert("failure", message, asset=_selected(context.dagster_run))
    data = failed[0].step_failure_data
    told, error = data.user_failure_data, data.error
    metadata = told.metadata if told else {}
    message = (told.description if told else None) or (error.message if error else "") or "the step failed"
    return Alert(
        "failure",
        " ".join(message.split()),
        asset=failed[0].step_key,
        facts={key: value.value for key, value in metadata.items()},
        counts={"failures": len(failed)},
    )


def _selected(run: dg.DagsterRun) -> str | None:
    """What the run was for."""
    checked = (key.asset_key for key in run.asset_check_selection or ())
    return (
        ", ".join(sorted({key.to_user_string() for key in (*(run.asset_selection or ()), *checked)})) or None
    )


def finding_alerts(mirror: Mirror, context: dg.RunStatusSensorContext) -> Iterator[Alert]:
    """What the checks of a run found. Upstream that could not be asked at all is a failure of the check."""
    for check in _failed_checks(context):
        if check.check_name == drift.NAME:
            yield from _of_upstream(mirror, check)
    layers = [check for check in _failed_checks(context) if check.check_name != drift.NAME]
    report = last_report(mirror)
    if report is not None and any(check.severity == dg.AssetCheckSeverity.ERROR for check in layers):
        yield replace(verification_alert(report), asset=graph.VERIFICATION_REPORT)


def _failed_checks(context: dg.RunStatusSensorContext) -> list[dg.AssetCheckEvaluation]:
    records = context.instance.get_records_for_run(
        context.dagster_run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION
    ).records
    events = [record.event_log_entry.dagster_event for record in records]
    checks = [event.asset_check_evaluation_data for event in events if event]
    return [check for check in checks if not check.passed]


def _of_upstream(mirror: Mirror, check: dg.AssetCheckEvaluation) -> Iterator[Alert]:
    asked, found = check.metadata[drift.PROJECTS].value, last_drift(mirror)
    if asked == 0:
        why = str(check.metadata[drift.NOT_ASKED].value)
        yield Alert("failure", why, asset=graph.VERIFICATION_REPORT, facts={"check": drift.NAME})
    elif found is not None and found.standing:
        yield replace(drift_alert(found), asset=graph.VERIFICATION_REPORT)
