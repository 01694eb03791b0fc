"""Tokens through everything that AWS has between a client and a wheel, as ministack stands for it.

The command line writes the book into the bucket and deploys the function; pip and uv install through the
distribution. The function and ``serve`` are asked the same, and let in the same.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mirror_pipeline import cli
from mirror_pipeline.adapters.aws import Client
from mirror_pipeline.adapters.edge_function import EdgeFunction
from mirror_pipeline.adapters.installer import find_installer
from mirror_pipeline.adapters.server import serving
from mirror_pipeline.adapters.token_store import FileTokens, WatchedBook
from mirror_pipeline.domain.cloud import Cloud
from mirror_pipeline.domain.edge import Edge, function_name
from mirror_pipeline.domain.iam import bucket_policy
from mirror_pipeline.domain.infra_distribution import distribution_config, new_config
from mirror_pipeline.domain.serving import content_type
from mirror_pipeline.domain.tokens import Admission, admit
from mirror_pipeline_tests.adapters.test_server import ask
from mirror_pipeline_tests.aws_servers import Ministack
from mirror_pipeline_tests.domain.test_tokens import BOOK, HEADERS
from mirror_pipeline_tests.test_token_commands import NEEDED, Clients, Outcome, Run, added, publish

GENERATION = 4


@dataclass(frozen=True)
class Front:
    """A published mirror behind a distribution."""

    url: str
    bucket: str
    asked: list[tuple[str, str, int]]
    """What clients asked for through the distribution: method, path, status."""
    function: EdgeFunction
    client: Client
    """Of S3."""


def basic(name: str, secret: str) -> str:
    """What a client sends."""
    return "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()


def place(s3: Client, bucket: str, site: Path) -> None:
    """Put a site where the function looks for it; clients here take no gzip."""
    for path in (path for path in site.rglob("*") if path.is_file()):
        key = path.relative_to(site).as_posix()
        at = key if key.startswith("packages/") else f"g/{GENERATION}/{key}"
        s3.put_object(Bucket=bucket, Key=at, Body=path.read_bytes(), ContentType=content_type(key))
        if not key.startswith("packages/"):
            s3.put_object(
                Bucket=bucket, Key=f"{at}.gz", Body=path.read_bytes(), ContentType=content_type(key)
            )


def make_front(ministack: Ministack, bucket: str) -> str:
    """A distribution over the private bucket, with the function; its domain."""
    front, cloud = ministack.client("cloudfront"), Cloud(bucket=bucket, mode="generations")
    oac = front.create_origin_access_control(
        OriginAccessControlConfig={
            "Name": bucket, "SigningProtocol": "sigv4", "SigningBehavior": "always",
            "OriginAccessControlOriginType": "s3",
        }
    )["OriginAccessControl"]["Id"]  # fmt: skip
    name = function_name(bucket)
    EdgeFunction(front, name).create(Edge(GENERATION), {})
    described = front.describe_function(Name=name, Stage="LIVE")["FunctionSummary"]
    ids = {
        "oac": oac, "function": described["FunctionMetadata"]["FunctionARN"], "certificate": "",
        "cache_policy": "658327ea-f89d-4fab-a63d-7e88639e58f6",  # Managed-CachingOptimized
        "headers_policy": "67f7725c-6f97-4210-82d7-5512b31e9d03",  # Managed-SecurityHeadersPolicy
    }  # fmt: skip
    config = new_config(distribution_config(cloud, bucket, ids), bucket)
    made = front.create_distribution(DistributionConfig=config)["Distribution"]
    policy = json.dumps(bucket_policy(bucket, made["ARN"], plain_http=True))
    ministack.client("s3").put_bucket_policy(Bucket=bucket, Policy=policy)
    return str(made["DomainName"])


@pytest.fixture
def front(tmp_path: Path, ministack: Ministack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Front]:
    for name, value in ministack.environment().items():
        monkeypatch.setenv(name, value)
    bucket, s3 = ministack.bucket(), ministack.client("s3")
    publish(tmp_path / "site")
    place(s3, bucket, tmp_path / "site")
    with ministack.edge(make_front(ministack, bucket)) as edge:
        function = EdgeFunction(ministack.client("cloudfront"), function_name(bucket))
        yield Front(edge.url, bucket, edge.log, function, s3)


@pytest.fixture
def run(front: Front, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    config = tmp_path / "config.env"
    config.write_text(f"BUCKET_NAME={front.bucket}\nMIRROR_PUBLIC_URL={front.url}\n")

    def call(*arguments: str) -> Outcome:
        capsys.readouterr()
        code = cli.run(["token", *arguments, "--config", str(config)])
        return Outcome(code, *capsys.readouterr())

    return call


@pytest.fixture(params=["pip", "uv"])
def install(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], bool]:
    """Whether a client installs both wheels from an index."""
    clients = Clients(tmp_path / "client", find_installer())
    tool = clients.pip if request.param == "pip" else clients.uv_pip

    def call(index: str) -> bool:
        outcome = tool(index)
        assert (outcome.code == 0) is clients.has_installed(), outcome.err
        return outcome.code == 0

    return call


def test_clients_install_through_the_distribution_with_a_token_and_only_with_one(
    front: Front, run: Run, install: Callable[[str], bool]
) -> None:
    plain, address = f"{front.url}/simple/", front.url.removeprefix("http://")
    assert install(plain), "public before the first token"
    assert ask(front.url, f"/packages/{NEEDED.file}").body == NEEDED.content

    secret, other = added(run, "ci"), added(run, "other")
    front.asked.clear()
    assert not install(plain)
    assert {status for _, _, status in front.asked} == {401}
    assert not install(f"http://ci:{other}@{address}/simple/")
    assert install(f"http://ci:{secret}@{address}/simple/")
    assert any(path.startswith("/packages/") and status == 200 for _, path, status in front.asked)

    assert run("revoke", "ci").code == 0
    assert not install(f"http://ci:{secret}@{address}/simple/")
    assert install(f"http://other:{other}@{address}/simple/")
    assert run("revoke", "other").code == 0
    assert not install(f"http://other:{other}@{address}/simple/")

    assert run("open", "--yes").code == 0
    assert install(plain)


def test_wheels_metadata_and_pages_are_closed_alike(front: Front, run: Run) -> None:
    added(run, "ci")
    for path in (
        "/", "/simple/", "/simple/needy/", "/simple/Needy", f"/packages/{NEEDED.file}", "/absent",
        f"/packages/{NEEDED.file}.metadata", "/.mirror/tokens.json", f"/g/{GENERATION}/simple/index.html",
    ):  # fmt: skip
        answer = ask(front.url, path)
        assert (answer.status, answer.body) == (401, b"Unauthorized\n"), path
        assert answer.headers["www-authenticate"] == 'Basic realm="mirror"'
        assert answer.headers["cache-control"] == "no-store"


def test_the_book_is_out_of_reach_for_those_with_a_token(front: Front, run: Run) -> None:
    secret = added(run, "ci")
    assert front.client.get_object(Bucket=front.bucket, Key=".mirror/tokens.json")["Body"].read()
    for path in ("/.mirror/tokens.json", "/%2emirror/tokens.json", "/packages/../.mirror/tokens.json"):
        answer = ask(front.url, path, authorization=basic("ci", secret))
        assert answer.status in (400, 404), path
        assert b"sha256" not in answer.body


def test_commands_tell_the_url_and_keep_the_generation(front: Front, run: Run) -> None:
    assert f"{front.url.replace('://', '://ci:TOKEN@')}/simple/" in run("add", "ci").out
    listed = run("list", "--json")
    assert (listed.code, listed.answer["findings"]) == (0, [])
    deployed = front.function.read()
    assert deployed is not None
    assert deployed.edge is not None
    assert deployed.edge.generation == GENERATION
    assert len(deployed.edge.tokens or ()) == 1


def test_an_edge_that_was_changed_behind_the_book_is_a_finding_until_a_command_mends_it(
    front: Front, run: Run
) -> None:
    secret = added(run, "ci")
    deployed = front.function.read()
    assert deployed is not None
    front.function.deploy(Edge(GENERATION), deployed.etag)
    listed = run("list", "--json")
    assert (listed.code, listed.answer["status"]) == (1, "findings")
    assert listed.answer["findings"] == [
        {"subject": "edge", "problem": "the edge lets everybody in, though the mirror is private"}
    ]
    assert "problem: the edge lets everybody in" in run("list").out
    assert ask(front.url, "/simple/").status == 200

    mended = run("revoke", "gone-already")
    assert mended.code == 0
    assert "was not listed any more" in mended.out
    assert "now it does" in mended.out
    assert ask(front.url, "/simple/").status == 401
    assert ask(front.url, "/simple/", authorization=basic("ci", secret)).status == 200
    assert run("list").code == 0
    assert run("revoke", "gone-already").code == 2


def test_the_edge_and_serve_let_in_the_same(front: Front, tmp_path: Path) -> None:
    deployed = front.function.read()
    assert deployed is not None
    front.function.deploy(Edge(GENERATION, BOOK.digests), deployed.etag)
    FileTokens(tmp_path / "tokens.json").write(BOOK, "")
    with serving(tmp_path / "site", admits=WatchedBook(tmp_path / "tokens.json")) as served:
        for header in HEADERS:
            statuses = {ask(base, "/simple/", authorization=header).status for base in (front.url, served)}
            assert statuses == {200 if admit(BOOK, header) is Admission.GRANTED else 401}, header
