"""pdm.lock, lock_version 2 to 4.5.

Version 2 (``sections``) and, since 4.4.1, locks with the strategy ``inherit_metadata`` (``groups``) record
for each package in which groups and under which marker it is installed, so that every edge starts at a root.
The others record the dependency graph only: what the project wants is read from pyproject.toml
(``lockfiles.pdm_project``), and the graph is walked at selection time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from packaging.version import Version

from mirror_pipeline.domain.lock import Edge, Lock, Node, Pin, Root
from mirror_pipeline.errors import LockError
from mirror_pipeline.lockfiles import pdm_targets
from mirror_pipeline.lockfiles.edges import edges_to
from mirror_pipeline.lockfiles.pdm_dependency import Wanted, both, matching, on_python, without
from mirror_pipeline.lockfiles.pdm_packages import Entry, entries, pins_of
from mirror_pipeline.lockfiles.pdm_project import Declared, declared
from mirror_pipeline.lockfiles.project_files import ProjectFiles
from mirror_pipeline.lockfiles.table import Table

FORMAT = "pdm"
FILE_NAMES = ("pdm.lock",)

_WHERE_IT_WENT = "was the file cut short, or is it stale? run 'pdm lock'"
_OLDEST, _NEWEST = Version("2"), Version("4.5")


def recognizes(document: Mapping[str, Any]) -> bool:
    """A pdm lock has ``[metadata]`` with ``lock_version``; in 2021 that is at the end, with the hashes."""
    metadata = document.get("metadata")
    return isinstance(metadata, Mapping) and "lock_version" in metadata


def read(document: Mapping[str, Any], project: ProjectFiles) -> Lock:
    """Parse a pdm lock."""
    top = Table(document, project.lock_path)
    metadata = top.table("metadata")
    version, warnings = _format_version(metadata)
    found = entries(top, metadata)
    own = declared(project)
    graph = _Graph(found, own, top)
    targets = tuple(metadata.tables("targets"))
    groups_key = "sections" if version.major == _OLDEST.major else "groups"
    if groups_key == "sections" or "inherit_metadata" in metadata.texts("strategy"):
        edges = tuple(chain.from_iterable(_static_edges(entry, groups_key, own) for entry in found))
        roots = _recorded(metadata, own) | {edge.origin for edge in edges if isinstance(edge.origin, Root)}
        dangling = tuple(graph.dangling())
    else:
        roots = _recorded(metadata, own) if "groups" in metadata else {Root(), *own.wishes}
        edges = (*graph.root_edges(roots), *graph.edges())
        dangling = (*graph.dangling(), *graph.dangling_roots(roots))
    return Lock(
        project=own.name or project.name,
        format=FORMAT,
        format_version=str(version),
        requires_python=pdm_targets.requires_python(targets) if targets else own.requires_python,
        groups=tuple(sorted(root.name for root in roots if root.kind == "group")),
        extras=tuple(sorted(root.name for root in roots if root.kind == "extra")),
        pins=graph.pins,
        edges=tuple(edge for edge in edges if graph.name_of[edge.pin] not in own.excludes),
        warnings=(*warnings, *_one_platform(metadata), *_borne(dangling, top)),
        environments=pdm_targets.environments(targets),
    )


def _format_version(metadata: Table) -> tuple[Version, tuple[str, ...]]:
    version = metadata.version("lock_version")
    if version.major < _OLDEST.major:
        problem = f"{version} is older than {_OLDEST}, the first one read here"
        raise metadata.error("lock_version", problem, hint="run 'pdm lock'")
    if version.major > _NEWEST.major:
        problem = f"{version} is not known here (newest: {_NEWEST})"
        raise metadata.error("lock_version", problem, hint="is there a newer release that reads it?")
    if version.release[:2] > _NEWEST.release:
        return version, (
            f"{metadata.lock}: lock_version {version} is newer than {_NEWEST}: read as {_NEWEST}",
        )
    return version, ()


def _one_platform(metadata: Table) -> Iterator[str]:
    """Between 4.3 and 4.5 a lock may be for the platform it was made on alone, and does not tell which."""
    if "targets" in metadata:
        return
    cross = "cross_platform" in metadata.texts("strategy") if "strategy" in metadata else None
    if cross is None:
        cross = "cross_platform" not in metadata or metadata.flag("cross_platform")
    if not cross:
        yield (
            f"{metadata.lock}: locked for the platform and the Python of one machine only"
            " (no cross_platform): what other targets need may be missing"
        )


def _recorded(metadata: Table, own: Declared) -> set[Root]:
    """The groups that a lock was made for: a project may have more, which cannot be installed from it."""
    return {own.root(group) for group in metadata.texts("groups")}


def _static_edges(entry: Entry, key: str, own: Declared) -> Iterator[Edge]:
    marker = entry.table.text("marker", "")
    for group in entry.table.texts(key) or ("default",):
        yield from edges_to((entry.key,), own.root(group), marker, entry.table, "marker")


def _borne(dangling: Sequence[LockError], top: Table) -> Iterator[str]:
    """What is missing from a lock: a reason to refuse it, but no more than warnings where it has its end.

    Up to 4.2 ``[metadata]`` stands at the end, and proves that nothing was cut off. Locks from which pdm
    itself lost a package do exist; all but what wants that package can be installed from them.
    """
    if dangling and top.names()[-1] != "metadata":
        raise dangling[0]
    yield from map(str, dangling)


def _in_order(roots: Iterable[Root]) -> Sequence[Root]:
    return sorted(roots, key=lambda root: (root.kind, root.name))


class _Graph:
    """The entries of a lock as a graph. An entry with extras is a node of its own, named by all of them."""

    def __init__(self, found: Sequence[Entry], own: Declared, top: Table) -> None:
        self._entries, self._own, self._top = found, own, top
        self.pins = pins_of(found)
        self.name_of = {pin.key: pin.name for pin in self.pins}
        self._by_name: dict[str, list[Pin]] = {}
        for pin in self.pins:
            self._by_name.setdefault(pin.name, []).append(pin)
        self._extras: dict[str, set[str]] = {}
        self._pythons: dict[str, str] = {}
        for entry in found:
            self._extras.setdefault(entry.key, set()).add(entry.extra)
            self._pythons.setdefault(entry.key, entry.table.text("requires_python", ""))

    def dangling(self) -> Iterator[LockError]:
        """Unconditional dependencies that have no pin and are not the project itself."""
        for entry in self._entries:
            for want in filter(self._missing, entry.dependencies):
                problem = f"{entry.label} needs {want.name}, which is not in the lock"
                place = f"dependencies.{want.name}"
                yield entry.table.error(place, problem, package=entry.label, hint=_WHERE_IT_WENT)

    def dangling_roots(self, roots: Iterable[Root]) -> Iterator[LockError]:
        """Likewise for what the project itself asks for."""
        for root in _in_order(roots):
            for want in filter(self._missing, self._own.wishes.get(root, ())):
                problem = f"pyproject.toml wants {want.name}, which is not in the lock"
                yield self._top.error("package", problem, hint=_WHERE_IT_WENT)

    def _missing(self, want: Wanted) -> bool:
        if not want.name or want.marker or want.name in self._by_name:
            return False
        return want.name not in {*self._own.excludes, self._own.name}

    def root_edges(self, roots: Iterable[Root]) -> Iterator[Edge]:
        """Edges from the project's roots; needs pyproject.toml."""
        if not self._own.present:
            raise LockError(
                f"{self._top.lock}: this lock records no groups, and there is no pyproject.toml beside it",
                lock=self._top.lock,
                hint="keep pyproject.toml next to the lock, or lock with the strategy inherit_metadata",
            )
        for root in _in_order(roots):
            for want in self._own.wishes.get(root, ()):
                yield from self._to(want, root, self._top, "package")

    def edges(self) -> Iterator[Edge]:
        """Edges from each entry; every edge to extras of a pin leads to the pin itself too."""
        for entry in self._entries:
            for want in entry.dependencies:
                yield from self._to(want, Node(entry.key, entry.extra), entry.table, want.name)

    def _to(self, want: Wanted, origin: Root | Node, table: Table, key: str) -> Iterator[Edge]:
        found = matching(want, self._by_name)
        for pin in found:
            marker = self._where(want, pin) if len(found) > 1 else want.marker
            if marker is not None:
                asked = self._asked(want, pin.key)
                yield from edges_to((pin.key,), origin, marker, table, key, asked)

    def _where(self, want: Wanted, pin: Pin) -> str | None:
        """Where a wish leads to one of several versions, locked for several targets; None for nowhere.

        pdm takes one that runs on the Python at hand and satisfies all that ask for it there. The project's
        own wishes are in force always; what else is, a walk alone could tell.
        """
        marker: str | None = both(want.marker, on_python(self._pythons[pin.key]))
        for other in self._own.wishes.get(Root(), ()):
            if other.name == pin.name and self._prefers_another(other, pin):
                marker = None if marker is None else without(marker, other.marker)
        return marker

    def _prefers_another(self, want: Wanted, pin: Pin) -> bool:
        return pin not in matching(want, self._by_name)

    def _asked(self, want: Wanted, pin: str) -> tuple[str, ...]:
        """The nodes that stand for the extras wanted: all together, or those that have one of their own."""
        together = ",".join(want.extras)
        known = self._extras[pin]
        return (together,) if together in known - {""} else tuple(sorted({*want.extras} & known))
