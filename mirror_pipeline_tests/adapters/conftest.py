"""Upstreams and a store for every test of an adapter."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mirror_pipeline.adapters.store import WheelStore
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
