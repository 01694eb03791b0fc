"""The formats that can be read, and which one a file is in: told by its content, not only its name."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from packaging.utils import canonicalize_name

from mirror_pipeline.domain.lock import Lock
from mirror_pipeline.errors import LockError
from mirror_pipeline.lockfiles import pdm, pipfile, poetry, pylock, requirements, uv
from mirror_pipeline.lockfiles.project_files import ProjectFiles
from mirror_pipeline.lockfiles.requirements_lines import included
from mirror_pipeline.lockfiles.source_text import Syntax, parse, syntax_of


@dataclass(frozen=True, slots=True)
class Reader:
    """What a format's module offers. A document is a mapping, or the text itself."""

    name: str
    file_names: tuple[str, ...]
    """What to look for in a folder; patterns as ``Path.glob`` has them."""
    syntax: Syntax
    recognizes: Callable[[Any], bool]
    read: Callable[[Any, ProjectFiles], Lock]


READERS: tuple[Reader, ...] = (
    Reader(poetry.FORMAT, poetry.FILE_NAMES, "toml", poetry.recognizes, poetry.read),
    Reader(uv.FORMAT, uv.FILE_NAMES, "toml", uv.recognizes, uv.read),
    Reader(pdm.FORMAT, pdm.FILE_NAMES, "toml", pdm.recognizes, pdm.read),
    Reader(pylock.FORMAT, pylock.FILE_NAMES, "toml", pylock.recognizes, pylock.read),
    Reader(pipfile.FORMAT, pipfile.FILE_NAMES, "json", pipfile.recognizes, pipfile.read),
    Reader(
        requirements.FORMAT,
        requirements.FILE_NAMES,
        "requirements",
        requirements.recognizes,
        requirements.read,
    ),
)

LOCK_FILE_NAMES: tuple[str, ...] = tuple(name for reader in READERS for name in reader.file_names)


def read_lock(project: ProjectFiles) -> Lock:
    """Parse a project's lock, whatever its format; every refusal is a ``LockError`` that names the place."""
    groups = tuple(sorted((group, names) for group, names in project.groups.items()))
    files = tuple(sorted(project.files.items()))
    return _read(project.name, project.folder, project.lock_name, files, groups, project.member)


@lru_cache(maxsize=8)
def _read(
    name: str,
    folder: str,
    lock_name: str,
    files: tuple[tuple[str, bytes], ...],
    groups: tuple[tuple[str, tuple[str, ...]], ...],
    member: str,
) -> Lock:
    """The same bytes are read once, though several phases of a run look at them."""
    project = ProjectFiles(name, folder, lock_name, dict(files), dict(groups), member)
    reader, document = _reader_of(project.lock_content, project.lock_path)
    if groups and reader.name != "requirements":
        raise LockError(
            f"{project.lock_path}: MIRROR_REQUIREMENTS_DEV goes with requirements, not with {reader.name}",
            lock=project.lock_path,
            hint="the groups of this lock are selected with MIRROR_GROUPS",
        )
    lock = reader.read(document, project)
    return replace(lock, project=_label(lock.project or project.name))


def _label(name: str) -> str:
    """A project's name as file names and reports have it: whoever wrote it down, it names no other folder."""
    return re.sub(r"[^a-z0-9]+", "-", canonicalize_name(name)).strip("-") or "project"


def files_beside(name: str, content: bytes) -> tuple[str, ...]:
    """Names of the files, there or not, that one of a project's files refers to; never refuses anything.

    Requirements name the files they include. Beside any other lock pyproject.toml says what the project is.
    """
    text = content.decode("utf-8-sig", errors="replace")
    if syntax_of(text, name) == "requirements":
        return included(text, name)
    return ("pyproject.toml",)


def _reader_of(content: bytes, path: str) -> tuple[Reader, Any]:
    """The reader that recognizes a file, and the file as its syntax parses it."""
    syntax, document = parse(content, path)
    for reader in READERS:
        if reader.syntax == syntax and reader.recognizes(document):
            return reader, document
    raise LockError(
        f"{path}: not a lock of a format that is read here, or cut short",
        lock=path,
        hint=f"formats: {', '.join(reader.name for reader in READERS)}",
    )
