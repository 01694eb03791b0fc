"""Asset ``wheel_plan``, partitioned by platform."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from mirror_pipeline.assets import graph
from mirror_pipeline.assets.reporting import changes, failures_explained, markdown_list
from mirror_pipeline.assets.running import in_turn
from mirror_pipeline.domain.report import (
    FLOOR_HEADER,
    GAP_HEADER,
    coverage_matrix,
    floor_rows,
    gap_rows,
    table,
)
from mirror_pipeline.phases.mirror import Mirror
from mirror_pipeline.phases.wheel_plan import plan_platform


def build(mirror: Mirror, version: str, automation: dg.AutomationCondition[Any]) -> dg.AssetsDefinition:
    """The asset's definition."""

    @dg.asset(
        key=graph.WHEEL_PLAN,
        deps=[graph.REQUIREMENTS],
        partitions_def=graph.partitions(mirror),
        group_name=graph.GROUPS[graph.WHEEL_PLAN],
        code_version=version,
        owners=list(mirror.settings.owners),
        kinds={"python"},
        automation_condition=automation,
        required_resource_keys={graph.RESOURCE},
        output_required=False,
        description="Before any download: the artifacts a platform wants, and every gap with its reason.",
    )
    @in_turn
    def wheel_plan(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        with failures_explained():
            planned = plan_platform(context.resources.mirror, context.partition_key)
        for warning in planned.warnings:
            context.log.warning(warning)
        plan, before = planned.plan, planned.previous
        return dg.MaterializeResult(
            data_version=dg.DataVersion(planned.version),
            metadata={
                graph.COMPLETE: not plan.failures,
                "artifacts": len(plan.artifacts),
                "projects": len({artifact.project for artifact in plan.artifacts}),
                "gaps": len(plan.gaps),
                "coverage": dg.MetadataValue.md(coverage_matrix(planned.whole)),
                "gap list": _table(GAP_HEADER, gap_rows((plan.platform, gap) for gap in plan.gaps)),
                "above the floor": len(plan.floors),
                "floors": _table(FLOOR_HEADER, floor_rows((plan.platform, above) for above in plan.floors)),
                **changes(
                    [artifact.file for artifact in before.artifacts] if before else None,
                    [artifact.file for artifact in plan.artifacts],
                ),
                "outside the mirror": markdown_list(
                    [f"{item.project}: {item.source}" for item in planned.whole.outside], "nothing"
                ),
                "warnings": markdown_list(planned.warnings, "none"),
            },
        )

    return wheel_plan


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> dg.MarkdownMetadataValue:
    """Without the platform, which is the partition."""
    return dg.MetadataValue.md(table(header[1:], [row[1:] for row in rows]) if rows else "none")
