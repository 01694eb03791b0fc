"""What a project asks for, in each way that poetry has of writing it; poetry-core reads the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from mirror_pipeline.domain.lock import Lock, Root
from mirror_pipeline.domain.poetry_core import Factory
from mirror_pipeline.errors import LockError
from mirror_pipeline.lockfiles.formats import read_lock
from mirror_pipeline.lockfiles.poetry_project import Declared, declared
from mirror_pipeline_tests.locks import (
    package,
    poetry_lock,
    poetry_pyproject,
    project_files,
    standard_pyproject,
)

TOOL = '[tool.poetry]\nname = "shop"\nversion = "1.0"\ndescription = ""\nauthors = []\n'
PROJECT = '[project]\nname = "shop"\nversion = "1.0"\n'

LEGACY = (
    TOOL
    + """
[tool.poetry.dependencies]
python = "^3.10"
a = "^1.2"
B_B = { version = "~2", markers = "sys_platform == 'win32'" }
c = { version = "*", optional = true, extras = ["Fast"] }
d = [{ version = "<2", python = "<3.11" }, { version = ">=2", python = ">=3.11" }]
e = { git = "https://git.example/e" }
f = { path = "../f", develop = true }
g = { url = "https://files.example/g-1.0-py3-none-any.whl" }
h = { version = "*", source = "private", allow-prereleases = true }
i = { version = "*", platform = "darwin" }

[tool.poetry.extras]
Speed_Up = ["c"]
both = ["c", "a"]

[tool.poetry.dev-dependencies]
j = "*"

[tool.poetry.group.docs.dependencies]
k = "*"

[tool.poetry.group.Big_Group]
optional = true
include-groups = ["docs"]

[tool.poetry.group.Big_Group.dependencies]
l = "*"
"""
)
STANDARD = """
[project]
name = "shop"
version = "1.0"
requires-python = ">=3.10"
dependencies = ["a>=1.2", "B.B[x,y]~=2.0; sys_platform == 'win32'", "e @ https://files.example/e-1.0.tar.gz"]

[project.optional-dependencies]
Speed_Up = ["c[fast]>=1", "d!=1.5"]
empty = []

[dependency-groups]
test = ["j", { include-group = "Do.Cs" }]
do-cs = ["k>=1 ; python_version < '3.12'"]

[tool.poetry.group.old.dependencies]
l = "*"
"""
STATIC_WITH_ENRICHMENT = (
    PROJECT
    + """
dependencies = ["a>=1.2"]

[tool.poetry.dependencies]
a = { version = ">=1.2", source = "private" }
"""
)
DYNAMIC = (
    PROJECT
    + """
requires-python = ">=3.10"
dynamic = ["dependencies"]

[tool.poetry.dependencies]
a = "^1.2"
"""
)
EMPTY_LIST = PROJECT + 'dependencies = []\n\n[tool.poetry.dependencies]\na = "^1.2"\n'
EMPTY_LIST_WITH_EXTRAS = (
    PROJECT
    + """
dependencies = []

[project.optional-dependencies]
x = ["a"]

[tool.poetry.dependencies]
a = { version = "*", source = "private" }
"""
)
DYNAMIC_WITH_EXTRAS = (
    PROJECT
    + """
dynamic = ["dependencies"]

[project.optional-dependencies]
x = ["c"]

