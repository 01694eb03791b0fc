"""Under which marker each pin of a selection applies: the walk of ``domain.reach``, done symbolically.

Requirement files and pylock.toml want one marker per pin (PEP 508). For a lock that is a graph, a pin's
marker is the union over all paths that lead to it; poetry-core's marker algebra keeps that readable.
The law that ties both walks together (a test holds it): a pin is reachable in an environment exactly
where its marker evaluates to true there.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from packaging.markers import Marker
from packaging.utils import canonicalize_name

from mirror_pipeline.domain.lock import Lock, Selection
from mirror_pipeline.domain.poetry_core import (
    AnyMarker,
    BaseMarker,
    EmptyMarker,
    intersection,
    parse_marker,
    union,
    where_extra,
)
from mirror_pipeline.domain.reach import ASKS, Graph, Step, graph_of

K = TypeVar("K")
Conditions = Mapping[str, Marker | None]
"""Pin key → marker; None applies everywhere. A pin that never applies has no entry."""

_ON, _OFF = "on", "off"


def pin_conditions(lock: Lock, selection: Selection) -> Conditions:
    """The marker of each pin that a selection can install."""
    graph = graph_of(lock)
    terms = _Terms(graph)
    found: dict[str, BaseMarker] = {}
    for scenario in graph.scenarios(selection):
        for place, condition in _spread_out(graph, scenario, terms).items():
            pin = graph.nodes[place].pin
            found[pin] = union(found[pin], condition) if pin in found else condition
    return {key: to_packaging(marker) for key, marker in found.items() if not marker.is_empty()}


def can_be_joined(marker: Marker) -> bool:
    """Whether the algebra that joins markers understands this one, too: packaging reads a little more."""
    try:
        parse_marker(ASKS.sub(f'extra == "{_ON}"', str(marker)))
    except (ValueError, RecursionError):
        return False
    return True


def to_packaging(marker: BaseMarker) -> Marker | None:
    """The marker as ``packaging`` writes it; None for one that holds everywhere."""
    return None if marker.is_any() else Marker(str(marker))


class _Terms:
    """A graph's markers as poetry-core has them, once what they ask of the selection is known."""

    def __init__(self, graph: Graph) -> None:
        self._texts = tuple("" if marker is None else str(marker) for marker in graph.markers)
        self._asks = graph.asks
        self._answers: dict[tuple[int, str], BaseMarker] = {}

    def resolved(self, place: int, active: _Active) -> BaseMarker:
        """The marker at a place, every term about the selection replaced by when that is in force."""
        text = self._texts[place]
        if self._asks[place]:
            text = ASKS.sub(active.written, text)
        if (place, text) not in self._answers:
            parsed = parse_marker(text) if text else AnyMarker()
            self._answers[place, text] = where_extra(parsed, _ON)
        return self._answers[place, text]


@dataclass
class _Active:
    """What is in force: a selection, and extras that the walk puts in force under a condition."""

    selection: Selection
    extras: dict[str, BaseMarker] = field(default_factory=dict)

    def condition(self, kind: str, name: str) -> BaseMarker:
        chosen = self.selection.extras if kind == "extras" else self.selection.groups
        if name in {canonicalize_name(known) for known in chosen}:
            return AnyMarker()
        return self.extras.get(name, EmptyMarker()) if kind == "extras" else EmptyMarker()

    def written(self, term: re.Match[str]) -> str:
        """A term about the selection as a marker about the environment, or one known to hold or not.

        poetry-core has no word for true and false inside a marker: an extra asked for stands for them.
        """
        condition = self.condition(term["kind"], canonicalize_name(term["name"]))
        condition = condition if term["op"] == "in" else condition.invert()
        if condition.is_any() or condition.is_empty():
            return f'extra == "{_ON if condition.is_any() else _OFF}"'
        return f"({condition})"

    def and_also(self, names: frozenset[str]) -> _Active:
        return _Active(self.selection | Selection(extras=names), self.extras) if names else self


def _spread_out(graph: Graph, scenario: Selection, terms: _Terms) -> Mapping[int, BaseMarker]:
    """Conditions of all nodes, spread again until no extra that the walk puts in force changes any."""
    active = _Active(scenario | graph.lock.always)
    while True:
        conditions, activated = _spread(graph, active, terms)
        grown = [_grow(active.extras, name, condition) for name, condition in activated.items()]
        if not any(grown):
            return conditions


def _spread(
    graph: Graph, active: _Active, terms: _Terms
) -> tuple[Mapping[int, BaseMarker], Mapping[str, BaseMarker]]:
    """The least fixed point, reached because conditions only ever grow."""
    found: dict[int, BaseMarker] = {}
    activated: dict[str, BaseMarker] = {}
    waiting: deque[int] = deque()

    def follow(step: Step, condition: BaseMarker) -> None:
        passed = intersection(condition, terms.resolved(step.marker, active.and_also(step.activates)))
        for name in step.activates:
            _grow(activated, canonicalize_name(name), passed)
        for child in step.reaches:
            if _grow(found, child, passed) and child not in waiting:
                waiting.append(child)

    for step in graph.starting(active.selection):
        follow(step, AnyMarker())
    while waiting:
        place = waiting.popleft()
        for step in graph.steps[place]:
            follow(step, found[place])
    return found, activated


def _grow(found: dict[K, BaseMarker], key: K, condition: BaseMarker) -> bool:
    """Widen a condition; false where it held already."""
    if condition.is_empty():
        return False
    known = found.get(key)
    wider = condition if known is None else union(known, condition)
    if known is not None and (wider == known or known.is_any()):
        return False
    found[key] = wider
    return True
