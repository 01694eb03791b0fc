"""Asset ``infrastructure``: bucket and distribution, where there are any. Nobody makes them by automation."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from mirror_pipeline.adapters.config_file import set_values
from mirror_pipeline.assets import graph
from mirror_pipeline.assets.reporting import failures_explained, markdown_list, progress_of
from mirror_pipeline.domain.report import table
from mirror_pipeline.phases.infrastructure import Provisioned, apply
from mirror_pipeline.phases.infrastructure_account import account_of
from mirror_pipeline.phases.mirror import Mirror

_MOST_NAMED = 100


def build(mirror: Mirror, version: str) -> dg.AssetsDefinition:
    """The asset's definition; the ids are written into the configuration file, where there is one."""

    @dg.asset(
        key=graph.INFRASTRUCTURE,
        group_name=graph.GROUPS[graph.INFRASTRUCTURE],
        code_version=version,
        owners=list(mirror.settings.owners),
        kinds={"aws"},
        required_resource_keys={graph.RESOURCE},
        description="What the mirror is published to on AWS: a private bucket, the distribution before it, "
        "and what they need. Adopts nothing: what exists and is not ours is refused.",
    )
    def infrastructure(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        current: Mirror = context.resources.mirror
        cloud, config = current.settings.cloud, current.settings.config

        def record(ids: Mapping[str, str]) -> None:
            configured = (cloud.distribution, cloud.distribution_domain, cloud.oac)
            if config is not None and configured != tuple(ids.values()):
                set_values(config, ids)

        with failures_explained():
            done = apply(account_of(cloud, progress_of(context, current)), adopt=False, record=record)
        return dg.MaterializeResult(data_version=dg.DataVersion(done.version), metadata=_metadata(done))

    return infrastructure


def _metadata(done: Provisioned) -> dict[str, Any]:
    rows = [(step.kind, step.name, step.id or "—", step.action, len(step.changes)) for step in done.steps]
    changes = [f"{step.kind}: {change}" for step in done.changed for change in step.changes]
    return {
        "resources": dg.MetadataValue.md(table(("resource", "name", "id", "action", "fields changed"), rows)),
        "changed": markdown_list(changes[:_MOST_NAMED], "nothing was changed"),
        "ids": markdown_list([f"`{key}={value}`" for key, value in done.ids.items()], "none"),
        "notes": markdown_list(done.notes, "none"),
    }
