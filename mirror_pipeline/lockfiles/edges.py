"""Edges from dependencies as tools write them: a marker's ``extra`` gets the meaning it has there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mirror_pipeline.domain.lock import Edge, Node, Root
from mirror_pipeline.lockfiles.markers import of_the_selection, parse_marker, with_extra
from mirror_pipeline.lockfiles.table import Table


def edges_to(
    pins: Iterable[str],
    origin: Root | Node,
    marker: str,
    table: Table,
    key: str,
    extras: tuple[str, ...] = (),
) -> Iterator[Edge]:
    """Edges from one origin to pins (their keys) where a marker holds; none where it never does.

    At a root ``extra`` asks what is selected of the project; at a pin, for which extra it is wanted.
    """
    if isinstance(origin, Root):
        text: str | None = of_the_selection(marker)
    else:
        text = with_extra(marker, origin.extra)
    if text is not None:
        parsed = parse_marker(text, table, key)
        yield from (Edge(origin, pin, extras, parsed) for pin in pins)
