"""Which pins apply in an environment: a walk over a lock's edges, as its installer would walk them.

Markers are evaluated for the target's environment, never for the running interpreter. An extra of
the project that guards a root edge (poetry 2.1 writes ``extra == "x"``) is tried alone, one at a time,
and the results are united: that is what one ``install --extras`` after another would give.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from packaging.markers import Marker

from mirror_pipeline.domain.lock import Edge, Lock, Node, Pin, Root, Selection
from mirror_pipeline.domain.target import Target

EdgesByOrigin = Mapping[Root | Node, tuple[Edge, ...]]


class Environment:
    """A marker environment that remembers what it answered: locks repeat few markers often."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = dict(variables)
        self._answers: dict[tuple[Marker, str], bool] = {}

    def satisfies(self, marker: Marker | None, extra: str = "") -> bool:
        """Whether a marker holds here, with ``extra`` as the one extra in force."""
        if marker is None:
            return True
        answer = self._answers.get((marker, extra))
        if answer is None:
            answer = marker.evaluate({**self._variables, "extra": extra})
            self._answers[marker, extra] = answer
        return answer


def edges_by_origin(lock: Lock) -> EdgesByOrigin:
    """A lock's edges, grouped for walking."""
    grouped: dict[Root | Node, list[Edge]] = defaultdict(list)
    for edge in lock.edges:
        grouped[edge.origin].append(edge)
    return {origin: tuple(edges) for origin, edges in grouped.items()}


def reachable(edges: EdgesByOrigin, selection: Selection, environment: Environment) -> frozenset[str]:
    """Keys of the pins that a selection installs in one environment."""
    extras_in_force = ("", *sorted(selection.extras))
    frontier = [
        node
        for root, root_edges in edges.items()
        if isinstance(root, Root) and selection.starts_at(root)
        for edge in root_edges
        if any(environment.satisfies(edge.marker, extra) for extra in extras_in_force)
        for node in edge.reaches
    ]
    seen: set[Node] = set()
    while frontier:
        node = frontier.pop()
        if node not in seen:
            seen.add(node)
            frontier.extend(_next(edges.get(node, ()), node, environment))
    return frozenset(node.pin for node in seen)


def _next(edges: Iterable[Edge], node: Node, environment: Environment) -> Iterable[Node]:
    for edge in edges:
        if environment.satisfies(edge.marker, node.extra):
            yield from edge.reaches


def pins_for_target(
    lock: Lock, edges: EdgesByOrigin, selection: Selection, target: Target
) -> tuple[Pin, ...]:
    """The pins that apply on a target at either end of its patch range, in the lock's order."""
    keys: frozenset[str] = frozenset().union(
        *(reachable(edges, selection, Environment(variables)) for variables in target.environments)
    )
    return tuple(pin for pin in lock.pins if pin.key in keys)
