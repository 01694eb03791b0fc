"""Dagster resources: they vend plain adapters, and know nothing of what is done with them."""

from __future__ import annotations

import dagster as dg

from mirror_pipeline.phases.mirror import Mirror


def mirror_resource(mirror: Mirror) -> dg.ResourceDefinition:
    """The mirror, one object for the whole process: upstream pages and connections are kept between runs."""
    return dg.ResourceDefinition.hardcoded_resource(mirror, "Settings and adapters of one mirror")
