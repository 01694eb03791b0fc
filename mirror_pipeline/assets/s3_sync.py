"""Asset ``s3_sync``: publication, to a directory where no bucket is configured."""

from typing import Any

import dagster as dg

from mirror_pipeline.assets import graph
from mirror_pipeline.assets.reporting import failures_explained, markdown_list
from mirror_pipeline.phases.mirror import Mirror
from mirror_pipeline.phases.publication import publish

_MOST_NAMED = 50


def build(
    mirror: Mirror,
    version: str,
    automation: dg.AutomationCondition[Any],
    retries: dg.RetryPolicy | None,
) -> dg.AssetsDefinition:
    """The asset's definition."""

    @dg.asset(
        key=graph.S3_SYNC,
        deps=[graph.INDEX],
        group_name=graph.GROUPS[graph.S3_SYNC],
        code_version=version,
        kinds={"file"},
        automation_condition=automation,
        retry_policy=retries,
        required_resource_keys={graph.RESOURCE},
        description="Publishes the index: a new generation beside the live one, then one atomic switch.",
    )
    def s3_sync(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        with failures_explained():
            published = publish(context.resources.mirror)
        return dg.MaterializeResult(
            data_version=dg.DataVersion(published.manifest.digest),
            metadata={
                "generation": published.generation,
                "uploaded": len(published.uploaded),
                "deleted": len(published.deleted),
                "files": len(published.manifest.files),
                "site": dg.MetadataValue.path(published.location),
                "changed keys": markdown_list(
                    [f"`{key}`" for key in published.uploaded[:_MOST_NAMED]], "nothing was uploaded"
                ),
                "deleted keys": markdown_list(
                    [f"`{key}`" for key in published.deleted[:_MOST_NAMED]], "nothing was deleted"
                ),
            },
        )

    return s3_sync
