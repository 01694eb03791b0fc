"""Tokens of a bucket: the book in it, the function at the edge, and everything that can come in between.

The bucket is the dictionary of the tests, the function is a real one in ministack. A ``Wire`` is between both
and the code under test: it counts requests of either service, and can kill, lose or race any of them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest

from mirror_pipeline.adapters.edge_function import EdgeFunction, template
from mirror_pipeline.adapters.token_store import TOKENS_KEY, FileTokens, ObjectTokens
from mirror_pipeline.domain.cloud import Cloud
from mirror_pipeline.domain.edge import Edge, render
from mirror_pipeline.domain.tokens import PUBLIC, Token, TokenBook, digest_of, parse_book
from mirror_pipeline.errors import (
    CloudError,
    CloudUnreachableError,
    DocumentError,
    EdgeTooBigError,
    MirrorError,
    PreconditionError,
    SettingsError,
    UsageError,
)
from mirror_pipeline.phases import tokens
from mirror_pipeline.phases.tokens import Access, access_of, token_store, watched
from mirror_pipeline.settings import parse_settings
from mirror_pipeline.sites.edge_front import EdgeFront
from mirror_pipeline_tests.aws_servers import Ministack, unique
from mirror_pipeline_tests.fakes import MemoryObjects, upload_of

NOW, BY = "2026-11-27T09:00:00+00:00", "ada@build"
READS = {"get", "get_function"}


class Killed(BaseException):
    """The process ended."""


def nothing() -> None:
    """A moment at which nothing happens."""


@dataclass
class Wire:
    """Every request passes here, by number from 1; at number ``at`` something happens before or after it."""

    at: int = 0
    before: Callable[[], object] = nothing
    after: Callable[[], object] = nothing
    log: list[str] = field(default_factory=list)
    _busy: bool = False

    def begin(self, operation: str, _key: str = "") -> None:
        """A request is about to take effect."""
        self.log.append(operation)
        self._happens(self.before)

    def end(self, _operation: str, _key: str = "") -> None:
        """It did."""
        self._happens(self.after)

    @classmethod
    def disturbed(cls, at: int, moment: str, what: Callable[[], object]) -> Wire:
        """A wire on which something happens once, ``before`` or ``after`` a request."""
        return cls(at, before=what) if moment == "before" else cls(at, after=what)

    def _happens(self, what: Callable[[], object]) -> None:
        if len(self.log) == self.at and not self._busy:
            self._busy = True
            try:
                what()
            finally:
                self._busy = False


class WiredClient:
    """A client of boto3 on a wire."""

    def __init__(self, client: Any, wire: Wire) -> None:
        self._client, self._wire = client, wire

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)

        def call(**parameters: Any) -> Any:
            self._wire.begin(name)
            answer = method(**parameters)
            self._wire.end(name)
            return answer

        return call


@dataclass
class World:
    """One private mirror: its bucket, its function, and ways to both."""

    client: Any
    name: str
    memory: MemoryObjects = field(default_factory=MemoryObjects)

    def access(self, wire: Wire | None = None) -> Access:
        """Ways of one process."""
        wire = wire or Wire()
        objects = self.memory.beside(wire.begin, wire.end)
        return Access(ObjectTokens(objects), EdgeFunction(WiredClient(self.client, wire), self.name))

    @property
    def function(self) -> EdgeFunction:
        """The function, for a publisher and for looking."""
        return EdgeFunction(self.client, self.name)

    @property
    def book(self) -> TokenBook:
        """What the bucket has."""
        kept = self.memory.objects.get(TOKENS_KEY)
        return parse_book(kept.content) if kept else PUBLIC

    @property
    def edge(self) -> Edge:
        """What is live."""
        deployed = self.function.read()
        assert deployed is not None
        assert deployed.edge is not None
        return deployed.edge

    def switch(self, generation: int) -> None:
        """What a publisher does in the end, until it gets through."""
        for _ in range(5):
            function = self.function
            deployed = function.read()
            assert deployed is not None
            assert deployed.edge is not None
            try:
                function.deploy(replace(deployed.edge, generation=generation), deployed.etag)
            except PreconditionError:
                continue
            return
        pytest.fail("the publisher never got through")

    def agrees(self) -> bool:
        """Whether the edge does what the book says, as ``list`` tells it."""
        return tokens.listing(self.access()).problems == ()


@pytest.fixture
def world(ministack: Ministack) -> World:
    world = World(ministack.client("cloudfront"), unique("function"))
    world.function.create(Edge(7), {})
    return world


def add(access: Access, name: str) -> str:
    return tokens.add(access, name, BY, NOW)[0]


# Without anybody else.


def test_tokens_reach_the_edge_and_the_generation_stays(world: World) -> None:
    access = world.access()
    secret, changed = tokens.add(access, "ci", BY, NOW)
    assert (changed.before, changed.mended) == (PUBLIC, False)
    assert world.edge == Edge(7, (digest_of("ci", secret),))

    other = add(access, "laptop")
    assert world.edge == Edge(7, tuple(sorted([digest_of("ci", secret), digest_of("laptop", other)])))

    assert tokens.revoke(access, "ci").after.names == ("laptop",)
    assert world.edge == Edge(7, (digest_of("laptop", other),))
    assert tokens.revoke(access, "laptop").after == TokenBook()
    assert world.edge == Edge(7, ())

    assert tokens.open_to_all(access).after == PUBLIC
    assert world.edge == Edge(7, None)


def test_the_secret_is_in_neither(world: World) -> None:
    secret = add(world.access(), "ci")
    kept = world.memory.objects[TOKENS_KEY]
    assert secret.encode() not in kept.content
    assert (kept.content_type, kept.cache_control) == ("application/json", "no-store")
    for stage in ("DEVELOPMENT", "LIVE"):
        code = world.client.get_function(Name=world.name, Stage=stage)["FunctionCode"].read()
        assert secret.encode() not in code


def test_listing_changes_nothing(world: World) -> None:
    add(world.access(), "ci")
    world.switch(8)
    wire = Wire()
    listed = tokens.listing(world.access(wire))
    assert (listed.book.names, listed.problems) == (("ci",), ())
    assert set(wire.log) <= READS


def test_what_is_so_already_is_not_written(world: World) -> None:
    wire = Wire()
    tokens.open_to_all(world.access(wire))
    assert set(wire.log) <= READS
    assert world.memory.objects == {}


def test_unknown_and_repeated_names_change_nothing(world: World) -> None:
    add(world.access(), "ci")
    wire = Wire()
    with pytest.raises(UsageError, match="no token 'cd'"):
        tokens.revoke(world.access(wire), "cd")
    with pytest.raises(UsageError, match="a token 'ci' already"):
        add(world.access(wire), "ci")
    with pytest.raises(UsageError, match="no name"):
        add(world.access(wire), "a:b")
    assert set(wire.log) <= READS
    assert world.agrees()


def most_tokens() -> int:
    """So many does the code of the function have room for."""
    with pytest.raises(EdgeTooBigError) as caught:
        render(template(), Edge(7, tuple(f"{number:064x}" for number in range(500))))
    most = caught.value.facts["most"]
    assert isinstance(most, int)
    return most


def test_more_tokens_than_the_function_holds_are_refused_before_anything_is_written(world: World) -> None:
    access, most = world.access(), most_tokens()
    for number in range(most):
        add(access, f"token-{number}")
    book = world.book
    with pytest.raises(EdgeTooBigError) as caught:
        add(access, "one-more")
    assert (caught.value.exit_code, caught.value.facts["most"]) == (2, most)
    assert world.book == book
    assert world.agrees()
    tokens.revoke(access, "token-0")
    add(access, "another")
    assert world.agrees()


# Where the edge is not as it should be.


def test_without_a_function_nothing_is_written(ministack: Ministack) -> None:
    world = World(ministack.client("cloudfront"), unique("function"))
    for attempt in (lambda a: add(a, "ci"), tokens.open_to_all):
        with pytest.raises(CloudError, match="does not exist") as caught:
            attempt(world.access())
        assert "infra apply" in caught.value.hint
    assert world.memory.objects == {}
    listed = tokens.listing(world.access())
    assert listed.problems == (
        "cloudfront: the mirror's function does not exist: nobody is asked for a token",
    )
    assert "infra apply" in listed.remedy


def test_a_function_by_somebody_else_is_left_alone(ministack: Ministack) -> None:
    foreign = b"function handler(event) { return event.request; }"
    world = World(ministack.client("cloudfront"), unique("function"))
    config = {"Comment": "theirs", "Runtime": "cloudfront-js-2.0"}
    made = world.client.create_function(Name=world.name, FunctionConfig=config, FunctionCode=foreign)
    for problem in ("never published", "published"):
        with pytest.raises(CloudError, match="no code of ours"):
            add(world.access(), "ci")
        assert "no code of ours" in tokens.listing(world.access()).problems[0], problem
        world.client.publish_function(Name=world.name, IfMatch=made["ETag"])
    assert world.client.get_function(Name=world.name, Stage="LIVE")["FunctionCode"].read() == foreign
    assert world.memory.objects == {}


@pytest.mark.parametrize(
    ("enforced", "problem"),
    [
        (None, "the edge lets everybody in, though the mirror is private"),
        ((), "the edge does not let in 'ci'"),
        (("0" * 64,), "the edge lets in 1 that are revoked or were never listed"),
    ],
)
def test_what_the_edge_does_otherwise_is_listed_and_mended(
    world: World, enforced: tuple[str, ...] | None, problem: str
) -> None:
    add(world.access(), "ci")
    function = world.function
    deployed = function.read()
    assert deployed is not None
    function.deploy(Edge(9, enforced), deployed.etag)

    assert problem in tokens.listing(world.access()).problems
    _, changed = tokens.add(world.access(), "cd", BY, NOW)
    assert changed.mended
    assert world.agrees()
    assert world.edge.generation == 9


def test_a_lost_book_opens_nothing(world: World) -> None:
    """The list is removed behind our back: the edge goes on to ask, and says so, until it is opened."""
    add(world.access(), "ci")
    closed = world.edge
    del world.memory.objects[TOKENS_KEY]

    sender: Any = SimpleNamespace(turn=SimpleNamespace(is_mine=lambda: True))
    EdgeFront(world.memory, lambda: world.function).show(9, {}, sender)
    assert world.edge == Edge(9, closed.tokens)
    assert len(tokens.listing(world.access()).problems) == 1
    for attempt in (lambda a: add(a, "cd"), lambda a: tokens.revoke(a, "ci")):
        with pytest.raises(DocumentError, match="the list of tokens is gone"):
            attempt(world.access())
    assert world.edge == Edge(9, closed.tokens)

    tokens.open_to_all(world.access())
    assert world.edge == Edge(9)
    add(world.access(), "cd")
    assert world.edge == Edge(9, world.book.digests)


def test_an_edge_that_asks_though_the_mirror_is_public(world: World) -> None:
    add(world.access(), "ci")
    tokens.open_to_all(world.access())
    function = world.function
    deployed = function.read()
    assert deployed is not None
    function.deploy(Edge(7, ()), deployed.etag)
    assert tokens.listing(world.access()).problems == (
        "the edge asks for a token, though the mirror is public",
    )
    assert tokens.open_to_all(world.access()).mended
    assert world.edge == Edge(7)


def test_a_damaged_book_changes_nothing_at_the_edge(world: World) -> None:
    add(world.access(), "ci")
    before = world.edge
    world.memory.spoil(TOKENS_KEY, b"{}")
    for attempt in (
        lambda a: add(a, "cd"),
        lambda a: tokens.revoke(a, "ci"),
        tokens.open_to_all,
        tokens.listing,
    ):
        with pytest.raises(DocumentError, match=r"s3://memory/\.mirror/tokens\.json"):
            attempt(world.access())
    assert world.edge == before


# Killed, cut off and raced at every request.


@dataclass(frozen=True)
class Deed:
    """Something that changes tokens, and what has to hold when it is done."""

    name: str
    do: Callable[[Access], object]
    again: Callable[[Access], object]
    """What a person does after it went wrong."""
    names: tuple[str, ...]
    private: bool = True


def revoke_and_add(access: Access) -> None:
    """What the error of a failed ``add`` says, whatever became of it."""
    if "new" in access.store.read().book.names:
        tokens.revoke(access, "new")
    add(access, "new")


def finish_revoking(access: Access) -> None:
    """The same command again: it may have been done."""
    try:
        tokens.revoke(access, "old")
    except UsageError:
        return


DEEDS = (
    Deed("add", lambda access: add(access, "new"), revoke_and_add, ("old", "new")),
    Deed("revoke", lambda access: tokens.revoke(access, "old"), finish_revoking, ()),
    Deed("open", tokens.open_to_all, tokens.open_to_all, (), private=False),
)
MOST_REQUESTS = 30


def prepared(world: World) -> World:
    """The mirror with one token, at generation 7."""
    tokens.open_to_all(world.access())
    add(world.access(), "old")
    world.switch(7)
    return world


def requests_of(world: World, deed: Deed) -> int:
    wire = Wire()
    deed.do(prepared(world).access(wire))
    assert 5 < len(wire.log) < MOST_REQUESTS
    return len(wire.log)


def never_let_in_unlisted(world: World) -> None:
    """The one thing that must not be: a token works, and the list neither has it nor says so."""
    listed = tokens.listing(world.access())
    enforced = world.edge.tokens
    if (enforced is None and listed.book.private) or set(enforced or ()) - set(listed.book.digests or ()):
        assert listed.problems


def finished(world: World, deed: Deed) -> None:
    assert (world.book.names, world.book.private) == (deed.names, deed.private)
    assert world.edge == Edge(world.edge.generation, world.book.digests)
    assert world.agrees()


@pytest.mark.parametrize("deed", DEEDS, ids=lambda deed: deed.name)
@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_at_any_request_the_list_tells_and_the_next_call_finishes(
    world: World, deed: Deed, moment: str
) -> None:
    def kill() -> None:
        raise Killed

    for number in range(1, requests_of(world, deed) + 1):
        prepared(world)
        wire = Wire.disturbed(number, moment, kill)
        with pytest.raises(Killed):
            deed.do(world.access(wire))
        never_let_in_unlisted(world)
        deed.again(world.access())
        finished(world, deed)
        assert world.edge.generation == 7


@pytest.mark.parametrize("deed", DEEDS, ids=lambda deed: deed.name)
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_request_without_an_answer_is_an_error_that_says_what_to_do(
    world: World, deed: Deed, moment: str
) -> None:
    def lose() -> None:
        raise CloudUnreachableError("no answer", service="any")

    for number in range(1, requests_of(world, deed) + 1):
        before = prepared(world).book
        wire = Wire.disturbed(number, moment, lose)
        with pytest.raises(MirrorError, match="no answer") as caught:
            deed.do(world.access(wire))
        assert caught.value.exit_code == 3
        never_let_in_unlisted(world)
        if world.book != before or not world.agrees():
            assert "known" in caught.value.message or "does not know it yet" in caught.value.message
            assert "again" in caught.value.hint
        deed.again(world.access())
        finished(world, deed)


@pytest.mark.parametrize("deed", DEEDS, ids=lambda deed: deed.name)
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_publisher_may_switch_at_any_request(world: World, deed: Deed, moment: str) -> None:
    for number in range(1, requests_of(world, deed) + 1):
        prepared(world)
        wire = Wire.disturbed(number, moment, lambda: world.switch(8))
        deed.do(world.access(wire))
        finished(world, deed)
        assert world.edge.generation == 8


@pytest.mark.parametrize("held", [None, (), ("0" * 64,)])
def test_a_publication_brings_the_tokens_of_the_book(world: World, held: tuple[str, ...] | None) -> None:
    """A function that was made anew holds no tokens: what shows a generation must not open the mirror."""
    add(world.access(), "ci")
    function = world.function
    deployed = function.read()
    assert deployed is not None
    function.deploy(Edge(None, held), deployed.etag)
    sender: Any = SimpleNamespace(turn=SimpleNamespace(is_mine=lambda: True))
    EdgeFront(world.memory, lambda: world.function).show(9, {}, sender)
    assert world.edge == Edge(9, world.book.digests)
    assert world.agrees()


@pytest.mark.parametrize("deed", DEEDS, ids=lambda deed: deed.name)
def test_a_publisher_may_be_overtaken_at_any_request(world: World, deed: Deed) -> None:
    """The other way round: tokens change while a publisher switches. A revoked token never comes back."""
    for number in range(1, 12):
        prepared(world)
        wire = Wire(number, before=lambda: deed.do(world.access()))
        publisher = EdgeFunction(WiredClient(world.client, wire), world.name)
        for _ in range(5):
            deployed = publisher.read()
            assert deployed is not None
            assert deployed.edge is not None
            try:
                publisher.deploy(replace(deployed.edge, generation=8), deployed.etag)
            except PreconditionError:
                continue
            break
        if len(wire.log) < number:
            break
        finished(world, deed)
        assert world.edge.generation == 8
    assert number > 3


def add_theirs(world: World, added: list[str]) -> None:
    added.append(add(world.access(), "theirs"))


@pytest.mark.parametrize("deed", DEEDS, ids=lambda deed: deed.name)
def test_somebody_else_may_add_a_token_at_any_request(world: World, deed: Deed) -> None:
    for number in range(1, requests_of(world, deed) + 1):
        prepared(world)
        theirs: list[str] = []
        deed.do(world.access(Wire(number, before=functools.partial(add_theirs, world, theirs))))
        assert world.agrees()
        assert world.edge.tokens == world.book.digests
        if deed.private:
            assert set(world.book.names) == {*deed.names, "theirs"}
            assert digest_of("theirs", theirs[0]) in (world.book.digests or ())
        else:
            assert world.book.names in ((), ("theirs",))
            assert world.book.private is bool(world.book.names)


def test_of_two_who_revoke_the_same_one_is_told_or_both_are_done(world: World) -> None:
    deed = DEEDS[1]
    for number in range(1, requests_of(world, deed) + 1):
        prepared(world)
        wire = Wire(number, before=lambda: finish_revoking(world.access()))
        try:
            deed.do(world.access(wire))
        except UsageError:
            assert "old" not in world.book.names
        finished(world, deed)


def test_of_two_at_once_with_room_for_one_neither_claims_that_nothing_was_changed(world: World) -> None:
    for number in range(most_tokens() - 1):
        add(world.access(), f"token-{number}")
    refused = set()
    for number in range(1, 20):
        try:
            add(world.access(Wire(number, before=lambda: add(world.access(), "theirs"))), "new")
        except (CloudError, EdgeTooBigError) as error:
            refused.add((error.exit_code, "new" in world.book.names))
        for name in sorted(set(world.book.names) & {"new", "theirs"}):
            tokens.revoke(world.access(), name)
        assert world.agrees()
    assert (2, False) in refused
    assert refused <= {(2, False), (3, True)}


def test_too_many_tokens_can_be_revoked_one_by_one(world: World) -> None:
    crowd = PUBLIC
    for number in range(most_tokens() + 2):
        digest = digest_of(f"token-{number}", "secret")
        crowd = crowd.with_token(Token(f"token-{number}", digest, NOW, BY))
    world.memory.put(upload_of(TOKENS_KEY, crowd.to_bytes()))
    with pytest.raises(CloudError, match=r"the edge does not know it yet: .* tokens fit"):
        tokens.revoke(world.access(), "token-0")
    assert tokens.revoke(world.access(), "token-1").mended
    assert world.agrees()


def test_a_book_that_never_holds_still_is_an_error_in_the_end(world: World) -> None:
    def meddle(operation: str, key: str) -> None:
        if operation == "put":
            kept = world.memory.objects.get(key)
            world.memory.put(upload_of(key, (kept.content if kept else PUBLIC.to_bytes()) + b"\n"))

    access = Access(ObjectTokens(world.memory.beside(meddle)), world.function)
    with pytest.raises(PreconditionError):
        add(access, "ci")
    assert world.book == PUBLIC
    assert world.agrees()


# What settings mean.


def settings_of(text: str, root: Any) -> Any:
    return parse_settings(text, {}, root)


def test_a_directory_keeps_its_book_at_home(tmp_path: Any) -> None:
    access = access_of(settings_of("MIRROR_HOME=home", tmp_path))
    assert isinstance(access.store, FileTokens)
    assert access.edge is None
    assert access.store.location == str(tmp_path / "home/tokens.json")
    assert tokens.listing(access) == tokens.Listing(PUBLIC)
    secret = add(access, "ci")
    assert tokens.listing(access).book.digests == (digest_of("ci", secret),)
    assert watched(settings_of("MIRROR_HOME=home", tmp_path))(None).name == "REFUSED"


def test_a_bucket_behind_our_distribution_keeps_it_there(
    tmp_path: Any, ministack: Ministack, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ministack.environment().items():
        monkeypatch.setenv(name, value)
    bucket = ministack.bucket()
    access = access_of(settings_of(f"BUCKET_NAME={bucket}", tmp_path))
    assert access.store.location == f"s3://{bucket}/.mirror/tokens.json"
    assert isinstance(access.edge, EdgeFunction)
    access.edge.create(Edge(3), {})
    secret = add(access, "ci")
    stored = ministack.client("s3").get_object(Bucket=bucket, Key=".mirror/tokens.json")
    assert parse_book(stored["Body"].read()).digests == (digest_of("ci", secret),)
    live = ministack.client("cloudfront").get_function(Name=access.edge.name, Stage="LIVE")
    assert live["FunctionCode"].read().decode() == render(template(), Edge(3, (digest_of("ci", secret),)))
    tokens.revoke(access, "ci")
    assert tokens.listing(access) == tokens.Listing(TokenBook())


def test_a_plain_bucket_has_nobody_who_asks(tmp_path: Any) -> None:
    settings = settings_of("BUCKET_NAME=wheels\nMIRROR_PUBLISH=in-place", tmp_path)
    assert isinstance(settings.cloud, Cloud)
    with pytest.raises(SettingsError, match="published in place") as caught:
        token_store(settings)
    assert caught.value.facts == {"key": "MIRROR_PUBLISH", "value": "in-place", "allowed": "generations"}
