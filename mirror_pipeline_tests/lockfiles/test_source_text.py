"""What is no lock at all is refused with its path, and with the line where that helps."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mirror_pipeline.errors import LockError
from mirror_pipeline.lockfiles.source_text import decode, parse_toml

PATH = "shop/poetry.lock"


def refused(content: bytes) -> LockError:
    with pytest.raises(LockError) as caught:
        parse_toml(content, PATH)
    error = caught.value
    assert error.facts["lock"] == PATH
    assert str(error).startswith(PATH)
    assert "\n" not in str(error)
    return error


def test_a_document() -> None:
    assert parse_toml(b'a = 1\n[b]\nc = "\xc3\xa9"\n', PATH) == {"a": 1, "b": {"c": "é"}}


def test_a_byte_order_mark_is_accepted() -> None:
    assert parse_toml(b"\xef\xbb\xbfa = 1\n", PATH) == {"a": 1}


def test_windows_line_ends_are_accepted() -> None:
    assert parse_toml(b"a = 1\r\n[b]\r\nc = 2\r\n", PATH) == {"a": 1, "b": {"c": 2}}


@pytest.mark.parametrize("content", [b"", b"\n", b" \r\n\t\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n"])
def test_an_empty_file(content: bytes) -> None:
    error = refused(content)
    assert "the file is empty" in str(error)
    assert error.hint


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"\xff\xfea\x00 \x00", 1),
        (b"a = 1\nb = '\xe9'\n", 2),
        (b"a = 1\r\n\r\n# \xc3(\r\n", 3),
        (b"\xef\xbb\xbf\n\n\n\x80", 4),
    ],
)
def test_bytes_that_are_not_utf8_are_refused_with_the_line(content: bytes, line: int) -> None:
    error = refused(content)
    assert error.facts["line"] == line
    assert f"{PATH}:{line}: not UTF-8 text" in str(error)


@pytest.mark.parametrize(
    ("content", "line", "marker"),
    [
        (b"<<<<<<< HEAD\na = 1\n=======\na = 2\n>>>>>>> other\n", 1, "<<<<<<<"),
        (b"a = 1\nb = 1\n<<<<<<< HEAD\n", 3, "<<<<<<<"),
        (b"a = 1\r\n\r\n<<<<<<< HEAD\r\n", 3, "<<<<<<<"),
        (b"a = 1\n||||||| 1234abc\n", 2, "|||||||"),
        (b"a = 1\n=======\n", 2, "======="),
        (b"a = 1\n>>>>>>> theirs\n", 2, ">>>>>>>"),
        (b"a = 1\n=======", 2, "======="),
    ],
)
def test_a_merge_conflict_is_refused_with_the_line(content: bytes, line: int, marker: str) -> None:
    error = refused(content)
    assert error.facts["line"] == line
    assert f"merge-conflict marker {marker}" in str(error)
    assert "resolve" in error.hint


@pytest.mark.parametrize("content", [b'a = "<<<<<<< HEAD"\n', b"# =======\n", b'a = "x" # >>>>>>> y\n'])
def test_what_only_looks_like_a_conflict_within_a_line(content: bytes) -> None:
    assert set(parse_toml(content, PATH)) <= {"a"}


def test_a_pointer_to_large_file_storage() -> None:
    error = refused(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n")
    assert "Git LFS pointer" in str(error)
    assert "git lfs pull" in error.hint


@pytest.mark.parametrize(
    "content",
    [b"<!DOCTYPE html>\n<title>404</title>", b"\n <HTML>", b"<?xml version='1.0'?>", b"<!doctype HTML>"],
)
def test_a_web_page(content: bytes) -> None:
    assert "web page" in str(refused(content))


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"a = \n", 1),
        (b"a = 1\n[[package]\n", 2),
        (b"a = 1\nb = [\n  1,\n", None),
        (b'a = 1\n\nb = "cut sh', None),
        (b"a = 1\na = 2\n", 2),
        (b"a = 1\n\nb = 1\r", None),
        (b"plain words\n", 1),
    ],
)
def test_a_syntax_error(content: bytes, line: int | None) -> None:
    error = refused(content)
    assert "not valid TOML" in str(error)
    assert "cut short" in error.hint
    if line is not None:
        assert error.facts["line"] == line
        assert str(error).startswith(f"{PATH}:{line}: ")


@pytest.mark.parametrize(
    "content",
    [
        b"a = " + b"[" * 50_000,
        b"a = " + b"{a=" * 50_000,
        b"a = " + b"9" * 5_000,
        b".".join([b"a"] * 20_000) + b" = 1",
    ],
)
def test_documents_beyond_all_measure(content: bytes) -> None:
    assert len(str(refused(content))) < 500


@settings(deadline=None)
@given(st.binary(max_size=60) | st.text(st.sampled_from("a=[]{}\"'#\n\r<>.1 "), max_size=40).map(str.encode))
@example(b"\x00")
@example(b"a = 0001-01-01T00:00:00Z")
def test_any_bytes_are_a_document_or_refused(content: bytes) -> None:
    try:
        document = parse_toml(content, PATH)
    except LockError as error:
        facts = error.facts
    else:
        facts = {"lock": PATH}
        assert all(isinstance(key, str) for key in document)
    assert facts["lock"] == PATH


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_characters="<=>|"), min_size=1).filter(str.strip))
def test_other_text_is_left_as_it_is(text: str) -> None:
    assert decode(f"x{text}".encode(), PATH) == f"x{text}"
