"""pylock.toml, the standard's lock (PEP 751), lock-version 1.x.

``packaging`` judges a file strictly, and tools write files that do not stand that. So it is read leniently
here: what cannot mislead (a name that is not normalized, a date written as text) is taken, with the strict
verdict as a warning; what could (no hash, the same entry twice, a wheel of another project) is refused.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any

from packaging.markers import Marker, UndefinedEnvironmentName
from packaging.pylock import Pylock, PylockValidationError
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from mirror_pipeline.domain.lock import Edge, Lock, Pin, Root, Selection
from mirror_pipeline.errors import LockError
from mirror_pipeline.lockfiles.edges import edges_to
from mirror_pipeline.lockfiles.file_names import told
from mirror_pipeline.lockfiles.markers import of_the_selection, parse_marker
from mirror_pipeline.lockfiles.project_files import ProjectFiles
from mirror_pipeline.lockfiles.pylock_packages import Entry, entry_of
from mirror_pipeline.lockfiles.table import Table

FORMAT = "pylock"
FILE_NAMES = ("pylock.toml",)

_NEWEST = Version("1.0")
_SHOWN = 3
_END_AFTER_THE_LAST_ENTRY = ("uv", "pip")
"""Tools whose files never end in an empty line."""


def recognizes(document: Mapping[str, Any]) -> bool:
    """A pylock.toml bears its version at the top, where no other lock has it under that name."""
    return "lock-version" in document or ("packages" in document and "created-by" in document)


def read(document: Mapping[str, Any], project: ProjectFiles) -> Lock:
    """Parse a pylock.toml."""
    top = Table(document, project.lock_path)
    version, warnings = _format_version(top, document)
    if "packages" not in top:
        raise top.error("packages", "missing: the file was cut short")
    entries = tuple(entry_of(table) for table in top.tables("packages"))
    _refuse_dangling(entries)
    unnamed = _without_names(entries)
    made_up = frozenset(entry.table.path for entry in unnamed)
    pins = tuple(_pins(entries, made_up))
    default = frozenset(_names(top, "default-groups"))
    strange = [name for entry in entries if entry.table.path not in made_up for name in entry.strange]
    return Lock(
        project=project.name,
        format=FORMAT,
        format_version=str(version),
        requires_python=_requires_python(top),
        groups=tuple(sorted(set(_names(top, "dependency-groups")) - default)),
        extras=tuple(sorted(set(_names(top, "extras")))),
        pins=pins,
        edges=tuple(edge for entry, pin in zip(entries, pins, strict=True) for edge in _edges(entry, pin)),
        warnings=(
            *warnings,
            *_told_unnamed(unnamed, top.lock),
            *told(strange, top.lock),
            *_told_ambiguous(entries, top.lock),
            *_told_cut(project.lock_content, top.lock, top.raw("created-by")),
        ),
        always=Selection(groups=default),
        environments=_environments(top),
    )


def _format_version(top: Table, document: Mapping[str, Any]) -> tuple[Version, tuple[str, ...]]:
    version = top.version("lock-version")
    if not Version("1") <= version < Version("2"):
        raise top.error("lock-version", f"{version} is not known here (newest: {_NEWEST})")
    if version > _NEWEST:
        return version, (f"{top.lock}: lock-version {version} is newer than {_NEWEST}: read as {_NEWEST}",)
    try:
        Pylock.from_dict(document)
    except PylockValidationError as error:
        verdict = " ".join(str(error).split())[:200]
        return version, (f"{top.lock}: not valid by PEP 751, read all the same: {verdict}",)
    return version, ()


def _names(top: Table, key: str) -> tuple[str, ...]:
    return tuple(canonicalize_name(name) for name in top.texts(key))


def _requires_python(top: Table) -> str:
    text = top.text("requires-python", "")
    try:
        return str(SpecifierSet(text))
    except InvalidSpecifier:
        raise top.error("requires-python", f"{text!r} is not a version specifier") from None


def _environments(top: Table) -> tuple[Marker, ...]:
    """The environments that the lock was made for. One without a condition is every environment."""
    markers = [
        _evaluable(parse_marker(of_the_selection(text), top, "environments"), text, top, "environments")
        for text in top.texts("environments")
    ]
    return () if None in markers else tuple(marker for marker in markers if marker is not None)


def _edges(entry: Entry, pin: Pin) -> Iterator[Edge]:
    """The project itself wants every pin, where the pin's marker holds."""
    for edge in edges_to((pin.key,), Root(), entry.marker, entry.table, "marker"):
        _evaluable(edge.marker, entry.marker, entry.table, "marker")
        yield edge


