"""Which of a pin's files serve a target, and what to say when none does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from packaging.tags import Tag

from mirror_pipeline.domain.artifact import is_sdist, wheel_tags
from mirror_pipeline.domain.lock import LockedFile
from mirror_pipeline.domain.target import Target

WheelPolicy = Literal["compatible", "best-per-floor"]
SdistPolicy = Literal["never", "fallback", "always"]


@dataclass(frozen=True, slots=True)
class Policy:
    """Which artifacts a target gets: ``MIRROR_WHEELS``, ``MIRROR_SDISTS`` and the floors."""

    wheels: WheelPolicy = "compatible"
    sdists: SdistPolicy = "never"


@lru_cache(maxsize=256)
def _tag_ranks(target: Target) -> dict[Tag, int]:
    return {tag: rank for rank, tag in enumerate(target.tags)}


def compatible_wheels(files: Sequence[LockedFile], target: Target) -> tuple[LockedFile, ...]:
    """The wheels that an installer on the target could take, in the lock's order."""
    ranks = _tag_ranks(target)
    return tuple(file for file in files if any(tag in ranks for tag in wheel_tags(file.name) or ()))


def chosen_files(files: Sequence[LockedFile], target: Target, policy: Policy) -> tuple[LockedFile, ...]:
    """The files that the mirror holds for a pin on a target; empty is a gap."""
    wheels = compatible_wheels(files, target)
    wants_sdists = policy.sdists == "always" or (policy.sdists == "fallback" and not wheels)
    return (*wheels, *(file for file in files if wants_sdists and is_sdist(file.name)))


def gap_reason(files: Sequence[LockedFile], target: Target) -> str:
    """Why no wheel of a pin fits a target, in words for the person who has to act on it."""
    if not files:
        return "the lock lists no files for it"
    wheels = [file.name for file in files if wheel_tags(file.name) is not None]
    if not wheels:
        return "source only: no wheel was published"
    platforms = {*target.platform.platform_tags, "any"}
    here = [name for name in wheels if any(tag.platform in platforms for tag in wheel_tags(name) or ())]
    if not here:
        return f"no wheel for {target.platform.name} among {len(wheels)}"
    builds = sorted({tag.interpreter for name in here for tag in wheel_tags(name) or ()})
    return f"wheels for {target.platform.name} are for other Pythons only: {', '.join(builds)}"
