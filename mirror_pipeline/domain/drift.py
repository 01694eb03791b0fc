"""Drift: what upstream says otherwise of pinned files than when they were pinned and mirrored.

A mirror goes on serving what the lock pins; whether that is still wanted is its owner's to say. So nothing
here is removed, and nothing is forgotten: a finding stands, with the day it was first seen on, until upstream
or the lock changes, or until somebody accepts it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Literal, cast, get_args

from mirror_pipeline.domain.artifact import Artifact
from mirror_pipeline.domain.project_facts import ProjectStatus
from mirror_pipeline.domain.redaction import without_login
from mirror_pipeline.domain.wheelset import UpstreamFile

Kind = Literal["changed", "quarantined", "vanished", "yanked", "deprecated", "archived"]
Severity = Literal["error", "warning", "info"]

SEVERITIES: Mapping[Kind, Severity] = {
    "changed": "error",  # the same name for other bytes: the upstream, or somebody in between, cheats
    "quarantined": "error",  # PEP 792: generally unsafe, malware for example
    "vanished": "error",  # a new machine, or a mirror made anew, could not get it
    "yanked": "warning",  # PEP 592: its makers advise against it
    "deprecated": "warning",  # PEP 792: obsolete, perhaps superseded
    "archived": "info",  # PEP 792: there will be no update
}
_OF_PROJECTS = frozenset({"quarantined", "deprecated", "archived"})
_LONGEST_REASON = 300


@dataclass(frozen=True, slots=True)
class Page:
    """A project page as it is now: the files of interest that it lists, and what it says of the project."""

    index: str
    """The index without credentials."""
    exists: bool
    files: Mapping[str, UpstreamFile] = field(default_factory=dict)
    status: ProjectStatus = field(default_factory=ProjectStatus)


@dataclass(frozen=True, slots=True)
class Heard:
    """What was heard of one pin: the pages in the order of asking, or why nobody knows (``trouble``)."""

    artifacts: tuple[Artifact, ...]
    pages: tuple[Page, ...] = ()
    trouble: str = ""

    @property
    def project(self) -> str:
        """Whose files these are."""
        return self.artifacts[0].project


@dataclass(frozen=True, slots=True, order=True)
class Drifted:
    """One thing that is otherwise than it was. ``file`` is '' where it is about a project as a whole.

    ``since`` is the day it was first seen on, '' for what was so already when the file was mirrored.
    ``accepted`` is the day on which somebody said that it may stay so.
    """

    kind: Kind
    severity: Severity
    project: str
    version: str
    file: str = ""
    reason: str = ""
    index: str = ""
    since: str = ""
    new: bool = False
    accepted: str = ""
    expected: str | None = None
    actual: str | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """By which it is known again."""
        return self.kind, self.project, self.file

    @property
    def subject(self) -> str:
        """What it is about."""
        return self.file or self.project


@dataclass(frozen=True, slots=True, order=True)
class Unasked:
    """A project that nobody could be asked about."""

    project: str
    reason: str


@dataclass(frozen=True, slots=True)
class Drift:
    """The outcome of one look at upstream."""

    day: str
    projects: int
    """So many were asked about."""
    files: int
    """So many files were compared."""
    found: tuple[Drifted, ...] = ()
    unasked: tuple[Unasked, ...] = ()
    resolved: tuple[Drifted, ...] = ()
    """What was found before, and is no longer so."""
    direct: int = 0
    """So many files come from URLs that locks name: no project page says anything of them."""

    @property
    def standing(self) -> tuple[Drifted, ...]:
        """The findings: what somebody has to look at."""
        return tuple(item for item in self.found if item.severity != "info")

    @property
    def noted(self) -> tuple[Drifted, ...]:
        """What is told and needs nobody: archived projects, what is accepted, what always was so."""
        return tuple(item for item in self.found if item.severity == "info")

    @property
    def passed(self) -> bool:
        """Whether everything could be asked about and nothing was found."""
        return not self.standing and not self.unasked

    @property
    def is_grave(self) -> bool:
        """Whether some finding is an error."""
        return any(item.severity == "error" for item in self.found)


def is_source(page: Page, pin: Iterable[Artifact]) -> bool:
    """Whether a page lists a file of the pin as it is locked: then its index is where the pin comes from."""
    listed = [(artifact, page.files[artifact.file]) for artifact in pin if artifact.file in page.files]
    return any(file.sha256 in (None, artifact.sha256) for artifact, file in listed)


def judge(
    heard: Sequence[Heard],
    before: Mapping[str, str | bool],
    known: Iterable[Drifted],
    today: date,
    direct: int = 0,
) -> Drift:
    """What drifted. ``before`` says which files were yanked already when they were mirrored.

    ``known`` is what the last look found. Where nobody can be asked now it still stands.
    """
    day, pinned = today.isoformat(), _pinned(heard)
    unasked = {one.project: one.trouble for one in heard if one.trouble}
    answered = [one for one in heard if not one.trouble]
    earlier = {item.key: item for item in known if (item.project, item.file) in pinned}
    found = {item.key: _dated(item, earlier.get(item.key), before, day) for item in _seen(heard)}
    unknown = _pinned(one for one in heard if one.trouble)
    silent = [
        replace(item, new=False)
        for key, item in earlier.items()
        if key not in found and (item.project, item.file) in unknown
    ]
    kept = {*found, *(item.key for item in silent)}
    return Drift(
        day=day,
        projects=len({one.project for one in answered}),
        files=sum(len(one.artifacts) for one in answered),
        found=_in_order([*found.values(), *silent]),
        unasked=tuple(sorted(Unasked(project, reason) for project, reason in unasked.items())),
        resolved=_in_order(item for key, item in earlier.items() if key not in kept),
        direct=direct,
    )


def _pinned(heard: Iterable[Heard]) -> set[tuple[str, str]]:
    """Projects, as (name, ''), and files, as (project, file)."""
    files = {(one.project, artifact.file) for one in heard for artifact in one.artifacts}
    return files | {(project, "") for project, _ in files}


def _in_order(items: Iterable[Drifted]) -> tuple[Drifted, ...]:
    """The gravest first."""
    severities, kinds = get_args(Severity), get_args(Kind)
    return tuple(
        sorted(items, key=lambda item: (severities.index(item.severity), kinds.index(item.kind), item))
    )


def _dated(item: Drifted, earlier: Drifted | None, before: Mapping[str, str | bool], day: str) -> Drifted:
    """With the day it was first seen on; nobody needs to look at what was so, or was accepted, before."""
    if earlier is None or not earlier.since:
        if item.kind == "yanked" and before.get(item.file, False) is not False:
            return replace(item, severity="info")
        return replace(item, since=day, new=True)
    accepted = earlier.accepted if earlier.reason == item.reason else ""
    return replace(
        item, since=earlier.since, accepted=accepted, severity="info" if accepted else item.severity
    )


def _seen(heard: Iterable[Heard]) -> Iterator[Drifted]:
    by_project: dict[str, list[Heard]] = {}
    for one in heard:
        by_project.setdefault(one.project, []).append(one)
    for project, pins in by_project.items():
        marked = list(_marked(project, pins))
        yield from marked
        withheld = any(item.kind == "quarantined" for item in marked)  # then its page lists no file
        for pin in (pin for pin in pins if not pin.trouble):
            for artifact in pin.artifacts:
                item = _of_file(artifact, pin.pages)
                if item is not None and not (withheld and item.kind == "vanished"):
                    yield item


def _marked(project: str, pins: Sequence[Heard]) -> Iterator[Drifted]:
    """What the pages say of the project as a whole; each status once."""
    versions = ", ".join(sorted({artifact.version for pin in pins for artifact in pin.artifacts}))
    pages = {page.status.status: page for pin in pins for page in reversed(pin.pages)}
    for status in sorted(_OF_PROJECTS & set(pages)):
        kind, page = cast("Kind", status), pages[status]
        yield Drifted(
            kind, SEVERITIES[kind], project, versions, reason=_short(page.status.reason), index=page.index
        )


def _of_file(artifact: Artifact, pages: Sequence[Page]) -> Drifted | None:
    """What became of one file; None where it is listed as it is locked."""
    listed = [(page, page.files[artifact.file]) for page in reversed(pages) if artifact.file in page.files]
    for page, file in listed:
        if file.sha256 in (None, artifact.sha256):
            reason = file.yanked if isinstance(file.yanked, str) else ""
            return _drifted("yanked", artifact, reason, page.index) if file.yanked is not False else None
    for page, file in listed:
        reason = "upstream lists other bytes under this name"
        changed = _drifted("changed", artifact, reason, page.index)
        return replace(changed, expected=artifact.sha256, actual=file.sha256)
    there = [page for page in pages if page.exists]
    reason = "upstream no longer lists this file" if there else "upstream has no such project any more"
    return _drifted("vanished", artifact, reason, (there or list(pages))[-1].index if pages else "")


def _drifted(kind: Kind, artifact: Artifact, reason: str, index: str) -> Drifted:
    project, version = artifact.project, artifact.version
    return Drifted(kind, SEVERITIES[kind], project, version, artifact.file, _short(reason), index)


def _short(reason: str) -> str:
    """What others wrote, on one line; also in what they wrote a login is nobody's affair."""
    text = without_login(" ".join(reason.split()))
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]}…"


def accept(drift: Drift, names: Sequence[str], today: date) -> tuple[Drift, tuple[str, ...]]:
    """The findings about these files or projects accepted, and the names that no finding is about."""
    wanted = set(names)
    items = [
        replace(item, accepted=today.isoformat(), severity="info", new=False)
        if item.severity != "info" and wanted & {item.file, item.project}
        else item
        for item in drift.found
    ]
    about = {name for item in drift.standing for name in (item.file, item.project)}
    return replace(drift, found=_in_order(items)), tuple(name for name in names if name not in about)
