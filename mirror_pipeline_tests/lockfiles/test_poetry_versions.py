"""poetry.lock of formats 1.1 and 2.0 with several versions of one project: an environment has one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from mirror_pipeline.domain.conditions import pin_conditions
from mirror_pipeline.domain.lock import Lock, Selection, everything
from mirror_pipeline.domain.reach import graph_of, pins_for_target
from mirror_pipeline.domain.target import PLATFORMS, Python, Target
from mirror_pipeline.lockfiles.formats import read_lock
from mirror_pipeline_tests.locks import LockedPackage, package, poetry_lock, poetry_pyproject, project_files

pytestmark = pytest.mark.parametrize("version", ["1.1", "2.0"])

LIB = package("lib", dependencies={"num": ">=1"})
BY_PYTHON = [{"version": "1.0", "python": "<3.12"}, {"version": "2.0", "python": ">=3.12"}]
BY_PLATFORM = [
    {"version": "1.0", "markers": 'sys_platform == "linux"'},
    {"version": "2.0", "markers": 'sys_platform != "linux"'},
]


def read(
    version: str,
    packages: Sequence[LockedPackage],
    own: Mapping[str, Any],
    groups: Mapping[str, Mapping[str, Any]] | None = None,
) -> Lock:
    pyproject = poetry_pyproject(dependencies=own, groups=groups)
    return read_lock(project_files(poetry_lock(packages, version=version), pyproject))


def wanted(lock: Lock, platform: str = "linux-x86_64", python: str = "3.12") -> str:
    target = Target(PLATFORMS[platform], Python.parse(python))
    return " ".join(sorted(pin.label for pin in pins_for_target(graph_of(lock), everything(lock), target)))


def test_versions_that_the_project_chooses_by_python(version: str) -> None:
    lock = read(version, [LIB, package("num", "1.0"), package("num", "2.0")], {"lib": "*", "num": BY_PYTHON})
    assert wanted(lock, python="3.11") == "lib==1.0 num==1.0"
    assert wanted(lock, python="3.12") == "lib==1.0 num==2.0"


def test_versions_that_the_project_chooses_by_platform(version: str) -> None:
    lock = read(
        version, [LIB, package("num", "1.0"), package("num", "2.0")], {"lib": "*", "num": BY_PLATFORM}
    )
    assert wanted(lock) == "lib==1.0 num==1.0"
    assert wanted(lock, "windows-amd64") == "lib==1.0 num==2.0"


def test_a_requirements_file_never_names_two_versions_for_one_environment(version: str) -> None:
    lock = read(
        version, [LIB, package("num", "1.0"), package("num", "2.0")], {"lib": "*", "num": BY_PLATFORM}
    )
    conditions = {key: str(marker) for key, marker in pin_conditions(lock, Selection()).items()}
    assert conditions["num==1.0"] == 'sys_platform == "linux"'
    assert conditions["num==2.0"] == 'sys_platform != "linux"'


def test_the_newest_that_python_allows_where_a_wish_is_open(version: str) -> None:
    packages = [LIB, package("num", "1.0", python=">=3.8"), package("num", "2.0", python=">=3.12")]
    lock = read(version, packages, {"lib": "*"})
    assert wanted(lock, python="3.11") == "lib==1.0 num==1.0"
    assert wanted(lock, python="3.12") == "lib==1.0 num==2.0"


def test_versions_for_the_same_pythons_are_both_kept_where_nothing_decides(version: str) -> None:
    packages = [LIB, package("num", "1.0"), package("num", "2.0")]
    assert wanted(read(version, packages, {"lib": "*"})) == "lib==1.0 num==1.0 num==2.0"


def test_a_group_decides_nothing_for_the_project(version: str) -> None:
    packages = [LIB, package("num", "1.0"), package("num", "2.0")]
    lock = read(version, packages, {"lib": "*"}, {"dev": {"num": "1.0"}})
    assert wanted(lock) == "lib==1.0 num==1.0 num==2.0"


def test_the_only_version_is_kept_whatever_its_pythons(version: str) -> None:
    lock = read(version, [LIB, package("num", "1.0", python="<3")], {"lib": "*"})
    assert wanted(lock) == "lib==1.0 num==1.0"
