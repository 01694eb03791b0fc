"""What drifted, for people: the same tables on the terminal, in the report and in the UI."""

from __future__ import annotations

from collections.abc import Iterable

from mirror_pipeline.domain.drift import Drift, Drifted
from mirror_pipeline.domain.report import table

HEADER = ("severity", "what", "project", "version", "file", "since", "reason")


def rows(items: Iterable[Drifted]) -> list[tuple[str, ...]]:
    """Findings below ``HEADER``."""
    return [
        (item.severity, item.kind, item.project, item.version, item.file or "all", since(item), item.reason)
        for item in items
    ]


def since(item: Drifted) -> str:
    """When it was first seen so, in words."""
    if item.accepted:
        return f"{item.since}, accepted {item.accepted}"
    if not item.since:
        return "when it was mirrored"
    return f"{item.since} (new)" if item.new else item.since


def summary(drift: Drift) -> str:
    """One line."""
    new = sum(item.new for item in drift.standing)
    parts = [_many(len(drift.standing), "finding") + (f" ({new} new)" if new else "")]
    parts += [f"{_many(drift.projects, 'project')} and {_many(drift.files, 'file')} compared"]
    parts += [f"{_many(len(drift.unasked), 'project')} not asked about"] if drift.unasked else []
    return ", ".join(parts)


def _many(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def findings_table(items: Iterable[Drifted]) -> str:
    """As Markdown. What others wrote is quoted, so that it stays text wherever it is shown."""
    lines = [(*row[:-1], _quoted(row[-1])) for row in rows(items)]
    return table(HEADER, lines) if lines else "none"


def unasked_table(drift: Drift) -> str:
    """Projects that nobody could be asked about, with the reason."""
    lines = [(item.project, _quoted(item.reason)) for item in drift.unasked]
    return table(("project", "not asked"), lines) if lines else "none"


def _quoted(text: str) -> str:
    return f"`{text.replace('`', chr(39))}`" if text else ""


def as_markdown(drift: Drift) -> str:
    """The report."""
    direct = f"From URLs that the lock names, where no page tells of them: {_many(drift.direct, 'file')}."
    parts = [
        f"# Upstream: {summary(drift)}",
        "Nothing was removed: the mirror serves what the lock pins.",
        "## Findings",
        findings_table(drift.standing),
        *(["## Told besides", findings_table(drift.noted)] if drift.noted else []),
        *(["## Not asked", unasked_table(drift)] if drift.unasked else []),
        *(["## No longer so", findings_table(drift.resolved)] if drift.resolved else []),
        *([direct] if drift.direct else []),
    ]
    return "\n\n".join(parts) + "\n"
