"""Finding lock files on disk, with what selection reads beside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mirror_pipeline.adapters.files import disk_errors
from mirror_pipeline.errors import LockError
from mirror_pipeline.lockfiles.formats import COMPANION_NAMES, LOCK_FILE_NAMES
from mirror_pipeline.lockfiles.project_files import ProjectFiles


def load_projects(paths: Sequence[Path]) -> tuple[ProjectFiles, ...]:
    """The lock and companions of each project directory (or of the project a lock file lies in)."""
    return tuple(_load(path) for path in paths)


def _load(path: Path) -> ProjectFiles:
    folder, lock = (path, _lock_in(path)) if path.is_dir() else (path.parent, path)
    if not lock.is_file():
        raise LockError(f"{lock}: no such lock file", hint="ORBIT_PROJECT names it", lock=str(lock))
    companions = (folder / name for name in COMPANION_NAMES)
    with disk_errors(lock):
        files = {file.name: file.read_bytes() for file in (lock, *companions) if file.is_file()}
    return ProjectFiles(folder.name, str(folder), lock.name, files)


def _lock_in(folder: Path) -> Path:
    found = [folder / name for name in LOCK_FILE_NAMES if (folder / name).is_file()]
    if len(found) > 1:
        raise LockError(
            f"{folder}: several lock files: {', '.join(path.name for path in found)}",
            hint="name one of them in ORBIT_PROJECT",
            lock=str(folder),
        )
    if not found:
        raise LockError(
            f"{folder}: no lock file", hint=f"looked for {', '.join(LOCK_FILE_NAMES)}", lock=str(folder)
        )
    return found[0]
