"""From settings and locks to what is planned: named groups and extras, and the Pythons of each project."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Literal

from mirror_pipeline.domain.lock import Lock, Selection, everything
from mirror_pipeline.domain.plan import Wanted
from mirror_pipeline.domain.target import Python, known_pythons, supported_pythons
from mirror_pipeline.errors import SettingsError


def selection_of(
    lock: Lock, kind: Literal["prod", "all"], groups: Iterable[str], extras: Iterable[str]
) -> Selection:
    """What is selected from a lock.

    ``prod`` is the main dependencies, widened by the groups and extras named; ``all`` is every group and
    every extra, narrowed to those named where any are.
    """
    named = Selection(frozenset(groups), frozenset(extras))
    if kind == "all":
        whole = everything(lock)
        named = Selection(named.groups or whole.groups, named.extras or whole.extras)
    return lock.known(named)


def refuse_unknown_names(locks: Sequence[Lock], groups: Iterable[str], extras: Iterable[str]) -> None:
    """A named group or extra that no lock knows is a mistake, not an empty wish."""
    for key, names, known in (
        ("MIRROR_GROUPS", groups, {name for lock in locks for name in lock.groups}),
        ("MIRROR_EXTRAS", extras, {name for lock in locks for name in lock.extras}),
    ):
        for name in names:
            if name not in known:
                allowed = ", ".join(sorted(known)) or "none: the lock has no such"
                raise SettingsError(
                    f"{key} names {name!r}, which no lock has: expected {allowed}",
                    key=key,
                    value=name,
                    allowed=sorted(known),
                )


def pythons_of(
    lock: Lock, asked: Sequence[Python], today: date
) -> tuple[tuple[Python, ...], tuple[str, ...]]:
    """The Pythons to mirror for, and a warning for each one asked for that the lock does not allow."""
    if not asked:
        return _default_pythons(lock, today), ()
    allowed = tuple(python for python in asked if python.allowed_by(lock.requires_python))
    left_out = [python for python in asked if python not in allowed]
    if not allowed:
        raise SettingsError(
            f"MIRROR_PYTHONS={','.join(map(str, asked))}: none of them satisfies the requires-python of "
            f"{lock.project} ({lock.requires_python})",
            key="MIRROR_PYTHONS",
            value=",".join(map(str, asked)),
            allowed=lock.requires_python,
        )
    return allowed, tuple(
        f"Python {python} is left out: {lock.project} requires {lock.requires_python}" for python in left_out
    )


def _default_pythons(lock: Lock, today: date) -> tuple[Python, ...]:
    within = tuple(python for python in supported_pythons(today) if python.allowed_by(lock.requires_python))
    if within:
        return within
    past = tuple(python for python in known_pythons() if python.allowed_by(lock.requires_python))
    if past:
        return past[-1:]
    raise SettingsError(
        f"{lock.project} requires Python {lock.requires_python}: no CPython that a mirror can be made for",
        key="MIRROR_PYTHONS",
        allowed=", ".join(map(str, known_pythons())),
    )


def wanted_of(
    lock: Lock, selection: Selection, asked: Sequence[Python], today: date
) -> tuple[Wanted, tuple[str, ...]]:
    """One project's part of the plan, and warnings."""
    pythons, warnings = pythons_of(lock, asked, today)
    return Wanted(lock, selection, pythons), warnings
