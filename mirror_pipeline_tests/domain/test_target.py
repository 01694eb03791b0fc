"""Targets: marker environments, tags and support dates, none of them those of this machine."""

from __future__ import annotations

from datetime import date

import pytest
from packaging.markers import Marker
from packaging.utils import parse_wheel_filename

from mirror_pipeline.domain.floors import release_asked
from mirror_pipeline.domain.target import (
    DEFAULT_PLATFORMS,
    NOARCH,
    PLATFORMS,
    Python,
    Target,
    known_pythons,
    supported_pythons,
    targets_of,
)

EVERY_TARGET = targets_of(PLATFORMS, (*known_pythons(), Python(13, True), Python(14, True)))


def target(platform: str, python: str) -> Target:
    return Target(PLATFORMS[platform], Python.parse(python))


def takes(platform: str, python: str, tags: str) -> bool:
    wanted = parse_wheel_filename(f"demo-1.0-{tags}.whl")[3]
    return bool(wanted & set(target(platform, python).tags))


@pytest.mark.parametrize("text", ["3.8", "3.10", "3.14", "3.13t", "3.14t"])
def test_a_python_is_written_as_it_was_read(text: str) -> None:
    assert str(Python.parse(text)) == text


@pytest.mark.parametrize(
    "text", ["", "3", "3.7", "3.15", "2.7", "3.12t", "3.13tt", "3.12.1", "cp312", "3.１2", "t"]
)
def test_what_is_no_python_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="CPython"):
        Python.parse(text)


@pytest.mark.parametrize(
    ("text", "interpreter"),
    [
        ("pypy3.10", "PyPy"),
        ("PyPy", "PyPy"),
        ("pp310", "PyPy"),
        ("graalpy-24", "GraalPy"),
        ("GraalPython", "GraalPy"),
        ("jython2.7", "Jython"),
        ("ironpython", "IronPython"),
        ("micropython", "MicroPython"),
        ("pyston-2.3", "Pyston"),
        ("pyodide", "Pyodide"),
    ],
)
def test_other_interpreters_are_refused_by_name(text: str, interpreter: str) -> None:
    with pytest.raises(
        ValueError, match=rf"^CPython only \({interpreter} is not mirrored\): 3\.8, .*3\.14t$"
    ):
        Python.parse(text)


@pytest.mark.parametrize("text", ["3.7", "2.7", "4.0", "python3.12", "3.12d"])
def test_what_may_be_asked_for_is_said_with_its_free_threaded_builds(text: str) -> None:
    with pytest.raises(
        ValueError, match=r"^CPython 3\.8, 3\.9, 3\.10, 3\.11, 3\.12, 3\.13, 3\.14, 3\.13t, 3\.14t$"
    ):
        Python.parse(text)


def test_the_refusal_of_an_old_free_threaded_build_says_from_when_they_exist() -> None:
    with pytest.raises(ValueError, match=r"from 3\.13t on"):
        Python.parse("3.12t")


@pytest.mark.parametrize(
    ("specifier", "allowed"),
    [
        ("", "3.8 3.9 3.10 3.11 3.12 3.13 3.14"),
        (">=3.11,<3.13", "3.11 3.12"),
        (">=3.11.4,<3.12", "3.11"),
        ("==3.11.4", "3.11"),
        (">=3.11.2,<3.11.9", "3.11"),
        (">3.11.99", "3.12 3.13 3.14"),
        ("!=3.9.*,<3.11", "3.8 3.10"),
        ("~=3.13.1", "3.13"),
        (">=4", ""),
    ],
)
def test_a_python_is_allowed_if_one_of_its_patch_releases_is(specifier: str, allowed: str) -> None:
    assert " ".join(str(python) for python in known_pythons() if python.allowed_by(specifier)) == allowed


@pytest.mark.parametrize(
    ("today", "oldest", "newest"),
    [
        (date(2025, 10, 31), "3.9", "3.14"),
        (date(2025, 11, 1), "3.10", "3.14"),
        (date(2026, 11, 1), "3.11", "3.14"),
        (date(2030, 10, 1), "3.14", "3.14"),
    ],
)
def test_support_ends_after_the_month_of_its_end(today: date, oldest: str, newest: str) -> None:
    supported = supported_pythons(today)
    assert (str(supported[0]), str(supported[-1])) == (oldest, newest)


def test_no_python_is_supported_for_ever() -> None:
    assert supported_pythons(date(2040, 1, 1)) == ()


