"""What ``gc`` takes of a bucket, and never what clients are shown or may still need.

Whatever was interrupted before, whoever else is at work, and whatever became of the books.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mirror_pipeline.adapters.edge_function import EdgeFunction
from mirror_pipeline.adapters.progress import Silent
from mirror_pipeline.domain.cloud import Retention
from mirror_pipeline.domain.edge import Edge
from mirror_pipeline.domain.generations import Hold
from mirror_pipeline.domain.ledger import LEDGER
from mirror_pipeline.errors import DocumentError
from mirror_pipeline.sites.bucket import BucketSite
from mirror_pipeline.sites.site import Collected, Publication
from mirror_pipeline_tests.sites.places import (
    ALPHA,
    BETA,
    FUNCTION,
    GAMMA,
    NOW,
    BucketPlace,
    MemoryPlace,
    Workshop,
    is_whole,
    links_hold,
    publish,
)
from mirror_pipeline_tests.sites.test_interruptions import KINDS, killed, prepared, requests_of
from mirror_pipeline_tests.sites.test_publishers import raced

LATER, MUCH_LATER = "2026-12-20T00:00:00+00:00", "2027-06-01T00:00:00+00:00"
GREEDY = Retention(keep=1, grace_days=0)
WEEK = Retention(keep=5, grace_days=7)
DAY = 86_400.0
Act = Callable[[BucketSite], object]


@pytest.fixture
def old(workshop: Workshop) -> Publication:
    return workshop.publication("old", ALPHA, BETA)


@pytest.fixture
def new(workshop: Workshop) -> Publication:
    return workshop.publication("new", ALPHA, GAMMA)


@pytest.fixture(params=["edge", "in place"])
def memory(request: pytest.FixtureRequest) -> MemoryPlace:
    return MemoryPlace(edge=request.param == "edge")


def gc(
    place: BucketPlace, retention: Retention = WEEK, now: str = MUCH_LATER, *, delete: bool = True
) -> Collected:
    return place.site().collect(retention, now, wanted=frozenset(), delete=delete)


def acts(new: Publication) -> dict[str, Act]:
    hold = Hold(1, new.manifest.requirements, "new breaks the build", "ann@example", NOW)
    return {
        "publish": lambda site: publish(site, new),
        "roll back": lambda site: site.roll_back(hold),
        "repair": lambda site: site.repair(new, Silent()),
        "gc": lambda site: site.collect(GREEDY, MUCH_LATER, wanted=frozenset(), delete=True),
    }


def test_what_nobody_entered_goes_when_it_is_old(bucket: BucketPlace, old: Publication) -> None:
    publish(bucket.site(), old)
    ours = bucket.keys()
    left = {"packages/nobodys.whl", "g/99/simple/index.html", ".mirror/generations/99.json"}
    for key in (*left, "elsewhere/file", "simple/theirs/index.html", ".mirror/tokens.json"):
        bucket.leave(key)
    assert gc(bucket, now=NOW).keys == ()

    named = gc(bucket, delete=False)
    assert (set(named.keys), named.size, named.done) == (left, 3 * len(b"not ours"), False)
    assert bucket.keys() >= ours | left

    assert gc(bucket) == Collected((), named.keys, named.size, done=True)
    theirs = {"elsewhere/file", "simple/theirs/index.html", ".mirror/tokens.json"}
    assert bucket.keys() == ours | theirs
    assert is_whole({k: v for k, v in bucket.shown().items() if k not in theirs}, old)


def test_nothing_goes_where_nothing_was_published(bucket: BucketPlace) -> None:
    bucket.leave("packages/theirs.whl")
    bucket.leave("g/1/theirs")
    for delete in (False, True):
        assert gc(bucket, GREEDY, delete=delete).keys == ()
    assert {"packages/theirs.whl", "g/1/theirs"} <= bucket.keys()


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("act", ["publish", "roll back", "repair", "gc"])
def test_whatever_was_interrupted_clients_keep_what_they_are_shown(
    act: str, kind: str, when: str, old: Publication, new: Publication
) -> None:
    first = (old,) if act == "publish" else (old, new)
    for point in range(1, requests_of(kind, acts(new)[act], *first) + 1):
        place = prepared(kind, *first)
        killed(place, acts(new)[act], point, when)
        before = place.shown()
        place.publishers.now += 100 * DAY

        foretold = gc(place, GREEDY, delete=False)
        done = gc(place, GREEDY)

        assert (done.generations, done.keys, done.size) == (
            foretold.generations, foretold.keys, foretold.size
        ), point  # fmt: skip
        shown = place.shown()
        pages = {key for key in before if not key.startswith("packages/")}
        assert {key: shown.get(key) for key in pages} == {key: before[key] for key in pages}, point
        assert links_hold(shown, old, new), point
        if place.edge:
            assert is_whole(shown, old) or is_whole(shown, new), point
        publish(place.site(), new)
        status = place.site().status()
        assert is_whole(place.shown(), old if status.hold else new), point
        assert place.site().reconcile()[1] == (), point


@pytest.mark.parametrize("kind", ["edge", "in place"])
def test_whatever_gc_does_to_a_publication_clients_have_one_whole(
    kind: str, old: Publication, new: Publication
) -> None:
    act = acts(new)["publish"]
    for point in range(1, requests_of(kind, act, old) + 1):
        place = MemoryPlace(edge=kind == "edge")
        publish(place.site(), old)
        place.publishers.now += 100 * DAY
        error, other = raced(place, point, act, acts(new)["gc"])
        assert not (error and other.raised), point
        shown = place.shown()
        assert links_hold(shown, old, new), point
        if place.edge:
            assert is_whole(shown, old) or is_whole(shown, new), point
        publish(place.site(), new)
        assert is_whole(place.shown(), new), point
        assert place.site().reconcile()[1] == (), point


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_rollback_showed_for_a_while_has_its_grace(
    kind: str, workshop: Workshop, old: Publication, new: Publication
) -> None:
    """Also where it was interrupted after it moved the pointer, and something else was published next."""
    hold = Hold(1, new.manifest.requirements, "new breaks the build", "ann@example", LATER)
    act: Act = lambda site: site.roll_back(hold)  # noqa: E731
    third = workshop.publication("third", BETA, made=LATER)
    seen = 0
    for point in range(1, requests_of(kind, act, old, new) + 1):
        place = prepared(kind, old, new)
        killed(place, act, point, "after")
        if is_whole(place.shown(), old):
            seen += 1
            publish(place.site(retention=Retention(keep=1, grace_days=7)), third)
            first, *_ = place.site().status().generations
            assert (first.left, first.removed) == (LATER, ""), point
    assert seen


class TestBooksThatKnowLess:
    """They were removed, or an earlier version was restored."""

    @pytest.mark.parametrize("restored", [False, True])
    def test_what_is_shown_is_not_written_over(
        self, workshop: Workshop, old: Publication, new: Publication, restored: bool
    ) -> None:
        place = MemoryPlace(edge=True)
        publish(place.site(), old)
        earlier = place.objects[LEDGER]
        publish(place.site(), new)
        place.spoil(LEDGER, None)
        if restored:
            place.objects[LEDGER] = earlier
        third = workshop.publication("third", BETA)
        torn: list[str] = []

        def look(_operation: str, key: str) -> None:
            if not is_whole(place.shown(), new) and not is_whole(place.shown(), third):
                torn.append(key)

        assert publish(place.site(look, look), third) == 3
        assert torn == []
        assert is_whole(place.shown(), third)
        assert place.site().reconcile()[1] == ()

    def test_what_is_left_of_a_publication_is_not_built_on(
        self, memory: MemoryPlace, old: Publication
    ) -> None:
        memory.leave("g/1/simple/evil/index.html")
        memory.leave(".mirror/generations/4.json")
        memory.leave(".mirror/generations/readme")
        memory.leave("g/5/index.html")
        assert publish(memory.site(), old) == (6 if memory.edge else 5)
        assert is_whole({k: v for k, v in memory.shown().items() if not k.startswith("g/")}, old)

    @pytest.mark.parametrize("delete", [False, True])
    def test_nothing_is_removed_without_books(
        self, memory: MemoryPlace, old: Publication, delete: bool
    ) -> None:
        publish(memory.site(), old)
        memory.spoil(LEDGER, None)
        memory.publishers.now += 100 * DAY
        before = memory.keys()
        if memory.edge:
            with pytest.raises(DocumentError, match="clients are shown generation 1"):
                gc(memory, GREEDY, delete=delete)
        else:
            assert gc(memory, GREEDY, delete=delete).keys == ()
        assert is_whole(memory.shown(), old)
        assert before <= memory.keys()

    def test_nothing_is_removed_where_the_pointer_is_elsewhere(
        self, old: Publication, new: Publication
    ) -> None:
        place = MemoryPlace(edge=True)
        publish(place.site(), old)
        books = place.objects[LEDGER]
        publish(place.site(), new)
        place.objects[LEDGER] = books
        place.publishers.now += 100 * DAY
        for delete in (False, True):
            with pytest.raises(DocumentError, match="clients are shown generation 2"):
                gc(place, GREEDY, delete=delete)
        assert is_whole(place.shown(), new)

    def test_an_edge_that_shows_nothing_keeps_nothing(self, old: Publication, new: Publication) -> None:
        place = MemoryPlace(edge=True)
        publish(place.site(), old)
        publish(place.site(), new)
        EdgeFunction(place.cloudfront, FUNCTION).create(Edge(), {})
        assert gc(place, GREEDY).generations == (1,)


class TestGenerationsThatCannotBeRead:
    def test_nothing_goes(self, memory: MemoryPlace, workshop: Workshop, old: Publication) -> None:
        publish(memory.site(), old)
        publish(memory.site(), workshop.publication("second"))
        publish(memory.site(), workshop.publication("third"))
        memory.spoil("g/2/manifest.json" if memory.edge else ".mirror/generations/2.json.gz", b"damaged")
        before = dict(memory.objects)
        with pytest.raises(DocumentError, match="the manifest of generation 2 cannot be read"):
            gc(memory, Retention(keep=2, grace_days=0))
        before.pop(".mirror/probe")
        assert before.items() <= memory.objects.items()

    def test_a_publication_is_published_all_the_same(
        self, memory: MemoryPlace, workshop: Workshop, old: Publication
    ) -> None:
        publish(memory.site(), old)
        publish(memory.site(), workshop.publication("second"))
        memory.spoil("g/2/manifest.json" if memory.edge else ".mirror/generations/2.json.gz", b"damaged")
        third = workshop.publication("third", made=MUCH_LATER)
        done = memory.site(retention=Retention(keep=2, grace_days=0)).publish(third, Silent())
        assert is_whole(memory.shown(), third)
        (note,) = done.notes
        assert note.startswith("old generations were not removed: ")
        assert "the manifest of generation 2 cannot be read" in note
