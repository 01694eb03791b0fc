"""Charts: drawings that are well-formed whatever they are made of, in Markdown that means them."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from mirror_pipeline.domain.charts import INLINE, Bar, chart, drawing

SVG = "{http://www.w3.org/2000/svg}"
PREFIX = "data:image/svg+xml,"
HOSTILE = "</text><script>alert('1')</script> \"&amp;\" ](x) | `code` \\ %3C # \x00 \n \u202e"

bars = st.lists(
    st.builds(Bar, st.text(max_size=90), st.text(max_size=12), st.floats(0, 1e15)), min_size=1, max_size=12
)


def image(markdown: str) -> Token:
    """The one image that a piece of Markdown is, to a parser of CommonMark."""
    parser = MarkdownIt()
    parser.validateLink = bool  # type: ignore[method-assign,assignment]  # which links are shown is the UI's
    paragraph = [token for token in parser.parse(markdown) if token.type == "inline"]
    assert len(paragraph) == 1
    (token,) = paragraph[0].children or []
    assert token.type == "image"
    return token


def alternative(markdown: str) -> str:
    """What is read where the image cannot be seen."""
    return "".join(part.content for part in image(markdown).children or [])


def svg(markdown: str) -> ET.Element:
    source = str(image(markdown).attrs["src"])
    assert source.startswith(PREFIX)
    return ET.fromstring(unquote(source.removeprefix(PREFIX)))  # noqa: S314  # our own


def texts(drawn: ET.Element) -> list[str]:
    return [element.text or "" for element in drawn.iter(f"{SVG}text")]


def lengths(drawn: ET.Element) -> list[int]:
    (path,) = drawn.iter(f"{SVG}path")
    return [int(piece.partition("h")[2]) for piece in path.attrib["d"].split("M")[1:]]


def test_a_bar_for_each_row() -> None:
    rows = [Bar("linux-x86_64", "12.1 MB", 12.1), Bar("noarch", "3.0 MB", 3.025), Bar("none", "0 MB", 0)]
    drawn = svg(chart(rows, "bytes per platform"))
    assert texts(drawn) == ["12.1 MB linux-x86_64", "3.0 MB noarch", "0 MB none"]
    assert lengths(drawn) == [460, 115, 1]
    assert alternative(chart(rows, "bytes per platform")) == "bytes per platform"


def test_no_bars() -> None:
    assert chart([], "nothing") == ""


def test_nothing_is_longer_than_nothing() -> None:
    assert lengths(svg(chart([Bar("a", "0", 0), Bar("b", "0", 0)], "x"))) == [1, 1]


def test_a_long_name_keeps_its_beginning_and_its_end() -> None:
    file = "mypy-1.18.2-cp311-cp311-manylinux2014_x86_64.manylinux_2_17_x86_64.whl"
    (text,) = texts(svg(chart([Bar(file, "9 MB", 9)], "x")))
    assert text == "9 MB mypy-1.18.2-cp311-cp311-m...inux_2_17_x86_64.whl"


def test_as_many_bars_as_are_shown_in_place() -> None:
    rows = [Bar(f"{number:02}{'x' * 60}.whl", "100.0 MB", 100 - number) for number in range(40)]
    drawn = chart(rows, "the biggest")
    assert len(drawn) < INLINE
    assert len(texts(svg(drawn))) == 8


def test_one_bar_is_there_however_short_the_place() -> None:
    assert len(texts(svg(chart([Bar("a", "1", 1), Bar("b", "1", 1)], "x", most=10)))) == 1


def test_what_looks_like_markup_is_text() -> None:
    markdown = chart([Bar(HOSTILE, "1", 1)], HOSTILE)
    assert [element.tag for element in svg(markdown)] == [f"{SVG}text", f"{SVG}path"]
    assert texts(svg(markdown))[0].startswith("1 </text><script>alert(")
    assert alternative(markdown) == HOSTILE.translate(dict.fromkeys(map(ord, "\x00\n\u202e"), " ")).strip()


@given(bars, st.text(max_size=60))
def test_any_text_makes_a_chart(rows: Sequence[Bar], alt: str) -> None:
    markdown = chart(rows, alt)
    drawn = svg(markdown)
    assert 1 <= len(texts(drawn)) == len(lengths(drawn)) <= len(rows)
    assert all(1 <= length <= 460 for length in lengths(drawn))
    assert len(markdown) < INLINE or len(texts(drawn)) == 1


@given(bars)
def test_longer_means_more(rows: Sequence[Bar]) -> None:
    found = lengths(ET.fromstring(drawing(rows)))  # noqa: S314  # our own
    by_value = [length for _, length in sorted(zip([row.value for row in rows], found, strict=True))]
    assert by_value == sorted(by_value)


@pytest.mark.parametrize("label", ["native-1.0-cp310-abi3-win_amd64.whl", "örtlich", "a b"])
def test_a_short_label_is_told_whole(label: str) -> None:
    assert texts(svg(chart([Bar(label, "1", 1)], label))) == [f"1 {label}"]
