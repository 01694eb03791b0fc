"""``deploy/ecs`` against what there is of AWS here: its own parameter checks, its server, and real processes.

``ministack`` knows ECS: it takes the task definitions, starts tasks (in name: it runs no container here) and
enforces policies. The containers' commands run as processes of this machine, with the environment that their
definition gives them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, TypeVar

import boto3
import pytest
import yaml
from botocore.exceptions import ParamValidationError
from botocore.validate import validate_parameters

from mirror_pipeline.configuration import load_settings
from mirror_pipeline.domain.iam import publisher_policy
from mirror_pipeline.settings import Settings
from mirror_pipeline_tests.aws_servers import Ministack, free_port, run_ministack
from mirror_pipeline_tests.deploy.shipped import (
    ECS,
    ROLES,
    TASKS,
    asked_for,
    policy,
    read_yaml,
    task_definition,
)
from mirror_pipeline_tests.mirrors import workbench
from mirror_pipeline_tests.postgres_server import Database, Postgres

ACCOUNT, CLUSTER, REGION = "000000000000", "mirror", "us-east-1"
VALUES: Mapping[str, str] = {
    "ACCOUNT": ACCOUNT,
    "CLUSTER": CLUSTER,
    "REGION": REGION,
    "IMAGE": "registry.example/mirror-pipeline:7",
    "LOG_GROUP": "/mirror-pipeline",
    "LOG_BUCKET": "logs",
    "STORE_URL": "s3://store/mirror",
    "PG_HOST": "postgres.example",
    "PG_DB": "mirror",
    "PG_USERNAME": "mirror",
    "PG_PASSWORD_SECRET_ARN": f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:postgres",
    **{f"{name.upper()}_ROLE_ARN": f"arn:aws:iam::{ACCOUNT}:role/mirror-{name}" for name in ROLES},
}
ECS_MAY_TAKE_IT = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "ecs-tasks.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}
FARGATE = {"1024": range(2048, 8193, 1024)}
"""Memory (MiB) that goes with a task's CPU units, for the sizes that are used here."""
PUBLISHED = "site"
PATIENCE = 90.0
T = TypeVar("T")


def containers(name: str) -> dict[str, dict[str, Any]]:
    """The containers of a task definition."""
    return {each["name"]: each for each in task_definition(name, VALUES)["containerDefinitions"]}


def problems(definition: Mapping[str, Any]) -> str:
    """What botocore's model of ECS finds in a task definition."""
    client = boto3.client("ecs", region_name=REGION, aws_access_key_id="x", aws_secret_access_key="x")
    shape = client.meta.service_model.operation_model("RegisterTaskDefinition").input_shape
    try:
        validate_parameters(definition, shape)
    except ParamValidationError as error:
        return str(error)
    return ""


class TestTaskDefinitions:
    @pytest.mark.parametrize("name", TASKS)
    def test_aws_takes_their_shape(self, name: str) -> None:
        definition = task_definition(name, VALUES)
        assert problems(definition) == ""
        assert int(definition["memory"]) in FARGATE[definition["cpu"]]

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"cpu": 1024}, "Invalid type for parameter cpu"),
            ({"family": None}, "Invalid type for parameter family"),
            ({"containers": []}, "Unknown parameter in input"),
            ({"containerDefinitions": [{"name": "run", "comand": ["x"]}]}, '"comand"'),
        ],
    )
    def test_a_wrong_shape_is_seen(self, changes: Mapping[str, Any], said: str) -> None:
        assert said in problems({**task_definition("run", VALUES), **changes})

    def test_runs_are_what_dagster_starts(self) -> None:
        launcher = read_yaml(ECS / "dagster.yaml")["run_launcher"]["config"]
        assert list(containers("run")) == [launcher["container_name"]]
        variable = launcher["task_definition"]["env"]
        daemon = {each["name"]: each["value"] for each in containers("service")["daemon"]["environment"]}
        assert daemon[variable] == task_definition("run", VALUES)["family"]

    @pytest.mark.parametrize(("task", "name"), [(t, n) for t in TASKS for n in containers(t)])
    def test_each_container_has_every_variable(self, task: str, name: str) -> None:
        container = containers(task)[name]
        plain = {each["name"] for each in container["environment"]}
        secret = {each["name"] for each in container["secrets"]}
        assert secret == {"DAGSTER_PG_PASSWORD"}
        assert set(asked_for(read_yaml(ECS / "dagster.yaml"))) <= plain | secret
        assert not plain & secret

    def test_what_is_waited_for_has_a_health_check(self) -> None:
        service = containers("service")
        for container in service.values():
            for needed in container.get("dependsOn", []):
                assert needed["condition"] == "HEALTHY"
                assert "healthCheck" in service[needed["containerName"]]

    def test_the_workspace_is_the_code_container(self) -> None:
        [server] = [each["grpc_server"] for each in read_yaml(ECS / "workspace.yaml")["load_from"]]
        command = containers("service")["code"]["command"]
        assert _option(command, "--host") == server["host"]
        assert _option(command, "--port") == str(server["port"])


