"""The Dagster instance of a mirror: ``MIRROR_HOME/dagster``, the same for the UI, the daemon and the CLI."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import sqlalchemy.exc

from mirror_pipeline.adapters.files import disk_errors, write_atomically
from mirror_pipeline.errors import StorageError
from mirror_pipeline.settings import Settings

HOME_VARIABLE = "DAGSTER_HOME"
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
# A run whose process was killed is begun again. One that failed with an error is not: the asset has tried
# again where that could help, and the nightly schedule asks for it anew.
run_monitoring:
  enabled: true
  start_timeout_seconds: 180
  cancel_timeout_seconds: 180
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
        with disk_errors(home), dg.DagsterInstance.from_config(str(prepare_home(home))) as instance:
            yield instance
    except sqlalchemy.exc.DBAPIError as error:
        reason = str(error.orig)
        raise StorageError(
            f"{home}: the run history cannot be read or written: {reason}",
            hint="is the disk full or read-only?",
            path=str(home),
            reason=reason,
        ) from error
