"""``poetry export`` through real executables of that name on a search path of our own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mirror_pipeline.adapters.exporter import poetry_export
from mirror_pipeline.errors import ExporterError

ECHO = """\
import sys
print("# " + " ".join(sys.argv[1:]))
print("alpha==1.0 ; python_version < '3.13'")
print("a warning", file=sys.stderr)
"""


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    tools = tmp_path / "tools"
    tools.mkdir()
    monkeypatch.setenv("PATH", str(tools))
    return tools


def install(tools: Path, script: str, interpreter: str = sys.executable) -> None:
    path = tools / "poetry"
    path.write_text(f"#!{interpreter}\n{script}")
    path.chmod(0o755)


def test_the_main_dependencies(tools: Path, tmp_path: Path) -> None:
    install(tools, ECHO)

    text = poetry_export(tmp_path / "a project", everything=False)

    assert text.splitlines() == [
        (
            "# export --format requirements.txt --no-interaction --without-urls "
            f"--directory {tmp_path}/a project --only main"
        ),
        "alpha==1.0 ; python_version < '3.13'",
    ]


def test_every_group_and_extra(tools: Path, tmp_path: Path) -> None:
    install(tools, ECHO)

    first_line = poetry_export(tmp_path, everything=True).splitlines()[0]

    assert first_line.endswith(" --all-groups --all-extras")
    assert "--only" not in first_line


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_refusal_is_handed_on(tools: Path, tmp_path: Path, stream: str) -> None:
    install(tools, f"import sys\nprint('the lock is\\n  out of date', file=sys.{stream})\nsys.exit(1)\n")

    with pytest.raises(ExporterError, match="poetry export refused: the lock is out of date") as caught:
        poetry_export(tmp_path, everything=True)

    assert caught.value.facts == {"command": "poetry", "reason": "the lock is out of date"}


def test_no_poetry(tools: Path, tmp_path: Path) -> None:
    with pytest.raises(ExporterError, match="not on the PATH") as caught:
        poetry_export(tmp_path, everything=True)

    assert caught.value.facts["reason"] == "missing"


def test_a_poetry_that_cannot_be_started(tools: Path, tmp_path: Path) -> None:
    install(tools, "", interpreter=str(tmp_path / "no-such-interpreter"))

    with pytest.raises(ExporterError, match="did not run"):
        poetry_export(tmp_path, everything=True)
