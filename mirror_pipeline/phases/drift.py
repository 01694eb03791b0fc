"""The drift check: ask upstream once more about what is pinned, and report what is otherwise than it was.

It writes its report, the document in which findings stand until they are gone or accepted, and the news that
pages repeat from the next index on. Nothing else: no file is removed, none is fetched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from mirror_pipeline.adapters.documents import as_plain, encode
from mirror_pipeline.domain.artifact import Artifact
from mirror_pipeline.domain.drift import Drift, accept, judge
from mirror_pipeline.domain.drift_report import as_markdown
from mirror_pipeline.domain.news import News, news
from mirror_pipeline.domain.wheelset import WheelSet, by_project, facts_by_project
from mirror_pipeline.errors import UpstreamError, UsageError
from mirror_pipeline.phases.mirror import Mirror
from mirror_pipeline.phases.wheel_plan import load_plan
from mirror_pipeline.phases.wheels import document_of as wheels_document

DOCUMENT = "drift"
NEWS = "upstream_news"


@dataclass(frozen=True, slots=True)
class Looked:
    """The outcome of the check: what drifted, and where the report was written."""

    drift: Drift
    markdown: str
    path: Path
    location: str


def look_upstream(mirror: Mirror, accepted: Sequence[str] = ()) -> Looked:
    """Compare what upstream says now of the planned files with what it said when they were mirrored.

    ``accepted`` names files or projects whose findings may stand from now on. An ``UpstreamError`` where
    nobody could be asked about anything.
    """
    artifacts = _pinned(mirror)
    from_indexes = [artifact for artifact in artifacts if not artifact.direct]
    heard = mirror.fetcher.look_again(from_indexes)
    last, today = last_drift(mirror), mirror.today()
    direct = len(artifacts) - len(from_indexes)
    before = _sets(mirror)
    yanked = _yanked_before(before)
    drift = judge(heard, yanked, last.found if last else (), today, direct)
    if drift.unasked and not drift.projects:
        raise UpstreamError(
            f"nothing could be asked of upstream: {drift.unasked[0].reason}",
            hint="what was found earlier still stands",
            projects=len(drift.unasked),
        )
    drift, unknown = accept(drift, accepted, today)
    if unknown:
        raise UsageError(
            f"nothing was found of {', '.join(unknown)}", hint="name a project or a file of a finding"
        )
    _tell(mirror, news(heard, yanked, facts_by_project(before), last_news(mirror)))
    return _written(mirror, drift)


def _pinned(mirror: Mirror) -> tuple[Artifact, ...]:
    """Every artifact of the stored plans, once."""
    plans = [load_plan(mirror, platform) for platform in mirror.settings.platforms]
    found: dict[tuple[str, str], Artifact] = {}
    for artifact in (artifact for plan in plans for artifact in plan.artifacts):
        found.setdefault((artifact.file, artifact.sha256), artifact)
    return tuple(found.values())


def _sets(mirror: Mirror) -> Sequence[WheelSet]:
    """What is mirrored, as it was told when it was."""
    sets = [
        mirror.documents.find(wheels_document(platform), WheelSet) for platform in mirror.settings.platforms
    ]
    return [wheels for wheels in sets if wheels]


def _yanked_before(sets: Sequence[WheelSet]) -> Mapping[str, str | bool]:
    """What upstream told of each file when it was mirrored (PEP 592)."""
    return {item.artifact.file: item.yanked for held in by_project(sets).values() for item in held}


def last_news(mirror: Mirror) -> News:
    """What upstream was last heard to say otherwise."""
    return mirror.documents.find(NEWS, News) or News()


def _tell(mirror: Mirror, found: News) -> None:
    if found != last_news(mirror):
        mirror.documents.write(NEWS, found)


def last_drift(mirror: Mirror) -> Drift | None:
    """What the last check found, None before the first."""
    return mirror.documents.find(DOCUMENT, Drift)


def _written(mirror: Mirror, drift: Drift) -> Looked:
    """Keep the report, by time and as the latest, as JSON and as Markdown; then the document."""
    stamp = datetime.now(timezone.utc)
    markdown = as_markdown(drift)
    content = encode({"made": stamp.isoformat(timespec="seconds"), "passed": drift.passed, **as_plain(drift)})
    for name in (f"drift-{stamp:%Y%m%dT%H%M%SZ}", "drift-latest"):
        mirror.reports.write(f"{name}.json", content)
        mirror.reports.write(f"{name}.md", markdown.encode())
    mirror.documents.write(DOCUMENT, drift)
    latest = "drift-latest.json"
    return Looked(drift, markdown, mirror.reports.path(latest), mirror.reports.location(latest))
