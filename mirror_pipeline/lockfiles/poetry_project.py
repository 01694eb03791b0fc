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
    matching,
    normalized_extra,
    wanted,
    wanted_requirement,
)
from mirror_pipeline.lockfiles.project_files import ProjectFiles
from mirror_pipeline.lockfiles.source_text import parse_toml
from mirror_pipeline.lockfiles.table import Table

_PYPROJECT = "pyproject.toml"


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
    content = project.files.get(_PYPROJECT)
    if content is None:
        return Declared()
    path = f"{project.folder}/{_PYPROJECT}" if project.folder else _PYPROJECT
    top = Table(parse_toml(content, path), path)
    standard, own = top.table("project"), top.table("tool").table("poetry")
    wishes: dict[Root, list[Wanted]] = {extra: [] for extra in (Root("extra", name) for name in lock_extras)}
    for root, want in (*_main(standard, own), *_poetry_groups(own), *_standard_groups(top)):
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
    for root, wishes in declared.wishes.items():
        for want in wishes:
            found = (pin.key for pin in matching(want, pins))
            yield from edges_to(found, root, want.marker, lock, want.name, want.extras)


def _main(standard: Table, own: Table) -> Iterator[tuple[Root, Wanted]]:
    optional = standard.table("optional-dependencies")
    # As poetry has it, lists that are there but empty leave the word to [tool.poetry].
    filled = standard.texts("dependencies") or ("dependencies" in standard and optional.names())
    if filled and "dependencies" not in standard.texts("dynamic"):
        for text in standard.texts("dependencies"):
            yield Root(), wanted_requirement(text, standard, "dependencies")
    else:
        yield from _poetry_main(own)
    for extra in optional.names():
        for text in optional.texts(extra):
            yield Root("extra", normalized_extra(extra)), wanted_requirement(text, optional, extra)


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
        for included in _with_includes(name, groups, ()):
            for want in _table_wishes(groups.table(included).table("dependencies")):
                yield Root("group", canonicalize_name(name)), want


def _with_includes(name: str, groups: Table, seen: tuple[str, ...]) -> Iterable[str]:
    """A group and, depth first, the groups it includes (``include-groups``)."""
    if name in seen:
        raise groups.error(name, f"group includes itself: {' → '.join((*seen, name))}")
    if name not in groups:
        raise groups.error(name, "included, but there is no such group")
    yield name
    for included in groups.table(name).texts("include-groups"):
        yield from _with_includes(included, groups, (*seen, name))


def _standard_groups(top: Table) -> Iterator[tuple[Root, Wanted]]:
    groups = top.table("dependency-groups")
    for name in groups.names():
        for text in _group_requirements(name, groups, ()):
            yield Root("group", canonicalize_name(name)), wanted_requirement(text, groups, name)


def _group_requirements(name: str, groups: Table, seen: tuple[str, ...]) -> Iterator[str]:
    """Requirements of a PEP 735 group, includes resolved."""
    by_name = {canonicalize_name(key): key for key in groups.names()}
    key = by_name.get(canonicalize_name(name))
    if key is None:
        raise groups.error(name, "included, but there is no such group")
    if key in seen:
        raise groups.error(name, f"group includes itself: {' → '.join((*seen, key))}")
    for entry in groups.items(key):
        if isinstance(entry, str):
            yield entry
        elif isinstance(entry, Mapping) and isinstance(entry.get("include-group"), str):
            yield from _group_requirements(entry["include-group"], groups, (*seen, key))
        else:
            raise groups.error(key, "expected requirements and include-group tables (PEP 735)")
