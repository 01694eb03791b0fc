"""Conditions per pin, and the law that ties them to the walk: reachable exactly where the marker holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from packaging.markers import Marker

from mirror_pipeline.domain.conditions import asking_conditions, pin_conditions
from mirror_pipeline.domain.lock import Edge, Lock, Node, Root, Selection, everything
from mirror_pipeline.domain.marker_functions import either_of
from mirror_pipeline.domain.reach import graph_of, reachable, satisfies
from mirror_pipeline.domain.target import known_pythons, targets_of
from mirror_pipeline_tests.locks import lock_of, pin, wants

EXTRAS = ("x", "y")
GROUPS = ("dev", "docs")
MARKERS = (
    'sys_platform == "win32"',
    'sys_platform != "darwin"',
    'sys_platform == "linux" or sys_platform == "darwin"',
    'python_version < "3.11"',
    'python_version >= "3.11" and sys_platform == "linux"',
    'python_version == "3.12"',
    'python_version != "3.12"',
    'python_version in "3.10 3.13"',
    'python_full_version < "3.11.4"',
    'python_full_version >= "3.12.1"',
    'platform_machine == "aarch64" or python_version > "3.13"',
    'platform_python_implementation == "PyPy"',
    '"x" in extras',
    '"x" not in extras',
    '"y" in extras and sys_platform == "linux"',
    '"x" in extras or "dev" in dependency_groups',
    '"x" in extras and "y" not in extras or python_version < "3.10"',
    '"dev" not in dependency_groups and sys_platform != "linux"',
)
ENVIRONMENTS = [
    variables
    for target in targets_of(
        ["linux-x86_64", "linux-aarch64", "macos-arm64", "windows-amd64"], known_pythons()
    )
    for variables in target.environments
]

markers = st.none() | st.sampled_from(MARKERS).map(Marker)
extras_of_a_pin = st.lists(st.sampled_from(EXTRAS), unique=True, max_size=2).map(tuple)
roots = (
    st.just(Root())
    | st.sampled_from(GROUPS).map(lambda name: Root("group", name))
    | st.sampled_from(EXTRAS).map(lambda name: Root("extra", name))
)


selections = st.builds(
    Selection,
    st.frozensets(st.sampled_from(GROUPS)),
    st.frozensets(st.sampled_from(EXTRAS)),
)


@st.composite
def locks(draw: st.DrawFn) -> Lock:
    """A lock with every way of wanting: roots of all kinds, extras, circles, markers of every sort."""
    pins = [pin(name) for name in "abcdef"[: draw(st.integers(1, 6))]]
    keys = st.sampled_from([item.key for item in pins])
    nodes = st.builds(Node, keys, st.sampled_from(("", "", *EXTRAS)))
    from_roots = st.lists(st.builds(Edge, roots, keys, extras_of_a_pin, markers), min_size=1, max_size=4)
    activates = st.lists(st.sampled_from(EXTRAS), max_size=1).map(tuple)
    between = st.lists(st.builds(Edge, nodes, keys, extras_of_a_pin, markers, activates), max_size=10)
    lock = lock_of(*pins, edges=[*draw(from_roots), *draw(between)], groups=GROUPS, extras=EXTRAS)
    conflicts = st.lists(selections, max_size=2).map(tuple)
    return replace(lock, always=draw(selections), conflicts=draw(conflicts))


def holds_in(marker: Marker | None, environment: Mapping[str, str]) -> bool:
    return marker is None or satisfies(marker, environment)


@settings(deadline=None, max_examples=120)
@given(locks(), selections)
def test_a_pin_is_reachable_exactly_where_its_condition_holds(lock: Lock, selection: Selection) -> None:
    conditions = pin_conditions(lock, selection)
    graph = graph_of(lock)
    for environment in ENVIRONMENTS:
        holds = {key for key, marker in conditions.items() if holds_in(marker, environment)}
        assert holds == reachable(graph, selection, environment)


@settings(deadline=None, max_examples=40)
@given(locks(), selections)
def test_conditions_ask_for_no_extra(lock: Lock, selection: Selection) -> None:
    texts = [str(marker) for marker in pin_conditions(lock, selection).values()]
    assert not any("extra" in text for text in texts)


@settings(deadline=None, max_examples=120)
@given(locks(), selections, selections)
def test_what_an_installer_asks_for_is_what_the_walk_is_told_to_take(
    lock: Lock, chosen: Selection, taken: Selection
) -> None:
    assume(len(chosen) > 1)
    conflicting = replace(lock, conflicts=(chosen,))
    conditions = asking_conditions(conflicting, chosen)
    taken = taken & chosen
    # What is always in force is walked with as one scenario, whatever excludes what.
    graph = graph_of(replace(lock, always=lock.always | taken, conflicts=()))
    for environment in ENVIRONMENTS:
        holds = {
            key for key, marker in conditions.items() if not marker or satisfies(marker, environment, taken)
        }
        assert holds == reachable(graph, Selection(), environment)


@settings(deadline=None, max_examples=120)
@given(st.lists(markers, min_size=1, max_size=4))
def test_the_union_of_markers_holds_exactly_where_one_of_them_does(united: list[Marker | None]) -> None:
    marker = either_of(united)
    for environment in ENVIRONMENTS:
        for active in (Selection(), *everything(lock_of(groups=GROUPS, extras=EXTRAS)).parts):
            holds = [one is None or satisfies(one, environment, active) for one in united]
            assert (marker is None or satisfies(marker, environment, active)) == any(holds)


@settings(deadline=None, max_examples=40)
@given(locks())
def test_a_wider_selection_loses_nothing(lock: Lock) -> None:
    narrow, wide = pin_conditions(lock, Selection()), pin_conditions(lock, everything(lock))
    for environment in ENVIRONMENTS:
        for key, marker in narrow.items():
            if holds_in(marker, environment):
                assert key in wide
                assert holds_in(wide[key], environment)


def test_conditions_along_a_way_are_joined_and_ways_are_united() -> None:
    a, b, c = pin("a"), pin("b"), pin("c")
    lock = lock_of(
        a,
        b,
        c,
        edges=[
            wants(a, 'sys_platform == "win32"'),
            wants(b, 'sys_platform == "linux"'),
            Edge(Node(a.key), c.key, marker=Marker('python_version < "3.12"')),
            Edge(Node(b.key), c.key),
        ],
    )
    found = {key: str(marker) for key, marker in pin_conditions(lock, Selection()).items()}
    assert found == {
        "a==1.0": 'sys_platform == "win32"',
        "b==1.0": 'sys_platform == "linux"',
        "c==1.0": 'python_version < "3.12" and sys_platform == "win32" or sys_platform == "linux"',
    }


def test_complementary_ways_make_an_unconditional_pin() -> None:
    a, b = pin("a"), pin("b")
    split = [
        wants(a),
        Edge(Node(a.key), b.key, marker=Marker('sys_platform == "win32"')),
        Edge(Node(a.key), b.key, marker=Marker('sys_platform != "win32"')),
    ]
    assert pin_conditions(lock_of(a, b, edges=split), Selection()) == {a.key: None, b.key: None}


def test_a_pin_that_can_never_apply_has_no_condition() -> None:
    a, b = pin("a"), pin("b")
    lock = lock_of(
        a,
        b,
        edges=[
            wants(a, 'sys_platform == "win32"'),
            Edge(Node(a.key), b.key, marker=Marker('sys_platform == "linux"')),
        ],
    )
    assert set(pin_conditions(lock, Selection())) == {a.key}


@pytest.mark.parametrize(
    "text",
    [
        'python_version == "abc"',
        'python_version ~= "3.11"',
        'python_version != "3.11.*"',
        '"linux" in sys_platform',
        'platform_machine not in "x86_64 arm64"',
        'python_version === "3.11"',
        '(os_name == "nt" or sys_platform == "darwin") and python_version >= "3.12"',
    ],
)
@pytest.mark.parametrize("opposite", [False, True])
def test_every_kind_of_comparison_and_its_opposite_survives(text: str, opposite: bool) -> None:
    """An edge that puts an extra in force is asked for by a marker that wants it, or wants it not."""
    a, b = pin("a"), pin("b")
    asks = '"x" not in extras' if opposite else '"x" in extras'
    edges = [
        Edge(Root(), a.key, marker=Marker(text), activates=("x",)),
        Edge(Root(), b.key, marker=Marker(asks)),
    ]
    lock = lock_of(a, b, edges=edges, extras=["x"])
    conditions, graph = pin_conditions(lock, Selection()), graph_of(lock)
    for environment in ENVIRONMENTS:
        holds = {key for key, marker in conditions.items() if holds_in(marker, environment)}
        assert holds == reachable(graph, Selection(), environment)


def test_of_what_is_no_version_both_orders_may_be_false() -> None:
    a = pin("a")
    split = [wants(a, 'platform_release < "5"'), wants(a, 'platform_release >= "5"')]
    lock = lock_of(a, edges=split)
    (marker,) = pin_conditions(lock, Selection()).values()
    assert marker is not None
    assert not satisfies(marker, ENVIRONMENTS[0])
    assert reachable(graph_of(lock), Selection(), ENVIRONMENTS[0]) == frozenset()


def test_many_ways_with_many_markers_take_no_time_to_speak_of() -> None:
    """Rewriting these by distribution did not end within minutes."""
    pins = [pin(f"p{number}") for number in range(24)]
    texts = [f'platform_release {"<" if number % 2 else ">="} "{number}"' for number in range(24)]
    edges = [wants(pins[0])]
    for number, text in enumerate(texts[:-1]):
        for step in (1, 2, 3):
            if number + step < len(pins):
                target = pins[number + step].key
                edges.append(Edge(Node(pins[number].key), target, marker=Marker(text)))
                edges.append(Edge(Node(pins[number].key), target, marker=Marker(texts[number + step])))
    conditions = pin_conditions(lock_of(*pins, edges=edges), Selection())
    assert set(conditions) == {item.key for item in pins}
