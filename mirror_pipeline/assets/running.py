"""How a run gets to work: its turn at the mirror's home, and what it does when there is nothing left to do.

A run that was asked for by a sensor or the schedule may get its turn only after somebody else, such as a
``refresh`` on the command line, has made the same asset partition. Then there is nothing left to do, and it
ends without a materialization. What somebody asks for by a click is always done.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg

from mirror_pipeline.assets.reporting import failures_explained

_ASKED_BY = ("dagster/sensor_name", "dagster/schedule_name", "dagster/from_automation_condition")
"""Tags of runs that nobody clicked for."""

Body = Callable[[dg.AssetExecutionContext], dg.MaterializeResult[Any]]
Steps = Callable[[dg.AssetExecutionContext], Iterator[dg.MaterializeResult[Any]]]


def in_turn(body: Body) -> Steps:
    """An asset's body in its turn. The asset wants ``output_required=False``: there may be nothing to do."""

    def steps(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[Any]]:
        with turn(context):
            if not _made_meanwhile(context):
                yield body(context)

    return steps


@contextmanager
def turn(context: dg.AssetExecutionContext) -> Iterator[None]:
    """A run's turn at the mirror's home; its log says who is waited for."""
    turns = context.resources.mirror.turns
    with failures_explained(), turns.beside(_name(context), context.run.run_id, context.log.info):
        yield


def _made_meanwhile(context: dg.AssetExecutionContext) -> bool:
    """Whether somebody made it since this run was asked for."""
    run = context.instance.get_run_record_by_id(context.run.run_id)
    if run is None or not any(tag in run.dagster_run.tags for tag in _ASKED_BY):
        return False
    filters = dg.AssetRecordsFilter(
        asset_key=context.asset_key,
        asset_partitions=[context.partition_key] if context.has_partition_key else None,
        after_timestamp=run.create_timestamp.timestamp(),
    )
    made = context.instance.fetch_materializations(filters, limit=1).records
    if made:
        context.log.info(f"nothing to do: run {made[0].run_id} made it meanwhile")
    return bool(made)


def _name(context: dg.AssetExecutionContext) -> str:
    name = context.asset_key.to_user_string()
    return f"a run of {name}[{context.partition_key}]" if context.has_partition_key else f"a run of {name}"
