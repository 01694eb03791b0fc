"""Under which marker each pin of a selection applies: the walk of ``domain.reach``, done symbolically.

Requirement files and pylock.toml want one marker per pin (PEP 508). For a lock that is a graph, a pin's
marker is the union over all ways that lead to it. It is worked out as a Boolean function of comparisons
(``domain.logic``), then written as alternatives; poetry-core, which knows what versions and platforms
exclude, shortens what is short enough.
The law that ties both walks together (a test holds it): a pin is reachable in an environment exactly
where its marker evaluates to true there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeVar

from packaging.markers import Marker
from packaging.utils import canonicalize_name

from mirror_pipeline.domain.lock import Lock, Selection
from mirror_pipeline.domain.logic import FALSE, TRUE, Logic, Product
from mirror_pipeline.domain.marker_terms import Algebra, Comparison, evaluated
from mirror_pipeline.domain.poetry_core import parse_marker
from mirror_pipeline.domain.reach import Graph, Step, graph_of, normalized
from mirror_pipeline.errors import LockError

K = TypeVar("K")
Conditions = Mapping[str, Marker | None]
"""Pin key → marker; None applies everywhere. A pin that never applies has no entry."""

_ASKED_SETS = ("extras", "dependency_groups")
# poetry-core's simplification takes time exponential in the number of alternatives.
_SHORT_ENOUGH = (6, 14)
"""Alternatives, and comparisons in all of them together."""


def pin_conditions(lock: Lock, selection: Selection) -> Conditions:
    """The marker of each pin that a selection can install."""
    graph = graph_of(lock)
    terms = _Terms(graph)
    try:
        found = _all_conditions(graph, selection, terms)
        return {key: marker for key, function in found.items() for marker in terms.written(function)}
    except RecursionError:
        raise LockError(
            f"{lock.project}: its markers differ too much to be written as one marker per package",
            project=lock.project,
        ) from None


def can_be_joined(marker: Marker) -> bool:
    """Whether a marker can be taken apart, joined with others and written on one line of a file.

    packaging reads a little more: quotes within quotes, and line ends of all alphabets.
    """
    logic = Logic()
    if not str(marker).isprintable():
        return False
    try:
        evaluated(marker, Algebra(lambda _comparison: TRUE, logic.both, logic.either, logic.negated))
        Marker(str(marker))
    except (ValueError, RecursionError):
        return False
    return True


def _all_conditions(graph: Graph, selection: Selection, terms: _Terms) -> Mapping[str, int]:
    found: dict[str, int] = {}
    for scenario in graph.scenarios(selection):
        for place, condition in _spread_out(graph, scenario, terms).items():
            pin = graph.nodes[place].pin
            found[pin] = terms.logic.either(found.get(pin, FALSE), condition)
    return found


@dataclass
class _Active:
    """What is in force: a selection, and extras that the walk puts in force under a condition."""

    selection: Selection
    extras: dict[str, int] = field(default_factory=dict)

    def condition(self, asked: str, name: str) -> int:
        """When a group or an extra is in force."""
        chosen = self.selection.extras if asked == "extras" else self.selection.groups
        if name in chosen:
            return TRUE
        return self.extras.get(name, FALSE) if asked == "extras" else FALSE

    def and_also(self, names: frozenset[str]) -> _Active:
        """The same with these extras in force as well."""
        return _Active(self.selection | Selection(extras=names), self.extras) if names else self


class _Terms:
    """A graph's markers as Boolean functions of their comparisons, and functions written as markers again."""

    def __init__(self, graph: Graph) -> None:
        self.logic = Logic()
        self._graph = graph
        self._places: dict[Comparison, int] = {}
        self._comparisons: list[Comparison] = []
        self._known: dict[int, int] = {}

    def resolved(self, place: int, active: _Active) -> int:
        """The marker at a place, every term about the selection replaced by when that is in force."""
        marker = self._graph.markers[place]
        if marker is None:
            return TRUE
        if self._graph.asks[place]:
            return evaluated(marker, self._algebra(active))
        if place not in self._known:
            self._known[place] = evaluated(marker, self._algebra(active))
        return self._known[place]

    def _algebra(self, active: _Active) -> Algebra:
        def comparison(found: Comparison) -> int:
            if found.right in _ASKED_SETS:
                return active.condition(found.right, canonicalize_name(found.left.strip('"')))
            return self._variable(found)

        return Algebra(comparison, self.logic.both, self.logic.either, self.logic.negated)

    def _variable(self, comparison: Comparison) -> int:
        if comparison not in self._places:
            self._places[comparison] = len(self._comparisons)
            self._comparisons.append(comparison)
        return self.logic.variable(self._places[comparison])

    def written(self, function: int) -> Sequence[Marker | None]:
        """The function as one marker; None for one that always holds, nothing for one that never does."""
        products = self.logic.products(function)
        if not products:
            return ()
        used = {self._comparisons[place] for product in products for place, _ in product}
        plain = not any(comparison.orders_no_versions for comparison in used)
        return _short(tuple(sorted(map(self._text, products))), plain)

    def _text(self, product: Product) -> tuple[str, ...]:
        """One alternative, as comparisons in the order of their names."""
        return tuple(sorted(self._comparisons[place].text(holds) for place, holds in product))


