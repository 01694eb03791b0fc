"""Boolean functions: judged by their truth tables."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from mirror_pipeline.domain.logic import FALSE, TRUE, Logic

VARIABLES = range(5)

expressions: st.SearchStrategy[object] = st.recursive(
    st.sampled_from([*VARIABLES, True, False]),
    lambda inner: st.tuples(st.just("not"), inner) | st.tuples(st.sampled_from(["and", "or"]), inner, inner),
    max_leaves=12,
)
TABLE = [dict(enumerate(values)) for values in itertools.product((False, True), repeat=len(VARIABLES))]


def meant(expression: object, truths: dict[int, bool]) -> bool:
    """The value by Python's own logic."""
    match expression:
        case bool():
            return expression
        case int():
            return truths[expression]
        case ("not", inner):
            return not meant(inner, truths)
        case ("and", left, right):
            return meant(left, truths) and meant(right, truths)
        case ("or", left, right):
            return meant(left, truths) or meant(right, truths)
    raise AssertionError(expression)


def function(expression: object, logic: Logic) -> int:
    match expression:
        case bool():
            return TRUE if expression else FALSE
        case int():
            return logic.variable(expression)
        case ("not", inner):
            return logic.negated(function(inner, logic))
        case ("and", left, right):
            return logic.both(function(left, logic), function(right, logic))
        case ("or", left, right):
            return logic.either(function(left, logic), function(right, logic))
    raise AssertionError(expression)


def table(of: Callable[[dict[int, bool]], bool]) -> list[bool]:
    return [of(truths) for truths in TABLE]


@given(expressions)
def test_a_function_has_the_values_of_its_expression(expression: object) -> None:
    logic = Logic()
    built = function(expression, logic)
    assert table(lambda truths: logic.value(built, truths)) == table(lambda truths: meant(expression, truths))


@given(expressions, expressions)
def test_functions_are_the_same_number_exactly_where_they_are_equal(first: object, second: object) -> None:
    logic = Logic()
    same = table(lambda truths: meant(first, truths)) == table(lambda truths: meant(second, truths))
    assert (function(first, logic) == function(second, logic)) == same


@given(expressions)
def test_products_are_the_function_and_none_can_be_left_out(expression: object) -> None:
    logic = Logic()
    products = logic.products(function(expression, logic))

    def value(chosen: list[tuple[tuple[int, bool], ...]]) -> list[bool]:
        return table(lambda truths: any(all(truths[v] is t for v, t in product) for product in chosen))

    whole = table(lambda truths: meant(expression, truths))
    assert value(list(products)) == whole
    for left_out in products:
        assert value([product for product in products if product != left_out]) != whole


def test_what_never_holds_has_no_product_and_what_always_holds_an_empty_one() -> None:
    logic = Logic()
    assert logic.products(FALSE) == ()
    assert logic.products(TRUE) == ((),)


def test_a_function_of_many_variables_stays_small() -> None:
    """Rewriting this one by distribution makes a million products."""
    logic = Logic()
    built = TRUE
    for number in range(0, 40, 2):
        built = logic.both(built, logic.either(logic.variable(number), logic.variable(number + 1)))
    assert logic.value(built, dict.fromkeys(range(0, 40, 2), True))
    assert not logic.value(built, dict.fromkeys(range(2, 40, 2), True))
