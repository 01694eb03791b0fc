"""How the work of reading grows with a lock: twice the packages may take twice the steps, not four times.

Counted are the bytecodes that the readers themselves execute: unlike seconds they are the same every time.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

import pytest

from mirror_pipeline.lockfiles.formats import read_lock
from mirror_pipeline.lockfiles.project_files import ProjectFiles
from mirror_pipeline_tests.locks import digest_of, package, poetry_lock, poetry_pyproject, project_files

SMALL, FACTOR = 60, 4
OURS = ("mirror_pipeline/lockfiles/", "<string>")  # methods of dataclasses have no file


def steps(work: Callable[[], object]) -> int:
    """Bytecodes executed in the readers."""
    count = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal count
        if not any(part in frame.f_code.co_filename for part in OURS):
            return None
        frame.f_trace_opcodes = True
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def poetry(version: str) -> Callable[[int], ProjectFiles]:
    def make(count: int) -> ProjectFiles:
        names = [f"p{number}" for number in range(count)]
        packages = [
            package(name, dependencies={names[number - 1]: "*"} if number else None)
            for number, name in enumerate(names)
        ]
        text = poetry_lock(packages, version=version)
        return project_files(text, poetry_pyproject(dependencies=dict.fromkeys(names, "*")))

    return make


def pylock_of_pipenv(count: int) -> ProjectFiles:
    """File names that are made up: the same one for two files."""
    parts = ['lock-version = "1.0"\ncreated-by = "pipenv"\n']
    for name in (f"p{number}" for number in range(count)):
        wheels = ", ".join(
            f'{{name = "{name}-1.0-py3-none-any.whl", hashes = {{sha256 = "{digest_of(name + which)}"}}}}'
            for which in "ab"
        )
        parts.append(f'[[packages]]\nname = "{name}"\nversion = "1.0"\nwheels = [{wheels}]\n')
    return ProjectFiles("shop", "shop", "pylock.toml", {"pylock.toml": "".join(parts).encode()})


MAKERS: Mapping[str, Callable[[int], ProjectFiles]] = {
    **{f"poetry {version}": poetry(version) for version in ("0.x", "1.1", "2.0", "2.1")},
    "pylock of pipenv": pylock_of_pipenv,
}


@pytest.mark.parametrize("maker", MAKERS)
def test_the_work_of_reading_grows_with_the_number_of_packages(maker: str) -> None:
    small, large = MAKERS[maker](SMALL), MAKERS[maker](SMALL * FACTOR)
    read_lock(MAKERS[maker](SMALL + 1))  # what is done once in a process
    one, other = steps(lambda: read_lock(small)), steps(lambda: read_lock(large))
    assert one > SMALL
    assert other < one * FACTOR * 1.1


def included_twice(depth: int) -> str:
    """A group that includes another twice, which includes another twice, and so on."""
    groups = "".join(
        f'g{n} = [{{include-group = "g{n + 1}"}}, {{include-group = "g{n + 1}"}}]\n' for n in range(depth)
    )
    return f'[project]\nname = "shop"\n[dependency-groups]\n{groups}g{depth} = ["a"]\n'


def included_twice_by_poetry(depth: int) -> str:
    """The same as poetry writes it."""
    groups = "".join(
        f'[tool.poetry.group.g{n}]\ninclude-groups = ["g{n + 1}", "g{n + 1}"]\n' for n in range(depth)
    )
    return f'[tool.poetry]\nname = "shop"\n{groups}[tool.poetry.group.g{depth}.dependencies]\na = "*"\n'


def all_ask_for_all(count: int) -> str:
    """Extras of which each asks for every other one."""
    names = [f"e{number}" for number in range(count)]
    extras = "".join(f'{name} = ["shop[{",".join(names)}]", "a"]\n' for name in names)
    return f'[project]\nname = "shop"\n[project.optional-dependencies]\n{extras}'


PDM = """\
[metadata]
groups = ["default"]
strategy = []
lock_version = "4.5.0"

[[package]]
name = "a"
version = "1.0"
files = []
"""


@pytest.mark.parametrize("lock", ["poetry.lock", "pdm.lock"])
@pytest.mark.parametrize(
    "pyproject",
    [included_twice(9), included_twice_by_poetry(9), all_ask_for_all(6)],
    ids=["groups", "poetry's groups", "extras"],
)
def test_wishes_that_are_reached_in_many_ways_are_followed_once(lock: str, pyproject: str) -> None:
    text = poetry_lock([package("a")], version="2.0") if lock == "poetry.lock" else PDM
    files = {lock: text.encode(), "pyproject.toml": pyproject.encode()}
    assert steps(lambda: read_lock(ProjectFiles("shop", "shop", lock, files))) < 100_000


def exclusive_extras(count: int) -> ProjectFiles:
    """A project of which every extra excludes every other one."""
    names = [f"e{number}" for number in range(count)]
    conflict = ", ".join(f'{{ package = "shop", extra = "{name}" }}' for name in names)
    extras = "".join(f'{name} = [{{ name = "a" }}]\n' for name in names)
    text = (
        f'version = 1\nrequires-python = ">=3.10"\nconflicts = [[{conflict}]]\n'
        '[[package]]\nname = "shop"\nversion = "1.0"\nsource = { virtual = "." }\n'
        f"[package.optional-dependencies]\n{extras}"
        '[[package]]\nname = "a"\nversion = "1.0"\nsource = { registry = "https://index.example/simple" }\n'
    )
    return ProjectFiles("shop", "shop", "uv.lock", {"uv.lock": text.encode()})


def test_extras_that_exclude_each_other_are_as_many_as_their_pairs_and_no_more_work() -> None:
    small, large = exclusive_extras(15), exclusive_extras(60)
    read_lock(exclusive_extras(16))
    one, other = steps(lambda: read_lock(small)), steps(lambda: read_lock(large))
    assert len(read_lock(large).conflicts) == 60 * 59 // 2
    assert other < one * 4**2
