"""Two publishers of one bucket: whatever one does at any moment of the other, clients see a generation whole.

The moments are enumerated: at each request of the first publisher the second one does all of its work. One of
the two may lose, says who was faster, and has lost nothing: its next run finishes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest

from mirror_pipeline.adapters.progress import Silent
from mirror_pipeline.domain.cloud import Cloud, Retention
from mirror_pipeline.domain.generations import Hold
from mirror_pipeline.errors import CloudError, MirrorError, PublisherConflictError
from mirror_pipeline.sites.books import IGNORES_CONDITIONS
from mirror_pipeline.sites.bucket import BucketSite
from mirror_pipeline.sites.lease import LEASE, SECONDS
from mirror_pipeline.sites.site import Publication
from mirror_pipeline_tests.aws_servers import Ministack
from mirror_pipeline_tests.fakes import upload_of
from mirror_pipeline_tests.sites.places import (
    ALPHA,
    BETA,
    GAMMA,
    NOW,
    MemoryPlace,
    ServerPlace,
    Workshop,
    is_whole,
    links_hold,
    publish,
)

LATER = "2026-12-20T00:00:00+00:00"
KINDS = {"edge": True, "in place": False}
Act = Callable[[BucketSite], object]


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


@pytest.fixture
def old(workshop: Workshop) -> Publication:
    return workshop.publication("old", ALPHA, BETA)


@pytest.fixture
def ours(workshop: Workshop) -> Publication:
    return workshop.publication("ours", ALPHA, GAMMA)


@pytest.fixture
def theirs(workshop: Workshop) -> Publication:
    return workshop.publication("theirs", BETA, GAMMA)


class Interloper:
    """A hook that lets somebody else act at the ``at``-th request."""

    def __init__(self, at: int, act: Callable[[], object]) -> None:
        self.at, self.act, self.count = at, act, 0
        self.raised: MirrorError | None = None

    def __call__(self, _operation: str, _key: str) -> None:
        self.count += 1
        if self.count == self.at:
            try:
                self.act()
            except MirrorError as error:
                self.raised = error


def raced(place: MemoryPlace, point: int, act: Act, other: Act) -> tuple[MirrorError | None, Interloper]:
    """What became of both, when the other one acts at one of the first one's requests."""
    hook = Interloper(point, lambda: other(place.site(host="there")))
    try:
        act(place.site(hook, host="here"))
    except MirrorError as error:
        return error, hook
    return None, hook


def points(kind: str, act: Act, *before: Publication) -> range:
    """The moments of an action."""
    place = MemoryPlace(edge=KINDS[kind])
    for publication in before:
        publish(place.site(), publication)
    hook = Interloper(0, lambda: None)
    act(place.site(hook))
    return range(1, hook.count + 1)


@pytest.mark.parametrize("kind", KINDS)
def test_two_publications(kind: str, old: Publication, ours: Publication, theirs: Publication) -> None:
    act: Act = lambda site: publish(site, ours)  # noqa: E731
    losers = 0
    for point in points(kind, act, old):
        place = MemoryPlace(edge=KINDS[kind])
        publish(place.site(), old)
        error, other = raced(place, point, act, lambda site: publish(site, theirs))
        shown = place.shown()
        assert links_hold(shown, old, ours, theirs), point
        if place.edge:
            assert is_whole(shown, ours) or is_whole(shown, theirs), point
        assert not (error and other.raised), (point, error, other.raised)
        for loser in (error, other.raised):
            if loser:
                losers += 1
                assert isinstance(loser, PublisherConflictError), point
                assert "nothing is lost" in str(loser)
        publish(place.site(), ours)
        assert is_whole(place.shown(), ours), point
        assert place.site().reconcile()[1] == (), point
    assert losers > 5


@pytest.mark.parametrize("kind", KINDS)
def test_a_publication_and_a_rollback(kind: str, old: Publication, ours: Publication) -> None:
    new = ours
    hold = Hold(1, "whatever", "it broke", "bob@example", NOW)
    act: Act = lambda site: publish(site, new)  # noqa: E731
    for point in points(kind, act, old):
        place = MemoryPlace(edge=KINDS[kind])
        publish(place.site(), old)
        error, other = raced(place, point, act, lambda site: site.roll_back(hold))
        assert not (error and other.raised), point
        if place.edge:
            assert is_whole(place.shown(), old) or is_whole(place.shown(), new), point
        publish(place.site(), new)
        assert is_whole(place.shown(), new), point
        assert place.site().reconcile()[1] == (), point


