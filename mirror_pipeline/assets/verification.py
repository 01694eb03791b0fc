"""Asset ``verification_report`` and its checks, one per layer."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import dagster as dg

from mirror_pipeline.assets import graph
from mirror_pipeline.assets.freshness import policy_of
from mirror_pipeline.assets.reporting import link, progress_of
from mirror_pipeline.assets.running import turn
from mirror_pipeline.domain.artifact import is_sha256
from mirror_pipeline.domain.report import coverage_matrix, table
from mirror_pipeline.domain.verification import Judged, Report
from mirror_pipeline.phases.mirror import Mirror
from mirror_pipeline.phases.verification import report_version, verify

_LAYERS = {
    "coverage": "Every pin of every target has an artifact, or a listed gap.",
    "integrity": "The bytes of every artifact have the lock's hash.",
    "index": "Every link resolves and every digest agrees.",
    "installability": "A real installer finds every pin of every target on the published mirror.",
}
_MOST_FINDINGS = 100
_OF_BUCKETS = {"bucket": "Every object of the bucket is as it was written."}


def layers_of(mirror: Mirror) -> Mapping[str, str]:
    """The checks that a verification makes, and what they say. Only a bucket has books to compare with."""
    return {**_LAYERS, **(_OF_BUCKETS if mirror.settings.cloud.bucket else {})}


def build(mirror: Mirror, version: str, automation: dg.AutomationCondition[Any]) -> dg.AssetsDefinition:
    """The asset's definition."""
    layers = layers_of(mirror)

    @dg.asset(
        key=graph.VERIFICATION_REPORT,
        deps=[graph.S3_SYNC],
        group_name=graph.GROUPS[graph.VERIFICATION_REPORT],
        code_version=version,
        owners=list(mirror.settings.owners),
        kinds={"uv", "markdown"},
        automation_condition=automation,
        freshness_policy=policy_of(mirror.settings.schedule),
        required_resource_keys={graph.RESOURCE},
        check_specs=[
            dg.AssetCheckSpec(layer, asset=graph.VERIFICATION_REPORT, description=text)
            for layer, text in layers.items()
        ],
        description="Lock, plan, store, index and publication compared, read-only, in layers.",
    )
    def verification_report(context: dg.AssetExecutionContext) -> dg.MaterializeResult:  # type: ignore[type-arg]  # dagster compares the bare class
        mirror: Mirror = context.resources.mirror
        with turn(context):  # always done: a night looks at what nobody touched
            verified = verify(replace(mirror, progress=progress_of(context, mirror)))
        report = verified.report
        return dg.MaterializeResult(
            data_version=dg.DataVersion(report_version(report)),
            check_results=[_check(layer) for layer in report.layers],
            metadata={
                graph.COMPLETE: report.passed,
                "passed": report.passed,
                "checked": report.checked,
                "findings": len(report.findings),
                "gaps": sum(len(gaps) for gaps in report.gaps.values()),
                "layers": dg.MetadataValue.md(_layers(report)),
                "coverage": dg.MetadataValue.md(coverage_matrix(verified.plan)),
                "site": link(mirror.site.location),
                "report": dg.MetadataValue.md(verified.markdown),
                "file": link(verified.location),
            },
        )

    return verification_report


def _layers(report: Report) -> str:
    rows = [(layer.layer, layer.checked, len(layer.findings), _verdict(layer)) for layer in report.layers]
    return table(("layer", "checked", "findings", ""), rows)


def _verdict(layer: Judged) -> str:
    if layer.left_out:
        return "left out"
    return f"**{len(layer.findings)} found**" if layer.findings else "✓"


def _in_short(layer: Judged) -> str:
    """A check's result in one line."""
    if layer.left_out:
        return "; ".join(layer.notes) or "left out: there was nothing to compare with"
    if not layer.findings:
        return f"{layer.checked:,} comparisons, nothing found"
    first, more = layer.findings[0], len(layer.findings) - 1
    return f"{first.subject}: {first.problem}" + (f" (and {more} more)" if more else "")


def _findings(layer: Judged) -> dg.MetadataValue[Any]:
    """A table that checks show in place, as they do not show Markdown."""
    rows = [
        dg.TableRecord(
            {
                "subject": found.subject,
                "problem": found.problem,
                "expected": _cut(found.expected),
                "actual": _cut(found.actual),
            }
        )
        for found in layer.findings[:_MOST_FINDINGS]
    ]
    return dg.MetadataValue.table(rows) if rows else dg.MetadataValue.text("none")


def _cut(value: str | None) -> str:
    """A digest by its beginning, so that the table fits; the report has it whole."""
    return f"{value[:12]}…" if value and is_sha256(value) else value or ""


def _check(layer: Judged) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=not layer.findings and not layer.left_out,
        check_name=layer.layer,
        severity=dg.AssetCheckSeverity.WARN if layer.left_out else dg.AssetCheckSeverity.ERROR,
        description=_in_short(layer),
        metadata={
            "checked": layer.checked,
            "found": len(layer.findings),
            "notes": "\n".join(layer.notes) or "none",
            "findings": _findings(layer),
        },
    )
