"""Projects of one name are told apart, by what differs at the end of their paths."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirror_pipeline.domain.project_names import distinctly_named, lock_names
from mirror_pipeline_tests.locks import lock_of


def named(*projects: tuple[str, str]) -> list[str]:
    """Names of projects, given as name and path of the lock."""
    locks = [lock_of(project=name) for name, _ in projects]
    return [lock.project for lock in distinctly_named(locks, [path for _, path in projects])]


def test_names_that_differ_are_kept() -> None:
    assert named(("shop", "/a/shop/uv.lock"), ("office", "/a/office/uv.lock")) == ["shop", "office"]
    assert named(("shop", "/a/x/uv.lock")) == ["shop"]
    assert distinctly_named([], []) == ()


def test_names_of_locks_have_no_dots_and_differ_whatever_the_order() -> None:
    locks = [lock_of(project=name) for name in ("a.b", "Shop_1", "a-b")]
    assert lock_names(locks) == ("a-b-2", "shop-1", "a-b")
    assert lock_names(locks[::-1]) == ("a-b", "shop-1", "a-b-2")


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (("/w/api/app/uv.lock", "/w/web/app/uv.lock"), ["app-api", "app-web"]),
        (("/w/app/poetry.lock", "/w/app/uv.lock"), ["app-poetry", "app-uv"]),
        (
            ("/w/app/requirements.txt", "/w/app/requirements-dev.txt"),
            ["app-requirements", "app-requirements-dev"],
        ),
        (("C:\\w\\api\\uv.lock", "C:\\w\\web\\uv.lock"), ["app-api", "app-web"]),
        (("/w/uv.lock", "/uv.lock"), ["app-w", "app-other"]),
        (("/w/a b/uv.lock", "/w/ä/uv.lock"), ["app-a-b", "app-other"]),
        (("/w/uv.lock", "/w/uv.lock"), ["app-other", "app-other-2"]),
    ],
)
def test_one_name_is_told_apart_by_path(paths: tuple[str, ...], names: list[str]) -> None:
    assert named(*(("app", path) for path in paths)) == names


def test_names_depend_neither_on_the_order_nor_on_where_all_of_it_lies() -> None:
    here = [("app", "/w/api/app/uv.lock"), ("app", "/w/web/app/uv.lock"), ("shop", "/w/shop/uv.lock")]
    there = [(name, path.replace("/w/", "/srv/elsewhere/")) for name, path in here]
    assert named(*here) == named(*there) == list(reversed(named(*reversed(here))))


def test_a_name_that_was_there_is_not_taken_away() -> None:
    projects = [("app", "/w/api/uv.lock"), ("app", "/w/web/uv.lock"), ("app-api", "/w/x/uv.lock")]
    assert named(*projects) == ["app-api-2", "app-web", "app-api"]


def test_disks_that_ignore_case_see_different_names_too() -> None:
    assert named(("App", "/w/api/uv.lock"), ("app", "/w/web/uv.lock")) == ["App-api", "app-web"]


projects = st.tuples(
    st.sampled_from(("app", "App", "app-a", "app-b", "shop")),
    st.lists(st.sampled_from(("a", "b", "app", "..", "x y", "ü", ".c")), min_size=1, max_size=4).map(
        "/".join
    ),
)


@settings(deadline=None, max_examples=200)
@given(st.lists(projects, max_size=6))
def test_no_two_projects_ever_share_a_name_and_every_name_is_fit_for_files(
    found: list[tuple[str, str]],
) -> None:
    names = named(*found)
    assert len({name.lower() for name in names}) == len(found)
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", name) for name in names)
