"""Several versions of one project in a poetry lock of format 1.1 or 2.0: which of them a wish leads to.

Such a lock says of a dependency only what it allows, and an environment gets one version. Two things decide
that without solving again: what the project itself wants there, and which Pythons a version is made for.
Where neither does, all versions stay: one too many can be left alone, one too few cannot be made up for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from mirror_pipeline.domain.lock import Edge, Pin, Root
from mirror_pipeline.domain.poetry_core import AnyMarker, BaseMarker, intersection, parse_marker
from mirror_pipeline.lockfiles.poetry_old import narrowed

_MAIN = Root()
_ASKS_FOR_SELECTION = ("extras", "dependency_groups")


@dataclass(frozen=True, slots=True)
class _Wish:
    """What one dependency leads to: edges from one origin, under one marker, to versions of one project."""

    name: str
    edges: tuple[Edge, ...]

    @property
    def pins(self) -> frozenset[str]:
        return frozenset(edge.pin for edge in self.edges)

    @property
    def marker(self) -> BaseMarker:
        marker = self.edges[0].marker
        return parse_marker(str(marker)) if marker else AnyMarker()

    @property
    def decides(self) -> bool:
        """Whether it is in force for whatever is selected: the project's own, and not only for an extra."""
        edge = self.edges[0]
        return edge.origin == _MAIN and not any(word in str(edge.marker) for word in _ASKS_FOR_SELECTION)


def one_version(
    edges: Iterable[Edge], pins: Sequence[Pin], pythons: Mapping[str, BaseMarker]
) -> Iterator[Edge]:
    """The edges, those to one of several versions led away from where another is taken.

    ``pythons`` tells, for pins (by key) of projects with several versions, which Pythons they are made for.
    """
    by_key = {pin.key: pin for pin in pins}
    wishes = tuple(_wishes(edges, by_key))
    decisions: dict[str, list[_Wish]] = {}
    for wish in wishes:
        if wish.edges[0].pin in pythons and wish.decides:
            decisions.setdefault(wish.name, []).append(wish)
    for wish in wishes:
        if wish.edges[0].pin in pythons:
            yield from _decided(wish, decisions.get(wish.name, ()), by_key, pythons)
        else:
            yield from wish.edges


def _wishes(edges: Iterable[Edge], by_key: Mapping[str, Pin]) -> Iterator[_Wish]:
    def one(edge: Edge) -> tuple[object, ...]:
        return edge.origin, by_key[edge.pin].name, str(edge.marker or "")

    for (_, name, _), alike in groupby(edges, one):
        yield _Wish(str(name), tuple(alike))


def _decided(
    wish: _Wish, decisions: Iterable[_Wish], by_key: Mapping[str, Pin], pythons: Mapping[str, BaseMarker]
) -> Iterator[Edge]:
    others = [other for other in decisions if other.pins != wish.pins]
    allowed = {
        edge.pin: intersection(
            pythons[edge.pin], *(other.marker.invert() for other in others if edge.pin not in other.pins)
        )
        for edge in wish.edges
    }
    for edge in wish.edges:
        newer = (
            allowed[pin].invert()
            for pin in allowed
            if by_key[pin].version > by_key[edge.pin].version and pythons[pin] != pythons[edge.pin]
        )
        yield from narrowed(edge, intersection(allowed[edge.pin], *newer))