@pytest.mark.parametrize(
    ("platform", "marker"),
    [
        ("linux-x86_64", 'sys_platform == "linux" and platform_machine == "x86_64" and os_name == "posix"'),
        ("linux-aarch64", 'platform_system == "Linux" and platform_machine == "aarch64"'),
        (
            "macos-arm64",
            'sys_platform == "darwin" and platform_system == "Darwin" and platform_machine == "arm64"',
        ),
        (
            "windows-amd64",
            'sys_platform == "win32" and platform_system == "Windows" and platform_machine == "AMD64"',
        ),
        ("windows-arm64", 'os_name == "nt" and platform_machine == "ARM64"'),
        ("musllinux-aarch64", 'sys_platform == "linux" and platform_machine == "aarch64"'),
        ("musllinux-x86_64", 'sys_platform == "linux" and platform_machine == "x86_64"'),
    ],
)
def test_markers_see_the_platform_of_the_target(platform: str, marker: str) -> None:
    answers = {
        name: all(Marker(marker).evaluate({**env, "extra": ""}) for env in target(name, "3.12").environments)
        for name in ("linux-x86_64", "linux-aarch64", "macos-arm64", "windows-amd64", "windows-arm64")
    }
    own = target(platform, "3.12").environments[0]
    assert Marker(marker).evaluate({**own, "extra": ""})
    assert sum(answers.values()) == 1


def test_an_environment_has_every_variable_of_the_standard() -> None:
    for one in EVERY_TARGET:
        for environment in one.environments:
            assert set(environment) == {
                "implementation_name",
                "implementation_version",
                "os_name",
                "platform_machine",
                "platform_python_implementation",
                "platform_release",
                "platform_system",
                "platform_version",
                "python_full_version",
                "python_version",
                "sys_platform",
            }
            assert environment["python_version"] == f"3.{one.python.minor}"


def test_both_ends_of_the_patch_range_are_judged() -> None:
    early, late = Marker('python_full_version < "3.11.4"'), Marker('python_full_version >= "3.11.4"')
    first, last = target("linux-x86_64", "3.11").environments
    assert early.evaluate({**first, "extra": ""})
    assert late.evaluate({**last, "extra": ""})


@pytest.mark.parametrize(
    ("platform", "python", "tags"),
    [
        ("linux-x86_64", "3.12", "py3-none-any"),
        ("linux-x86_64", "3.12", "py2.py3-none-any"),
        ("linux-x86_64", "3.12", "cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64"),
        ("linux-x86_64", "3.12", "cp312-cp312-manylinux_2_34_x86_64"),
        ("linux-x86_64", "3.12", "cp38-abi3-manylinux1_x86_64"),
        ("linux-x86_64", "3.12", "cp312-cp312-manylinux2010_x86_64"),
        ("linux-x86_64", "3.12", "cp312-cp312-linux_x86_64"),
        ("linux-x86_64", "3.12", "py3-none-manylinux_2_5_x86_64"),
        ("linux-aarch64", "3.10", "cp310-cp310-manylinux2014_aarch64"),
        ("macos-arm64", "3.12", "cp312-cp312-macosx_11_0_arm64"),
        ("macos-arm64", "3.12", "cp312-cp312-macosx_15_0_universal2"),
        ("macos-arm64", "3.12", "cp312-cp312-macosx_10_13_universal2"),
        ("macos-arm64", "3.14", "cp314-cp314-macosx_26_0_arm64"),
        ("macos-x86_64", "3.12", "cp312-cp312-macosx_10_9_x86_64"),
        ("windows-amd64", "3.12", "cp312-cp312-win_amd64"),
        ("windows-arm64", "3.12", "cp312-cp312-win_arm64"),
        ("windows-arm64", "3.13t", "cp313-cp313t-win_arm64"),
        ("windows-arm64", "3.14", "cp311-abi3-win_arm64"),
        ("macos-x86_64", "3.12", "cp312-cp312-macosx_11_0_universal2"),
        ("macos-x86_64", "3.8", "cp38-cp38-macosx_10_9_intel"),
        ("macos-x86_64", "3.14t", "cp314-cp314t-macosx_10_15_universal2"),
        ("macos-arm64", "3.14t", "cp314-cp314t-macosx_11_0_arm64"),
        ("musllinux-aarch64", "3.13t", "cp313-cp313t-musllinux_1_2_aarch64"),
        ("musllinux-aarch64", "3.8", "cp38-abi3-musllinux_1_1_aarch64"),
        ("musllinux-x86_64", "3.12", "py3-none-linux_x86_64"),
        ("musllinux-x86_64", "3.12", "cp312-cp312-musllinux_1_1_x86_64"),
        ("linux-x86_64", "3.13t", "cp313-cp313t-manylinux_2_28_x86_64"),
        ("linux-x86_64", "3.13t", "cp313-none-any"),
        ("linux-x86_64", "3.13t", "py3-none-any"),
    ],
)
def test_wheels_that_a_target_takes(platform: str, python: str, tags: str) -> None:
    assert takes(platform, python, tags)


