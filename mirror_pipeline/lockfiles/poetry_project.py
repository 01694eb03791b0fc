"""What a poetry project itself asks for: groups and extras, from pyproject.toml.

Needed to select from locks up to format 2.0, which record no groups. Four ways of writing it are in
use: ``[tool.poetry.dependencies]`` with ``[tool.poetry.extras]``, the old ``dev-dependencies``,
``[tool.poetry.group.*]``, and the standards: ``[project]`` (PEP 621) and ``[dependency-groups]`` (PEP 735).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from packaging.utils import canonicalize_name

from mirror_pipeline.domain.lock import Edge, Pin, Root
from mirror_pipeline.errors import LockError
from mirror_pipeline.lockfiles.edges import edges_to
from mirror_pipeline.lockfiles.poetry_dependency import (
    Wanted,
    by_name,
    matching,
    normalized_extra,
    wanted,
    wanted_requirement,
)
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
    """A project's own wishes, by root; ``present`` is false where there is no pyproject.toml."""

    present: bool = False
    name: str = ""
    wishes: Mapping[Root, tuple[Wanted, ...]] = field(default_factory=dict)

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the dependency groups."""
        return tuple(root.name for root in self.wishes if root.kind == "group")

    @property
    def extras(self) -> tuple[str, ...]:
        """Names of the extras."""
        return tuple(root.name for root in self.wishes if root.kind == "extra")


def declared(project: ProjectFiles, lock_extras: Sequence[str]) -> Declared:
    """Read pyproject.toml where it lies beside the lock."""
    top = project_toml(project)
    if top is None:
        return Declared()
    standard, own = top.table("project"), top.table("tool").table("poetry")
    wishes: dict[Root, list[Wanted]] = {extra: [] for extra in (Root("extra", name) for name in lock_extras)}
    in_groups = _wishes(asked_by_groups(top.table("dependency-groups")))
    for root, want in (*_main(standard, own), *_poetry_groups(own), *in_groups):
        wishes.setdefault(root, []).append(want)
    name = standard.text("name", "") or own.text("name", "")
    return Declared(True, canonicalize_name(name), {root: tuple(items) for root, items in wishes.items()})


def root_edges(declared: Declared, pins: Sequence[Pin], lock: Table) -> Iterator[Edge]:
    """Edges from the project's roots into its lock; needs pyproject.toml."""
    if not declared.present:
        raise LockError(
            f"{lock.lock}: this lock format records no groups, and there is no pyproject.toml beside it",
            lock=lock.lock,
            hint="keep pyproject.toml next to the lock, or lock with poetry 2",
        )
    named = by_name(pins)
    for root, wishes in declared.wishes.items():
        for want in wishes:
            found = (pin.key for pin in matching(want, named))
            yield from edges_to(found, root, want.marker, lock, want.name, want.extras)


def _main(standard: Table, own: Table) -> Iterator[tuple[Root, Wanted]]:
    optional = standard.table("optional-dependencies")
    # As poetry has it, lists that are there but empty leave the word to [tool.poetry].
    filled = standard.texts("dependencies") or ("dependencies" in standard and optional.names())
    if filled and "dependencies" not in standard.texts("dynamic"):
        yield from _wishes(asked_by_main(standard))
    else:
        yield from _poetry_main(own)
    yield from _wishes(asked_by_extras(standard))


def _wishes(asked: Iterable[Asked]) -> Iterator[tuple[Root, Wanted]]:
    for one in asked:
        yield one.root, wanted_requirement(one.text, one.table, one.key)


def _poetry_main(own: Table) -> Iterator[tuple[Root, Wanted]]:
    """``[tool.poetry.dependencies]``: the optional ones belong to the extras that name them."""
    extras = own.table("extras")
    named = {extra: {canonicalize_name(name) for name in extras.texts(extra)} for extra in extras.names()}
    for want in _table_wishes(own.table("dependencies")):
        if not want.optional:
            yield Root(), want
        for extra, names in named.items():
            if want.name in names:
                yield Root("extra", normalized_extra(extra)), want


def _table_wishes(table: Table) -> Iterator[Wanted]:
    for name in table.names():
        if name.lower() != "python":
            yield from wanted(name, table.raw(name), table)


def _poetry_groups(own: Table) -> Iterator[tuple[Root, Wanted]]:
    for want in _table_wishes(own.table("dev-dependencies")):
        yield Root("group", "dev"), want
    groups = own.table("group")
    for name in groups.names():
        for included in _with_includes(name, groups, (), set()):
            for want in _table_wishes(groups.table(included).table("dependencies")):
                yield Root("group", canonicalize_name(name)), want


def _with_includes(name: str, groups: Table, above: tuple[str, ...], done: set[str]) -> Iterable[str]:
    """A group and, depth first, the groups it includes (``include-groups``), each once."""
    if name in above:
        raise groups.error(name, f"group includes itself: {' → '.join((*above, name))}")
    if name not in groups:
        raise groups.error(name, "included, but there is no such group")
    if name in done:
        return
    done.add(name)
    yield name
    for included in groups.table(name).texts("include-groups"):
        yield from _with_includes(included, groups, (*above, name), done)
