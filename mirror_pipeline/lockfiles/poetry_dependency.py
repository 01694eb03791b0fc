"""Dependencies as poetry writes them, in locks and in pyproject.toml: constraint, marker, extras.

poetry-core knows the constraint language (``^1.2``, ``~3``, ``>=1,<2 || >=4``) and turns ``python`` and
``platform`` keys into markers; this module only keeps it from looking at the disk.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import NormalizedName, canonicalize_name

from mirror_pipeline.domain.lock import Pin
from mirror_pipeline.domain.poetry_core import (
    Factory,
    InvalidVersionError,
    ParseConstraintError,
    PoetryVersion,
    VersionConstraint,
    parse_constraint,
)
from mirror_pipeline.lockfiles.markers import checked
from mirror_pipeline.lockfiles.table import Table

DEFAULT_SOURCE = "pypi"
"""The name by which a dependency asks for poetry's own index, which a lock gives no address for."""

# Keys that say where a dependency comes from: the lock's own source table is what counts.
_WHERE = ("path", "git", "url", "file", "branch", "tag", "rev", "develop", "subdirectory", "source")
_NAME_AND_EXTRAS = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[([^\]]*)\])?")


@dataclass(frozen=True, slots=True)
class Wanted:
    """One wish for a project: where the marker holds, a version within the constraint, with extras."""

    name: NormalizedName
    constraint: VersionConstraint
    extras: tuple[str, ...] = ()
    marker: str = ""
    """A marker of PEP 508, empty where it holds everywhere."""
    optional: bool = False
    source: str = ""
    """The index that it is to come from, empty where that is open: its name, later its address."""


def normalized_extra(name: str) -> str:
    """An extra's name as PEP 685 compares them."""
    return canonicalize_name(name)


def wanted(name: str, value: object, table: Table) -> Iterator[Wanted]:
    """Read one entry of a dependency table: a constraint, a table, or a list of either."""
    for entry in value if isinstance(value, list) else [value]:
        if not isinstance(entry, str | Mapping):
            raise table.error(name, "expected a constraint, a table or a list of them")
        yield from _wanted_one(name, entry, table)


def _wanted_one(name: str, entry: str | Mapping[str, Any], table: Table) -> Iterator[Wanted]:
    spec: dict[str, Any] = {"version": entry} if isinstance(entry, str) else dict(entry)
    spec = {key: value for key, value in spec.items() if key not in _WHERE}
    spec.setdefault("version", "*")
    if not isinstance(spec.get("extras", []), list):
        raise table.error(name, "not a dependency: extras are a list")
    try:
        dependency = Factory.create_dependency(name, spec)
    except Exception as error:  # poetry-core lets its parser's own errors through, and asserts
        raise table.error(name, f"not a dependency: {_first_line(error)}") from None
    if dependency.marker.is_empty():
        return
    yield Wanted(
        name=dependency.name,
        constraint=dependency.constraint,
        extras=tuple(sorted(normalized_extra(extra) for extra in dependency.extras)),
        marker="" if dependency.marker.is_any() else checked(str(dependency.marker), table, name),
        optional=dependency.is_optional(),
        source=str(entry.get("source", "")) if isinstance(entry, Mapping) else "",
    )


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)[:200]


def wanted_requirement(text: str, table: Table, key: str) -> Wanted:
    """Read a PEP 508 requirement, as pyproject's ``[project]`` has them."""
    try:
        requirement = Requirement(text)
        constraint = parse_constraint(str(requirement.specifier) or "*")
    except (InvalidRequirement, ParseConstraintError) as error:
        raise table.error(key, f"{text!r} is not a requirement: {error}") from None
    return Wanted(
        name=canonicalize_name(requirement.name),
        constraint=constraint,
        extras=tuple(sorted(normalized_extra(extra) for extra in requirement.extras)),
        marker=checked(str(requirement.marker), table, key) if requirement.marker else "",
    )


def by_name(pins: Iterable[Pin]) -> Mapping[str, Sequence[Pin]]:
    """Pins by the name that a wish has for them, in the lock's order."""
    found: dict[str, list[Pin]] = {}
    for pin in pins:
        found.setdefault(pin.name, []).append(pin)
    return found


def matching(want: Wanted, pins: Mapping[str, Sequence[Pin]]) -> tuple[Pin, ...]:
    """The pins (by name) that a wish leads to: all of that name whose version fits.

    Where none fits (a lock gone stale against its pyproject.toml) all of the name: an installer
    takes what is locked. A source that the wish names decides likewise.
    """
    named = tuple(pins.get(want.name, ()))
    if len(named) < 2:
        return named
    fitting = tuple(pin for pin in named if _fits(want.constraint, pin)) or named
    if not want.source:
        return fitting
    return tuple(pin for pin in fitting if (pin.source.url or DEFAULT_SOURCE) == want.source) or fitting


def _fits(constraint: VersionConstraint, pin: Pin) -> bool:
    try:
        return constraint.allows(PoetryVersion.parse(str(pin.version)))
    except InvalidVersionError:
        return True


def wanted_by_extra(table: Table) -> Mapping[str, Mapping[str, tuple[str, ...]]]:
    """``[package.extras]``: extra → project → the extras asked of it."""
    return {
        normalized_extra(extra): dict(_name_and_extras(entry) for entry in table.texts(extra))
        for extra in table.names()
    }


def _name_and_extras(entry: str) -> tuple[str, tuple[str, ...]]:
    found = _NAME_AND_EXTRAS.match(entry)
    if found is None:
        return "", ()
    extras = (extra.strip() for extra in (found.group(2) or "").split(","))
    return canonicalize_name(found.group(1)), tuple(normalized_extra(extra) for extra in extras if extra)
