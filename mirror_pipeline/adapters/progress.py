"""Showing long work while it goes on: a bar on a terminal, plain lines elsewhere, or a logger's lines."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from time import perf_counter
from typing import Protocol, TextIO

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeElapsedColumn, TransferSpeedColumn
from rich.progress import Progress as RichProgress

Advance = Callable[[int, int], None]
"""Told of work done: files, bytes."""
_STEPS = 10


class Progress(Protocol):
    """A place that progress is told to."""

    def say(self, message: str) -> None:
        """One line about what happens now."""

    def work(self, label: str, files: int, size: int | None) -> AbstractContextManager[Advance]:
        """A stretch of work on so many files and (where known) bytes."""


class Silent:
    """Tells nobody."""

    def say(self, message: str) -> None:
        """Nothing."""

    @contextmanager
    def work(self, label: str, files: int, size: int | None) -> Iterator[Advance]:
        """Nothing to show."""
        yield lambda _files, _size: None


class Lines:
    """Plain lines, at most one per tenth of the work: for logs, pipes and the Dagster UI."""

    def __init__(self, write: Callable[[str], None], clock: Callable[[], float] = perf_counter) -> None:
        self._write, self._clock = write, clock

    def say(self, message: str) -> None:
        """Write the line."""
        self._write(message)

    @contextmanager
    def work(self, label: str, files: int, size: int | None) -> Iterator[Advance]:
        """A line at each tenth of the files, with the rate so far."""
        done = {"files": 0, "size": 0, "step": 0}
        began = self._clock()

        def advance(more_files: int, more_size: int) -> None:
            done["files"] += more_files
            done["size"] += more_size
            step = _STEPS * done["files"] // max(files, 1)
            if step > done["step"]:
                done["step"] = step
                seconds = max(self._clock() - began, 1e-3)
                rate = f"{done['files'] / seconds:.0f} files/s, {done['size'] / 1e6 / seconds:.1f} MB/s"
                self._write(f"{label}: {done['files']}/{files} files, {done['size'] / 1e6:.1f} MB ({rate})")

        yield advance


class Bar:
    """A bar on a terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._console = Console(file=stream)

    def say(self, message: str) -> None:
        """Print the line above the bar."""
        self._console.print(message, highlight=False, markup=False)

    @contextmanager
    def work(self, label: str, files: int, size: int | None) -> Iterator[Advance]:
        """A bar over bytes where their sum is known, over files otherwise."""
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[files]}/" + str(files) + " files"),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeElapsedColumn(),
        )
        with RichProgress(*columns, console=self._console, transient=True) as bar:
            task = bar.add_task(label, total=size, files=0)
            done = 0

            def advance(more_files: int, more_size: int) -> None:
                nonlocal done
                done += more_files
                bar.update(task, advance=more_size, files=done)

            yield advance


def for_terminal(stream: TextIO | None = None) -> Progress:
    """A bar where a person looks on, lines where not; always on stderr, stdout is for results."""
    stream = stream or sys.stderr
    if stream.isatty():
        return Bar(stream)
    return Lines(lambda message: print(message, file=stream, flush=True))
