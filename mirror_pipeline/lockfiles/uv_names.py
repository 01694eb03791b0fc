"""What uv's markers ask of a selection, and how ``domain.lock`` writes it.

Where extras, groups or members of a workspace exclude each other, uv puts into markers which of them are
active: ``extra == 'extra-4-shop-cpu'`` asks for extra ``cpu`` of ``shop`` (the number is the length of the
name), ``group-4-shop-dev`` for a group, ``project-4-shop`` whether ``shop`` is what is installed.

Selected by name are only extras and groups of the root: those become ``"cpu" in extras`` and ``"dev" in
dependency_groups``. Other extras are put in force by the edges that ask for them, under names that no extra
can have: ``"lib[cpu]"``, and ``"lib[]"`` for a root itself. Groups of other packages are never in force.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from packaging.utils import canonicalize_name

from mirror_pipeline.lockfiles.markers import of_the_selection

_ENCODED = re.compile(r"(?P<kind>extra|group|project)-(?P<length>[0-9]{1,4})-(?P<rest>.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Item:
    """Something that can be active: a package, or an extra or a group of it."""

    kind: Literal["project", "extra", "group"]
    package: str
    name: str = ""


def decoded(name: str, owner: str) -> Item:
    """What the name in a marker stands for; a plain one is an extra of the package it is written at."""
    if found := _ENCODED.fullmatch(name):
        length, rest = int(found["length"]), found["rest"]
        package, after = rest[:length], rest[length:]
        if found["kind"] == "project" and package and not after:
            return Item("project", package)
        if found["kind"] != "project" and package and len(after) > 1 and after.startswith("-"):
            return Item("extra" if found["kind"] == "extra" else "group", package, after[1:])
    return Item("extra", owner, canonicalize_name(name))


class Names:
    """How items are written, given the packages that a selection is made of (the roots).

    ``selected`` are the extras and groups that selecting their name puts in force; for uv those without any
    dependency are not. One root's extras are called by their name. Members of a workspace without a root
    share the names in a selection, but not what an edge between them asks for: there each has its own.
    """

    def __init__(self, roots: Iterable[str], selected: Iterable[Item], asked: Iterable[Item]) -> None:
        self.roots = frozenset(roots)
        self._selected = frozenset(selected)
        self._asked = frozenset(asked)

    def written(self, item: Item) -> tuple[str, str]:
        """The name that stands for an item, and the set that it is looked for in."""
        by_name = item in self._selected and (item.kind == "group" or len(self.roots) == 1)
        name = item.name if by_name else f"{item.package}[{item.name}]"
        return name, "dependency_groups" if item.kind == "group" else "extras"

    def marker(self, text: str, owner: str) -> str:
        """A marker of a package's dependency, as ``domain.lock`` has it."""
        return of_the_selection(text, lambda name: self.written(decoded(name, owner)))

    def activated(self, package: str, extras: Iterable[str]) -> tuple[str, ...]:
        """What an edge to a package puts in force: those extras it asks for that a marker asks about."""
        return self._noted(Item("extra", package, extra) for extra in extras)

    def at_root(self, package: str, extra: str = "") -> tuple[str, ...]:
        """What selecting a root, or an extra of it, puts in force. No edge does the first."""
        item = Item("extra", package, extra) if extra else Item("project", package)
        return self._noted([item]) if item in self._selected or not extra else ()

    def _noted(self, items: Iterable[Item]) -> tuple[str, ...]:
        return tuple(self.written(item)[0] for item in items if item in self._asked)


def asked_in(text: str, owner: str) -> frozenset[Item]:
    """The items that a marker asks for."""
    found: set[Item] = set()

    def note(name: str) -> tuple[str, str]:
        found.add(decoded(name, owner))
        return name, "extras"

    of_the_selection(text, note)
    return frozenset(found)
