"""``setup.sh`` as a new user meets it: with installers that only write down how they were called.

The script is the real one, in a copy of the few files it reads; nothing is installed and nothing fetched.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SCRIPT = ROOT / "setup.sh"
BASH = shutil.which("bash") or "/bin/bash"
TOOLS = ("bash", "cat", "cksum", "cp", "dirname", "env", "mkdir", "rm", "sed", "tr")
WRONG_INPUT, WENT_WRONG = 2, 3

ENVIRONMENT_PYTHON = """\
#!{bash}
# The Python of the made environment: pip and pytest are written down, the rest is done.
case "$1 ${{2:-}} ${{3:-}}" in
"-m pip install") echo "pip ${{*:4}}" >>"$CALLS"; exit "${{INSTALLER_EXIT:-0}}" ;;
"-m pytest "*) echo "pytest ${{*:3}}"; exit "${{PROGRAM_EXIT:-0}}" ;;
esac
exec {python} "$@"
"""
PROGRAM = """\
#!{bash}
echo "mirror-pipeline $* with ${{MIRROR_CONFIG:-}}"
exit "${{PROGRAM_EXIT:-0}}"
"""
MAKE_ENVIRONMENT = """\
make_environment() {{
    mkdir -p "$1/bin"
    cp {parts}/python "$1/bin/python"
    cp {parts}/mirror-pipeline "$1/bin/mirror-pipeline"
}}
"""
UV = """\
#!{bash}
{make}
case $1 in
venv) echo "uv venv" >>"$CALLS"; make_environment "${{@: -1}}" ;;
pip)
    echo "uv $* index=${{UV_DEFAULT_INDEX:-}}" >>"$CALLS"
    exit "${{INSTALLER_EXIT:-0}}"
    ;;
