"""Under which marker each pin of a selection applies: the walk of ``domain.reach``, done symbolically.

Requirement files and pylock.toml want one marker per pin (PEP 508). For a lock that is a graph, a pin's
marker is the union over all paths that lead to it; poetry-core's marker algebra keeps that readable.
The law that ties both walks together (a test holds it): a pin is reachable in an environment exactly
where its marker evaluates to true there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from functools import reduce

from packaging.markers import Marker

from mirror_pipeline.domain.lock import Lock, Node, Root, Selection
from mirror_pipeline.domain.poetry_core import (
    AnyMarker,
    BaseMarker,
    EmptyMarker,
    MarkerUnion,
    MultiMarker,
    intersection,
    parse_marker,
    union,
)
from mirror_pipeline.domain.reach import EdgesByOrigin, edges_by_origin

Conditions = Mapping[str, Marker | None]
"""Pin key → marker; None applies everywhere. A pin that never applies has no entry."""


def pin_conditions(lock: Lock, selection: Selection) -> Conditions:
    """The marker of each pin that a selection can install."""
    edges = edges_by_origin(lock)
    nodes = _spread(_starts(edges, selection), edges)
    found: dict[str, BaseMarker] = {}
    for node, condition in nodes.items():
        found[node.pin] = union(found[node.pin], condition) if node.pin in found else condition
    return {key: to_packaging(marker) for key, marker in found.items() if not marker.is_empty()}


def to_packaging(marker: BaseMarker) -> Marker | None:
    """The marker as ``packaging`` writes it; None for one that holds everywhere."""
    return None if marker.is_any() else Marker(str(marker))


def _starts(edges: EdgesByOrigin, selection: Selection) -> dict[Node, BaseMarker]:
    extras_in_force = ("", *sorted(selection.extras))
    starts: dict[Node, BaseMarker] = {}
    for root, root_edges in edges.items():
        if isinstance(root, Root) and selection.starts_at(root):
            for edge in root_edges:
                marker = _any_of(_resolved(_parsed(edge.marker), extra) for extra in extras_in_force)
                for node in edge.reaches:
                    starts[node] = union(starts[node], marker) if node in starts else marker
    return starts


def _spread(starts: Mapping[Node, BaseMarker], edges: EdgesByOrigin) -> Mapping[Node, BaseMarker]:
    """Conditions of all nodes: the least fixed point, reached because conditions only ever grow."""
    found = dict(starts)
    waiting = deque(starts)
    while waiting:
        node = waiting.popleft()
        for edge in edges.get(node, ()):
            passed = intersection(found[node], _resolved(_parsed(edge.marker), node.extra))
            for child in edge.reaches:
                if _grow(found, child, passed) and child not in waiting:
                    waiting.append(child)
    return found


def _grow(found: dict[Node, BaseMarker], node: Node, condition: BaseMarker) -> bool:
    """Widen a node's condition; false where it held already."""
    if condition.is_empty():
        return False
    known = found.get(node)
    wider = condition if known is None else union(known, condition)
    if known is not None and (wider == known or known.is_any()):
        return False
    found[node] = wider
    return True


def _parsed(marker: Marker | None) -> BaseMarker:
    return AnyMarker() if marker is None else parse_marker(str(marker))


def _any_of(markers: Iterable[BaseMarker]) -> BaseMarker:
    return reduce(union, markers)


def _resolved(marker: BaseMarker, extra: str) -> BaseMarker:
    """The marker with every term about ``extra`` replaced by its truth where ``extra`` is in force."""
    if isinstance(marker, MultiMarker):
        return intersection(*(_resolved(part, extra) for part in marker.markers))
    if isinstance(marker, MarkerUnion):
        return union(*(_resolved(part, extra) for part in marker.markers))
    if getattr(marker, "name", None) == "extra":
        return AnyMarker() if marker.validate({"extra": extra}) else EmptyMarker()
    return marker
