"""Who runs this, as the records of a publication have it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from mirror_pipeline.adapters import identity


def test_this_process_runs_under_a_name_somewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "ann")
    assert identity.user() == "ann"
    assert identity.host()
    assert identity.process() == os.getpid()
    assert identity.is_alive(identity.process())


def test_one_that_ended_does_not() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        assert identity.is_alive(process.pid)
    assert not identity.is_alive(process.pid)


def test_one_of_somebody_else_runs() -> None:
    """The first process is there whoever we are."""
    assert identity.is_alive(1)


def test_a_number_without_a_name_is_told_as_a_number() -> None:
    """As in a container that runs under any number; there is nothing in its environment either."""
    code = (
        "import os; os.getuid = lambda: 54321;"
        "from mirror_pipeline.adapters import identity; print(identity.user())"
    )
    environ = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "54321"
