"""Names that the asset graph, its planner and its automation share: keys, groups, partitions, versions."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import dagster as dg

from mirror_pipeline.domain.target import Python, supported_pythons
from mirror_pipeline.phases.mirror import Mirror

LOCK = "lock"
REQUIREMENTS = "requirements"
WHEEL_PLAN = "wheel_plan"
WHEELS = "wheels"
INDEX = "index"
S3_SYNC = "s3_sync"
VERIFICATION_REPORT = "verification_report"
INFRASTRUCTURE = "infrastructure"

BY_HAND = (INFRASTRUCTURE,)
"""Made when somebody says so ('setup', 'infra apply', a click), never by a refresh, a sensor or a night."""

RESOURCE = "mirror"
"""The resource that vends a ``phases.mirror.Mirror`` to every asset."""
COMPLETE = "complete"
"""Metadata key: false marks a materialization that counts as stale, because something is still missing."""

HELD = "rolled back"
"""Metadata key of ``s3_sync``: what a rollback holds, and why; '' where nothing does."""

BY = "mirror/by"
"""Tag of runs: who made them."""
COMMAND_LINE = "command-line"
"""The value of ``BY`` for runs within a command, which tells of their failures itself."""
WHY = "mirror/why"
"""Tag of a run: why it was asked for."""

_ASKING, _HOLDING, _SERVING = "lock_files", "wheel_sets", "publication"
GROUPS = {
    LOCK: _ASKING,
    REQUIREMENTS: _ASKING,
    WHEEL_PLAN: _HOLDING,
    WHEELS: _HOLDING,
    INDEX: _SERVING,
    S3_SYNC: _SERVING,
    VERIFICATION_REPORT: _SERVING,
    INFRASTRUCTURE: _SERVING,
}


def partitions(mirror: Mirror) -> dg.StaticPartitionsDefinition:
    """The platforms."""
    return dg.StaticPartitionsDefinition(list(mirror.settings.platforms))


def code_versions(mirror: Mirror) -> dict[str, str]:
    """Per asset: the number of its code (raise it when the output changes) and the settings it depends on."""
    settings = mirror.settings
    pythons = settings.pythons or supported_pythons(mirror.today())
    kept = _kept(mirror)
    return {
        LOCK: _version(3, _read(mirror), *kept),
        REQUIREMENTS: _version(4, _asked_of_the_lock(mirror), *kept),
        WHEEL_PLAN: _version(2, (settings.platforms, tuple(map(str, pythons)), settings.policy), *kept),
        WHEELS: _version(3, (), *kept),
        INDEX: _version(4, _shown(mirror, pythons), *kept),
        S3_SYNC: _version(2, mirror.site.identity, *kept),
        VERIFICATION_REPORT: _version(2, mirror.site.identity, *kept),
        INFRASTRUCTURE: _version(1, _provisioned_for(mirror)),
    }


def _read(mirror: Mirror) -> object:
    """What is locked, by paths that are the same in every checkout."""
    settings = mirror.settings
    places = [
        [Path(os.path.relpath(path, settings.root)).as_posix() for path in paths]
        for paths in (settings.projects, settings.requirements_dev)
    ]
    return places, settings.allow_unhashed


def _shown(mirror: Mirror, pythons: Sequence[Python]) -> object:
    """What pages say: the coverage of what is planned for, the title, and where the mirror is."""
    settings = mirror.settings
    covered = settings.platforms, tuple(map(str, pythons)), settings.policy
    return covered, settings.title, settings.cloud.public_url, bool(settings.cloud.login)


def _kept(mirror: Mirror) -> Sequence[object]:
    """The store, where it is not the home: another one has no documents yet."""
    settings = mirror.settings
    return () if settings.store is None else (settings.store.url, settings.cloud.endpoint)


def _provisioned_for(mirror: Mirror) -> object:
    """Without the ids that provisioning itself writes down."""
    cloud = mirror.settings.cloud
    return cloud.bucket, cloud.region, cloud.domain, cloud.certificate, cloud.log_bucket, cloud.kms_key


def _asked_of_the_lock(mirror: Mirror) -> object:
    settings = mirror.settings
    return (
        settings.selection,
        settings.groups,
        settings.extras,
        settings.exporter,
        settings.allow_unhashed,
    )


def _version(number: int, depends_on: object, *more: object) -> str:
    text = repr((depends_on, *more) if more else depends_on)
    return f"{number}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def preview(lines: Sequence[str], most: int) -> str:
    """The first lines of a text, with a note of how many follow."""
    shown = list(lines[:most])
    if len(lines) > most:
        shown.append(f"… {len(lines) - most} more lines")
    return "\n".join(shown)
