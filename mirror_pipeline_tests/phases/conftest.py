"""A small world for every test of a phase."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mirror_pipeline_tests.phases.world import DISTS, PACKAGES, World
from mirror_pipeline_tests.upstreams import FakeUpstream


@pytest.fixture
def upstream() -> Iterator[FakeUpstream]:
    with FakeUpstream() as server:
        for dist in DISTS:
            server.add(dist)
        yield server


@pytest.fixture
def world(tmp_path: Path, upstream: FakeUpstream) -> World:
    world = World(tmp_path, upstream)
    world.lock(*PACKAGES)
    return world
