"""Phase ``lock``: a snapshot, by content, of the configured lock files and of what is read beside them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mirror_pipeline.adapters.documents import digest_of
from mirror_pipeline.adapters.projects import load_projects
from mirror_pipeline.domain.lock import Lock
from mirror_pipeline.domain.naming import refuse_unhashed
from mirror_pipeline.domain.project_names import distinctly_named
from mirror_pipeline.lockfiles.formats import read_lock
from mirror_pipeline.lockfiles.project_files import ProjectFiles
from mirror_pipeline.phases.mirror import Mirror

DOCUMENT = "lock"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The files of every project as they were when the run began.

    As a document its folders are relative to that of ``config.env``, so that it is the same in each checkout.
    """

    projects: tuple[ProjectFiles, ...]


def current_snapshot(mirror: Mirror) -> Snapshot:
    """The configured files as they are on disk now."""
    return Snapshot(load_projects(mirror.settings.projects, mirror.settings.requirements_dev))


def current_version(mirror: Mirror) -> str:
    """Content hash of the configured files as they are on disk now."""
    return digest_of(_as_document(mirror, current_snapshot(mirror)))


@dataclass(frozen=True, slots=True)
class Taken:
    """The outcome of the phase. ``previous`` is what there was before, for the diff."""

    snapshot: Snapshot
    version: str
    previous: Snapshot | None


def take_snapshot(mirror: Mirror) -> Taken:
    """Store the snapshot; a broken lock is refused before anything that was there is replaced."""
    snapshot, previous = current_snapshot(mirror), mirror.documents.find(DOCUMENT, Snapshot)
    read_locks(mirror, snapshot.projects)
    return Taken(snapshot, mirror.documents.write(DOCUMENT, _as_document(mirror, snapshot)), previous)


def read_locks(mirror: Mirror, projects: Sequence[ProjectFiles]) -> tuple[Lock, ...]:
    """Parse these projects' locks, named apart; refuses pins that nothing could check, unless allowed."""
    locks = tuple(read_lock(project) for project in projects)
    if not mirror.settings.allow_unhashed:
        for lock, project in zip(locks, projects, strict=True):
            refuse_unhashed(lock, project.lock_path)
    return distinctly_named(locks, [project.lock_path for project in projects])


def load_snapshot(mirror: Mirror) -> Snapshot:
    """The stored snapshot, as if it had been taken in this checkout."""
    root, stored = mirror.settings.root, mirror.documents.read(DOCUMENT, Snapshot)
    return _with_folders(stored, lambda folder: os.path.normpath(root / folder))


def _as_document(mirror: Mirror, snapshot: Snapshot) -> Snapshot:
    root = mirror.settings.root
    return _with_folders(snapshot, lambda folder: Path(os.path.relpath(folder, root)).as_posix())


def _with_folders(snapshot: Snapshot, folder: Callable[[str], str]) -> Snapshot:
    return Snapshot(tuple(replace(project, folder=folder(project.folder)) for project in snapshot.projects))
