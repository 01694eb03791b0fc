"""The walk over a lock's edges: what is installed where, by hand-made examples."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
from packaging.markers import Marker

from mirror_pipeline.domain.lock import Edge, Lock, Node, Root, Selection, everything
from mirror_pipeline.domain.reach import Environment, graph_of, is_supported, pins_for_target, reachable
from mirror_pipeline.domain.target import PLATFORMS, Python, Target
from mirror_pipeline_tests.locks import lock_of, pin, wants

A, B, C, D = pin("a"), pin("b"), pin("c"), pin("d")
X = Selection(extras=frozenset({"x"}))
LINUX = Target(PLATFORMS["linux-x86_64"], Python(12)).environments[0]


def on(
    lock: Lock, selection: Selection, platform: str = "linux-x86_64", python: str = "3.12"
) -> Iterable[str]:
    target = Target(PLATFORMS[platform], Python.parse(python))
    return [found.name for found in pins_for_target(graph_of(lock), selection, target)]


def needs(
    origin: str, wanted: str, marker: str = "", *, extra: str = "", extras: tuple[str, ...] = ()
) -> Edge:
    return Edge(Node(f"{origin}==1.0", extra), f"{wanted}==1.0", extras, Marker(marker) if marker else None)


def test_what_nothing_leads_to_is_not_wanted() -> None:
    assert on(lock_of(A, B, C, edges=[wants(A), needs("a", "b")]), Selection()) == ["a", "b"]


def test_pins_keep_the_order_of_the_lock() -> None:
    edges = [wants(A), needs("a", "c"), needs("a", "b")]
    assert on(lock_of(C, A, B, edges=edges), Selection()) == ["c", "a", "b"]


def test_dependencies_that_go_in_circles_come_to_an_end() -> None:
    edges = [wants(A), needs("a", "b"), needs("b", "c"), needs("c", "a"), needs("c", "c")]
    assert on(lock_of(A, B, C, edges=edges), Selection()) == ["a", "b", "c"]


def test_a_marker_cuts_off_all_that_lies_behind_it() -> None:
    edges = [wants(A), needs("a", "b", 'sys_platform == "win32"'), needs("b", "c")]
    lock = lock_of(A, B, C, edges=edges)
    assert on(lock, Selection(), "linux-x86_64") == ["a"]
    assert on(lock, Selection(), "windows-amd64") == ["a", "b", "c"]


def test_a_second_way_without_a_marker_counts() -> None:
    edges = [wants(A), wants(D), needs("a", "b", 'sys_platform == "win32"'), needs("d", "b")]
    assert on(lock_of(A, B, D, edges=edges), Selection()) == ["a", "b", "d"]


def test_what_either_end_of_the_patch_range_wants_is_wanted() -> None:
    edges = [
        wants(A, 'python_full_version < "3.11.4"'),
        wants(B, 'python_full_version >= "3.11.4"'),
        wants(C, 'python_version < "3.11"'),
    ]
    assert on(lock_of(A, B, C, edges=edges), Selection(), python="3.11") == ["a", "b"]


def test_groups_and_extras_start_walks_only_where_selected() -> None:
    edges = [wants(A), wants(B, root=Root("group", "dev")), wants(C, root=Root("extra", "dev"))]
    lock = lock_of(A, B, C, edges=edges, groups=["dev"], extras=["dev"])
    assert on(lock, Selection()) == ["a"]
    assert on(lock, Selection(groups=frozenset({"dev"}))) == ["a", "b"]
    assert on(lock, Selection(extras=frozenset({"dev"}))) == ["a", "c"]
    assert on(lock, everything(lock)) == ["a", "b", "c"]


def test_an_extra_of_a_pin_is_followed_only_where_it_is_asked_for() -> None:
    asked = [Edge(Root(), A.key, ("fast",)), needs("a", "b", extra="fast"), needs("a", "c", extra="slow")]
    assert on(lock_of(A, B, C, edges=asked), Selection()) == ["a", "b"]
    assert on(lock_of(A, B, C, edges=[wants(A), *asked[1:]]), Selection()) == ["a"]


def test_an_extra_of_a_pin_brings_the_pin_itself() -> None:
    edges = [Edge(Root(), A.key, ("fast",)), needs("a", "b"), needs("a", "c", extra="fast")]
    assert on(lock_of(A, B, C, edges=edges), Selection()) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("extras", "expected"),
    [((), ["c"]), (("cpu",), ["a", "c"]), (("gpu",), ["b", "c"]), (("cpu", "gpu"), ["a", "b", "c"])],
)
def test_extras_that_exclude_each_other_are_tried_one_at_a_time(
    extras: tuple[str, ...], expected: list[str]
) -> None:
    edges = [
        wants(A, '"cpu" in extras and "gpu" not in extras'),
        wants(B, '"gpu" in extras and "cpu" not in extras'),
        wants(C, '"cpu" not in extras'),
    ]
    lock = lock_of(A, B, C, edges=edges, extras=["cpu", "gpu"])
    assert on(lock, Selection(extras=frozenset(extras))) == expected


def test_extras_are_compared_by_their_normalized_names() -> None:
    lock = lock_of(A, edges=[wants(A, '"Fast_Path" in extras')], extras=["fast-path"])
    assert on(lock, everything(lock)) == ["a"]
    assert on(lock, Selection()) == []


def test_a_selection_knows_only_what_the_lock_has() -> None:
    lock = lock_of(A, groups=["dev"], extras=["fast"])
    asked = Selection(frozenset({"dev", "docs"}), frozenset({"slow"}))
    assert lock.known(asked) == Selection(frozenset({"dev"}))
    assert lock.known(everything(lock)) == everything(lock)


def test_a_graph_in_an_environment_answers_the_same_again_and_for_each_selection() -> None:
    lock = lock_of(A, edges=[wants(A, 'sys_platform == "linux" and "x" in extras')], extras=["x", "y"])
    environment = Environment(graph_of(lock), LINUX)
    asked = (X, Selection(), X, Selection(extras=frozenset({"y"})))
    assert [environment.holds(1, active) for active in asked] == [True, False, True, False]
    assert environment.holds(0, Selection())


def test_extras_that_a_lock_declares_exclusive_are_never_in_force_together() -> None:
    edges = [
        wants(A, '"x" in extras and "y" not in extras'),
        wants(B, '"y" in extras and "x" not in extras'),
        wants(C, '"x" in extras and "y" in extras'),
    ]
    lock = lock_of(A, B, C, edges=edges, extras=["x", "y"])
    whole = everything(lock)
    assert reachable(graph_of(lock), whole, LINUX) == {"a==1.0", "b==1.0", "c==1.0"}
    exclusive = replace(lock, conflicts=(whole,))
    assert reachable(graph_of(exclusive), whole, LINUX) == {"a==1.0", "b==1.0"}


def test_an_edge_puts_extras_in_force_wherever_it_is_met() -> None:
    """What an extra asks of the project itself counts for markers seen before it, too."""
    edges = [
        wants(A, '"y" in extras'),
        wants(B, '"y" not in extras'),
        Edge(Root("extra", "x"), C.key, activates=("y",)),
    ]
    lock = lock_of(A, B, C, edges=edges, extras=["x"])
    assert reachable(graph_of(lock), Selection(), LINUX) == {"b==1.0"}
    assert reachable(graph_of(replace(lock, conflicts=(X,))), X, LINUX) == {"b==1.0", "a==1.0", "c==1.0"}


def test_a_group_that_is_always_in_force_needs_no_selection() -> None:
    lock = lock_of(A, edges=[wants(A, '"default" in dependency_groups')])
    assert reachable(graph_of(lock), Selection(), LINUX) == frozenset()
    always = replace(lock, always=Selection(frozenset({"default"})))
    assert reachable(graph_of(always), Selection(), LINUX) == {"a==1.0"}


def test_a_lock_made_for_some_environments_wants_nothing_elsewhere() -> None:
    lock = replace(lock_of(A), environments=(Marker('sys_platform == "linux"'),))
    linux, windows = (Target(PLATFORMS[name], Python(12)) for name in ("linux-x86_64", "windows-amd64"))
    assert [is_supported(lock, target) for target in (linux, windows)] == [True, False]
    assert pins_for_target(graph_of(lock), Selection(), linux) == (A,)
    assert pins_for_target(graph_of(lock), Selection(), windows) == ()


def test_two_versions_of_a_project_are_two_pins() -> None:
    old, new = pin("a", "1.0"), pin("a", "2.0")
    edges = [wants(old, 'python_version < "3.12"'), wants(new, 'python_version >= "3.12"')]
    lock = lock_of(old, new, edges=edges)
    assert reachable(graph_of(lock), Selection(), LINUX) == {"a==2.0"}
