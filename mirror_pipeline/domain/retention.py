"""Which generations and packages go: what neither the newest ones nor a client with old pages needs. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from mirror_pipeline.domain.cloud import Retention
from mirror_pipeline.domain.generations import Generation, SiteStatus


def superfluous(status: SiteStatus, retention: Retention, now: str) -> tuple[int, ...]:
    """Numbers of the generations to remove.

    Kept are the newest ``keep``, the live one and one that a rollback holds, and every one that was live (or
    made) within the grace period.
    """
    there = [one for one in status.generations if not one.removed]
    newest = sorted((one.number for one in there), reverse=True)[: retention.keep]
    kept = {*newest, status.live, status.hold.generation if status.hold else None}
    since = datetime.fromisoformat(now) - timedelta(days=retention.grace_days)
    return tuple(one.number for one in there if one.number not in kept and _last_needed(one) < since)


def _last_needed(generation: Generation) -> datetime:
    return datetime.fromisoformat(generation.left or generation.made)


def previous(status: SiteStatus) -> int | None:
    """The generation that was live before the one that is: the last one left that still has its pages."""
    left = [(one.left, one.number) for one in status.generations if one.left and not one.removed]
    return max((pair for pair in left if pair[1] != status.live), default=("", None))[1]


def unneeded(known: Iterable[str], named: Iterable[Mapping[str, object]], wanted: Iterable[str]) -> set[str]:
    """Package keys that no kept generation names (``named``: their files by key) and nothing else wants."""
    needed = {key for files in named for key in files}
    wanted_too = {f"packages/{file}{suffix}" for file in wanted for suffix in ("", ".metadata")}
    return set(known) - needed - wanted_too
