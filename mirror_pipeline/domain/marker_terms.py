"""Markers taken apart into comparisons, and written together again.

A comparison and its opposite (``==`` and ``!=``; of versions ``<`` and ``>=``) are one variable, so that
what markers have in common is seen. The text that is taken apart is the one that ``packaging`` writes (PEP
508, PEP 751).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from packaging.markers import Marker

_TOKEN = re.compile(r'\s*(\(|\)|"[^"]*"|[<>=!~]+|[\w.]+)')
_OPPOSITE = {"==": "!=", "in": "not in", "<": ">=", ">": "<=", "===": "!="}
_ORDERED = {"<": ">=", ">": "<=", ">=": "<", "<=": ">"}
_VERSIONS = {"python_version", "python_full_version", "implementation_version"}
"""What always is a version. Of what is none, neither ``<`` nor ``>=`` need hold: those are no opposites."""
_POSITIVE = {opposite: operator for operator, opposite in _OPPOSITE.items() if operator != "==="}


@dataclass(frozen=True, slots=True, order=True)
class Comparison:
    """One comparison, its operator one of those that stand for themselves and their opposite."""

    left: str
    operator: str
    right: str

    @property
    def orders_no_versions(self) -> bool:
        """Whether it asks which of two texts is the greater one, neither of which need be a version."""
        return self.operator in _ORDERED and not _VERSIONS & {self.left, self.right}

    def text(self, holds: bool) -> str:
        """As a marker: the comparison, or its opposite."""
        operator = self.operator if holds else {**_ORDERED, **_OPPOSITE}[self.operator]
        return f"{self.left} {operator} {self.right}"


class NotAMarkerError(ValueError):
    """A marker that cannot be taken apart."""


@dataclass(frozen=True, slots=True)
class Algebra:
    """How a marker is put together from comparisons: what its ``and``, ``or`` and opposites are."""

    comparison: Callable[[Comparison], int]
    both: Callable[[int, int], int]
    either: Callable[[int, int], int]
    negated: Callable[[int], int]


def evaluated(marker: Marker, algebra: Algebra) -> int:
    """A marker in an algebra."""
    tokens = _Tokens(str(marker))
    value = _alternatives(tokens, algebra)
    if tokens.ahead is not None:
        raise NotAMarkerError(str(marker))
    return value


class _Tokens:
    """The words of a marker, one ahead."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._found = self._split(text)
        self.ahead: str | None = next(self._found, None)

    def _split(self, text: str) -> Iterator[str]:
        at = 0
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is None:
                raise NotAMarkerError(text)
            yield found[1]
            at = found.end()

    def take(self) -> str:
        """The next word."""
        if self.ahead is None:
            raise NotAMarkerError(self._text)
        word, self.ahead = self.ahead, next(self._found, None)
        return word


def _alternatives(tokens: _Tokens, algebra: Algebra) -> int:
    value = _conjunction(tokens, algebra)
    while tokens.ahead == "or":
        tokens.take()
        value = algebra.either(value, _conjunction(tokens, algebra))
    return value


def _conjunction(tokens: _Tokens, algebra: Algebra) -> int:
    value = _single(tokens, algebra)
    while tokens.ahead == "and":
        tokens.take()
        value = algebra.both(value, _single(tokens, algebra))
    return value


def _single(tokens: _Tokens, algebra: Algebra) -> int:
    left = tokens.take()
    if left == "(":
        value = _alternatives(tokens, algebra)
        if tokens.take() != ")":
            raise NotAMarkerError("a bracket is not closed")
        return value
    operator = tokens.take()
    if operator == "not":
        operator = f"not {tokens.take()}"
    return _compared(left, operator, tokens.take(), algebra)


def _compared(left: str, operator: str, right: str, algebra: Algebra) -> int:
    if operator == "~=":  # PEP 440: at least this one, of the same series
        series = right.strip('"').rpartition(".")[0]
        least = _compared(left, ">=", right, algebra)
        return algebra.both(least, _compared(left, "==", f'"{series}.*"', algebra))
    comparison = Comparison(left, operator, right)
    if operator in _OPPOSITE or comparison.orders_no_versions:
        return algebra.comparison(comparison)
    if operator in _POSITIVE:
        return algebra.negated(algebra.comparison(Comparison(left, _POSITIVE[operator], right)))
    raise NotAMarkerError(f"{left} {operator} {right}")
