"""The walk over a lock's edges: what is installed where, by hand-made examples."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from packaging.markers import Marker

from mirror_pipeline.domain.lock import Edge, Lock, Node, Root, Selection, everything
from mirror_pipeline.domain.reach import Environment, edges_by_origin, pins_for_target, reachable
from mirror_pipeline.domain.target import PLATFORMS, Python, Target
from mirror_pipeline_tests.locks import lock_of, pin, wants

A, B, C, D = pin("a"), pin("b"), pin("c"), pin("d")


def on(
    lock: Lock, selection: Selection, platform: str = "linux-x86_64", python: str = "3.12"
) -> Iterable[str]:
    target = Target(PLATFORMS[platform], Python.parse(python))
    return [found.name for found in pins_for_target(lock, edges_by_origin(lock), selection, target)]


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


def test_a_marker_about_an_extra_sees_the_extra_that_its_pin_was_asked_for() -> None:
    edges = [
        Edge(Root(), A.key, ("fast",)),
        needs("a", "b", 'extra == "fast"', extra="fast"),
        needs("a", "c", 'extra == "fast"'),
    ]
    assert on(lock_of(A, B, C, edges=edges), Selection()) == ["a", "b"]


@pytest.mark.parametrize(
    ("extras", "expected"),
    [((), ["c"]), (("cpu",), ["a", "c"]), (("gpu",), ["b", "c"]), (("cpu", "gpu"), ["a", "b", "c"])],
)
def test_extras_that_exclude_each_other_are_tried_one_at_a_time(
    extras: tuple[str, ...], expected: list[str]
) -> None:
    edges = [
        wants(A, 'extra == "cpu" and extra != "gpu"'),
        wants(B, 'extra == "gpu" and extra != "cpu"'),
        wants(C, 'extra != "cpu"'),
    ]
    lock = lock_of(A, B, C, edges=edges, extras=["cpu", "gpu"])
    assert on(lock, Selection(extras=frozenset(extras))) == expected


def test_extras_are_compared_by_their_normalized_names() -> None:
    lock = lock_of(A, edges=[wants(A, 'extra == "Fast_Path"')], extras=["fast-path"])
    assert on(lock, everything(lock)) == ["a"]
    assert on(lock, Selection()) == []


def test_a_selection_knows_only_what_the_lock_has() -> None:
    lock = lock_of(A, groups=["dev"], extras=["fast"])
    asked = Selection(frozenset({"dev", "docs"}), frozenset({"slow"}))
    assert asked.restricted_to(lock) == Selection(frozenset({"dev"}))
    assert everything(lock).restricted_to(lock) == everything(lock)


def test_an_environment_answers_the_same_again_and_for_each_extra() -> None:
    environment = Environment(Target(PLATFORMS["linux-x86_64"], Python(12)).environments[0])
    marker = Marker('sys_platform == "linux" and extra == "x"')
    assert [environment.satisfies(marker, extra) for extra in ("x", "", "x", "y")] == [
        True,
        False,
        True,
        False,
    ]
    assert environment.satisfies(None)


def test_two_versions_of_a_project_are_two_pins() -> None:
    old, new = pin("a", "1.0"), pin("a", "2.0")
    edges = [wants(old, 'python_version < "3.12"'), wants(new, 'python_version >= "3.12"')]
    lock = lock_of(old, new, edges=edges)
    environment = Environment(Target(PLATFORMS["linux-x86_64"], Python(12)).environments[0])
    assert reachable(edges_by_origin(lock), Selection(), environment) == {"a==2.0"}
