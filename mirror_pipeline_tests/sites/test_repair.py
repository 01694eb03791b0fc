"""What was changed behind the books' back: ``reconcile`` names exactly that, ``repair`` puts it right.

And what cannot be put right is said, and given up where nobody is shown it.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mirror_pipeline.adapters.edge_function import EdgeFunction
from mirror_pipeline.adapters.progress import Silent
from mirror_pipeline.domain.bucket_layout import ERROR_PAGE, record_key
from mirror_pipeline.domain.edge import Edge
from mirror_pipeline.domain.generations import Hold
from mirror_pipeline.domain.reconcile import CHANGED, MISSING, UNREADABLE
from mirror_pipeline.errors import CloudError, ConflictError, DocumentError, UsageError
from mirror_pipeline.sites.books import IGNORES_CONDITIONS
from mirror_pipeline.sites.bucket import BucketSite
from mirror_pipeline.sites.site import Outcome, Publication
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
    publish,
)
from mirror_pipeline_tests.sites.test_interruptions import KINDS, killed, prepared, requests_of
from mirror_pipeline_tests.sites.test_publishers import Interloper, raced

LIST, PROJECT = "simple/index.html", "simple/alpha/index.html"
HELD = Hold(1, "new", "new breaks the build", "ann@example", NOW)


@pytest.fixture
def old(workshop: Workshop) -> Publication:
    return workshop.publication("old", ALPHA, BETA)


@pytest.fixture
def new(workshop: Workshop) -> Publication:
    return workshop.publication("new", ALPHA, GAMMA)


@pytest.fixture(params=["edge", "in place"])
def memory(request: pytest.FixtureRequest) -> MemoryPlace:
    return MemoryPlace(edge=request.param == "edge")


def at(place: BucketPlace, number: int, page: str) -> str:
    """Where a page of the live generation lies."""
    return f"g/{number}/{page}" if place.edge else page


def archive(number: int) -> str:
    """Where all pages of a generation are kept, in place."""
    return f"{record_key(number)}.gz"


def named(place: BucketPlace) -> dict[str, str]:
    """What a reconcile finds: key → problem."""
    return {found.subject: found.problem for found in place.site().reconcile()[1]}


def repair(place: BucketPlace, publication: Publication) -> Outcome:
    return place.site().repair(publication, Silent())


def same_size(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


class TestReconcile:
    def test_nothing_is_found_where_nothing_was_changed(
        self, memory: MemoryPlace, old: Publication, new: Publication
    ) -> None:
        assert memory.site().reconcile() == (0, ())
        publish(memory.site(), old)
        publish(memory.site(), new)
        checked, findings = memory.site().reconcile()
        assert findings == ()
        assert checked > len(new.manifest.files)

    def test_what_was_changed_or_removed_is_named_and_nothing_else(
        self, bucket: BucketPlace, old: Publication
    ) -> None:
        publish(bucket.site(), old)
        alpha, beta = f"packages/{ALPHA.file}", f"packages/{BETA.file}.metadata"
        bucket.spoil(alpha, same_size(ALPHA.content))
        bucket.spoil(beta, None)
        bucket.spoil(at(bucket, 1, LIST), b"longer than it was, by somebody else")
        bucket.spoil(at(bucket, 1, PROJECT), None)
        assert named(bucket) == {
            alpha: CHANGED,
            beta: MISSING,
            at(bucket, 1, LIST): CHANGED,
            at(bucket, 1, PROJECT): MISSING,
        }

    def test_a_finding_says_what_was_expected(self, old: Publication) -> None:
        place = MemoryPlace(edge=True)
        publish(place.site(), old)
        key = f"packages/{ALPHA.file}"
        place.spoil(key, b"other")
        (found,) = place.site().reconcile()[1]
        assert found.layer == "bucket"
        assert str(found.expected).endswith(f", {ALPHA.size} bytes")
        assert str(found.actual).endswith(", 5 bytes")

    def test_what_others_keep_there_is_no_finding(self, memory: MemoryPlace, old: Publication) -> None:
        publish(memory.site(), old)
        for key in ("packages/theirs.whl", "elsewhere/file", "g/99/index.html", "simple/theirs/index.html"):
            memory.leave(key)
        assert named(memory) == {}

    @pytest.mark.parametrize("damage", [None, b"{", b"\x1f\x8b", b"[]"])
    def test_records_are_looked_at_too(
        self, memory: MemoryPlace, old: Publication, new: Publication, damage: bytes | None
    ) -> None:
        publish(memory.site(), old)
        publish(memory.site(), new)
        for number in (1, 2):
            memory.spoil(record_key(number), damage)
        assert named(memory) == {record_key(1): UNREADABLE, record_key(2): UNREADABLE}

    def test_archives_are_looked_at_too(self, old: Publication, new: Publication) -> None:
        place = MemoryPlace(edge=False)
        publish(place.site(), old)
        publish(place.site(), new)
        place.spoil(archive(1), None)
        place.spoil(archive(2), b"damaged")
        assert named(place) == {archive(1): MISSING, archive(2): CHANGED}

    def test_a_publication_in_the_meantime_is_no_finding(
        self, memory: MemoryPlace, old: Publication, new: Publication
    ) -> None:
        publish(memory.site(), old)
        counter = Interloper(0, lambda: None)
        memory.site(counter).reconcile()
        for point in range(1, counter.count + 1):
            text = f"new {point}"
            hook = Interloper(point, lambda: publish(memory.site(host="there"), new))
            assert memory.site(hook).reconcile()[1] == (), text
            publish(memory.site(), old)


class TestRepair:
    def test_bytes_and_headers_are_as_they_were(self, bucket: BucketPlace, old: Publication) -> None:
        publish(bucket.site(), old)
        damaged = {
            f"packages/{ALPHA.file}": same_size(ALPHA.content),
            f"packages/{BETA.file}": None,
            f"packages/{BETA.file}.metadata": b"",
            at(bucket, 1, LIST): b"spoiled",
            at(bucket, 1, PROJECT): None,
            at(bucket, 1, "manifest.json"): None,
        }
        if bucket.edge:
            damaged |= {f"g/1/{LIST}.gz": None, ERROR_PAGE: b"spoiled"}
        before = {key: bucket.headers(key) for key in damaged}
        for key, content in damaged.items():
            bucket.spoil(key, content)

        done = repair(bucket, old)

        assert done.generation == 1
        assert set(done.notes) <= {IGNORES_CONDITIONS}
        assert set(done.uploaded) >= damaged.keys()
        assert is_whole(bucket.shown(), old)
        assert named(bucket) == {}
        assert {key: bucket.headers(key) for key in damaged} == before

    def test_nothing_to_repair_writes_nothing(self, memory: MemoryPlace, old: Publication) -> None:
        publish(memory.site(), old)
        done = repair(memory, old)
        assert (done.generation, done.uploaded, done.deleted, done.size) == (1, (), (), 0)

    def test_what_is_new_is_published_as_well(
        self, memory: MemoryPlace, old: Publication, new: Publication
    ) -> None:
        publish(memory.site(), old)
        memory.spoil(f"packages/{ALPHA.file}", None)
        memory.spoil(at(memory, 1, PROJECT), b"spoiled")
        assert repair(memory, new).generation == 2
        assert is_whole(memory.shown(), new)

    @pytest.mark.parametrize("damage", [None, b"{"])
    @pytest.mark.parametrize("which", [(record_key(1),), (archive(1),), (record_key(1), archive(1))])
    def test_the_record_of_what_is_live_is_made_anew(
        self, memory: MemoryPlace, old: Publication, which: tuple[str, ...], damage: bytes | None
    ) -> None:
        publish(memory.site(), old)
        which = which[:1] if memory.edge else which
        damaged = [key for key in which if key in memory.objects]
        for key in damaged:
            memory.spoil(key, damage)
        memory.spoil(at(memory, 1, LIST), b"spoiled")
        done = repair(memory, old)
        assert done.notes == ()
        assert {*damaged, at(memory, 1, LIST)} <= set(done.uploaded)
        assert named(memory) == {}
        publish(memory.site(), old)
        assert is_whole(memory.shown(), old)

    def test_a_record_that_cannot_be_made_stays_a_finding(
        self, memory: MemoryPlace, old: Publication, new: Publication
    ) -> None:
        """Where something else is to be published, the pages of what is live are not at hand."""
        publish(memory.site(), old)
        memory.spoil(record_key(1), None)
        done = repair(memory, new)
        assert f"{record_key(1)} cannot be restored from here" in done.notes
        assert is_whole(memory.shown(), new)
        done = repair(memory, new)  # nobody is shown it any more
        assert "generation 1 is damaged and cannot be restored: it is given up" in done.notes
        assert named(memory) == {}

    def test_an_older_generation_that_lacks_something_is_given_up(
        self, memory: MemoryPlace, old: Publication, new: Publication
    ) -> None:
        publish(memory.site(), old)
        publish(memory.site(), new)
        lost = f"g/1/{PROJECT}" if memory.edge else archive(1)
        memory.spoil(lost, None)
        done = repair(memory, new)
        assert done.notes == (
            "generation 1 is damaged and cannot be restored: it is given up",
            f"{lost} cannot be restored from here",
        )
        assert named(memory) == {}
        assert is_whole(memory.shown(), new)
        with pytest.raises(UsageError, match="generation 1 is not there"):
            memory.site().roll_back(HELD)

    def test_a_pointer_that_went_astray_is_moved_back(self, old: Publication, new: Publication) -> None:
        place = MemoryPlace(edge=True)
        publish(place.site(), old)
        publish(place.site(), new)
        function = EdgeFunction(place.cloudfront, FUNCTION)
        for edge in (Edge(), Edge(1), Edge(7)):
            deployed = function.read()
            assert deployed is not None
            function.deploy(edge, deployed.etag)
            assert not is_whole(place.shown(), new)
            assert repair(place, new).generation == 2
            assert is_whole(place.shown(), new)
            assert not place.site().status().pending

    @pytest.mark.parametrize("edge", [True, False])
    def test_a_bucket_that_was_published_in_another_way_is_shown_in_the_new_one(
        self, edge: bool, old: Publication, new: Publication
    ) -> None:
        before, place = MemoryPlace(edge=not edge), MemoryPlace(edge=edge)
        publish(before.site(), old)
        publish(before.site(), new)
        place.bucket = before.bucket
        done = repair(place, new)
        assert is_whole(place.shown(), new)
        assert f"{record_key(1)} cannot be restored from here" in done.notes
        assert named(place) == {}
        publish(place.site(), old)
        assert is_whole(place.shown(), old)


class TestLostPackages:
    def test_of_what_is_live_it_stays_a_finding(
        self, memory: MemoryPlace, workshop: Workshop, old: Publication
    ) -> None:
        publish(memory.site(), old)
        lost = f"packages/{BETA.file}"
        memory.spoil(lost, None)
        workshop.store.path(BETA.file).unlink()
        assert repair(memory, old).notes[-1] == f"{lost} cannot be restored from here"
        assert named(memory) == {lost: MISSING}
        workshop.publication("again", BETA)  # it is in the store again
        assert repair(memory, old).uploaded == (lost,)
        assert named(memory) == {}
        assert is_whole(memory.shown(), old)

    def test_a_store_with_other_bytes_is_no_help(
        self, memory: MemoryPlace, workshop: Workshop, old: Publication
    ) -> None:
        publish(memory.site(), old)
        lost = f"packages/{BETA.file}"
        memory.spoil(lost, None)
        workshop.store.path(BETA.file).write_bytes(b"rotten")
        assert repair(memory, old).notes == (f"{lost} cannot be restored from here",)
        assert lost not in memory.objects

    @pytest.mark.parametrize("damage", [None, b"spoiled"])
    def test_of_an_older_generation_it_is_given_up_with_that(
        self,
        memory: MemoryPlace,
        workshop: Workshop,
        old: Publication,
        new: Publication,
        damage: bytes | None,
    ) -> None:
        publish(memory.site(), old)
        publish(memory.site(), new)
        lost = f"packages/{BETA.file}"
        memory.spoil(lost, damage)
        workshop.store.path(BETA.file).unlink()
        notes = repair(memory, new).notes
        assert notes[0] == "generation 1 is damaged and cannot be restored: it is given up"
        assert named(memory) == {}
        assert lost not in set(memory.keys())
        assert is_whole(memory.shown(), new)
        again = workshop.publication("again", BETA, GAMMA)
        publish(memory.site(), again)
        assert is_whole(memory.shown(), again)


class TestWhileSomethingIsGoingOn:
    @pytest.mark.parametrize("when", ["before", "after"])
    @pytest.mark.parametrize("kind", KINDS)
    def test_a_switch_that_was_interrupted_is_repaired_and_finished(
        self, kind: str, when: str, old: Publication, new: Publication
    ) -> None:
        act: Callable[[BucketSite], object] = lambda site: publish(site, new)  # noqa: E731
        spoiled = 0
        for point in range(1, requests_of(kind, act, old) + 1):
            place = prepared(kind, old)
            killed(place, act, point, when)
            for key in (at(place, 2, LIST), at(place, 2, PROJECT), f"packages/{GAMMA.file}"):
                if key in place.objects:
                    place.spoil(key, b"spoiled")
                    spoiled += 1
            try:
                repair(place, new)
            except ConflictError:
                continue  # of a package that was not entered yet, nobody knows that it was another
            assert is_whole(place.shown(), new), point
            assert named(place) == {}, point
            assert not any(one.removed for one in place.site().status().generations), point
        assert spoiled > 20

    def test_a_hold_is_kept(self, bucket: BucketPlace, old: Publication, new: Publication) -> None:
        publish(bucket.site(), old)
        publish(bucket.site(), new)
        bucket.site().roll_back(HELD)
        bucket.spoil(f"packages/{BETA.file}", None)
        done = repair(bucket, new)
        assert (done.generation, done.hold) == (1, HELD)
        assert is_whole(bucket.shown(), old)
        assert named(bucket) == {}

    def test_pages_of_a_hold_are_those_of_its_archive(self, old: Publication, new: Publication) -> None:
        place = MemoryPlace(edge=False)
        publish(place.site(), old)
        publish(place.site(), new)
        place.site().roll_back(HELD)
        place.spoil(PROJECT, b"spoiled")
        done = repair(place, new)
        assert (done.generation, done.hold, done.notes) == (1, HELD, ())
        assert is_whole(place.shown(), old)
        assert named(place) == {}

    def test_pages_of_a_hold_that_are_nowhere_stay_a_finding(
        self, memory: MemoryPlace, old: Publication, new: Publication
    ) -> None:
        publish(memory.site(), old)
        publish(memory.site(), new)
        memory.site().roll_back(HELD)
        page = at(memory, 1, PROJECT)
        memory.spoil(page, b"spoiled")
        if not memory.edge:
            memory.spoil(archive(1), None)
        done = repair(memory, new)
        assert (done.generation, done.hold) == (1, HELD)
        assert f"{page} cannot be restored from here" in done.notes
        assert named(memory)[page] == CHANGED
        assert not memory.site().status().pending
        assert publish(memory.site(), new) == 1

    def test_somebody_publishes_meanwhile(
        self, memory: MemoryPlace, workshop: Workshop, old: Publication
    ) -> None:
        theirs = workshop.publication("theirs", BETA, GAMMA)

        def spoiled() -> MemoryPlace:
            place = MemoryPlace(edge=memory.edge)
            publish(place.site(), old)
            place.spoil(at(place, 1, LIST), None)
            place.spoil(f"packages/{ALPHA.file}", b"spoiled")
            return place

        counter = Interloper(0, lambda: None)
        spoiled().site(counter).repair(old, Silent())
        for point in range(1, counter.count + 1):
            place = spoiled()
            error, other = raced(
                place, point, lambda site: site.repair(old, Silent()), lambda site: publish(site, theirs)
            )
            assert not (error and other.raised), point
            assert is_whole(place.shown(), theirs if error else old) or not other.raised, point
            shown = place.shown()
            assert is_whole(shown, old) or is_whole(shown, theirs), point
            assert set(named(place)) <= {f"packages/{ALPHA.file}", at(place, 1, LIST)}, point


class TestGoingBack:
    def test_a_generation_without_a_manifest_is_not_shown(
        self, memory: MemoryPlace, old: Publication, new: Publication
    ) -> None:
        publish(memory.site(), old)
        publish(memory.site(), new)
        memory.spoil("g/1/manifest.json" if memory.edge else archive(1), None)
        with pytest.raises(DocumentError, match="generation 1: its manifest cannot be read"):
            memory.site().roll_back(HELD)
        assert is_whole(memory.shown(), new)
        assert memory.site().status().hold is None


def test_looking_in_vain_is_an_error(old: Publication) -> None:
    """A listing that fails is not one without objects."""
    place = MemoryPlace(edge=True)
    publish(place.site(), old)

    def refuse(operation: str, _key: str) -> None:
        if operation == "list":
            raise CloudError("refused")

    with pytest.raises(CloudError):
        place.site(refuse).repair(old, Silent())
    assert is_whole(place.shown(), old)