def _evaluable(marker: Marker | None, text: str, table: Table, key: str) -> Marker | None:
    """The marker, refused where it asks for what neither an environment nor a selection has."""
    try:
        if marker is not None:
            marker.evaluate(context="lock_file")
    except UndefinedEnvironmentName:
        raise table.marker_error(key, text) from None
    return marker


def _pins(entries: Sequence[Entry], made_up: Container[str]) -> Iterator[Pin]:
    """A pin for each entry; one version may be there several times, under different markers.

    ``made_up`` are the places of the entries whose file names are not to be believed.
    """
    seen: dict[str, list[str]] = {}
    for entry in entries:
        key = entry.label + (f" @ {entry.source.url}" if entry.source.url else "")
        markers = seen.setdefault(key, [])
        if entry.marker in markers:
            problem = f"{entry.label} is locked twice (a merge gone wrong?)"
            raise entry.table.error("name", problem, package=entry.label)
        markers.append(entry.marker)
        if len(markers) > 1:
            key = f"{key} #{len(markers)}"
        if entry.table.path in made_up:
            hashes = tuple(dict.fromkeys(file.sha256 for file in entry.files))
            yield Pin(key, entry.name, entry.version, (), entry.source, hashes)
        else:
            yield Pin(key, entry.name, entry.version, entry.files, entry.source)


def _refuse_dangling(entries: Sequence[Entry]) -> None:
    """What an entry says that it depends on is an entry, too, or the lock was cut short."""
    known = {entry.name for entry in entries}
    for entry in entries:
        for dependency in entry.table.tables("dependencies"):
            if dependency.name() not in known:
                raise dependency.error(
                    "name",
                    f"{entry.label} needs {dependency.name()}, which is not in the lock: cut short?",
                    package=entry.label,
                )


def _without_names(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """Entries whose file names are made up, so that only hashes tell which files are meant.

    pipenv knows hashes only, and writes one and the same wheel name for all files of a package. Where it
    does, a package of one file is no better: that the name looks right is all there is to it.
    """
    if not any(entry.contradictory for entry in entries):
        return ()
    return tuple(entry for entry in entries if entry.contradictory or entry.pure_only)


def _told_unnamed(entries: Sequence[Entry], lock: str) -> Iterator[str]:
    if entries:
        shown = _shown([entry.label for entry in entries])
        yield f"{lock}: the same name for different files: names are not believed, hashes are, of {shown}"


def _told_ambiguous(entries: Sequence[Entry], lock: str) -> Iterator[str]:
    """Installers refuse to choose between versions; for a mirror it does no harm to have them all."""
    seen: dict[tuple[str, str], Entry] = {}
    twice = [e.name for e in entries if seen.setdefault((e.name, e.marker), e) is not e]
    if twice:
        yield f"{lock}: several versions for the same environments: {_shown(list(dict.fromkeys(twice)))}"


def _told_cut(content: bytes, lock: str, created_by: object) -> Iterator[str]:
    """Whether the file may lack its end: nothing in the format tells how many entries there are.

    Tools write no empty line after the last entry, and a cut before an entry leaves the one in front of it.
    In a file that an installer wrote itself that is a reason to refuse; an editor may leave one, too.
    """
    lines = content.replace(b"\r\n", b"\n").split(b"\n")
    if len(lines) > 1 and not lines[-1].strip() and not lines[-2].strip():
        what = "ends in an empty line, as a file does that was cut short between two entries"
        if created_by in _END_AFTER_THE_LAST_ENTRY:
            raise LockError(
                f"{lock}: {what}; {created_by} writes none",
                lock=lock,
                hint="lock again, or remove the empty line if the file is whole",
            )
        yield f"{lock}: {what}"


def _shown(items: Sequence[str]) -> str:
    more = f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return f"{', '.join(items[:_SHOWN])}{more}"
