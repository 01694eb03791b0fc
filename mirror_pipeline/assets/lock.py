"""Asset ``lock``."""

import hashlib
from typing import Any

import dagster as dg

from mirror_pipeline.assets import graph
from mirror_pipeline.assets.reporting import changes, failures_explained
from mirror_pipeline.assets.running import in_turn
from mirror_pipeline.domain.report import table
from mirror_pipeline.phases.lock import Snapshot, take_snapshot
from mirror_pipeline.phases.mirror import Mirror


def build(mirror: Mirror, version: str) -> dg.AssetsDefinition:
    """The asset's definition."""

    @dg.asset(
        key=graph.LOCK,
        group_name=graph.GROUPS[graph.LOCK],
        code_version=version,
        owners=list(mirror.settings.owners),
        kinds={"toml", "file"},
        required_resource_keys={graph.RESOURCE},
        output_required=False,
        description="A snapshot, by content hash, of the configured lock files and of what selection reads "
        "beside them. The sensor `lock_sensor` requests a run when they change.",
    )
    @in_turn
    def lock(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        with failures_explained():
            taken = take_snapshot(context.resources.mirror)
        files = [
            (project.name, name, f"{len(content):,}")
            for project in taken.snapshot.projects
            for name, content in project.files.items()
        ]
        return dg.MaterializeResult(
            data_version=dg.DataVersion(taken.version),
            metadata={
                "projects": len(taken.snapshot.projects),
                "bytes": sum(
                    len(content) for project in taken.snapshot.projects for content in project.files.values()
                ),
                **changes(_contents(taken.previous) if taken.previous else None, _contents(taken.snapshot)),
                "files": dg.MetadataValue.md(table(("project", "file", "bytes"), files)),
            },
        )

    return lock


def _contents(snapshot: Snapshot) -> list[str]:
    """Each file with the beginning of its digest, so that an edited one shows as removed and added."""
    return [
        f"{project.name}/{name} {hashlib.sha256(content).hexdigest()[:12]}"
        for project in snapshot.projects
        for name, content in project.files.items()
    ]
