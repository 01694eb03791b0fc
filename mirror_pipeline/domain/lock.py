"""A lock, whatever tool wrote it: pins, and the edges through which they come to be wanted.

Two kinds of lock exist. Some record for each pin in which groups and under which marker it applies
(poetry 2.1, pdm 4.5, PEP 751): then every edge starts at a root. Others record the dependency graph
(poetry up to 2.0, uv): then edges also lead from pin to pin, and an installer walks them in its own
environment. One model, one walk (``domain.reach``) serves both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from packaging.markers import Marker
from packaging.utils import NormalizedName
from packaging.version import Version

SourceKind = Literal["registry", "url", "git", "path", "directory", "editable", "virtual"]
RootKind = Literal["main", "group", "extra"]


@dataclass(frozen=True, slots=True)
class Source:
    """Where a lock says that a pin comes from. ``url`` is the index, file, repository or path."""

    kind: SourceKind = "registry"
    url: str | None = None

    @property
    def mirrored(self) -> bool:
        """Registry pins and wheels at a URL are mirrored; the rest stays outside the mirror."""
        return self.kind in ("registry", "url")


@dataclass(frozen=True, slots=True)
class LockedFile:
    """A file that a lock accepts for a pin: safe name and SHA-256, size in bytes and URL where it tells."""

    name: str
    sha256: str
    size: int | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Pin:
    """One ``==`` resolution. ``key`` is unique in its lock; name and version need not be."""

    key: str
    name: NormalizedName
    version: Version
    files: tuple[LockedFile, ...]
    source: Source = Source()

    @property
    def label(self) -> str:
        """``name==version``, as requirement lists and people write it."""
        return f"{self.name}=={self.version}"


@dataclass(frozen=True, slots=True)
class Root:
    """Where a selection starts: the project's own dependencies, a group, or an extra of the project."""

    kind: RootKind = "main"
    name: str = ""


@dataclass(frozen=True, slots=True)
class Node:
    """A pin as its dependants ask for it: bare, or for one of its extras (PEP 508)."""

    pin: str
    extra: str = ""


@dataclass(frozen=True, slots=True)
class Edge:
    """``origin`` wants ``pin`` (and those extras of it) where ``marker`` holds; None is everywhere."""

    origin: Root | Node
    pin: str
    extras: tuple[str, ...] = ()
    marker: Marker | None = None

    @property
    def reaches(self) -> tuple[Node, ...]:
        """The nodes that this edge leads to: the pin itself and each extra asked for."""
        return (Node(self.pin), *(Node(self.pin, extra) for extra in self.extras))


@dataclass(frozen=True, slots=True)
class Lock:
    """One parsed lock file. ``requires_python`` is a PEP 440 specifier, '' where the lock has none."""

    project: str
    format: str
    format_version: str
    requires_python: str
    groups: tuple[str, ...]
    extras: tuple[str, ...]
    pins: tuple[Pin, ...]
    edges: tuple[Edge, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Selection:
    """Which pins are wanted: the project's own dependencies always, and these groups and extras."""

    groups: frozenset[str] = frozenset()
    extras: frozenset[str] = frozenset()

    def starts_at(self, root: Root) -> bool:
        """Whether a walk begins at this root."""
        if root.kind == "main":
            return True
        return root.name in (self.groups if root.kind == "group" else self.extras)

    def restricted_to(self, lock: Lock) -> Selection:
        """The part of the selection that a lock knows."""
        return Selection(self.groups & frozenset(lock.groups), self.extras & frozenset(lock.extras))


def everything(lock: Lock) -> Selection:
    """The selection ``all``: every group and every extra."""
    return Selection(frozenset(lock.groups), frozenset(lock.extras))
