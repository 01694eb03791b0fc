"""The Dagster code location: ``workspace.yaml`` and ``dagster -m mirror_pipeline.definitions`` load it."""

from __future__ import annotations

import os

import dagster as dg

from mirror_pipeline import alerting, automation, recovery, triggers
from mirror_pipeline.assets import (
    drift,
    graph,
    index,
    infrastructure,
    lock,
    requirements,
    s3_sync,
    verification,
    wheel_plan,
    wheels,
)
from mirror_pipeline.configuration import load_settings
from mirror_pipeline.phases.mirror import Mirror, build_mirror
from mirror_pipeline.resources import mirror_resource

_RETRIES = dg.RetryPolicy(max_retries=2, delay=30, backoff=dg.Backoff.EXPONENTIAL)


def build_definitions(
    mirror: Mirror, *, retries: dg.RetryPolicy | None = _RETRIES, ask_upstream: bool = True
) -> dg.Definitions:
    """Assets, automation and resources of one mirror. ``retries`` is for the assets that use the network.

    Without ``ask_upstream`` there is no check ``upstream``, which would be run together with its asset.
    """
    versions, condition = graph.code_versions(mirror), triggers.condition(mirror)
    on_aws = mirror.settings.cloud.on_aws
    return dg.Definitions(
        assets=[
            *([infrastructure.build(mirror, versions[graph.INFRASTRUCTURE])] if on_aws else []),
            lock.build(mirror, versions[graph.LOCK]),
            requirements.build(mirror, versions[graph.REQUIREMENTS], condition, retries),
            wheel_plan.build(mirror, versions[graph.WHEEL_PLAN], condition),
            wheels.build(mirror, versions[graph.WHEELS], condition, retries),
            index.build(mirror, versions[graph.INDEX], triggers.index_condition(mirror)),
            s3_sync.build(mirror, versions[graph.S3_SYNC], condition, retries),
            verification.build(mirror, versions[graph.VERIFICATION_REPORT], condition),
        ],
        asset_checks=[drift.build(mirror)] if ask_upstream else [],
        schedules=[automation.nightly(mirror)],
        sensors=[
            automation.automation_sensor(),
            automation.lock_sensor(mirror),
            recovery.recovery_sensor(mirror),
            *alerting.sensors(mirror),
        ],
        resources={graph.RESOURCE: mirror_resource(mirror)},
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """What Dagster loads. Importing this module reads nothing; calling this reads ``config.env``."""
    return build_definitions(build_mirror(load_settings(os.environ)))
