"""Boolean functions of numbered variables, each in one form only: ordered decision diagrams (Bryant 1986).

Joining the markers along all the ways to a pin is Boolean algebra. Here two functions are equal exactly
where their numbers are, so that a search for a fixed point knows when it is there, and an expression that
would grow beyond all bounds by rewriting stays as small as its function is.
"""

from __future__ import annotations

from collections.abc import Mapping

FALSE, TRUE = 0, 1

Literal = tuple[int, bool]
"""A variable, and whether it is to be true."""
Product = tuple[Literal, ...]
"""What has to hold together; an empty one always holds."""

_NO_VARIABLE = 1 << 60


class Logic:
    """Functions are numbers: ``FALSE``, ``TRUE``, and what the methods return."""

    def __init__(self) -> None:
        # A node: its variable, the function where that is false, and where it is true.
        self._nodes: list[tuple[int, int, int]] = [(_NO_VARIABLE, FALSE, FALSE), (_NO_VARIABLE, TRUE, TRUE)]
        self._numbers: dict[tuple[int, int, int], int] = {}
        self._chosen: dict[tuple[int, int, int], int] = {}

    def variable(self, number: int) -> int:
        """The function that is one variable."""
        return self._node(number, FALSE, TRUE)

    def both(self, first: int, second: int) -> int:
        """Conjunction."""
        return self._choose(first, second, FALSE)

    def either(self, first: int, second: int) -> int:
        """Disjunction."""
        return self._choose(first, TRUE, second)

    def negated(self, function: int) -> int:
        """Negation."""
        return self._choose(function, FALSE, TRUE)

    def products(self, function: int) -> tuple[Product, ...]:
        """A disjunction of products that is the function, none of them superfluous (Minato 1992)."""
        found: dict[tuple[int, int], tuple[tuple[Product, ...], int]] = {}
        return self._cover(function, function, found)[0]

    def value(self, function: int, truths: Mapping[int, bool]) -> bool:
        """The function's value; variables that are not given are false."""
        while function > TRUE:
            variable, where_false, where_true = self._nodes[function]
            function = where_true if truths.get(variable, False) else where_false
        return function == TRUE

    def _node(self, variable: int, where_false: int, where_true: int) -> int:
        if where_false == where_true:
            return where_false
        node = (variable, where_false, where_true)
        if node not in self._numbers:
            self._numbers[node] = len(self._nodes)
            self._nodes.append(node)
        return self._numbers[node]

    def _choose(self, condition: int, where_true: int, where_false: int) -> int:
        """``where_true`` where the condition holds, else ``where_false``: every operation is one of these."""
        if condition <= TRUE:
            return where_true if condition else where_false
        if where_true == where_false or (where_true, where_false) == (TRUE, FALSE):
            return where_true if where_true == where_false else condition
        asked = (condition, where_true, where_false)
        answer = self._chosen.get(asked)
        if answer is None:
            top = min(self._nodes[function][0] for function in asked)
            halves = [self._choose(*(self._half(f, top, value) for f in asked)) for value in (False, True)]
            answer = self._chosen[asked] = self._node(top, *halves)
        return answer

    def _half(self, function: int, variable: int, value: bool) -> int:
        """The function where a variable, not below its own first one, has a value."""
        own, where_false, where_true = self._nodes[function]
        if own != variable:
            return function
        return where_true if value else where_false

    def _cover(
        self, lower: int, upper: int, found: dict[tuple[int, int], tuple[tuple[Product, ...], int]]
    ) -> tuple[tuple[Product, ...], int]:
        """Products for some function between two, and that function."""
        if lower == FALSE:
            return (), FALSE
        if upper == TRUE:
            return ((),), TRUE
        if (lower, upper) not in found:
            top = min(self._nodes[lower][0], self._nodes[upper][0])
            low, up = ([self._half(f, top, value) for value in (False, True)] for f in (lower, upper))
            sides = [
                self._cover(self.both(low[side], self.negated(up[1 - side])), up[side], found)
                for side in (0, 1)
            ]
            left = [self.both(low[side], self.negated(sides[side][1])) for side in (0, 1)]
            shared = self._cover(self.either(*left), self.both(*up), found)
            products = tuple(((top, bool(side)), *product) for side in (0, 1) for product in sides[side][0])
            split = self._node(top, sides[0][1], sides[1][1])
            found[lower, upper] = ((*products, *shared[0]), self.either(split, shared[1]))
        return found[lower, upper]
