"""Phase ``wheel_plan``: per platform, which artifacts the mirror is to hold, and every gap. No download."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from mirror_pipeline.adapters.documents import digest_of
from mirror_pipeline.domain.coverage import Policy
from mirror_pipeline.domain.plan import Gap, Plan, PlatformPlan, make_plan
from mirror_pipeline.domain.target import Python, Target, targets_of
from mirror_pipeline.domain.wanted import wanted_of
from mirror_pipeline.errors import FetchFailedError
from mirror_pipeline.phases.mirror import Mirror
from mirror_pipeline.phases.requirements import DOCUMENT as REQUIREMENTS
from mirror_pipeline.phases.requirements import Read, Requirements

DOCUMENT = "wheel_plan"
_PLANNED = "planned"
_WholePlan = tuple[Plan, tuple[Target, ...], tuple[str, ...]]
"""The plan, its targets, and warnings."""


@dataclass(frozen=True, slots=True)
class PlannedFrom:
    """The version of the requirements that a plan was made from; the same plan may come from others too."""

    requirements: str


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


def plan_for(mirror: Mirror, requirements: Requirements | Read, *, offline: bool = False) -> _WholePlan:
    """The whole coverage matrix of these requirements, its targets, and warnings; writes nothing.

    ``offline``: no upstream was asked for the names of files that are locked by hash only.
    """
    settings = mirror.settings
    asked = _Asked(settings.pythons, mirror.today(), settings.platforms, settings.policy, offline)
    return (_planned_once if isinstance(requirements, Requirements) else _planned)(requirements, asked)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a plan depends on besides the requirements."""

    pythons: tuple[Python, ...]
    today: date
    platforms: tuple[str, ...]
    policy: Policy
    offline: bool


def _planned(requirements: Requirements | Read, asked: _Asked) -> _WholePlan:
    pairs = zip(requirements.locks, requirements.selections, strict=True)
    made = [
        wanted_of(lock, selection, asked.pythons, asked.today, asked.platforms) for lock, selection in pairs
    ]
    plan = make_plan([wanted for wanted, _ in made], asked.platforms, asked.policy, offline=asked.offline)
    pythons = sorted({python for wanted, _ in made for python in wanted.pythons})
    warnings = tuple(dict.fromkeys(line for _, lines in made for line in lines))
    return plan, targets_of(asked.platforms, pythons), warnings


_planned_once = lru_cache(maxsize=1)(_planned)
"""Every platform, and the verification, ask for the whole plan of the same stored requirements."""


def plan_platform(mirror: Mirror, platform: str) -> Planned:
    """Plan one platform from the stored requirements.

    Raises ``FetchFailedError``, and keeps the earlier plan, where upstream lists no file for a pin whose
    hashes are locked; not where failures are allowed.
    """
    requirements = mirror.documents.read(REQUIREMENTS, Requirements)
    whole, _, warnings = plan_for(mirror, requirements)
    plan = whole.platforms[platform]
    if plan.failures and not mirror.settings.allow_failures:
        raise _failed(platform, plan.failures)
    previous = mirror.documents.find(document_of(platform), PlatformPlan)
    mirror.documents.write(document_of(platform), plan)
    mirror.documents.write(f"{_PLANNED}/{platform}", PlannedFrom(requirements.version))
    return Planned(plan, whole, digest_of(plan), previous, warnings)


def _failed(platform: str, failures: Sequence[Gap]) -> FetchFailedError:
    labels = list(dict.fromkeys(f"{gap.project}=={gap.version}" for gap in failures))
    rest = len(labels) - 1
    more = f" (and {rest} more pin{'s' if rest > 1 else ''})" if rest else ""
    reason = f"{labels[0]}: {failures[0].reason}{more}"
    return FetchFailedError(
        f"{platform}: {reason}",
        hint="compare the lock's hashes with the upstream; MIRROR_ALLOW_FAILURES=true publishes without",
        platform=platform,
        reason=reason,
        packages=labels,
    )


def load_plan(mirror: Mirror, platform: str) -> PlatformPlan:
    """The stored plan of a platform."""
    return mirror.documents.read(document_of(platform), PlatformPlan)


def is_planned(mirror: Mirror, platform: str, requirements: str) -> bool:
    """Whether a platform's plan comes from these requirements; one that does not tell counts as such."""
    planned = mirror.documents.find(f"{_PLANNED}/{platform}", PlannedFrom)
    return planned is None or planned.requirements == requirements
