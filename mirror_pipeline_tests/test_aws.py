"""AWS from nothing to an installed package and back to nothing, by the command line, on ministack.

One account for the module; the tests follow the life of a mirror, and each leaves it in order. Provisioning
is done by an IAM user with the provisioner's policy, everything else by one with the publisher's.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import botocore
import pytest
from botocore.config import Config

from mirror_pipeline import cli
from mirror_pipeline.domain.edge import function_name
from mirror_pipeline_tests.aws_servers import Edge, Keys, Ministack, unique
from mirror_pipeline_tests.clients import Installed, pip_install, uv_install
from mirror_pipeline_tests.mirrors import Workbench, workbench
from mirror_pipeline_tests.provisioning import as_ministack_judges

REPOSITORY = Path(cli.__file__).parent.parent
PIP = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01"


@dataclass
class Account:
    """A mirror's folder, its bucket, the users and the distribution as clients reach it."""

    bench: Workbench
    server: Ministack
    bucket: str
    edge: Edge
    users: dict[str, Keys] = field(default_factory=dict)

    @property
    def index(self) -> str:
        """What clients are given."""
        return f"{self.edge.url}/simple/"

    def configured(self, key: str) -> str:
        """A value of the configuration file as it is now."""
        lines = self.bench.config.read_text().splitlines()
        return next((line.partition("=")[2] for line in lines if line.startswith(f"{key}=")), "")

    def edited(self) -> Workbench:
        """The folder, to be edited: it writes the whole configuration anew, with what ``infra`` wrote."""
        written = [line.partition("=") for line in self.bench.config.read_text().splitlines()]
        self.bench.values.update({key: value for key, _, value in written if key.startswith("CLOUDFRONT_")})
        return self.bench

    def fetch(self, path: str, accept: str = "*/*") -> tuple[int, Mapping[str, str], bytes]:
        """Ask the distribution as a client would."""
        request = urllib.request.Request(f"{self.edge.url}{path}", headers={"Accept": accept})  # noqa: S310
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=60) as answer:
                return answer.status, dict(answer.headers), answer.read()
        except urllib.error.HTTPError as error:
            return error.code, dict(error.headers), error.read()


