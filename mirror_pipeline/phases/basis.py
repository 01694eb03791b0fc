"""What a published site is compared with: the requirements of now, or those of the generation that is held.

A rollback holds a generation, and it is that generation which is judged: by the requirements that it was made
from, for the platforms it was made for, on the day it was made. Where those requirements are not known on
this machine, its own manifest is all there is to compare it with, and the report says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime

from mirror_pipeline.domain.artifact import Artifact
from mirror_pipeline.domain.generations import Hold, SiteStatus
from mirror_pipeline.domain.manifest import Manifest
from mirror_pipeline.domain.plan import Plan
from mirror_pipeline.domain.target import NOARCH, Target
from mirror_pipeline.lockfiles.locations import release_of
from mirror_pipeline.phases.mirror import Mirror
from mirror_pipeline.phases.publication import published_requirements
from mirror_pipeline.phases.requirements import Requirements
from mirror_pipeline.phases.wheel_plan import plan_for

ALONE = "not judged: the requirements of this generation are not known on this machine, only its manifest"


@dataclass(frozen=True, slots=True)
class Basis:
    """What is wanted. ``plan`` is None where only the manifest of what is live is known."""

    requirements: str
    plan: Plan | None
    targets: tuple[Target, ...]
    artifacts: tuple[Artifact, ...]
    notes: tuple[str, ...] = ()


def basis_of(mirror: Mirror, current: Requirements, status: SiteStatus, manifest: Manifest | None) -> Basis:
    """What the live generation, of which this is the manifest, should be."""
    hold = status.held_by(current.version)
    if hold is None or manifest is None or hold.generation != status.live:
        return _locked(mirror, current)
    wanted = mirror.documents.find(published_requirements(manifest.requirements), Requirements)
    if wanted is None:
        artifacts = artifacts_of(manifest)
        return Basis(manifest.requirements, None, (), artifacts, (_held(hold),))
    return _locked(_as_then(mirror, status, manifest), wanted, _held(hold))


def _locked(mirror: Mirror, requirements: Requirements, *notes: str) -> Basis:
    plan, targets, _ = plan_for(mirror, requirements)
    return Basis(requirements.version, plan, targets, plan.artifacts, notes)


def _held(hold: Hold) -> str:
    reason = f": {hold.reason}" if hold.reason else ""
    return f"held at generation {hold.generation} since {hold.since} by {hold.by}{reason}"


def _as_then(mirror: Mirror, status: SiteStatus, manifest: Manifest) -> Mirror:
    """The platforms may have been others, and which Pythons are wanted depends on the day."""
    platforms = (*(name for name in manifest.platforms if name != NOARCH), NOARCH)
    made = next((one.made for one in status.generations if one.number == status.live), "")
    settings = replace(mirror.settings, platforms=platforms)
    return replace(mirror, settings=settings, today=_day_of(made, mirror.today))


def _day_of(made: str, today: Callable[[], date]) -> Callable[[], date]:
    try:
        day = datetime.fromisoformat(made).date()
    except ValueError:
        return today
    return lambda: day


def artifacts_of(manifest: Manifest) -> tuple[Artifact, ...]:
    """What a manifest itself says that it holds."""
    found = []
    for key, entry in manifest.files.items():
        file = key.removeprefix("packages/")
        release = release_of(file) if file != key else None
        if release:
            found.append(Artifact(file, entry.sha256, release[0], str(release[1]), entry.size))
    return tuple(found)
