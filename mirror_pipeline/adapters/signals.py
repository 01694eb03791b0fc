"""Being told to end, or to look at log files again. What is done then is the affair of whoever is told."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def signals_interrupt() -> Iterator[None]:
    """Make SIGTERM interrupt like Ctrl-C, and Ctrl-C interrupt even where a shell had it ignored."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    previous = {number: signal.signal(number, signal.default_int_handler) for number in numbers}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def hangups_are_nothing(*, at_all: bool) -> Iterator[None]:
    """Let SIGHUP pass, by which log rotation speaks to programs: a log that was renamed is noticed anyway."""
    if not at_all:
        yield
        return
    previous = signal.signal(signal.SIGHUP, lambda _number, _frame: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, previous)
