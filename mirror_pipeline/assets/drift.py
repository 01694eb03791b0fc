"""The asset check ``upstream``: what upstream changed since the files were pinned.

It is a check of ``verification_report``, beside the layers, and no layer: nothing about the published mirror
is wrong when it fails. It is run by itself (``KEY``), and together with a verification that a person asks
for. Runs that the condition orders, and those of ``refresh``, leave it out: an edit of a lock is no reason to
ask for every page.
"""

from typing import Any

import dagster as dg

from mirror_pipeline.assets import graph
from mirror_pipeline.assets.reporting import failures_explained
from mirror_pipeline.domain.drift import Drift
from mirror_pipeline.domain.drift_report import findings_table, summary, unasked_table
from mirror_pipeline.errors import UpstreamError
from mirror_pipeline.phases.drift import Looked, look_upstream
from mirror_pipeline.phases.mirror import Mirror

NAME = "upstream"
KEY = dg.AssetCheckKey(dg.AssetKey(graph.VERIFICATION_REPORT), NAME)
PROJECTS, NOT_ASKED = "projects", "not asked"
"""Metadata keys: how many projects were asked about, and why others were not."""


def build(mirror: Mirror) -> dg.AssetChecksDefinition:
    """The check's definition. Upstream in trouble fails the check, and no run."""

    @dg.asset_check(
        asset=graph.VERIFICATION_REPORT,
        name=NAME,
        required_resource_keys={graph.RESOURCE},
        automation_condition=_never(),
        description="Upstream lists every pinned file as it was when it was mirrored: none of them vanished, "
        "yanked or changed, no project quarantined. Removes nothing.",
    )
    def upstream(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        with failures_explained():
            try:
                return _result(look_upstream(context.resources.mirror))
            except UpstreamError as error:
                return dg.AssetCheckResult(
                    passed=False,
                    severity=dg.AssetCheckSeverity.WARN,
                    metadata={PROJECTS: 0, NOT_ASKED: dg.MetadataValue.text(str(error))},
                )

    return upstream


def _never() -> dg.AutomationCondition[Any]:
    """A check that has a condition of its own does not ride along in the runs that other conditions order."""
    missing: dg.AutomationCondition[Any] = dg.AutomationCondition.missing()
    return missing & ~missing


def _result(looked: Looked) -> dg.AssetCheckResult:
    drift = looked.drift
    return dg.AssetCheckResult(passed=drift.passed, severity=_severity(drift), metadata=_metadata(looked))


def _severity(drift: Drift) -> dg.AssetCheckSeverity:
    return dg.AssetCheckSeverity.ERROR if drift.is_grave else dg.AssetCheckSeverity.WARN


def _metadata(looked: Looked) -> dict[str, Any]:
    drift = looked.drift
    return {
        "summary": summary(drift),
        PROJECTS: drift.projects,
        "files": drift.files,
        "findings": dg.MetadataValue.md(findings_table(drift.standing)),
        "new": sum(item.new for item in drift.standing),
        "told besides": dg.MetadataValue.md(findings_table(drift.noted)),
        NOT_ASKED: dg.MetadataValue.md(unasked_table(drift)),
        "no longer so": dg.MetadataValue.md(findings_table(drift.resolved)),
        "file": dg.MetadataValue.path(looked.location),
    }
