"""The function's life on ministack: made, deployed, raced for, abandoned half-way, deleted."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import pytest

from mirror_pipeline.adapters.aws import code_of
from mirror_pipeline.adapters.edge_function import COMMENT, RUNTIME, Deployed, EdgeFunction, template
from mirror_pipeline.domain.edge import Edge, function_name, render
from mirror_pipeline.errors import CloudError, CredentialsError, EdgeTooBigError, PreconditionError
from mirror_pipeline_tests.adapters.test_server import ask
from mirror_pipeline_tests.aws_servers import Ministack, unique
from mirror_pipeline_tests.test_token_edge import make_front

TOKENS = tuple(f"{number:064x}" for number in range(200))
FOREIGN = b"function handler(event) { return event.request; }"
FOREIGN_CONFIG = {"Comment": "", "Runtime": RUNTIME}
FIVE, SIX, SEVEN = Edge(5), Edge(6), Edge(7, TOKENS[:2])


class ProcessDiesError(Exception):
    """Stands for a kill: nothing of ours catches it."""


@dataclass
class Client:
    """A client of the API that lets a test step in before or after one call of a method."""

    real: Any
    before: dict[str, Callable[[], None]] = field(default_factory=dict)
    after: dict[str, Callable[[], None]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    def __getattr__(self, method: str) -> Callable[..., Any]:
        def call(**parameters: Any) -> Any:
            self.before.pop(method, lambda: None)()
            self.calls.append(method)
            answer = getattr(self.real, method)(**parameters)
            self.after.pop(method, lambda: None)()
            return answer

        return call


def die() -> None:
    raise ProcessDiesError


@pytest.fixture
def cloudfront(ministack: Ministack) -> Any:
    return ministack.client("cloudfront")


@pytest.fixture
def name() -> str:
    return function_name(unique("bucket"))


@pytest.fixture
def someone(cloudfront: Any, name: str) -> EdgeFunction:
    return EdgeFunction(cloudfront, name)


@pytest.fixture
def client(cloudfront: Any) -> Client:
    return Client(cloudfront)


@pytest.fixture
def other(client: Client, name: str) -> EdgeFunction:
    """The same function in the hands of another process, whose calls the test may interrupt."""
    return EdgeFunction(client, name)


def seen(function: EdgeFunction) -> Deployed:
    deployed = function.read()
    assert deployed is not None
    return deployed


def live(cloudfront: Any, name: str) -> str:
    code: bytes = cloudfront.get_function(Name=name, Stage="LIVE")["FunctionCode"].read()
    return code.decode()


def make_foreign(cloudfront: Any, name: str, code: bytes = FOREIGN, *, publish: bool = True) -> None:
    made = cloudfront.create_function(Name=name, FunctionConfig=FOREIGN_CONFIG, FunctionCode=code)
    if publish:
        cloudfront.publish_function(Name=name, IfMatch=made["ETag"])


def test_a_function_that_is_not_there_is_none(someone: EdgeFunction) -> None:
    assert someone.read() is None
    assert someone.requests == 1


@pytest.mark.parametrize("edge", [Edge(), FIVE, SEVEN, Edge(None, ()), Edge(8, TOKENS[:60])])
def test_what_was_made_is_live(cloudfront: Any, name: str, someone: EdgeFunction, edge: Edge) -> None:
    someone.create(edge, {"made-by": "mirror_pipeline", "bucket": "wheels.example"})
    assert live(cloudfront, name) == render(template(), edge)
    assert (seen(someone).edge, seen(someone).current) == (edge, True)
    summary = cloudfront.describe_function(Name=name, Stage="LIVE")["FunctionSummary"]
    assert (summary["FunctionConfig"]["Runtime"], summary["FunctionConfig"]["Comment"]) == (RUNTIME, COMMENT)
    arn = summary["FunctionMetadata"]["FunctionARN"]
    tags = cloudfront.list_tags_for_resource(Resource=arn)["Tags"]["Items"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {
        "made-by": "mirror_pipeline",
        "bucket": "wheels.example",
    }


def test_what_is_there_is_not_made_again(someone: EdgeFunction, other: EdgeFunction) -> None:
    someone.create(FIVE, {})
    with pytest.raises(CloudError) as caught:
        other.create(SIX, {})
    assert code_of(caught.value) == "FunctionAlreadyExists"
    assert seen(someone).edge == FIVE


def test_a_deployment_replaces_what_was_seen(cloudfront: Any, name: str, someone: EdgeFunction) -> None:
    someone.create(FIVE, {})
    before = seen(someone)
    someone.deploy(SEVEN, before.etag)
    after = seen(someone)
    assert (after.edge, after.current) == (SEVEN, True)
    assert after.etag != before.etag
    assert live(cloudfront, name) == render(template(), SEVEN)


def test_a_deployment_needs_no_look_of_its_own(someone: EdgeFunction, other: EdgeFunction) -> None:
    someone.create(FIVE, {})
    other.deploy(SIX, seen(someone).etag)
    assert seen(someone).edge == SIX


def test_an_etag_of_before_is_refused(someone: EdgeFunction, other: EdgeFunction) -> None:
    someone.create(FIVE, {})
    stale = seen(someone).etag
    other.deploy(SIX, seen(other).etag)
    for function in (someone, other):
        with pytest.raises(PreconditionError):
            function.deploy(SEVEN, stale)
    assert (seen(someone).edge, seen(someone).current) == (SIX, True)


def test_of_many_at_once_one_wins(cloudfront: Any, name: str, someone: EdgeFunction) -> None:
    someone.create(FIVE, {})
    deployers = [EdgeFunction(cloudfront, name) for _ in range(8)]
    etags = {seen(deployer).etag for deployer in deployers}
    assert len(etags) == 1

    def deploy(number: int) -> int | None:
        try:
            deployers[number].deploy(Edge(100 + number), *etags)
        except PreconditionError:
            return None
        return 100 + number

    with ThreadPoolExecutor(len(deployers)) as pool:
        winners = [number for number in pool.map(deploy, range(len(deployers))) if number is not None]
    assert len(winners) == 1
    assert (seen(someone).edge, seen(someone).current) == (Edge(winners[0]), True)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("method", ["update_function", "publish_function"])
def test_whoever_dies_leaves_the_old_or_the_new_and_the_next_finishes(
    someone: EdgeFunction, other: EdgeFunction, client: Client, method: str, moment: str
) -> None:
    someone.create(FIVE, {})
    getattr(client, moment)[method] = die
    with pytest.raises(ProcessDiesError):
        other.deploy(SIX, seen(other).etag)
    left = seen(someone)
    published = (method, moment) == ("publish_function", "after")
    assert left.edge == (SIX if published else FIVE)
    assert left.current is (published or (method, moment) == ("update_function", "before"))
    someone.deploy(SIX, left.etag)
    assert (seen(someone).edge, seen(someone).current) == (SIX, True)


@pytest.mark.parametrize("method", ["create_function", "publish_function"])
def test_a_function_made_half_way_is_finished(
    someone: EdgeFunction, other: EdgeFunction, client: Client, method: str
) -> None:
    (client.after if method == "create_function" else client.before)[method] = die
    with pytest.raises(ProcessDiesError):
        other.create(FIVE, {})
    left = seen(someone)
    assert (left.edge, left.current) == (None, False)
    asked = someone.requests
    someone.deploy(FIVE, left.etag)
    assert someone.requests == asked + 1  # the code is there already: published, not updated
    assert (seen(someone).edge, seen(someone).current) == (FIVE, True)


def test_what_another_publishes_after_the_look_is_not_undone(
    someone: EdgeFunction, other: EdgeFunction, client: Client
) -> None:
    """The other has updated, and publishes when we have looked: LIVE is no longer what was decided on."""
    someone.create(FIVE, {})
    looked: list[Deployed] = []
    client.before["publish_function"] = lambda: looked.append(seen(someone))
    other.deploy(SIX, seen(other).etag)
    assert (looked[0].edge, looked[0].current) == (FIVE, False)
    with pytest.raises(PreconditionError):
        someone.deploy(Edge(5, TOKENS[:1]), looked[0].etag)
    assert seen(someone).edge == SIX
    someone.deploy(Edge(6, TOKENS[:1]), seen(someone).etag)
    assert (seen(other).edge, seen(other).current) == (Edge(6, TOKENS[:1]), True)


def test_what_another_has_not_published_yet_it_no_longer_can(
    someone: EdgeFunction, other: EdgeFunction, client: Client
) -> None:
    someone.create(FIVE, {})
    client.before["publish_function"] = lambda: someone.deploy(Edge(5, TOKENS[:1]), seen(someone).etag)
    with pytest.raises(PreconditionError):
        other.deploy(SIX, seen(other).etag)
    assert (seen(someone).edge, seen(someone).current) == (Edge(5, TOKENS[:1]), True)


def test_a_request_that_is_repeated_finds_its_own_work(
    someone: EdgeFunction, other: EdgeFunction, client: Client, cloudfront: Any, name: str
) -> None:
    """The answer to an update is lost, the client asks once more with an ETag that no longer fits."""
    someone.create(FIVE, {})
    etag = seen(other).etag
    content = {"FunctionConfig": FOREIGN_CONFIG, "FunctionCode": render(template(), SIX).encode()}
    client.before["update_function"] = lambda: cloudfront.update_function(Name=name, IfMatch=etag, **content)
    other.deploy(SIX, etag)
    assert (seen(someone).edge, seen(someone).current) == (SIX, True)


def test_publishing_that_is_repeated_finds_its_own_work(
    someone: EdgeFunction, other: EdgeFunction, client: Client, cloudfront: Any, name: str
) -> None:
    """Published, the answer is lost, and by the second time the ETag no longer fits."""
    someone.create(FIVE, {})

    def publish_and_change() -> None:
        etag = seen(someone).etag
        cloudfront.publish_function(Name=name, IfMatch=etag)
        cloudfront.update_function(
            Name=name, IfMatch=etag, FunctionConfig=FOREIGN_CONFIG, FunctionCode=FOREIGN
        )  # fmt: skip

    client.before["publish_function"] = publish_and_change
    other.deploy(SIX, seen(other).etag)
    assert seen(someone).edge == SIX


def test_the_answer_of_aws_says_the_new_etag(cloudfront: Any, someone: EdgeFunction) -> None:
    """ministack calls that header "ETag"; AWS, and with it botocore's model, spells it "ETtag"."""

    def as_aws_spells_it(response_dict: Any, **_: Any) -> None:
        response_dict["headers"]["ETtag"] = response_dict["headers"].pop("ETag")

    someone.create(FIVE, {})
    cloudfront.meta.events.register("before-parse.cloudfront.UpdateFunction", as_aws_spells_it)
    etag, asked = seen(someone).etag, someone.requests
    someone.deploy(SIX, etag)
    assert someone.requests == asked + 2
    assert (seen(someone).edge, seen(someone).current) == (SIX, True)


