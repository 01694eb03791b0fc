"""The access log: lines appended to a file, which may be renamed and made anew under it (logrotate)."""

from __future__ import annotations

import errno
import logging
import os
import select
import sys
import time
from contextlib import suppress
from pathlib import Path

from mirror_pipeline.domain.access_line import Visit, access_line, clock
from mirror_pipeline.errors import StorageError

_MODE = 0o640
_log = logging.getLogger(__name__)


class AccessLog:
    """Each line is written at once and whole. For one thread."""

    def __init__(self, path: Path | None) -> None:
        """``None`` is standard output. A file that cannot be opened is a ``StorageError``."""
        self._path = path
        self._complained = False
        self._second, self._clock = -1, ""
        try:
            self._file = self._opened()
        except OSError as error:
            raise StorageError(f"{path}: {error.strerror or error}", path=str(path)) from error

    def write(self, visit: Visit) -> None:
        """Add a line. A disk that is full costs the line, not the answer, and is told once.

        So does a pipe that is full: whoever reads this log must not be waited for by all clients.
        """
        line = access_line(visit, self._now())
        try:
            if not _has_room(self._file):
                raise BlockingIOError(errno.EAGAIN, "its reader does not keep up")
            os.write(self._file, f"{line}\n".encode("ascii", "replace"))
        except OSError as error:
            self._complain(error)

    def reopen(self) -> None:
        """Open the file again if another lies at its place, or none."""
        if self._path is None:
            return
        try:
            if _is_same(self._file, self._path):
                return
            opened, self._file = self._file, self._opened()
            os.close(opened)
        except OSError as error:
            self._complain(error)

    def close(self) -> None:
        """Nothing is written any more."""
        if self._path is not None:
            with suppress(OSError):
                os.close(self._file)

    def _opened(self) -> int:
        if self._path is None:
            return sys.stdout.fileno()
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, _MODE)

    def _now(self) -> str:
        second = int(time.time())
        if second != self._second:
            moment = time.gmtime(second)
            time_of_day = f"{moment.tm_hour:02}:{moment.tm_min:02}:{moment.tm_sec:02}"
            self._second = second
            self._clock = clock(moment.tm_year, moment.tm_mon, moment.tm_mday, time_of_day)
        return self._clock

    def _complain(self, error: OSError) -> None:
        if not self._complained:
            _log.error("the access log cannot be written: %s", error)
        self._complained = True


def _has_room(file: int) -> bool:
    """Whether a line can be written without waiting; a file on a disk always says so."""
    ready = select.poll()
    ready.register(file, select.POLLOUT)
    return bool(ready.poll(0))


def _is_same(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False
