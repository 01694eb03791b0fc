"""Progress on a real terminal, in a pipe, and nowhere."""

from __future__ import annotations

import io
import os
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from mirror_pipeline.adapters.progress import Bar, Lines, Progress, Silent, for_terminal


class Clock:
    """Shows the seconds that somebody let pass."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def name(number: int) -> str:
    return f"f{number}.whl"


def run(progress: Progress, files: int, size: int | None = None, clock: Clock | None = None) -> None:
    """So many files of 1.5 MB; a quarter of a second passes with each."""
    progress.say("about to start [now]")
    with progress.work("wheels", files, size) as advance:
        for number in range(files):
            if clock:
                clock.now += 0.25
            advance(name(number), 1_500_000)


def told(files: int, size: int | None = None) -> list[str]:
    lines: list[str] = []
    clock = Clock()
    run(Lines(lines.append, clock), files, size, clock)
    assert lines.pop(0) == "about to start [now]"
    return lines


def test_a_line_each_second_names_what_was_finished_since_the_last() -> None:
    assert told(10) == [
        "wheels: 4/10 files, 6.0 MB, 4 files/s, 6.0 MB/s, 1.5 s left: f0.whl, f1.whl, f2.whl and 1 more",
        "wheels: 8/10 files, 12.0 MB, 4 files/s, 6.0 MB/s, 0.5 s left: f4.whl, f5.whl, f6.whl and 1 more",
        "wheels: 10/10 files, 15.0 MB, 4 files/s, 6.0 MB/s, in 2.5 s: f8.whl, f9.whl",
    ]


def test_a_slow_line_is_told_from_a_standstill() -> None:
    lines: list[str] = []
    clock = Clock()
    with Lines(lines.append, clock).work("wheels", 2, 200_000) as advance:
        for number in range(2):
            clock.now += 8.0
            advance(name(number), 100_000)

    assert lines == [
        "wheels: 1/2 files, 0.1 MB, 0.12 files/s, 0.013 MB/s, 8.0 s left: f0.whl",
        "wheels: 2/2 files, 0.2 MB, 0.12 files/s, 0.013 MB/s, in 16 s: f1.whl",
    ]


def test_what_is_finished_at_once_is_one_line() -> None:
    lines: list[str] = []
    run(Lines(lines.append, Clock()), 1000)

    (line,) = lines[1:]
    assert line.startswith("wheels: 1000/1000 files, 1500.0 MB, ")
    assert line.endswith(" in 0.0 s: f0.whl, f1.whl, f2.whl and 997 more")


def test_time_left_goes_by_bytes_where_their_sum_is_known() -> None:
    lines: list[str] = []
    clock = Clock()
    with Lines(lines.append, clock).work("wheels", 3, 301_000_000) as advance:
        clock.now = 2.0
        advance("big.whl", 1_000_000)
        clock.now = 4.0
        advance("bigger.whl", 280_000_000)

    assert [line.split(", ")[-1] for line in lines] == ["10 min 0 s left: big.whl", "0.3 s left: bigger.whl"]


def test_more_bytes_than_were_told_leave_no_time() -> None:
    assert "4/40 files, 6.0 MB, 4 files/s, 6.0 MB/s, 0.0 s left" in told(40, size=1)[0]


def test_work_that_breaks_off_tells_what_was_done() -> None:
    lines: list[str] = []

    def break_off() -> None:
        with Lines(lines.append, Clock()).work("wheels", 9, None) as advance:
            advance("only.whl", 1)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        break_off()
    (line,) = lines
    assert line.startswith("wheels: 1/9 files, ")
    assert line.endswith(": only.whl")


def test_no_work_at_all() -> None:
    lines: list[str] = []
    run(Lines(lines.append), 0)

    assert lines == ["about to start [now]"]


def test_silence(capfd: pytest.CaptureFixture[str]) -> None:
    run(Silent(), 3)

    assert capfd.readouterr() == ("", "")


def test_a_pipe_gets_lines() -> None:
    stream = io.StringIO()
    progress = for_terminal(stream)
    run(progress, 1)

    assert isinstance(progress, Lines)
    first, second = stream.getvalue().splitlines()
    assert first == "about to start [now]"
    assert re.fullmatch(r"wheels: 1/1 files, 1\.5 MB, \d+ files/s, [\d.]+ MB/s, in [\d.]+ s: f0\.whl", second)


def test_standard_output_is_left_for_results(capsys: pytest.CaptureFixture[str]) -> None:
    run(for_terminal(), 1)

    captured = capsys.readouterr()
    assert captured.out == ""
    assert "wheels: 1/1 files" in captured.err


def everything(terminal: io.FileIO) -> bytes:
    """What is written to a terminal until it is closed, which Linux tells by an error."""
    pieces: list[bytes] = []
    with suppress(OSError):
        while piece := terminal.read(4096):
            pieces.append(piece)
    return b"".join(pieces)


@pytest.mark.parametrize("size", [None, 3_000_000])
def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch, size: int | None) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    reader, writer = os.openpty()
    with ThreadPoolExecutor(1) as pool, os.fdopen(reader, "rb", buffering=0) as terminal:
        reading = pool.submit(everything, terminal)
        with os.fdopen(writer, "w") as stream:
            progress = for_terminal(stream)
            run(progress, 2, size)
        shown = reading.result().decode()

    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    assert isinstance(progress, Bar)
    assert "about to start [now]" in plain
    assert "wheels" in plain
    assert "2/2 files" in plain
    assert "f1.whl" in plain