@pytest.fixture(scope="module")
def account(ministack: Ministack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    bucket = unique("wheels")
    found: list[Account] = []

    def domain() -> str:
        return found[0].configured("CLOUDFRONT_DOMAIN") or "nothing.cloudfront.net"

    root = tmp_path_factory.mktemp("aws") / "bench"
    with ministack.edge(domain) as edge, workbench(root) as bench:
        bench.configure(BUCKET_NAME=bucket, MIRROR_PUBLIC_URL=edge.url)
        found.append(Account(bench, ministack, bucket, edge))
        yield found[0]


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def answer(self) -> Mapping[str, Any]:
        """The one JSON object."""
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found


Run = Callable[..., Outcome]


@pytest.fixture
def run(account: Account, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command as one of the users."""
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: str, user: str = "publisher") -> Outcome:
        keys = account.users.get(user, account.server.admin)
        for name, value in account.server.environment(keys).items():
            monkeypatch.setenv(name, value)
        capsys.readouterr()
        code = cli.run([*arguments, "--config", str(account.bench.config)])
        return Outcome(code, *capsys.readouterr())

    return call


def test_from_nothing(account: Account, run: Run) -> None:
    policy = run("infra", "policy", "provisioner", "--json", user="admin")
    account.users["provisioner"] = account.server.user(as_ministack_judges(policy.answer["policy"]))
    planned = run("infra", "plan", "--json", user="provisioner")
    assert planned.answer["status"] == "findings", planned

    for command in ("refresh", "verify"):
        early = run(command, "--json")
        assert (early.code, early.answer["error"]["key"]) == (2, "CLOUDFRONT_DISTRIBUTION_ID")

    done = run("infra", "apply", "--json", user="provisioner")
    assert done.code == 0, done
    assert account.configured("CLOUDFRONT_DISTRIBUTION_ID")
    assert account.configured("CLOUDFRONT_DOMAIN").endswith(".cloudfront.net")
    assert run("infra", "plan", "--json", user="provisioner").answer["status"] == "ok"
    states = {one["asset"]: one["state"] for one in run("status", "--json").answer["assets"]}
    assert states["infrastructure"] == "fresh"
    assert states["s3_sync"] == "missing"

    policy = run("infra", "policy", "publisher", "--json", user="admin")
    account.users["publisher"] = account.server.user(as_ministack_judges(policy.answer["policy"]))


def test_nothing_is_there_before_the_first_publication(account: Account, run: Run) -> None:
    assert account.fetch("/simple/")[0] == 404
    assert account.fetch("/")[0] == 404
    shown = run("verify", "--json")
    assert (shown.code, shown.answer["error"]["kind"]) == (3, "document")


def test_the_publisher_publishes(account: Account, run: Run) -> None:
    done = run("refresh", "--json")
    assert done.code == 0, done
    assert done.answer["generation"] == 1
    assert done.answer["verified"]
    assert done.answer["site"] == account.edge.url
    assert done.answer["uploaded"] > 20


@pytest.mark.parametrize("install", [pip_install, uv_install])
def test_a_real_client_installs_through_the_distribution(
    account: Account, install: Callable[..., Installed]
) -> None:
    done = install(account.index, "alpha", "native")
    assert done.code == 0, done.output
    assert done.distributions == {"alpha-1.0", "native-1.0"}
    asked = [path for _, path, status in account.edge.log if status == 200]
    assert any(path.startswith("/packages/alpha-1.0") and path.endswith(".whl") for path in asked)


def test_pages_are_what_their_headers_say(account: Account) -> None:
    status, headers, body = account.fetch("/simple/alpha/", PIP)
    assert status == 200
    assert headers["Content-Type"] == "application/vnd.pypi.simple.v1+json"
    assert json.loads(body)["name"] == "alpha"
    assert headers["Cache-Control"] == "public, max-age=60, stale-while-revalidate=300"
    status, headers, _ = account.fetch("/simple/alpha/")
    assert headers["Content-Type"].startswith("text/html")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "Strict-Transport-Security" in headers


@pytest.mark.parametrize(
    "path",
    [
        "/g/1/manifest.json", "/g/1/simple/index.html", "/.mirror/manifest.json", "/.mirror/404.txt",
        "/%67/1/manifest.json", "/%2emirror/manifest.json", "/packages/../.mirror/manifest.json",
        "/packages/%2e%2e/.mirror/manifest.json", "//g/1/manifest.json", "/packages/", "/packages/none.whl",
        "/simple/none/", "/../g/1/manifest.json", "/simple/..%2f..%2fg/1/manifest.json",
    ],
)  # fmt: skip
def test_nothing_else_is_readable_through_the_distribution(account: Account, path: str) -> None:
    assert account.fetch(path)[0] == 404


def test_the_bucket_is_closed_to_everybody_else(account: Account) -> None:
    key = "g/1/manifest.json"
    url = f"{account.server.url}/{account.bucket}/{key}"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with pytest.raises(urllib.error.HTTPError) as caught:
        opener.open(url, timeout=60)
    assert caught.value.code == 403
    assert account.server.client("s3").get_object(Bucket=account.bucket, Key=key)["ContentLength"] > 0
    stranger = account.server.user(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:*", "Resource": "*"}]}
    )
    wrong = Keys(account.server.admin.access, "wrong")
    for keys in (stranger, wrong):
        with pytest.raises(botocore.exceptions.ClientError) as refused:
            account.server.client("s3", keys).get_object(Bucket=account.bucket, Key=key)
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    anonymous = boto3.client(
        "s3", endpoint_url=account.server.url, region_name="us-east-1",
        config=Config(signature_version=botocore.UNSIGNED),
    )  # fmt: skip
    for call in (anonymous.list_objects_v2, anonymous.get_bucket_policy):
        with pytest.raises(botocore.exceptions.ClientError):
            call(Bucket=account.bucket)


def test_nothing_to_do_is_one_request(account: Account, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with account.server.counted() as (server, lines):
        monkeypatch.setattr(account, "server", server)
        done = run("refresh", "--json")
    assert done.code == 0, done
    assert done.answer["recomputed"] == []
    assert lines == [f"GET /{account.bucket}/.mirror/manifest.json"]


def test_a_change_is_a_new_generation_and_can_be_taken_back(account: Account, run: Run) -> None:
    account.edited().add_pin("beta")
    done = run("refresh", "--json")
    assert (done.code, done.answer["generation"]) == (0, 2), done
    assert account.fetch("/simple/beta/")[0] == 200

    back = run("rollback", "--reason", "beta breaks the build", "--json")
    assert (back.code, back.answer["generation"]) == (0, 1), back
    assert account.fetch("/simple/beta/")[0] == 404

    again = run("refresh", "--json")
    assert (again.code, again.answer["generation"]) == (0, 1), again
    assert account.fetch("/simple/beta/")[0] == 404
    listed = run("generations", "--json").answer
    assert (listed["live"], listed["hold"]["reason"]) == (1, "beta breaks the build")
    assert [one["number"] for one in listed["generations"]] == [1, 2]

    forced = run("refresh", "--force", "--json")
    assert (forced.code, forced.answer["generation"]) == (0, 3), forced
    assert account.fetch("/simple/beta/")[0] == 200


@contextmanager
def _a_client_that_installs_all_the_time(account: Account) -> Iterator[list[Installed]]:
    done: list[Installed] = []
    stop = threading.Event()

    def loop() -> None:
        while not stop.is_set():
            done.append(uv_install(account.index, "alpha", "native"))

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield done
    finally:
        stop.set()
        thread.join()


def _until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.05)


def test_rollback_and_gc_under_a_client(account: Account, run: Run) -> None:
    with _a_client_that_installs_all_the_time(account) as done:
        for number in ("1", "2", "3"):
            seen = len(done)
            assert run("rollback", number, "--json").code == 0
            _until(lambda seen=seen: len(done) > seen + 1)  # type: ignore[misc]
        assert run("refresh", "--force", "--json").code == 0
        collected = run("gc", "--yes", "--json")
        assert (collected.code, collected.answer["generations"]) == (0, []), collected
        account.edited().configure(MIRROR_KEEP_GENERATIONS="1", MIRROR_GRACE_DAYS="0")
        would = run("gc", "--json").answer
        assert would["generations"] == [1, 2, 3]
        collected = run("gc", "--yes", "--json")
        assert collected.answer["generations"] == [1, 2, 3]
        seen = len(done)
        _until(lambda: len(done) > seen + 1)
    assert len(done) > 5
    assert [one.output for one in done if one.code] == []
    assert run("verify", "--json").code == 0


def test_what_was_changed_behind_our_back_is_found_and_put_right(account: Account, run: Run) -> None:
    s3 = account.server.client("s3")
    wheel = f"packages/{account.bench.dist('alpha').file}"
    live = run("generations", "--json").answer["live"]
    page = f"g/{live}/simple/alpha/index.v1_json"
    s3.put_object(Bucket=account.bucket, Key=wheel, Body=b"x" * account.bench.dist("alpha").size)
    s3.delete_object(Bucket=account.bucket, Key=page)

    found = run("verify", "--json")
    assert found.code == 1
    named = {finding["subject"] for finding in found.answer["findings"] if finding["layer"] == "bucket"}
    assert named == {wheel, page}

    assert run("refresh", "--repair", "--json").code == 0
    assert run("verify", "--json").code == 0
    assert pip_install(account.index, "alpha").code == 0


def test_the_mirror_can_be_made_private(account: Account, run: Run) -> None:
    token = run("token", "add", "ci", "--json").answer["token"]
    assert pip_install(account.index, "alpha").code != 0
    assert account.fetch("/simple/alpha/")[0] == 401
    assert account.fetch(f"/packages/{account.bench.dist('alpha').file}")[0] == 401
    private = account.index.replace("http://", f"http://ci:{token}@")
    for install in (pip_install, uv_install):
        done = install(private, "alpha")
        assert done.code == 0, done.output

    assert run("verify", "--json").code == 3
    account.edited().configure(MIRROR_LOGIN=f"ci:{token}")
    verified = run("verify", "--json")
    assert verified.code == 0, verified
    account.edited().add_pin("gamma")
    published = run("refresh", "--json")
    assert published.code == 0, published
    assert token not in published.out + published.err + verified.out + verified.err
    assert account.fetch("/simple/gamma/")[0] == 401

    assert run("token", "revoke", "ci", "--json").code == 0
    assert pip_install(private, "alpha").code != 0
    assert run("token", "open", "--yes", "--json").code == 0
    account.edited().configure(MIRROR_LOGIN="")
    assert pip_install(account.index, "gamma").code == 0


@pytest.mark.parametrize("request_number", [2, 8, 20, 40, 60, 80])
def test_a_publisher_is_killed(account: Account, run: Run, request_number: int) -> None:
    """A process, at a request in the middle of its publication: with all it has begun, by SIGKILL."""
    before = account.fetch("/manifest.json")[2]
    account.edited().add_pin(f"killed-{request_number}")
    keys = account.users["publisher"]
    with account.server.counted() as (server, lines):
        process = subprocess.Popen(
            [sys.executable, "-m", "mirror_pipeline", "refresh", "--config", str(account.bench.config)],
            env={**os.environ, **server.environment(keys), "PYTHONPATH": str(REPOSITORY)},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        _until(lambda: len(lines) >= request_number or process.poll() is not None)
        process.kill()
        assert process.wait() == -signal.SIGKILL, f"it ended after {len(lines)} requests"
    shown = json.loads(account.fetch("/manifest.json")[2])
    _assert_whole(account, shown)
    assert account.fetch("/manifest.json")[2] == before or f"simple/killed-{request_number}/" in str(shown)

    assert run("refresh", "--json").code == 0
    assert account.fetch(f"/simple/killed-{request_number}/")[0] == 200
    verified = run("verify", "--json")
    assert verified.code == 0, verified


def _assert_whole(account: Account, manifest: Mapping[str, Any]) -> None:
    """Every file that the shown manifest names is there with its bytes."""
    for key, entry in manifest["files"].items():
        status, _, body = account.fetch(f"/{urllib.parse.quote(key)}")
        assert status == 200, key
        assert hashlib.sha256(body).hexdigest() == entry["sha256"], key


def test_the_publisher_may_not_provision(account: Account, run: Run) -> None:
    refused = run("infra", "destroy", "--yes", "--delete-objects", "--json")
    assert (refused.code, refused.answer["error"]["kind"]) == (3, "credentials")
    assert account.fetch("/simple/")[0] == 200


def test_back_to_nothing(account: Account, run: Run) -> None:
    policy = run("infra", "policy", "provisioner", "--delete-objects", "--json", user="admin").answer[
        "policy"
    ]
    account.users["destroyer"] = account.server.user(as_ministack_judges(policy))
    kept = run("infra", "destroy", "--yes", "--json", user="destroyer")
    assert kept.code == 0, kept
    assert account.configured("CLOUDFRONT_DISTRIBUTION_ID") == ""
    assert account.server.client("s3").list_objects_v2(Bucket=account.bucket)["KeyCount"] > 0

    gone = run("infra", "destroy", "--yes", "--delete-objects", "--json", user="destroyer")
    assert gone.code == 0, gone
    names = [bucket["Name"] for bucket in account.server.client("s3").list_buckets()["Buckets"]]
    assert account.bucket not in names
    cloudfront = account.server.client("cloudfront")
    functions = cloudfront.list_functions()["FunctionList"].get("Items", [])
    assert function_name(account.bucket) not in [one["Name"] for one in functions]


def test_and_from_nothing_by_setup_alone(account: Account, run: Run) -> None:
    done = run("setup", "--json", user="admin")
    assert done.code == 0, done
    assert pip_install(account.index, "alpha").code == 0
    states = {one["asset"]: one["state"] for one in run("status", "--json", user="admin").answer["assets"]}
    assert set(states.values()) == {"fresh"}
    assert "infrastructure" in states
    assert run("infra", "destroy", "--yes", "--delete-objects", "--json", user="admin").code == 0
