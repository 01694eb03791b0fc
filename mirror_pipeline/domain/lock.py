"""A lock, whatever tool wrote it: pins, and the edges through which they come to be wanted.

Two kinds of lock exist. Some record for each pin in which groups and under which marker it applies
(poetry 2.1, pdm 4.5, PEP 751): then every edge starts at a root. Others record the dependency graph
(poetry up to 2.0, uv): then edges also lead from pin to pin, and an installer walks them in its own
environment. One model, one walk (``domain.reach``) serves both.

Markers are those of PEP 508 and, as PEP 751 has them, may ask what was selected of the project: ``"cuda" in
extras``, ``"dev" in dependency_groups``. They never use PEP 508's ``extra``: a reader resolves it.
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
    """Where a lock says that a pin comes from. ``url`` is the index, file, repository or path.

    ``also`` are further indexes that the lock allows, after ``url`` (or, where that is None, after the
    configured ones): a pin whose file names are not known yet may be looked for there.
    """

    kind: SourceKind = "registry"
    url: str | None = None
    also: tuple[str, ...] = ()

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
    """One ``==`` resolution. ``key`` is unique in its lock; name and version need not be.

    ``hashes`` are accepted SHA-256 of files whose names the lock does not tell: an upstream page knows
    them (``domain.naming``). ``unhashed`` is true where the lock accepts files without telling their hash.
    ``version`` is 0 where a source outside the mirror has none.
    """

    key: str
    name: NormalizedName
    version: Version
    files: tuple[LockedFile, ...]
    source: Source = Source()
    hashes: tuple[str, ...] = ()
    unhashed: bool = False

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
    """``origin`` wants ``pin`` (and those extras of it) where ``marker`` holds; None is everywhere.

    Who follows the edge also puts ``activates`` in force: names that markers find in ``extras``. uv has
    that for extras that a project asks of itself, or of another member of its workspace.
    """

    origin: Root | Node
    pin: str
    extras: tuple[str, ...] = ()
    marker: Marker | None = None
    activates: tuple[str, ...] = ()

    @property
    def reaches(self) -> tuple[Node, ...]:
        """The nodes that this edge leads to: the pin itself and each extra asked for."""
        return (Node(self.pin), *(Node(self.pin, extra) for extra in self.extras))


@dataclass(frozen=True, slots=True)
class Selection:
    """Which pins are wanted: the project's own dependencies always, and these groups and extras."""

    groups: frozenset[str] = frozenset()
    extras: frozenset[str] = frozenset()

    def __or__(self, other: Selection) -> Selection:
        return Selection(self.groups | other.groups, self.extras | other.extras)

    def __and__(self, other: Selection) -> Selection:
        return Selection(self.groups & other.groups, self.extras & other.extras)

    def __len__(self) -> int:
        return len(self.groups) + len(self.extras)

    @property
    def parts(self) -> tuple[Selection, ...]:
        """Its groups and extras, one at a time."""
        return (
            *(Selection(groups=frozenset({name})) for name in sorted(self.groups)),
            *(Selection(extras=frozenset({name})) for name in sorted(self.extras)),
        )

    def starts_at(self, root: Root) -> bool:
        """Whether a walk begins at this root."""
        if root.kind == "main":
            return True
        return root.name in (self.groups if root.kind == "group" else self.extras)


@dataclass(frozen=True, slots=True)
class Lock:
    """One parsed lock file. ``requires_python`` is a PEP 440 specifier, '' where the lock has none.

    ``always`` is in force whatever is selected (PEP 751's default-groups). Of each set of ``conflicts`` an
    installer takes one at most. ``environments`` are the only ones that the lock was made for; empty is all.
    """

    project: str
    format: str
    format_version: str
    requires_python: str
    groups: tuple[str, ...]
    extras: tuple[str, ...]
    pins: tuple[Pin, ...]
    edges: tuple[Edge, ...]
    warnings: tuple[str, ...] = ()
    always: Selection = Selection()
    conflicts: tuple[Selection, ...] = ()
    environments: tuple[Marker, ...] = ()

    def known(self, selection: Selection) -> Selection:
        """The part of a selection that this lock knows."""
        return selection & everything(self)


def everything(lock: Lock) -> Selection:
    """The selection ``all``: every group and every extra."""
    return Selection(frozenset(lock.groups), frozenset(lock.extras))
