"""One suite for every place: a directory, buckets in memory, AWS as ministack has it, rclone."""

from __future__ import annotations

import pytest

from mirror_pipeline.adapters.progress import Silent
from mirror_pipeline.domain.cloud import Retention
from mirror_pipeline.domain.generations import Generation, Hold
from mirror_pipeline.domain.retention import previous
from mirror_pipeline.errors import UsageError
from mirror_pipeline.sites.site import Site
from mirror_pipeline_tests.sites.places import (
    ALPHA,
    BETA,
    GAMMA,
    NOW,
    DirectoryPlace,
    MemoryPlace,
    Place,
    Workshop,
    is_whole,
    live_manifest,
    publish,
)

LATER, MUCH_LATER = "2026-12-10T00:00:00+00:00", "2027-02-01T00:00:00+00:00"
NEVER = Retention(keep=100, grace_days=10_000)


def held_at(number: int, wanted: str) -> Hold:
    return Hold(number, wanted, "it broke the build", "ann@example", NOW)


def test_nothing_is_published_at_first(place: Place) -> None:
    site = place.site()
    assert (site.status().live, site.status().digest, site.status().generations) == (None, "", ())
    assert site.manifest() is None
    assert place.shown() == {}


def test_what_is_published_is_what_clients_get(place: Place, workshop: Workshop) -> None:
    publication = workshop.publication("one", ALPHA, BETA)
    done = place.site().publish(publication, Silent())

    assert done.generation == 1
    assert done.digest == publication.manifest.digest
    assert is_whole(place.shown(), publication)
    assert live_manifest(place.site()) == publication.manifest
    status = place.site().status()
    assert (status.live, status.digest, status.hold) == (1, publication.manifest.digest, None)
    assert not status.pending
    assert not status.unsettled
    assert status.generations == (
        Generation(
            number=1,
            made=NOW,
            by="ann@example",
            manifest=publication.manifest.digest,
            requirements="one",
            lock="lock of one",
            packages=2,
            pages=len(publication.pages),
            size=sum(entry.size for entry in publication.manifest.files.values()),
        ),
    )


def test_the_same_again_writes_nothing(place: Place, workshop: Workshop) -> None:
    publication = workshop.publication("one")
    publish(place.site(), publication)
    done = place.site().publish(publication, Silent())
    assert (done.generation, done.uploaded, done.deleted, done.size) == (1, (), (), 0)
    if not isinstance(place, DirectoryPlace):
        assert done.requests == 1


def test_a_new_generation_takes_the_place_of_the_old_one(place: Place, workshop: Workshop) -> None:
    old, new = workshop.publication("old", ALPHA, BETA), workshop.publication("new", ALPHA, GAMMA, made=LATER)
    publish(place.site(), old)
    done = place.site().publish(new, Silent())

    assert done.generation == 2
    assert is_whole(place.shown(), new)
    assert f"packages/{GAMMA.file}" in done.uploaded
    assert f"packages/{ALPHA.file}" not in done.uploaded
    assert done.skipped >= 2
    first, second = place.site().status().generations
    assert (first.left, second.left) == (LATER, "")
    assert previous(place.site().status()) == 1
    assert place.site().manifest_of(1) == old.manifest


def test_going_back_is_one_step_and_holds(place: Place, workshop: Workshop) -> None:
    old, new = workshop.publication("old", ALPHA, BETA), workshop.publication("new", ALPHA, GAMMA)
    publish(place.site(), old)
    publish(place.site(), new)
    hold = held_at(1, "new")

    assert place.site().roll_back(hold).live == 1
    assert is_whole(place.shown(), old)
    assert place.site().status().hold == hold
    assert live_manifest(place.site()) == old.manifest

    done = place.site().publish(new, Silent())
    assert (done.generation, done.hold, done.digest) == (1, hold, old.manifest.digest)
    assert is_whole(place.shown(), old)


def test_a_hold_ends_when_something_else_is_wanted(place: Place, workshop: Workshop) -> None:
    old, new = workshop.publication("old", ALPHA, BETA), workshop.publication("new", ALPHA, GAMMA)
    publish(place.site(), old)
    publish(place.site(), new)
    place.site().roll_back(held_at(1, "new"))
    mended = workshop.publication("mended", BETA, GAMMA)

    assert publish(place.site(), mended) == 3
    assert is_whole(place.shown(), mended)
    assert place.site().status().hold is None
    assert publish(place.site(), new) == 4


