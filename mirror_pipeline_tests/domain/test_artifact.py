"""Names of distribution files: which are safe to store and serve, and what they say."""

from __future__ import annotations

from pathlib import PurePosixPath, PureWindowsPath
from urllib.parse import quote, unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirror_pipeline.domain.artifact import (
    Artifact,
    is_any_platform,
    is_safe_file_name,
    is_sdist,
    is_sha256,
    wheel_tags,
)
from mirror_pipeline_tests.locks import digest_of, pin


@pytest.mark.parametrize(
    "name",
    [
        "demo-1.0-py3-none-any.whl",
        "demo-1.0+cpu-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        "demo-1!2.0.tar.gz",
        "Demo_X.y-1.0.zip",
        "a",
        "a..b-1.0.tar.gz",
    ],
)
def test_names_that_are_safe(name: str) -> None:
    assert is_safe_file_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        ".hidden-1.0.tar.gz",
        "../demo-1.0.tar.gz",
        "..%2fdemo-1.0.tar.gz",
        "sub/demo-1.0.tar.gz",
        "sub\\demo-1.0.tar.gz",
        "/etc/demo-1.0.tar.gz",
        "C:demo-1.0.tar.gz",
        "demo 1.0.tar.gz",
        "demo-1.0.tar.gz\n",
        "demo-1.0.tar.gz\0",
        "demo?-1.0.tar.gz",
        "demo#-1.0.tar.gz",
        "demo%41-1.0.tar.gz",
        '"demo"-1.0.tar.gz',
        "<demo>-1.0.tar.gz",
        "démo-1.0.tar.gz",
        "-demo-1.0.tar.gz",
        "+demo-1.0.tar.gz",
        "d" * 251,
    ],
)
def test_names_that_are_not_safe(name: str) -> None:
    assert not is_safe_file_name(name)


@settings(deadline=None)
@given(st.text(max_size=30) | st.from_regex(r"[A-Za-z0-9./\\%+!_-]{1,30}", fullmatch=True))
def test_a_safe_name_is_one_part_of_a_path_and_of_a_url(name: str) -> None:
    if is_safe_file_name(name):
        assert PurePosixPath(name).parts == PureWindowsPath(name).parts == (name,)
        assert unquote(name) == unquote(quote(name)) == name
        assert name not in (".", "..")
    else:
        assert not name or not name.isalnum() or not name.isascii()


@pytest.mark.parametrize("digest", ["0" * 64, digest_of("x")])
def test_digests(digest: str) -> None:
    assert is_sha256(digest)


@pytest.mark.parametrize(
    "text", ["", "0" * 63, "0" * 65, "F" * 64, "g" * 64, "0" * 64 + "\n", "sha256:" + "0" * 64]
)
def test_what_is_no_digest(text: str) -> None:
    assert not is_sha256(text)


@pytest.mark.parametrize(
    ("name", "tags"),
    [
        ("demo-1.0-py3-none-any.whl", {"py3-none-any"}),
        ("demo-1.0-2-py3-none-any.whl", {"py3-none-any"}),
        ("demo-1.0-py2.py3-none-any.whl", {"py2-none-any", "py3-none-any"}),
        ("demo-1.0+cpu-cp312-cp312-win_amd64.whl", {"cp312-cp312-win_amd64"}),
    ],
)
def test_tags_of_wheels(name: str, tags: set[str]) -> None:
    assert {str(tag) for tag in wheel_tags(name) or ()} == tags


@pytest.mark.parametrize(
    "name",
    [
        "demo-1.0.tar.gz",
        "demo-1.0-py3.10.egg",
        "demo-1.0-py3-none.whl",
        "demo-1.0-x-py3-none-any.whl",
        "demo-one-py3-none-any.whl",
        "demo.whl",
        "demo-1.0-py3-none-any.whl.metadata",
    ],
)
def test_what_is_no_wheel_has_no_tags(name: str) -> None:
    assert wheel_tags(name) is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("demo-1.0.tar.gz", True),
        ("demo-1.0.zip", True),
        ("demo-1.0.tar.bz2", False),
        ("demo-1.0.tgz", False),
        ("demo.tar.gz", False),
        ("demo-1.0-py3-none-any.whl", False),
        ("demo-1.0-py3.10.egg", False),
        ("demo-1.0.win32.exe", False),
    ],
)
def test_source_distributions(name: str, *, expected: bool) -> None:
    assert is_sdist(name) is expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("demo-1.0-py3-none-any.whl", True),
        ("demo-1.0-cp312-none-any.whl", True),
        ("demo-1.0-py3-none-win_amd64.whl", False),
        ("demo-1.0-py3-none-any.linux_x86_64.whl", False),
    ],
)
def test_wheels_for_any_platform(name: str, *, expected: bool) -> None:
    tags = wheel_tags(name)
    assert tags is not None
    assert is_any_platform(tags) is expected


def test_wheels_are_told_from_sdists_and_come_in_the_order_of_names() -> None:
    wheel, sdist = (
        Artifact(name, digest_of(name), pin("demo").name, "1.0")
        for name in ("demo-1.0-py3-none-any.whl", "demo-1.0.tar.gz")
    )
    assert (wheel.is_wheel, sdist.is_wheel) == (True, False)
    assert sorted([sdist, wheel]) == [wheel, sdist]
