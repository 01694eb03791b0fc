"""What a pdm project itself asks for: its dependencies, extras and groups, from pyproject.toml.

Needed to tell extras from groups, which pdm's locks mix, and to select from the locks that record neither.
Beside the standards (``lockfiles.project_toml``) pdm has ``[tool.pdm.dev-dependencies]``, whose groups are
one with those of ``[dependency-groups]``; in 2021 a list ``[project] dev-dependencies`` was the group dev.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from mirror_pipeline.domain.lock import Root
from mirror_pipeline.lockfiles.pdm_dependency import Wanted, both, wanted
from mirror_pipeline.lockfiles.project_files import ProjectFiles
from mirror_pipeline.lockfiles.project_toml import (
    Asked,
    asked_by_extras,
    asked_by_groups,
    asked_by_main,
    project_toml,
)
from mirror_pipeline.lockfiles.table import Table


@dataclass(frozen=True, slots=True)
class Declared:
    """A project's own wishes, by root; ``present`` is false where there is no pyproject.toml.

    ``excludes`` are projects that pdm is told never to install (``[tool.pdm.resolution]``): locks leave them
    out though packages ask for them.
    """

    present: bool = False
    name: str = ""
    requires_python: str = ""
    wishes: Mapping[Root, tuple[Wanted, ...]] = field(default_factory=dict)
    excludes: frozenset[str] = frozenset()

    def root(self, group: str) -> Root:
        """What pdm calls a group: the project's own dependencies, one of its extras, or a group."""
        name = canonicalize_name(group)
        if name == "default":
            return Root()
        extra = Root("extra", name)
        return extra if extra in self.wishes else Root("group", name)


def declared(project: ProjectFiles) -> Declared:
    """Read pyproject.toml where it lies beside the lock."""
    top = project_toml(project)
    if top is None:
        return Declared()
    standard, own = top.table("project"), top.table("tool").table("pdm")
    asked = (*asked_by_main(standard), *asked_by_extras(standard), *_asked_by_groups(top, standard, own))
    wishes: dict[Root, list[Wanted]] = {Root(): [], **{root: [] for root in _roots(top, standard, own)}}
    for one in asked:
        wishes.setdefault(one.root, []).append(wanted(one.text, one.table, one.key))
    name = canonicalize_name(standard.text("name", ""))
    return Declared(
        present=True,
        name=name,
        requires_python=_requires_python(standard),
        wishes={root: tuple(_followed(wanted_by, wishes, name)) for root, wanted_by in _preferred(wishes)},
        excludes=frozenset(map(canonicalize_name, own.table("resolution").texts("excludes"))),
    )


def _requires_python(standard: Table) -> str:
    text = standard.text("requires-python", "")
    try:
        return str(SpecifierSet(text))
    except InvalidSpecifier:
        raise standard.error("requires-python", f"{text!r} is not a version specifier") from None


def _groups(top: Table, own: Table) -> Table:
    """Groups of both tables, those of one name together: they may include each other."""
    together: dict[str, list[object]] = {}
    for table in (top.table("dependency-groups"), own.table("dev-dependencies")):
        for name in table.names():
            together.setdefault(canonicalize_name(name), []).extend(table.items(name))
    return Table(together, top.lock, "tool.pdm.dev-dependencies" if own.names() else "dependency-groups")


def _roots(top: Table, standard: Table, own: Table) -> Iterator[Root]:
    """Extras and groups by name, also those that ask for nothing."""
    for extra in standard.table("optional-dependencies").names():
        yield Root("extra", canonicalize_name(extra))
    for group in _groups(top, own).names():
        yield Root("group", group)


def _asked_by_groups(top: Table, standard: Table, own: Table) -> Iterator[Asked]:
    yield from asked_by_groups(_groups(top, own))
    for text in standard.texts("dev-dependencies"):
        yield Asked(Root("group", "dev"), text, standard, "dev-dependencies")


def _preferred(wishes: Mapping[Root, Sequence[Wanted]]) -> Iterator[tuple[Root, Sequence[Wanted]]]:
    """Of an extra and a group of one name pdm takes the extra."""
    for root, items in wishes.items():
        if root.kind != "group" or Root("extra", root.name) not in wishes:
            yield root, items


def _followed(
    items: Iterable[Wanted], wishes: Mapping[Root, Sequence[Wanted]], own_name: str
) -> Iterator[Wanted]:
    """Wishes, with those of the extras (or groups: pdm allows it) that are asked of the project itself."""
    waiting = [(want, frozenset[str]()) for want in items]
    met: set[tuple[str, str]] = set()
    while waiting:
        want, asked = waiting.pop(0)
        if want.name != own_name:
            yield want
            continue
        for extra in sorted(set(want.extras) - asked):
            if (extra, want.marker) in met:  # many ways may lead to one extra
                continue
            met.add((extra, want.marker))
            inner = wishes.get(Root("extra", extra), wishes.get(Root("group", extra), ()))
            waiting.extend(
                (replace(one, marker=both(want.marker, one.marker)), asked | {extra}) for one in inner
            )
