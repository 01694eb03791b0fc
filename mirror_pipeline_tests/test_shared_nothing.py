"""The pipeline as processes that share nothing but a Postgres and an S3 server.

Every asset partition is made by a process of its own, on a *machine* of its own: a folder with a checkout of
the project, a HOME, a MIRROR_HOME, a DAGSTER_HOME and a TMPDIR, which is removed when the process has ended.
What one leaves for the next is in the two servers, or it is lost. The planner, asked on another machine, says
what is next.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest

import mirror_pipeline
from mirror_pipeline.configuration import load_settings
from mirror_pipeline.instance import open_instance
from mirror_pipeline.phases.mirror import build_mirror
from mirror_pipeline.refresh import states_now
from mirror_pipeline.settings import EPOCH_VARIABLE
from mirror_pipeline.staleness import State, most_upstream
from mirror_pipeline_tests.aws_servers import Ministack, unique
from mirror_pipeline_tests.deploy.shipped import POSTGRES_S3
from mirror_pipeline_tests.mirrors import NOW, Workbench, workbench
from mirror_pipeline_tests.postgres_server import Database, Postgres

AT_ONCE = 2
LEVELS: Sequence[set[tuple[str, str | None]]] = [
    {("lock", None)},
    {("requirements", None)},
    {("wheel_plan", "linux-x86_64"), ("wheel_plan", "windows-amd64"), ("wheel_plan", "noarch")},
    {("wheels", "linux-x86_64"), ("wheels", "windows-amd64"), ("wheels", "noarch")},
    {("index", None)},
    {("s3_sync", None)},
    {("verification_report", None)},
]


@dataclass(frozen=True)
class Cloud:
    """The two servers: all that machines have in common."""

    s3: Ministack
    database: Database
    store: str
    logs: str
    published: str

    def environment(self) -> dict[str, str]:
        """The variables of ``deploy/postgres-s3``, and where wheels and pages go."""
        return {
            **self.database.environment(),
            **self.s3.environment(),
            "DAGSTER_LOG_BUCKET": self.logs,
            "DAGSTER_LOG_PREFIX": "dagster",
            "MIRROR_STORE_URL": f"s3://{self.store}/mirror",
            "BUCKET_NAME": self.published,
            "S3_ENDPOINT_URL": self.s3.url,
        }

    def object(self, key: str) -> bytes:
        """What is published under a key."""
        body: bytes = self.s3.client("s3").get_object(Bucket=self.published, Key=key)["Body"].read()
        return body

    def runs_with_output(self) -> set[str]:
        """The runs whose stderr is kept."""
        pages = self.s3.client("s3").get_paginator("list_objects_v2").paginate(Bucket=self.logs)
        keys = [each["Key"] for page in pages for each in page.get("Contents", ())]
        return {key.split("/")[2] for key in keys if key.endswith(".err")}


@pytest.fixture
def cloud(ministack: Ministack, postgres: Postgres) -> Cloud:
    return Cloud(ministack, postgres.database(), *(ministack.bucket() for _ in range(3)))


@dataclass(frozen=True)
class Machine:
    """A folder that stands for a machine, and the cloud that it reaches."""

    root: Path
    cloud: Cloud

    @property
    def dagster_home(self) -> Path:
        """DAGSTER_HOME."""
        return self.root / "history"

    def environment(self) -> dict[str, str]:
        """Nothing of this process but where programs and code are."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        own = {"HOME": "person", "MIRROR_HOME": "mirror", "DAGSTER_HOME": "history", "TMPDIR": "tmp"}
        return {
            **kept,
            "PYTHONPATH": str(Path(mirror_pipeline.__file__).parents[1]),
            "PYTHONDONTWRITEBYTECODE": "1",
            EPOCH_VARIABLE: str(int(NOW.timestamp())),  # what the one machine takes for the time
            "MIRROR_CONFIG": str(self.root / "checkout" / "config.env"),
            **{name: str(self.root / folder) for name, folder in own.items()},
            **self.cloud.environment(),
        }

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A module of Python as a process of this machine."""
        return subprocess.run(
            [sys.executable, "-m", *arguments],
            env=self.environment(), cwd=self.root / "work", stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False,
        )  # fmt: skip


@dataclass(frozen=True)
class Fleet:
    """Makes machines, each from the same project."""

    place: Path
    bench: Workbench
    cloud: Cloud

    @contextmanager
    def machine(self) -> Iterator[Machine]:
        """A new one; gone afterwards, with everything on its disk."""
        root = self.place / unique("machine")
        for folder in ("person", "mirror", "history", "tmp", "work"):
            (root / folder).mkdir(parents=True)
        shutil.copytree(self.bench.lock.parent, root / "checkout" / self.bench.lock.parent.name)
        shutil.copy(self.bench.config, root / "checkout")
        shutil.copy(POSTGRES_S3 / "dagster.yaml", root / "history")
        try:
            yield Machine(root, self.cloud)
        finally:
            shutil.rmtree(root)

    def make(self, state: State) -> None:
        """One asset partition, in a process of its own."""
        partition = ["--partition", state.partition] if state.partition else []
        with self.machine() as machine:
            done = machine.run(
                "dagster", "asset", "materialize", "--select", state.asset, *partition,
                "-m", "mirror_pipeline.definitions",
            )  # fmt: skip
            assert done.returncode == 0, f"{state}: {done.stderr[-3000:]}"
            assert [path.name for path in machine.dagster_home.iterdir()] == ["dagster.yaml"]

    def states(self) -> Sequence[State]:
        """What the planner says, asked on a machine that has done nothing."""
        with self.machine() as machine, pytest.MonkeyPatch.context() as patch:
            environ = machine.environment()
            for name, value in environ.items():
                patch.setenv(name, value)
            patch.setattr(boto3, "DEFAULT_SESSION", None)  # it keeps the credentials of another test
            mirror = build_mirror(load_settings(environ))
            with open_instance(machine.dagster_home) as instance:
                return states_now(mirror, instance)

    def work_through(self) -> Iterator[set[tuple[str, str | None]]]:
        """Level after level, until the planner has nothing more."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            while level := most_upstream(self.states()):
                list(pool.map(self.make, level))
                yield {(state.asset, state.partition) for state in level}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Workbench]:
    with workbench(tmp_path / "single") as bench:
        yield bench


@pytest.fixture
def fleet(tmp_path: Path, bench: Workbench, cloud: Cloud) -> Fleet:
    return Fleet(tmp_path / "machines", bench, cloud)


def test_machines_that_share_nothing_publish_what_one_machine_does(bench: Workbench, fleet: Fleet) -> None:
    levels = list(fleet.work_through())
    assert levels == LEVELS

    bench.refresh()  # on one machine, with its disk as the store, into a directory
    assert fleet.cloud.object("manifest.json") == (bench.site / "manifest.json").read_bytes()

    database = fleet.cloud.database
    statuses = database.ask("SELECT run_id, status FROM runs")
    assert {status for _, status in statuses} == {"SUCCESS"}
    assert len(statuses) == sum(map(len, LEVELS))
    assert fleet.cloud.runs_with_output() == {run for run, _ in statuses}

    with fleet.machine() as machine:
        done = machine.run("mirror_pipeline", "status", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["fresh"] is True
    assert [asset["state"] for asset in told["assets"]] == ["fresh"] * len(statuses)

    bench.add_comment()  # in the next checkout that somebody makes
    stale = [(state.asset, state.status) for state in fleet.states() if state.needs_work]
    assert stale == [("lock", "stale")]