@pytest.mark.parametrize("kind", KINDS)
def test_a_removal_while_somebody_wants_the_package_again(
    kind: str, old: Publication, ours: Publication
) -> None:
    """``old`` had beta, ``ours`` has not: it is being removed while ``old`` is published anew."""

    def remove(site: BucketSite) -> object:
        return site.collect(Retention(1, 1), LATER, wanted=frozenset(), delete=True)

    refused = 0
    for point in points(kind, remove, old, ours):
        place = MemoryPlace(edge=KINDS[kind])
        publish(place.site(), old)
        publish(place.site(), ours)
        error, other = raced(place, point, remove, lambda site: publish(site, old))
        assert not (error and other.raised), (point, error, other.raised)
        if isinstance(other.raised, PublisherConflictError):
            refused += 1
            assert "just removing" in str(other.raised) or "published meanwhile" in str(other.raised)
            place.publishers.now += 1000
        shown = place.shown()
        assert is_whole(shown, ours) or is_whole(shown, old), point
        publish(place.site(host="there"), old)
        assert is_whole(place.shown(), old), point
        assert place.site().reconcile()[1] == (), point
    assert refused


def test_who_was_faster_is_said(workshop: Workshop, ours: Publication, theirs: Publication) -> None:
    place = MemoryPlace(edge=True)
    error, _ = raced(place, 10, lambda site: publish(site, ours), lambda site: publish(site, theirs))
    assert isinstance(error, PublisherConflictError)
    assert error.exit_code == 3
    assert error.facts["by"] == "ann@there"
    assert error.facts["generation"] == 2
    assert "ann@there published meanwhile (generation 2)" in str(error)


def test_of_many_publishers_at_once_one_wins(
    ministack: Ministack, monkeypatch: pytest.MonkeyPatch, workshop: Workshop
) -> None:
    for name, value in ministack.environment().items():
        monkeypatch.setenv(name, value)
    place = ServerPlace(Cloud(bucket=ministack.bucket()), edge=True)
    publications = [workshop.publication(f"text {number}", ALPHA) for number in range(6)]
    start = threading.Barrier(len(publications))

    def one(publication: Publication) -> MirrorError | None:
        site = place.site()
        start.wait()
        try:
            site.publish(publication, Silent())
        except MirrorError as error:
            return error
        return None

    with ThreadPoolExecutor(len(publications)) as pool:
        errors = list(pool.map(one, publications))

    assert None in errors
    assert all(error is None or isinstance(error, PublisherConflictError) for error in errors), errors
    shown = place.shown()
    assert any(is_whole(shown, one) for one in publications)
    publish(place.site(), publications[0])
    assert is_whole(place.shown(), publications[0])


def claims(place: MemoryPlace) -> list[str]:
    """Who wants the bucket, or has it."""
    return [key for key in place.objects if key.startswith(LEASE)]


