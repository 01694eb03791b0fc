"""Progress on a real terminal, in a pipe, and nowhere."""

from __future__ import annotations

import io
import os
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from mirror_pipeline.adapters.progress import Bar, Lines, Progress, Silent, for_terminal


def run(progress: Progress, files: int, size: int | None = None) -> None:
    progress.say("about to start [now]")
    with progress.work("wheels", files, size) as advance:
        for _ in range(files):
            advance(1, 1_500_000)


def test_lines_come_at_every_tenth() -> None:
    lines: list[str] = []
    seconds = iter(range(100))
    run(Lines(lines.append, lambda: next(seconds)), 40)

    assert lines[0] == "about to start [now]"
    assert len(lines) == 1 + 10
    assert lines[1] == "wheels: 4/40 files, 6.0 MB (4 files/s, 6.0 MB/s)"
    assert lines[-1] == "wheels: 40/40 files, 60.0 MB (4 files/s, 6.0 MB/s)"


def test_few_files_are_told_one_by_one() -> None:
    lines: list[str] = []
    run(Lines(lines.append), 3)

    assert [line.partition(",")[0] for line in lines[1:]] == [f"wheels: {n}/3 files" for n in (1, 2, 3)]


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
    assert re.fullmatch(r"wheels: 1/1 files, 1\.5 MB \(\d+ files/s, [\d.]+ MB/s\)", second)


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