@pytest.mark.parametrize("code", [FOREIGN, b"\xff\xfe", b"// mirror_pipeline: viewer-request function, "])
def test_foreign_code_says_nothing_and_may_be_replaced(
    cloudfront: Any, name: str, someone: EdgeFunction, code: bytes
) -> None:
    make_foreign(cloudfront, name, code)
    found = seen(someone)
    assert (found.edge, found.current) == (None, False)
    someone.deploy(FIVE, found.etag)
    assert (seen(someone).edge, seen(someone).current) == (FIVE, True)


def test_our_code_that_was_never_published_says_nothing(
    cloudfront: Any, name: str, someone: EdgeFunction
) -> None:
    make_foreign(cloudfront, name, render(template(), FIVE).encode(), publish=False)
    assert (seen(someone).edge, seen(someone).current) == (None, False)


def test_foreign_code_that_waits_makes_ours_out_of_date(
    cloudfront: Any, name: str, someone: EdgeFunction
) -> None:
    someone.create(FIVE, {})
    etag = seen(someone).etag
    cloudfront.update_function(
        Name=name, IfMatch=etag, FunctionConfig=FOREIGN_CONFIG, FunctionCode=FOREIGN
    )  # fmt: skip
    assert (seen(someone).edge, seen(someone).current) == (FIVE, False)
    someone.deploy(FIVE, seen(someone).etag)
    assert (seen(someone).edge, seen(someone).current) == (FIVE, True)


