"""Tables for people: coverage, gaps, findings and sizes as Markdown, the same in the UI and in files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from mirror_pipeline.domain.plan import AboveFloor, Gap, Plan
from mirror_pipeline.domain.verification import Report

_MOST_ROWS = 100
_NO_BREAK = "\u00a0"
"""A space at which a narrow column is not broken."""


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table, cut with a note where it would be too long to read."""
    lines = [tuple(map(_cell, row)) for row in rows]
    shown = lines[:_MOST_ROWS]
    if len(lines) > _MOST_ROWS:
        shown.append((f"… {len(lines) - _MOST_ROWS} more", *[""] * (len(header) - 1)))
    rule = ["---"] * len(header)
    return "\n".join(f"| {' | '.join(row)} |" for row in (tuple(header), tuple(rule), *shown))


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")


def megabytes(size: float) -> str:
    """Bytes as MB (10⁶), for people."""
    return f"{size / 1e6:,.1f} MB"


def coverage_matrix(plan: Plan) -> str:
    """Platforms × Pythons: the number of pins where all are covered, else how many of them are, in bold."""
    targets = [target.partition("/")[::2] for target in plan.targets]
    pythons = list(dict.fromkeys(python for _, python in targets))
    rows = [
        (platform, *(_covered(plan, platform, python) for python in pythons))
        for platform in dict.fromkeys(platform for platform, _ in targets)
    ]
    return table(("platform", *pythons), rows)


def _covered(plan: Plan, platform: str, python: str) -> str:
    pins = plan.targets.get(f"{platform}/{python}")
    if pins is None:
        return "—"
    gaps = {f"{gap.project}=={gap.version}" for gap in plan.platforms[platform].gaps if python in gap.pythons}
    lacking = len(gaps | set(plan.unnamed).intersection(pins))
    state = f"**{len(pins) - lacking} of {len(pins)}**" if lacking else f"✓ {len(pins)}"
    return state.replace(" ", _NO_BREAK)


GAP_HEADER = ("platform", "project", "version", "Pythons", "reason", "wanted by")
FLOOR_HEADER = ("platform", "project", "version", "Pythons", "needs", "floor")


def gap_rows(gaps: Iterable[tuple[str, Gap]]) -> list[tuple[str, ...]]:
    """Every gap with its reason and the projects that want it, below ``GAP_HEADER``."""
    return [
        (name, gap.project, gap.version, ", ".join(gap.pythons), gap.reason, ", ".join(gap.wanted_by))
        for name, gap in gaps
    ]


def floor_rows(floors: Iterable[tuple[str, AboveFloor]]) -> list[tuple[str, ...]]:
    """What machines at the floor cannot install and what it asks for, below ``FLOOR_HEADER``."""
    return [
        (name, above.project, above.version, ", ".join(above.pythons), above.needs, above.floor)
        for name, above in floors
    ]


def gap_table(gaps: Iterable[tuple[str, Gap]]) -> str:
    """Every gap with its reason."""
    rows = gap_rows(gaps)
    return table(GAP_HEADER, rows) if rows else "No gaps."


def floor_table(floors: Iterable[tuple[str, AboveFloor]]) -> str:
    """What machines at the floor cannot install, though newer ones can."""
    rows = floor_rows(floors)
    return table(FLOOR_HEADER, rows) if rows else "Machines at the floor can install all that newer ones can."


def size_table(sizes: Mapping[str, int]) -> str:
    """Files and their sizes, the biggest first."""
    biggest = sorted(sizes.items(), key=lambda item: (-item[1], item[0]))
    return table(("file", "size"), [(name, megabytes(size)) for name, size in biggest])


def as_markdown(report: Report, plan: Plan) -> str:
    """A verification report for people."""
    verdict = "passed" if report.passed else f"{len(report.findings)} findings"
    layers = [(layer.layer, layer.checked, len(layer.findings)) for layer in report.layers]
    found = [(f.layer, f.subject, f.problem, f.expected or "", f.actual or "") for f in report.findings]
    notes = [f"- {note}" for note in report.notes]
    unplanned = any(layer.left_out for layer in report.layers if layer.layer == "coverage")
    planned = [
        "## Coverage",
        coverage_matrix(plan),
        "## Gaps",
        gap_table(plan.gaps),
        "## Floors",
        floor_table(plan.floors),
    ]
    parts = [
        f"# Verification: {verdict}",
        f"Generation {report.generation}, requirements `{report.requirements[:12]}`.",
        "\n".join(notes),
        table(("layer", "checked", "findings"), layers),
        table(("layer", "subject", "problem", "expected", "actual"), found) if found else "",
        *([] if unplanned else planned),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"
