"""The formats that can be read, and which one a file is in: told by its content, not only its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from mirror_pipeline.domain.lock import Lock
from mirror_pipeline.errors import LockError
from mirror_pipeline.lockfiles import poetry
from mirror_pipeline.lockfiles.project_files import ProjectFiles
from mirror_pipeline.lockfiles.source_text import parse_toml


@dataclass(frozen=True, slots=True)
class Reader:
    """What a format's module offers."""

    name: str
    file_names: tuple[str, ...]
    companions: tuple[str, ...]
    """Files beside the lock that selection reads."""
    recognizes: Callable[[Mapping[str, Any]], bool]
    read: Callable[[Mapping[str, Any], ProjectFiles], Lock]


READERS = (Reader(poetry.FORMAT, poetry.FILE_NAMES, poetry.COMPANIONS, poetry.recognizes, poetry.read),)

LOCK_FILE_NAMES: tuple[str, ...] = tuple(name for reader in READERS for name in reader.file_names)
COMPANION_NAMES: tuple[str, ...] = tuple(sorted({name for reader in READERS for name in reader.companions}))


def read_lock(project: ProjectFiles) -> Lock:
    """Parse a project's lock, whatever its format; every refusal is a ``LockError`` that names the place."""
    return _read(project.name, project.folder, project.lock_name, tuple(sorted(project.files.items())))


@lru_cache(maxsize=8)
def _read(name: str, folder: str, lock_name: str, files: tuple[tuple[str, bytes], ...]) -> Lock:
    """The same bytes are read once, though several phases of a run look at them."""
    project = ProjectFiles(name, folder, lock_name, dict(files))
    document = parse_toml(project.lock_content, project.lock_path)
    for reader in READERS:
        if reader.recognizes(document):
            return reader.read(document, project)
    raise LockError(
        f"{project.lock_path}: not a lock of a format that is read here, or cut short",
        lock=project.lock_path,
        hint=f"formats: {', '.join(reader.name for reader in READERS)}",
    )
