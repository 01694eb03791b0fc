"""Publishers that overlap where a switch is many writes, and servers that answer late, twice, or never.

What one publisher sent is on its way and cannot be called back: so in place the next one waits for its end.
"""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from mirror_pipeline.adapters.progress import Silent
from mirror_pipeline.domain.cloud import Cloud
from mirror_pipeline.domain.generations import Hold
from mirror_pipeline.domain.ledger import LEDGER, Writer
from mirror_pipeline.domain.objects import Condition, IfAbsent, IfMatch, Stored, Upload
from mirror_pipeline.errors import CloudError, CloudUnreachableError, DocumentError, PublisherConflictError
from mirror_pipeline.sites.books import IGNORES_CONDITIONS
from mirror_pipeline.sites.lease import LEASE, SECONDS
from mirror_pipeline.sites.placed_front import invalidated_paths
from mirror_pipeline.sites.site import Publication
from mirror_pipeline_tests.aws_servers import Ministack, S3Server
from mirror_pipeline_tests.fakes import MemoryObjects
from mirror_pipeline_tests.sites.places import (
    ALPHA,
    BETA,
    GAMMA,
    NOW,
    MemoryPlace,
    ServerPlace,
    Workshop,
    is_whole,
    live_manifest,
    publish,
)
from mirror_pipeline_tests.sites.test_interruptions import killed, prepared, requests_of
from mirror_pipeline_tests.sites.test_publishers import Act, points, raced

HOLD = Hold(1, "whatever", "it broke", "bob@example", NOW)


@pytest.fixture
def old(workshop: Workshop) -> Publication:
    return workshop.publication("old", ALPHA, BETA)


@pytest.fixture
def ours(workshop: Workshop) -> Publication:
    return workshop.publication("ours", ALPHA, GAMMA)


@pytest.fixture
def theirs(workshop: Workshop) -> Publication:
    return workshop.publication("theirs", BETA, GAMMA)


class TestInPlace:
    @pytest.mark.parametrize("other_act", ["publish", "roll back", "repair", "gc"])
    def test_what_the_winner_published_is_what_clients_get(
        self, other_act: str, old: Publication, ours: Publication, theirs: Publication
    ) -> None:
        """Without anybody doing anything about it afterwards."""
        acts: dict[str, Act] = {
            "publish": lambda site: publish(site, theirs),
            "roll back": lambda site: site.roll_back(HOLD),
            "repair": lambda site: site.repair(theirs, Silent()),
            "gc": lambda site: site.collect(site.retention, NOW, wanted=frozenset(), delete=True),
        }
        act: Act = lambda site: publish(site, ours)  # noqa: E731
        waited = 0
        for point in points("in place", act, old):
            place = MemoryPlace(edge=False)
            publish(place.site(), old)
            error, other = raced(place, point, act, acts[other_act])
            assert not (error and other.raised), (point, error, other.raised)
            waited += "is just placing generation 2" in str(other.raised)
            if isinstance(other.raised, PublisherConflictError):
                assert "nothing is lost" in str(other.raised)
            digest = live_manifest(place.site()).digest
            live = next(one for one in (old, ours, theirs) if one.manifest.digest == digest)
            assert is_whole(place.shown(), live), point
            assert place.site().reconcile()[1] == (), point
        assert waited > 3

    @pytest.mark.parametrize("host", ["here", "there"])
    def test_who_died_is_not_waited_for_longer_than_it_takes_to_know(
        self, host: str, old: Publication, ours: Publication, theirs: Publication
    ) -> None:
        act: Act = lambda site: publish(site, ours)  # noqa: E731
        waited = 0
        for point in range(1, requests_of("in place", act, old) + 1):
            place = prepared("in place", old)
            killed(place, act, point, "before")
            if host == "there" and place.site().status().pending:
                waited += 1
                with pytest.raises(PublisherConflictError, match="ann@here is just placing generation 2"):
                    publish(place.site(host="there"), theirs)
                place.publishers.now += SECONDS + 1
            publish(place.site(host=host), theirs)
            assert is_whole(place.shown(), theirs), point
        assert bool(waited) is (host == "there")

    def test_long_work_is_not_mistaken_for_a_dead_publisher(
        self, old: Publication, ours: Publication, theirs: Publication
    ) -> None:
        place = MemoryPlace(edge=False)
        publish(place.site(), old)
        refused: list[str] = []

        def slowly(operation: str, key: str) -> None:
            if operation == "put" and not key.startswith((".mirror/", "packages/")):
                place.publishers.now += SECONDS * 0.6
                with pytest.raises(PublisherConflictError, match="is just placing") as caught:
                    publish(place.site(host="there"), theirs)
                refused.append(str(caught.value))

        publish(place.site(slowly), ours)
        assert len(refused) > 4
        assert is_whole(place.shown(), ours)

    def test_an_edge_waits_for_nobody(self, old: Publication, ours: Publication, theirs: Publication) -> None:
        act: Act = lambda site: publish(site, ours)  # noqa: E731
        for point in range(1, requests_of("edge", act, old) + 1):
            place = prepared("edge", old)
            killed(place, act, point, "after")
            publish(place.site(host="there"), theirs)
            assert is_whole(place.shown(), theirs), point


