"""What runs by itself: the sensor that evaluates the conditions, the lock sensor and the nightly schedule.

The lock sensor requests a run of ``lock`` and ``requirements`` when the files change. From there the
conditions (``triggers``) order the minimum. What failed they do not try again; that is the nightly schedule's
part, which asks the planner of ``staleness`` and starts with the most upstream level that is not fresh.

While a command has the mirror's home alone, nothing is asked for: the command does it.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
from dagster_shared.record import copy

from mirror_pipeline.assets import drift, graph
from mirror_pipeline.assets.verification import layers_of
from mirror_pipeline.domain.generations import SiteStatus
from mirror_pipeline.errors import MirrorError
from mirror_pipeline.phases.index import why_outdated
from mirror_pipeline.phases.lock import current_version
from mirror_pipeline.phases.mirror import Mirror
from mirror_pipeline.phases.publication import live_version
from mirror_pipeline.phases.requirements import edited_requirements, may_be_named_now
from mirror_pipeline.staleness import History, State, asset_states, most_upstream

_SENSOR_SECONDS = 2
"""The daemon looks every five seconds at what is due; with more, each level of assets would wait longer."""


class ConditionSensor(dg.AutomationConditionSensorDefinition):
    """Evaluates the conditions, and says of each run which change it is for.

    Evaluated with a context that has no place for a log: Dagster would write two files at every look, for
    ever, or two objects where such logs go to a bucket, with nothing in them.
    """

    def evaluate_tick(self, context: dg.SensorEvaluationContext) -> Any:
        """What to run now."""
        with dg.build_sensor_context(
            context.instance, context.cursor, repository_def=context.repository_def, sensor_name=self.name
        ) as quiet:
            found = super().evaluate_tick(quiet)
        definitions = context.repository_def
        if definitions is None or not found.run_requests:
            return found
        states = asset_states(list(definitions.asset_graph.assets_defs), context.instance)
        why = {(state.asset, state.partition): state.why or state.status for state in states}
        return copy(found, run_requests=[_with_reason(request, why) for request in found.run_requests])


def _with_reason(request: dg.RunRequest, why: Mapping[tuple[str, str | None], str]) -> dg.RunRequest:
    asked = request.asset_selection or []
    reasons = dict.fromkeys(why.get((key.to_user_string(), request.partition_key), "") for key in asked)
    told = "; ".join(filter(None, reasons)) or "what it is made from changed"
    return request.with_replaced_attrs(tags={**request.tags, graph.WHY: told})


def automation_sensor() -> dg.AutomationConditionSensorDefinition:
    """Evaluates the conditions; running from the start, one run per partition.

    In the code server, which alone knows conditions of our own. Dagster calls that a beta; its minor version
    is pinned, and the daemon tests would show a change.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        return ConditionSensor(
            "automation",
            target=dg.AssetSelection.all(),
            default_status=dg.DefaultSensorStatus.RUNNING,
            minimum_interval_seconds=_SENSOR_SECONDS,
            emit_backfills=False,
            use_user_code_server=True,
            description="Recomputes what a change made stale.",
        )