@pytest.mark.parametrize(
    ("platform", "python", "tags"),
    [
        ("linux-x86_64", "3.12", "cp312-cp312-manylinux_2_4_x86_64"),
        ("linux-aarch64", "3.12", "cp312-cp312-manylinux1_aarch64"),
        ("linux-aarch64", "3.12", "cp312-cp312-manylinux_2_12_aarch64"),
        ("linux-x86_64", "3.12", "cp312-cp312-musllinux_1_1_x86_64"),
        ("musllinux-x86_64", "3.12", "cp312-cp312-manylinux2014_x86_64"),
        ("linux-x86_64", "3.12", "cp313-abi3-manylinux2014_x86_64"),
        ("linux-x86_64", "3.12", "cp311-cp311-manylinux2014_x86_64"),
        ("linux-x86_64", "3.12", "pp310-pypy310_pp73-manylinux2014_x86_64"),
        ("linux-x86_64", "3.12", "py2-none-any"),
        ("linux-x86_64", "3.12", "cp312-cp312-emscripten_3_1_58_wasm32"),
        ("linux-x86_64", "3.13", "cp313-cp313t-manylinux_2_28_x86_64"),
        ("linux-x86_64", "3.13t", "cp313-cp313-manylinux_2_28_x86_64"),
        ("linux-x86_64", "3.13t", "cp38-abi3-manylinux_2_28_x86_64"),
        ("macos-arm64", "3.12", "cp312-cp312-macosx_11_0_x86_64"),
        ("windows-amd64", "3.12", "cp312-cp312-win32"),
        ("windows-amd64", "3.12", "cp312-cp312-win_arm64"),
        ("windows-arm64", "3.12", "cp312-cp312-win_amd64"),
        ("windows-arm64", "3.14t", "cp311-abi3-win_arm64"),
        ("macos-x86_64", "3.12", "cp312-cp312-macosx_11_0_arm64"),
        ("macos-x86_64", "3.13t", "cp313-abi3-macosx_11_0_universal2"),
        ("musllinux-x86_64", "3.12", "cp312-cp312-musllinux_1_2_aarch64"),
        ("musllinux-aarch64", "3.12", "py3-none-manylinux_2_17_aarch64"),
        ("macos-arm64", "3.12", "graalpy312-graalpy240_312_native-macosx_11_0_arm64"),
    ],
)
def test_wheels_that_a_target_does_not_take(platform: str, python: str, tags: str) -> None:
    assert not takes(platform, python, tags)


@pytest.mark.parametrize("one", EVERY_TARGET, ids=str)
def test_tags_are_distinct_and_best_first(one: Target) -> None:
    tags = [str(tag) for tag in one.tags]
    assert len(tags) == len(set(tags))
    assert tags[0].startswith(f"cp3{one.python.minor}-")
    assert tags.index("py3-none-any") > len(tags) // 2


def test_noarch_has_no_target_of_its_own() -> None:
    found = targets_of(DEFAULT_PLATFORMS, (Python(12), Python(13, True)))
    assert NOARCH in DEFAULT_PLATFORMS
    assert [str(one) for one in found] == [
        f"{name}/{python}" for name in DEFAULT_PLATFORMS if name != NOARCH for python in ("3.12", "3.13t")
    ]


@pytest.mark.parametrize("one", EVERY_TARGET, ids=str)
def test_tags_are_of_the_target_s_own_system_and_build(one: Target) -> None:
    starts = {
        "linux": ("manylinux", "linux_"),
        "macos": ("macosx_",),
        "windows": ("win_",),
        "musllinux": ("musllinux_", "linux_"),
    }[one.platform.name.partition("-")[0]]
    own = f"cp3{one.python.minor}{'t' if one.python.free_threaded else ''}"
    stable = "abi3t" if one.python.free_threaded else "abi3"
    for tag in one.tags:
        assert tag.platform == "any" or tag.platform.startswith(starts)
        assert tag.abi in ("none", own, stable)
        assert tag.interpreter.startswith(("cp3", "py3"))
    arch = one.platform.platform_machine.lower()
    assert any(tag.platform.endswith(arch) for tag in one.tags)


@pytest.mark.parametrize("name", PLATFORMS)
def test_newer_systems_come_before_older_ones(name: str) -> None:
    releases = [release_asked(tag) for tag in PLATFORMS[name].platform_tags]
    assert releases == sorted(releases, reverse=True)
