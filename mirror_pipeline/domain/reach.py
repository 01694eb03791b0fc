"""Which pins apply in an environment: a walk over a lock's edges, as its installer would walk them.

Markers are evaluated for the target's environment, never for the running interpreter. A lock is made a
``Graph`` once; the walk then goes over small integers, since it is done for every target.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from packaging.markers import Marker
from packaging.utils import canonicalize_name

from mirror_pipeline.domain.lock import Edge, Lock, Node, Pin, Root, Selection
from mirror_pipeline.domain.scenarios import scenarios
from mirror_pipeline.domain.target import Target

ASKS = re.compile(r"""(["'])(?P<name>[^"']*)\1 (?P<op>in|not in) (?P<kind>extras|dependency_groups)\b""")
"""What a marker asks of the selection (``"name" in extras`` and its kin), as packaging writes it out."""

_ALWAYS = 0
"""The place of the marker that holds everywhere."""


@dataclass(frozen=True, slots=True)
class Step:
    """An edge as it is walked: where it leads, under which marker (its place), what it puts in force."""

    reaches: tuple[int, ...]
    marker: int
    activates: frozenset[str]


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """A lock, ready for walking. Nodes and markers are known by their places in ``nodes`` and ``markers``."""

    lock: Lock
    nodes: tuple[Node, ...]
    markers: tuple[Marker | None, ...]
    asks: tuple[Selection, ...]
    """The groups and extras that the marker at a place asks about; nothing for most."""
    starts: Mapping[Root, tuple[Step, ...]]
    steps: tuple[tuple[Step, ...], ...]

    def scenarios(self, selection: Selection) -> tuple[Selection, ...]:
        """The selections that are walked with one by one."""
        absence = any(
            f"not in {name}" in str(marker)
            for marker, asked in zip(self.markers, self.asks, strict=True)
            if asked
            for name in ("extras", "dependency_groups")
        )
        return scenarios(self.lock, selection, asks_for_absence=absence)

    def starting(self, selection: Selection) -> tuple[Step, ...]:
        """The steps that leave the roots of a selection."""
        return tuple(
            step for root, steps in self.starts.items() if selection.starts_at(root) for step in steps
        )


class _Places:
    """Gives each value the place at which it was first seen."""

    def __init__(self) -> None:
        self.nodes: dict[Node, int] = {}
        self.markers: dict[str, int] = {"": _ALWAYS}
        self.kept: list[Marker | None] = [None]
        self._by_identity: dict[int, int] = {}

    def node(self, node: Node) -> int:
        return self.nodes.setdefault(node, len(self.nodes))

    def marker(self, marker: Marker | None) -> int:
        if marker is None:
            return _ALWAYS
        known = self._by_identity.get(id(marker))  # a marker's own hash writes its text out every time
        if known is None:
            text = str(marker)
            if text not in self.markers:
                self.markers[text] = len(self.kept)
                self.kept.append(marker)
            known = self._by_identity[id(marker)] = self.markers[text]
        return known


def graph_of(lock: Lock) -> Graph:
    """A lock's edges, made ready for walking."""
    places = _Places()
    starts: dict[Root, list[Step]] = {}
    steps: dict[int, list[Step]] = {}
    for edge in lock.edges:
        step = _step(edge, places)
        if isinstance(edge.origin, Root):
            starts.setdefault(edge.origin, []).append(step)
        else:
            steps.setdefault(places.node(edge.origin), []).append(step)
    return Graph(
        lock=lock,
        nodes=tuple(places.nodes),
        markers=tuple(places.kept),
        asks=tuple(_asked_by(str(marker)) for marker in places.kept),
        starts={root: tuple(found) for root, found in starts.items()},
        steps=tuple(tuple(steps.get(place, ())) for place in range(len(places.nodes))),
    )


def _step(edge: Edge, places: _Places) -> Step:
    reaches = tuple(places.node(node) for node in edge.reaches)
    return Step(reaches, places.marker(edge.marker), frozenset(map(canonicalize_name, edge.activates)))


def _asked_by(marker: str) -> Selection:
    asked: dict[str, set[str]] = {"extras": set(), "dependency_groups": set()}
    for term in ASKS.finditer(marker):
        asked[term["kind"]].add(canonicalize_name(term["name"]))
    return Selection(frozenset(asked["dependency_groups"]), frozenset(asked["extras"]))


def normalized(selection: Selection) -> Selection:
    """Names as PEP 503 and 685 compare them."""
    return Selection(
        frozenset(map(canonicalize_name, selection.groups)),
        frozenset(map(canonicalize_name, selection.extras)),
    )


class Environment:
    """A graph's markers in one marker environment; remembers what it answered."""

    def __init__(self, graph: Graph, variables: Mapping[str, str]) -> None:
        self._graph, self._variables = graph, dict(variables)
        self._asks = tuple(asked or None for asked in graph.asks)
        self._answers: dict[int | tuple[int, Selection], bool] = {_ALWAYS: True}

    def holds(self, place: int, active: Selection) -> bool:
        """Whether the marker at a place holds with these groups and extras (normalized) in force."""
        asked = self._asks[place]
        key = place if asked is None else (place, active & asked)
        answer = self._answers.get(key)
        if answer is None:
            marker = self._graph.markers[place]
            answer = marker is None or satisfies(marker, self._variables, active)
            self._answers[key] = answer
        return answer


def satisfies(marker: Marker, variables: Mapping[str, str], active: Selection = Selection()) -> bool:  # noqa: B008
    """Whether a marker holds in an environment, with these groups and extras in force (PEP 508, 751)."""
    selected = {"extras": active.extras, "dependency_groups": active.groups}
    return marker.evaluate({**variables, **selected}, context="lock_file")


def reachable(graph: Graph, selection: Selection, variables: Mapping[str, str]) -> frozenset[str]:
    """Keys of the pins that a selection installs in one environment."""
    environment = Environment(graph, variables)
    found: set[int] = set()
    for scenario in graph.scenarios(selection):
        found |= _walked(graph, scenario, environment)
    return frozenset(graph.nodes[place].pin for place in found)


def _walked(graph: Graph, scenario: Selection, environment: Environment) -> set[int]:
    """Walk until no extra that the walk puts in force changes where it leads."""
    active = normalized(scenario | graph.lock.always)
    while True:
        seen, activated = _walk_once(graph, scenario, active, environment)
        wider = active | Selection(extras=frozenset(activated))
        if wider == active:
            return seen
        active = wider


def _walk_once(
    graph: Graph, scenario: Selection, active: Selection, environment: Environment
) -> tuple[set[int], set[str]]:
    seen: set[int] = set()
    activated: set[str] = set()
    frontier = list(graph.starting(scenario | graph.lock.always))
    while frontier:
        step = frontier.pop()
        here = active | Selection(extras=step.activates) if step.activates else active
        if not environment.holds(step.marker, here):
            continue
        activated |= step.activates
        for place in step.reaches:
            if place not in seen:
                seen.add(place)
                frontier.extend(graph.steps[place])
    return seen, activated


def pins_for_target(graph: Graph, selection: Selection, target: Target) -> tuple[Pin, ...]:
    """The pins that apply on a target at either end of its patch range, in the lock's order."""
    keys: frozenset[str] = frozenset().union(
        *(reachable(graph, selection, variables) for variables in _supported(graph.lock, target))
    )
    return tuple(pin for pin in graph.lock.pins if pin.key in keys)


def is_supported(lock: Lock, target: Target) -> bool:
    """Whether a lock was made for a target: within the environments it names, where it names any."""
    return bool(_supported(lock, target))


def _supported(lock: Lock, target: Target) -> tuple[Mapping[str, str], ...]:
    return tuple(
        variables
        for variables in target.environments
        if not lock.environments or any(satisfies(marker, variables) for marker in lock.environments)
    )
