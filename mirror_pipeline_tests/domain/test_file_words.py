"""Where a file runs, in words."""

from __future__ import annotations

import pytest

from mirror_pipeline.domain.file_words import bounds_in_words, pythons_in_words, runs_on


@pytest.mark.parametrize(
    ("tag", "platform", "needs"),
    [
        ("py3-none-any", "Any platform", "Python 3"),
        ("py2.py3-none-any", "Any platform", "Python 2 / Python 3"),
        ("py37-none-any", "Any platform", "Python 3.7+"),
        (
            "cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64",
            "Linux x86-64",
            "CPython 3.11, glibc 2.17+",
        ),
        ("cp310-abi3-manylinux_2_28_aarch64", "Linux ARM64", "CPython 3.10+, glibc 2.28+"),
        ("cp313-cp313t-musllinux_1_2_x86_64", "Linux x86-64", "CPython 3.13t, musl 1.2+"),
        (
            "py3-none-manylinux_2_17_x86_64.musllinux_1_1_x86_64",
            "Linux x86-64",
            "Python 3, glibc 2.17+ or musl 1.1+",
        ),
        ("cp312-cp312-linux_x86_64", "Linux x86-64", "CPython 3.12"),
        ("cp311-cp311-macosx_11_0_arm64", "macOS", "CPython 3.11, 11.0+ on ARM64"),
        (
            "cp311-cp311-macosx_10_15_x86_64.macosx_11_0_arm64.macosx_10_15_universal2",
            "macOS",
            "CPython 3.11, 10.15+ on Intel and ARM64",
        ),
        ("cp311-cp311-win_amd64", "Windows x86-64", "CPython 3.11"),
        ("cp311-cp311-win32", "Windows x86", "CPython 3.11"),
        ("pp310-pypy310_pp73-win_amd64", "Windows x86-64", "PyPy 3.10"),
        ("graalpy311-graalpy242_311_native-any", "Any platform", "graalpy311"),
        ("cp312-cp312-emscripten_3_1_58_wasm32", "emscripten_3_1_58_wasm32", "CPython 3.12"),
        ("py3-none-win32.win_amd64", "Windows x86 / Windows x86-64", "Python 3"),
    ],
)
def test_the_tags_of_a_wheel_in_words(tag: str, platform: str, needs: str) -> None:
    words = runs_on(f"shop-1.0-{tag}.whl")
    assert (words.platform, words.needs) == (platform, needs)


def test_a_build_number_is_no_tag() -> None:
    assert runs_on("shop-1.0-2-py3-none-any.whl") == runs_on("shop-1.0-py3-none-any.whl")


def test_what_is_no_wheel_has_to_be_built() -> None:
    assert runs_on("shop-1.0.tar.gz").platform == "Source"


def test_a_name_that_is_no_wheels_says_nothing() -> None:
    assert runs_on("shop.whl").platform == ""


def test_platforms_have_their_places() -> None:
    tags = ["py3-none-any", "cp311-cp311-linux_x86_64", "cp311-cp311-manylinux_2_17_aarch64",
            "cp311-cp311-macosx_11_0_arm64", "cp311-cp311-win_amd64", "cp311-cp311-win_arm64",
            "cp311-cp311-emscripten"]  # fmt: skip
    files = [*(f"shop-1.0-{tag}.whl" for tag in tags), "shop-1.0.tar.gz"]
    assert sorted(sorted(files), key=lambda file: runs_on(file).place) == files


@pytest.mark.parametrize(
    ("pythons", "expected"),
    [
        (["3.10", "3.11", "3.12", "3.13"], "3.10 to 3.13"),
        (["3.10", "3.12", "3.13"], "3.10, 3.12, 3.13"),
        (["3.12", "3.13"], "3.12, 3.13"),
        (["3.11", "3.12", "3.13", "3.13t"], "3.11 to 3.13, 3.13t"),
        ([], ""),
    ],
)
def test_pythons_in_words(pythons: list[str], expected: str) -> None:
    assert pythons_in_words(pythons) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<3.15,>=3.10", ">=3.10, <3.15"),
        ("!=3.9.1, <4 ,>=3.8", ">=3.8, !=3.9.1, <4"),
        ("~=3.8", "~=3.8"),
        ("", ""),
        ("nonsense", "nonsense"),
    ],
)
def test_lower_bounds_come_first(text: str, expected: str) -> None:
    assert bounds_in_words(text) == expected
