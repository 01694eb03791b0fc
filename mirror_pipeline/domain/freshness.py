"""How old the result of a schedule may get before somebody should look. Ticks in, time spans out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

_LONGEST_RUN = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class Windows:
    """Ages of the last result: at ``warn`` a run was missed, at ``fail`` the one after it as well."""

    warn: timedelta
    fail: timedelta


def windows_of(ticks: Sequence[datetime]) -> Windows | None:
    """What a schedule's ticks, in order, mean for the age of what it makes; None where they are too few.

    A schedule may pause (at weekends, say): the longest pause counts, so that a schedule that is kept never
    warns, and one that missed a single run never fails. A run may take two hours, or half of the time
    between two runs where that is shorter.
    """
    if len(ticks) < 3:
        return None
    margin = min(_LONGEST_RUN, _spans(ticks, 1)[0] / 2)
    return Windows(_spans(ticks, 1)[-1] + margin, _spans(ticks, 2)[-1] + margin)


def _spans(ticks: Sequence[datetime], runs: int) -> list[timedelta]:
    """The times that so many runs in a row take, the shortest first."""
    return sorted(later - tick for tick, later in zip(ticks, ticks[runs:], strict=False))
