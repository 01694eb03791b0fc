"""poetry.lock, from the formats of poetry 0.x and 1.0 to 2.1.

Format 2.1 records for each package its groups and markers, so that every edge starts at a root.
Older formats record the dependency graph only; what the project itself wants is read from
pyproject.toml (``lockfiles.poetry_project``) and the graph is walked at selection time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from mirror_pipeline.domain.lock import Edge, Lock, Node, Pin, Root, Source, SourceKind
from mirror_pipeline.domain.poetry_core import (
    BaseMarker,
    ParseConstraintError,
    format_python_constraint,
    parse_constraint,
)
from mirror_pipeline.lockfiles import poetry_project
from mirror_pipeline.lockfiles.edges import edges_to
from mirror_pipeline.lockfiles.file_names import told
from mirror_pipeline.lockfiles.poetry_dependency import (
    Wanted,
    by_name,
    matching,
    normalized_extra,
    wanted,
    wanted_by_extra,
)
from mirror_pipeline.lockfiles.poetry_files import Shared, files_of
from mirror_pipeline.lockfiles.poetry_old import own_condition, within
from mirror_pipeline.lockfiles.poetry_project import Declared
from mirror_pipeline.lockfiles.poetry_versions import one_version
from mirror_pipeline.lockfiles.poetry_wishes import completed
from mirror_pipeline.lockfiles.project_files import ProjectFiles
from mirror_pipeline.lockfiles.table import Table

FORMAT = "poetry"
FILE_NAMES = ("poetry.lock",)

_NEWEST = "2.1"
_OLD = ("0.x", "1.0")
"""Formats whose packages carry a condition of their own."""
# Until 1.2 poetry took these for granted in every environment and left them out, though packages need them.
_NOT_LOCKED = ("distribute", "pip", "setuptools", "wheel")
_SOURCES: Mapping[str, SourceKind] = {
    "legacy": "registry",
    "url": "url",
    "git": "git",
    "file": "path",
    "directory": "directory",
}


def recognizes(document: Mapping[str, Any]) -> bool:
    """A poetry lock has ``[metadata]`` with ``content-hash``; packages alone are a lock cut short."""
    metadata = document.get("metadata")
    if isinstance(metadata, Mapping):
        return "content-hash" in metadata
    return "package" in document and "version" not in document and "lock-version" not in document


def read(document: Mapping[str, Any], project: ProjectFiles) -> Lock:
    """Parse a poetry lock."""
    top = Table(document, project.lock_path)
    if "metadata" not in top:
        raise top.error("metadata", "missing: the file was cut short")
    metadata = top.table("metadata")
    version, warnings = _format_version(metadata)
    shared = Shared(metadata)
    packages = tuple(_Package(table, shared) for table in top.tables("package"))
    pins = _pins(packages)
    extras = tuple(sorted(normalized_extra(extra) for extra in top.table("extras").names()))
    declared = completed(poetry_project.declared(project, extras), [package.table for package in packages])
    beside = (declared.name, *(_NOT_LOCKED if version in (*_OLD, "1.1") else ()))
    _refuse_dangling(packages, {*(pin.name for pin in pins), *beside})
    edges = _edges(version, packages, declared, top)
    strange = tuple(dict.fromkeys(name for package in packages for name in package.strange))
    groups = {
        edge.origin.name for edge in edges if isinstance(edge.origin, Root) and edge.origin.kind == "group"
    }
    return Lock(
        project=declared.name or project.name,
        format=FORMAT,
        format_version=version,
        requires_python=_requires_python(metadata),
        groups=tuple(sorted(groups | set(declared.groups))),
        extras=tuple(sorted({*extras, *declared.extras})),
        pins=pins,
        edges=edges,
        warnings=(*warnings, *told(strange, top.lock)),
    )


def _edges(version: str, packages: Sequence[_Package], declared: Declared, top: Table) -> tuple[Edge, ...]:
    if version not in _OLD and Version(version) >= Version("2.1"):
        return tuple(chain.from_iterable(map(_static_edges, packages)))
    pins = tuple(package.pin for package in packages)
    edges = chain(poetry_project.root_edges(declared, pins, top), _graph_edges(packages, pins))
    if version not in _OLD:
        return tuple(one_version(edges, pins, _pythons(packages)))
    return tuple(within(edges, pins, {package.pin.key: own_condition(package.table) for package in packages}))


def _pythons(packages: Sequence[_Package]) -> Mapping[str, BaseMarker]:
    """Which Pythons a version is made for, where a project has several."""
    count = Counter(package.pin.name for package in packages)
    several = (package for package in packages if count[package.pin.name] > 1)
    return {package.pin.key: own_condition(package.table).python for package in several}


def _format_version(metadata: Table) -> tuple[str, tuple[str, ...]]:
    if "lock-version" not in metadata:
        return _unnumbered(metadata), ()
    version = metadata.version("lock-version")
    newest = Version(_NEWEST)
    if not Version("1.0") <= version < Version(f"{newest.major + 1}"):
        raise metadata.error("lock-version", f"{version} is not known here (newest: {newest})")
    if version > newest:
        warning = f"{metadata.lock}: lock-version {version} is newer than {newest}: read as {newest}"
        return str(version), (warning,)
    return str(version), ()


def _unnumbered(metadata: Table) -> str:
    """The first formats bear no number: told by where the files are. Every later one does."""
    if "hashes" in metadata:
        return "0.x"
    if "files" in metadata:
        return "1.0"
    raise metadata.error("lock-version", "missing, as [metadata.files] of the first formats is: cut short?")


def _requires_python(metadata: Table) -> str:
    text = metadata.text("python-versions", "*")
    try:
        constraint = parse_constraint(text)
    except ParseConstraintError:
        raise metadata.error("python-versions", f"{text!r} is not a version constraint") from None
    if constraint.is_empty():
        raise metadata.error("python-versions", f"{text!r} allows no Python at all")
    if constraint.is_any():
        return ""
    try:  # most are PEP 440 as they stand; poetry-core's own rendering drops the bounds of unions
        return str(SpecifierSet(text))
    except InvalidSpecifier:
        return format_python_constraint(constraint).replace(" ", "")


class _Package:
    """One ``[[package]]``: its pin, and its table for the edges."""

    def __init__(self, table: Table, shared: Shared) -> None:
        self.table = table
        name, version, source = table.name(), table.version(), _source(table)
        accepted = files_of(table, shared)
        key = f"{name}=={version}" + (f" @ {source.url}" if source.url else "")
        self.strange = accepted.strange
        self.pin = Pin(key, name, version, accepted.files, source, accepted.hashes)

    def dependencies(self) -> Iterator[Wanted]:
        """What ``[package.dependencies]`` asks for; optional entries belong to extras."""
        table = self.table.table("dependencies")
        for name in table.names():
            yield from wanted(name, table.raw(name), table)


def _source(package: Table) -> Source:
    if "source" not in package:
        return Source()
    source = package.table("source")
    kind = source.text("type", "legacy")
    if kind not in _SOURCES:
        raise source.error("type", f"{kind!r} is not a kind of source (known: {', '.join(_SOURCES)})")
    return Source(_SOURCES[kind], source.text("url"))


def _pins(packages: Sequence[_Package]) -> tuple[Pin, ...]:
    seen: dict[str, _Package] = {}
    for package in packages:
        if package.pin.key in seen:
            raise package.table.error(
                "name",
                f"{package.pin.label} is locked twice (a merge gone wrong?)",
                package=package.pin.label,
            )
        seen[package.pin.key] = package
    return tuple(package.pin for package in packages)


def _refuse_dangling(packages: Sequence[_Package], names: Container[str]) -> None:
    """Every unconditional dependency has its pin (or is known not to), or the lock was cut short."""
    for package in packages:
        for want in package.dependencies():
            if not want.optional and not want.marker and want.name not in names:
                raise package.table.error(
                    f"dependencies.{want.name}",
                    f"{package.pin.label} needs {want.name}, which is not in the lock: cut short?",
                    package=package.pin.label,
                )


def _static_edges(package: _Package) -> Iterator[Edge]:
    """Format 2.1: ``groups``, and ``markers`` as one text, or a table with a text for some groups."""
    table, markers = package.table, package.table.raw("markers")
    for group in table.texts("groups") or ("main",):
        text = markers.get(group, "") if isinstance(markers, Mapping) else (markers or "")
        if not isinstance(text, str):
            raise table.error("markers", "expected a marker, or a table of markers by group")
        root = Root() if group == "main" else Root("group", canonicalize_name(group))
        yield from edges_to((package.pin.key,), root, text, table, "markers")


def _graph_edges(packages: Sequence[_Package], pins: Sequence[Pin]) -> Iterator[Edge]:
    named = by_name(pins)
    for package in packages:
        extras = wanted_by_extra(package.table.table("extras"))
        for want in package.dependencies():
            origins = (
                [Node(package.pin.key, extra) for extra, names in extras.items() if want.name in names]
                if want.optional
                else [Node(package.pin.key)]
            )
            found = tuple(pin.key for pin in matching(want, named))
            for origin in origins:
                yield from edges_to(found, origin, want.marker, package.table, want.name, want.extras)
        yield from _own_extras(package.pin, extras)


def _own_extras(pin: Pin, extras: Mapping[str, Mapping[str, tuple[str, ...]]]) -> Iterator[Edge]:
    """An extra that is defined through other extras of the same project: ``all = ["x[a,b]"]``."""
    for extra, names in extras.items():
        if pin.name in names:
            yield Edge(Node(pin.key, extra), pin.key, names[pin.name])
