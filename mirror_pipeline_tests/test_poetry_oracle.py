"""``poetry export`` as an oracle: on generated projects it wants what we want, on every target.

It needs no network: the locks are made here, with the content hash that poetry compares. Poetry and its
plugin for exporting are taken from TEST_POETRY (the path of the command) or from PATH; without them the
module is skipped, saying so, but in CI their absence is a failure.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest
from packaging.requirements import Requirement

from mirror_pipeline.domain.conditions import pin_conditions
from mirror_pipeline.domain.lock import Lock, Selection, everything
from mirror_pipeline.domain.reach import graph_of, pins_for_target
from mirror_pipeline.domain.requirements import requirement_lines
from mirror_pipeline.domain.target import DEFAULT_PLATFORMS, known_pythons, targets_of
from mirror_pipeline.lockfiles.formats import read_lock
from mirror_pipeline_tests.locks import (
    FORMATS,
    LockedPackage,
    content_hash,
    package,
    poetry_lock,
    poetry_pyproject,
    project_files,
    standard_pyproject,
)

POETRY = os.environ.get("TEST_POETRY") or shutil.which("poetry") or ""
if not POETRY:
    MISSING = (
        "no poetry on PATH and TEST_POETRY is not set: what is read from locks is NOT compared with "
        "poetry export (pip install poetry poetry-plugin-export)"
    )
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(MISSING, pytrace=False)
    pytest.skip(MISSING, allow_module_level=True)

REQUIRES_PYTHON = ">=3.10"
TARGETS = targets_of(
    DEFAULT_PLATFORMS, [python for python in known_pythons() if python.allowed_by(REQUIRES_PYTHON)]
)
MARKERS = (
    "",
    "",
    'sys_platform == "win32"',
    'sys_platform != "darwin"',
    'python_version < "3.12"',
    'python_version >= "3.11" and platform_machine == "x86_64"',
    'python_full_version < "3.11.4" or sys_platform == "darwin"',
    'platform_system == "Linux"',
)
NAMES = "abcdefgh"
ALL = ("--all-groups", "--all-extras")


class Project(NamedTuple):
    """A generated project: what lies in its folder."""

    pyproject: str
    lock: str

    def read(self) -> Lock:
        return read_lock(project_files(self.lock, self.pyproject))


def project(
    pyproject: str, packages: list[LockedPackage], version: str, extras: Mapping[str, list[str]]
) -> Project:
    return Project(
        pyproject,
        poetry_lock(
            packages,
            version=version,
            requires_python=REQUIRES_PYTHON,
            extras=extras,
            content_hash=content_hash(pyproject),
        ),
    )


def export(folder: Path, source: Project, *options: str) -> list[Requirement]:
    """What poetry writes into a requirements file."""
    folder.mkdir(exist_ok=True)
    (folder / "pyproject.toml").write_text(source.pyproject)
    (folder / "poetry.lock").write_text(source.lock)
    done = subprocess.run(
        [POETRY, "export", "--no-interaction", "--without-urls", "--output", "exported.txt", *options],
        cwd=folder,
        env={
            **{key: value for key, value in os.environ.items() if not key.startswith("POETRY_")},
            "POETRY_CONFIG_DIR": str(folder / "config"),
            "POETRY_CACHE_DIR": str(folder / "cache"),
            "POETRY_DATA_DIR": str(folder / "data"),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return requirements((folder / "exported.txt").read_text())


def requirements(text: str) -> list[Requirement]:
    lines = re.sub(r"\\\n\s*--hash=\S+", "", text).splitlines()
    return [Requirement(line.strip()) for line in lines if line.strip() and not line.startswith("#")]


def by_target(found: list[Requirement]) -> dict[str, set[str]]:
    """What a list of requirements installs on each target, at either end of its patch range."""
    return {
        str(target): {
            f"{item.name}{item.specifier}"
            for variables in target.environments
            for item in found
            if item.marker is None or item.marker.evaluate(variables)
        }
        for target in TARGETS
    }


def wanted(lock: Lock, selection: Selection) -> dict[str, set[str]]:
    graph = graph_of(lock)
    return {
        str(target): {pin.label for pin in pins_for_target(graph, selection, target)} for target in TARGETS
    }


def judge(folder: Path, source: Project, *, whole: bool) -> None:
    """The exporter, the walk and the requirements file that is made of it agree on every target."""
    lock = source.read()
    selection = everything(lock) if whole else Selection()
    exported = by_target(export(folder, source, *(ALL if whole else ())))
    assert wanted(lock, selection) == exported
    written = requirement_lines(lock, pin_conditions(lock, selection), "all")
    assert by_target(requirements(written)) == exported


def dependency(marker: str, **more: object) -> Mapping[str, Any]:
    return {"version": "*", **({"markers": marker} if marker else {}), **more}


def graph(chance: Random, version: str) -> Project:
    """Formats 1.1 and 2.0: packages that need each other, and a pyproject.toml that says where to start.

    What the extra of the project asks for, nothing else does: the exporter takes a package that is not
    locked as optional for wanted wherever it is named, even as optional.
    """
    packages = []
    for name in NAMES:
        needs: dict[str, Mapping[str, Any]] = {
            other: dependency(chance.choice(MARKERS), **some_extra(chance))
            for other in chance.sample(NAMES.replace(name, ""), 2)
        }
        fast = chance.choice([other for other in NAMES if other != name and other not in needs])
        needs[fast] = {"version": ">=1", "optional": True}  # the constraint is the one the extra has
        packages.append(package(name, dependencies=needs, extras={"fast": [f"{fast} (>=1)"]}))
    entry = package("entry", dependencies={chance.choice(NAMES): dependency("")}, optional=True)
    roots = chance.sample(NAMES, 4)
    wishes = {name: dependency(chance.choice(MARKERS), **some_extra(chance)) for name in roots}
    extras = {"more": ["entry"]}
    pyproject = poetry_pyproject(
        dependencies={**{name: wishes[name] for name in roots[:2]}, "entry": dependency("", optional=True)},
        groups={"dev": {roots[2]: wishes[roots[2]]}, "docs": {roots[3]: wishes[roots[3]]}},
        extras=extras,
        requires_python=REQUIRES_PYTHON,
    )
    return project(pyproject, [*packages, entry], version, extras)


def some_extra(chance: Random) -> Mapping[str, list[str]]:
    return chance.choice(({}, {}, {"extras": ["fast"]}))


def listed(chance: Random) -> Project:
    """Format 2.1: each package with its groups and markers; the exporter follows nothing else."""
    packages = []
    for name in NAMES:
        groups = chance.sample(("main", "dev", "docs"), chance.randint(1, 3))
        by_group = {group: marker for group in groups if (marker := chance.choice(MARKERS))}
        packages.append(
            package(name, groups=groups, markers=chance.choice((chance.choice(MARKERS), by_group)))
        )
    guarded = [f'extra == "more" and ({marker})' if marker else 'extra == "more"' for marker in MARKERS]
    packages.append(package("guarded", markers=chance.choice(guarded), optional=True))
    extras = {"more": ["guarded"]}
    pyproject = standard_pyproject(
        dependencies=[item.name for item in packages if "main" in item.groups and not item.optional],
        extras=extras,
        groups={group: [item.name for item in packages if group in item.groups] for group in ("dev", "docs")},
        requires_python=REQUIRES_PYTHON,
    )
    return project(pyproject, packages, "2.1", extras)


@pytest.mark.parametrize(
    ("version", "seed", "whole"),
    [("1.1", 1, True), ("2.0", 2, True), ("2.0", 3, False)],
)
def test_a_graph_is_walked_as_poetry_walks_it(
    tmp_path: Path, version: str, seed: int, *, whole: bool
) -> None:
    judge(tmp_path, graph(Random(seed), version), whole=whole)  # noqa: S311


@pytest.mark.parametrize(("seed", "whole"), [(1, True), (2, False)])
def test_groups_and_markers_mean_what_poetry_means_by_them(tmp_path: Path, seed: int, *, whole: bool) -> None:
    judge(tmp_path, listed(Random(seed)), whole=whole)  # noqa: S311


@pytest.mark.parametrize("version", FORMATS)
def test_an_ordinary_project_in_each_format(tmp_path: Path, version: str) -> None:
    windows = 'sys_platform == "win32"'
    pyproject = poetry_pyproject(
        dependencies={
            "a": "^1.0",
            "c": {"version": "*", "optional": True},
            "d": {"version": "*", "markers": windows},
        },
        extras={"more": ["c"]},
        groups={"dev": {"e": "*"}},
        requires_python=REQUIRES_PYTHON,
    )
    packages = [
        package("a", "1.2", dependencies={"b": dependency('python_version < "3.12"')}),
        package("b", markers='python_version < "3.12"'),
        package("c", markers='extra == "more"', optional=True),
        package("d", markers=windows),
        package("e", groups=["dev"]),
    ]
    source = project(pyproject, packages, version, {"more": ["c"]})
    judge(tmp_path / "whole", source, whole=True)
    found = wanted(source.read(), everything(source.read()))
    assert found["windows-amd64/3.12"] == {"a==1.2", "c==1.0", "d==1.0", "e==1.0"}
    assert found["linux-x86_64/3.11"] == {"a==1.2", "b==1.0", "c==1.0", "e==1.0"}
