"""Asset ``s3_sync``: publication, to a directory where no bucket is configured."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import dagster as dg

from mirror_pipeline.assets import graph
from mirror_pipeline.assets.reporting import failures_explained, link, markdown_list, named, progress_of
from mirror_pipeline.assets.running import in_turn
from mirror_pipeline.phases.mirror import Mirror
from mirror_pipeline.phases.publication import Published, live_version, publish


def build(
    mirror: Mirror,
    version: str,
    automation: dg.AutomationCondition[Any],
    retries: dg.RetryPolicy | None,
) -> dg.AssetsDefinition:
    """The asset's definition."""

    @dg.asset(
        key=graph.S3_SYNC,
        deps=[graph.INDEX, *([graph.INFRASTRUCTURE] if mirror.settings.cloud.on_aws else [])],
        group_name=graph.GROUPS[graph.S3_SYNC],
        code_version=version,
        owners=list(mirror.settings.owners),
        kinds={"s3"} if mirror.settings.cloud.bucket else {"file"},
        automation_condition=automation,
        retry_policy=retries,
        required_resource_keys={graph.RESOURCE},
        output_required=False,
        description="Publishes the index: a new generation beside the live one, then one atomic switch.",
    )
    @in_turn
    def s3_sync(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        mirror: Mirror = context.resources.mirror
        with failures_explained():
            published = publish(replace(mirror, progress=progress_of(context, mirror)))
        return dg.MaterializeResult(
            data_version=dg.DataVersion(live_version(published.outcome.digest, published.outcome.generation)),
            metadata={**_places(mirror), **_metadata(published)},
        )

    return s3_sync


def _metadata(published: Published) -> Mapping[str, Any]:
    done = published.outcome
    return {
        "generation": done.generation,
        "uploaded": len(done.uploaded),
        "skipped": done.skipped,
        "deleted": len(done.deleted),
        "bytes": done.size,
        "requests": done.requests,
        "seconds": round(published.seconds, 2),
        "files": published.files,
        graph.HELD: str(done.hold or ""),
        "notes": markdown_list(done.notes, "none"),
        "changed keys": dg.MetadataValue.md(named(done.uploaded) or "nothing was uploaded"),
        "deleted keys": dg.MetadataValue.md(named(done.deleted) or "nothing was deleted"),
    }


def _places(mirror: Mirror) -> Mapping[str, dg.MetadataValue[Any]]:
    """Where to look: what clients are given, and the bucket."""
    location, cloud = mirror.site.location, mirror.settings.cloud
    places = {"site": link(location), "project list": link(f"{location}/simple/")}
    if cloud.bucket:
        console = f"https://console.aws.amazon.com/s3/buckets/{cloud.bucket}?region={cloud.region}"
        places["bucket"] = link(f"s3://{cloud.bucket}" if cloud.endpoint else console)
    return places
