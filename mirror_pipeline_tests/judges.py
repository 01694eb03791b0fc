"""What several tests ask parsers by others."""

from __future__ import annotations

from pypi_simple import DistributionPackage

from mirror_pipeline_tests.judged import Facts


def seen(package: DistributionPackage) -> Facts:
    """What pypi-simple found out about a file."""
    assert set(package.digests) == {"sha256"}
    metadata = package.metadata_digests or {}
    return Facts(
        file=package.filename,
        sha256=package.digests["sha256"],
        requires_python=package.requires_python,
        yanked=package.is_yanked and (package.yanked_reason or True),
        metadata_sha256=metadata.get("sha256"),
        size=package.size,
        upload_time=package.upload_time,
    )