@lru_cache(maxsize=4096)
def _short(alternatives: tuple[tuple[str, ...], ...], plain: bool) -> tuple[Marker | None, ...]:
    """Alternatives as one marker, shortened where that is quickly done; nothing where none can hold.

    ``plain``: poetry-core takes one of ``<`` and ``>=`` for true, so that both are asked of versions only.
    """
    text = " or ".join(" and ".join(comparisons) for comparisons in alternatives)
    most, comparisons = _SHORT_ENOUGH
    if not text:
        return (None,)
    if not plain or len(alternatives) > most or sum(map(len, alternatives)) > comparisons:
        return (Marker(text),)
    try:
        shortened = parse_marker(text)
    except ValueError:  # packaging reads a little more than poetry-core
        return (Marker(text),)
    if shortened.is_empty():
        return ()
    return (None if shortened.is_any() else Marker(str(shortened)),)


def _spread_out(graph: Graph, scenario: Selection, terms: _Terms) -> Mapping[int, int]:
    """Conditions of all nodes, spread again until no extra that the walk puts in force changes any."""
    active = _Active(normalized(scenario | graph.lock.always))
    starts = graph.starting(scenario | graph.lock.always)
    while True:
        conditions, activated = _spread(graph, starts, active, terms)
        grown = [_grow(active.extras, name, condition, terms.logic) for name, condition in activated.items()]
        if not any(grown):
            return conditions


def _spread(
    graph: Graph, starts: Sequence[Step], active: _Active, terms: _Terms
) -> tuple[Mapping[int, int], Mapping[str, int]]:
    """The least fixed point, reached because conditions only ever grow."""
    found: dict[int, int] = {}
    activated: dict[str, int] = {}
    waiting: deque[int] = deque()

    def follow(step: Step, condition: int) -> None:
        passed = terms.logic.both(condition, terms.resolved(step.marker, active.and_also(step.activates)))
        for name in step.activates:
            _grow(activated, name, passed, terms.logic)
        for child in step.reaches:
            if _grow(found, child, passed, terms.logic) and child not in waiting:
                waiting.append(child)

    for step in starts:
        follow(step, TRUE)
    while waiting:
        place = waiting.popleft()
        for step in graph.steps[place]:
            follow(step, found[place])
    return found, activated


def _grow(found: dict[K, int], key: K, condition: int, logic: Logic) -> bool:
    """Widen a condition; false where it held already."""
    known = found.get(key, FALSE)
    wider = logic.either(known, condition)
    if wider == known:
        return False
    found[key] = wider
    return True
