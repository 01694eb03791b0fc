"""Floors: the oldest C library and macOS that a mirror has to serve, and what wheels ask of both.

Releases are read from platform tags (PEP 425, 600). Windows and musl have no floor: their tags ask nothing
that a mirror could be set to, and a machine of that kind counts as being at the floor.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

from packaging.tags import Tag

from mirror_pipeline.domain.target import LEGACY_MANYLINUX, Platform, Target

Release = tuple[int, int]

_ANY: Release = (0, 0)
"""What a wheel asks that says nothing of the system."""
_FIRST_MACOS_ON_ARM: Release = (11, 0)
_TAG = re.compile(r"(?:manylinux|macosx)_(\d+)_(\d+)_.+")


@dataclass(frozen=True, slots=True)
class Floors:
    """``MIRROR_GLIBC`` and ``MIRROR_MACOS``: releases of the oldest machines."""

    glibc: Release = (2, 28)
    macos: Release = (13, 0)

    def of(self, platform: Platform) -> Release | None:
        """The release that a platform's oldest machines have, None where there is no floor."""
        if platform.platform_system == "Darwin":
            return max(self.macos, _FIRST_MACOS_ON_ARM) if platform.tag_arch == "arm64" else self.macos
        return self.glibc if system_of(platform) else None


def system_of(platform: Platform) -> str:
    """What a platform's floor is a release of: ``glibc``, ``macOS``, '' where there is no floor."""
    if platform.platform_system == "Darwin":
        return "macOS"
    return "glibc" if platform.platform_system == "Linux" and platform.libc != "musl" else ""


def release_asked(platform_tag: str) -> Release:
    """The release that a platform tag asks for; (0, 0) where it asks for none."""
    if found := _TAG.fullmatch(platform_tag):
        return int(found[1]), int(found[2])
    legacy = LEGACY_MANYLINUX.get(platform_tag.partition("_")[0])
    return (2, legacy) if legacy else _ANY


@dataclass(frozen=True, slots=True, order=True)
class Fit:
    """How well a wheel fits machines at the floor; the least is the best.

    ``above`` is the release that the wheel asks for where that is beyond the floor, else (0, 0). ``rank`` is
    the place of its best tag, among those that the machine accepts, in the target's order (PEP 425).
    """

    above: Release
    rank: int

    @property
    def at_floor(self) -> bool:
        """Whether machines at the floor can install the wheel."""
        return self.above == _ANY


@dataclass(frozen=True, slots=True, eq=False)
class Fits:
    """How wheels fit one target, by their tags; remembers what it answered."""

    ranks: dict[Tag, tuple[int, Release]]
    floor: Release | None
    known: dict[frozenset[Tag], Fit | None] = field(default_factory=dict)

    def of(self, tags: frozenset[Tag] | None) -> Fit | None:
        """The fit of a wheel with these tags, None where it does not fit the target at all."""
        if tags is None:
            return None
        if tags not in self.known:
            self.known[tags] = min(map(self._one, tags & self.ranks.keys()), default=None)
        return self.known[tags]

    def _one(self, tag: Tag) -> Fit:
        rank, asked = self.ranks[tag]
        return Fit(_ANY if self.floor is None or asked <= self.floor else asked, rank)


@lru_cache(maxsize=256)
def fits_of(target: Target, floors: Floors) -> Fits:
    """The judge of one target's wheels."""
    ranks = {tag: (rank, release_asked(tag.platform)) for rank, tag in enumerate(target.tags)}
    return Fits(ranks, floors.of(target.platform))
