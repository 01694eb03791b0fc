"""What ``drift`` does: ask upstream about what is pinned, and show what is otherwise than it was."""

from __future__ import annotations

from collections.abc import Sequence

from mirror_pipeline import results
from mirror_pipeline.adapters.documents import as_plain
from mirror_pipeline.commands import Answer, Invocation
from mirror_pipeline.domain.drift import Drift
from mirror_pipeline.domain.drift_report import HEADER, rows, summary
from mirror_pipeline.phases.drift import look_upstream


def drift_command(call: Invocation, *, accepted: Sequence[str]) -> Answer:
    """The drift check. What could not be asked about is neither well nor a finding."""
    looked = look_upstream(call.mirror, accepted)
    drift = looked.drift
    if not call.json:
        _print(call, drift)
    if drift.standing:
        status, code = "findings", results.FOUND
    else:
        status, code = ("incomplete", results.FOUND) if drift.unasked else ("ok", results.OK)
    return {
        "status": status,
        "projects": drift.projects,
        "files": drift.files,
        "findings": [as_plain(item) for item in drift.standing],
        "noted": [as_plain(item) for item in drift.noted],
        "not_asked": [as_plain(item) for item in drift.unasked],
        "resolved": [as_plain(item) for item in drift.resolved],
        "direct": drift.direct,
        "report": str(looked.path),
    }, code


def _print(call: Invocation, drift: Drift) -> None:
    for title, items in (
        ("Upstream", drift.standing),
        ("Told besides", drift.noted),
        ("No longer so", drift.resolved),
    ):
        if items:
            results.print_table(title, HEADER, rows(items))
    for item in drift.unasked:
        call.progress.say(f"not asked about {item.project}: {item.reason}")
    print(summary(drift))  # noqa: T201
    if drift.standing:
        print("Nothing was removed. 'mirror-pipeline drift --accept NAME' lets a finding be.")  # noqa: T201
