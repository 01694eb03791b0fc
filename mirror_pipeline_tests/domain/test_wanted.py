"""From settings to what is planned: named groups and extras, and the Pythons of each project."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from packaging.markers import Marker

from mirror_pipeline.domain.lock import Lock, Selection
from mirror_pipeline.domain.target import Python
from mirror_pipeline.domain.wanted import (
    environments_warnings,
    pythons_of,
    refuse_unknown_names,
    selection_of,
    wanted_of,
)
from mirror_pipeline.errors import INPUT_IS_WRONG, LockError, SettingsError
from mirror_pipeline_tests.locks import lock_of, pin

TODAY = date(2026, 11, 15)
LOCK = lock_of(pin("a"), groups=["dev", "docs"], extras=["fast", "slow"])


def needing(requires_python: str) -> Lock:
    return lock_of(pin("a"), requires_python=requires_python)


def names(pythons: tuple[Python, ...]) -> str:
    return " ".join(map(str, pythons))


def chosen(groups: str = "", extras: str = "") -> Selection:
    return Selection(frozenset(groups.split()), frozenset(extras.split()))


@pytest.mark.parametrize(
    ("groups", "extras", "selection"),
    [
        ("", "", chosen()),
        ("dev", "", chosen("dev")),
        ("", "fast", chosen("", "fast")),
        ("dev other", "fast other", chosen("dev", "fast")),
    ],
)
def test_prod_is_widened_by_names(groups: str, extras: str, selection: Selection) -> None:
    assert selection_of(LOCK, "prod", groups.split(), extras.split()) == selection


@pytest.mark.parametrize(
    ("groups", "extras", "selection"),
    [
        ("", "", chosen("dev docs", "fast slow")),
        ("dev", "", chosen("dev", "fast slow")),
        ("", "fast", chosen("dev docs", "fast")),
        ("dev other", "slow", chosen("dev", "slow")),
        ("other", "", chosen("", "fast slow")),
    ],
)
def test_all_is_narrowed_by_names(groups: str, extras: str, selection: Selection) -> None:
    assert selection_of(LOCK, "all", groups.split(), extras.split()) == selection


def test_names_that_some_lock_has_are_accepted() -> None:
    other = lock_of(pin("b"), groups=["lint"], extras=["gui"])
    with pytest.raises(SettingsError):
        refuse_unknown_names([LOCK], ["dev", "lint"], ["gui"])
    refuse_unknown_names([LOCK, other], ["dev", "lint"], ["gui", "fast"])


@pytest.mark.parametrize(
    ("groups", "extras", "key", "value", "allowed"),
    [
        (["test"], [], "MIRROR_GROUPS", "test", ["dev", "docs"]),
        ([], ["fast", "gui"], "MIRROR_EXTRAS", "gui", ["fast", "slow"]),
        (["fast"], [], "MIRROR_GROUPS", "fast", ["dev", "docs"]),
    ],
)
def test_a_name_that_no_lock_has_is_refused(
    groups: list[str], extras: list[str], key: str, value: str, allowed: list[str]
) -> None:
    with pytest.raises(SettingsError, match=f"{key} names '{value}'.*{', '.join(allowed)}") as caught:
        refuse_unknown_names([LOCK], groups, extras)
    assert caught.value.facts == {"key": key, "value": value, "allowed": allowed}


def test_where_no_lock_has_groups_the_refusal_says_so() -> None:
    with pytest.raises(SettingsError, match="none: the lock has no such"):
        refuse_unknown_names([lock_of()], ["dev"], [])


@pytest.mark.parametrize(
    ("requires_python", "expected"),
    [
        ("", "3.11 3.12 3.13 3.14"),
        (">=3.12", "3.12 3.13 3.14"),
        (">=3.9,<3.12", "3.11"),
        (">=3.8,<3.10", "3.9"),
        ("<3.9", "3.8"),
        ("==3.12.4", "3.12"),
    ],
)
def test_without_a_wish_it_is_every_supported_python_or_the_newest_there_is(
    requires_python: str, expected: str
) -> None:
    pythons, _ = pythons_of(needing(requires_python), (), TODAY)
    assert names(pythons) == expected


WANTED_ONE = "past its end of life (MIRROR_PYTHONS names it if it is wanted)"
WANTED_SOME = "past their end of life (MIRROR_PYTHONS names them if they are wanted)"


@pytest.mark.parametrize(
    ("requires_python", "warning"),
    [
        (">=3.10", f"Python 3.10 is left out: {WANTED_ONE}"),
        (">=3.9", f"Python 3.9, 3.10 are left out: {WANTED_SOME}"),
        (">=3.9,<3.13,!=3.9.7", f"Python 3.9, 3.10 are left out: {WANTED_SOME}"),
        (">3.9.1", f"Python 3.9, 3.10 are left out: {WANTED_SOME}"),
        ("~=3.9", f"Python 3.9, 3.10 are left out: {WANTED_SOME}"),
        (">=3", f"Python 3.8, 3.9, 3.10 are left out: {WANTED_SOME}"),
        (">=3.8,<3.10", f"Python 3.8 is left out: {WANTED_ONE}"),
    ],
)
def test_pythons_past_their_end_of_life_are_left_out_with_a_warning(
    requires_python: str, warning: str
) -> None:
    assert pythons_of(needing(requires_python), (), TODAY)[1] == (warning,)


@pytest.mark.parametrize(
    "requires_python",
    ["", "<3.13", "!=3.9.*", "<=3.12,!=3.11.1", ">=3.11", "==3.12.*", "==3.9.*", "~=3.12.1"],
)
def test_there_is_no_warning_where_the_lock_does_not_say_from_which_python_on_or_nothing_is_left_out(
    requires_python: str,
) -> None:
    assert pythons_of(needing(requires_python), (), TODAY)[1] == ()


def test_whoever_names_pythons_is_not_told_of_others() -> None:
    assert pythons_of(needing(">=3.9"), (Python(9), Python(12)), TODAY)[1] == ()


def test_in_later_years_other_pythons_are_meant() -> None:
    assert names(pythons_of(needing(""), (), date(2024, 1, 1))[0]) == "3.8 3.9 3.10 3.11 3.12 3.13 3.14"
    assert names(pythons_of(needing(""), (), date(2035, 1, 1))[0]) == "3.14"


@pytest.mark.parametrize("requires_python", [">=4", "<3", "==2.7.*"])
def test_a_lock_for_no_python_of_ours_is_refused(requires_python: str) -> None:
    with pytest.raises(SettingsError) as caught:
        pythons_of(needing(requires_python), (), TODAY)
    assert requires_python in str(caught.value)
    assert "3.14" in str(caught.value.facts["allowed"])


def test_asked_pythons_outside_the_lock_are_left_out_with_a_warning() -> None:
    asked = (Python(9), Python(12), Python(13, free_threaded=True))
    pythons, warnings = pythons_of(needing(">=3.10"), asked, TODAY)
    assert names(pythons) == "3.12 3.13t"
    assert warnings == ("Python 3.9 is left out: shop requires >=3.10",)


def test_asked_pythons_past_their_end_of_life_are_kept() -> None:
    assert names(pythons_of(needing(">=3.8"), (Python(8),), TODAY)[0]) == "3.8"


def test_asked_pythons_that_are_all_outside_the_lock_are_an_error() -> None:
    with pytest.raises(SettingsError) as caught:
        pythons_of(needing(">=3.12"), (Python(9), Python(10)), TODAY)
    assert caught.value.facts == {"key": "MIRROR_PYTHONS", "value": "3.9,3.10", "allowed": ">=3.12"}


def test_a_project_s_part_of_the_plan() -> None:
    wanted, warnings = wanted_of(LOCK, chosen("dev"), (Python(9), Python(12)), TODAY)
    assert (wanted.lock, wanted.selection, names(wanted.pythons)) == (LOCK, chosen("dev"), "3.12")
    assert len(warnings) == 1


# Environments that a lock was made for.

ALL = ("linux-x86_64", "windows-amd64", "noarch")


def made_for(*markers: str) -> Lock:
    return replace(LOCK, environments=tuple(map(Marker, markers)))


def test_a_lock_for_every_environment_leaves_nothing_out() -> None:
    assert environments_warnings(LOCK, ALL, (Python(12),)) == ()
    everywhere = made_for("sys_platform == 'linux'", "sys_platform == 'win32'")
    assert environments_warnings(everywhere, ALL, (Python(12),)) == ()


def test_a_platform_that_a_lock_was_not_made_for_is_left_out_with_a_warning() -> None:
    lock = made_for("sys_platform == 'linux'", "sys_platform == 'darwin'")
    assert environments_warnings(lock, ALL, (Python(11), Python(12))) == (
        'windows-amd64 is left out: shop was locked for sys_platform == "linux" or sys_platform == "darwin"',
    )


def test_where_some_pythons_only_are_left_out_the_warning_names_them() -> None:
    lock = made_for("sys_platform == 'linux' and python_full_version >= '3.12'", "sys_platform == 'win32'")
    (warning,) = environments_warnings(lock, ALL, (Python(10), Python(11), Python(12)))
    assert warning.startswith("linux-x86_64 with Python 3.10, 3.11 is left out: shop was locked for ")


def test_a_part_of_the_patch_releases_is_enough() -> None:
    lock = made_for("python_full_version >= '3.12.4'")
    assert environments_warnings(lock, ALL, (Python(12),)) == ()


def test_a_lock_that_was_made_for_none_of_the_targets_is_an_error() -> None:
    with pytest.raises(LockError) as caught:
        wanted_of(made_for("sys_platform == 'darwin'"), chosen(), (Python(12),), TODAY, ALL)
    assert caught.value.exit_code == INPUT_IS_WRONG
    assert caught.value.facts == {
        "project": "shop",
        "environments": ['sys_platform == "darwin"'],
        "targets": ["linux-x86_64/3.12", "windows-amd64/3.12"],
    }
    assert "shop was locked for" in str(caught.value)


def test_warnings_of_pythons_and_of_platforms_come_together() -> None:
    asked = (Python(9), Python(12))
    wanted, warnings = wanted_of(made_for("sys_platform == 'linux'"), chosen(), asked, TODAY, ALL)
    assert names(wanted.pythons) == "3.12"
    assert [warning.partition(" is left out")[0] for warning in warnings] == ["Python 3.9", "windows-amd64"]
