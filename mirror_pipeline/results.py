"""What commands answer: one plain object for ``--json``, and tables for people. No decision is made here."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from mirror_pipeline.adapters.documents import as_plain
from mirror_pipeline.domain.naming import UnknownHashes
from mirror_pipeline.domain.plan import Gap, Plan
from mirror_pipeline.domain.report import FLOOR_HEADER, GAP_HEADER, floor_rows, gap_rows, megabytes
from mirror_pipeline.domain.verification import Finding, Report
from mirror_pipeline.errors import MirrorError

OK, FOUND = 0, 1

_MOST_FINDINGS = 25
"""What fits a screen; the report has them all."""
_LONGEST_CELL = 200


def outcome(gaps: Sequence[object], findings: Sequence[object]) -> tuple[str, int]:
    """Status word and exit code of work that was done."""
    if findings:
        return "findings", FOUND
    return ("gaps", FOUND) if gaps else ("ok", OK)


def error_object(error: MirrorError) -> Mapping[str, Any]:
    """An error for machines."""
    facts = {key: _plain(value) for key, value in error.facts.items()}
    described = {"kind": error.kind, "message": error.message, **({"hint": error.hint} if error.hint else {})}
    return {"status": "error", "exit": error.exit_code, "error": {**facts, **described}}


def _plain(value: object) -> object:
    return value if isinstance(value, str | int | float | bool | list | dict) else str(value)


def gap_objects(gaps: Iterable[tuple[str, Gap]]) -> list[Mapping[str, Any]]:
    """Gaps for machines."""
    return [{"platform": platform, **as_plain(gap)} for platform, gap in gaps]


def finding_objects(findings: Iterable[Finding]) -> list[Mapping[str, Any]]:
    """Findings for machines."""
    return [as_plain(finding) for finding in findings]


def unknown_objects(unknown: Iterable[UnknownHashes]) -> list[Mapping[str, Any]]:
    """Hashes that no upstream knows a file for, for machines."""
    return [as_plain(item) for item in unknown]


def plan_object(plan: Plan) -> Mapping[str, Any]:
    """The coverage matrix for machines."""
    return {
        "targets": {target: list(pins) for target, pins in plan.targets.items()},
        "outside": [as_plain(outside) for outside in plan.outside],
        "platforms": {
            name: {
                "artifacts": [
                    {
                        "file": artifact.file,
                        "sha256": artifact.sha256,
                        "project": artifact.project,
                        "version": artifact.version,
                        "size": artifact.size,
                    }
                    for artifact in part.artifacts
                ],
                "gaps": [as_plain(gap) for gap in part.gaps],
                "floors": [as_plain(above) for above in part.floors],
            }
            for name, part in plan.platforms.items()
        },
        "unnamed": list(plan.unnamed),
    }


def print_json(document: Mapping[str, Any]) -> None:
    """The one object on stdout."""
    print(json.dumps(document, indent=1, ensure_ascii=False))  # noqa: T201


def print_table(title: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table on stdout. What stands in brackets is text, such as an extra or somebody's reason."""
    table = Table(title=escape(title), title_justify="left", show_header=any(header))
    for name in header:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    Console().print(table)


def print_plan(plan: Plan) -> None:
    """Coverage, artifacts, gaps, floors and what lies outside, for people."""
    print_table("Coverage", ("platform", "Python", "pins", "gaps"), _coverage_rows(plan))
    print_table("Artifacts", ("platform", "files", "size", "gaps"), _artifact_rows(plan))
    print_gaps(plan.gaps)
    if plan.floors:
        print_table("Not for machines at the floor", FLOOR_HEADER, floor_rows(plan.floors))
    if plan.unnamed:
        print_table("Known by hash only, until upstream is asked", ("pin",), ((pin,) for pin in plan.unnamed))
    if plan.outside:
        rows = [(item.project, item.source, item.why) for item in plan.outside]
        print_table("Outside the mirror", ("project", "source", "why"), rows)


def _coverage_rows(plan: Plan) -> Iterable[Sequence[object]]:
    for target, pins in plan.targets.items():
        platform, _, python = target.partition("/")
        gaps = [gap for gap in plan.platforms[platform].gaps if python in gap.pythons]
        yield platform, python, len(pins), len(gaps)


def _artifact_rows(plan: Plan) -> Iterable[Sequence[object]]:
    for name, part in plan.platforms.items():
        known = [artifact.size for artifact in part.artifacts if artifact.size is not None]
        unknown = len(part.artifacts) - len(known)
        size = megabytes(sum(known)) + (f" + {unknown} of unknown size" if unknown else "")
        yield name, len(part.artifacts), size, len(part.gaps)


def print_gaps(gaps: Sequence[tuple[str, Gap]]) -> None:
    """Gaps with their reasons, where there are any."""
    if gaps:
        print_table("Gaps", GAP_HEADER, gap_rows(gaps))


def print_report(report: Report) -> None:
    """A verification for people."""
    rows = [(layer.layer, layer.checked, len(layer.findings)) for layer in report.layers]
    print_table("Verification", ("layer", "checked", "findings"), rows)
    for note in report.notes:
        print(f"note: {note}")  # noqa: T201
    print_findings(report.findings)


def _in_short(text: str) -> str:
    return text if len(text) <= _LONGEST_CELL else f"{text[:_LONGEST_CELL]}…"


def print_findings(findings: Sequence[Finding]) -> None:
    """Findings, where there are any."""
    if findings:
        causes_first = sorted(findings, key=lambda finding: finding.layer != "bucket")
        rows = [
            (f.layer, f.subject, _in_short(f.problem), f.expected or "", f.actual or "")
            for f in causes_first[:_MOST_FINDINGS]
        ]
        print_table("Findings", ("layer", "subject", "problem", "expected", "actual"), rows)
        if len(findings) > _MOST_FINDINGS:
            rest = len(findings) - _MOST_FINDINGS
            print(f"and {rest} more, all of them in reports/verification-latest.md")  # noqa: T201
        print("'mirror-pipeline refresh --repair' fetches and publishes anew what is damaged.")  # noqa: T201
