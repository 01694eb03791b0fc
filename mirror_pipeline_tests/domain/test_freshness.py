"""Windows of freshness, as properties over cron lines: kept ones never warn, two missed runs always fail."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirror_pipeline.assets.freshness import policy_of, ticks_of
from mirror_pipeline.domain.freshness import Windows, windows_of
from mirror_pipeline.errors import SettingsError

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
minute, hour = st.integers(0, 59).map(str), st.integers(0, 23).map(str)
even = st.one_of(
    st.tuples(minute, hour).map(lambda at: f"{at[0]} {at[1]} * * *"),
    st.tuples(minute, hour, st.integers(0, 6)).map(lambda at: f"{at[0]} {at[1]} * * {at[2]}"),
    minute.map(lambda at: f"{at} * * * *"),
    st.tuples(minute, st.sampled_from([2, 3, 4, 6, 12])).map(lambda at: f"{at[0]} */{at[1]} * * *"),
)
uneven = st.tuples(
    minute,
    st.one_of(hour, st.just("2,4"), st.just("1-5")),
    st.sampled_from(["*", "1", "1,15", "*/5"]),
    st.sampled_from(["*", "1-11", "*/3"]),
    st.sampled_from(["*", "1-5", "sun", "2,6"]),
).map(" ".join)


def known(schedule: str) -> tuple[Sequence[datetime], Windows]:
    ticks = ticks_of(schedule)
    windows = windows_of(ticks)
    assert windows is not None
    return ticks, windows


def oldest(ticks: Sequence[datetime], missed: int) -> timedelta:
    """How old a result gets where so many runs after it do not happen, and the one after those does."""
    return max(later - tick for tick, later in zip(ticks, ticks[missed + 1 :], strict=False))


@settings(deadline=None, max_examples=20)
@given(st.one_of(even, uneven))
def test_a_schedule_that_is_kept_never_warns(schedule: str) -> None:
    ticks, windows = known(schedule)
    assert oldest(ticks, missed=0) < windows.warn


@settings(deadline=None, max_examples=20)
@given(st.one_of(even, uneven))
def test_one_missed_run_never_fails(schedule: str) -> None:
    ticks, windows = known(schedule)
    assert oldest(ticks, missed=1) < windows.fail


@settings(deadline=None, max_examples=20)
@given(st.one_of(even, uneven))
def test_two_missed_runs_fail_before_a_third_is_due(schedule: str) -> None:
    ticks, windows = known(schedule)
    assert oldest(ticks, missed=1) < windows.fail < oldest(ticks, missed=2)


@settings(deadline=None, max_examples=20)
@given(even)
def test_one_missed_run_warns_before_the_next_is_due(schedule: str) -> None:
    ticks, windows = known(schedule)
    assert windows.warn < oldest(ticks, missed=1)


@settings(deadline=None, max_examples=20)
@given(st.one_of(even, uneven))
def test_dagster_takes_the_windows(schedule: str) -> None:
    assert policy_of(schedule) is not None


@pytest.mark.parametrize(
    ("schedule", "windows"),
    [
        ("0 3 * * *", Windows(DAY + 2 * HOUR, 2 * DAY + 2 * HOUR)),
        ("0 3 * * 1-5", Windows(3 * DAY + 2 * HOUR, 4 * DAY + 2 * HOUR)),
        ("0 3 * * mon", Windows(7 * DAY + 2 * HOUR, 14 * DAY + 2 * HOUR)),
        ("0 3 L * *", Windows(31 * DAY + 2 * HOUR, 62 * DAY + 2 * HOUR)),
        ("0 * * * *", Windows(1.5 * HOUR, 2.5 * HOUR)),
        ("*/20 * * * *", Windows(HOUR / 2, HOUR * 5 / 6)),
    ],
)
def test_what_it_comes_to(schedule: str, windows: Windows) -> None:
    assert windows_of(ticks_of(schedule)) == windows


def test_what_hardly_ever_runs_is_never_overdue() -> None:
    assert policy_of("0 3 29 2 *") is None
    assert windows_of([]) is None


@pytest.mark.parametrize("schedule", ["99 3 * * *", "0 3 31 2 *", "every night at three o"])
def test_a_line_that_says_nothing_is_refused(schedule: str) -> None:
    with pytest.raises(SettingsError) as caught:
        policy_of(schedule)
    assert (caught.value.facts["key"], caught.value.facts["value"]) == ("MIRROR_SCHEDULE", schedule)
