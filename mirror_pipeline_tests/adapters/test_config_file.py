"""``config.env`` as people write it: keys are set, and nothing else changes."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror_pipeline.adapters.config_file import set_values, with_values
from mirror_pipeline.config_values import parse_file
from mirror_pipeline.errors import StorageError

KEYS = ("A", "B", "LONG_A")
NAMES = ("# A=1", "# about B", "", "  ", "#", "# 'A'")

blanks = st.sampled_from(["", " ", "\t", "  "])
values = st.sampled_from(["", "1", "x y", "a#b", "https://a.example/?q=1#f", "it=is"])
quotes = st.sampled_from(["", "'", '"'])
comments = st.sampled_from(["", " # A=3", "\t#x", " # 'quoted'"])
ends = st.sampled_from(["\n", "\r\n"])


@st.composite
def lines(draw: st.DrawFn) -> str:
    if draw(st.booleans()):
        return draw(st.sampled_from(NAMES))
    prefix = draw(st.sampled_from(["", "export ", "  "]))
    quote, value = draw(quotes), draw(values)
    assignment = f"{draw(st.sampled_from(KEYS))}{draw(blanks)}={draw(blanks)}{quote}{value}{quote}"
    return f"{prefix}{assignment}{draw(comments)}"


@st.composite
def files(draw: st.DrawFn) -> str:
    end = draw(ends)
    text = end.join(draw(st.lists(lines(), max_size=6)))
    return text + (end if draw(st.booleans()) else "")


def parsed(text: str) -> dict[str, str]:
    return parse_file(text, "config.env", KEYS)[0]


@given(files(), st.sampled_from(KEYS), st.sampled_from(["E1ABC", "d1.cloudfront.net", ""]))
def test_a_key_has_its_value_and_all_others_keep_theirs(text: str, key: str, value: str) -> None:
    changed = with_values(text, {key: value})
    assert parsed(changed) == {**parsed(text), key: value}
    assert with_values(changed, {key: value}) == changed


@given(files(), st.sampled_from(KEYS))
def test_what_is_no_value_of_that_key_stays_byte_for_byte(text: str, key: str) -> None:
    before, after = (
        text.splitlines(keepends=True),
        with_values(text, {key: "E1ABC"}).splitlines(keepends=True),
    )
    changed = [pair for pair in zip(before, after, strict=False) if pair[0].rstrip() != pair[1].rstrip()]
    assert len(changed) <= 1
    assert len(after) - len(before) == (0 if key in parsed(text) else 1)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("A=\n", "A=new\n"),
        ("A= # later\n", "A=new # later\n"),
        ("A = old  # c\n", "A = new  # c\n"),
        ("A='old' # c\n", "A='new' # c\n"),
        ('export A="old"\n', 'export A="new"\n'),
        ("# A=1\nA=2\n# end", "# A=1\nA=new\n# end"),
        ("A=1\nA=2\n", "A=1\nA=new\n"),  # the later one counts
        ("B=1\n", "B=1\nA=new\n"),
        ("B=1", "B=1\nA=new\n"),
        ("B=1\r\n", "B=1\r\nA=new\r\n"),
        ("\ufeffA=1\n", "\ufeffA=new\n"),
        ("BA=1\nA=1", "BA=1\nA=new"),
        ("", "A=new\n"),
        ("A='new'\n", "A='new'\n"),
    ],
)
def test_the_line_keeps_its_form(before: str, after: str) -> None:
    assert with_values(before, {"A": "new"}) == after


def test_a_value_with_spaces_is_quoted() -> None:
    assert with_values("A=1\n", {"A": "x y"}) == "A='x y'\n"


def test_a_file_is_replaced_and_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "config.env"
    path.write_bytes(b"\xef\xbb\xbf# mine\r\nA=1\r\n")
    path.chmod(0o600)
    assert set_values(path, {"A": "2"})
    assert path.read_bytes() == b"\xef\xbb\xbf# mine\r\nA=2\r\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["config.env"]


def test_a_file_that_is_read_only_to_its_owner_alone_stays_so(tmp_path: Path) -> None:
    path = tmp_path / "config.env"
    path.write_text("A=1\n")
    path.chmod(0o400)
    assert set_values(path, {"A": "2"})
    assert stat.S_IMODE(path.stat().st_mode) == 0o400


def test_nothing_is_written_where_nothing_changes(tmp_path: Path) -> None:
    path = tmp_path / "config.env"
    path.write_text("A=1\n")
    before = path.stat()
    assert not set_values(path, {"A": "1"})
    assert path.stat().st_ino == before.st_ino


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "shared.env").write_text("A=1\n")
    link = tmp_path / "config.env"
    link.symlink_to("shared.env")
    assert set_values(link, {"A": "2"})
    assert link.is_symlink()
    assert (tmp_path / "shared.env").read_text() == "A=2\n"


def test_a_file_that_is_gone_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        set_values(tmp_path / "config.env", {"A": "2"})
