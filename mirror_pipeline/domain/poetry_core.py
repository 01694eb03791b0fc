"""The one door to poetry-core: its marker algebra and its constraint language.

On import poetry-core puts vendored copies of packaging, tomli and others *first* on ``sys.path``, where they
would shadow the installed (and newer, and compiled) ones for the whole process. Here they go last.
"""

from __future__ import annotations

import sys

import packaging.markers  # the installed ones, before poetry-core offers its own
import tomli

# isort: split
import poetry.core

if poetry.core.__vendor_site__ in sys.path:
    sys.path.remove(poetry.core.__vendor_site__)
    sys.path.append(poetry.core.__vendor_site__)

from poetry.core.constraints.version import Version as PoetryVersion
from poetry.core.constraints.version import VersionConstraint
from poetry.core.constraints.version.exceptions import ParseConstraintError
from poetry.core.constraints.version.parser import parse_constraint
from poetry.core.factory import Factory
from poetry.core.version.exceptions import InvalidVersionError
from poetry.core.version.helpers import format_python_constraint
from poetry.core.version.markers import (
    AnyMarker,
    BaseMarker,
    EmptyMarker,
    MarkerUnion,
    MultiMarker,
    intersection,
    parse_marker,
    union,
)

# Its parsers import a vendored library when first used. Do it now: Dagster's workers rebuild sys.path later.
parse_marker('python_version >= "3"')


def where_extra(marker: BaseMarker, extra: str) -> BaseMarker:
    """The marker where ``extra`` is what is asked for: its terms about ``extra`` resolved."""
    if isinstance(marker, MultiMarker):
        return intersection(*(where_extra(part, extra) for part in marker.markers))
    if isinstance(marker, MarkerUnion):
        return union(*(where_extra(part, extra) for part in marker.markers))
    if getattr(marker, "name", None) == "extra":
        return AnyMarker() if marker.validate({"extra": extra}) else EmptyMarker()
    return marker


__all__ = [
    "AnyMarker",
    "BaseMarker",
    "EmptyMarker",
    "Factory",
    "InvalidVersionError",
    "ParseConstraintError",
    "PoetryVersion",
    "VersionConstraint",
    "format_python_constraint",
    "intersection",
    "packaging",
    "parse_constraint",
    "parse_marker",
    "tomli",
    "union",
    "where_extra",
]
