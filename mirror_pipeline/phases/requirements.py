"""Phase ``requirements``: what the locks pin, parsed, and written in the forms that installers read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import tomli_w

from mirror_pipeline.adapters.documents import digest_of
from mirror_pipeline.adapters.exporter import poetry_export
from mirror_pipeline.adapters.files import sha256_of, write_atomically
from mirror_pipeline.domain.artifact import Artifact
from mirror_pipeline.domain.conditions import pin_conditions
from mirror_pipeline.domain.lock import Lock, Selection, everything
from mirror_pipeline.domain.naming import UnknownHashes, told, unknown_hashes
from mirror_pipeline.domain.requirements import pylock, requirement_lines
from mirror_pipeline.domain.wanted import refuse_unknown_names, selection_of
from mirror_pipeline.errors import ExporterError
from mirror_pipeline.lockfiles.project_files import ProjectFiles
from mirror_pipeline.phases.lock import load_snapshot, read_locks
from mirror_pipeline.phases.mirror import Mirror
from mirror_pipeline.phases.naming import Answers, name_files, remember

DOCUMENT = "requirements"
WRITTEN = "requirement_files"
PYLOCK = "pylock.toml"


@dataclass(frozen=True, slots=True, eq=False)
class Requirements:
    """The parsed locks, what is selected from each, and the content hash of both and of the texts."""

    locks: tuple[Lock, ...]
    selections: tuple[Selection, ...]
    texts: Mapping[str, str]
    """Requirement files and ``pylock.toml``: key → text."""
    version: str


@dataclass(frozen=True, slots=True)
class Written:
    """SHA-256 of each requirement file beside ``config.env``, as it was written."""

    digests: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Read:
    """Locks as read and selected from, before any text is made of them."""

    locks: tuple[Lock, ...]
    selections: tuple[Selection, ...]
    named: bool = False
    """Whether upstream was asked for the names of files that are locked by hash only."""

    @property
    def pairs(self) -> tuple[tuple[Lock, Selection], ...]:
        """Each lock with its selection."""
        return tuple(zip(self.locks, self.selections, strict=True))

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the readers found odd, and hashes that name no file."""
        odd = tuple(warning for lock in self.locks for warning in lock.warnings)
        return (*odd, *(told(self.unknown) if self.named else ()))

    @property
    def unknown(self) -> tuple[UnknownHashes, ...]:
        """Hashes without a file name: not asked about yet, or unknown to every upstream."""
        return unknown_hashes(self.locks)


@dataclass(frozen=True, slots=True)
class Made:
    """The outcome of the phase. ``previous`` is what there was before, for the diff."""

    requirements: Requirements
    previous: Requirements | None
    warnings: tuple[str, ...]
    unknown: tuple[UnknownHashes, ...] = ()


def make_requirements(mirror: Mirror) -> Made:
    """Parse the snapshot and write the requirement files, in the mirror's home and beside ``config.env``."""
    previous = mirror.documents.find(DOCUMENT, Requirements)
    projects = load_snapshot(mirror).projects
    read, answers = with_file_names(mirror, read_projects(mirror, projects))
    remember(mirror, answers)
    texts, warnings = _all_texts(mirror, read, projects)
    for key, text in texts.items():
        if key != PYLOCK:
            write_atomically(mirror.settings.root / key, text.encode())
    write_atomically(mirror.settings.home / PYLOCK, texts[PYLOCK].encode())
    requirements = Requirements(read.locks, read.selections, texts, _version(read, texts))
    mirror.documents.write(DOCUMENT, requirements)
    digests = {key: hashlib.sha256(text.encode()).hexdigest() for key, text in texts.items() if key != PYLOCK}
    mirror.documents.write(WRITTEN, Written(digests))
    return Made(requirements, previous, (*read.warnings, *warnings), read.unknown)


def edited_requirements(mirror: Mirror) -> tuple[str, ...]:
    """Requirement files beside ``config.env`` that someone changed or removed since they were written."""
    written = mirror.documents.find(WRITTEN, Written)
    root = mirror.settings.root
    return tuple(
        key
        for key, digest in (written.digests if written else {}).items()
        if not (root / key).is_file() or sha256_of(root / key) != digest
    )


def read_projects(mirror: Mirror, projects: Sequence[ProjectFiles]) -> Read:
    """Parse these locks and select from them as the settings say; writes nothing."""
    settings = mirror.settings
    locks = read_locks(mirror, projects)
    refuse_unknown_names(locks, settings.groups, settings.extras)
    return Read(
        locks,
        tuple(selection_of(lock, settings.selection, settings.groups, settings.extras) for lock in locks),
    )


def with_file_names(mirror: Mirror, read: Read) -> tuple[Read, Answers]:
    """The same with the file names that upstream knows, and what to remember of that; writes nothing."""
    locks, answers = name_files(mirror, read.locks)
    return replace(read, locks=locks, named=True), answers


def _version(read: Read, texts: Mapping[str, str]) -> str:
    """Content hash of what the locks mean. Where a lock lies and how it is spelled do not count."""
    meaning = [
        (
            lock.project,
            lock.requires_python,
            sorted(lock.pins, key=lambda pin: pin.key),
            sorted(lock.edges, key=repr),
        )
        for lock in read.locks
    ]
    return digest_of((meaning, read.selections, texts))


def _all_texts(
    mirror: Mirror, read: Read, projects: Sequence[ProjectFiles]
) -> tuple[Mapping[str, str], tuple[str, ...]]:
    warnings: list[str] = []
    texts = {
        key: text
        for lock, project in zip(read.locks, projects, strict=True)
        for key, text in _texts(mirror, lock, Path(project.folder), len(projects) > 1, warnings.append)
    }
    return {**texts, PYLOCK: _pylock(read)}, tuple(warnings)


def _texts(
    mirror: Mirror, lock: Lock, folder: Path, several: bool, warn: Callable[[str], None]
) -> Iterator[tuple[str, str]]:
    kinds = {"prod": Selection(), "all": everything(lock)}
    for kind, selection in kinds.items():
        key = f"requirements/{lock.project}-{kind}.txt" if several else f"requirements-{kind}.txt"
        yield (
            key,
            _exported(mirror, lock, folder, kind, warn)
            or requirement_lines(lock, pin_conditions(lock, selection), kind),
        )


def _exported(mirror: Mirror, lock: Lock, folder: Path, kind: str, warn: Callable[[str], None]) -> str | None:
    """The official exporter's text where it is asked for and answers; None falls back to the lock."""
    if mirror.settings.exporter != "poetry" or lock.format != "poetry":
        return None
    try:
        return poetry_export(folder, everything=kind == "all")
    except ExporterError as error:
        warn(f"{error.message}: requirements-{kind} is made from the lock")
        return None


def _pylock(read: Read) -> str:
    """All that is selected, every locked file at the place where the mirror's home has or would have it."""
    conditions = [(lock, pin_conditions(lock, selection)) for lock, selection in read.pairs]
    files = {
        file.name: Artifact(file.name, file.sha256, pin.name, str(pin.version), file.size)
        for lock in read.locks
        for pin in lock.pins
        for file in pin.files
    }
    return tomli_w.dumps(pylock(conditions, files, "packages/"))
