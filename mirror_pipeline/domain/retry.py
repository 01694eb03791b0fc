"""When to try a request again, and after how long. Pure: the caller sleeps.

``Retry-After`` is RFC 9110, section 10.2.3: seconds, or a date.
"""

from __future__ import annotations

from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

ATTEMPTS = 5
_FIRST_DELAY = 0.4
_LONGEST_DELAY = 10.0
_LONGEST_OBEYED = 120.0
_TRY_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})


def is_transient(status: int) -> bool:
    """Whether a status may be another one a moment later."""
    return status in _TRY_AGAIN or 520 <= status < 530  # what CDNs answer for an origin in trouble


def delay(attempt: int, retry_after: float | None, jitter: float) -> float | None:
    """Seconds to wait after the ``attempt``-th failure (from 1), None to give up.

    ``jitter`` from 0 to 1 spreads clients that failed together. What the server asks for is obeyed, up
    to two minutes.
    """
    if attempt >= ATTEMPTS:
        return None
    if retry_after is not None:
        return min(max(retry_after, 0.0), _LONGEST_OBEYED)
    backoff = min(_FIRST_DELAY * 2.0 ** (attempt - 1), _LONGEST_DELAY)
    return backoff * (0.5 + jitter / 2)


def parse_retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds that a ``Retry-After`` header asks for, None where it says nothing readable."""
    if not value:
        return None
    if value.strip().isascii() and value.strip().isdigit():
        return float(value)
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    aware = date if date.tzinfo else date.replace(tzinfo=timezone.utc)
    return max((aware - now).total_seconds(), 0.0)
