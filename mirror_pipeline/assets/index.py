"""Asset ``index``."""

from typing import Any

import dagster as dg

from mirror_pipeline.assets import graph
from mirror_pipeline.assets.reporting import changes, failures_explained, size, size_chart
from mirror_pipeline.assets.running import in_turn
from mirror_pipeline.phases.index import Index, make_index
from mirror_pipeline.phases.mirror import Mirror

_PREVIEW_LINES = 40


def build(mirror: Mirror, version: str, automation: dg.AutomationCondition[Any]) -> dg.AssetsDefinition:
    """The asset's definition."""

    @dg.asset(
        key=graph.INDEX,
        deps=[graph.WHEELS],
        group_name=graph.GROUPS[graph.INDEX],
        code_version=version,
        owners=list(mirror.settings.owners),
        kinds={"html", "json"},
        automation_condition=automation,
        required_resource_keys={graph.RESOURCE},
        output_required=False,
        description="Project pages as HTML (PEP 503), JSON (PEP 691) and for people, locks, the manifest.",
    )
    @in_turn
    def index(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        with failures_explained():
            made = make_index(context.resources.mirror)
        files = made.index.manifest.files
        total = sum(entry.size for entry in files.values())
        packages = {key: entry for key, entry in files.items() if key.startswith("packages/")}
        return dg.MaterializeResult(
            data_version=dg.DataVersion(made.version),
            metadata={
                "projects": len(_projects(made.index)),
                "packages": len([key for key in packages if not key.endswith(".metadata")]),
                "pages": len(files) - len(packages),
                "size": size(total),
                "bytes": total,
                "platforms": size_chart(made.sizes, "bytes of each platform"),
                **changes(made.previous.manifest.files if made.previous else None, files),
                "preview": dg.MetadataValue.md(_preview(made.index)),
            },
        )

    return index


def _projects(index: Index) -> list[str]:
    parts = (key.split("/") for key in index.pages)
    return sorted(part[1] for part in parts if part[0] == "simple" and part[2:] == ["index.html"])


def _preview(index: Index) -> str:
    """The page of the first project, as a client gets it."""
    projects = _projects(index)
    if not projects:
        return "no projects"
    page = index.pages[f"simple/{projects[0]}/index.html"]
    return f"`simple/{projects[0]}/`\n\n```html\n{graph.preview(page.splitlines(), _PREVIEW_LINES)}\n```"
