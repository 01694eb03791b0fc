"""Markers as lock files write them, turned into those of ``domain.lock``.

Tools ask for extras with PEP 508's ``extra == "x"``, of the project or of the package that the marker stands
at. Here the first becomes PEP 751's ``"x" in extras``, and the second is resolved when the edge is made.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from packaging.markers import InvalidMarker, Marker, UndefinedComparison, UndefinedEnvironmentName

from mirror_pipeline.domain.conditions import can_be_joined
from mirror_pipeline.domain.poetry_core import parse_marker as parse_poetry_marker
from mirror_pipeline.domain.poetry_core import where_extra
from mirror_pipeline.lockfiles.table import Table

_ASKS = re.compile(
    r"""\bextra\s*(?P<op>==|!=)\s*(?P<q>["'])(?P<name>[^"']*)(?P=q)"""
    r"""|(?P<rq>["'])(?P<rname>[^"']*)(?P=rq)\s*(?P<rop>==|!=)\s*extra\b"""
)


def parse_marker(text: str, table: Table, key: str) -> Marker | None:
    """A marker about an environment and, as PEP 751 has it, about ``extras`` and ``dependency_groups``.

    Empty text holds everywhere and is None. What cannot be evaluated is refused with its place.
    """
    try:
        return _parsed(text.strip())
    except (ValueError, UndefinedComparison, UndefinedEnvironmentName, RecursionError):
        raise table.marker_error(key, text) from None


def checked(text: str, table: Table, key: str) -> str:
    """The text of a marker of PEP 508, refused with its place where it is none."""
    parse_marker(of_the_selection(text), table, key)
    return text


@lru_cache(maxsize=65536)
def _parsed(text: str) -> Marker | None:
    if not text:
        return None
    marker = Marker(text)
    marker.evaluate(context="lock_file")  # that there is an answer is what counts
    if not can_be_joined(marker) or not str(marker).isprintable():  # it becomes a part of one line
        raise InvalidMarker(text)
    return marker


def of_the_selection(
    text: str, rename: Callable[[str], tuple[str, str]] = lambda name: (name, "extras")
) -> str:
    """A marker's text with ``extra == "x"`` written as ``"x" in extras``.

    ``rename`` tells, for tools that write one thing for another, the name and the set to look for it in.
    """

    def replaced(found: re.Match[str]) -> str:
        name, kind = rename(found["name"] if found["name"] is not None else found["rname"])
        return f'"{name}" {"in" if (found["op"] or found["rop"]) == "==" else "not in"} {kind}'

    return _ASKS.sub(replaced, text) if "extra" in text else text


def with_extra(text: str, extra: str) -> str | None:
    """A package's marker with ``extra`` asked of that package; None where it then holds nowhere."""
    if "extra" not in text:
        return text
    marker = where_extra(parse_poetry_marker(text), extra)
    if marker.is_empty():
        return None
    return "" if marker.is_any() else str(marker)
