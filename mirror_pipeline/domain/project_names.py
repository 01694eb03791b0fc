"""Names of the projects in one mirror: what locks call them, told apart where several say the same."""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Container, Sequence
from dataclasses import replace

from packaging.utils import canonicalize_name

from mirror_pipeline.domain.lock import Lock

_UNFIT = re.compile(r"[^A-Za-z0-9._]+")
"""What a project's name cannot hold: it becomes a part of file names and URLs."""


def distinctly_named(locks: Sequence[Lock], paths: Sequence[str]) -> tuple[Lock, ...]:
    """The locks, with names of which no two are the same; ``paths`` are those of the lock files.

    A project keeps its name where no other has it. Projects of one name are told apart by what differs at
    the end of their paths: ``app`` in ``api/app`` and ``web/app`` become ``app-api`` and ``app-web``. Names
    depend neither on the order of the projects nor on where the folder lies that holds them all.
    """
    alike: dict[str, list[int]] = defaultdict(list)
    for place, lock in enumerate(locks):
        alike[lock.project.lower()].append(place)  # names become file names: some disks ignore case
    names = {places[0]: locks[places[0]].project for places in alike.values() if len(places) == 1}
    taken = {name.lower() for name in names.values()}
    for key in sorted(alike):
        places = sorted(alike[key], key=lambda place: paths[place])
        if len(places) > 1:
            tails = _distinct_tails([paths[place] for place in places])
            for place, tail in zip(places, tails, strict=True):
                names[place] = _free(f"{locks[place].project}-{tail}", taken)
                taken.add(names[place].lower())
    return tuple(replace(lock, project=names[place]) for place, lock in enumerate(locks))


def lock_names(locks: Sequence[Lock]) -> tuple[str, ...]:
    """What stands for each project in a pylock file's name, where PEP 751 wants no dots; distinct too."""
    names: dict[str, str] = {}
    for project in sorted(lock.project for lock in locks):
        names[project] = _free(canonicalize_name(project), frozenset(names.values()))
    return tuple(names[lock.project] for lock in locks)


def _distinct_tails(paths: Sequence[str]) -> tuple[str, ...]:
    """What differs at the end of each path, fit for a file name: as few parts as tell the paths apart."""
    split = [_parts(path) for path in paths]
    whole = max(map(len, split))
    lengths = (
        length for length in range(1, whole) if len({parts[-length:] for parts in split}) == len(split)
    )
    length = next(lengths, whole)
    tails = [parts[-length:] for parts in split]
    same = {part for part in tails[0] if all(part in tail for tail in tails)}
    told = ["-".join(part for part in tail if part not in same) for tail in tails]
    return tuple(_UNFIT.sub("-", text).strip("-.") or "other" for text in told)


def _parts(path: str) -> tuple[str, ...]:
    *folders, name = [part for part in re.split(r"[\\/]", path) if part not in ("", ".")] or [path]
    return (*folders, name.rpartition(".")[0] or name)


def _free(name: str, taken: Container[str]) -> str:
    numbered = (f"{name}-{number}" for number in itertools.count(2))
    return next(found for found in itertools.chain([name], numbered) if found.lower() not in taken)
