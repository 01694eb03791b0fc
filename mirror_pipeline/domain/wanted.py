"""From settings and locks to what is planned: named groups and extras, and the targets of each project."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Literal

from packaging.specifiers import SpecifierSet

from mirror_pipeline.domain.lock import Lock, Selection, everything
from mirror_pipeline.domain.plan import Wanted
from mirror_pipeline.domain.reach import is_supported
from mirror_pipeline.domain.target import Python, known_pythons, supported_pythons, targets_of
from mirror_pipeline.errors import LockError, SettingsError

_LOWER_BOUNDS = frozenset({">=", ">", "~=", "==", "==="})
"""Operators of PEP 440 that say from which version on."""
_SEVERAL = ("are", "their", "them if they are")


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
    """The Pythons to mirror for, and warnings.

    Those are of Pythons asked for that the lock does not allow, and, where none is asked for, of Pythons that
    it allows and that are past their end of life.
    """
    if not asked:
        pythons = _default_pythons(lock, today)
        return pythons, _past_warnings(lock, pythons)
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


def _past_warnings(lock: Lock, pythons: Sequence[Python]) -> tuple[str, ...]:
    """One for what the defaults leave out. Whoever states no lower bound did not ask for old Pythons."""
    bounds = {specifier.operator for specifier in SpecifierSet(lock.requires_python)}
    if bounds.isdisjoint(_LOWER_BOUNDS):
        return ()
    left_out = [p for p in known_pythons() if p.allowed_by(lock.requires_python) and p not in pythons]
    if not left_out:
        return ()
    are, their, them = ("is", "its", "it if it is") if len(left_out) == 1 else _SEVERAL
    named = f"Python {', '.join(map(str, left_out))}"
    return (f"{named} {are} left out: past {their} end of life (MIRROR_PYTHONS names {them} wanted)",)


def environments_warnings(lock: Lock, platforms: Iterable[str], pythons: Sequence[Python]) -> tuple[str, ...]:
    """A warning per platform that a lock was not made for, in whole or for some Pythons.

    A target that is left out stays in the plan, with no pin of this project. None left is a ``LockError``.
    """
    targets = targets_of(platforms, pythons)
    left_out: dict[str, list[Python]] = defaultdict(list)
    for target in targets:
        if not is_supported(lock, target):
            left_out[target.platform.name].append(target.python)
    made_for = " or ".join(map(str, lock.environments))
    if left_out and sum(map(len, left_out.values())) == len(targets):
        raise LockError(
            f"{lock.project} was locked for {made_for}: that is none of {', '.join(map(str, targets))}",
            hint="set MIRROR_PLATFORMS and MIRROR_PYTHONS to what it was locked for, or lock for more",
            project=lock.project,
            environments=[str(marker) for marker in lock.environments],
            targets=[str(target) for target in targets],
        )
    return tuple(
        f"{platform}{_only(found, pythons)} is left out: {lock.project} was locked for {made_for}"
        for platform, found in left_out.items()
    )


def _only(found: Sequence[Python], pythons: Sequence[Python]) -> str:
    return "" if len(found) == len(pythons) else f" with Python {', '.join(map(str, found))}"


def wanted_of(
    lock: Lock, selection: Selection, asked: Sequence[Python], today: date, platforms: Sequence[str] = ()
) -> tuple[Wanted, tuple[str, ...]]:
    """One project's part of the plan, and warnings."""
    pythons, warnings = pythons_of(lock, asked, today)
    return Wanted(lock, selection, pythons), (*warnings, *environments_warnings(lock, platforms, pythons))
