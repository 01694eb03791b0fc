"""What only locks of poetry 0.x and 1.0 need: the condition that a package itself carries.

Their packages have a ``marker`` (before 0.12 ``requirements``), and are installed where that and their
``python-versions`` hold. The installers walked the dependencies as for format 1.1, took of several versions
the newest that the Python in use allowed, and left out what its own marker excludes, with all that only
that led to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from packaging.markers import Marker

from mirror_pipeline.domain.lock import Edge, Node, Pin, Root
from mirror_pipeline.domain.poetry_core import AnyMarker, BaseMarker, EmptyMarker, intersection, parse_marker
from mirror_pipeline.lockfiles.markers import checked
from mirror_pipeline.lockfiles.poetry_dependency import wanted
from mirror_pipeline.lockfiles.table import Table


@dataclass(frozen=True, slots=True)
class Condition:
    """Where a package can be chosen (``python-versions``), and where it is then installed (its marker)."""

    python: BaseMarker
    marker: BaseMarker


def own_condition(package: Table) -> Condition:
    """The condition of one package. Extras in its marker are its dependants' affair: they count as chosen."""
    python = _parsed({"python": package.text("python-versions", "*")}, "python-versions", package)
    requirements = package.table("requirements")
    parts = [
        _parsed({key: requirements.text(key)}, f"requirements.{key}", package) for key in requirements.names()
    ]
    if text := checked(package.text("marker", ""), package, "marker"):
        parts.append(_parsed({"markers": text}, "marker", package))
    return Condition(python, intersection(AnyMarker(), *parts).without_extras())


def _parsed(spec: Mapping[str, Any], key: str, package: Table) -> BaseMarker:
    """What poetry makes of a ``python``, ``platform`` or ``markers`` key; a wish for nothing is never met."""
    wish = next(wanted(key, dict(spec), package), None)
    if wish is None:
        return EmptyMarker()
    return parse_marker(wish.marker) if wish.marker else AnyMarker()


def within(edges: Iterable[Edge], pins: Sequence[Pin], conditions: Mapping[str, Condition]) -> Iterator[Edge]:
    """The edges, each led through the condition of its pin and, of one wish's, away from older versions."""
    by_key = {pin.key: pin for pin in pins}

    def wish(edge: Edge) -> tuple[Root | Node, str, str]:
        return edge.origin, by_key[edge.pin].name, str(edge.marker or "")

    for _, candidates in groupby(edges, wish):
        free: BaseMarker = AnyMarker()
        for edge in sorted(candidates, key=lambda edge: by_key[edge.pin].version, reverse=True):
            condition = conditions[edge.pin]
            yield from narrowed(edge, intersection(free, condition.python, condition.marker))
            free = intersection(free, condition.python.invert())


def narrowed(edge: Edge, condition: BaseMarker) -> Iterator[Edge]:
    """The edge where a condition holds as well; none where that is never."""
    if condition.is_any():
        yield edge
    elif not condition.is_empty():
        marker = Marker(str(condition))
        yield replace(edge, marker=edge.marker & marker if edge.marker else marker)
