"""Asset ``requirements``."""

from typing import Any

import dagster as dg

from mirror_pipeline.assets import graph
from mirror_pipeline.assets.reporting import changes, failures_explained, markdown_list
from mirror_pipeline.assets.running import in_turn
from mirror_pipeline.domain.naming import UnknownHashes
from mirror_pipeline.domain.report import table
from mirror_pipeline.phases.mirror import Mirror
from mirror_pipeline.phases.requirements import Requirements, make_requirements

_PREVIEW_LINES = 60


def build(
    mirror: Mirror,
    version: str,
    automation: dg.AutomationCondition[Any],
    retries: dg.RetryPolicy | None,
) -> dg.AssetsDefinition:
    """The asset's definition."""

    @dg.asset(
        key=graph.REQUIREMENTS,
        deps=[graph.LOCK],
        group_name=graph.GROUPS[graph.REQUIREMENTS],
        code_version=version,
        owners=list(mirror.settings.owners),
        kinds={"python"},
        automation_condition=automation,
        retry_policy=retries,
        required_resource_keys={graph.RESOURCE},
        output_required=False,
        description="What the locks pin: `requirements-prod.txt`, `requirements-all.txt` (names, versions, "
        "markers, hashes) and `pylock.toml` (PEP 751). Upstream is asked for the names of files that are "
        "locked by hash only.",
    )
    @in_turn
    def requirements(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        with failures_explained():
            made = make_requirements(context.resources.mirror)
        for warning in made.warnings:
            context.log.warning(warning)
        return dg.MaterializeResult(
            data_version=dg.DataVersion(made.requirements.version),
            metadata={
                graph.COMPLETE: made.complete,
                "pins": sum(len(lock.pins) for lock in made.requirements.locks),
                "locks": dg.MetadataValue.md(_locks(made.requirements)),
                **changes(_labels(made.previous) if made.previous else None, _labels(made.requirements)),
                "preview": dg.MetadataValue.md(_preview(made.requirements)),
                "unknown_hashes": sum(len(item.hashes) for item in made.unknown),
                "unknown": markdown_list([_unknown(item) for item in made.unknown], "none"),
                "warnings": markdown_list(made.warnings, "none"),
            },
        )

    return requirements


def _locks(requirements: Requirements) -> str:
    rows = [
        (
            lock.project,
            f"{lock.format} {lock.format_version}",
            lock.requires_python or "any",
            len(lock.pins),
            ", ".join(sorted(selection.groups)) or "—",
            ", ".join(sorted(selection.extras)) or "—",
        )
        for lock, selection in zip(requirements.locks, requirements.selections, strict=True)
    ]
    return table(("project", "format", "Python", "pins", "groups", "extras"), rows)


def _unknown(item: UnknownHashes) -> str:
    return f"{item.project}=={item.version}: {len(item.hashes)} hashes that no upstream lists"


def _labels(requirements: Requirements) -> list[str]:
    return [pin.label for lock in requirements.locks for pin in lock.pins]


def _preview(requirements: Requirements) -> str:
    parts = [
        f"**{key}**\n\n```\n{graph.preview(text.splitlines(), _PREVIEW_LINES)}\n```"
        for key, text in requirements.texts.items()
        if key.endswith(".txt")
    ]
    return "\n\n".join(parts)
