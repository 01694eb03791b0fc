"""Who may work on a mirror's home: one command alone, or any number of runs beside each other.

A command that goes through the whole pipeline (``refresh``, ``gc``) takes the home alone. A Dagster run of
one asset partition works beside others, but not beside such a command. The locks are the kernel's
(``flock``), so that those of a process that was killed are gone with it. Who waits for the home alone is
heard first: from then on no new run is let in, and nothing new is asked for.

Every run also holds a lock of its own as long as it waits and works. One whose lock can be taken while its
file is there was killed. What belongs here: these locks. What does not: what is done in a turn.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

from mirror_pipeline.adapters import identity
from mirror_pipeline.adapters.files import disk_errors
from mirror_pipeline.errors import BusyError

Tell = Callable[[str], None]
"""Told who is waited for."""

_UNLOCKED = "."
"""So begins the name of a run's file that is not locked yet."""


class Turns:
    """The locks in ``MIRROR_HOME/turns``."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._folder = home / "turns"
        self._runs = self._folder / "runs"

    @contextmanager
    def alone(self, what: str, tell: Tell, *, wait: bool = True) -> Iterator[None]:
        """The home for one command; says who has it while it waits, or raises ``BusyError``."""
        with self._open("gate") as gate, self._open("work") as work:
            for lock in (gate, work):
                if not _take(lock, fcntl.LOCK_EX):
                    self._wait_for(lock, fcntl.LOCK_EX, tell if wait else None)
                _write(lock, what)
            try:
                yield
            finally:
                os.ftruncate(gate, 0)
                os.ftruncate(work, 0)

    @contextmanager
    def beside(self, what: str, run: str, tell: Tell) -> Iterator[None]:
        """A run's turn, beside other runs; waits for a command that works alone."""
        with self._begun(run), self._open("work") as work:
            with self._open("gate") as gate:
                if not _take(gate, fcntl.LOCK_SH):
                    self._wait_for(gate, fcntl.LOCK_SH, tell)
                fcntl.flock(work, fcntl.LOCK_SH)  # at once: only who has the gate alone takes it alone
            _write(work, what)
            yield

    @contextmanager
    def _begun(self, run: str) -> Iterator[None]:
        """A run's own lock, while it waits too. Its file has its name when it is locked, and not before."""
        with self._open(f"runs/{_UNLOCKED}{run}") as own:
            fcntl.flock(own, fcntl.LOCK_EX)
            with disk_errors(self._runs):
                (self._runs / f"{_UNLOCKED}{run}").replace(self._runs / run)
            try:
                yield
            finally:
                self.forget(run)

    def taken_alone(self) -> str:
        """Who has the home alone or waits for that; '' where nobody does."""
        if not (self._folder / "gate").exists():
            return ""
        with self._open("gate") as gate:
            return "" if _take(gate, fcntl.LOCK_SH) else _read(gate) or "another command"

    def abandoned(self) -> tuple[str, ...]:
        """Runs that were killed at work here: their files are there, but nobody holds the locks."""
        with disk_errors(self._runs):
            names = sorted(path.name for path in self._runs.iterdir()) if self._runs.is_dir() else []
        return tuple(name for name in names if name[0] != _UNLOCKED and self._is_abandoned(name))

    def forget(self, run: str) -> None:
        """Remove what an abandoned run left."""
        with disk_errors(self._runs):
            (self._runs / run).unlink(missing_ok=True)

    def _is_abandoned(self, run: str) -> bool:
        try:
            descriptor = os.open(self._runs / run, os.O_RDWR)
        except FileNotFoundError:  # it ended meanwhile
            return False
        try:
            return _take(descriptor, fcntl.LOCK_SH)
        finally:
            os.close(descriptor)

    def _wait_for(self, lock: int, mode: int, tell: Tell | None) -> None:
        holder = _read(lock) or "another run"
        if tell is None:
            raise BusyError(
                f"{self._home}: {holder} is at work",
                hint="wait for it to end, or leave out --no-wait",
                home=str(self._home),
                by=holder,
            )
        tell(f"waiting for {holder}")
        fcntl.flock(lock, mode)

    @contextmanager
    def _open(self, name: str) -> Iterator[int]:
        path = self._folder / name
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


class MyTurn(Turns):
    """For what runs inside of a command that has the home alone already."""

    @contextmanager
    def alone(self, what: str, tell: Tell, *, wait: bool = True) -> Iterator[None]:
        """Nothing to wait for."""
        yield

    @contextmanager
    def beside(self, what: str, run: str, tell: Tell) -> Iterator[None]:
        """Nothing to wait for, but a lock that tells whether the run was killed."""
        with self._begun(run):
            yield


def _take(lock: int, mode: int) -> bool:
    """Whether the lock could be had at once."""
    try:
        fcntl.flock(lock, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write(lock: int, what: str) -> None:
    """Put down who has the lock, for those who wait."""
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    by = f"{identity.user()}@{identity.host()}"
    holder = {"what": what, "by": by, "process": identity.process(), "since": now}
    os.ftruncate(lock, 0)
    os.pwrite(lock, json.dumps(holder).encode(), 0)


def _read(lock: int) -> str:
    """Who has the lock; '' where that cannot be told."""
    try:
        holder = json.loads(os.pread(lock, 4096, 0))
        return f"{holder['what']} of {holder['by']} (process {holder['process']}, since {holder['since']})"
    except (ValueError, TypeError, KeyError):
        return ""
