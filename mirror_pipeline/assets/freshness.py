"""The freshness policy of what every night makes anew, from the schedule of the nights."""

from __future__ import annotations

from datetime import datetime, timedelta

import dagster as dg

from mirror_pipeline.domain.freshness import windows_of
from mirror_pipeline.errors import SettingsError

_START = datetime(2023, 1, 1)  # noqa: DTZ001  # any day does, the same in every process; a leap year follows
_MANY, _WEEKS, _YEARS = 200, timedelta(days=15), timedelta(days=1100)
"""A schedule with many ticks in two weeks is judged by those: all ticks of years would take too long."""


def policy_of(schedule: str) -> dg.FreshnessPolicy | None:
    """Warns after one missed run of a cron line, fails after two; None for one that runs hardly ever."""
    windows = windows_of(ticks_of(schedule))
    return dg.FreshnessPolicy.time_window(windows.fail, windows.warn) if windows else None


def ticks_of(schedule: str) -> list[datetime]:
    """Some consecutive ticks of a cron line, enough to know its pauses."""
    few = _ticks(schedule, _WEEKS)
    return few if len(few) >= _MANY else _ticks(schedule, _YEARS)


def _ticks(schedule: str, span: timedelta) -> list[datetime]:
    """Of what Dagster makes public, time windows know best when a cron line ticks."""
    try:
        windows = dg.TimeWindowPartitionsDefinition(
            start=_START, end=_START + span, fmt="%Y-%m-%dT%H:%M", cron_schedule=schedule
        )
    except dg.DagsterInvalidDefinitionError:
        raise SettingsError(
            f"MIRROR_SCHEDULE={schedule!r} is not allowed: this never happens",
            hint="five cron fields, such as '0 3 * * *'",
            key="MIRROR_SCHEDULE",
            value=schedule,
        ) from None
    return [datetime.fromisoformat(key) for key in windows.get_partition_keys()]
