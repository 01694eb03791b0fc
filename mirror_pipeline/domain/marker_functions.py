"""Markers as Boolean functions (``domain.logic``) of their comparisons, and functions written as markers.

A function is written as alternatives; poetry-core, which knows what versions and platforms exclude, shortens
what is short enough. A marker may also ask what is selected (PEP 751).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

from packaging.markers import Marker

from mirror_pipeline.domain.logic import FALSE, Logic, Product
from mirror_pipeline.domain.marker_terms import Algebra, Comparison, evaluated
from mirror_pipeline.domain.poetry_core import parse_marker

ASKED_SETS = ("extras", "dependency_groups")
"""What PEP 751 calls the sets of names that are selected."""
# poetry-core's simplification takes time exponential in the number of alternatives.
_SHORT_ENOUGH = (6, 14)
"""Alternatives, and comparisons in all of them together."""


def either_of(markers: Iterable[Marker | None]) -> Marker | None:
    """The marker that holds exactly where one of these does; None holds everywhere."""
    known = tuple(markers)
    distinct = {str(marker): marker for marker in known if marker is not None}
    if None in known or len(distinct) == 1:
        return None if None in known else next(iter(distinct.values()))
    functions = Functions()
    union = FALSE
    for text in sorted(distinct):
        union = functions.logic.either(union, functions.function(distinct[text]))
    # Where none can hold, nothing is written: then any of them says it.
    return next(iter(functions.written(union)), distinct[min(distinct)])


class Functions:
    """Markers as Boolean functions of their comparisons, and functions written as markers again."""

    def __init__(self) -> None:
        self.logic = Logic()
        self._places: dict[Comparison, int] = {}
        self._comparisons: list[Comparison] = []

    def variable(self, comparison: Comparison) -> int:
        """The function that is one comparison."""
        if comparison not in self._places:
            self._places[comparison] = len(self._comparisons)
            self._comparisons.append(comparison)
        return self.logic.variable(self._places[comparison])

    def function(self, marker: Marker, comparison: Callable[[Comparison], int] | None = None) -> int:
        """A marker's function; ``comparison`` tells that of each of its comparisons."""
        logic = self.logic
        algebra = Algebra(comparison or self.variable, logic.both, logic.either, logic.negated)
        return evaluated(marker, algebra)

    def written(self, function: int) -> Sequence[Marker | None]:
        """The function as one marker; None for one that always holds, nothing for one that never does."""
        products = self.logic.products(function)
        if not products:
            return ()
        used = {self._comparisons[place] for product in products for place, _ in product}
        plain = not any(
            comparison.orders_no_versions or comparison.right in ASKED_SETS for comparison in used
        )
        return _short(tuple(sorted(map(self._text, products))), plain)

    def _text(self, product: Product) -> tuple[str, ...]:
        """One alternative, as comparisons in the order of their names."""
        return tuple(sorted(self._comparisons[place].text(holds) for place, holds in product))


@lru_cache(maxsize=4096)
def _short(alternatives: tuple[tuple[str, ...], ...], plain: bool) -> tuple[Marker | None, ...]:
    """Alternatives as one marker, shortened where that is quickly done; nothing where none can hold.

    ``plain``: poetry-core takes one of ``<`` and ``>=`` for true, so that both are asked of versions only;
    and it knows nothing of what is asked of the selection.
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
