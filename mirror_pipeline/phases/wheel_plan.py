"""Phase ``wheel_plan``: per platform, which artifacts the mirror is to hold, and every gap. No download."""

from __future__ import annotations

from dataclasses import dataclass

from mirror_pipeline.adapters.documents import digest_of
from mirror_pipeline.domain.plan import Plan, PlatformPlan, Wanted, make_plan
from mirror_pipeline.domain.target import Target, targets_of
from mirror_pipeline.domain.wanted import wanted_of
from mirror_pipeline.phases.mirror import Mirror
from mirror_pipeline.phases.requirements import DOCUMENT as REQUIREMENTS
from mirror_pipeline.phases.requirements import Requirements

DOCUMENT = "wheel_plan"


@dataclass(frozen=True, slots=True)
class Planned:
    """The outcome of the phase for one platform. ``previous`` is what there was before, for the diff."""

    plan: PlatformPlan
    whole: Plan
    version: str
    previous: PlatformPlan | None
    warnings: tuple[str, ...]


def document_of(platform: str) -> str:
    """Name of a platform's plan among the documents."""
    return f"{DOCUMENT}/{platform}"


def plan_for(mirror: Mirror, requirements: Requirements) -> tuple[Plan, tuple[str, ...]]:
    """The whole coverage matrix of these requirements; writes nothing."""
    wanted, warnings = _wanted(mirror, requirements)
    return make_plan(wanted, mirror.settings.platforms, mirror.settings.policy), warnings


def targets_for(mirror: Mirror, requirements: Requirements) -> tuple[Target, ...]:
    """Every target that some project is mirrored for."""
    wanted, _ = _wanted(mirror, requirements)
    pythons = sorted({python for item in wanted for python in item.pythons})
    return targets_of(mirror.settings.platforms, pythons)


def _wanted(mirror: Mirror, requirements: Requirements) -> tuple[tuple[Wanted, ...], tuple[str, ...]]:
    asked, today = mirror.settings.pythons, mirror.today()
    pairs = zip(requirements.locks, requirements.selections, strict=True)
    made = [wanted_of(lock, selection, asked, today) for lock, selection in pairs]
    return tuple(wanted for wanted, _ in made), tuple(line for _, lines in made for line in lines)


def plan_platform(mirror: Mirror, platform: str) -> Planned:
    """Plan one platform from the stored requirements."""
    whole, warnings = plan_for(mirror, mirror.documents.read(REQUIREMENTS, Requirements))
    plan = whole.platforms[platform]
    previous = mirror.documents.find(document_of(platform), PlatformPlan)
    mirror.documents.write(document_of(platform), plan)
    return Planned(plan, whole, digest_of(plan), previous, warnings)


def load_plan(mirror: Mirror, platform: str) -> PlatformPlan:
    """The stored plan of a platform."""
    return mirror.documents.read(document_of(platform), PlatformPlan)
