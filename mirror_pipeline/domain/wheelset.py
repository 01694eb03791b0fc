"""A wheel set: the artifacts of one platform, present and verified, with what upstream told of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from mirror_pipeline.domain.about import About
from mirror_pipeline.domain.artifact import Artifact
from mirror_pipeline.domain.project_facts import ProjectFacts
from mirror_pipeline.domain.project_facts import united as all_facts


@dataclass(frozen=True, slots=True)
class UpstreamFile:
    """What a Simple page says of one file (PEP 503, 592, 691, 700, 740). Unknown is None."""

    file: str
    url: str
    sha256: str | None = None
    size: int | None = None
    requires_python: str | None = None
    yanked: str | bool = False
    """PEP 592: true, or the reason."""
    upload_time: str | None = None
    core_metadata: str | None = None
    """SHA-256 of the ``.metadata`` sibling (PEP 658, 714)."""
    provenance: str | None = None
    """Where the file's provenance lies (PEP 740)."""
    page: str = ""
    """The page that said so, without a login; '' for a file that no page lists."""


@dataclass(frozen=True, slots=True)
class CoreMetadata:
    """The ``.metadata`` sibling of a wheel (PEP 658) and what pages repeat from it."""

    sha256: str
    size: int
    requires_python: str | None = None
    about: About | None = None
    """What pages for people say of it; None in what was written before there were any."""


@dataclass(frozen=True, slots=True, order=True)
class Held:
    """An artifact that is in the store with the lock's digest. Everything a page says of it is here."""

    artifact: Artifact
    size: int
    metadata: CoreMetadata | None = None
    requires_python: str | None = None
    yanked: str | bool = False
    upload_time: str | None = None
    provenance: str | None = None
    """SHA-256 of the provenance that is kept of it (PEP 740)."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A file that should exist but did not arrive, or did not match. ``permanent``: retrying is pointless."""

    file: str
    project: str
    reason: str
    permanent: bool = False
    expected: str | None = None
    actual: str | None = None


@dataclass(frozen=True, slots=True)
class WheelSet:
    """One platform's partition of the mirror. ``failures`` is not empty only where they are allowed."""

    platform: str
    held: tuple[Held, ...] = ()
    failures: tuple[Failure, ...] = ()
    projects: Mapping[str, ProjectFacts] = field(default_factory=dict)
    """What upstream said of the projects of these files, where that is anything."""

    @property
    def complete(self) -> bool:
        """An incomplete set counts as stale: the next refresh tries again."""
        return not self.failures

    @property
    def size(self) -> int:
        """Bytes of all artifacts."""
        return sum(item.size for item in self.held)


def by_project(sets: Iterable[WheelSet]) -> Mapping[str, tuple[Held, ...]]:
    """All sets together, by project, in the order of file names.

    Each file is there once, with all that want it and what any of the sets knows of it: only the platform
    that fetched a file heard what upstream tells of it.
    """
    found: dict[str, dict[str, Held]] = {}
    for item in (item for wheel_set in sets for item in wheel_set.held):
        files = found.setdefault(item.artifact.project, {})
        known = files.get(item.artifact.file)
        files[item.artifact.file] = item if known is None else _united(item, known)
    return {project: tuple(files[name] for name in sorted(files)) for project, files in sorted(found.items())}


def _united(one: Held, other: Held) -> Held:
    """What two sets know of the same file."""
    return replace(
        one,
        artifact=one.artifact.united(other.artifact),
        metadata=one.metadata or other.metadata,
        requires_python=one.requires_python or other.requires_python,
        yanked=one.yanked or other.yanked,
        upload_time=one.upload_time or other.upload_time,
        provenance=one.provenance or other.provenance,
    )


def facts_by_project(sets: Iterable[WheelSet]) -> Mapping[str, ProjectFacts]:
    """What all sets together know of each project."""
    found: dict[str, list[ProjectFacts]] = {}
    for project, facts in (pair for wheel_set in sets for pair in wheel_set.projects.items()):
        found.setdefault(project, []).append(facts)
    return {project: all_facts(said) for project, said in found.items()}
