"""``refresh``: recompute what is stale, level by level, in the instance that the UI shows.

One run per asset partition. Before the first one, locks and settings are tried out, so that wrong input
changes nothing. A failed run never stops its neighbours; what it feeds is not run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any

import dagster as dg

from mirror_pipeline.assets import graph
from mirror_pipeline.automation import observed
from mirror_pipeline.definitions import build_definitions
from mirror_pipeline.domain.report import megabytes
from mirror_pipeline.errors import MirrorError, RunFailedError
from mirror_pipeline.phases.lock import current_snapshot
from mirror_pipeline.phases.mirror import Mirror
from mirror_pipeline.phases.publication import refuse_unprovisioned
from mirror_pipeline.phases.requirements import read_projects, refuse_overwriting
from mirror_pipeline.phases.wheel_plan import plan_for
from mirror_pipeline.recovery import fail_abandoned
from mirror_pipeline.staleness import CODE_VERSION, DATA_VERSION, State, asset_states, dependencies, specs_of

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
_REPAIRED = (graph.WHEELS, graph.S3_SYNC, graph.VERIFICATION_REPORT)
_INPUTS = (graph.LOCK, graph.REQUIREMENTS, graph.WHEEL_PLAN)


@dataclass(slots=True)
class Refreshed:
    """What a refresh did. ``counts`` are summed over the runs."""

    recomputed: list[tuple[str, str | None]] = field(default_factory=list)
    failures: list[MirrorError] = field(default_factory=list)
    skipped: list[tuple[str, str | None]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    generation: int | None = None
    """What is live now, None before the first publication."""
    held: str = ""
    """What a rollback holds, and why."""

    @property
    def ran(self) -> bool:
        """Whether anything was run at all."""
        return bool(self.recomputed or self.failures)

    def add(self, metadata: Mapping[str, dg.MetadataValue[Any]]) -> None:
        """Sum what a run counted."""
        for key in ("downloaded_files", "downloaded_bytes", "uploaded", "deleted"):
            value = metadata[key].value if key in metadata else 0
            self.counts[key] = self.counts.get(key, 0) + (value if isinstance(value, int) else 0)
        published = metadata.get("generation")
        if isinstance(published, dg.IntMetadataValue):
            self.generation = published.value
            self.held = str(metadata[graph.HELD].value)


def refresh(
    mirror: Mirror, instance: dg.DagsterInstance, *, force: bool = False, repair: bool = False
) -> Refreshed:
    """Bring every asset up to date; with ``force`` recompute all of them.

    ``repair`` looks at every stored file, and behind the books of a bucket, and puts right what was changed.
    """
    refuse_unprovisioned(mirror)
    for run in fail_abandoned(mirror, instance):
        mirror.progress.say(f"note: run {run} was killed at work; it is recorded as failed")
    mirror = replace(mirror, force=force, repair=repair)
    definitions = build_definitions(mirror, retries=None, ask_upstream=False)
    specs = specs_of(list(definitions.resolve_all_asset_specs()))
    status = mirror.site.status()
    states = asset_states(list(specs.values()), instance, observed(mirror, status))
    done = Refreshed(generation=status.live, held=str(status.hold or ""))
    if force or any(state.needs_work for state in states if state.asset in _INPUTS):
        done.warnings = _try_out(mirror)
    if force or repair or any(state.needs_work for state in states):
        mirror.store.prepare()
    stopped: set[str] = set()
    for asset in dict.fromkeys(state.asset for state in states if state.asset not in graph.BY_HAND):
        if done.ran:  # what was recomputed may have changed what this asset is made from
            states = asset_states(list(specs.values()), instance, observed(mirror), only={asset})
        asked = force or (repair and asset in _REPAIRED)
        wanted = [state for state in states if state.asset == asset and (asked or state.needs_work)]
        if stopped & set(dependencies(specs[asset])):
            stopped.add(asset)
            done.skipped += [(state.asset, state.partition) for state in states if state.asset == asset]
            continue
        succeeded = [_run(mirror, definitions, instance, state, done) for state in wanted]
        if not all(succeeded):
            stopped.add(asset)
    return done


def _try_out(mirror: Mirror) -> tuple[str, ...]:
    """Read the locks and plan, writing nothing: raises what is wrong with them; returns warnings."""
    projects = current_snapshot(mirror).projects
    read = read_projects(mirror, projects)
    refuse_overwriting(mirror, read, projects)
    _, _, warnings = plan_for(mirror, read, offline=True)
    return (*read.warnings, *warnings)


def _run(
    mirror: Mirror, definitions: dg.Definitions, instance: dg.DagsterInstance, state: State, done: Refreshed
) -> bool:
    """Run one asset partition; false where it failed."""
    name = f"{state.asset}[{state.partition}]" if state.partition else state.asset
    started = perf_counter()
    try:
        metadata = _execute(definitions, instance, state)
    except MirrorError as error:
        done.failures.append(error)
        mirror.progress.say(f"{name}: failed")
        return False
    done.recomputed.append((state.asset, state.partition))
    done.add(metadata)
    mirror.progress.say(f"{name}: {_summary(metadata)}{perf_counter() - started:.1f} s")
    return True


def _execute(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    state: State,
    tags: Mapping[str, str] | None = None,
) -> Mapping[str, dg.MetadataValue[Any]]:
    """Execute in this process; an error of ours comes back as itself, and Ctrl-C as what it is."""
    key = dg.AssetKey(state.asset)
    try:
        result = definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=instance,
            asset_selection=[key],
            partition_key=state.partition,
            run_config=_QUIET,
            tags={
                graph.BY: graph.COMMAND_LINE,
                **({graph.WHY: state.why} if state.why else {}),
                **(tags or {}),
            },
        )
    except dg.DagsterExecutionInterruptedError:
        raise KeyboardInterrupt from None
    except dg.Failure as failure:
        if isinstance(failure.__cause__, MirrorError):
            raise failure.__cause__ from None
        raise RunFailedError(str(failure), asset=state.asset, partition=state.partition) from failure
    events = result.get_asset_materialization_events()
    return events[0].materialization.metadata if events else {}


def _summary(metadata: Mapping[str, dg.MetadataValue[Any]]) -> str:
    parts = []
    if "artifacts" in metadata:
        parts.append(f"{metadata['artifacts'].value} artifacts")
    if "gaps" in metadata and metadata["gaps"].value:
        parts.append(f"{metadata['gaps'].value} gaps")
    if isinstance(loaded := metadata.get("downloaded_bytes"), dg.IntMetadataValue) and loaded.value:
        parts.append(f"{megabytes(loaded.value)} fetched")
    if "generation" in metadata:
        parts.append(f"generation {metadata['generation'].value}")
    return "".join(f"{part}, " for part in parts)


def provision(mirror: Mirror, instance: dg.DagsterInstance) -> None:
    """Run ``infrastructure`` alone."""
    definitions = build_definitions(mirror, retries=None)
    _execute(definitions, instance, State(graph.INFRASTRUCTURE, None, "stale"))
    mirror.progress.say("infrastructure: in line")


def record_provisioning(
    mirror: Mirror, instance: dg.DagsterInstance, version: str, ids: Mapping[str, str]
) -> None:
    """Record what was provisioned outside of a run as a materialization of ``infrastructure``."""
    tags = {
        DATA_VERSION: version,
        CODE_VERSION: graph.code_versions(mirror)[graph.INFRASTRUCTURE],
    }
    made = dg.AssetMaterialization(graph.INFRASTRUCTURE, metadata=dict(ids), tags=tags)
    instance.report_runless_asset_event(made)


def record_publication(mirror: Mirror, instance: dg.DagsterInstance, tags: Mapping[str, str]) -> None:
    """Run ``s3_sync`` alone: what is live now is recorded with what it was made from, and why."""
    definitions = build_definitions(mirror, retries=None)
    _execute(definitions, instance, State(graph.S3_SYNC, None, "stale"), tags)


def states_now(mirror: Mirror, instance: dg.DagsterInstance) -> Sequence[State]:
    """Every asset partition's state."""
    definitions = build_definitions(mirror, retries=None)
    return asset_states(list(definitions.resolve_all_asset_specs()), instance, observed(mirror))


def all_fresh(states: Sequence[State]) -> bool:
    """Whether nothing waits. What is made by hand may have been made from another machine."""
    return not any(
        state.needs_work and not (state.asset in graph.BY_HAND and state.status == "missing")
        for state in states
    )
