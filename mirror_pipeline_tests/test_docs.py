"""README and docs say what is true: keys, commands, options and links exist; nothing names this machine."""

from __future__ import annotations

import ast
import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from pip._internal.models.index import PyPI, TestPyPI

from mirror_pipeline import settings
from mirror_pipeline.cli import cli
from mirror_pipeline.domain.cloud import StorePlace
from mirror_pipeline.domain.iam import worker_policy

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
FOLDERS = ("deploy", "docs", "examples")
PAGES = sorted([*ROOT.glob("*.md"), *(page for name in FOLDERS for page in (ROOT / name).rglob("*.md"))])
DECISIONS = ROOT / "docs" / "decisions"

_GENERATED = {"mirror", "__pycache__", "dist", "build", "htmlcov"}
_INVENTED = "ada|ann"  # people in examples
_HOME = re.compile(rf"(?<![\w.~$}}-])/(?:(?:home|Users)/(?!(?:{_INVENTED})\b)[\w.-]+|[r]oot/[\w.-])")


def names(paths: list[Path]) -> list[str]:
    """Paths as test ids."""
    return [path.relative_to(ROOT).as_posix() for path in paths]


def files_of_the_repository() -> list[Path]:
    """What git tracks or would track; in an unpacked archive every file outside of generated folders."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listing.returncode == 0:
        found = [ROOT / name for name in listing.stdout.decode().split("\0") if name]
    else:
        found = [path for path in ROOT.rglob("*") if not _is_generated(path.relative_to(ROOT))]
    return [path for path in found if path.is_file()]


def _is_generated(path: Path) -> bool:
    hidden = any(part.startswith(".") and part != ".ci" for part in path.parts)
    return hidden or not _GENERATED.isdisjoint(path.parts) or "egg-info" in str(path)


def code_blocks(page: Path, *languages: str) -> list[str]:
    """The fenced blocks of these languages."""
    fence = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    return [text for language, text in fence.findall(page.read_text("utf-8")) if language in languages]


def commands_in(page: Path) -> Iterator[list[str]]:
    """Words of every ``mirror-pipeline`` and ``setup.sh`` call, in shell blocks and in running text."""
    text = page.read_text("utf-8")
    lines = [
        line.removeprefix("$ ")
        for block in code_blocks(page, "bash", "console")
        for line in block.splitlines()
    ]
    for line in [*lines, *re.findall(r"`([^`\n]+)`", text)]:
        if re.match(r"(PYTHON=\S+ |TEST_CORPUS=\S+ )?(mirror-pipeline|bash setup\.sh)\b", line):
            yield [word for word in shlex.split(line, comments=True) if "=" not in word]


def configuration_table() -> dict[str, str]:
    """Keys and defaults as README tells them; '' for an empty one."""
    section = README.read_text("utf-8").partition("## Configuration")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([A-Z0-9_]+)` \| (?:`([^`]*)`|empty) \|", section, re.MULTILINE)
    return dict(rows)


def test_the_configuration_table_is_what_settings_know() -> None:
    assert configuration_table() == dict(settings._DEFAULTS)  # noqa: SLF001 - the one list of keys


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_commands_and_their_options_exist(page: Path) -> None:
    for words in commands_in(page):
        if words[0] == "bash":
            assert words[2:3] in ([], ["--test"], ["--refresh"], ["--json"]), words
            continue
        if words[1:] in ([], ["setup"]):
            continue
        command = cli.commands[words[1]]
        if isinstance(command, click.Group):
            if len(words) == 2:
                continue
            command = command.commands[words[2]]
        options = {
            name for option in command.params for name in option.opts if isinstance(option, click.Option)
        }
        assert {word for word in words[2:] if word.startswith("--")} <= options, words


def test_every_command_is_in_the_readme() -> None:
    text = README.read_text("utf-8")
    missing = [name for name in cli.commands if f"`mirror-pipeline {name}`" not in text]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_relative_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8"))
    broken = [
        link
        for link in links
        if not re.match(r"[a-z]+:|#", link) and not (page.parent / link.partition("#")[0]).exists()
    ]
    assert not broken


def test_the_policy_of_workers_is_printed_as_it_is() -> None:
    text = (ROOT / "docs/several-machines.md").read_text("utf-8")
    (block,) = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    assert json.loads(block) == worker_policy(StorePlace("company-mirror-store", "shop"))


def test_decisions_are_numbered_without_holes() -> None:
    numbers = [int(path.name[:4]) for path in sorted(DECISIONS.glob("*.md"))]
    assert numbers == list(range(1, len(numbers) + 1))


def test_no_file_names_a_registry_or_a_home_directory() -> None:
    hosts = [PyPI.netloc, PyPI.file_storage_domain, TestPyPI.netloc, TestPyPI.file_storage_domain]
    wrong = []
    for path in files_of_the_repository():
        text = path.read_bytes().decode("utf-8", "replace")
        for number, line in enumerate(text.splitlines(), start=1):
            if any(host in line for host in hosts) or _HOME.search(line):
                wrong.append(f"{path.relative_to(ROOT)}:{number}")
    assert not wrong


@pytest.mark.parametrize(
    ("line", "is_one"),
    [
        ("see /home/" + "bob/notes", True),
        ("see '/ro" + "ot/.cache'", True),
        ("see /Users/" + "bob", True),
        ("an example: /home/ada/notes", False),
        ("the https://example.org/home/index page", False),
        ("${MIRROR_HOME}/home/x and ~/root/x", False),
    ],
)
def test_home_directories_are_told_from_other_paths(line: str, is_one: bool) -> None:
    assert bool(_HOME.search(line)) is is_one


def test_every_module_says_what_it_is() -> None:
    modules = sorted((ROOT / "mirror_pipeline").rglob("*.py"))
    silent = [path for path in modules if not ast.get_docstring(ast.parse(path.read_text("utf-8")))]
    assert modules
    assert not silent


def test_constraints_name_no_index_and_no_place() -> None:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    assert lines
    assert [line for line in lines if not re.match(r"[a-z0-9.-]+==[^\s;]+( ; .+)?$", line)] == []
