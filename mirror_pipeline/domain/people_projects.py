"""What a project's page for people says: versions, files in words, and what metadata tells of the project."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import groupby
from urllib.parse import quote

from packaging.version import Version

from mirror_pipeline.domain.about import About, one_line
from mirror_pipeline.domain.file_words import Words, bounds_in_words, runs_on
from mirror_pipeline.domain.pages import requires_python
from mirror_pipeline.domain.project_facts import ACTIVE, NOTHING, ProjectFacts, ProjectStatus
from mirror_pipeline.domain.target import NOARCH
from mirror_pipeline.domain.wheelset import Held, WheelSet

_NUMBERS = re.compile(r"([0-9]+)")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_MOST_TOLD = 300
_SIZES = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


@dataclass(frozen=True, slots=True)
class FileView:
    """One file. ``yanked`` is the reason, '' where none is given, None where the file is not yanked."""

    name: str
    url: str
    """Below ``packages/``."""
    sha256: str
    size: str
    runs: Words
    metadata: bool
    provenance: bool
    """Whether it is published who built it (PEP 740)."""
    uploaded: str
    """The day, '' where it is not known."""
    yanked: str | None


@dataclass(frozen=True, slots=True)
class VersionView:
    """One version and its files."""

    version: str
    requires_python: str
    groups: tuple[tuple[str, tuple[FileView, ...]], ...]
    """Files by platform."""

    @property
    def files(self) -> tuple[FileView, ...]:
        """All of its files."""
        return tuple(file for _, files in self.groups for file in files)

    @property
    def yanked(self) -> bool:
        """Whether every file of it is."""
        return all(file.yanked is not None for file in self.files)


@dataclass(frozen=True, slots=True)
class ProjectView:
    """One project, the newest version first."""

    name: str
    about: About
    versions: tuple[VersionView, ...]
    platforms: tuple[str, ...]
    """The mirror's platforms that have a file of their own; empty: all take the same files."""
    wanted_by: tuple[str, ...]
    size: str
    status: ProjectStatus = field(default_factory=ProjectStatus)
    """What upstream says of the project as a whole (PEP 792), its reason in one line."""

    @property
    def newest(self) -> VersionView:
        """What is named in examples."""
        return self.versions[0]

    @property
    def marked(self) -> bool:
        """Whether upstream says something of it as a whole."""
        return self.status.status != ACTIVE

    @property
    def numbers(self) -> str:
        """The versions as a text."""
        return ", ".join(one.version for one in self.versions)

    @property
    def files(self) -> int:
        """How many files there are."""
        return sum(len(one.files) for one in self.versions)

    @property
    def yanked(self) -> bool:
        """Whether any file is."""
        return any(file.yanked is not None for one in self.versions for file in one.files)


def project_views(
    projects: Mapping[str, Sequence[Held]],
    sets: Iterable[WheelSet],
    facts: Mapping[str, ProjectFacts] | None = None,
) -> tuple[ProjectView, ...]:
    """Every project, in the order of names; ``facts`` is what upstream says of some as a whole."""
    platforms, said = _platforms(sets), facts or {}
    return tuple(
        _project(name, projects[name], platforms.get(name, ()), said.get(name, NOTHING))
        for name in sorted(projects)
    )


def _platforms(sets: Iterable[WheelSet]) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for wheel_set in sets:
        if wheel_set.platform != NOARCH:
            for item in wheel_set.held:
                found.setdefault(item.artifact.project, {})[wheel_set.platform] = None
    return {project: tuple(names) for project, names in found.items()}


def _project(name: str, held: Sequence[Held], platforms: tuple[str, ...], facts: ProjectFacts) -> ProjectView:
    by_version: dict[str, list[Held]] = {}
    for item in held:
        by_version.setdefault(item.artifact.version, []).append(item)
    numbers = sorted(by_version, key=Version, reverse=True)
    newest_first = [item for number in numbers for item in by_version[number]]
    return ProjectView(
        name=name,
        about=_about(newest_first),
        versions=tuple(_version(number, by_version[number]) for number in numbers),
        platforms=platforms,
        wanted_by=tuple(sorted({wanted for item in held for wanted in item.artifact.wanted_by})),
        size=size_in_words(sum(item.size for item in held)),
        status=_status(facts.repeated.status),
    )


def _status(status: ProjectStatus) -> ProjectStatus:
    return ProjectStatus(status.status, one_line(status.reason, _MOST_TOLD))


def _about(newest_first: Iterable[Held]) -> About:
    """What the newest file says that says something."""
    told = (item.metadata.about for item in newest_first if item.metadata and item.metadata.about)
    return next((about for about in told if about != About()), About())


def _version(number: str, held: Sequence[Held]) -> VersionView:
    asked = dict.fromkeys(bounds_in_words(one_line(requires_python(item) or "", _MOST_TOLD)) for item in held)
    files = sorted(
        map(_file, held), key=lambda file: (file.runs.place, file.runs.platform, _by_numbers(file))
    )
    groups = tuple((name, tuple(alike)) for name, alike in groupby(files, lambda file: file.runs.platform))
    return VersionView(number, " / ".join(filter(None, asked)), groups)


def _by_numbers(file: FileView) -> list[str | int]:
    """In the order of names, but ``cp39`` before ``cp310``."""
    return [int(part) if part.isdigit() else part for part in _NUMBERS.split(file.name)]


def _file(item: Held) -> FileView:
    artifact = item.artifact
    day = _DAY.match(item.upload_time or "")
    return FileView(
        name=artifact.file,
        url=quote(artifact.file, safe="!"),
        sha256=artifact.sha256,
        size=size_in_words(item.size),
        runs=runs_on(artifact.file),
        metadata=item.metadata is not None,
        provenance=item.provenance is not None,
        uploaded=day[0] if day else "",
        yanked=_yanked(item.yanked),
    )


def _yanked(told: str | bool) -> str | None:
    return None if told is False else one_line(told, _MOST_TOLD)


@lru_cache(maxsize=4096)
def size_in_words(size: int) -> str:
    """Bytes for people, in powers of ten."""
    for unit, name in _SIZES:
        if size >= unit:
            return f"{size / unit:,.1f} {name}" if size < 100 * unit else f"{size / unit:,.0f} {name}"
    return f"{size} bytes"
