"""Units, commands, the image and the templates of ``deploy/``: what they name exists and fits together."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from configparser import ConfigParser
from pathlib import Path

import click
import pytest
import tomli
from dagster._cli import cli as dagster_cli
from dagster._daemon.cli import cli as daemon_cli
from dagster_webserver.cli import cli as webserver_cli
from packaging.specifiers import SpecifierSet

from mirror_pipeline.cli import cli
from mirror_pipeline_tests.deploy.shipped import DEPLOY, ECS, FOLDERS, ONE_HOST, TASKS, placeholders
from mirror_pipeline_tests.deploy.test_ecs import VALUES, containers

ROOT = DEPLOY.parent
UNITS = sorted(DEPLOY.rglob("*.service"))
PROGRAMS = "/srv/mirror_pipeline/.venv/bin/"
COMMANDS: Mapping[str, click.Command] = {
    "dagster": dagster_cli,
    "dagster-daemon": daemon_cli,
    "dagster-webserver": webserver_cli,
    "mirror-pipeline": cli,
}


def unit(path: Path) -> ConfigParser:
    """A unit file as sections; keys that may be repeated keep their last value."""
    parser = ConfigParser(strict=False, interpolation=None, delimiters=("=",), comment_prefixes=("#",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(path.read_text("utf-8"))
    return parser


def understood(command: Sequence[str]) -> click.Context:
    """A command as its program parses it; what it does not know is a ``UsageError``."""
    current = COMMANDS[command[0]]
    words = list(command[1:])
    while isinstance(current, click.Group):
        _, found, words = current.resolve_command(click.Context(current), words or ["--help"])
        assert found
        current = found
    return current.make_context(command[0], words)


def here(command: Sequence[str]) -> list[str]:
    """The command with the workspace of this checkout, and a number for variables: they are ports."""
    given = [word for word in command if word != "$SERVE_OPTIONS"]  # split into words, and empty by itself
    words = [str(ROOT / "workspace.yaml") if _is_workspace(word) else word for word in given]
    return [re.sub(r"\$\{\w+\}", "4000", word) for word in words]


def _is_workspace(word: str) -> bool:
    return word in {"${WORKSPACE}", "/srv/dagster/workspace.yaml"}


def command_of(path: Path) -> list[str]:
    """The command of a unit."""
    words = shlex.split(unit(path)["Service"]["ExecStart"])
    assert words[0].startswith(PROGRAMS)
    return here([words[0].removeprefix(PROGRAMS), *words[1:]])


class TestCommands:
    @pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
    def test_units_start_what_exists(self, path: Path) -> None:
        command = command_of(path)
        assert (Path(sys.executable).parent / command[0]).exists()
        assert understood(command).params

    @pytest.mark.parametrize(("task", "name"), [(t, n) for t in TASKS for n in containers(t)])
    def test_containers_start_what_exists(self, task: str, name: str) -> None:
        container = containers(task)[name]
        commands = [container.get("command"), container.get("healthCheck", {}).get("command", [])[1:]]
        assert all(understood(here(command)).params for command in commands if command)
        assert ("command" in container) is (task == "service")  # a run's command comes from the launcher

    @pytest.mark.parametrize(
        "line", ["dagster-webserver --hots x", "dagster api grcp", "dagster-daemon run --workspace"]
    )
    def test_a_wrong_command_is_seen(self, line: str) -> None:
        with pytest.raises(click.UsageError):
            understood(line.split())


def by_systemd(text: str, path: Path) -> str:
    """What systemd says about a unit; the programs are this environment's, the user is this one."""
    own = text.replace(PROGRAMS, f"{Path(sys.executable).parent}/").replace("User=mirror\n", "")
    path.write_text(own)
    done = subprocess.run(
        [str(SYSTEMD), "verify", "--man=no", path], capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


def by_hand(text: str, path: Path) -> str:
    """What can be told without systemd: keys, the words that some may have, and the program."""
    path.write_text(text)
    found = unit(path)
    unknown = [key for section in found.sections() for key in found[section] if key not in KNOWN[section]]
    service = found["Service"]
    program = Path(sys.executable).parent / service["ExecStart"].split()[0].removeprefix(PROGRAMS)
    wrong = [key for key, words in WORDS.items() if service[key] not in words]
    return " ".join([*unknown, *wrong, *([] if program.exists() else [program.name])])


SYSTEMD = shutil.which("systemd-analyze")
Judge = Callable[[str, Path], str]
JUDGES: Sequence[Judge] = (by_hand, by_systemd) if SYSTEMD else (by_hand,)
KNOWN = {
    "Unit": {"Description", "After", "Wants"},
    "Service": {
        "User", "WorkingDirectory", "Environment", "EnvironmentFile", "ExecStart", "Restart", "RestartSec",
        "TimeoutStopSec", "NoNewPrivileges", "PrivateTmp", "ProtectSystem", "ProtectHome", "ReadWritePaths",
        "LimitNOFILE", "AmbientCapabilities",
    },
    "Install": {"WantedBy"},
}  # fmt: skip
"""Keys that the units use; what is spelled otherwise is a mistake."""
WORDS = {
    "Restart": {"no", "on-failure", "always"},
    "ProtectSystem": {"true", "full", "strict"},
    "ProtectHome": {"true", "read-only"},
}


class TestUnits:
    def test_there_are_some(self) -> None:
        assert [path.name for path in UNITS] == [
            "mirror-daemon.service",
            "mirror-serve.service",
            "mirror-webserver.service",
            "mirror-code.service",
        ]

    @pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
    def test_they_do_not_run_as_root_and_come_back(self, path: Path) -> None:
        service = unit(path)["Service"]
        assert service["User"] == "mirror"
        assert service["Restart"] == "always"
        assert service["WorkingDirectory"] == service["ReadWritePaths"] == "/srv/mirror_pipeline"
        assert unit(path)["Install"]["WantedBy"] == "multi-user.target"

    @pytest.mark.parametrize("judge", JUDGES)
    @pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
    def test_nothing_is_wrong_with_them(self, path: Path, judge: Judge, tmp_path: Path) -> None:
        assert judge(path.read_text("utf-8"), tmp_path / path.name) == ""

    @pytest.mark.parametrize("judge", JUDGES)
    @pytest.mark.parametrize(
        ("given", "wrong"),
        [("Restart=always", "Restart=alway"), ("User=", "Usr="), ("dagster-daemon run", "dagster-demon run")],
    )
    def test_a_mistake_is_seen(self, given: str, wrong: str, judge: Judge, tmp_path: Path) -> None:
        text = (ONE_HOST / "mirror-daemon.service").read_text("utf-8")
        assert judge(text.replace(given, wrong), tmp_path / "mirror-daemon.service") != ""


class TestImage:
    LINES = (ECS / "Dockerfile").read_text("utf-8").replace("\\\n", " ").splitlines()
    INSTRUCTIONS = tuple(
        (line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in LINES if line and line[0] != "#"
    )

    def given(self, instruction: str) -> list[str]:
        """The arguments of every such instruction."""
        return [rest for name, rest in self.INSTRUCTIONS if name == instruction]

    def copied(self) -> list[str]:
        """What goes into the image."""
        project = dict(each.split("=", 1) for each in self.given("ARG"))
        words = [word for rest in self.given("COPY") for word in rest.split()[:-1]]
        return [re.sub(r"\$\{(\w+)\}", lambda match: project[match[1]], word) for word in words]

    def test_it_is_made_of_what_is_there(self) -> None:
        assert [name for name in self.copied() if not (ROOT / name).exists()] == []

    def test_it_has_what_the_package_is_built_from(self) -> None:
        project = tomli.loads((ROOT / "pyproject.toml").read_text("utf-8"))
        packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
        assert {*packages, "pyproject.toml", project["project"]["readme"], "LICENSE"} <= set(self.copied())
        assert "postgres" in project["project"]["optional-dependencies"]

    def test_its_python_is_one_of_ours(self) -> None:
        project = tomli.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
        [base] = self.given("FROM")
        version = re.fullmatch(r"python:(3\.\d+)-slim", base)
        assert version
        assert SpecifierSet(project["requires-python"]).contains(version[1])

    def test_it_does_not_run_as_root_and_knows_where_it_is(self) -> None:
        assert self.given("USER") == ["mirror"]
        names = [word.split("=")[0] for rest in self.given("ENV") for word in rest.split()]
        assert names == ["DAGSTER_HOME", "MIRROR_CONFIG", "MIRROR_HOME"]
        [home] = [word for rest in self.given("ENV") for word in rest.split() if word.startswith("DAGSTER")]
        assert home.removeprefix("DAGSTER_HOME=") == self.given("COPY")[-1].split()[-1].rstrip("/")


class TestTemplates:
    def test_everything_open_is_told(self) -> None:
        told = re.findall(r"^\| `([A-Z_]+)` \|", (ECS / "README.md").read_text("utf-8"), re.MULTILINE)
        left = set().union(*(placeholders(path) for path in ECS.glob("*.json")))
        assert set(told) == left == set(VALUES)

    @pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
    def test_every_file_is_told(self, folder: Path) -> None:
        text = (folder / "README.md").read_text("utf-8")
        names = sorted(path.name for path in folder.iterdir() if path.name != "README.md")
        assert [name for name in names if f"`{name}`" not in text] == []