@pytest.mark.parametrize("at", [1, 2, 3])
@pytest.mark.parametrize("edge", [True, False])
def test_a_lost_answer_is_not_a_lost_race(edge: bool, at: int, ours: Publication) -> None:
    """The server did what it was asked, its answer got lost, and the repeated request finds that done."""
    written: list[str] = []

    class Twice(MemoryObjects):
        def put(self, upload: Upload, condition: Condition | None = None) -> Stored:
            if upload.key == LEDGER:
                written.append(upload.sha256)
                if len(written) == at:
                    super().put(upload, condition)
            return super().put(upload, condition)

    place = MemoryPlace(edge=edge)
    publish(place.site(client=Twice), ours)
    assert len(written) == 3
    assert is_whole(place.shown(), ours)
    assert place.site().status().live == 1


@pytest.mark.parametrize("unknown", [(IfAbsent,), (IfMatch,), (IfAbsent, IfMatch)])
def test_a_server_that_has_no_conditions_says_so_and_is_not_asked_for_them(
    unknown: tuple[type, ...], ours: Publication, theirs: Publication
) -> None:
    class Plain(MemoryObjects):
        def put(self, upload: Upload, condition: Condition | None = None) -> Stored:
            if isinstance(condition, unknown):
                raise CloudError("not here", code="NotImplemented")
            return super().put(upload, condition)

    place = MemoryPlace(edge=False)
    for publication in (ours, theirs):
        done = place.site(client=Plain).publish(publication, Silent())
        assert IGNORES_CONDITIONS in done.notes
        assert is_whole(place.shown(), publication)
    assert not any(key.startswith(LEASE) for key in place.objects)


def test_another_refusal_of_the_probe_is_an_error(ours: Publication) -> None:
    place = MemoryPlace(edge=False)

    def refuse(operation: str, key: str) -> None:
        if (operation, key) == ("put", ".mirror/probe"):
            raise CloudError("no", code="AccessDenied")

    with pytest.raises(CloudError, match="no"):
        publish(place.site(refuse), ours)
    assert place.shown() == {}


def test_no_answer_is_not_remembered_as_one(ours: Publication) -> None:
    """Whether the server has folders is tried once, and kept in the books."""
    place = MemoryPlace(edge=False)

    def silent(operation: str, key: str) -> None:
        if operation == "put" and key.startswith(".mirror/probe-folder"):
            raise CloudUnreachableError("no answer")

    with pytest.raises(CloudUnreachableError):
        publish(place.site(silent), ours)
    publish(place.site(), ours)
    assert "simple/alpha/" in place.objects


def test_a_lease_is_given_back_where_the_books_cannot_be_read(old: Publication, ours: Publication) -> None:
    place = MemoryPlace(edge=False, conditional=False)
    publish(place.site(), old)
    kept = place.objects[LEDGER]
    hidden: list[str] = []

    def damage(operation: str, key: str) -> None:
        if operation == "put" and key.startswith(LEASE) and not hidden:
            place.spoil(LEDGER, b"{")
            hidden.append(key)

    with pytest.raises(DocumentError, match="books are damaged"):
        publish(place.site(damage), ours)
    place.objects[LEDGER] = kept
    publish(place.site(host="there"), ours)
    assert is_whole(place.shown(), ours)


@pytest.mark.parametrize("server", ["rclone", "ministack"])
def test_who_is_told_of_an_upload_may_ask_the_bucket_something(
    server: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, ours: Publication
) -> None:
    """Every upload here takes longer than a lease may go without being renewed."""
    running: Ministack | S3Server = request.getfixturevalue(server)
    for name, value in running.environment().items():
        monkeypatch.setenv(name, value)
    endpoint = running.url if isinstance(running, S3Server) else ""
    place = ServerPlace(Cloud(bucket=running.bucket(), endpoint=endpoint), edge=False)
    tick = place.publishers
    site, done = place.site(), []
    writer = site.office.writer

    def later() -> Writer:
        tick.now += SECONDS / 3 + 1
        return writer()

    site.office = replace(site.office, writer=later)
    thread = threading.Thread(target=lambda: done.append(publish(site, ours)), daemon=True)
    thread.start()
    thread.join(30)
    assert done == [1]
    assert is_whole(place.shown(), ours)


def test_more_paths_than_cloudfront_takes_are_told_as_one() -> None:
    few = [f"simple/p{number}/index.html" for number in range(400)]
    assert len(invalidated_paths(few)) == 800
    assert invalidated_paths([f"simple/p{number}/index.html" for number in range(600)]) == ["/*"]