def _option(command: Sequence[str], name: str) -> str:
    return command[command.index(name) + 1]


@pytest.fixture(scope="module")
def aws() -> Iterator[Ministack]:
    """An account with the shipped roles and their policies, both task definitions, and a cluster."""
    with run_ministack("s3,iam,sts,ecs,ec2,secretsmanager,logs") as server:
        iam, ecs = server.client("iam"), server.client("ecs")
        for name in ROLES:
            iam.create_role(RoleName=f"mirror-{name}", AssumeRolePolicyDocument=json.dumps(ECS_MAY_TAKE_IT))
            document = json.dumps(policy(name, VALUES))
            iam.put_role_policy(RoleName=f"mirror-{name}", PolicyName="shipped", PolicyDocument=document)
        for name in TASKS:
            ecs.register_task_definition(**task_definition(name, VALUES))
        ecs.create_cluster(clusterName=CLUSTER)
        for bucket in (VALUES["LOG_BUCKET"], "store", PUBLISHED):
            server.client("s3").create_bucket(Bucket=bucket)
        yield server


def _as_role(server: Ministack, settings: Settings, *roles: str) -> dict[str, str]:
    """The environment of somebody who may do what these roles and a publisher may, and no more.

    Resources count for S3 alone: of ECS, ministack asks for the cluster's where AWS asks for the task's.
    """
    policies = [publisher_policy(settings.cloud, ACCOUNT, settings.store)]
    policies += [policy(role, VALUES) for role in roles]
    statements = [_judged(each) for document in policies for each in document["Statement"]]
    return server.environment(server.user({"Version": "2012-10-17", "Statement": statements}))


def _judged(statement: Mapping[str, Any]) -> Mapping[str, Any]:
    of_s3 = str(statement["Resource"]).find(":s3:::") >= 0
    return statement if of_s3 else {"Effect": "Allow", "Action": statement["Action"], "Resource": "*"}


