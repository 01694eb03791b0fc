"""A running instance: ``mirror-pipeline ui`` as a process, and what it makes of what happens around it.

The instance that is watched is the one in MIRROR_HOME, read from outside while the daemon writes to it.
Waiting is looking again until something is there; a deadline ends it with what was seen.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import dagster as dg

from mirror_pipeline.instance import open_instance
from mirror_pipeline_tests.mirrors import Workbench

T = TypeVar("T")

PATIENCE = 240.0
"""Seconds after which something that is waited for does not come; a busy machine is slow."""
_LOOK_AGAIN = 0.25


@dataclass(frozen=True)
class Ran:
    """One run of one asset partition."""

    asset: str
    partition: str | None
    status: str
    run_id: str
    created: float
    ended: float


class Watched:
    """A process with webserver and daemon, and the history that it writes."""

    def __init__(self, bench: Workbench, process: subprocess.Popen[bytes], log: Path) -> None:
        self.bench, self.process, self.log = bench, process, log
        self._history = bench.home / "dagster"

    def runs(self, since: float = 0.0) -> list[Ran]:
        """All runs that were created after a time, the oldest first."""
        with open_instance(self._history) as instance:
            records = instance.get_run_records(ascending=True)
        found = [_ran(record) for record in records]
        return [run for run in found if run.created >= since]

    def wait_for(self, what: str, look: Callable[[], T | None], patience: float = PATIENCE) -> T:
        """What ``look`` returns as soon as it returns something."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.said()
            seen = look()
            if seen is not None:
                return seen
            time.sleep(_LOOK_AGAIN)
        raise AssertionError(f"{what} did not come within {patience:.0f} s; {self.runs()}\n{self.said()}")

    def said(self) -> str:
        """The end of what the process wrote."""
        return self.log.read_text("utf-8", errors="replace")[-6000:]


def _ran(record: dg.RunRecord) -> Ran:
    run = record.dagster_run
    assets = sorted(key.to_user_string() for key in run.asset_selection or ())
    created = record.create_timestamp.timestamp()
    return Ran(
        "+".join(assets),
        run.tags.get("dagster/partition"),
        run.status.value,
        run.run_id,
        created,
        record.end_time or 0.0,
    )


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running_ui(bench: Workbench, *arguments: str) -> Iterator[Watched]:
    """``mirror-pipeline ui`` on a workbench, ended as a person ends it."""
    log = bench.root / "ui.log"
    command = [
        sys.executable,
        "-m",
        "mirror_pipeline",
        "ui",
        "--config",
        str(bench.config),
        "--port",
        str(free_port()),
    ]
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [*command, *arguments],
            stdout=stream,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            cwd=bench.root,
        )
    try:
        yield Watched(bench, process, log)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
