"""Dependencies as pdm writes them, in locks and in pyproject.toml: PEP 508, and the lines that pip takes.

Beside ``name[extra]>=1; marker`` there are ``-e file:///…#egg=name``, bare URLs and paths. Locks of 2021 and
2022 repeat what packages of the time declared, so that ``>=3.6.*`` occurs, which PEP 440 does not know.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from mirror_pipeline.domain.lock import Pin
from mirror_pipeline.domain.poetry_core import Factory, parse_marker
from mirror_pipeline.lockfiles.markers import checked
from mirror_pipeline.lockfiles.table import Table

_DIRECT = re.compile(
    r"(?:(?:-e|--editable)[ =]\s*)?(?P<url>[A-Za-z][A-Za-z0-9+.-]*:\S*|\.{0,2}/\S*)(?:\s+;\s*(?P<marker>.+))?"
)
_EGG = re.compile(r"#(?:\S*&)?egg=([A-Za-z0-9._-]+)(?:\[([^\]]*)\])?")
_OLD_WILDCARD = re.compile(r"([<>]=?\s*[0-9][0-9.]*)\.\*")


@dataclass(frozen=True, slots=True)
class Wanted:
    """One wish: a version of ``name`` within the specifier, with extras, where the marker holds.

    ``name`` is empty where a bare URL or path tells none; ``url`` is empty for what an index offers.
    """

    name: str
    specifier: SpecifierSet = field(default_factory=SpecifierSet)
    extras: tuple[str, ...] = ()
    marker: str = ""
    url: str = ""


def wanted(text: str, table: Table, key: str) -> Wanted:
    """Read one line."""
    direct = _DIRECT.fullmatch(text.strip())
    if direct:
        egg = _EGG.search(direct["url"])
        extras = (extra.strip() for extra in ((egg and egg[2]) or "").split(","))
        return Wanted(
            name=canonicalize_name(egg[1]) if egg else "",
            extras=normalized(extra for extra in extras if extra),
            marker=checked(direct["marker"] or "", table, key),
            url=direct["url"],
        )
    try:
        requirement = Requirement(_OLD_WILDCARD.sub(r"\1", text))
    except (InvalidRequirement, RecursionError) as error:
        problem = next(iter(str(error).splitlines()), "nested too deeply")
        raise table.error(key, f"{text!r} is not a requirement: {problem}") from None
    return Wanted(
        name=canonicalize_name(requirement.name),
        specifier=requirement.specifier,
        extras=normalized(requirement.extras),
        marker=checked(str(requirement.marker), table, key) if requirement.marker else "",
        url=requirement.url or "",
    )


def normalized(extras: Iterable[str]) -> tuple[str, ...]:
    """Extras as PEP 685 compares them, sorted."""
    return tuple(sorted({canonicalize_name(extra) for extra in extras}))


def both(one: str, other: str) -> str:
    """The marker that holds where two do; empty holds everywhere."""
    if not one or not other or one == other:
        return one or other
    return f"({one}) and ({other})"


def without(marker: str, other: str) -> str | None:
    """The marker that holds where ``marker`` does and ``other`` does not; None where that is nowhere."""
    if not other:
        return None
    text = both(marker, str(parse_marker(other).invert()))
    return None if parse_marker(text).is_empty() else text


def matching(want: Wanted, pins: Mapping[str, Sequence[Pin]]) -> Sequence[Pin]:
    """The pins (by name) that a wish leads to: all of that name whose version fits.

    Where none fits, all of the name: pdm lets a project override what its packages ask for.
    """
    if not want.name:
        return [pin for named in pins.values() for pin in named if _is_at(pin, want.url)]
    named = pins.get(want.name, ())
    if len(named) < 2:
        return named
    direct = [pin for pin in named if want.url and pin.source.kind != "registry"]
    return direct or [pin for pin in named if want.specifier.contains(pin.version, prereleases=True)] or named


def _is_at(pin: Pin, url: str) -> bool:
    place = (pin.source.url or "").removeprefix("./").rstrip("/")
    return pin.source.kind != "registry" and bool(place) and url.partition("#")[0].rstrip("/").endswith(place)


def on_python(specifier: str) -> str:
    """The marker that holds on the Pythons of a specifier, which may be a union (``<3.9||>=3.10``).

    Empty also where nobody can tell what is meant: what a package of old declared restricts nothing then.
    """
    try:
        dependency = Factory.create_dependency("python", {"version": "*", "python": specifier or "*"})
        return "" if dependency.marker.is_any() else str(dependency.marker)
    except Exception:  # poetry-core lets its parser's own errors through, and asserts
        return ""
