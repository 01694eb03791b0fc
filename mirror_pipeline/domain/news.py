"""News: what upstream says by now of mirrored files and projects, where that is otherwise than it was then.

A yank may come and go (PEP 592), and so may a status (PEP 792). Pages repeat the newest word, and offer what
they offered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from mirror_pipeline.domain.artifact import Artifact
from mirror_pipeline.domain.drift import Heard, Page
from mirror_pipeline.domain.project_facts import NOTHING, ProjectFacts, ProjectStatus, united
from mirror_pipeline.domain.wheelset import Held

Yanked = str | bool


@dataclass(frozen=True, slots=True)
class News:
    """What is otherwise: of files by name, of projects by theirs."""

    yanked: Mapping[str, Yanked] = field(default_factory=dict)
    statuses: Mapping[str, ProjectStatus] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.yanked or self.statuses)


def news(
    heard: Sequence[Heard],
    yanked: Mapping[str, Yanked],
    facts: Mapping[str, ProjectFacts],
    last: News,
) -> News:
    """Compare what was heard now with what was told then. Where nothing was heard, the last word stands.

    Of what is no longer asked about, since it is no longer mirrored, no word is kept.
    """
    pages = {
        artifact.file: _source(artifact, one.pages)
        for one in heard
        if not one.trouble
        for artifact in one.artifacts
    }
    files = {file: page.files[file].yanked for file, page in pages.items() if page}
    said = {**last.yanked, **files}
    asked = {one.project for one in heard}
    before = {project: status for project, status in last.statuses.items() if project in asked}
    statuses = {**before, **_statuses(heard)}
    return News(
        {file: now for file, now in sorted(said.items()) if now != yanked.get(file, now)},
        {
            project: now
            for project, now in sorted(statuses.items())
            if now != facts.get(project, NOTHING).repeated.status
        },
    )


def _statuses(heard: Iterable[Heard]) -> Mapping[str, ProjectStatus]:
    """Of projects all of whose pins could be asked about and are listed: what their pages say together."""
    pages: dict[str, list[Page | None]] = {}
    for one in heard:
        found = (
            None if one.trouble else next(filter(None, (_source(a, one.pages) for a in one.artifacts)), None)
        )
        pages.setdefault(one.project, []).append(found)
    return {
        project: united(ProjectFacts(page.status) for page in found if page).status
        for project, found in pages.items()
        if all(found)
    }


def _source(artifact: Artifact, pages: Sequence[Page]) -> Page | None:
    """The page that lists a file as it is locked."""
    for page in reversed(pages):
        file = page.files.get(artifact.file)
        if file and file.sha256 in (None, artifact.sha256):
            return page
    return None


def with_news(
    projects: Mapping[str, Sequence[Held]], facts: Mapping[str, ProjectFacts], found: News
) -> tuple[Mapping[str, Sequence[Held]], Mapping[str, ProjectFacts]]:
    """Files and projects with the newest word about them."""
    if not found:
        return projects, facts
    files = {
        project: tuple(
            replace(item, yanked=found.yanked.get(item.artifact.file, item.yanked)) for item in held
        )
        for project, held in projects.items()
    }
    statuses = {
        project: replace(facts.get(project, NOTHING), status=status)
        for project, status in found.statuses.items()
        if project in projects
    }
    return files, {**facts, **statuses}
