"""Places to publish to, for every test that should hold at each of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mirror_pipeline.domain.cloud import Cloud
from mirror_pipeline_tests.aws_servers import Ministack, S3Server
from mirror_pipeline_tests.sites.places import (
    BucketPlace,
    DirectoryPlace,
    MemoryPlace,
    Place,
    ServerPlace,
    Workshop,
)

PLACES = ["directory", "memory edge", "memory in place", "ministack edge", "ministack in place", "rclone"]


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    kind: str = request.param
    if kind == "directory":
        yield DirectoryPlace(tmp_path)
    elif kind.startswith("memory"):
        yield MemoryPlace(edge=kind.endswith("edge"))
    else:
        yield _on_a_server(request, kind, monkeypatch)


@pytest.fixture(params=[kind for kind in PLACES if kind != "directory"])
def bucket(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> BucketPlace:
    """The places that are buckets, and so have books."""
    kind: str = request.param
    if kind.startswith("memory"):
        return MemoryPlace(edge=kind.endswith("edge"))
    return _on_a_server(request, kind, monkeypatch)


def _on_a_server(request: pytest.FixtureRequest, kind: str, monkeypatch: pytest.MonkeyPatch) -> ServerPlace:
    server: Ministack | S3Server = request.getfixturevalue(kind.split()[0])
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    endpoint = server.url if isinstance(server, S3Server) else ""
    return ServerPlace(Cloud(bucket=server.bucket(), endpoint=endpoint), edge=kind.endswith("edge"))
