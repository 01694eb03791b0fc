"""A publisher of a directory killed at any change of the disk: readers have one generation whole.

And the next run finishes. The points are enumerated as for buckets: Python tells a hook of every file it is
about to open, rename, link or remove, and the hook kills there. The dead change nothing more, not even in
their ``finally``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mirror_pipeline.domain.cloud import Retention
from mirror_pipeline.domain.generations import Hold
from mirror_pipeline.errors import UsageError
from mirror_pipeline.sites.directory import DirectorySite
from mirror_pipeline.sites.site import Publication
from mirror_pipeline_tests.sites.places import (
    ALPHA,
    BETA,
    GAMMA,
    NOW,
    DirectoryPlace,
    Workshop,
    is_whole,
    publish,
)
from mirror_pipeline_tests.sites.test_interruptions import Killed

LATER, MUCH_LATER = "2026-12-20T00:00:00+00:00", "2037-01-01T00:00:00+00:00"
FEW = Retention(keep=2, grace_days=7)
_CHANGES = {"os.rename", "os.remove", "os.symlink", "os.mkdir", "os.rmdir", "open"}
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
Act = Callable[[DirectorySite], object]


class Guillotine:
    """Kills at the ``at``-th change below ``home``. One hook, for there is no way to take one out again."""

    def __init__(self) -> None:
        self.home, self.at, self.count = "", 0, 0
        sys.addaudithook(self._hear)

    def during(self, home: Path, at: int, act: Callable[[], object]) -> int:
        """Do something; the number of changes that it made, or was about to make when it was killed."""
        self.home, self.at, self.count = str(home), at, 0
        try:
            act()
        except Killed:
            pass
        finally:
            self.home = ""
        return self.count

    def _hear(self, event: str, arguments: tuple[object, ...]) -> None:
        if not self.home or event not in _CHANGES or not self._is_change(event, arguments):
            return
        self.count += 1
        if self.at and self.count >= self.at:
            raise Killed

    def _is_change(self, event: str, arguments: tuple[object, ...]) -> bool:
        path, flags = arguments[1] if event == "os.symlink" else arguments[0], arguments[-1]
        if event == "open" and not (isinstance(flags, int) and flags & _WRITES):
            return False
        return str(path).startswith(self.home)


@pytest.fixture(scope="module")
def guillotine() -> Guillotine:
    return Guillotine()


@pytest.fixture
def old(workshop: Workshop) -> Publication:
    return workshop.publication("old", ALPHA, BETA)


@pytest.fixture
def new(workshop: Workshop) -> Publication:
    return workshop.publication("new", ALPHA, GAMMA)


@pytest.fixture
def rooms(tmp_path: Path) -> Callable[[], DirectoryPlace]:
    """Homes of their own, with the packages of the workshop."""

    def room() -> DirectoryPlace:
        home = tmp_path / f"home-{len(list(tmp_path.iterdir()))}"
        (home / "packages").mkdir(parents=True)
        for package in (tmp_path / "packages").iterdir():
            os.link(package, home / "packages" / package.name)
        return DirectoryPlace(home)

    return room


def hold(wanted: Publication) -> Hold:
    return Hold(1, wanted.manifest.requirements, "new breaks the build", "ann@example", NOW)


def forced(publication: Publication) -> Publication:
    return Publication(
        publication.pages, publication.manifest, publication.packages, publication.provenance, force=True
    )


def whole(place: DirectoryPlace, *publications: Publication) -> Publication | None:
    """Which of these readers have; packages of others may lie beside."""
    return next((one for one in publications if is_whole(place.shown(), one)), None)


def tidy(place: DirectoryPlace, *kept: int) -> bool:
    """Whether nothing but these generations and the records of all is left."""
    names = {path.name for path in (place.home / "generations").iterdir() if path.suffix != ".json"}
    return names == set(map(str, kept)) and not list(place.home.glob(".site-*"))


@pytest.mark.parametrize(
    "act", ["first", "another", "roll back", "go on after a rollback", "force a rollback's end", "gc"]
)
def test_readers_have_one_whole_and_the_next_run_finishes(
    act: str,
    guillotine: Guillotine,
    rooms: Callable[[], DirectoryPlace],
    workshop: Workshop,
    old: Publication,
    new: Publication,
) -> None:
    third = workshop.publication("third", BETA)
    steps: dict[str, tuple[list[Act], Act, Publication]] = {
        "first": ([], lambda site: publish(site, new), new),
        "another": ([lambda site: publish(site, old)], lambda site: publish(site, new), new),
        "roll back": (
            [lambda site: publish(site, old), lambda site: publish(site, new)],
            lambda site: site.roll_back(hold(new)),
            new,
        ),
        "go on after a rollback": (
            [
                lambda site: publish(site, old),
                lambda site: publish(site, new),
                lambda site: site.roll_back(hold(new)),
            ],
            lambda site: publish(site, third),
            third,
        ),
        "force a rollback's end": (
            [
                lambda site: publish(site, old),
                lambda site: publish(site, new),
                lambda site: site.roll_back(hold(new)),
            ],
            lambda site: publish(site, forced(new)),
            new,
        ),
        "gc": (
            [
                lambda site: publish(site, old),
                lambda site: publish(site, third),
                lambda site: publish(site, new),
            ],
            lambda site: site.collect(FEW, MUCH_LATER, wanted=frozenset(), delete=True),
            new,
        ),
    }
    before, killed, wanted = steps[act]

    def prepared() -> DirectoryPlace:
        place = rooms()
        for step in before:
            step(place.site())
        return place

    place = prepared()
    points = guillotine.during(place.home, 0, lambda: killed(place.site()))
    assert points > 5
    shown_after = whole(place, old, new, third)
    for point in range(1, points + 1):
        place = prepared()
        shown_before = whole(place, old, new, third)
        guillotine.during(place.home, point, lambda place=place: killed(place.site()))  # type: ignore[misc]
        shown = whole(place, old, new, third)
        assert shown in (shown_before, shown_after), point
        if shown is None:
            assert place.shown() == {}, point

        status = place.site().status()
        is_held = status.held_by(wanted.manifest.requirements) is not None
        if act == "force a rollback's end" and shown is old:
            assert is_held or status.pending, point  # or nobody would know that there is something to do
        publish(place.site(), wanted)
        assert whole(place, old, new, third) is (old if is_held else wanted), point
        status = place.site().status()
        assert not status.pending, point
        assert (status.hold is not None) is is_held, point

        place.site().collect(FEW, MUCH_LATER, wanted=frozenset(), delete=True)
        assert whole(place, old, new, third) is (old if is_held else wanted), point
        kept = [one.number for one in place.site().status().generations if not one.removed]
        assert tidy(place, *kept), point
        assert status.live in kept, point


def test_what_a_removal_had_not_come_to_cannot_be_shown_again(
    guillotine: Guillotine, rooms: Callable[[], DirectoryPlace], workshop: Workshop, old: Publication
) -> None:
    place = rooms()
    for publication in (old, workshop.publication("second"), workshop.publication("third")):
        publish(place.site(), publication)

    def collect() -> object:
        return place.site().collect(FEW, MUCH_LATER, wanted=frozenset(), delete=True)

    for point in range(1, 30):
        guillotine.during(place.home, point, collect)
        if place.site().status().generations[0].removed:
            break
    assert (place.home / "generations" / "1").is_dir()
    with pytest.raises(UsageError, match="generation 1 is not there"):
        place.site().roll_back(hold(old))
