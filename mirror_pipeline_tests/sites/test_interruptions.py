"""A publisher killed at any request: clients have a generation whole, and the next run finishes.

The points are enumerated: a dry run counts the requests of a publication, then it is repeated once for each
of them, killed before the request takes effect and killed after it did. A killed publisher does nothing more,
not even what its ``finally`` says.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mirror_pipeline.adapters.progress import Silent
from mirror_pipeline.domain.cloud import Retention
from mirror_pipeline.domain.generations import Hold
from mirror_pipeline.sites.bucket import BucketSite
from mirror_pipeline.sites.site import Publication
from mirror_pipeline_tests.sites.places import (
    ALPHA,
    BETA,
    GAMMA,
    NOW,
    MemoryPlace,
    Workshop,
    is_whole,
    links_hold,
    publish,
)

LATER = "2026-12-20T00:00:00+00:00"
KINDS = {
    "edge": lambda: MemoryPlace(edge=True),
    "in place": lambda: MemoryPlace(edge=False),
    "in place, without conditions": lambda: MemoryPlace(edge=False, conditional=False),
}
Act = Callable[[BucketSite], object]


class Killed(BaseException):
    """The process is gone."""


class Guillotine:
    """Hooks that kill at the ``at``-th request, before or after it took effect. The dead ask nothing more."""

    def __init__(self, at: int | None = None, when: str = "before") -> None:
        self.at, self.when, self.count = at, when, 0
        self.dead = False

    def before(self, _operation: str, _key: str) -> None:
        self.count += 1
        if self.dead or (self.when == "before" and self.count == self.at):
            self.dead = True
            raise Killed

    def after(self, _operation: str, _key: str) -> None:
        if self.when == "after" and self.count >= (self.at or self.count + 1):
            self.dead = True
            raise Killed


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


@pytest.fixture
def old(workshop: Workshop) -> Publication:
    return workshop.publication("old", ALPHA, BETA)


@pytest.fixture
def new(workshop: Workshop) -> Publication:
    return workshop.publication("new", ALPHA, GAMMA)


def prepared(kind: str, *publications: Publication) -> MemoryPlace:
    """A place where these were published, one after the other."""
    place = KINDS[kind]()
    for publication in publications:
        publish(place.site(), publication)
    return place


def requests_of(kind: str, act: Act, *before: Publication) -> int:
    """How many requests an action makes."""
    place, counter = prepared(kind, *before), Guillotine()
    act(place.site(counter.before))
    return counter.count


def killed(place: MemoryPlace, act: Act, point: int, when: str) -> None:
    """Let a publisher begin and be killed at its ``point``-th request."""
    hooks = Guillotine(point, when)
    with pytest.raises(Killed):
        act(place.site(hooks.before, hooks.after))
    place.publishers.dead.update(range(100, 1000))  # every process so far; the next one is another
    place.publishers.numbers = iter(range(1000, 2000))


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_first_publication(kind: str, when: str, new: Publication) -> None:
    act: Act = lambda site: publish(site, new)  # noqa: E731
    points = requests_of(kind, act)
    assert points > 10
    for point in range(1, points + 1):
        place = prepared(kind)
        killed(place, act, point, when)
        assert links_hold(place.shown(), new), point
        if place.edge:
            assert place.shown() == {} or is_whole(place.shown(), new), point

        publish(place.site(), new)
        assert is_whole(place.shown(), new), point
        assert place.site().status().digest == new.manifest.digest
        assert not place.site().status().pending
        assert place.site().reconcile()[1] == (), point


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("kind", KINDS)
def test_one_generation_over_another(kind: str, when: str, old: Publication, new: Publication) -> None:
    act: Act = lambda site: publish(site, new)  # noqa: E731
    points = requests_of(kind, act, old)
    for point in range(1, points + 1):
        place = prepared(kind, old)
        killed(place, act, point, when)
        shown = place.shown()
        assert links_hold(shown, old, new), point
        if place.edge:
            assert is_whole(shown, old) or is_whole(shown, new), point

        publish(place.site(), new)
        assert is_whole(place.shown(), new), point
        assert place.site().reconcile()[1] == (), point


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_next_run_may_want_something_else(
    kind: str, when: str, old: Publication, new: Publication, workshop: Workshop
) -> None:
    third = workshop.publication("third", BETA, GAMMA)
    act: Act = lambda site: publish(site, new)  # noqa: E731
    for wanted in (third, old):
        for point in range(1, requests_of(kind, act, old) + 1):
            place = prepared(kind, old)
            killed(place, act, point, when)
            publish(place.site(), wanted)
            assert is_whole(place.shown(), wanted), point
            assert place.site().reconcile()[1] == (), point


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_rollback(kind: str, when: str, old: Publication, new: Publication) -> None:
    hold = Hold(1, new.manifest.requirements, "new breaks the build", "ann@example", NOW)
    act: Act = lambda site: site.roll_back(hold)  # noqa: E731
    for point in range(1, requests_of(kind, act, old, new) + 1):
        place = prepared(kind, old, new)
        killed(place, act, point, when)
        shown = place.shown()
        assert links_hold(shown, old, new), point
        if place.edge:
            assert is_whole(shown, old) or is_whole(shown, new), point

        place.site().roll_back(hold)
        assert is_whole(place.shown(), old), point
        assert place.site().publish(new, Silent()).hold == hold
        assert is_whole(place.shown(), old), point
        assert place.site().reconcile()[1] == (), point


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_rollback_that_was_begun_is_finished_by_the_next_refresh(
    kind: str, when: str, old: Publication, new: Publication
) -> None:
    hold = Hold(1, new.manifest.requirements, "new breaks the build", "ann@example", NOW)
    act: Act = lambda site: site.roll_back(hold)  # noqa: E731
    for point in range(1, requests_of(kind, act, old, new) + 1):
        place = prepared(kind, old, new)
        killed(place, act, point, when)
        was_begun = place.site().status().hold is not None
        publish(place.site(), new)
        assert is_whole(place.shown(), old if was_begun else new), point
        assert not place.site().status().pending


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_removal(kind: str, when: str, old: Publication, new: Publication) -> None:
    def act(site: BucketSite) -> object:
        return site.collect(Retention(1, 1), LATER, wanted=frozenset(), delete=True)

    for point in range(1, requests_of(kind, act, old, new) + 1):
        place = prepared(kind, old, new)
        killed(place, act, point, when)
        assert is_whole(place.shown(), new), point

        act(place.site())
        assert is_whole(place.shown(), new), point
        assert f"packages/{BETA.file}" not in place.objects
        assert not any(key.startswith(("g/1/", ".mirror/generations/1.")) for key in place.objects), point
        assert place.site().reconcile()[1] == (), point


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_package_whose_removal_was_begun_can_be_wanted_again(
    kind: str, when: str, old: Publication, new: Publication
) -> None:
    def act(site: BucketSite) -> object:
        return site.collect(Retention(1, 1), LATER, wanted=frozenset(), delete=True)

    for point in range(1, requests_of(kind, act, old, new) + 1):
        place = prepared(kind, old, new)
        killed(place, act, point, when)
        publish(place.site(), old)
        assert is_whole(place.shown(), old), point
        assert place.site().reconcile()[1] == (), point


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_repair(kind: str, when: str, old: Publication, new: Publication) -> None:
    damaged = f"packages/{ALPHA.file}"

    def spoiled() -> MemoryPlace:
        place = prepared(kind, old, new)
        place.site().store.spoil(damaged, b"spoiled")  # type: ignore[attr-defined]
        page = "g/2/simple/index.html" if place.edge else "simple/index.html"
        del place.objects[page]
        return place

    act: Act = lambda site: site.repair(new, Silent())  # noqa: E731
    counter = Guillotine()
    act(spoiled().site(counter.before))
    for point in range(1, counter.count + 1):
        place = spoiled()
        killed(place, act, point, when)
        act(place.site())
        assert is_whole(place.shown(), new), point
        assert place.site().reconcile()[1] == (), point
