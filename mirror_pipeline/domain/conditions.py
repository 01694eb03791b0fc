"""Under which marker each pin of a selection applies: the walk of ``domain.reach``, done symbolically.

Requirement files and pylock.toml want one marker per pin (PEP 508). For a lock that is a graph, a pin's
marker is the union over all ways that lead to it. It is worked out as a Boolean function of comparisons
(``domain.marker_functions``), then written as a marker again.
The law that ties both walks together (a test holds it): a pin is reachable in an environment exactly
where its marker evaluates to true there.

Where extras or groups exclude each other, no installer takes all of a selection. Then markers can ask what is
taken of it instead (PEP 751): a pin's marker then holds exactly where an installer that takes those gets it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from packaging.markers import Marker
from packaging.utils import canonicalize_name

from mirror_pipeline.domain.lock import Lock, Root, Selection
from mirror_pipeline.domain.logic import FALSE, TRUE, Logic
from mirror_pipeline.domain.marker_functions import ASKED_SETS, Functions
from mirror_pipeline.domain.marker_terms import Algebra, Comparison, evaluated
from mirror_pipeline.domain.reach import Graph, Step, graph_of, normalized
from mirror_pipeline.domain.scenarios import offered
from mirror_pipeline.errors import LockError

K = TypeVar("K")
Conditions = Mapping[str, Marker | None]
"""Pin key → marker; None applies everywhere. A pin that never applies has no entry."""


def pin_conditions(lock: Lock, selection: Selection) -> Conditions:
    """The marker of each pin that a selection can install."""
    return _written(lock, lambda graph, terms: _all_conditions(graph, selection, terms))


def asking_conditions(lock: Lock, selection: Selection) -> Conditions:
    """Markers that ask for the extras and groups of a selection (PEP 751), where some exclude each other.

    Whatever is asked for of the selection, a pin's marker holds where an installer that takes just that
    wants the pin. A selection that can be installed as a whole is taken as a whole: ``pin_conditions``.
    """
    choices = offered(lock, selection)
    if not choices:
        return pin_conditions(lock, selection)

    def walk(graph: Graph, terms: _Terms) -> Mapping[str, int]:
        return _by_pin(graph, _spread_out(graph, Selection(), terms, choices), terms)

    return _written(lock, walk)


def _written(lock: Lock, walk: Callable[[Graph, _Terms], Mapping[str, int]]) -> Conditions:
    graph = graph_of(lock)
    terms = _Terms(graph)
    try:
        found = walk(graph, terms)
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
        for pin, condition in _by_pin(graph, _spread_out(graph, scenario, terms), terms).items():
            _grow(found, pin, condition, terms.logic)
    return found


def _by_pin(graph: Graph, places: Mapping[int, int], terms: _Terms) -> Mapping[str, int]:
    """A pin is wanted where it is wanted bare or for any of its extras."""
    found: dict[str, int] = {}
    for place, condition in places.items():
        _grow(found, graph.nodes[place].pin, condition, terms.logic)
    return found


@dataclass
class _Active:
    """What is in force: a selection; and extras and groups under a condition.

    That is being asked for by an installer, or, for extras, being put in force by the walk.
    """

    selection: Selection
    extras: dict[str, int]
    groups: Mapping[str, int]

    def condition(self, asked: str, name: str) -> int:
        """When a group or an extra is in force."""
        chosen = self.selection.extras if asked == "extras" else self.selection.groups
        if name in chosen:
            return TRUE
        return (self.extras if asked == "extras" else self.groups).get(name, FALSE)

    def and_also(self, names: frozenset[str]) -> _Active:
        """The same with these extras in force as well."""
        return replace(self, selection=self.selection | Selection(extras=names)) if names else self


class _Terms(Functions):
    """A graph's markers, what they ask of the selection replaced by when that is in force."""

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self._graph = graph
        self._known: dict[int, int] = {}

    def asked(self, kind: str, names: Iterable[str]) -> dict[str, int]:
        """Extras or groups (normalized), each with the function that an installer is asked for it."""
        return {name: self.variable(Comparison(f'"{name}"', "in", kind)) for name in sorted(names)}

    def resolved(self, place: int, active: _Active) -> int:
        """The marker at a place, every term about the selection replaced by when that is in force."""
        marker = self._graph.markers[place]
        if marker is None:
            return TRUE
        if self._graph.asks[place]:
            return self.function(marker, lambda found: self._in_force(found, active))
        if place not in self._known:
            self._known[place] = self.function(marker)
        return self._known[place]

    def _in_force(self, found: Comparison, active: _Active) -> int:
        if found.right in ASKED_SETS:
            return active.condition(found.right, canonicalize_name(found.left.strip('"')))
        return self.variable(found)


def _spread_out(
    graph: Graph,
    scenario: Selection,
    terms: _Terms,
    choices: Selection = Selection(),  # noqa: B008
) -> Mapping[int, int]:
    """Conditions of all nodes, spread again until no extra that the walk puts in force changes any.

    The scenario is in force; of each of the choices the conditions ask whether it is.
    """
    forced, named = scenario | graph.lock.always, normalized(choices)
    extras, groups = terms.asked("extras", named.extras), terms.asked("dependency_groups", named.groups)
    active = _Active(normalized(forced), extras, groups)
    starts = [
        (step, condition)
        for root, steps in graph.starts.items()
        for condition in _begins(root, forced, choices, active)
        for step in steps
    ]
    while True:
        conditions, activated = _spread(graph, starts, active, terms)
        grown = [_grow(active.extras, name, condition, terms.logic) for name, condition in activated.items()]
        if not any(grown):
            return conditions


def _begins(root: Root, forced: Selection, choices: Selection, active: _Active) -> Iterator[int]:
    """When a walk begins at a root; nothing where it never does."""
    if forced.starts_at(root):
        yield TRUE
    elif choices.starts_at(root):
        kind = "extras" if root.kind == "extra" else "dependency_groups"
        yield active.condition(kind, canonicalize_name(root.name))


def _spread(
    graph: Graph, starts: Sequence[tuple[Step, int]], active: _Active, terms: _Terms
) -> tuple[Mapping[int, int], Mapping[str, int]]:
    """The least fixed point, reached because conditions only ever grow."""
    found: dict[int, int] = {}
    activated: dict[str, int] = {}
    waiting: deque[int] = deque()
    queued: set[int] = set()  # the same: a queue is slow to search

    def follow(step: Step, condition: int) -> None:
        passed = terms.logic.both(condition, terms.resolved(step.marker, active.and_also(step.activates)))
        for name in step.activates:
            _grow(activated, name, passed, terms.logic)
        for child in step.reaches:
            if _grow(found, child, passed, terms.logic) and child not in queued:
                queued.add(child)
                waiting.append(child)

    for step, condition in starts:
        follow(step, condition)
    while waiting:
        place = waiting.popleft()
        queued.remove(place)
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
