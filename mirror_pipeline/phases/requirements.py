"""Phase ``requirements``: what the locks pin, parsed, and written in the forms that installers read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import tomli_w

from mirror_pipeline.adapters.documents import digest_of
from mirror_pipeline.adapters.exporter import poetry_export
from mirror_pipeline.adapters.files import write_atomically
from mirror_pipeline.domain.artifact import Artifact
from mirror_pipeline.domain.conditions import pin_conditions
from mirror_pipeline.domain.lock import Lock, Pin, Selection, everything
from mirror_pipeline.domain.requirements import pylock, requirement_lines
from mirror_pipeline.domain.wanted import refuse_unknown_names, selection_of
from mirror_pipeline.errors import ExporterError
from mirror_pipeline.lockfiles.formats import read_lock
from mirror_pipeline.lockfiles.project_files import ProjectFiles
from mirror_pipeline.phases.lock import load_snapshot
from mirror_pipeline.phases.mirror import Mirror

DOCUMENT = "requirements"
PYLOCK = "pylock.toml"


@dataclass(frozen=True, slots=True)
class Requirements:
    """The parsed locks, what is selected from each, and the texts made from them (key → text)."""

    locks: tuple[Lock, ...]
    selections: tuple[Selection, ...]
    texts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Made:
    """The outcome of the phase. ``previous`` is what there was before, for the diff."""

    requirements: Requirements
    version: str
    previous: Requirements | None
    warnings: tuple[str, ...]


def make_requirements(mirror: Mirror) -> Made:
    """Parse the snapshot and write the requirement files, in the mirror's home and beside ``config.env``."""
    previous = mirror.documents.find(DOCUMENT, Requirements)
    requirements, warnings = requirements_of(mirror, load_snapshot(mirror).projects)
    for key, text in requirements.texts.items():
        if key != PYLOCK:
            write_atomically(mirror.settings.root / key, text.encode())
    write_atomically(mirror.settings.home / PYLOCK, requirements.texts[PYLOCK].encode())
    mirror.documents.write(DOCUMENT, requirements)
    return Made(requirements, version_of(requirements), previous, warnings)


def version_of(requirements: Requirements) -> str:
    """Content hash of what the locks mean. Where a lock lies and how it is spelled do not count."""
    meaning = [(lock.project, lock.requires_python, lock.pins, lock.edges) for lock in requirements.locks]
    return digest_of((meaning, requirements.selections, requirements.texts))


def requirements_of(mirror: Mirror, projects: Sequence[ProjectFiles]) -> tuple[Requirements, tuple[str, ...]]:
    """The requirements of these projects; writes nothing."""
    settings = mirror.settings
    locks = tuple(read_lock(project) for project in projects)
    refuse_unknown_names(locks, settings.groups, settings.extras)
    selections = tuple(
        selection_of(lock, settings.selection, settings.groups, settings.extras) for lock in locks
    )
    warnings = [warning for lock in locks for warning in lock.warnings]
    texts = {
        key: text
        for lock, project in zip(locks, projects, strict=True)
        for key, text in _texts(mirror, lock, Path(project.folder), len(locks) > 1, warnings.append)
    }
    texts[PYLOCK] = _pylock(locks, selections)
    return Requirements(locks, selections, texts), tuple(warnings)


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


def _pylock(locks: Sequence[Lock], selections: Sequence[Selection]) -> str:
    """All that is selected, every locked file at the place where the mirror's home has or would have it."""
    conditions = [pin_conditions(lock, selection) for lock, selection in zip(locks, selections, strict=True)]
    files = {
        file.name: Artifact(file.name, file.sha256, pin.name, str(pin.version), file.size)
        for lock in locks
        for pin in lock.pins
        for file in pin.files
    }
    return tomli_w.dumps(pylock(list(zip(locks, conditions, strict=True)), files, "packages/"))


def selected_pins(requirements: Requirements) -> tuple[Pin, ...]:
    """Every pin that some selection can install."""
    return tuple(
        pin
        for lock, selection in zip(requirements.locks, requirements.selections, strict=True)
        for pin in lock.pins
        if pin.key in pin_conditions(lock, selection)
    )
