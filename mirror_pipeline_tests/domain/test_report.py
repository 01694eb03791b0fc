"""Tables for people: well-formed Markdown, whatever stands in the cells."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirror_pipeline.domain.lock import Selection
from mirror_pipeline.domain.plan import Plan, Wanted, make_plan
from mirror_pipeline.domain.report import (
    as_markdown,
    coverage_matrix,
    floor_table,
    gap_table,
    megabytes,
    size_table,
    table,
)
from mirror_pipeline.domain.target import Python
from mirror_pipeline.domain.verification import Finding, Judged, Report
from mirror_pipeline_tests.locks import lock_of, pin

PLAN: Plan = make_plan(
    [
        Wanted(
            lock_of(pin("a"), pin("b", "1.0", "b-1.0-cp312-cp312-win_amd64.whl")),
            Selection(),
            (Python(11), Python(12)),
        )
    ],
    ["linux-x86_64", "windows-amd64", "noarch"],
)


def cells(row: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]]


@settings(deadline=None)
@given(st.lists(st.tuples(st.text(max_size=9), st.integers() | st.none()), max_size=5))
def test_every_row_has_the_cells_of_the_header(rows: list[tuple[object, object]]) -> None:
    cleaned = [(str(text).replace("\\", "").replace("\r", ""), number) for text, number in rows]
    lines = re.split("\n", table(("one", "two"), cleaned))
    assert len(lines) == 2 + len(rows)
    assert [len(cells(line)) for line in lines] == [2] * len(lines)


def test_a_long_table_is_cut_with_a_note() -> None:
    lines = table(("name", "number"), [("x", number) for number in range(130)]).splitlines()
    assert len(lines) == 2 + 100 + 1
    assert cells(lines[-1]) == ["… 30 more", ""]


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0.0 MB"), (49_999, "0.0 MB"), (1_500_000, "1.5 MB"), (12_345_678_900, "12,345.7 MB")],
)
def test_sizes(size: int, text: str) -> None:
    assert megabytes(size) == text


def matrix(plan: Plan) -> list[list[str]]:
    header, _, *rows = coverage_matrix(plan).replace("\u00a0", " ").splitlines()
    return [cells(line) for line in (header, *rows)]


def test_the_coverage_of_every_target() -> None:
    assert matrix(PLAN) == [
        ["platform", "3.11", "3.12"],
        ["linux-x86_64", "**1 of 2**", "**1 of 2**"],
        ["windows-amd64", "**1 of 2**", "✓ 2"],
    ]


def test_a_target_that_is_not_asked_for_has_no_coverage() -> None:
    targets = {target: pins for target, pins in PLAN.targets.items() if target != "linux-x86_64/3.12"}
    assert matrix(replace(PLAN, targets=targets))[1] == ["linux-x86_64", "**1 of 2**", "—"]


def test_nothing_planned_has_no_coverage() -> None:
    assert matrix(Plan()) == [["platform"]]


def test_gaps_with_their_reasons() -> None:
    assert gap_table(()) == "No gaps."
    assert [cells(line) for line in gap_table(PLAN.gaps).splitlines()[2:]] == [
        ["linux-x86_64", "b", "1.0", "3.11, 3.12", "no wheel for linux-x86_64 among 1", "shop"],
        [
            "windows-amd64",
            "b",
            "1.0",
            "3.11",
            "wheels for windows-amd64 are for other Pythons only: cp312",
            "shop",
        ],
    ]


def test_floors_with_what_is_needed() -> None:
    assert floor_table(()) == "Machines at the floor can install all that newer ones can."
    lock = lock_of(pin("c", "1.0", "c-1.0-cp312-cp312-manylinux_2_39_x86_64.whl"))
    plan = make_plan([Wanted(lock, Selection(), (Python(12),))], ["linux-x86_64", "noarch"])
    row = ["linux-x86_64", "c", "1.0", "3.12", "glibc 2.39", "glibc 2.28"]
    assert [cells(line) for line in floor_table(plan.floors).splitlines()[2:]] == [row]
    text = as_markdown(Report("r", 1, (Judged("coverage", 1),)), plan)
    assert [cells(line) for line in text.splitlines() if "glibc" in line] == [row]


def test_pins_without_file_names_are_not_called_covered() -> None:
    unnamed = replace(pin("c"), files=(), hashes=("0" * 64,))
    wanted = Wanted(lock_of(pin("a"), unnamed), Selection(), (Python(12),))
    plan = make_plan([wanted], ["linux-x86_64", "noarch"], offline=True)
    assert matrix(plan) == [["platform", "3.12"], ["linux-x86_64", "**1 of 2**"]]


def test_the_biggest_files_come_first() -> None:
    lines = size_table({"small": 1, "big": 4_000_000, "half": 2_000_000}).splitlines()[2:]
    assert [cells(line) for line in lines] == [["big", "4.0 MB"], ["half", "2.0 MB"], ["small", "0.0 MB"]]


def test_a_report_that_passed() -> None:
    layers = (Judged("coverage", 8), Judged("installability", 4, notes=("3.13t: judged by tags",)))
    text = as_markdown(Report("abcdef0123456789", 7, layers, {}), PLAN)
    assert text.startswith("# Verification: passed\n\nGeneration 7, requirements `abcdef012345`.\n")
    assert "| coverage | 8 | 0 |" in text
    assert "- 3.13t: judged by tags" in text
    assert "| layer | subject |" not in text


def test_a_report_with_findings_shows_each() -> None:
    finding = Finding("integrity", "a|b.whl", "the file is missing", "00")
    text = as_markdown(Report("r", None, (Judged("integrity", 1, (finding,)),)), PLAN)
    assert text.startswith("# Verification: 1 findings\n")
    assert "| integrity | a\\|b.whl | the file is missing | 00 |  |" in text


def test_a_report_that_checked_nothing_does_not_claim_to_have_passed() -> None:
    text = as_markdown(Report("r", 1, (Judged("coverage", 0),)), PLAN)
    assert "passed" not in text.splitlines()[0]
