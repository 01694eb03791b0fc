"""Which extras and groups of the project exclude each other, as uv refuses to install them together.

``conflicts`` lists sets of items of which one at most may be active. An item need not be the project's own:
two of its extras also exclude each other where one asks for ``lib[cpu]``, the other for ``lib[gpu]``, and
those are in conflict.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations, product

from packaging.utils import canonicalize_name

from mirror_pipeline.domain.lock import Edge, Node, Root, Selection
from mirror_pipeline.lockfiles.table import Table
from mirror_pipeline.lockfiles.uv_names import Item, Names

Conflict = Sequence[Item]


def conflicts_in(top: Table) -> tuple[Conflict, ...]:
    """The lists of items of which one at most is active."""
    found = []
    for number, items in enumerate(top.items("conflicts")):
        place = f"conflicts[{number}]"
        if not isinstance(items, list):
            raise top.error(place, "expected a list of tables")
        found.append(tuple(_item(Table(item, top.lock, f"{place}[{at}]")) for at, item in enumerate(items)))
    return tuple(found)


def _item(table: Table) -> Item:
    package = table.name("package")
    if "extra" in table:
        return Item("extra", package, canonicalize_name(table.text("extra")))
    if "group" in table:
        return Item("group", package, canonicalize_name(table.text("group")))
    return Item("project", package)


def exclusive(
    conflicts: Iterable[Conflict], parts: Sequence[Selection], edges: Sequence[Edge], names: Names
) -> tuple[Selection, ...]:
    """Pairs of selectable parts (each one extra or group) that reach different items of one conflict.

    Markers are not looked at: what is excluded only on some platforms is excluded.
    """
    reached = _Reached(edges, names)
    active = {part: reached.by(part) for part in parts}
    found: dict[Selection, None] = {}
    for conflict in conflicts:
        having = [[part for part, what in active.items() if what.has(item)] for item in conflict]
        for ones, others in combinations(having, 2):
            for mine, theirs in product(ones, others):
                if mine != theirs:
                    found.setdefault(mine | theirs)
    return tuple(found)


@dataclass(frozen=True)
class _Active:
    """What a part of a selection leads to: packages, and names of extras that are in force."""

    part: Selection
    packages: frozenset[str]
    extras: frozenset[str]
    names: Names

    def has(self, item: Item) -> bool:
        if item.kind == "project":
            return item.package in self.packages
        own = self.part.groups if item.kind == "group" else self.part.extras
        if item.package in self.names.roots and item.name in own:
            return True
        return item.kind == "extra" and self.names.written(item)[0] in self.extras


class _Reached:
    """Walks the edges from one part of a selection, wherever they hold."""

    def __init__(self, edges: Sequence[Edge], names: Names) -> None:
        self._names = names
        self._leaving: dict[Root | Node, list[Edge]] = {}
        for edge in edges:
            self._leaving.setdefault(edge.origin, []).append(edge)

    def by(self, part: Selection) -> _Active:
        starts = [root for root in self._leaving if isinstance(root, Root) and root.kind != "main"]
        frontier: list[Root | Node] = [root for root in starts if part.starts_at(root)]
        seen = set(frontier)
        activated: set[str] = set()
        while frontier:
            for edge in self._leaving.get(frontier.pop(), ()):
                activated.update(edge.activates)
                new = [node for node in edge.reaches if node not in seen]
                seen.update(new)
                frontier += new
        # A pin's key begins with its name.
        packages = frozenset(node.pin.partition("==")[0] for node in seen if isinstance(node, Node))
        return _Active(part, packages, frozenset(activated), self._names)