def lock_sensor(mirror: Mirror) -> dg.SensorDefinition:
    """Requests a snapshot, and what follows from every one, when the content of the lock files changes."""

    @dg.sensor(
        name="lock_sensor",
        asset_selection=[graph.LOCK, graph.REQUIREMENTS],
        minimum_interval_seconds=_SENSOR_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Watches the configured lock files, by content.",
    )
    def watch(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        if holder := mirror.turns.taken_alone():
            return dg.SkipReason(f"{holder} has the mirror's home alone")
        try:
            version = current_version(mirror)
        except MirrorError as error:
            return dg.SkipReason(str(error))
        recorded, run, failed = _recorded(context.instance)
        asked = f"{version}/{run}"  # a change that is taken back is a change, though its version is known
        count, _, last = (context.cursor or "").partition(" ")
        if asked == last or (version == recorded and not failed):
            return dg.SkipReason("the lock files have not changed")
        cursor = f"{int(count) + 1 if count.isdigit() else 1} {asked}"  # it was none in earlier versions
        request = dg.RunRequest(
            run_key=cursor,  # counted: Dagster never runs a key again that it has seen
            asset_selection=[dg.AssetKey(graph.LOCK), dg.AssetKey(graph.REQUIREMENTS)],
            tags={graph.WHY: "the lock files changed" if recorded else "the lock was never read"},
        )
        return dg.SensorResult(run_requests=[request], cursor=cursor)

    return watch


def _recorded(instance: dg.DagsterInstance) -> tuple[str | None, str, bool]:
    """The data version of the last snapshot, the run that took it, and whether a later one failed.

    A lock that was broken and is mended again is what it was, but nobody has said so yet.
    """
    history = History(instance)
    failed = history.failed_since(graph.LOCK, None)
    record = history.latest(graph.LOCK, None)
    return history.version(graph.LOCK, None), record.run_id if record else "first", failed


def nightly(mirror: Mirror) -> dg.ScheduleDefinition:
    """Refreshes and always verifies: retries what failed, and looks at what nobody touched."""

    @dg.schedule(
        name="nightly",
        cron_schedule=mirror.settings.schedule,
        target=dg.AssetSelection.all(),
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Requests the most upstream assets that are not fresh, or the verification if all are.",
    )
    def tick(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
        definitions = context.repository_def
        if definitions is None:
            raise dg.DagsterInvariantViolationError("the schedule needs its repository")
        states = asset_states(list(definitions.asset_graph.assets_defs), context.instance, observed(mirror))
        night = context.scheduled_execution_time.isoformat()
        wanted = to_request([state for state in states if state.asset not in graph.BY_HAND])
        yield from (_request(mirror, state, night) for state in wanted)
        if any(state.asset == graph.VERIFICATION_REPORT for state in wanted):
            yield dg.RunRequest(
                run_key=f"{night}/{drift.NAME}",
                asset_check_keys=[drift.KEY],
                tags={graph.WHY: "every night: what upstream changed"},
            )

    return tick


def _request(mirror: Mirror, state: State, night: str) -> dg.RunRequest:
    """One asset partition. The verification comes with its own checks, and without the one of upstream."""
    key = dg.AssetKey(state.asset)
    checks = layers_of(mirror) if state.asset == graph.VERIFICATION_REPORT else ()
    return dg.RunRequest(
        run_key=f"{night}/{state.asset}/{state.partition}",
        asset_selection=[key],
        asset_check_keys=[dg.AssetCheckKey(key, name) for name in checks] or None,
        partition_key=state.partition,
        tags={graph.WHY: state.why or ("every night" if checks else state.status)},
    )


def observed(mirror: Mirror, status: SiteStatus | None = None) -> dict[str, str]:
    """Data versions that can be looked up in the world: the lock files and the live site as they are now.

    ``status`` is the site's, where it has just been asked: a bucket answers it with a request.

    The requirements and the index are among them where they were made from something else than there is now.

    A lock that cannot be read counts as changed: the run that snapshots it says what is wrong.
    """
    seen = {graph.S3_SYNC: _live(mirror, status)}
    if edited_requirements(mirror):
        seen[graph.REQUIREMENTS] = "a requirement file was edited or removed"
    if may_be_named_now(mirror):
        seen[graph.REQUIREMENTS] = "other indexes may know the hashes that are left"
    if outdated := why_outdated(mirror):
        seen[graph.INDEX] = outdated
    try:
        return {**seen, graph.LOCK: current_version(mirror)}
    except MirrorError as error:
        return {**seen, graph.LOCK: str(error)}


def _live(mirror: Mirror, status: SiteStatus | None) -> str:
    """The digest of what is live. A site that does not answer counts as changed: the run says why."""
    try:
        status = status or mirror.site.status()
    except MirrorError as error:
        return str(error)
    if status.pending:
        return "a publication was interrupted"
    return live_version(status.digest, status.live) if status.digest else "nothing is published"


def to_request(states: Sequence[State]) -> Sequence[State]:
    """What a tick asks for: the most upstream level that needs work, and always a verification.

    A file that fails every night must not keep the published mirror from being looked at; only before
    the first publication is there nothing to verify.
    """
    stale = most_upstream(states)
    published = any(state.asset == graph.S3_SYNC and state.status != "missing" for state in states)
    verification = [state for state in states if state.asset == graph.VERIFICATION_REPORT]
    return [*stale, *(state for state in verification if published and state not in stale)]
