"""What a pyproject.toml says in the words of the standards, whichever tool locks the project.

``[project]`` (PEP 621) has the project's own dependencies and its extras, ``[dependency-groups]`` (PEP 735)
its groups, which may include each other. Requirements are handed on as they are written, each with the place
where it stands: how they are read, and what a tool adds in a table of its own, is the affair of its reader.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from packaging.utils import canonicalize_name

from mirror_pipeline.domain.lock import Root
from mirror_pipeline.lockfiles.project_files import ProjectFiles
from mirror_pipeline.lockfiles.source_text import parse_toml
from mirror_pipeline.lockfiles.table import Table

PYPROJECT = "pyproject.toml"


@dataclass(frozen=True, slots=True)
class Asked:
    """A requirement as it is written, the root that it belongs to, and its place: table and key."""

    root: Root
    text: str
    table: Table
    key: str


def project_toml(project: ProjectFiles) -> Table | None:
    """The pyproject.toml beside a lock, None where there is none."""
    content = project.files.get(PYPROJECT)
    if content is None:
        return None
    path = project.path_of(PYPROJECT)
    return Table(parse_toml(content, path), path)


def asked_by_main(standard: Table) -> Iterator[Asked]:
    """``dependencies`` of ``[project]``."""
    for text in standard.texts("dependencies"):
        yield Asked(Root(), text, standard, "dependencies")


def asked_by_extras(standard: Table) -> Iterator[Asked]:
    """``[project.optional-dependencies]``, by normalized name (PEP 685)."""
    optional = standard.table("optional-dependencies")
    for extra in optional.names():
        for text in optional.texts(extra):
            yield Asked(Root("extra", canonicalize_name(extra)), text, optional, extra)


def asked_by_groups(groups: Table) -> Iterator[Asked]:
    """``[dependency-groups]``, by normalized name, includes resolved."""
    for name in groups.names():
        for text in _group_requirements(name, groups, (), set()):
            yield Asked(Root("group", canonicalize_name(name)), text, groups, name)


def _group_requirements(name: str, groups: Table, above: tuple[str, ...], done: set[str]) -> Iterator[str]:
    """What a group asks for. One that is included in several ways says no more than once."""
    by_name = {canonicalize_name(key): key for key in groups.names()}
    key = by_name.get(canonicalize_name(name))
    if key is None:
        raise groups.error(name, "included, but there is no such group")
    if key in above:
        raise groups.error(name, f"group includes itself: {' → '.join((*above, key))}")
    if key in done:
        return
    done.add(key)
    for entry in groups.items(key):
        if isinstance(entry, str):
            yield entry
        elif isinstance(entry, Mapping) and isinstance(entry.get("include-group"), str):
            yield from _group_requirements(entry["include-group"], groups, (*above, key), done)
        else:
            raise groups.error(key, "expected requirements and include-group tables (PEP 735)")