def test_a_hold_ends_by_force(place: Place, workshop: Workshop) -> None:
    old, new = workshop.publication("old"), workshop.publication("new", GAMMA)
    publish(place.site(), old)
    publish(place.site(), new)
    place.site().roll_back(held_at(1, "new"))

    assert publish(place.site(), workshop.publication("new", GAMMA, force=True)) == 3
    assert is_whole(place.shown(), new)
    assert place.site().status().hold is None


def test_going_back_and_forth(place: Place, workshop: Workshop) -> None:
    texts = ["one", "two", "three"]
    for text in texts:
        publish(place.site(), workshop.publication(text))
    for number in (1, 3, 2, 3):
        place.site().roll_back(held_at(number, "three"))
        assert is_whole(place.shown(), workshop.publication(texts[number - 1]))


def test_a_generation_that_is_not_there_is_refused(place: Place, workshop: Workshop) -> None:
    publish(place.site(), workshop.publication("one"))
    with pytest.raises(UsageError, match="generation 7 is not there"):
        place.site().roll_back(held_at(7, "one"))
    assert place.site().status().hold is None
    assert is_whole(place.shown(), workshop.publication("one"))


def gc(
    site: Site, retention: Retention, now: str, *, delete: bool = True
) -> tuple[tuple[int, ...], set[str]]:
    found = site.collect(retention, now, wanted=frozenset(), delete=delete)
    assert found.done is delete
    return found.generations, set(found.keys)


def test_what_no_generation_needs_goes(place: Place, workshop: Workshop) -> None:
    for text, dist in (("one", BETA), ("two", GAMMA), ("three", ALPHA)):
        publish(place.site(retention=NEVER), workshop.publication(text, ALPHA, dist))
    few = Retention(keep=2, grace_days=7)

    numbers, keys = gc(place.site(), few, MUCH_LATER, delete=False)
    assert numbers == (1,)
    assert f"packages/{BETA.file}" in keys
    assert f"packages/{BETA.file}" in place.shown()

    assert gc(place.site(), few, MUCH_LATER) == (numbers, keys)
    assert f"packages/{BETA.file}" not in place.shown()
    assert {f"packages/{ALPHA.file}", f"packages/{GAMMA.file}"} <= place.shown().keys()
    assert is_whole(place.shown(), workshop.publication("three", ALPHA, ALPHA))
    assert place.site().manifest_of(1) is None
    first, *_ = place.site().status().generations
    assert (first.number, first.removed, first.lock) == (1, MUCH_LATER, "lock of one")
    assert gc(place.site(), few, MUCH_LATER) == ((), set())
    with pytest.raises(UsageError):
        place.site().roll_back(held_at(1, "three"))
    place.site().roll_back(held_at(2, "three"))


def test_what_was_live_a_moment_ago_stays(place: Place, workshop: Workshop) -> None:
    publish(place.site(), workshop.publication("one", BETA))
    publish(place.site(), workshop.publication("two", made=LATER))
    assert gc(place.site(), Retention(keep=1, grace_days=7), LATER) == ((), set())
    assert gc(place.site(), Retention(keep=1, grace_days=7), MUCH_LATER)[0] == (1,)


def test_what_is_held_stays(place: Place, workshop: Workshop) -> None:
    for text in ("one", "two", "three"):
        publish(place.site(retention=NEVER), workshop.publication(text))
    place.site().roll_back(held_at(1, "three"))
    assert gc(place.site(), Retention(keep=1, grace_days=0), MUCH_LATER)[0] == (2,)
    assert is_whole(place.shown(), workshop.publication("one"))


def test_numbers_are_given_once(place: Place, workshop: Workshop) -> None:
    publish(place.site(), workshop.publication("one"))
    publish(place.site(), workshop.publication("two"))
    gc(place.site(), Retention(keep=1, grace_days=0), MUCH_LATER)
    assert publish(place.site(), workshop.publication("three")) == 3


def test_another_way_of_showing_shows_it_anew(workshop: Workshop) -> None:
    """A bucket that was behind the distribution is published in place from now on, and back."""
    publication = workshop.publication("one", ALPHA, BETA)
    place = MemoryPlace(edge=True)
    publish(place.site(), publication)
    for edge in (False, True):
        place.edge = edge
        publish(place.site(), publication)
        assert is_whole(place.shown(), publication)
        assert place.site().publish(publication, Silent()).requests == 1
