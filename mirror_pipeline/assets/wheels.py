"""Asset ``wheels``, partitioned by platform."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from mirror_pipeline.assets import graph
from mirror_pipeline.assets.reporting import (
    changes,
    failures_explained,
    markdown_list,
    progress_of,
    size,
    size_chart,
)
from mirror_pipeline.assets.running import in_turn
from mirror_pipeline.domain.report import size_table
from mirror_pipeline.domain.wheelset import Held
from mirror_pipeline.phases.mirror import Mirror
from mirror_pipeline.phases.wheels import Gathered, gather_wheels


def build(
    mirror: Mirror,
    version: str,
    automation: dg.AutomationCondition[Any],
    retries: dg.RetryPolicy | None,
) -> dg.AssetsDefinition:
    """The asset's definition."""

    @dg.asset(
        key=graph.WHEELS,
        deps=[graph.WHEEL_PLAN],
        partitions_def=graph.partitions(mirror),
        group_name=graph.GROUPS[graph.WHEELS],
        code_version=version,
        owners=list(mirror.settings.owners),
        kinds={"python"},
        automation_condition=automation,
        retry_policy=retries,
        required_resource_keys={graph.RESOURCE},
        output_required=False,
        description="A platform's artifacts, fetched where missing, each checked against the lock's hash.",
    )
    @in_turn
    def wheels(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        mirror: Mirror = context.resources.mirror
        with failures_explained():
            gathered = gather_wheels(mirror, context.partition_key, progress_of(context, mirror))
        return dg.MaterializeResult(
            data_version=dg.DataVersion(gathered.version), metadata=_metadata(gathered)
        )

    return wheels


def _metadata(gathered: Gathered) -> Mapping[str, Any]:
    wheels, before = gathered.wheels, gathered.previous
    sizes = {item.artifact.file: item.size for item in wheels.held}
    failures = [f"`{failure.file}`: {failure.reason}" for failure in wheels.failures]
    unattested = [f"`{failure.file}`: {failure.reason}" for failure in gathered.unattested]
    return {
        graph.COMPLETE: wheels.complete,
        "artifacts": len(wheels.held),
        "size": size(wheels.size),
        "bytes": wheels.size,
        "biggest": size_chart(sizes, f"the biggest of {len(sizes)} files"),
        "downloaded_files": gathered.downloaded_files,
        "downloaded_bytes": gathered.downloaded_bytes,
        "yanked": markdown_list(_yanked(wheels.held), "none"),
        "failures": markdown_list(failures, "none"),
        "with_provenance": sum(item.provenance is not None for item in wheels.held),
        "provenance_missing": markdown_list(unattested, "none"),
        **changes([item.artifact.file for item in before.held] if before else None, sizes),
        "files": dg.MetadataValue.md(size_table(sizes)),
    }


def _yanked(held: Sequence[Held]) -> list[str]:
    return [f"`{item.artifact.file}`: {item.yanked}" for item in held if item.yanked is not False]