[tool.poetry.dependencies]
a = "^1.2"
"""
)


def read(text: str) -> Declared:
    return declared(project_files("", text), ())


def by_root(found: Declared) -> dict[str, set[str]]:
    """Root → what it asks for, as ``name[extras] constraint ; marker``."""
    return {
        f"{root.kind} {root.name}".strip(): {
            f"{want.name}[{','.join(want.extras)}] {want.constraint} ; {want.marker or ''}" for want in wishes
        }
        for root, wishes in found.wishes.items()
        if wishes
    }


def by_poetry(folder: Path, text: str) -> dict[str, set[str]]:
    """The same by poetry-core, reading the project from a disk."""
    (folder / "pyproject.toml").write_text(text)
    (folder / "shop.py").touch()
    own = Factory().create_poetry(folder).package
    found: dict[str, set[str]] = {}
    for name in own.dependency_group_names(include_optional=True):
        root = "main" if name == "main" else f"group {name}"
        for dependency in own.dependency_group(name).dependencies:
            roots = [f"extra {extra}" for extra in dependency.in_extras]
            if not dependency.is_optional():
                roots.append(root)
            marker = dependency.marker.without_extras()
            text = "" if marker.is_any() else str(marker)
            constraint = "*" if dependency.source_type else dependency.constraint
            for one in roots:
                extras = ",".join(sorted(dependency.extras))
                found.setdefault(one, set()).add(f"{dependency.name}[{extras}] {constraint} ; {text}")
    return found


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(LEGACY, id="tool.poetry"),
        pytest.param(STANDARD, id="project and dependency-groups"),
        pytest.param(STATIC_WITH_ENRICHMENT, id="project with enrichment"),
        pytest.param(DYNAMIC, id="dynamic dependencies"),
        pytest.param(EMPTY_LIST, id="an empty list"),
        pytest.param(EMPTY_LIST_WITH_EXTRAS, id="an empty list beside extras"),
        pytest.param(DYNAMIC_WITH_EXTRAS, id="dynamic dependencies beside extras"),
    ],
)
def test_poetry_itself_reads_the_same(tmp_path: Path, text: str) -> None:
    expected = by_poetry(tmp_path, text)
    assert expected
    assert by_root(read(text)) == expected


def test_names_of_groups_and_extras_are_normalized() -> None:
    found = read(LEGACY)
    assert sorted(found.groups) == ["big-group", "dev", "docs"]
    assert sorted(found.extras) == ["both", "speed-up"]
    assert sorted(read(STANDARD).groups) == ["do-cs", "old", "test"]


def test_extras_that_only_the_lock_has_are_kept() -> None:
    found = declared(project_files("", poetry_pyproject()), ["x"])
    assert found.wishes[Root("extra", "x")] == ()


def test_without_a_pyproject_nothing_is_declared() -> None:
    assert declared(project_files(""), ["x"]) == Declared()


@pytest.mark.parametrize(
    ("text", "name"),
    [(PROJECT.replace("shop", "Shop_X"), "shop-x"), (TOOL.replace("shop", "S.X"), "s-x"), ("", "")],
)
def test_the_name_of_the_project(text: str, name: str) -> None:
    assert read(f"# a comment\n{text}").name == name


def test_a_python_entry_is_no_wish() -> None:
    assert by_root(read(poetry_pyproject(dependencies={"Python": ">=3.10"}))) == {}


@pytest.mark.parametrize(
    ("text", "place", "problem"),
    [
        ("a = \n", ":1:", "not valid TOML"),
        ("<<<<<<< HEAD\n", ":1:", "merge-conflict"),
        ("tool = 5\n", "tool", "expected a table"),
        ("[tool]\npoetry = []\n", "tool.poetry", "expected a table"),
        ("[project]\nname = 5\n", "project.name", "expected text"),
        ("[project]\ndependencies = 'a'\n", "project.dependencies", "expected a list"),
        ("[project]\ndependencies = [5]\n", "project.dependencies", "expected a list of texts"),
        ("[project]\ndependencies = ['a b']\n", "project.dependencies", "not a requirement"),
        ("[project]\ndependencies = ['a; foo == 1']\n", "project.dependencies", "not a requirement"),
        ("[project]\ndependencies = ['a===x']\n", "project.dependencies", "not a requirement"),
        ("[project.optional-dependencies]\nx = 'a'\n", "optional-dependencies.x", "expected a list"),
        ("[tool.poetry.dependencies]\na = 5\n", "tool.poetry.dependencies.a", "expected a constraint"),
        ("[tool.poetry.dependencies]\na = 'one'\n", "tool.poetry.dependencies.a", "not a dependency"),
        ("[tool.poetry.extras]\nx = 'a'\n", "tool.poetry.extras.x", "expected a list"),
        ("[tool.poetry.group.x]\ninclude-groups = ['y']\n", "tool.poetry.group.y", "no such group"),
        ("[tool.poetry.group.x]\ninclude-groups = ['x']\n", "tool.poetry.group.x", "includes itself: x → x"),
        ("[dependency-groups]\nx = ['a b']\n", "dependency-groups.x", "not a requirement"),
        ("[dependency-groups]\nx = [{ include-group = 'y' }]\n", "dependency-groups.y", "no such group"),
        ("[dependency-groups]\nx = [{ include = 'y' }]\n", "dependency-groups.x", "PEP 735"),
        ("[dependency-groups]\nx = [5]\n", "dependency-groups.x", "PEP 735"),
        (
            "[dependency-groups]\nx = [{ include-group = 'Y' }]\ny = [{ include-group = 'X' }]\n",
            "dependency-groups.",
            "includes itself",
        ),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_place(text: str, place: str, problem: str) -> None:
    with pytest.raises(LockError) as caught:
        read(text)
    error = caught.value
    assert error.facts["lock"] == "shop/pyproject.toml"
    assert str(error).startswith("shop/pyproject.toml")
    assert place in str(error)
    assert problem in str(error)
    assert "\n" not in str(error)


def edges(lock: Lock) -> set[tuple[str, str, str]]:
    return {
        (f"{edge.origin.kind} {edge.origin.name}".strip(), edge.pin, str(edge.marker or ""))
        for edge in lock.edges
        if isinstance(edge.origin, Root)
    }


@pytest.mark.parametrize(
    "pyproject",
    [
        poetry_pyproject(
            dependencies={
                "a": ">=1",
                "b": {"version": "*", "markers": 'sys_platform == "win32"'},
                "c": {"version": "*", "optional": True},
            },
            extras={"fast": ["c"]},
            groups={"dev": {"d": "*"}},
        ),
        poetry_pyproject(
            dependencies={
                "a": ">=1",
                "b": {"version": "*", "platform": "win32"},
                "c": {"version": "*", "optional": True},
            },
            extras={"fast": ["c"]},
            dev_dependencies={"d": "*"},
        ),
        standard_pyproject(
            dependencies=["a>=1", 'b; sys_platform == "win32"'], extras={"fast": ["c"]}, groups={"dev": ["d"]}
        ),
    ],
)
def test_four_ways_of_writing_lead_to_the_same_edges(pyproject: str) -> None:
    text = poetry_lock([package(name) for name in "abcd"], version="2.0", extras={"fast": ["c"]})
    lock = read_lock(project_files(text, pyproject))
    assert edges(lock) == {
        ("main", "a==1.0", ""),
        ("main", "b==1.0", 'sys_platform == "win32"'),
        ("extra fast", "c==1.0", ""),
        ("group dev", "d==1.0", ""),
    }
    assert (lock.groups, lock.extras, lock.project) == (("dev",), ("fast",), "shop")
