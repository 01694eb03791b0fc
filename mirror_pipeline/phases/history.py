"""What was published before, and going back to it: generations, rollback, and removing what is old.

What belongs here: these three, for whatever site. What does not: recording them in Dagster.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mirror_pipeline.domain.generations import Generation, Hold, SiteStatus
from mirror_pipeline.domain.plan import PlatformPlan
from mirror_pipeline.domain.retention import previous
from mirror_pipeline.errors import DocumentError, UsageError
from mirror_pipeline.phases.index import load_index
from mirror_pipeline.phases.mirror import Mirror
from mirror_pipeline.phases.publication import now, publisher
from mirror_pipeline.phases.wheel_plan import document_of
from mirror_pipeline.sites.site import Collected


@dataclass(frozen=True, slots=True)
class RolledBack:
    """A rollback: from which generation to which."""

    before: int | None
    hold: Hold
    status: SiteStatus
    known: bool
    """Whether this machine has an index, without which its history cannot tell of publications."""


def roll_back(mirror: Mirror, number: int | None, reason: str) -> RolledBack:
    """Make a generation live again (the one before, where no number is given) and hold it there."""
    status = mirror.site.status()
    chosen = number if number is not None else previous(status)
    if chosen is None:
        raise UsageError("there is no earlier generation", hint="'mirror-pipeline generations' lists them")
    wanted = _wanted_now(mirror)
    hold = Hold(chosen, wanted or _live_requirements(status), reason, publisher(), now())
    return RolledBack(status.live, hold, mirror.site.roll_back(hold), known=wanted is not None)


def _wanted_now(mirror: Mirror) -> str | None:
    """The requirements that would be published: those of the index."""
    try:
        return load_index(mirror).manifest.requirements
    except DocumentError:
        return None


def _live_requirements(status: SiteStatus) -> str:
    return next((one.requirements for one in status.generations if one.number == status.live), "")


def collect(mirror: Mirror, *, delete: bool) -> tuple[Collected, Collected]:
    """Remove (or only name) what is old: on the site, and in the wheel store where that is another place."""
    wanted = frozenset(_wanted_files(mirror))
    retention = mirror.settings.retention
    found = mirror.site.collect(retention, now(), wanted=wanted, delete=delete)
    if not mirror.settings.cloud.bucket and mirror.settings.store is None:
        return found, Collected(done=delete)
    return found, _stored_and_unneeded(mirror, wanted, found, delete=delete)


def _stored_and_unneeded(
    mirror: Mirror, wanted: frozenset[str], found: Collected, *, delete: bool
) -> Collected:
    """Files of the store that neither the plans nor a generation want."""
    named = {
        key.removeprefix("packages/")
        for record in kept(mirror.site.status())
        if record.number not in found.generations
        for key in files_of(mirror, record.number)
    }
    unneeded = mirror.store.others(wanted | named, older_than_days=mirror.settings.retention.grace_days)
    if delete:
        mirror.store.remove(unneeded)
    return Collected((), tuple(sorted(unneeded)), sum(unneeded.values()), delete)


def files_of(mirror: Mirror, number: int) -> Iterator[str]:
    """Keys of a generation; one whose manifest cannot be read stops the work."""
    manifest = mirror.site.manifest_of(number)
    if manifest is None:
        raise DocumentError(
            f"generation {number}: its manifest cannot be read: nothing is removed",
            document=f"generation {number}",
        )
    return iter(manifest.files)


def kept(status: SiteStatus) -> Iterator[Generation]:
    """Generations that have their pages."""
    return (one for one in status.generations if not one.removed)


def _wanted_files(mirror: Mirror) -> Iterator[str]:
    """Files that the stored plans want: they may be there before any generation names them."""
    for platform in mirror.settings.platforms:
        plan = mirror.documents.find(document_of(platform), PlatformPlan)
        yield from (artifact.file for artifact in (plan.artifacts if plan else ()))
