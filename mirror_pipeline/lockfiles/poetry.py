"""poetry.lock, formats 1.1, 2.0 and 2.1.

Format 2.1 records for each package its groups and markers, so that every edge starts at a root.
Older formats record the dependency graph only; what the project itself wants is read from
pyproject.toml (``lockfiles.poetry_project``) and the graph is walked at selection time.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from mirror_pipeline.domain.artifact import wheel_tags
from mirror_pipeline.domain.lock import Edge, Lock, LockedFile, Node, Pin, Root, Source, SourceKind
from mirror_pipeline.domain.poetry_core import (
    ParseConstraintError,
    format_python_constraint,
    parse_constraint,
)
from mirror_pipeline.lockfiles import poetry_project
from mirror_pipeline.lockfiles.edges import edges_to
from mirror_pipeline.lockfiles.entries import locked_file
from mirror_pipeline.lockfiles.poetry_dependency import (
    Wanted,
    matching,
    normalized_extra,
    wanted,
    wanted_by_extra,
)
from mirror_pipeline.lockfiles.project_files import ProjectFiles
from mirror_pipeline.lockfiles.table import Table

FORMAT = "poetry"
FILE_NAMES = ("poetry.lock",)

_READ_VERSIONS = ("1.1", "2.0", "2.1")
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
    packages = tuple(_Package(table, metadata) for table in top.tables("package"))
    pins = _pins(packages)
    extras = tuple(sorted(normalized_extra(extra) for extra in top.table("extras").names()))
    declared = poetry_project.declared(project, extras)
    _refuse_dangling(packages, {*(pin.name for pin in pins), declared.name})
    if version >= Version("2.1"):
        edges = tuple(chain.from_iterable(map(_static_edges, packages)))
    else:
        edges = (*poetry_project.root_edges(declared, pins, top), *_graph_edges(packages, pins))
    groups = {
        edge.origin.name for edge in edges if isinstance(edge.origin, Root) and edge.origin.kind == "group"
    }
    return Lock(
        project=declared.name or project.name,
        format=FORMAT,
        format_version=str(version),
        requires_python=_requires_python(metadata),
        groups=tuple(sorted(groups | set(declared.groups))),
        extras=tuple(sorted({*extras, *declared.extras})),
        pins=pins,
        edges=edges,
        warnings=warnings,
    )


def _format_version(metadata: Table) -> tuple[Version, tuple[str, ...]]:
    if "lock-version" not in metadata:
        raise metadata.error(
            "lock-version", f"missing: locks older than {_READ_VERSIONS[0]} are not read; run 'poetry lock'"
        )
    version = metadata.version("lock-version")
    newest = Version(_READ_VERSIONS[-1])
    if version < Version(_READ_VERSIONS[0]):
        raise metadata.error(
            "lock-version", f"{version} is older than {_READ_VERSIONS[0]}; run 'poetry lock'"
        )
    if version >= Version(f"{newest.major + 1}"):
        raise metadata.error("lock-version", f"{version} is not known here (newest: {newest})")
    if version > newest:
        return version, (f"{metadata.lock}: lock-version {version} is newer than {newest}: read as {newest}",)
    return version, ()


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

    def __init__(self, table: Table, metadata: Table) -> None:
        self.table = table
        name, version, source = table.name(), table.version(), _source(table)
        files = tuple(_files(table, metadata, version))
        key = f"{name}=={version}" + (f" @ {source.url}" if source.url else "")
        self.pin = Pin(key, name, version, files, source)

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


def _files(package: Table, metadata: Table, version: Version) -> Iterator[LockedFile]:
    """Files of a package: its own list since format 2.0, before that one list for all versions of a name."""
    if "files" in package:
        yield from (_file(entry) for entry in package.tables("files"))
        return
    shared = metadata.table("files")
    own = [key for key in shared.names() if key.lower().replace("_", "-") == package.name()]
    for key in own or [package.text("name")]:
        for entry in shared.tables(key):
            file = _file(entry)
            if _may_be_of(file.name, package.name(), version):
                yield file


def _file(entry: Table) -> LockedFile:
    return locked_file(entry, entry.text("file"), entry.text("hash"))


def _may_be_of(file: str, name: str, version: Version) -> bool:
    """Whether a file of a list shared by several versions belongs to this one."""
    if wheel_tags(file) is not None:
        return _is(file.split("-")[1], version)
    # Sdists from before PEP 625 keep their author's spelling: 1.0-2 for 1.0.post2, 2020.01 for 2020.1.
    parts = file.removesuffix(".tar.gz").removesuffix(".zip").split("-")
    return any(
        canonicalize_name("-".join(parts[:end])) == name and _is("-".join(parts[end:]), version)
        for end in range(1, len(parts))
    )


def _is(text: str, version: Version) -> bool:
    try:
        return Version(text) == version
    except InvalidVersion:
        return False


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
    """Every unconditional dependency has its pin (or is the project itself), or the lock was cut short."""
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
    for package in packages:
        extras = wanted_by_extra(package.table.table("extras"))
        for want in package.dependencies():
            origins = (
                [Node(package.pin.key, extra) for extra, names in extras.items() if want.name in names]
                if want.optional
                else [Node(package.pin.key)]
            )
            found = tuple(pin.key for pin in matching(want, pins))
            for origin in origins:
                yield from edges_to(found, origin, want.marker, package.table, want.name, want.extras)
        yield from _own_extras(package.pin, extras)


def _own_extras(pin: Pin, extras: Mapping[str, Mapping[str, tuple[str, ...]]]) -> Iterator[Edge]:
    """An extra that is defined through other extras of the same project: ``all = ["x[a,b]"]``."""
    for extra, names in extras.items():
        if pin.name in names:
            yield Edge(Node(pin.key, extra), pin.key, names[pin.name])
