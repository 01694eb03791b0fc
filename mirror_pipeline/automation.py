"""What runs by itself: the condition that follows changes, the lock sensor and the nightly schedule.

The sensor requests a run of ``lock`` and ``requirements`` when the files change. From there the condition
orders the minimum: what became missing, what has new code, and what a dependency's new *data version* made
stale; but nothing that stands on a failed dependency, so that half a change is never published. It reacts to
changes once, so what failed is not tried again; that is the nightly schedule's part, which asks the
planner of ``staleness`` and starts with the most upstream level that is not fresh. What no event told of,
because it came while a run was at work or before the daemon was, the condition learns from that planner.

While a command has the mirror's home alone, nothing is asked for: the command does it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from mirror_pipeline.assets import drift, graph
from mirror_pipeline.assets.verification import layers_of
from mirror_pipeline.domain.generations import SiteStatus
from mirror_pipeline.errors import MirrorError
from mirror_pipeline.phases.index import is_in_step, is_outdated
from mirror_pipeline.phases.lock import current_version
from mirror_pipeline.phases.mirror import Mirror
from mirror_pipeline.phases.publication import live_version
from mirror_pipeline.phases.requirements import edited_requirements, may_be_named_now
from mirror_pipeline.staleness import History, State, asset_states, is_behind, most_upstream

_SENSOR_SECONDS = 2
"""The daemon looks every five seconds at what is due; with more, each level of assets would wait longer."""


class Holds(dg.AutomationCondition[dg.AssetKey]):
    """Something that is looked up in the world: true for all of an asset, or for nothing of it."""

    def __init__(self, what: str, holds: Callable[[], bool]) -> None:
        self._what, self._holds = what, holds

    @property
    def name(self) -> str:
        """What the UI shows."""
        return self._what

    def evaluate(self, context: dg.AutomationContext[dg.AssetKey]) -> dg.AutomationResult[dg.AssetKey]:
        """All of what is asked about, or nothing; not looked up where nothing is asked about."""
        asked = context.candidate_subset
        holds = not asked.is_empty and self._holds()
        return dg.AutomationResult(context, asked if holds else context.get_empty_subset())


class Behind(dg.AutomationCondition[dg.AssetKey]):
    """What the planner finds missing, or made from something else than there is now.

    Changes are events, and one may be missed: what comes while an asset partition is being made is taken for
    handled when that run ends, though the run has not seen it. A look at the history misses nothing.
    """

    @property
    def name(self) -> str:
        """What the UI shows."""
        return "missing, or made from something else than there is now"

    def evaluate(self, context: dg.AutomationContext[dg.AssetKey]) -> dg.AutomationResult[dg.AssetKey]:
        """Those of what is asked about."""
        asked, specs = context.candidate_subset, _specs_around(context)
        history, key = History(context.asset_graph_view.instance), context.key.to_user_string()
        if context.partitions_def is None:
            behind = not asked.is_empty and is_behind(specs, key, None, history)
            return dg.AutomationResult(context, asked if behind else context.get_empty_subset())
        partitions = asked.expensively_compute_partition_keys()
        found = {each for each in partitions if is_behind(specs, key, each, history)}
        return dg.AutomationResult(context, asked.compute_intersection_with_partition_keys(found))


def _specs_around(context: dg.AutomationContext[dg.AssetKey]) -> Mapping[str, dg.AssetSpec]:
    """An asset and what it is made from, as the planner wants to see them."""
    assets = context.asset_graph_view.asset_graph
    deps = assets.get(context.key).parent_keys
    return {
        key.to_user_string(): dg.AssetSpec(
            key, deps=deps if key == context.key else (), partitions_def=assets.get(key).partitions_def
        )
        for key in (context.key, *deps)
    }


def condition(mirror: Mirror) -> dg.AutomationCondition[Any]:
    """Recompute what changed, once, when everything it needs is there, in order and at rest."""
    return _changed().since_last_handled() & _ready(mirror) | _behind(mirror)


def index_condition(mirror: Mirror) -> dg.AutomationCondition[Any]:
    """The same for the index, which is also made from the requirements, and never from half a change."""
    outdated: dg.AutomationCondition[Any] = Holds("made from other requirements", lambda: is_outdated(mirror))
    whole: dg.AutomationCondition[Any] = Holds(
        "every platform has what the requirements want", lambda: is_in_step(mirror)
    )
    changed = _changed() | outdated.newly_true()
    asked = changed.since_last_handled() & _ready(mirror)
    return (asked | _behind(mirror) | _ready(mirror) & ~_failed() & outdated) & whole


def _changed() -> dg.AutomationCondition[Any]:
    changed: dg.AutomationCondition[Any] = (
        dg.AutomationCondition.newly_missing()
        | dg.AutomationCondition.any_deps_match(dg.AutomationCondition.data_version_changed())
        | dg.AutomationCondition.code_version_changed()
    )
    return changed


def _behind(mirror: Mirror) -> dg.AutomationCondition[Any]:
    """Looked at last: what a run at work is making must have been in progress, or else be in the history."""
    behind: dg.AutomationCondition[Any] = Behind()
    return _ready(mirror) & behind


def _failed() -> dg.AutomationCondition[Any]:
    failed: dg.AutomationCondition[Any] = dg.AutomationCondition.execution_failed()
    return failed


def _ready(mirror: Mirror) -> dg.AutomationCondition[Any]:
    by_hand = dg.AssetSelection.assets(*graph.BY_HAND)
    ready: dg.AutomationCondition[Any] = (
        ~dg.AutomationCondition.any_deps_missing().ignore(by_hand)
        & ~dg.AutomationCondition.any_deps_match(_failed()).ignore(by_hand)
        & ~dg.AutomationCondition.any_deps_in_progress()
        & ~dg.AutomationCondition.any_deps_match(dg.AutomationCondition.will_be_requested())
        & ~dg.AutomationCondition.in_progress()
        & Holds("no command has the mirror's home alone", lambda: not mirror.turns.taken_alone())
    )
    return ready


def automation_sensor() -> dg.AutomationConditionSensorDefinition:
    """Evaluates the conditions; running from the start, one run per partition.

    In the code server, which alone knows conditions of our own. Dagster calls that a beta; its minor version
    is pinned, and the daemon tests would show a change.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        return dg.AutomationConditionSensorDefinition(
            "automation",
            target=dg.AssetSelection.all(),
            default_status=dg.DefaultSensorStatus.RUNNING,
            minimum_interval_seconds=_SENSOR_SECONDS,
            emit_backfills=False,
            use_user_code_server=True,
            run_tags={graph.WHY: "what it is made from changed: see the evaluation of its condition"},
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
        if asked == context.cursor or (version == recorded and not failed):
            return dg.SkipReason("the lock files have not changed")
        request = dg.RunRequest(
            run_key=f"{asked}/{context.cursor}",
            asset_selection=[dg.AssetKey(graph.LOCK), dg.AssetKey(graph.REQUIREMENTS)],
            tags={graph.WHY: "the lock files changed" if recorded else "the lock was never read"},
        )
        return dg.SensorResult(run_requests=[request], cursor=asked)

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
    if is_outdated(mirror):
        seen[graph.INDEX] = "made from other requirements"
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
