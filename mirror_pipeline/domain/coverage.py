"""Which of a pin's files serve a target, and what to say when none does, or none on the oldest machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from mirror_pipeline.domain.artifact import is_sdist, wheel_build, wheel_tags
from mirror_pipeline.domain.floors import Fit, Floors, fits_of, system_of
from mirror_pipeline.domain.lock import LockedFile, Pin
from mirror_pipeline.domain.target import Target

WheelPolicy = Literal["compatible", "best-per-floor"]
SdistPolicy = Literal["never", "fallback", "always"]


@dataclass(frozen=True, slots=True)
class Policy:
    """Which artifacts a target gets: ``MIRROR_WHEELS``, ``MIRROR_SDISTS`` and the floors."""

    wheels: WheelPolicy = "compatible"
    sdists: SdistPolicy = "never"
    floors: Floors = field(default_factory=Floors)


@dataclass(frozen=True, slots=True)
class Choice:
    """What a target gets of a pin's files.

    ``needs`` says what the wheels ask of a machine, where machines at the floor can install none of them:
    ``glibc 2.34``; '' where they can, or where there is no wheel.
    """

    wheels: tuple[LockedFile, ...] = ()
    sdists: tuple[LockedFile, ...] = ()
    needs: str = ""

    @property
    def files(self) -> tuple[LockedFile, ...]:
        """The files that the mirror holds; empty is a gap."""
        return self.wheels + self.sdists


def choose(files: Sequence[LockedFile], target: Target, policy: Policy) -> Choice:
    """The files that the mirror holds for a pin on a target, in the lock's order."""
    fitting = _fitting(files, target, policy.floors)
    wants_sdists = policy.sdists == "always" or (policy.sdists == "fallback" and not fitting)
    sdists = tuple(file for file in files if is_sdist(file.name)) if wants_sdists else ()
    if not fitting:
        return Choice(sdists=sdists)
    kept = fitting if policy.wheels == "compatible" else (_best(fitting),)
    least = min(fit for fit, _ in fitting)
    return Choice(tuple(file for _, file in kept), sdists, _needs(least, target))


def _fitting(
    files: Sequence[LockedFile], target: Target, floors: Floors
) -> tuple[tuple[Fit, LockedFile], ...]:
    fit_of = fits_of(target, floors).of
    return tuple((fit, file) for file in files if (fit := fit_of(wheel_tags(file.name))) is not None)


def _best(fitting: Sequence[tuple[Fit, LockedFile]]) -> tuple[Fit, LockedFile]:
    """What an installer at the floor takes: the first by tag order, of those the highest build (PEP 427).

    Where no wheel runs there, the one that asks for the least.
    """
    highest_build_first = sorted(
        fitting, key=lambda item: (wheel_build(item[1].name), item[1].name), reverse=True
    )
    return min(highest_build_first, key=lambda item: item[0])


def _needs(least: Fit, target: Target) -> str:
    return "" if least.at_floor else f"{system_of(target.platform)} {release_text(least.above)}"


def release_text(release: tuple[int, int]) -> str:
    """A release as people write it."""
    return ".".join(map(str, release))


def floor_text(target: Target, floors: Floors) -> str:
    """A target's floor as people write it: ``glibc 2.28``; '' where it has none."""
    floor = floors.of(target.platform)
    return "" if floor is None else f"{system_of(target.platform)} {release_text(floor)}"


def compatible_wheels(files: Sequence[LockedFile], target: Target) -> tuple[LockedFile, ...]:
    """The wheels that an installer on the target could take, in the lock's order."""
    return tuple(file for _, file in _fitting(files, target, Floors()))


def gap_reason(pin: Pin, target: Target) -> str:
    """Why no wheel of a pin fits a target, in words for the person who has to act on it."""
    if not pin.files:
        return _unnamed_reason(len(pin.hashes))
    wheels = [file.name for file in pin.files if wheel_tags(file.name) is not None]
    if not wheels:
        return "source only: no wheel was published"
    platforms = {*target.platform.platform_tags, "any"}
    here = [name for name in wheels if any(tag.platform in platforms for tag in wheel_tags(name) or ())]
    if not here:
        return f"no wheel for {target.platform.name} among {len(wheels)}"
    builds = sorted({tag.interpreter for name in here for tag in wheel_tags(name) or ()})
    return f"wheels for {target.platform.name} are for other Pythons only: {', '.join(builds)}"


def _unnamed_reason(hashes: int) -> str:
    if not hashes:
        return "the lock lists no files for it"
    which = f"any of its {hashes} locked hashes" if hashes > 1 else "its locked hash"
    return f"no upstream lists a file with {which}"
