"""Phase ``lock``: a snapshot, by content, of the configured lock files and of what is read beside them."""

from __future__ import annotations

from dataclasses import dataclass

from mirror_pipeline.adapters.documents import digest_of
from mirror_pipeline.adapters.projects import load_projects
from mirror_pipeline.lockfiles.formats import read_lock
from mirror_pipeline.lockfiles.project_files import ProjectFiles
from mirror_pipeline.phases.mirror import Mirror

DOCUMENT = "lock"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The files of every project as they were when the run began."""

    projects: tuple[ProjectFiles, ...]


def current_snapshot(mirror: Mirror) -> Snapshot:
    """The configured files as they are on disk now."""
    return Snapshot(load_projects(mirror.settings.projects, mirror.settings.requirements_dev))


def current_version(mirror: Mirror) -> str:
    """Content hash of the configured files as they are on disk now."""
    return digest_of(current_snapshot(mirror))


@dataclass(frozen=True, slots=True)
class Taken:
    """The outcome of the phase. ``previous`` is what there was before, for the diff."""

    snapshot: Snapshot
    version: str
    previous: Snapshot | None


def take_snapshot(mirror: Mirror) -> Taken:
    """Store the snapshot; a broken lock is refused before anything that was there is replaced."""
    snapshot, previous = current_snapshot(mirror), mirror.documents.find(DOCUMENT, Snapshot)
    for project in snapshot.projects:
        read_lock(project)
    return Taken(snapshot, mirror.documents.write(DOCUMENT, snapshot), previous)


def load_snapshot(mirror: Mirror) -> Snapshot:
    """The stored snapshot."""
    return mirror.documents.read(DOCUMENT, Snapshot)
