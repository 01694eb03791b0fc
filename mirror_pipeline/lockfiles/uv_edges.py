"""The dependency graph of a uv.lock: who wants whom, and where a selection of the project starts.

A selection is made of the roots: one package, or all members of a workspace that has no package of its own.
What the manifest wants besides (a script's requirements, groups of a workspace) starts at roots as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from packaging.utils import canonicalize_name

from mirror_pipeline.domain.lock import Edge, Node, Root
from mirror_pipeline.lockfiles.markers import parse_marker
from mirror_pipeline.lockfiles.table import Table
from mirror_pipeline.lockfiles.uv_names import Item, Names, asked_in
from mirror_pipeline.lockfiles.uv_packages import Package, Packages


@dataclass(frozen=True, slots=True)
class Want:
    """A dependency: who has it, the package that is meant, the extras asked of that, and the marker.

    ``owner`` is the package at which it is written; plain names of extras in the marker are extras of it.
    """

    origin: Root | Node
    owner: str
    package: Package
    extras: tuple[str, ...]
    marker: str
    table: Table


def wants_of(packages: Packages, roots: Sequence[Package], manifest: Table) -> tuple[Want, ...]:
    """Every dependency of a lock; each must find its package, or the lock was cut short."""
    of_roots = (_of_groups(root, packages) for root in roots)
    between = (_of_package(package, packages) for package in packages.all)
    return (*_of_manifest(manifest, packages), *chain.from_iterable(of_roots), *chain.from_iterable(between))


def asked_items(wants: Iterable[Want]) -> frozenset[Item]:
    """What markers ask of the selection."""
    texts = {(want.marker, want.owner) for want in wants if "extra" in want.marker}
    return frozenset().union(*(asked_in(text, owner) for text, owner in texts))


def edges_of(wants: Iterable[Want], roots: Sequence[Package], names: Names) -> tuple[Edge, ...]:
    """The edges of a lock: from the project to its roots, and for every dependency."""
    return (*chain.from_iterable(_to_root(root, names) for root in roots), *_edges(wants, names))


def _to_root(root: Package, names: Names) -> Iterator[Edge]:
    key, name = root.pin.key, root.pin.name
    yield Edge(Root(), key, activates=names.at_root(name))
    for extra in root.extras:
        yield Edge(Root("extra", extra), key, (extra,), activates=names.at_root(name, extra))


def _edges(wants: Iterable[Want], names: Names) -> Iterator[Edge]:
    for want in wants:
        text = names.marker(want.marker, want.owner)
        marker = parse_marker(text, want.table, "marker") if text else None
        pin = want.package.pin
        yield Edge(want.origin, pin.key, want.extras, marker, names.activated(pin.name, want.extras))


def _of_package(package: Package, packages: Packages) -> Iterator[Want]:
    pin, table = package.pin, package.table
    yield from _written_in(table, "dependencies", Node(pin.key), package, packages)
    optional = table.table("optional-dependencies")
    for extra in optional.names():
        origin = Node(pin.key, canonicalize_name(extra))
        yield from _written_in(optional, extra, origin, package, packages)


def _of_groups(root: Package, packages: Packages) -> Iterator[Want]:
    groups = root.group_table
    for group in groups.names():
        origin = Root("group", canonicalize_name(group))
        yield from _written_in(groups, group, origin, root, packages)


def _written_in(
    table: Table, key: str, origin: Root | Node, owner: Package, packages: Packages
) -> Iterator[Want]:
    for entry in table.tables(key):
        found = packages.meant_by(entry, owner.pin.label)
        yield Want(origin, owner.pin.name, found, _extras(entry, "extra"), entry.text("marker", ""), entry)


def _extras(entry: Table, key: str) -> tuple[str, ...]:
    if key not in entry:
        return ()
    return tuple(canonicalize_name(extra) for extra in entry.texts(key))


def _of_manifest(manifest: Table, packages: Packages) -> Iterator[Want]:
    """Requirements of a script, and groups that belong to a workspace rather than to one of its members."""
    for entry in manifest.tables("requirements"):
        yield from _required(entry, Root(), packages)
    groups = manifest.table("dependency-groups")
    for group in groups.names():
        for entry in groups.tables(group):
            yield from _required(entry, Root("group", canonicalize_name(group)), packages)


def _required(entry: Table, origin: Root, packages: Packages) -> Iterator[Want]:
    """A requirement names no version: of several packages each is meant in the environments it is for."""
    name = entry.name()
    candidates = packages.named(name)
    if not candidates:
        problem = f"the project needs {name}, which is not in the lock: cut short?"
        raise entry.error("", problem, package=name)
    text = entry.text("marker", "")
    for package in candidates:
        forks = package.table.texts("resolution-markers") if len(candidates) > 1 else ()
        parts = [f"({part})" for part in (text, " or ".join(f"({fork})" for fork in forks)) if part]
        yield Want(origin, name, package, _extras(entry, "extras"), " and ".join(parts), entry)
