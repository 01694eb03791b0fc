"""Upstreams and a store for every test of an adapter."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mirror_pipeline.adapters.aws import Aws
from mirror_pipeline.adapters.objects import ObjectStore
from mirror_pipeline.adapters.s3_objects import S3Objects
from mirror_pipeline.adapters.store import WheelStore
from mirror_pipeline.domain.cloud import Cloud
from mirror_pipeline_tests.aws_servers import Ministack, S3Server
from mirror_pipeline_tests.fakes import MemoryObjects
from mirror_pipeline_tests.upstreams import FakeUpstream


@pytest.fixture
def upstream() -> Iterator[FakeUpstream]:
    with FakeUpstream() as server:
        yield server


@pytest.fixture
def other() -> Iterator[FakeUpstream]:
    with FakeUpstream() as server:
        yield server


@pytest.fixture
def third() -> Iterator[FakeUpstream]:
    with FakeUpstream() as server:
        yield server


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def store(home: Path) -> WheelStore:
    store = WheelStore(home)
    store.prepare()
    return store


BUCKETS = ("memory", "ministack", "rclone")


def bucket_of(kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    """A new bucket: a dictionary, AWS as ministack has it, or a server by others."""
    if kind == "memory":
        return MemoryObjects()
    server: Ministack | S3Server = request.getfixturevalue(kind)
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    endpoint = server.url if isinstance(server, S3Server) else ""
    return S3Objects(Aws(Cloud(bucket=server.bucket(), endpoint=endpoint)))


@pytest.fixture(params=BUCKETS)
def objects(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    return bucket_of(request.param, request, monkeypatch)
