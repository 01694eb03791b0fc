"""Every ``dagster.yaml`` of ``deploy/`` is one that Dagster takes, opens, and works with."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import dagster as dg
import pytest
import yaml
from dagster._config import process_config
from dagster._config.field import resolve_to_config_type
from dagster._core.errors import DagsterInvalidConfigError
from dagster._core.instance.config import dagster_instance_config
from dagster._core.run_coordinator.queued_run_coordinator import QueuedRunCoordinator
from dagster._core.storage.compute_log_manager import ComputeIOType
from dagster._core.workspace.config_schema import process_workspace_config
from dagster._serdes import ConfigurableClass
from dagster_aws.ecs import EcsRunLauncher
from dagster_aws.s3 import S3ComputeLogManager

from mirror_pipeline.errors import SettingsError, StorageError
from mirror_pipeline.instance import open_instance, prepare_home
from mirror_pipeline_tests.aws_servers import Ministack, S3Server, free_port
from mirror_pipeline_tests.deploy.shipped import (
    DEPLOY,
    ECS,
    FOLDERS,
    ONE_HOST,
    POSTGRES_S3,
    asked_for,
    example_variables,
    policy,
    read_yaml,
)
from mirror_pipeline_tests.postgres_server import Database, Postgres

CLASSES: Mapping[str, type[ConfigurableClass]] = {
    "run_launcher": EcsRunLauncher,
    "compute_logs": S3ComputeLogManager,
    "run_coordinator": QueuedRunCoordinator,
}
"""Sections whose ``config`` Dagster looks at only when it makes the class."""

GREETING = """\
import sys
import dagster as dg

@dg.asset
def greeting():
    print("said on stdout")
    print("said on stderr", file=sys.stderr)
    return dg.MaterializeResult()
"""


def settings(home: Path) -> Mapping[str, Any]:
    """A ``dagster.yaml``, judged by Dagster, and its classes' parts by the classes."""
    checked, _ = dagster_instance_config(str(home))
    for section, kind in CLASSES.items():
        if section in checked:
            schema: Any = kind.config_type()
            result = process_config(resolve_to_config_type(schema), checked[section].get("config", {}))
            if not result.success:
                raise DagsterInvalidConfigError(  # type: ignore[no-untyped-call]
                    section, result.errors, checked[section]
                )
    return checked


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for path in DEPLOY.rglob("*.yaml"):
        for name in asked_for(read_yaml(path)):
            monkeypatch.setenv(name, "5432" if name.endswith("_PORT") else "something")


@pytest.mark.usefixtures("variables")
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
class TestSettings:
    def test_dagster_takes_them(self, folder: Path) -> None:
        found = settings(folder)
        assert found["telemetry"] == found["nux"] == {"enabled": False}
        assert found["freshness"] == {"enabled": True}
        assert found["run_monitoring"]["enabled"]

    def test_only_what_crashed_is_run_again(self, folder: Path) -> None:
        assert settings(folder)["run_retries"] == {
            "enabled": True,
            "max_retries": 2,
            "retry_on_asset_or_op_failure": False,
        }

    @pytest.mark.parametrize(
        ("section", "value"),
        [
            ("run_monitorin", {"enabled": True}),
            ("run_monitoring", {"enabled": "perhaps"}),
            ("run_retries", {"enabled": True, "max_retry": 2}),
            ("freshness", {}),
            ("storage", {"postgres": {"postgres_db": {"host": "x"}}}),
            ("run_coordinator", {
                "module": "dagster.core.run_coordinator", "class": "QueuedRunCoordinator",
                "config": {"max_concurrent": 4},
            }),
            ("run_launcher", {
                "module": "dagster_aws.ecs", "class": "EcsRunLauncher", "config": {"task_definitio": "x"},
            }),
            ("compute_logs", {
                "module": "dagster_aws.s3", "class": "S3ComputeLogManager", "config": {"buckett": "x"},
            }),
        ],
    )  # fmt: skip
    def test_a_mistake_is_seen(self, folder: Path, tmp_path: Path, section: str, value: Any) -> None:
        written = {**read_yaml(folder / "dagster.yaml"), section: value}
        (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(written))
        with pytest.raises(DagsterInvalidConfigError):
            settings(tmp_path)


