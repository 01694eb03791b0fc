"""Markers as locks write them, and what they become."""

from __future__ import annotations

import pytest

from mirror_pipeline.errors import LockError
from mirror_pipeline.lockfiles.markers import of_the_selection, parse_marker, with_extra
from mirror_pipeline.lockfiles.table import Table

TABLE = Table({}, "shop/uv.lock", "package[3]")


@pytest.mark.parametrize("text", ["", "  ", "\n"])
def test_an_empty_text_holds_everywhere(text: str) -> None:
    assert parse_marker(text, TABLE, "marker") is None


@pytest.mark.parametrize(
    "text",
    [
        "sys_platform == 'linux'",
        "'x' in extras and python_version < '3.12'",
        "'dev' not in dependency_groups",
        "platform_machine in 'x86_64 aarch64'",
        "python_full_version >= '3.11.4'",
    ],
)
def test_what_packaging_and_the_marker_algebra_understand_is_a_marker(text: str) -> None:
    assert str(parse_marker(text, TABLE, "marker")) == text.replace("'", '"')


@pytest.mark.parametrize(
    "text",
    [
        "sys_platform",
        "sys_platform = 'linux'",
        "sys_platform == ",
        "extra in 'x'",
        "extra > 'x'",
        "extra == os_name",
        "sys_platform == 'a\"b'",
        "python_version >= '" + "9" * 5000 + "'",
        "(" * 3000,
        "x" * 5000,
        "sys_platform != 'a\u2028--index-url https://evil.example'",
        "sys_platform != 'a\x0b-e .'",
    ],
)
def test_any_other_text_is_refused_with_its_place_in_a_line_that_can_be_read(text: str) -> None:
    with pytest.raises(LockError) as caught:
        parse_marker(text, TABLE, "marker")
    assert str(caught.value).startswith("shop/uv.lock: package[3].marker: ")
    assert str(caught.value).endswith("is not an environment marker")
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("extra == 'x'", '"x" in extras'),
        ("extra != 'x'", '"x" not in extras'),
        ("'x' == extra", '"x" in extras'),
        ("os_name == 'nt' and extra == \"a-b\"", "os_name == 'nt' and \"a-b\" in extras"),
        ("extra!='c' or os_name == 'nt'", "\"c\" not in extras or os_name == 'nt'"),
        ("'x' in extras", "'x' in extras"),
        ("os_name == 'nt'", "os_name == 'nt'"),
    ],
)
def test_an_extra_of_the_project_is_asked_of_the_selection(written: str, meant: str) -> None:
    assert of_the_selection(written) == meant


def test_a_tool_may_write_one_thing_for_another() -> None:
    found = of_the_selection("extra == 'group-4-shop-dev'", lambda name: (name[13:], "dependency_groups"))
    assert found == '"dev" in dependency_groups'


@pytest.mark.parametrize(
    ("written", "extra", "meant"),
    [
        ("extra == 'x'", "x", ""),
        ("extra == 'x'", "y", None),
        ("extra == 'x'", "", None),
        ("extra != 'x'", "", ""),
        ("extra == 'x' and os_name == 'nt'", "x", 'os_name == "nt"'),
        ("extra == 'x' or os_name == 'nt'", "y", 'os_name == "nt"'),
        ("os_name == 'nt'", "x", "os_name == 'nt'"),
    ],
)
def test_an_extra_of_a_package_is_resolved(written: str, extra: str, meant: str | None) -> None:
    assert with_extra(written, extra) == meant
