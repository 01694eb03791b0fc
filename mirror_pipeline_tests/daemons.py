"""A running instance: ``mirror-pipeline ui`` as a process, and what it makes of what happens around it.

The instance that is watched is the one in MIRROR_HOME, read from outside while the daemon writes to it.
Waiting is looking again until something is there; a deadline ends it with what was seen.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

import mirror_pipeline
from mirror_pipeline.instance import open_instance
from mirror_pipeline_tests.mirrors import Workbench, workbench
from mirror_pipeline_tests.wheels import Dist

PATIENCE = 240.0
"""Seconds after which something that is waited for does not come; a busy machine is slow."""
_LOOK_AGAIN = 0.25


@dataclass(frozen=True)
class Ran:
    """One run of one asset partition."""

    asset: str
    partition: str | None
    status: str
    why: str
    created: float
    ended: float


class Watched:
    """A process with webserver and daemon, and the history that it writes."""

    def __init__(self, bench: Workbench) -> None:
        self.bench, self.log = bench, bench.root / "ui.log"
        self._history = bench.home / "dagster"
        self.start()

    def start(self) -> None:
        """Start it, for the first time or again."""
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        options = ["--config", str(self.bench.config), "--port", str(port)]
        with self.log.open("ab") as stream:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mirror_pipeline", "ui", *options],
                stdout=stream,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONPATH": str(Path(mirror_pipeline.__file__).parent.parent)},
                cwd=self.bench.root,
            )

    def end(self) -> None:
        """End it as a person does."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.kill()

    def runs(self, since: float = 0.0) -> list[Ran]:
        """All runs that were created after a time, the oldest first."""
        with open_instance(self._history) as instance:
            records = instance.get_run_records(ascending=True)
        found = [_ran(record) for record in records]
        return [run for run in found if run.created >= since]

    def made(self, asset: str, partition: str | None = None, *, since: float) -> int:
        """How often an asset partition was materialized after a time."""
        wanted = dg.AssetRecordsFilter(
            asset_key=dg.AssetKey(asset),
            asset_partitions=[partition] if partition else None,
            after_timestamp=since,
        )
        with open_instance(self._history) as instance:
            return len(instance.fetch_materializations(wanted, limit=100).records)

    def ticks(self, sensor: str, since: float) -> int:
        """How often a sensor has been evaluated after a time."""
        with open_instance(self._history) as instance:
            return sum(
                len(instance.get_ticks(state.instigator_origin_id, state.selector_id, after=since))
                for state in instance.all_instigator_state()
                if state.instigator_name == sensor
            )

    def wait_until(self, what: str, holds: Callable[[], bool], patience: float = PATIENCE) -> None:
        """Look until something holds; fails with all that was seen where it does not come."""
        deadline = time.monotonic() + patience
        while not holds():
            assert self.process.poll() is None, self.said()
            if time.monotonic() > deadline:
                raise AssertionError(f"no {what} in {patience:.0f} s; {self.runs()}\n{self.said()}")
            time.sleep(_LOOK_AGAIN)

    def wait_for_run(self, asset: str, partition: str | None = None, *, since: float) -> Ran:
        """The first run of an asset partition that was created after a time, when it has ended."""

        def ended() -> list[Ran]:
            return [
                run
                for run in self.runs(since)
                if (run.asset, run.partition) == (asset, partition) and run.ended
            ]

        self.wait_until(f"run of {asset}", lambda: bool(ended()))
        return ended()[0]

    def settle(self) -> None:
        """Return when the daemon has looked, after all runs had ended, and found nothing to do."""

        def at_rest() -> bool:
            runs = self.runs()
            ended = max((run.ended for run in runs), default=began)
            since = max(began, ended)
            return all(run.ended for run in runs) and all(
                self.ticks(sensor, since) for sensor in ("automation", "lock_sensor")
            )

        began = time.time()
        self.wait_until("rest", at_rest)

    def said(self) -> str:
        """The end of what the process wrote."""
        return self.log.read_text("utf-8", errors="replace")[-6000:]

    def kill(self) -> None:
        """Kill it and all its children at once, as a power cut would."""
        for number in (self.process.pid, *_descendants(self.process.pid)):
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        self.process.wait()


def _descendants(number: int) -> Iterator[int]:
    """Processes that a process started, and those that they started (Linux)."""
    for task in Path(f"/proc/{number}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            yield child
            yield from _descendants(child)


def _ran(record: dg.RunRecord) -> Ran:
    run = record.dagster_run
    assets = sorted(key.to_user_string() for key in run.asset_selection or ())
    return Ran(
        "+".join(assets),
        run.tags.get("dagster/partition"),
        run.status.value,
        run.tags.get("mirror/why", ""),
        record.create_timestamp.timestamp(),
        record.end_time or 0.0,
    )


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running_ui(bench: Workbench) -> Iterator[Watched]:
    """``mirror-pipeline ui`` on a workbench, at rest; ended as a person ends it."""
    watched = Watched(bench)
    try:
        watched.settle()
        yield watched
    finally:
        watched.end()


@contextmanager
def with_real_history(root: Path, **values: str) -> Iterator[Workbench]:
    """A mirror that is up to date, with the ``dagster.yaml`` that people get, not the one of other tests."""
    with workbench(root / "bench", **values) as bench:
        (bench.home / "dagster" / "dagster.yaml").unlink()
        assert refreshed(bench)["status"] == "ok"
        yield bench


def refreshed(bench: Workbench) -> dict[str, object]:
    """What ``refresh`` on the command line answers."""
    done = subprocess.run(
        [sys.executable, "-m", "mirror_pipeline", "refresh", "--json", "--config", str(bench.config)],
        cwd=bench.root,
        env={**os.environ, "PYTHONPATH": str(Path(mirror_pipeline.__file__).parent.parent)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.stdout, done.stderr
    answer = json.loads(done.stdout)
    assert isinstance(answer, dict)
    return answer


def serves(bench: Workbench, dist: Dist) -> bool:
    """Whether a file is on the published site."""
    page = bench.site / "simple" / dist.project / "index.html"
    return page.is_file() and dist.file in page.read_text("utf-8")