class TestOneHost:
    def test_it_is_what_a_new_home_gets(self, tmp_path: Path) -> None:
        given = read_yaml(prepare_home(tmp_path / "home") / "dagster.yaml")
        shipped = read_yaml(ONE_HOST / "dagster.yaml")
        assert given
        assert {section: shipped.get(section) for section in given} == given

    def test_it_opens(self, tmp_path: Path) -> None:
        shutil.copy(ONE_HOST / "dagster.yaml", tmp_path)
        with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
            assert isinstance(instance.run_coordinator, QueuedRunCoordinator)
            queue = instance.get_concurrency_config().run_queue_config
            assert queue is not None
            assert queue.max_concurrent_runs == 4
            assert instance.run_retries_max_retries == 2
            assert not instance.run_retries_retry_on_asset_or_op_failure
            assert instance.get_runs_count() == 0
        assert (tmp_path / "history").is_dir()


class TestWhatIsAskedFor:
    @pytest.mark.parametrize("name", ["dagster.yaml", "workspace.yaml"])
    def test_the_example_names_it(self, name: str) -> None:
        wanted = set(asked_for(read_yaml(POSTGRES_S3 / name)))
        assert wanted
        assert wanted <= set(example_variables())

    def test_the_example_holds_no_secret(self) -> None:
        secret = {
            name: value for name, value in example_variables().items() if "PASSWORD" in name or "KEY" in name
        }
        assert set(secret) == {"DAGSTER_PG_PASSWORD", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
        assert set(secret.values()) == {""}

    @pytest.mark.parametrize("folder", [POSTGRES_S3, ECS], ids=lambda folder: folder.name)
    def test_the_database_is_named_by_the_environment_alone(self, folder: Path) -> None:
        database = read_yaml(folder / "dagster.yaml")["storage"]["postgres"]["postgres_db"]
        assert database.pop("scheme") == "postgresql+psycopg2"
        assert [list(value) for value in database.values()] == [["env"]] * 5

    @pytest.mark.usefixtures("variables")
    @pytest.mark.parametrize("folder", [POSTGRES_S3, ECS], ids=lambda folder: folder.name)
    def test_the_workspace_is_one(self, folder: Path) -> None:
        written = read_yaml(folder / "workspace.yaml")
        assert process_workspace_config(written).success
        written["load_from"][0]["grpc_server"]["hots"] = "x"
        assert not process_workspace_config(written).success


@pytest.mark.usefixtures("variables")
class TestWhatIsWrong:
    """One line instead of a traceback, from every command that looks at the run history."""

    @pytest.fixture
    def home(self, tmp_path: Path) -> Path:
        shutil.copy(POSTGRES_S3 / "dagster.yaml", tmp_path)
        return tmp_path

    @pytest.fixture(autouse=True)
    def _nobody_listens(self, variables: None, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DAGSTER_PG_HOST", "127.0.0.1")
        monkeypatch.setenv("DAGSTER_PG_PORT", str(free_port()))
        monkeypatch.setenv("DAGSTER_PG_PASSWORD", "never-to-be-shown")

    def test_a_database_that_is_away(self, home: Path) -> None:
        with pytest.raises(StorageError, match=r"history cannot be read.* Connection refused") as caught:
            read(home)
        assert "\n" not in caught.value.message
        assert "never-to-be-shown" not in f"{caught.value} {caught.value.facts}"
        assert caught.value.hint == "is the database of dagster.yaml there?"

    def test_a_missing_variable(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("DAGSTER_PG_USERNAME")
        with pytest.raises(SettingsError, match=r'yaml: You have .* "DAGSTER_PG_USERNAME" which is'):
            read(home)

    def test_the_driver_is_not_installed(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "dagster_postgres", None)
        with pytest.raises(SettingsError, match="Couldn't import module dagster_postgres"):
            read(home)

    @pytest.mark.parametrize(
        ("text", "said"),
        [("run_monitor: {}", 'unexpected config entry "run_monitor"'), ("a: [", "while parsing a flow node")],
    )
    def test_a_file_that_is_none(self, home: Path, text: str, said: str) -> None:
        (home / "dagster.yaml").write_text(text)
        with pytest.raises(SettingsError, match=said):
            read(home)


def read(home: Path) -> int:
    """Open the instance as the command line does, and use it."""
    with open_instance(home) as instance:
        return instance.get_runs_count()


@dataclass(frozen=True)
class Machine:
    """A process's surroundings: a DAGSTER_HOME, and the environment that leads to the two servers."""

    home: Path
    environ: Mapping[str, str]

    def run(self, tmp_path: Path) -> None:
        """Materialize the greeting, as a process of its own with a temporary directory of its own."""
        (tmp_path / "greeting.py").write_text(GREETING)
        scratch = tmp_path / "scratch"
        scratch.mkdir()
        own = {**self.environ, "DAGSTER_HOME": str(self.home), "TMPDIR": str(scratch)}
        command = ["dagster", "asset", "materialize", "-f", "greeting.py", "--select", "greeting"]
        done = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=tmp_path, env={**os.environ, **own}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture
def database(postgres: Postgres) -> Database:
    return postgres.database()


@pytest.fixture(params=["ministack", "rclone"])
def machine(request: pytest.FixtureRequest, database: Database, tmp_path: Path) -> Machine:
    """``deploy/postgres-s3`` installed; on AWS as somebody who may do what the role of runs allows."""
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(POSTGRES_S3 / "dagster.yaml", home)
    server = request.getfixturevalue(request.param)
    bucket = server.bucket()
    logs = {"DAGSTER_LOG_BUCKET": bucket, "DAGSTER_LOG_PREFIX": "dagster", "PGSSLMODE": "require"}
    return Machine(home, {**database.environment(), **logs, **_s3_environment(server, bucket)})


def _s3_environment(server: Ministack | S3Server, bucket: str) -> dict[str, str]:
    if isinstance(server, Ministack):
        return server.environment(server.user(policy("run", {"LOG_BUCKET": bucket})))
    return {
        **server.environment(),
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_S3": server.url,
        "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
        "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
    }


class TestPostgresAndS3:
    def test_a_run_leaves_everything_there_and_nothing_here(
        self, machine: Machine, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        machine.run(tmp_path)
        assert [path.name for path in machine.home.iterdir()] == ["dagster.yaml"]
        [(run, status)] = database.ask("SELECT run_id, status FROM runs")
        assert status == "SUCCESS"
        counted = "SELECT count(*) FROM event_logs WHERE run_id = '{}' AND dagster_event_type = '{}'"
        assert database.ask(counted.format(run, "ASSET_MATERIALIZATION")) == [(1,)]
        for name, value in machine.environ.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it keeps the credentials of another test
        with dg.DagsterInstance.from_config(str(machine.home)) as instance:
            assert self._printed(instance, run) == ("said on stdout\n", True)
            assert isinstance(instance.run_coordinator, QueuedRunCoordinator)
            assert instance.get_runs_count() == 1

    def _printed(self, instance: dg.DagsterInstance, run: str) -> tuple[str, bool]:
        """What the step wrote to stdout, and whether its stderr has the line that it should."""
        [event] = [
            entry.dagster_event
            for entry in instance.all_logs(run, of_type=dg.DagsterEventType.LOGS_CAPTURED)
            if entry.dagster_event
        ]
        manager = instance.compute_log_manager
        assert isinstance(manager, S3ComputeLogManager)
        key = manager.build_log_key_for_run(run, event.logs_captured_data.file_key)
        assert manager.display_path_for_type(key, ComputeIOType.STDOUT).startswith("s3://")
        data = manager.get_log_data(key)
        return (data.stdout or b"").decode(), b"said on stderr" in (data.stderr or b"")