def test_the_code_of_another_release_is_read_and_brought_up_to_date(
    cloudfront: Any, name: str, someone: EdgeFunction
) -> None:
    older = render(template(), SEVEN).replace("function handler(event) {", "function handler(event) { ")
    make_foreign(cloudfront, name, older.encode())
    assert (seen(someone).edge, seen(someone).current) == (SEVEN, False)
    someone.deploy(SEVEN, seen(someone).etag)
    assert (seen(someone).edge, seen(someone).current) == (SEVEN, True)


def test_too_many_tokens_change_nothing(someone: EdgeFunction, name: str) -> None:
    with pytest.raises(EdgeTooBigError):
        someone.create(Edge(5, TOKENS), {})
    assert someone.read() is None
    someone.create(FIVE, {})
    etag = seen(someone).etag
    with pytest.raises(EdgeTooBigError):
        someone.deploy(Edge(5, TOKENS), etag)
    assert seen(someone) == Deployed(etag, FIVE, current=True)


def test_what_was_seen_is_deleted(someone: EdgeFunction, other: EdgeFunction) -> None:
    someone.create(FIVE, {})
    stale = seen(someone).etag
    other.deploy(SIX, seen(other).etag)
    with pytest.raises(PreconditionError):
        someone.delete(stale)
    someone.delete(seen(someone).etag)
    assert someone.read() is None
    for function in (someone, other):
        with pytest.raises(CloudError):
            function.deploy(SEVEN, stale)