esac
"""
PYTHON = """\
#!{bash}
{make}
if [ "$1 ${{2:-}}" = "-m venv" ]; then echo "python -m venv" >>"$CALLS"; make_environment "$3"; exit; fi
exec {python} "$@"
"""


@dataclass
class Machine:
    """A folder with the project's files, and a PATH with the commands that are there."""

    folder: Path
    project: Path
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def calls(self) -> list[str]:
        """Calls of installers so far."""
        log = self.folder / "calls"
        return log.read_text("utf-8").splitlines() if log.exists() else []

    def command(self, name: str, text: str) -> None:
        """Put a command on the PATH."""
        self._script(self.folder / "bin" / name, text)

    def run(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run the script, from another directory."""
        return subprocess.run(
            [BASH, str(self.project / "setup.sh"), *arguments],
            env={**self.environ, **environ},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def furnish(self, *, uv: bool) -> None:
        """Python and, where wanted, uv."""
        parts = self.folder / "parts"
        words: Mapping[str, str] = {
            "bash": BASH,
            "python": shlex.quote(sys.executable),
            "parts": shlex.quote(str(parts)),
        }
        self._script(parts / "python", ENVIRONMENT_PYTHON.format(**words))
        self._script(parts / "mirror-pipeline", PROGRAM.format(**words))
        make = MAKE_ENVIRONMENT.format(**words)
        self.command("python3", PYTHON.format(make=make, **words))
        if uv:
            self.command("uv", UV.format(make=make, **words))

    @staticmethod
    def _script(path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755)


@pytest.fixture
def bare(tmp_path: Path) -> Machine:
    """A machine with bash and a few tools, and no Python."""
    project = tmp_path / "a project"
    project.mkdir()
    for name in ("setup.sh", "pyproject.toml", "constraints.txt", "config.env"):
        shutil.copyfile(ROOT / name, project / name)
    commands = tmp_path / "bin"
    commands.mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found, tool
        (commands / tool).symlink_to(found)
    environ = {
        "PATH": str(commands),
        "CALLS": str(tmp_path / "calls"),
        "HOME": str(tmp_path),
        "PIP_CONFIG_FILE": os.devnull,
    }
    return Machine(tmp_path, project, environ)


@pytest.fixture(params=["uv", "pip"])
def machine(bare: Machine, request: pytest.FixtureRequest) -> Machine:
    """A machine with Python, once with uv and once without."""
    bare.furnish(uv=request.param == "uv")
    return bare


@pytest.fixture
def with_uv(bare: Machine) -> Machine:
    """A machine with Python and uv."""
    bare.furnish(uv=True)
    return bare


def environments_made(machine: Machine) -> int:
    """How often one was made."""
    return sum(call.endswith(" venv") for call in machine.calls)


def test_the_scripts_are_bash() -> None:
    for script in (SCRIPT, ROOT / ".ci" / "run"):
        done = subprocess.run([BASH, "-n", str(script)], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


def test_help_is_told_without_making_anything(bare: Machine) -> None:
    done = bare.run("--help")
    assert done.returncode == 0
    assert all(option in done.stdout for option in ("--refresh", "--test", "--help"))
    assert not (bare.project / ".venv").exists()


def test_without_python_it_says_so(bare: Machine) -> None:
    done = bare.run()
    assert done.returncode == WRONG_INPUT
    assert "no Python from 3.10 to 3.14 was found" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (bare.project / ".venv").exists()


def test_a_python_that_does_not_run_is_no_python(bare: Machine) -> None:
    bare.command("python3", f"#!{BASH}\nexit 127\n")
    assert "no Python from 3.10" in bare.run().stderr
    done = bare.run(PYTHON="/no/such/python")
    assert done.returncode == WRONG_INPUT
    assert "PYTHON=/no/such/python is not a Python from 3.10 to 3.14" in done.stderr


def test_python_without_venv_is_told_from_no_python(bare: Machine) -> None:
    lacking = (
        f'#!{BASH}\ncase " $* " in *" venv "*) exit 1 ;; esac\nexec {shlex.quote(sys.executable)} "$@"\n'
    )
    bare.command("python3", lacking)
    done = bare.run()
    assert done.returncode == WRONG_INPUT
    assert "python3-venv" in done.stderr


def test_the_first_run_installs_and_the_second_calls_no_installer(machine: Machine) -> None:
    first = machine.run()
    assert first.returncode == 0, first.stderr
    assert any("--constraint" in call and "--editable" in call for call in machine.calls)
    installed = machine.calls
    second = machine.run()
    assert (second.returncode, second.stderr) == (0, "")
    assert machine.calls == installed


def test_arguments_and_exit_code_are_handed_through(machine: Machine) -> None:
    config = machine.project / "config.env"
    done = machine.run("--json", PROGRAM_EXIT="1")
    assert (done.returncode, done.stdout) == (1, f"mirror-pipeline setup --json with {config}\n")
    done = machine.run("--refresh", "--force", PROGRAM_EXIT="3", MIRROR_CONFIG="mine.env")
    assert (done.returncode, done.stdout) == (3, "mirror-pipeline refresh --force with mine.env\n")


def test_the_test_tools_are_an_extra_that_is_kept(machine: Machine) -> None:
    done = machine.run("--test", "-k", "two words", PROGRAM_EXIT="5")
    assert done.returncode == 5
    assert done.stdout.startswith("pytest --numprocesses auto --dist loadfile --no-loadscope-reorder")
    assert done.stdout.endswith("-k two words\n")
    assert machine.calls[-1].partition("--editable")[2].startswith(f" {machine.project}[dev]")
    installed = machine.calls
    assert machine.run().returncode == 0
    assert machine.calls == installed


def test_changed_constraints_are_installed_into_the_same_environment(machine: Machine) -> None:
    machine.run()
    made, before = environments_made(machine), len(machine.calls)
    with (machine.project / "constraints.txt").open("a", encoding="utf-8") as stream:
        stream.write("something-else==1.0\n")
    machine.run()
    assert len(machine.calls) > before
    assert environments_made(machine) == made == 1


def test_a_failed_installation_is_tried_again(machine: Machine) -> None:
    failed = machine.run(INSTALLER_EXIT="1")
    assert failed.returncode == WENT_WRONG
    assert "the installation did not succeed" in failed.stderr
    assert machine.run().returncode == 0


def test_an_environment_from_another_place_or_without_its_python_is_made_anew(with_uv: Machine) -> None:
    with_uv.run()
    elsewhere = with_uv.project.rename(with_uv.folder / "elsewhere")
    moved = Machine(with_uv.folder, elsewhere, with_uv.environ)
    assert moved.run().returncode == 0
    assert environments_made(moved) == 2
    (elsewhere / ".venv" / "bin" / "python").unlink()
    assert moved.run().returncode == 0
    assert environments_made(moved) == 3


def test_uv_gets_the_index_that_pip_is_configured_with_and_nobody_sees_it(with_uv: Machine) -> None:
    url = "https://reader:secret@index.example/simple"
    done = with_uv.run(PIP_INDEX_URL=url)
    assert with_uv.calls[-1].endswith(f"index={url}")
    assert "secret" not in done.stdout + done.stderr


def test_an_index_that_uv_was_told_itself_stays(with_uv: Machine) -> None:
    with_uv.run(PIP_INDEX_URL="https://one.example/simple", UV_DEFAULT_INDEX="https://two.example/simple")
    assert with_uv.calls[-1].endswith("index=https://two.example/simple")
