"""When a request is tried again, after how long, and when it is given up."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirror_pipeline.domain.retry import ATTEMPTS, delay, is_transient, parse_retry_after

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
jitters = st.floats(0, 1)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 520, 522, 529])
def test_statuses_that_pass(status: int) -> None:
    assert is_transient(status)


@pytest.mark.parametrize("status", [200, 301, 400, 401, 403, 404, 410, 416, 451, 501, 505, 519, 530])
def test_statuses_that_stay(status: int) -> None:
    assert not is_transient(status)


@settings(deadline=None)
@given(st.integers(1, ATTEMPTS - 1), jitters)
def test_delays_grow_and_stay_within_bounds(attempt: int, jitter: float) -> None:
    now, later = delay(attempt, None, jitter), delay(attempt + 1, None, jitter)
    assert now is not None
    assert 0.2 * 2 ** (attempt - 1) <= now <= min(0.4 * 2 ** (attempt - 1), 10)
    assert later is None or later > now


@settings(deadline=None)
@given(st.integers(ATTEMPTS, 100), st.none() | st.floats(0, 1000), jitters)
def test_there_is_a_last_attempt(attempt: int, retry_after: float | None, jitter: float) -> None:
    assert delay(attempt, retry_after, jitter) is None


@pytest.mark.parametrize(
    ("asked", "waits"), [(0.0, 0.0), (7.0, 7.0), (120.0, 120.0), (86400.0, 120.0), (-1.0, 0.0)]
)
def test_what_the_server_asks_for_is_obeyed_up_to_a_limit(asked: float, waits: float) -> None:
    assert delay(1, asked, 0.5) == waits


@pytest.mark.parametrize(("value", "seconds"), [("0", 0.0), ("12", 12.0), (" 7 ", 7.0)])
def test_seconds(value: str, seconds: float) -> None:
    assert parse_retry_after(value, NOW) == seconds


@settings(deadline=None)
@given(st.integers(-(10**6), 10**6))
def test_dates(seconds: int) -> None:
    value = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
    assert parse_retry_after(value, NOW) == max(seconds, 0)


def test_a_date_without_a_zone_is_universal_time() -> None:
    assert parse_retry_after("Thu, 01 Jan 2026 00:00:30 -0000", NOW) == 30


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "soon",
        "-5",
        "1.5",
        "²",
        "٣",
        "Mon, 01 Jan 99999 00:00:00 GMT",
        f"Mon, 01 Jan {'9' * 30} 00:00:00 GMT",
        "Thu, 32 Jan 2026 00:00:00 GMT",
    ],
)
def test_what_says_nothing_readable(value: str | None) -> None:
    assert parse_retry_after(value, NOW) is None


@settings(deadline=None)
@given(
    st.text(max_size=30)
    | st.from_regex(r"\w{3}, \d{1,3} \w{3} \d{1,9} \d\d:\d\d:\d\d [-+A-Z0-9]{1,6}", fullmatch=True)
)
def test_any_header_is_a_number_of_seconds_or_nothing(value: str) -> None:
    found = parse_retry_after(value, NOW)
    assert found is None or found >= 0
