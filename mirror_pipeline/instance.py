"""The Dagster instance of a mirror: ``MIRROR_HOME/dagster``, the same for the UI, the daemon and the CLI."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import sqlalchemy.exc

from mirror_pipeline.adapters.files import disk_errors, write_atomically
from mirror_pipeline.errors import SettingsError, StorageError
from mirror_pipeline.settings import Settings

HOME_VARIABLE = "DAGSTER_HOME"
_LONGEST_REASON = 200
_DAGSTER_YAML = """\
# Written once by mirror-pipeline; yours to change.
telemetry:
  enabled: false
nux:
  enabled: false
# A lock change goes through up to six levels of assets: what waits in the queue is looked at every second.
run_queue:
  max_concurrent_runs: 4
  dequeue_interval_seconds: 1
  dequeue_use_threads: true
  dequeue_num_workers: 4
# A run whose process was killed is begun again. One that failed with an error is not: the asset has tried
# again where that could help, and the nightly schedule asks for it anew.
run_monitoring:
  enabled: true
  start_timeout_seconds: 180
  cancel_timeout_seconds: 180
  max_runtime_seconds: 43200
run_retries:
  enabled: true
  max_retries: 2
  retry_on_asset_or_op_failure: false
# The freshness policy of verification_report is looked at.
freshness:
  enabled: true
sensors:
  use_threads: true
  num_workers: 4
retention:
  sensor:
    purge_after_days:
      skipped: 1
      success: 30
      failure: 30
      started: 30
"""


def dagster_home(settings: Settings, environ: Mapping[str, str]) -> Path:
    """Where the instance lives: ``DAGSTER_HOME`` if that is set, as for every Dagster tool."""
    named = environ.get(HOME_VARIABLE)
    return Path(named) if named else settings.home / "dagster"


def prepare_home(home: Path) -> Path:
    """Make the directory and, where there is none, its ``dagster.yaml``."""
    with disk_errors(home):
        home.mkdir(parents=True, exist_ok=True)
        if not (home / "dagster.yaml").exists():
            write_atomically(home / "dagster.yaml", _DAGSTER_YAML.encode())
    return home


@contextmanager
def open_instance(home: Path) -> Iterator[dg.DagsterInstance]:
    """The instance, closed afterwards. What its database cannot do is a storage error."""
    try:
        with disk_errors(home), _opened(prepare_home(home)) as instance:
            yield instance
    except Exception as error:
        refusal = _refusal(error)
        if refusal is None:
            raise
        reason = " ".join(str(refusal.orig).split())
        on_disk = isinstance(refusal.orig, sqlite3.Error)
        raise StorageError(
            f"{home}: the run history cannot be read or written: {reason}",
            hint="is the disk full or read-only?" if on_disk else "is the database of dagster.yaml there?",
            path=str(home),
            reason=reason,
        ) from error


def _opened(home: Path) -> dg.DagsterInstance:
    """The instance as its ``dagster.yaml`` wants it; what is wrong with that is an error of the settings."""
    try:
        return dg.DagsterInstance.from_config(str(home))
    except Exception as error:
        if isinstance(error, OSError) or _refusal(error):
            raise
        reason = _first_reason(error)
        raise SettingsError(f"{home / 'dagster.yaml'}: {reason}", file=str(home), reason=reason) from error


def _refusal(error: BaseException | None) -> sqlalchemy.exc.DBAPIError | None:
    """What the database said, which Dagster's storages may have wrapped after trying again."""
    while error is not None and not isinstance(error, sqlalchemy.exc.DBAPIError):
        error = error.__cause__
    return error


def _first_reason(error: Exception) -> str:
    """One line of what Dagster found, without its stack traces."""
    found = error.errors[0].message if isinstance(error, dg.DagsterInvalidConfigError) else str(error)
    lines = found.split("\n\nStack Trace", 1)[0].splitlines()
    said = [line.partition("PostProcessingError: ")[2] for line in lines]
    return next(filter(None, [*said, *lines]), type(error).__name__)[:_LONGEST_REASON]
