"""Which generations go, and above all which never do."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirror_pipeline.domain.cloud import Retention
from mirror_pipeline.domain.generations import Generation, Hold, SiteStatus
from mirror_pipeline.domain.retention import previous, superfluous, unneeded

EPOCH = datetime(2026, 1, 1, tzinfo=timezone.utc)


def at(day: float) -> str:
    return (EPOCH + timedelta(days=day)).isoformat(timespec="seconds")


def generation(number: int, made: float = 0, left: float | None = None, removed: bool = False) -> Generation:
    return Generation(
        number, at(made), "ann@example", "m", "r", "l", 1, 1, 1,
        left="" if left is None else at(left), removed=at(made) if removed else "",
    )  # fmt: skip


def hold(number: int) -> Hold:
    return Hold(number, "r", "why", "ann@example", at(0))


days = st.integers(0, 60)
retentions = st.builds(Retention, st.integers(1, 5), st.integers(0, 30))


@st.composite
def statuses(draw: st.DrawFn) -> SiteStatus:
    numbers = sorted(draw(st.sets(st.integers(1, 12), max_size=8)))
    records = []
    for number in numbers:
        made = draw(days)
        left = draw(st.one_of(st.none(), st.integers(made, 60)))
        records.append(generation(number, made, left, draw(st.booleans())))
    there = [one.number for one in records if not one.removed]
    one = st.one_of(st.none(), st.sampled_from(there)) if there else st.none()
    live, held = draw(one), draw(one)
    return SiteStatus(
        live=live,
        hold=hold(held) if held else None,
        generations=tuple(replace(one, left="") if one.number == live else one for one in records),
    )


@settings(deadline=None, max_examples=300)
@given(statuses(), retentions, days)
def test_what_never_goes(status: SiteStatus, retention: Retention, day: int) -> None:
    going = set(superfluous(status, retention, at(day)))
    there = {one.number: one for one in status.generations if not one.removed}
    assert going <= there.keys()
    assert status.live not in going
    assert status.hold is None or status.hold.generation not in going
    newest = sorted(there, reverse=True)[: retention.keep]
    assert going.isdisjoint(newest)
    since = at(day - retention.grace_days)
    assert all((there[number].left or there[number].made) < since for number in going)


@settings(deadline=None, max_examples=300)
@given(statuses(), retentions, days, st.integers(0, 5), st.integers(0, 30), st.integers(0, 60))
def test_who_keeps_more_or_asks_earlier_loses_less(
    status: SiteStatus, retention: Retention, day: int, keep: int, grace: int, later: int
) -> None:
    going = set(superfluous(status, retention, at(day)))
    more = Retention(retention.keep + keep, retention.grace_days + grace)
    assert set(superfluous(status, more, at(day))) <= going
    assert going <= set(superfluous(status, retention, at(day + later)))


@settings(deadline=None)
@given(statuses(), retentions, days)
def test_what_went_does_not_go_again(status: SiteStatus, retention: Retention, day: int) -> None:
    going = superfluous(status, retention, at(day))
    after = replace(
        status,
        generations=tuple(
            replace(one, removed=at(day)) if one.number in going else one for one in status.generations
        ),
    )
    assert superfluous(after, retention, at(day)) == ()


@pytest.mark.parametrize(
    ("keep", "grace", "day", "going"),
    [
        (1, 7, 100, (1, 2, 3)),
        (2, 7, 100, (1, 2, 3)),
        (3, 7, 100, (1, 2)),
        (5, 0, 100, ()),
        (1, 7, 36, (1, 2)),
        (1, 7, 37, (1, 2)),
        (1, 7, 38, (1, 2, 3)),
        (1, 98, 100, (1,)),
        (1, 1000, 100, ()),
    ],
)
def test_examples(keep: int, grace: int, day: int, going: tuple[int, ...]) -> None:
    """A generation a day from day 0 on; the fourth is live, since day 30, when the third was left."""
    records = [generation(n, n - 1, n if n < 3 else 30) for n in (1, 2, 3)]
    status = SiteStatus(live=4, generations=(*records, generation(4, 3), generation(5, 4)))
    assert superfluous(status, Retention(keep, grace), at(day)) == going


def test_the_grace_begins_when_a_generation_is_left() -> None:
    long = SiteStatus(live=2, generations=(generation(1, made=0, left=300), generation(2, made=300)))
    assert superfluous(long, Retention(1, 7), at(305)) == ()
    assert superfluous(long, Retention(1, 7), at(308)) == (1,)


def test_days_are_days_whatever_the_zone() -> None:
    status = SiteStatus(live=2, generations=(generation(1, left=1), generation(2)))
    assert superfluous(status, Retention(1, 7), "2026-01-09T01:00:00+02:00") == ()
    assert superfluous(status, Retention(1, 7), "2026-01-09T02:00:01+02:00") == (1,)


class TestPrevious:
    @settings(deadline=None, max_examples=300)
    @given(statuses())
    def test_is_the_one_that_was_left_last(self, status: SiteStatus) -> None:
        found = previous(status)
        left = {
            one.number: one.left
            for one in status.generations
            if one.left and not one.removed and one.number != status.live
        }
        assert (found is None) is (not left)
        if found is not None:
            assert left[found] == max(left.values())

    def test_is_not_the_one_with_the_number_before(self) -> None:
        """After a rollback from 3 to 1 it is 3, and 2 was left long ago."""
        status = SiteStatus(live=1, generations=(generation(1), generation(2, left=2), generation(3, left=3)))
        assert previous(status) == 3

    def test_one_that_was_never_live_is_none(self) -> None:
        assert previous(SiteStatus(live=2, generations=(generation(1), generation(2)))) is None

    def test_nothing_was_before_the_first(self) -> None:
        assert previous(SiteStatus()) is None
        assert previous(SiteStatus(live=1, generations=(generation(1),))) is None


files = st.sets(st.sampled_from(["a.whl", "b.whl", "c.tar.gz", "d.whl"]))


def keys_of(names: set[str]) -> set[str]:
    return {f"packages/{name}{suffix}" for name in names for suffix in ("", ".metadata")}


class TestPackages:
    @settings(deadline=None)
    @given(files, st.lists(files, max_size=3), files)
    def test_what_a_kept_generation_or_a_plan_names_stays(
        self, known: set[str], kept: list[set[str]], wanted: set[str]
    ) -> None:
        named = [dict.fromkeys(keys_of(names)) for names in kept]
        going = unneeded(keys_of(known), named, wanted)
        assert going == keys_of(known - set().union(wanted, *kept))

    def test_a_plan_wants_the_metadata_too(self) -> None:
        known = ["packages/a.whl", "packages/a.whl.metadata", "packages/b.whl.metadata"]
        assert unneeded(known, [], ["a.whl"]) == {"packages/b.whl.metadata"}

    def test_pages_of_a_generation_do_not_matter(self) -> None:
        assert unneeded(["packages/a.whl"], [{"simple/a/index.html": 1}], []) == {"packages/a.whl"}