@dataclass(frozen=True)
class Task:
    """A task of the service as its containers see it: processes here, with the definition's environment."""

    family: str
    home: Path
    environ: Mapping[str, str]

    def environment(self, container: str) -> dict[str, str]:
        """What ECS would give the container, and what leads to the servers of this test."""
        given = {each["name"]: each["value"] for each in containers(self.family)[container]["environment"]}
        return {**os.environ, **given, **self.environ, "DAGSTER_HOME": str(self.home)}

    @contextmanager
    def started(self, container: str, command: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
        """The container's process, with its output in a file."""
        with (self.home.parent / f"{container}.txt").open("wb") as output:
            process = subprocess.Popen(
                _runnable(command), env=self.environment(container), cwd=self.home.parent,
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
            try:
                yield process
            finally:
                process.terminate()
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def _runnable(command: Sequence[str]) -> list[str]:
    """The same program of this environment."""
    return [str(Path(sys.executable).parent / command[0]), *command[1:]]


def _moved(value: Any, port: int) -> Any:
    """A command or a workspace with another port than 4000, which may be taken here."""
    return json.loads(json.dumps(value).replace("4000", str(port)))


@contextmanager
def _metadata(cluster: str, task: str) -> Iterator[str]:
    """What ECS tells a container about its own task."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"Cluster": cluster, "TaskARN": task}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Nobody reads it."""

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/v4/here"
        finally:
            server.shutdown()
            thread.join()


def _await(look: Callable[[], T], *logs: Path) -> T:
    """What ``look`` finds, once it finds something."""
    deadline = time.monotonic() + PATIENCE
    while not (found := look()):
        if time.monotonic() > deadline:
            pytest.fail("\n".join(path.read_text(errors="replace")[-3000:] for path in logs))
        threading.Event().wait(0.2)
    return found


@pytest.fixture
def database(postgres: Postgres) -> Database:
    return postgres.database()


class TestServiceAndRun:
    """Code server and daemon as processes; a run as the task that the launcher asks ECS for."""

    def test_the_daemon_has_ecs_start_a_task_that_does_the_run(
        self, aws: Ministack, database: Database, tmp_path: Path
    ) -> None:
        ecs = aws.client("ecs")
        own = ecs.run_task(cluster=CLUSTER, taskDefinition="mirror-service", launchType="FARGATE")["tasks"][0]
        port = free_port()
        home = _installed(tmp_path / "image", port)
        with ExitStack() as stack:
            bench = stack.enter_context(workbench(tmp_path / "bench", BUCKET_NAME=PUBLISHED))
            settings = load_settings({"MIRROR_STORE_URL": VALUES["STORE_URL"]}, bench.config)
            uri = stack.enter_context(_metadata(own["clusterArn"], own["taskArn"]))
            shared = {**database.environment(), "MIRROR_CONFIG": str(bench.config)}
            told = {**_as_role(aws, settings, "service", "run"), "ECS_CONTAINER_METADATA_URI_V4": uri}
            service = Task("service", home, {**shared, **told})
            self._start(stack, service, port)
            logs = [tmp_path / "image" / f"{name}.txt" for name in ("code", "daemon")]
            [arn] = _await(lambda: ecs.list_tasks(cluster=CLUSTER, family="mirror-run")["taskArns"], *logs)
            started = ecs.describe_tasks(cluster=CLUSTER, tasks=[arn], include=["TAGS"])["tasks"][0]
        [override] = started["overrides"]["containerOverrides"]
        assert override["name"] == "run"
        assert database.environment()["DAGSTER_PG_PASSWORD"] not in json.dumps(override)
        run = {tag["key"]: tag["value"] for tag in started["tags"]}["dagster/run_id"]
        task = Task("run", _installed(tmp_path / "other", port), {**shared, **_as_role(aws, settings, "run")})
        self._execute(task, override)
        assert database.ask("SELECT run_id, status FROM runs") == [(run, "SUCCESS")]
        s3 = aws.client("s3")
        kept = s3.list_objects_v2(Bucket=VALUES["LOG_BUCKET"], Prefix=f"dagster/storage/{run}/")
        assert {Path(each["Key"]).suffix for each in kept["Contents"]} == {".out", ".err"}
        assert s3.head_object(Bucket="store", Key="mirror/documents/lock.json")["ContentLength"] > 0

    def _start(self, stack: ExitStack, service: Task, port: int) -> None:
        code, daemon = containers("service")["code"], containers("service")["daemon"]
        stack.enter_context(service.started("code", _moved(code["command"], port)))
        check = _runnable(_moved(code["healthCheck"]["command"][1:], port))

        def healthy() -> bool:
            return not subprocess.run(check, check=False, capture_output=True).returncode

        _await(healthy, service.home.parent / "code.txt")
        workspace = str(service.home / "workspace.yaml")
        command = [workspace if word == "/srv/dagster/workspace.yaml" else word for word in daemon["command"]]
        assert workspace in command
        stack.enter_context(service.started("daemon", command))

    def _execute(self, task: Task, override: Mapping[str, Any]) -> None:
        done = subprocess.run(
            _runnable(override["command"]), env=task.environment("run"), cwd=task.home,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]


def _installed(folder: Path, port: int) -> Path:
    """DAGSTER_HOME as the image has it."""
    home = folder / "dagster"
    home.mkdir(parents=True)
    (home / "dagster.yaml").write_bytes((ECS / "dagster.yaml").read_bytes())
    (home / "workspace.yaml").write_text(yaml.safe_dump(_moved(read_yaml(ECS / "workspace.yaml"), port)))
    return home