def test_clients_get_files_whose_names_have_to_be_encoded(ministack: Ministack) -> None:
    """The function runs before a real bucket: a bare plus would be a space there."""
    bucket, s3 = ministack.bucket(), ministack.client("s3")
    wheel, twin = "foo_bar-1!2.0+cpu-py3-none-any.whl", "foo_bar-1!2.0 cpu-py3-none-any.whl"
    for key, content in ((wheel, b"right"), (twin, b"wrong")):
        s3.put_object(Bucket=bucket, Key=f"packages/{key}", Body=content)
    with ministack.edge(make_front(ministack, bucket)) as edge:
        for sent in (wheel, quote(wheel), "%66oo_bar-1!2.0%2bcpu-py3-none-any.whl?x=1"):
            answer = ask(edge.url, f"/packages/{sent}")
            assert (answer.status, answer.body) == (200, b"right"), sent
        assert ask(edge.url, f"/packages/{quote(twin)}").status == 404


def test_who_may_only_look_is_told_so(ministack: Ministack, name: str, someone: EdgeFunction) -> None:
    someone.create(FIVE, {})
    statement = {"Effect": "Allow", "Action": "cloudfront:GetFunction", "Resource": "*"}
    keys = ministack.user({"Version": "2012-10-17", "Statement": [statement]})
    reader = EdgeFunction(ministack.client("cloudfront", keys), name)
    etag = seen(reader).etag
    with pytest.raises(CredentialsError, match="UpdateFunction"):
        reader.deploy(SIX, etag)
    assert seen(someone).edge == FIVE
