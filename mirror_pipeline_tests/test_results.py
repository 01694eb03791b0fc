"""What people see of long answers."""

from __future__ import annotations

import pytest

from mirror_pipeline.domain.verification import Finding
from mirror_pipeline.results import print_findings, print_table


def test_findings_fit_a_screen_and_the_rest_is_in_the_report(capsys: pytest.CaptureFixture[str]) -> None:
    findings = [Finding("integrity", f"file-{number:03}.whl", "x" * 900) for number in range(400)]
    print_findings(findings)
    shown = capsys.readouterr().out
    assert "file-000.whl" in shown
    assert "file-399.whl" not in shown
    assert "and 375 more, all of them in reports/verification-latest.md" in shown
    assert shown.count("\n") < 25 * 40


def test_few_findings_are_all_shown(capsys: pytest.CaptureFixture[str]) -> None:
    print_findings([Finding("index", "simple/a/index.html", "missing")])
    shown = capsys.readouterr().out
    assert "simple/a/index.html" in shown
    assert "more" not in shown


def test_what_stands_in_brackets_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    print_table("of [a]", ("", ""), [("held", "see [JIRA-1] and [/x]: numpy[extra]")])
    shown = capsys.readouterr().out
    assert "see [JIRA-1] and [/x]: numpy[extra]" in shown
    assert "of [a]" in shown


@pytest.mark.parametrize(("header", "headed"), [(("", ""), False), (("name", ""), True)])
def test_a_table_without_names_has_no_row_for_them(
    capsys: pytest.CaptureFixture[str], header: tuple[str, str], headed: bool
) -> None:
    print_table("Mirror", header, [("gaps", "0")])
    assert len(capsys.readouterr().out.splitlines()) == (6 if headed else 4)
