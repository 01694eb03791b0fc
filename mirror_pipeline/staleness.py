"""Which assets and partitions are stale, and why: the planner behind ``refresh``, ``status`` and nights.

It reads the tags that Dagster puts on materializations, through public calls. Staleness is one hop: an
asset is stale when its code version or the data version of a direct dependency is not the one it was made
with. So ``refresh`` goes level by level and asks again at each. Dagster's own resolver is kept as the
oracle of a test; it cannot be used here, for it is private and leaves out stale partitions.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Literal

import dagster as dg

from mirror_pipeline.assets.graph import COMPLETE

Status = Literal["fresh", "stale", "missing", "failed"]

DATA_VERSION = "dagster/data_version"
CODE_VERSION = "dagster/code_version"
"""Tags of materializations, as Dagster writes them."""
_INPUT_VERSION = "dagster/input_data_version/"
_INPUT_POINTER = "dagster/input_event_pointer/"
_RUNS_LOOKED_AT = 200


@dataclass(frozen=True, slots=True)
class State:
    """One asset partition (``partition`` is None where unpartitioned) and why it is not fresh."""

    asset: str
    partition: str | None
    status: Status
    why: str = ""
    level: int = 0
    """Length of the longest path from an asset without dependencies."""

    @property
    def needs_work(self) -> bool:
        """Everything but fresh."""
        return self.status != "fresh"


def asset_states(
    assets: Sequence[dg.AssetsDefinition | dg.AssetSpec],
    instance: dg.DagsterInstance,
    observed: Mapping[str, str] | None = None,
    only: Collection[str] | None = None,
) -> Sequence[State]:
    """Every asset partition's state (or those of the assets in ``only``), upstream first.

    ``observed`` are data versions seen in the world itself (asset → version): a recorded version that
    differs from it is stale, although no event says so.
    """
    specs = specs_of(assets)
    history = History(instance)
    levels = _levels(specs)
    return [
        _state(specs, key, partition, levels[key], history, observed or {})
        for key in levels
        if only is None or key in only
        for partition in partitions_of(specs[key])
    ]


def specs_of(assets: Sequence[dg.AssetsDefinition | dg.AssetSpec]) -> Mapping[str, dg.AssetSpec]:
    """Specifications by asset name."""
    specs = (
        spec for item in assets for spec in (item.specs if isinstance(item, dg.AssetsDefinition) else [item])
    )
    return {spec.key.to_user_string(): spec for spec in specs}


def partitions_of(spec: dg.AssetSpec) -> Sequence[str | None]:
    """The partition keys, or None alone."""
    return spec.partitions_def.get_partition_keys() if spec.partitions_def else [None]


def most_upstream(states: Sequence[State]) -> Sequence[State]:
    """Those that need work and have the lowest level: what they feed is judged again afterwards."""
    waiting = [state for state in states if state.needs_work]
    level = min((state.level for state in waiting), default=0)
    return [state for state in waiting if state.level == level]


def _levels(specs: Mapping[str, dg.AssetSpec]) -> Mapping[str, int]:
    """Assets in topological order, with their levels."""
    graph = {key: [dep for dep in dependencies(spec) if dep in specs] for key, spec in specs.items()}
    levels: dict[str, int] = {}
    for key in TopologicalSorter(graph).static_order():
        levels[key] = 1 + max((levels[dep] for dep in graph[key]), default=-1)
    return levels


def dependencies(spec: dg.AssetSpec) -> Sequence[str]:
    """Names of the direct dependencies."""
    return [dep.asset_key.to_user_string() for dep in spec.deps]


class History:
    """What an instance recorded, asked for once per asset partition."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance = instance
        self._latest: dict[tuple[str, str | None], dg.EventLogRecord | None] = {}
        self._failures: Mapping[tuple[str, str | None], tuple[float, str]] | None = None

    def latest(self, asset: str, partition: str | None) -> dg.EventLogRecord | None:
        """The last materialization."""
        key = (asset, partition)
        if key not in self._latest:
            self._latest[key] = self._fetch(asset, partition, None)
        return self._latest[key]

    def version(self, asset: str, partition: str | None) -> str | None:
        """The data version of the last materialization."""
        return _tags(self.latest(asset, partition)).get(DATA_VERSION)

    def version_at(self, asset: str, partition: str | None, pointer: int) -> str | None:
        """The data version as it was when the event numbered ``pointer`` was the newest."""
        latest = self.latest(asset, partition)
        if latest is not None and latest.storage_id <= pointer:
            return _tags(latest).get(DATA_VERSION)
        return _tags(self._fetch(asset, partition, pointer + 1)).get(DATA_VERSION)

    def failed_since(self, asset: str, partition: str | None) -> bool:
        """Whether a run failed on it after its last materialization.

        A run of several assets that broke at one of them did not fail on those it had made before.
        """
        if self._failures is None:
            self._failures = self._failed_runs()
        ended, run = self._failures.get((asset, partition), (0.0, ""))
        latest = self.latest(asset, partition)
        return bool(run) and (latest is None or (latest.timestamp < ended and latest.run_id != run))

    def _fetch(self, asset: str, partition: str | None, before: int | None) -> dg.EventLogRecord | None:
        records = self._instance.fetch_materializations(
            dg.AssetRecordsFilter(
                asset_key=dg.AssetKey.from_user_string(asset),
                asset_partitions=[partition] if partition is not None else None,
                before_storage_id=before,
            ),
            limit=1,
        ).records
        return records[0] if records else None

    def _failed_runs(self) -> Mapping[tuple[str, str | None], tuple[float, str]]:
        """When the last run failed and which it was, by asset partition."""
        found: dict[tuple[str, str | None], tuple[float, str]] = {}
        filters = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED])
        for record in self._instance.get_run_records(filters, limit=_RUNS_LOOKED_AT):
            run = record.dagster_run
            for key in run.asset_selection or ():
                place = (key.to_user_string(), run.tags.get("dagster/partition"))
                found[place] = max(found.get(place, (0.0, "")), (record.end_time or 0.0, run.run_id))
        return found


