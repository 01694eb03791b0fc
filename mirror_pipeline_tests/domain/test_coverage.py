"""Which files of a pin serve a target, and what is said where none does."""

from __future__ import annotations

import pytest

from mirror_pipeline.domain.coverage import Policy, SdistPolicy, chosen_files, compatible_wheels, gap_reason
from mirror_pipeline.domain.target import PLATFORMS, Python, Target
from mirror_pipeline_tests.locks import pin

PURE = "demo-1.0-py3-none-any.whl"
LINUX = "demo-1.0-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"
NEWER_LINUX = "demo-1.0-cp312-cp312-manylinux_2_34_x86_64.whl"
OLD_PYTHON = "demo-1.0-cp39-cp39-manylinux2014_x86_64.whl"
WINDOWS = "demo-1.0-cp312-cp312-win_amd64.whl"
SDIST = "demo-1.0.tar.gz"
EGG = "demo-1.0-py3.12.egg"

HERE = Target(PLATFORMS["linux-x86_64"], Python(12))


def chosen(files: list[str], policy: Policy, target: Target = HERE) -> list[str]:
    return [file.name for file in chosen_files(pin("demo", "1.0", *files).files, target, policy)]


def reason(*files: str, target: Target = HERE) -> str:
    return gap_reason(pin("demo", "1.0", *files).files, target)


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
    assert gap_reason((), HERE) == "the lock lists no files for it"


@pytest.mark.parametrize("files", [[SDIST], [SDIST, EGG], [EGG]])
def test_a_gap_without_wheels_says_so(files: list[str]) -> None:
    assert reason(*files) == "source only: no wheel was published"


def test_a_gap_of_a_platform_names_it() -> None:
    assert reason(WINDOWS, SDIST) == "no wheel for linux-x86_64 among 1"


def test_a_gap_of_a_python_names_the_pythons_there_are() -> None:
    assert reason(OLD_PYTHON, WINDOWS) == "wheels for linux-x86_64 are for other Pythons only: cp39"


def test_wheels_for_any_platform_are_not_called_missing_for_this_one() -> None:
    assert reason("demo-1.0-py2-none-any.whl") == "wheels for linux-x86_64 are for other Pythons only: py2"
