"""When an asset is asked for without anybody clicking: the conditions that the daemon evaluates.

They order the minimum: what became missing, what has new code, and what a dependency's new *data version*
made stale; but nothing that stands on a failed dependency, so that half a change is never published, and
nothing while a command has the mirror's home alone. What no event told of, because it came while a run was
at work or before the daemon was, they learn from the planner (``staleness``).

What belongs here: the conditions. What does not: who evaluates them, and what is watched besides
(``automation``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import dagster as dg

from mirror_pipeline.assets import graph
from mirror_pipeline.phases.index import is_in_step, is_outdated
from mirror_pipeline.phases.mirror import Mirror
from mirror_pipeline.staleness import History, is_behind


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
    outdated: dg.AutomationCondition[Any] = Holds(
        "not made of what is there now", lambda: is_outdated(mirror)
    )
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
