"""What every test starts from: no proxy and no AWS account in the environment, whatever the machine has."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from mirror_pipeline_tests.aws_servers import Ministack, S3Server, run_ministack, run_rclone
from mirror_pipeline_tests.judged import Judged, judged_mirror
from mirror_pipeline_tests.postgres_server import Postgres, run_postgres

_LONGEST_FIRST = (
    "test_daemon",
    "test_shared_nothing",
    "test_daemon_nights",
    "test_ui",
    "test_several_machines",
    "test_aws",
    "test_clients",
    "test_ecs",
    "test_setup_script",
    "test_tools",
    "test_people_in_browser",
)
"""Modules that take minutes, mostly waiting: begun last, one of them alone would be waited for at the end."""
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest modules first; within each the order stays."""
    places = {name: place for place, name in enumerate(_LONGEST_FIRST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))


@pytest.fixture(autouse=True)
def _no_proxy_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in _PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(autouse=True)
def _no_account_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(scope="session")
def ministack() -> Iterator[Ministack]:
    with run_ministack() as server:
        yield server


@pytest.fixture(scope="session")
def rclone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with run_rclone(tmp_path_factory.mktemp("rclone")) as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with run_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judged]:
    with judged_mirror(tmp_path_factory.mktemp("judged")) as mirror:
        yield mirror
