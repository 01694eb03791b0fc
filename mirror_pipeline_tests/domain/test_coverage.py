"""Which files of a pin serve a target, and what is said where none does."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.tags import mac_platforms
from packaging.utils import parse_wheel_filename

from mirror_pipeline.domain.coverage import (
    Policy,
    SdistPolicy,
    choose,
    compatible_wheels,
    gap_reason,
)
from mirror_pipeline.domain.floors import Floors
from mirror_pipeline.domain.target import PLATFORMS, Python, Target
from mirror_pipeline_tests.locks import digest_of, pin

PURE = "demo-1.0-py3-none-any.whl"
LINUX = "demo-1.0-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"
NEWER_LINUX = "demo-1.0-cp312-cp312-manylinux_2_34_x86_64.whl"
OLD_PYTHON = "demo-1.0-cp39-cp39-manylinux2014_x86_64.whl"
WINDOWS = "demo-1.0-cp312-cp312-win_amd64.whl"
SDIST = "demo-1.0.tar.gz"
EGG = "demo-1.0-py3.12.egg"

HERE = Target(PLATFORMS["linux-x86_64"], Python(12))


def chosen(files: list[str], policy: Policy, target: Target = HERE) -> list[str]:
    return [file.name for file in choose(pin("demo", "1.0", *files).files, target, policy).files]


def reason(*files: str, target: Target = HERE) -> str:
    return gap_reason(pin("demo", "1.0", *files), target)


def test_every_compatible_wheel_is_taken_in_the_order_of_the_lock() -> None:
    files = pin("demo", "1.0", NEWER_LINUX, SDIST, WINDOWS, PURE, OLD_PYTHON, EGG, LINUX).files
    assert [file.name for file in compatible_wheels(files, HERE)] == [NEWER_LINUX, PURE, LINUX]


@pytest.mark.parametrize(
    ("policy", "with_a_wheel", "without"),
    [
        ("never", [LINUX], []),
        ("fallback", [LINUX], [SDIST]),
        ("always", [LINUX, SDIST], [SDIST]),
    ],
)
def test_source_distributions_by_policy(
    policy: SdistPolicy, with_a_wheel: list[str], without: list[str]
) -> None:
    assert chosen([SDIST, LINUX, WINDOWS], Policy(sdists=policy)) == with_a_wheel
    assert chosen([SDIST, WINDOWS, EGG], Policy(sdists=policy)) == without


def test_a_free_threaded_build_does_not_take_stable_abi_wheels() -> None:
    stable, own = (
        "demo-1.0-cp38-abi3-manylinux2014_x86_64.whl",
        "demo-1.0-cp313-cp313t-manylinux2014_x86_64.whl",
    )
    normal = Target(PLATFORMS["linux-x86_64"], Python(13))
    free = Target(PLATFORMS["linux-x86_64"], Python(13, free_threaded=True))
    assert chosen([stable, own], Policy(), normal) == [stable]
    assert chosen([stable, own], Policy(), free) == [own]


def test_a_gap_without_files_blames_the_lock() -> None:
    assert gap_reason(replace(pin("demo"), files=()), HERE) == "the lock lists no files for it"


@pytest.mark.parametrize(("hashes", "which"), [(1, "its locked hash"), (3, "any of its 3 locked hashes")])
def test_a_gap_of_hashes_alone_says_that_upstream_was_asked(hashes: int, which: str) -> None:
    unknown = tuple(digest_of(str(number)) for number in range(hashes))
    asked = replace(pin("demo"), files=(), hashes=unknown)
    assert gap_reason(asked, HERE) == f"no upstream lists a file with {which}"


@pytest.mark.parametrize("files", [[SDIST], [SDIST, EGG], [EGG]])
def test_a_gap_without_wheels_says_so(files: list[str]) -> None:
    assert reason(*files) == "source only: no wheel was published"


def test_a_gap_of_a_platform_names_it() -> None:
    assert reason(WINDOWS, SDIST) == "no wheel for linux-x86_64 among 1"


def test_a_gap_of_a_python_names_the_pythons_there_are() -> None:
    assert reason(OLD_PYTHON, WINDOWS) == "wheels for linux-x86_64 are for other Pythons only: cp39"


def test_wheels_for_any_platform_are_not_called_missing_for_this_one() -> None:
    assert reason("demo-1.0-py2-none-any.whl") == "wheels for linux-x86_64 are for other Pythons only: py2"


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("demo-1.0.tar.gz", True),
        ("demo-1.0.zip", True),
        ("Demo.Extra_x-1.0rc1.tar.gz", True),
        ("demo-1.0-1.tar.gz", True),
        ("demo-1.0.win32.zip", False),
        ("demo-1.0.linux-x86_64.tar.gz", False),
        ("demo-1.0.tar.bz2", False),
        ("demo-1.0.win-amd64-py3.8.exe", False),
    ],
)
def test_what_counts_as_a_source_distribution(name: str, taken: bool) -> None:
    assert chosen([name], Policy(sdists="always")) == ([name] if taken else [])


def test_wheels_for_another_interpreter_are_a_gap_that_names_it() -> None:
    file = "demo-1.0-pp310-pypy310_pp73-manylinux2014_x86_64.whl"
    assert chosen([file], Policy()) == []
    assert reason(file) == "wheels for linux-x86_64 are for other Pythons only: pp310"


# The best wheel per floor.


def best(*files: str, target: Target = HERE, floors: Floors = Floors()) -> tuple[list[str], str]:  # noqa: B008
    """Tags of what is kept and what it needs."""
    policy = Policy("best-per-floor", "never", floors)
    choice = choose(pin("demo", "1.0", *(f"demo-1.0-{tags}.whl" for tags in files)).files, target, policy)
    return [file.name.removeprefix("demo-1.0-").removesuffix(".whl") for file in choice.wheels], choice.needs


def on(platform: str, python: str = "3.12") -> Target:
    return Target(PLATFORMS[platform], Python.parse(python))


OLD, MIDDLE, NEW = (f"cp312-cp312-manylinux_2_{minor}_x86_64" for minor in (17, 28, 34))


@pytest.mark.parametrize(
    ("glibc", "kept", "needs"),
    [
        ((2, 40), NEW, ""),
        ((2, 34), NEW, ""),
        ((2, 33), MIDDLE, ""),
        ((2, 28), MIDDLE, ""),
        ((2, 27), OLD, ""),
        ((2, 17), OLD, ""),
        ((2, 5), OLD, "glibc 2.17"),
    ],
)
def test_the_best_wheel_at_a_floor_of_the_c_library(glibc: tuple[int, int], kept: str, needs: str) -> None:
    assert best(OLD, NEW, MIDDLE, floors=Floors(glibc=glibc)) == ([kept], needs)


def test_legacy_names_stand_for_their_release() -> None:
    assert best("cp312-cp312-manylinux2014_x86_64", "py3-none-any", floors=Floors(glibc=(2, 16))) == (
        ["py3-none-any"],
        "",
    )
    assert best("cp312-cp312-manylinux1_x86_64", "py3-none-any", floors=Floors(glibc=(2, 5)))[0] == [
        "cp312-cp312-manylinux1_x86_64"
    ]
    assert best("cp312-cp312-manylinux2010_x86_64", floors=Floors(glibc=(2, 5)))[1] == "glibc 2.12"


def test_a_wheel_of_several_tags_asks_for_the_oldest_of_them() -> None:
    both = "cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.manylinux_2_28_x86_64"
    assert best(both, floors=Floors(glibc=(2, 17))) == ([both], "")


@pytest.mark.parametrize(
    ("target", "macos", "kept", "needs"),
    [
        (on("macos-arm64"), (13, 0), "cp312-cp312-macosx_13_0_arm64", ""),
        (on("macos-arm64"), (13, 5), "cp312-cp312-macosx_13_0_arm64", ""),
        (on("macos-arm64"), (14, 0), "cp312-cp312-macosx_14_0_arm64", ""),
        (on("macos-arm64"), (12, 0), "cp312-cp312-macosx_10_9_universal2", ""),
        (on("macos-arm64"), (10, 9), "cp312-cp312-macosx_10_9_universal2", ""),
        (on("macos-x86_64"), (10, 9), "cp312-cp312-macosx_10_9_universal2", ""),
        (on("macos-x86_64"), (10, 8), "cp312-cp312-macosx_10_9_universal2", "macOS 10.9"),
    ],
)
def test_the_best_wheel_at_a_floor_of_macos(
    target: Target, macos: tuple[int, int], kept: str, needs: str
) -> None:
    tags = [f"cp312-cp312-macosx_{tag}" for tag in ("10_9_universal2", "13_0_arm64", "14_0_arm64")]
    assert best(*tags, target=target, floors=Floors(macos=macos)) == ([kept], needs)


def test_no_arm64_machine_has_a_macos_before_its_first() -> None:
    tags = "cp312-cp312-macosx_11_0_arm64"
    assert best(tags, target=on("macos-arm64"), floors=Floors(macos=(10, 15))) == ([tags], "")


@pytest.mark.parametrize(
    "platform", ["windows-amd64", "windows-arm64", "musllinux-x86_64", "musllinux-aarch64"]
)
def test_without_a_floor_the_order_of_tags_decides(platform: str) -> None:
    arch = platform.replace("windows-", "win_").replace("musllinux-", "musllinux_1_2_")
    own, stable, pure = f"cp312-cp312-{arch}", f"cp38-abi3-{arch}", "py3-none-any"
    floors = Floors((99, 0), (99, 0))
    assert best(pure, stable, own, target=on(platform), floors=floors) == ([own], "")
    assert best(pure, stable, target=on(platform), floors=floors) == ([stable], "")
    assert best(pure, target=on(platform), floors=floors) == ([pure], "")


def test_the_highest_build_of_the_same_tags_is_the_best() -> None:
    assert best("py3-none-any", "2-py3-none-any", "10-py3-none-any", "9b-py3-none-any")[0] == [
        "10-py3-none-any"
    ]
    assert best("1-py3-none-any", "py3-none-any")[0] == ["1-py3-none-any"]


def test_what_newer_machines_need_is_said_under_both_policies() -> None:
    files = pin("demo", "1.0", NEWER_LINUX, WINDOWS, SDIST).files
    for policy in (Policy(), Policy("best-per-floor"), Policy(sdists="always")):
        assert choose(files, HERE, policy).needs == "glibc 2.34"
        assert choose(pin("demo", "1.0", PURE, NEWER_LINUX).files, HERE, policy).needs == ""
        assert choose(pin("demo", "1.0", WINDOWS).files, HERE, policy).needs == ""


INTERPRETERS = (
    "py3-none",
    "py2.py3-none",
    "cp312-cp312",
    "cp311-cp311",
    "cp38-abi3",
    "cp313-cp313t",
    "pp310-x",
)
SYSTEMS = (
    "any",
    "linux_x86_64",
    "manylinux1_x86_64",
    "manylinux2014_x86_64.manylinux_2_17_x86_64",
    "manylinux_2_28_x86_64",
    "manylinux_2_34_x86_64",
    "manylinux_2_28_aarch64",
    "musllinux_1_1_x86_64",
    "musllinux_1_2_x86_64",
    "macosx_10_9_universal2",
    "macosx_11_0_arm64",
    "macosx_14_0_arm64",
    "macosx_10_13_x86_64",
    "win_amd64",
    "win_arm64",
)
names = st.builds(
    "demo-1.0-{}{}-{}.whl".format,
    st.sampled_from(("", "1-", "2b-")),
    st.sampled_from(INTERPRETERS),
    st.sampled_from(SYSTEMS),
)
targets = st.builds(on, st.sampled_from(list(PLATFORMS)), st.sampled_from(("3.8", "3.12", "3.13t")))
floors_of_all = st.builds(
    Floors, st.tuples(st.just(2), st.integers(5, 40)), st.tuples(st.integers(10, 15), st.integers(0, 15))
)


def installable(file: str, target: Target, floors: Floors) -> bool:
    """Whether a machine at the floor takes a wheel, as an installer on that machine finds out."""
    platform = target.platform
    if platform.platform_system == "Darwin":
        oldest = max(floors.macos, (11, 0)) if platform.platform_machine == "arm64" else floors.macos
        platforms = {*mac_platforms(oldest, platform.tag_arch), "any"}
    elif platform.platform_system == "Linux" and not platform.libc:
        minors = range(floors.glibc[1] + 1)
        old = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
        platforms = {f"manylinux_2_{minor}_{platform.tag_arch}" for minor in minors}
        platforms |= {f"{name}_{platform.tag_arch}" for minor, name in old.items() if minor in minors}
        platforms |= {f"linux_{platform.tag_arch}", "any"}
    else:
        platforms = {*platform.platform_tags, "any"}
    tags = {tag for tag in target.tags if tag.platform in platforms}
    return bool(tags & parse_wheel_filename(file)[3])


@settings(deadline=None, max_examples=300)
@given(st.lists(names, unique=True, min_size=1, max_size=8), targets, floors_of_all)
def test_the_best_wheel_serves_whom_all_wheels_serve(
    files: list[str], target: Target, floors: Floors
) -> None:
    everything = chosen(files, Policy(floors=floors), target)
    kept = choose(pin("demo", "1.0", *files).files, target, Policy("best-per-floor", floors=floors))
    assert len(kept.wheels) == min(1, len(everything))
    assert {file.name for file in kept.wheels} <= set(everything)
    at_floor = [file for file in everything if installable(file, target, floors)]
    assert any(installable(file.name, target, floors) for file in kept.wheels) == bool(at_floor)
    assert bool(kept.needs) == bool(everything and not at_floor)


@settings(deadline=None, max_examples=100)
@given(st.lists(names, unique=True, min_size=1, max_size=8), targets, floors_of_all, st.randoms())
def test_the_best_wheel_does_not_depend_on_the_order_of_the_lock(
    files: list[str], target: Target, floors: Floors, chance: random.Random
) -> None:
    policy, turned = Policy("best-per-floor", floors=floors), chance.sample(files, len(files))
    assert chosen(files, policy, target) == chosen(turned, policy, target)
