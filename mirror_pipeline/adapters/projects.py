"""Finding lock files on disk, with what selection reads beside them."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Mapping, Sequence
from pathlib import Path

from mirror_pipeline.adapters.files import disk_errors
from mirror_pipeline.errors import LockError
from mirror_pipeline.lockfiles.formats import LOCK_FILE_NAMES, files_beside
from mirror_pipeline.lockfiles.project_files import ProjectFiles

_WORKSPACE_LOCK = "uv.lock"
"""The one lock that lies above the projects it is for."""
_REQUIREMENTS = (".txt", ".in", ".lock", ".pip", ".toml")
"""What files are called that a lock may refer to outside of its own folder: not keys, nor tokens."""
_LAST_RESORT = ("requirements.txt",)
"""Often an export that lies beside the lock it was made from: counts only where there is no other."""


def load_projects(paths: Sequence[Path], dev: Sequence[Path] = ()) -> tuple[ProjectFiles, ...]:
    """The lock and what belongs to it of each project directory (or of each lock file).

    ``dev`` are requirement files that the project named first has for its group ``dev``.
    """
    return tuple(_load(path, dev if number == 0 else ()) for number, path in enumerate(paths))


def _load(path: Path, dev: Sequence[Path]) -> ProjectFiles:
    lock, member = _lock_of(path) if path.is_dir() else (path, ".")
    if not lock.is_file():
        raise LockError(f"{lock}: no such lock file", hint="ORBIT_PROJECT names it", lock=str(lock))
    folder = lock.parent
    named = tuple(_relative(file, folder) for file in dev)
    for file, name in zip(dev, named, strict=True):
        if not (folder / name).is_file():
            raise LockError(f"{file}: no such file", hint="MIRROR_REQUIREMENTS_DEV names it", lock=str(file))
    files = _with_what_belongs_to_it(folder, (lock.name, *named))
    name = folder.name if member == "." else path.name
    return ProjectFiles(name, str(folder), lock.name, files, {"dev": named} if named else {}, member)


def _relative(file: Path, folder: Path) -> str:
    return Path(os.path.relpath(file, folder)).as_posix()


def _with_what_belongs_to_it(folder: Path, names: Sequence[str]) -> Mapping[str, bytes]:
    """The named files, and those that they refer to, and so on; a file that is not there is left out.

    Who writes a lock need not be who mirrors it: what it refers to is read where it can be meant.
    """
    files: dict[str, bytes] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        path = folder / name
        if name in files or not path.is_file() or not (name in names or _may_be_meant(path, folder)):
            continue
        with disk_errors(path):
            files[name] = path.read_bytes()
        if posixpath.basename(name) != "pyproject.toml":
            waiting.extend(files_beside(name, files[name]))
    return files


def _may_be_meant(path: Path, folder: Path) -> bool:
    """Whether a file, links followed, lies below a folder, or is called as requirements are."""
    real = path.resolve()
    return real.is_relative_to(folder.resolve()) or real.suffix in _REQUIREMENTS


def _lock_of(folder: Path) -> tuple[Path, str]:
    """A folder's lock; for a member of a uv workspace that of the workspace, and where the member lies."""
    found = [path for pattern in LOCK_FILE_NAMES for path in sorted(folder.glob(pattern)) if path.is_file()]
    locks = [path for path in found if path.name not in _LAST_RESORT] or found
    if len(locks) > 1:
        raise LockError(
            f"{folder}: several lock files: {', '.join(path.name for path in locks)}",
            hint="name one of them in ORBIT_PROJECT",
            lock=str(folder),
        )
    if locks:
        return locks[0], "."
    above = next((up / _WORKSPACE_LOCK for up in folder.parents if (up / _WORKSPACE_LOCK).is_file()), None)
    if above is None or not (folder / "pyproject.toml").is_file():
        raise LockError(
            f"{folder}: no lock file", hint=f"looked for {', '.join(LOCK_FILE_NAMES)}", lock=str(folder)
        )
    return above, _relative(folder, above.parent)