class TestWithoutConditions:
    """Servers that ignore conditions: a lease keeps publishers apart, and they are told."""

    @pytest.fixture
    def place(self) -> MemoryPlace:
        return MemoryPlace(edge=False, conditional=False)

    def test_the_publisher_is_told(self, place: MemoryPlace, ours: Publication) -> None:
        assert IGNORES_CONDITIONS in place.site().publish(ours, Silent()).notes
        assert not claims(place)

    @pytest.mark.parametrize("act", ["publish", "roll back", "collect"])
    def test_one_at_a_time(
        self, place: MemoryPlace, ours: Publication, theirs: Publication, act: str
    ) -> None:
        publish(place.site(), ours)
        acts: dict[str, Act] = {
            "publish": lambda site: publish(site, theirs),
            "roll back": lambda site: site.roll_back(Hold(1, "x", "x", "x", NOW)),
            "collect": lambda site: site.collect(Retention(), NOW, wanted=frozenset(), delete=True),
        }
        raised: list[str] = []

        def other(operation: str, key: str) -> None:
            if operation == "put" and key == ".mirror/manifest.json" and not raised:
                with pytest.raises(PublisherConflictError, match="ann@here is publishing") as caught:
                    acts[act](place.site(host="there"))
                raised.append(str(caught.value))

        publish(place.site(other), theirs)
        assert len(raised) == 1
        assert is_whole(place.shown(), theirs)

    @pytest.mark.parametrize("host", ["here", "there"])
    def test_of_two_that_claim_it_at_once_one_gets_it_however_slow_the_other_is(
        self, place: MemoryPlace, ours: Publication, theirs: Publication, host: str
    ) -> None:
        """The second one does all of its work, or fails, at each request of the first one's claim."""
        count = 0
        for when in ("before", "after"):
            for point in range(1, 12):
                place = MemoryPlace(edge=False, conditional=False)
                publish(place.site(), ours)
                asked: list[str] = []
                errors: list[PublisherConflictError] = []

                def other(
                    _operation: str, key: str, place: MemoryPlace = place, asked: list[str] = asked,
                    point: int = point, errors: list[PublisherConflictError] = errors,
                ) -> None:  # fmt: skip
                    asked.append(key)
                    if len(asked) == point:
                        try:
                            publish(place.site(host=host), theirs)
                        except PublisherConflictError as error:
                            errors.append(error)

                first = place.site(other) if when == "before" else place.site(after=other)
                try:
                    publish(first, theirs)
                except PublisherConflictError as error:
                    errors.append(error)
                assert len(errors) < 2, (when, point)
                assert is_whole(place.shown(), theirs), (when, point)
                assert not claims(place)
                assert place.site().reconcile()[1] == ()
                count += len(errors)
        assert count

    def test_a_claim_that_is_half_written_counts_for_a_while(
        self, place: MemoryPlace, ours: Publication
    ) -> None:
        place.site().store.put(upload_of(f"{LEASE}half.json", b'{"na'))
        with pytest.raises(PublisherConflictError, match="somebody else is publishing"):
            publish(place.site(), ours)
        place.publishers.now += SECONDS + 1
        publish(place.site(), ours)
        assert not claims(place)

    def test_who_was_taken_to_be_over_has_lost(
        self, place: MemoryPlace, ours: Publication, theirs: Publication
    ) -> None:
        def asleep(operation: str, key: str) -> None:
            if operation == "put" and key.startswith("packages/") and place.publishers.now < 1_800_000_300:
                place.publishers.now += SECONDS + 1
                publish(place.site(host="there"), theirs)

        with pytest.raises(PublisherConflictError, match="is publishing"):
            publish(place.site(asleep), ours)
        assert is_whole(place.shown(), theirs)

    def test_a_lease_of_a_dead_process_of_this_host_does_not_count(
        self, place: MemoryPlace, ours: Publication, theirs: Publication
    ) -> None:
        self._die_with_the_lease(place, ours)
        place.publishers.dead.add(100)
        publish(place.site(host="here"), theirs)
        assert is_whole(place.shown(), theirs)

    def test_a_lease_of_another_host_ends(
        self, place: MemoryPlace, ours: Publication, theirs: Publication
    ) -> None:
        self._die_with_the_lease(place, ours)
        with pytest.raises(PublisherConflictError, match="after 5 minutes"):
            publish(place.site(host="there"), theirs)
        place.publishers.now += SECONDS + 1
        publish(place.site(host="there"), theirs)
        assert is_whole(place.shown(), theirs)

    def test_long_work_keeps_its_lease(self, place: MemoryPlace, ours: Publication) -> None:
        written: list[float] = []

        def slowly(operation: str, key: str) -> None:
            if operation == "put" and key.startswith("packages/"):
                place.publishers.now += SECONDS * 0.4
            if operation == "put" and key.startswith(LEASE):
                written.append(place.publishers.now)

        publish(place.site(slowly), ours)
        gaps = [after - before for before, after in pairwise(written)]
        assert len(written) > 4
        assert max(gaps) < SECONDS

    def _die_with_the_lease(self, place: MemoryPlace, publication: Publication) -> None:
        def die(operation: str, key: str) -> None:
            if operation == "delete" or (operation == "put" and key.startswith("packages/")):
                raise CloudError("gone")

        with pytest.raises(CloudError):
            publish(place.site(die, host="here"), publication)
        assert claims(place)
