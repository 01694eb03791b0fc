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
from rich.table import Column

Advance = Callable[[str, int], None]
"""Told of a file that is done: its name, and its bytes. Never called by two threads at once."""
_SECONDS_BETWEEN_LINES = 1.0
_MOST_NAMED = 3


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
        yield lambda _name, _size: None


class Lines:
    """Plain lines, about one each second: for pipes and for logs, where a line may cost milliseconds."""

    def __init__(self, write: Callable[[str], None], clock: Callable[[], float] = perf_counter) -> None:
        self._write, self._clock = write, clock

    def say(self, message: str) -> None:
        """Write the line."""
        self._write(message)

    @contextmanager
    def work(self, label: str, files: int, size: int | None) -> Iterator[Advance]:
        """A line names the files that were finished since the one before; the last one always comes."""
        stretch = _Stretch(label, files, size, self._clock())

        def advance(name: str, size: int) -> None:
            now = self._clock()
            stretch.add(name, size)
            if now - stretch.told >= _SECONDS_BETWEEN_LINES and stretch.done < files:
                self._write(stretch.line(now, ended=False))

        try:
            yield advance
        finally:
            if stretch.untold:
                self._write(stretch.line(self._clock(), ended=True))


class _Stretch:
    """What was done of one stretch of work, and what of it no line has named yet."""

    def __init__(self, label: str, files: int, size: int | None, now: float) -> None:
        self.label, self.files, self.size = label, files, size
        self.began = self.told = now
        self.done = self.bytes = 0
        self.untold: list[str] = []

    def add(self, name: str, size: int) -> None:
        """One file more."""
        self.done += 1
        self.bytes += size
        self.untold.append(name)

    def line(self, now: float, *, ended: bool) -> str:
        """How far it is, how fast it goes, how long it takes, and the files that no line has named before."""
        seconds = max(now - self.began, 1e-3)
        facts = [
            f"{self.done}/{self.files} files",
            f"{self.bytes / 1e6:.1f} MB",
            f"{_rate(self.done / seconds, 0)} files/s",
            f"{_rate(self.bytes / 1e6 / seconds, 1)} MB/s",
            f"in {_duration(seconds)}" if ended else f"{_duration(self._left(seconds))} left",
        ]
        named, self.untold, self.told = self.untold, [], now
        return f"{self.label}: {', '.join(facts)}: {_shortened(named)}"

    def _left(self, seconds: float) -> float:
        """Seconds for the rest at the rate so far: by bytes where their sum is known, or by files."""
        if self.size and self.bytes:
            return seconds * max(self.size - self.bytes, 0) / self.bytes
        return seconds * (self.files - self.done) / self.done


def _shortened(names: list[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more


def _rate(number: float, digits: int) -> str:
    """So many decimals, and more where nothing would be left: a slow line is no standstill."""
    return f"{number:.{digits}f}" if number >= 10**-digits else f"{number:.2g}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s" if seconds < 10 else f"{rest} s"


class Bar:
    """A bar on a terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._console = Console(file=stream)

    def say(self, message: str) -> None:
        """Print the line above the bar."""
        self._console.print(message, highlight=False, markup=False)

    @contextmanager
    def work(self, label: str, files: int, size: int | None) -> Iterator[Advance]:
        """A bar over bytes where their sum is known, over files otherwise; the last file is named."""
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[files]}/" + str(files) + " files"),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeElapsedColumn(),
            TextColumn(
                "{task.fields[name]}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis")
            ),
        )
        with RichProgress(*columns, console=self._console, transient=True) as bar:
            task = bar.add_task(label, total=size, files=0, name="")
            done = 0

            def advance(name: str, size: int) -> None:
                nonlocal done
                done += 1
                bar.update(task, advance=size, files=done, name=name)

            yield advance


def for_terminal(stream: TextIO | None = None) -> Progress:
    """A bar where a person looks on, lines where not; always on stderr, stdout is for results."""
    stream = stream or sys.stderr
    if stream.isatty():
        return Bar(stream)
    return Lines(lambda message: print(message, file=stream, flush=True))
