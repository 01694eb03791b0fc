"""Turns at a home: one command alone, runs beside each other, and what a killed process leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mirror_pipeline.adapters.turns import MyTurn, Turns
from mirror_pipeline.errors import BusyError, StorageError

PATIENCE = 30.0


class Heard:
    """What was told; ``first`` is set by the first line."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.first = threading.Event()

    def __call__(self, line: str) -> None:
        self.lines.append(line)
        self.first.set()


def silent(line: str) -> None:
    raise AssertionError(f"nothing to wait for, and yet: {line}")


def test_two_commands_one_after_the_other(tmp_path: Path) -> None:
    order, heard = list[str](), Heard()

    def second() -> None:
        with Turns(tmp_path).alone("gc", heard):
            order.append("second")

    other = threading.Thread(target=second)
    with Turns(tmp_path).alone("refresh", silent):
        other.start()
        assert heard.first.wait(PATIENCE)
        order.append("first")
    other.join(PATIENCE)
    assert order == ["first", "second"]
    assert heard.lines[0].startswith("waiting for refresh of ")
    assert f"process {os.getpid()}, since " in heard.lines[0]


def test_who_will_not_wait_is_told_who_is_at_work(tmp_path: Path) -> None:
    with (
        Turns(tmp_path).alone("refresh", silent),
        pytest.raises(BusyError, match=r"refresh of .* is at work") as caught,
        Turns(tmp_path).alone("gc", silent, wait=False),
    ):
        raise AssertionError("both at once")
    assert caught.value.facts["home"] == str(tmp_path)
    assert (caught.value.exit_code, caught.value.permanent) == (3, False)
    with Turns(tmp_path).alone("gc", silent, wait=False):
        pass


def test_runs_work_beside_each_other(tmp_path: Path) -> None:
    with Turns(tmp_path).beside("a", "1", silent), Turns(tmp_path).beside("b", "2", silent):
        assert Turns(tmp_path).taken_alone() == ""
        with (
            pytest.raises(BusyError, match=r"b of .* is at work"),
            Turns(tmp_path).alone("refresh", silent, wait=False),
        ):
            raise AssertionError("not alone")


def test_a_command_waits_for_the_runs_and_no_other_gets_before_it(tmp_path: Path) -> None:
    order, heard, late = list[str](), Heard(), Heard()

    def command() -> None:
        with Turns(tmp_path).alone("refresh", heard):
            order.append("command")

    def run() -> None:
        with Turns(tmp_path).beside("late", "2", late):
            order.append("late run")

    with Turns(tmp_path).beside("early", "1", silent):
        first = threading.Thread(target=command)
        first.start()
        assert heard.first.wait(PATIENCE)
        assert Turns(tmp_path).taken_alone() != "", "it is known already that somebody wants the home alone"
        second = threading.Thread(target=run)
        second.start()
        assert late.first.wait(PATIENCE)
        order.append("early run")
    first.join(PATIENCE)
    second.join(PATIENCE)
    assert order == ["early run", "command", "late run"]


def test_who_has_it_alone_is_known_only_as_long(tmp_path: Path) -> None:
    turns = Turns(tmp_path)
    assert turns.taken_alone() == ""
    assert not (tmp_path / "turns").exists(), "looking makes nothing"
    with turns.alone("refresh", silent):
        assert Turns(tmp_path).taken_alone().startswith("refresh of ")
    assert turns.taken_alone() == ""


def test_inside_of_a_command_runs_do_not_wait_for_it(tmp_path: Path) -> None:
    with (
        Turns(tmp_path).alone("refresh", silent),
        MyTurn(tmp_path).alone("again", silent),
        MyTurn(tmp_path).beside("a run", "1", silent),
    ):
        assert [path.name for path in (tmp_path / "turns" / "runs").iterdir()] == ["1"]
    assert list((tmp_path / "turns" / "runs").iterdir()) == []


KILLED = """
import sys
from pathlib import Path
from mirror_pipeline.adapters.turns import Turns
turns = Turns(Path(sys.argv[1]))
with turns.alone("refresh", print) if sys.argv[2] == "alone" else turns.beside("a run", "killed", print):
    print("at work", flush=True)
    sys.stdin.read()
"""


@contextmanager
def at_work(home: Path, how: str, says: str = "at work") -> Iterator[subprocess.Popen[str]]:
    """A process that has a turn, or waits for one."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", KILLED, str(home), how],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline().startswith(says)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_killed_command_leaves_nothing_locked(tmp_path: Path) -> None:
    with at_work(tmp_path, "alone") as process:
        with pytest.raises(BusyError), Turns(tmp_path).alone("gc", silent, wait=False):
            raise AssertionError("not alone")
        process.send_signal(signal.SIGKILL)
        process.wait()
        with Turns(tmp_path).alone("gc", silent, wait=False):
            pass


def test_a_killed_run_is_known(tmp_path: Path) -> None:
    turns = Turns(tmp_path)
    assert turns.abandoned() == ()
    with at_work(tmp_path, "beside") as process, turns.beside("another", "alive", silent):
        assert turns.abandoned() == ()
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert turns.abandoned() == ("killed",)
        turns.forget("killed")
        assert turns.abandoned() == ()
    assert turns.abandoned() == ()


def test_a_run_that_is_killed_while_it_waits_is_known(tmp_path: Path) -> None:
    turns = Turns(tmp_path)
    with turns.alone("refresh", silent), at_work(tmp_path, "beside", "waiting for refresh") as process:
        assert turns.abandoned() == ()
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert turns.abandoned() == ("killed",)


def test_a_run_that_has_not_locked_its_file_yet_was_not_killed(tmp_path: Path) -> None:
    runs = tmp_path / "turns" / "runs"
    runs.mkdir(parents=True)
    (runs / ".begins").touch()
    assert Turns(tmp_path).abandoned() == ()
    with Turns(tmp_path).beside("a run", "begins", silent):
        assert [path.name for path in runs.iterdir()] == ["begins"]


def test_a_home_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    with pytest.raises(StorageError, match="a file is where a directory should be"):
        Turns(tmp_path / "home").alone("refresh", silent).__enter__()