def _tags(record: dg.EventLogRecord | None) -> Mapping[str, str]:
    materialization = record.asset_materialization if record else None
    return (materialization.tags or {}) if materialization else {}


def _state(
    specs: Mapping[str, dg.AssetSpec],
    key: str,
    partition: str | None,
    level: int,
    history: History,
    observed: Mapping[str, str],
) -> State:
    record = history.latest(key, partition)
    failed = history.failed_since(key, partition)
    if record is None:
        return State(
            key, partition, "failed" if failed else "missing", "the last run failed" if failed else "", level
        )
    why = "; ".join(dict.fromkeys(_reasons(specs, key, partition, record, history, observed)))
    if failed:
        return State(key, partition, "failed", f"the last run failed{'; ' if why else ''}{why}", level)
    return State(key, partition, "stale" if why else "fresh", why, level)


def _reasons(
    specs: Mapping[str, dg.AssetSpec],
    key: str,
    partition: str | None,
    record: dg.EventLogRecord,
    history: History,
    observed: Mapping[str, str],
) -> Iterator[str]:
    spec, tags = specs[key], _tags(record)
    if tags.get(CODE_VERSION) != spec.code_version:
        yield "its code or settings changed"
    if key in observed and observed[key] != tags.get(DATA_VERSION):
        seen = observed[key]  # a version, or in words what else was found there
        yield seen if " " in seen else "what is there is not what was recorded"
    if _incomplete(record):
        yield "it was left incomplete"
    yield from _changed_inputs(specs, key, partition, record, history)


def _changed_inputs(
    specs: Mapping[str, dg.AssetSpec],
    key: str,
    partition: str | None,
    record: dg.EventLogRecord,
    history: History,
) -> Iterator[str]:
    spec, tags = specs[key], _tags(record)
    for dep in dependencies(spec):
        if dep not in specs:
            continue
        if f"{_INPUT_POINTER}{dep}" not in tags:
            if any(history.latest(dep, each) for each in partitions_of(specs[dep])):
                yield f"{dep} is a new dependency"
            continue
        for dep_partition in _feeding(spec, partition, specs[dep]):
            if _changed(dep, dep_partition, tags, history):
                yield f"{dep}{f'[{dep_partition}]' if dep_partition else ''} changed"


def is_behind(specs: Mapping[str, dg.AssetSpec], key: str, partition: str | None, history: History) -> bool:
    """Whether it can be made and was not, or not from what is there now; not where it failed since."""
    if history.failed_since(key, partition):
        return False
    record = history.latest(key, partition)
    if record is not None:
        return any(_changed_inputs(specs, key, partition, record, history))
    deps = [specs[dep] for dep in dependencies(specs[key]) if dep in specs]
    fed_by = [
        (dep.key.to_user_string(), each) for dep in deps for each in _feeding(specs[key], partition, dep)
    ]
    return all(history.latest(*one) for one in fed_by)


def _incomplete(record: dg.EventLogRecord) -> bool:
    materialization = record.asset_materialization
    value = materialization.metadata.get(COMPLETE) if materialization else None
    return value is not None and value.value is False


def _feeding(spec: dg.AssetSpec, partition: str | None, dep: dg.AssetSpec) -> Sequence[str | None]:
    """The partitions of a dependency that one partition is made from: the same one, or all."""
    return [partition] if spec.partitions_def and dep.partitions_def else partitions_of(dep)


def _changed(dep: str, partition: str | None, tags: Mapping[str, str], history: History) -> bool:
    now = history.version(dep, partition)
    if now is None:
        return False  # never made: nothing that could have changed
    if partition is None:
        return tags.get(f"{_INPUT_VERSION}{dep}") != now
    pointer = tags.get(f"{_INPUT_POINTER}{dep}", "")
    return not pointer.isdigit() or history.version_at(dep, partition, int(pointer)) != now
