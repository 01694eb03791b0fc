"""Phase ``requirements``: what the locks pin, parsed, and written in the forms that installers read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import tomli_w

from mirror_pipeline.adapters import identity
from mirror_pipeline.adapters.documents import digest_of
from mirror_pipeline.adapters.exporter import poetry_export
from mirror_pipeline.adapters.files import sha256_of, write_atomically
from mirror_pipeline.domain.artifact import Artifact
from mirror_pipeline.domain.conditions import asking_conditions, pin_conditions
from mirror_pipeline.domain.lock import Lock, Selection, everything
from mirror_pipeline.domain.naming import UnknownHashes, is_nowhere, told, unknown_hashes
from mirror_pipeline.domain.redaction import without_login
from mirror_pipeline.domain.requirements import Pinned, pylock, requirement_lines
from mirror_pipeline.domain.scenarios import excluding, offered
from mirror_pipeline.domain.wanted import refuse_unknown_names, selection_of
from mirror_pipeline.errors import ExporterError
from mirror_pipeline.lockfiles.project_files import ProjectFiles
from mirror_pipeline.phases.lock import load_snapshot, read_locks
from mirror_pipeline.phases.mirror import Mirror
from mirror_pipeline.phases.naming import Answers, name_files, remember
from mirror_pipeline.phases.overwriting import refuse_own_files, refuse_strange_files

DOCUMENT = "requirements"
WRITTEN = "requirement_files"
PYLOCK = "pylock.toml"
_KINDS = ("prod", "all")


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
    """SHA-256 of each requirement file beside ``config.env``, as it was written, and their version.

    ``incomplete`` tells which indexes were asked where they do not know every hash; else it is ''.
    """

    digests: Mapping[str, str]
    version: str = ""
    incomplete: str = ""
    place: str = ""
    """Machine and folder where they were written, if others may read this: elsewhere they need not be."""


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
    complete: bool = True
    """False where a pin with hashes has no file: upstream is worth asking again."""


def make_requirements(mirror: Mirror) -> Made:
    """Parse the snapshot and write the requirement files, in the mirror's home and beside ``config.env``.

    Raises ``SettingsError`` where files that are not ours would be replaced; then nothing is written.
    """
    previous = mirror.documents.find(DOCUMENT, Requirements)
    projects = load_snapshot(mirror).projects
    read = read_projects(mirror, projects)
    refuse_overwriting(mirror, read, projects)
    read, answers = with_file_names(mirror, read)
    remember(mirror, answers)
    texts, warnings = _all_texts(mirror, read, projects)
    for key, text in texts.items():
        if key != PYLOCK:
            write_atomically(mirror.settings.root / key, text.encode())
    write_atomically(mirror.settings.home / PYLOCK, texts[PYLOCK].encode())
    requirements = Requirements(read.locks, read.selections, texts, _version(read, texts))
    mirror.documents.write(DOCUMENT, requirements)
    digests = {key: hashlib.sha256(text.encode()).hexdigest() for key, text in texts.items() if key != PYLOCK}
    incomplete = _indexes(mirror) if read.unknown else ""
    mirror.documents.write(WRITTEN, Written(digests, requirements.version, incomplete, _place(mirror)))
    complete = not any(is_nowhere(pin) for lock in read.locks for pin in lock.pins)
    return Made(requirements, previous, (*read.warnings, *warnings), read.unknown, complete)


def refuse_overwriting(mirror: Mirror, read: Read, projects: Sequence[ProjectFiles]) -> None:
    """Refuse to write where a file of the projects lies, or one that we did not write.

    An exporter's text has no header to know it by: where one is asked for, such a text may be replaced.
    """
    settings, several = mirror.settings, len(read.locks) > 1
    keys = [_key(lock, kind, several) for lock in read.locks for kind in _KINDS]
    outputs = {key: settings.root / key for key in keys}
    refuse_own_files([*outputs.values(), settings.home / PYLOCK], projects)
    if settings.exporter != "poetry":
        refuse_strange_files(outputs, _written_here(mirror))


def _key(lock: Lock, kind: str, several: bool) -> str:
    """Where a requirements file is, relative to ``config.env`` and to the site."""
    return f"requirements/{lock.project}-{kind}.txt" if several else f"requirements-{kind}.txt"


def edited_requirements(mirror: Mirror) -> tuple[str, ...]:
    """Requirement files beside ``config.env`` that someone changed or removed since they were written."""
    root = mirror.settings.root
    return tuple(
        key
        for key, digest in _written_here(mirror).items()
        if not (root / key).is_file() or sha256_of(root / key) != digest
    )


def _written_here(mirror: Mirror) -> Mapping[str, str]:
    """Digests of the requirement files that were written here: what lies elsewhere is not looked at."""
    written = mirror.documents.find(WRITTEN, Written)
    return written.digests if written and written.place == _place(mirror) else {}


def _place(mirror: Mirror) -> str:
    """This machine and checkout; '' where the documents are on its own disk."""
    settings = mirror.settings
    return "" if settings.store is None else f"{identity.host()}:{settings.root}"


def current_requirements(mirror: Mirror) -> str | None:
    """The version of the requirements, without reading all of them; None before there are any."""
    written = mirror.documents.find(WRITTEN, Written)
    return (written.version or None) if written else None


def may_be_named_now(mirror: Mirror) -> bool:
    """Whether hashes are left without a file, and other indexes are configured than were asked for it."""
    written = mirror.documents.find(WRITTEN, Written)
    incomplete = written.incomplete if written else ""
    return bool(incomplete) and incomplete != _indexes(mirror)


def _indexes(mirror: Mirror) -> str:
    """The configured indexes, whoever asks there."""
    settings = mirror.settings
    urls = (settings.index_url or "", *(settings.extra_index_urls or ()))
    return digest_of([without_login(url) for url in urls])


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
            lock.always,
            lock.conflicts,
            lock.environments,
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
    return {**texts, PYLOCK: _pylock(read)}, (*warnings, *_exclusions(read))


def _exclusions(read: Read) -> Iterator[str]:
    """Requirement files that nobody can install as a whole."""
    several = len(read.locks) > 1
    for lock, selection in read.pairs:
        parts = excluding(lock, everything(lock))
        if parts:
            asked = "; the locks in pylock/ ask for them" if offered(lock, selection) else ""
            names = ", ".join(sorted(parts.groups | parts.extras))
            yield (
                f"{lock.project}: extras or groups exclude each other ({names}): "
                f"{_key(lock, 'all', several)} cannot be installed as a whole{asked}"
            )


def _texts(
    mirror: Mirror, lock: Lock, folder: Path, several: bool, warn: Callable[[str], None]
) -> Iterator[tuple[str, str]]:
    for kind, selection in zip(_KINDS, (Selection(), everything(lock)), strict=True):
        yield (
            _key(lock, kind, several),
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
    pinned = [
        Pinned(lock, asking_conditions(lock, selection), offered(lock, selection))
        for lock, selection in read.pairs
    ]
    files = {
        file.name: Artifact(file.name, file.sha256, pin.name, str(pin.version), file.size)
        for lock in read.locks
        for pin in lock.pins
        for file in pin.files
    }
    return tomli_w.dumps(pylock(pinned, files, "packages/"))
