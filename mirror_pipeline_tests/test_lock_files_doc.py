"""``docs/lock-files.md`` is true: every cell of its table is shown by a lock of that format.

The cells are in ``lockfiles/features/cases.py``. What the page says of each format in words is shown by the
tests of its reader.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from mirror_pipeline import settings
from mirror_pipeline.lockfiles.formats import LOCK_FILE_NAMES, READERS
from mirror_pipeline_tests.lockfiles.features.cases import CASES, Case
from mirror_pipeline_tests.lockfiles.features.reading import refused
from mirror_pipeline_tests.lockfiles.features.scenes import Scene
from mirror_pipeline_tests.lockfiles.features.writers import COLUMNS, REQUIREMENTS, Column

PAGE = (Path(__file__).parent.parent / "docs" / "lock-files.md").read_text("utf-8")
NOTHING = "—"
_NOTE = re.compile(r"\[\^([a-z0-9-]+)\]")


def section(heading: str) -> str:
    """What the page has under a heading."""
    return PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def rows(text: str) -> list[list[str]]:
    """The rows of the table in a text, without its head, footnote marks and markup of cells at their ends."""
    lines = [line.strip().strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    return [[_NOTE.sub("", cell).strip() for cell in line] for line in lines]


def features() -> Mapping[tuple[str, str], str]:
    """The cells of the table of features, by row and column."""
    head, _, *found = rows(section("Formats and features"))
    return {(row[0], column): word for row in found for column, word in zip(head[1:], row[1:], strict=True)}


CELLS = features()


def test_the_table_has_a_column_for_every_format_and_version() -> None:
    assert list(dict.fromkeys(column for _, column in CELLS)) == [column.name for column in COLUMNS]


def test_every_cell_that_says_something_has_its_case_and_no_other_has_one() -> None:
    assert {place: word for place, word in CELLS.items() if word != NOTHING} == {
        place: case.word for place, case in CASES.items()
    }


@pytest.mark.parametrize(
    ("case", "version"),
    [
        pytest.param(case, version, id=f"{row} | {column} | {version}".replace("–", "-"))
        for (row, column), case in CASES.items()
        for version in case.versions
    ],
)
def test_a_cell_is_true(case: Case, version: str) -> None:
    case.check(version)


def test_footnotes_are_there_and_used() -> None:
    mark = re.compile(r"^\[\^([a-z0-9-]+)\]:", re.MULTILINE)
    defined, used = mark.findall(PAGE), _NOTE.findall(mark.sub("", PAGE))
    assert len(defined) == len(set(defined))
    assert set(defined) == set(used)


def test_every_reader_and_every_name_to_look_for_is_told() -> None:
    _, _, *formats = rows(section("Which lock is taken"))
    assert [row[0] for row in formats] == [reader.name for reader in READERS]
    assert [name for name in LOCK_FILE_NAMES if f"`{name}`" not in section("Which lock is taken")] == []


def test_every_key_that_the_page_names_exists() -> None:
    named = set(re.findall(r"\b(?:MIRROR|ORBIT)_[A-Z_]+\b", PAGE))
    assert {"ORBIT_PROJECT", "MIRROR_REQUIREMENTS_DEV"} <= named
    assert named <= set(settings._DEFAULTS)  # noqa: SLF001 - the one list of keys


@pytest.mark.parametrize("column", [column for column in COLUMNS if column is not REQUIREMENTS])
def test_further_requirements_beside_a_lock_of_another_format_are_refused(column: Column) -> None:
    project = column.write(Scene(), column.versions[-1])
    files = {**project.files, "dev.txt": b"alpha==1.0\n"}
    refused(replace(project, files=files, groups={"dev": ("dev.txt",)}), "MIRROR_REQUIREMENTS_DEV goes with")
