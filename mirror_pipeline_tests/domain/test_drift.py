"""What counts as drift, since when, how bad it is, and what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import NormalizedName

from mirror_pipeline.domain.artifact import Artifact
from mirror_pipeline.domain.drift import Drift, Drifted, Heard, Page, accept, judge
from mirror_pipeline.domain.drift_report import as_markdown, summary
from mirror_pipeline.domain.project_facts import ProjectStatus
from mirror_pipeline.domain.wheelset import UpstreamFile

MONDAY, TUESDAY = date(2026, 3, 2), date(2026, 3, 3)
INDEX = "https://pypi.example/simple/"
ONE = Artifact("alpha-1.0-py3-none-any.whl", "1" * 64, NormalizedName("alpha"), "1.0")
TWO = Artifact("alpha-1.0.tar.gz", "2" * 64, NormalizedName("alpha"), "1.0")
OTHER = Artifact("beta-3.0-py3-none-any.whl", "3" * 64, NormalizedName("beta"), "3.0")


def listed(*artifacts: Artifact, yanked: str | bool = False, index: str = INDEX, status: str = "") -> Page:
    files = {a.file: UpstreamFile(a.file, "", a.sha256, yanked=yanked) for a in artifacts}
    return Page(index, True, files, ProjectStatus(status) if status else ProjectStatus())


def heard(*artifacts: Artifact, pages: tuple[Page, ...], trouble: str = "") -> Heard:
    return Heard(artifacts, pages, trouble)


def look(
    *pins: Heard,
    before: Mapping[str, str | bool] | None = None,
    known: Drift | None = None,
    on: date = MONDAY,
) -> Drift:
    return judge(pins, before or {}, known.found if known else (), on)


def kinds(drift: Drift) -> list[tuple[str, str, str]]:
    return [(item.kind, item.severity, item.subject) for item in drift.found]


class TestKinds:
    def test_nothing(self) -> None:
        drift = look(heard(ONE, TWO, pages=(listed(ONE, TWO),)), heard(OTHER, pages=(listed(OTHER),)))
        assert (drift.found, drift.projects, drift.files, drift.passed) == ((), 2, 3, True)

    def test_a_file_that_is_listed_no_longer(self) -> None:
        drift = look(heard(ONE, TWO, pages=(listed(ONE),)))
        assert kinds(drift) == [("vanished", "error", TWO.file)]
        assert drift.found[0].reason == "upstream no longer lists this file"

    def test_a_page_that_is_gone(self) -> None:
        drift = look(heard(ONE, pages=(Page(INDEX, False),)))
        assert kinds(drift) == [("vanished", "error", ONE.file)]
        assert drift.found[0].reason == "upstream has no such project any more"

    def test_other_bytes_under_the_same_name(self) -> None:
        drift = look(heard(ONE, pages=(listed(replace(ONE, sha256="9" * 64)),)))
        assert kinds(drift) == [("changed", "error", ONE.file)]
        assert (drift.found[0].expected, drift.found[0].actual) == ("1" * 64, "9" * 64)

    def test_a_page_without_digests_changes_nothing(self) -> None:
        page = Page(INDEX, True, {ONE.file: UpstreamFile(ONE.file, "")})
        assert look(heard(ONE, pages=(page,))).passed

    @pytest.mark.parametrize(("yanked", "reason"), [(True, ""), ("leaks\nkeys", "leaks keys")])
    def test_a_yanked_file(self, yanked: str | bool, reason: str) -> None:
        drift = look(heard(ONE, pages=(listed(ONE, yanked=yanked),)))
        assert kinds(drift) == [("yanked", "warning", ONE.file)]
        assert drift.found[0].reason == reason

    def test_a_quarantined_project_is_one_finding_though_its_files_are_gone(self) -> None:
        drift = look(heard(ONE, TWO, pages=(listed(status="quarantined"),)))
        assert kinds(drift) == [("quarantined", "error", "alpha")]

    @pytest.mark.parametrize(("status", "severity"), [("deprecated", "warning"), ("archived", "info")])
    def test_a_marked_project(self, status: str, severity: str) -> None:
        drift = look(heard(ONE, pages=(listed(ONE, status=status),)))
        assert kinds(drift) == [(status, severity, "alpha")]
        assert drift.passed is (severity == "info")

    def test_a_status_that_nobody_knows_is_none(self) -> None:
        assert look(heard(ONE, pages=(listed(ONE, status="resting"),))).found == ()

    def test_the_gravest_comes_first(self) -> None:
        drift = look(
            heard(ONE, pages=(listed(ONE, yanked=True, status="archived"),)), heard(OTHER, pages=(listed(),))
        )
        assert [item.severity for item in drift.found] == ["error", "warning", "info"]
        assert drift.is_grave

    def test_of_two_indexes_the_last_that_was_asked_counts(self) -> None:
        first = Page("https://first.example/simple/", False)
        assert look(heard(ONE, pages=(first, listed(ONE)))).passed
        changed = listed(replace(ONE, sha256="9" * 64), index="https://first.example/simple/")
        assert look(heard(ONE, pages=(changed, listed(ONE)))).passed
        assert kinds(look(heard(ONE, pages=(changed, Page(INDEX, False))))) == [
            ("changed", "error", ONE.file)
        ]


class TestBefore:
    def test_what_was_yanked_when_it_was_mirrored_is_told_and_no_finding(self) -> None:
        pin = heard(ONE, pages=(listed(ONE, yanked="bad"),))
        drift = look(pin, before={ONE.file: "bad"})
        assert kinds(drift) == [("yanked", "info", ONE.file)]
        assert (drift.found[0].since, drift.found[0].new, drift.passed) == ("", False, True)

    def test_what_was_found_stays_found_though_the_file_was_fetched_anew(self) -> None:
        pin = heard(ONE, pages=(listed(ONE, yanked="bad"),))
        later = look(pin, before={ONE.file: "bad"}, known=look(pin), on=TUESDAY)
        assert [item.since for item in later.standing] == ["2026-03-02"]

    def test_a_finding_stands_since_it_was_first_seen(self) -> None:
        pin = heard(ONE, pages=(listed(),))
        first = look(pin)
        assert [(item.since, item.new) for item in first.found] == [("2026-03-02", True)]
        again = look(pin, known=first, on=TUESDAY)
        assert [(item.since, item.new) for item in again.found] == [("2026-03-02", False)]

    def test_what_is_no_longer_so_is_told_once(self) -> None:
        well = heard(ONE, pages=(listed(ONE),))
        second = look(well, known=look(heard(ONE, pages=(listed(),))), on=TUESDAY)
        assert (second.found, [item.kind for item in second.resolved]) == ((), ["vanished"])
        assert look(well, known=second).resolved == ()

    def test_what_is_not_pinned_any_more_is_forgotten(self) -> None:
        known = look(heard(ONE, pages=(listed(),)))
        later = look(heard(OTHER, pages=(listed(OTHER),)), known=known)
        assert (later.found, later.resolved) == ((), ())


class TestTrouble:
    def test_who_does_not_answer_is_neither_well_nor_a_finding(self) -> None:
        drift = look(heard(ONE, pages=(), trouble="HTTP 503"), heard(OTHER, pages=(listed(OTHER),)))
        assert (drift.found, drift.passed, drift.projects) == ((), False, 1)
        assert [(item.project, item.reason) for item in drift.unasked] == [("alpha", "HTTP 503")]

    @pytest.mark.parametrize("page", [listed(), listed(status="quarantined")])
    def test_what_was_found_there_still_stands(self, page: Page) -> None:
        known = look(heard(ONE, pages=(page,)))
        silent = look(heard(ONE, pages=(), trouble="HTTP 503"), known=known, on=TUESDAY)
        assert [item.key for item in silent.standing] == [item.key for item in known.standing]
        assert not any(item.new for item in silent.found)

    def test_of_two_pins_of_a_project_one_may_be_known(self) -> None:
        newer = replace(OTHER, project=ONE.project, version="2.0")
        drift = look(heard(ONE, pages=(listed(),)), heard(newer, pages=(), trouble="HTTP 503"))
        assert kinds(drift) == [("vanished", "error", ONE.file)]
        assert len(drift.unasked) == 1


class TestAccepting:
    @pytest.mark.parametrize("name", ["alpha", ONE.file])
    def test_by_project_or_file(self, name: str) -> None:
        drift, unknown = accept(look(heard(ONE, pages=(listed(ONE, yanked="bad"),))), [name], MONDAY)
        assert (unknown, drift.standing, [item.accepted for item in drift.noted]) == ((), (), ["2026-03-02"])

    def test_a_name_without_a_finding(self) -> None:
        drift = look(heard(ONE, pages=(listed(),)))
        assert accept(drift, ["beta"], MONDAY) == (drift, ("beta",))

    def test_it_lasts_as_long_as_the_reason(self) -> None:
        pin = heard(ONE, pages=(listed(ONE, yanked="bad"),))
        accepted, _ = accept(look(pin), ["alpha"], MONDAY)
        assert look(pin, known=accepted, on=TUESDAY).passed
        worse = heard(ONE, pages=(listed(ONE, yanked="steals passwords"),))
        assert kinds(look(worse, known=accepted, on=TUESDAY)) == [("yanked", "warning", ONE.file)]


def test_the_report_says_everything_and_stays_text() -> None:
    first = look(heard(OTHER, pages=(listed(),)))
    evil = "see [this](https://evil.example) `now` <img src=x> | more"
    drift = look(
        heard(ONE, pages=(listed(ONE, yanked=evil),)),
        heard(OTHER, pages=(listed(OTHER),)),
        heard(replace(TWO, project=NormalizedName("gamma")), pages=(), trouble="HTTP 503"),
        known=first,
        on=TUESDAY,
    )
    text = as_markdown(replace(drift, direct=1))
    assert "2026-03-03 (new)" in text
    assert "`see [this](https://evil.example) 'now' <img src=x> \\| more`" in text
    assert "| gamma | `HTTP 503` |" in text
    assert "## No longer so" in text
    assert "where no page tells of them: 1 file." in text
    assert summary(drift) == "1 finding (1 new), 2 projects and 2 files compared, 1 project not asked about"


DIGESTS = st.sampled_from(["1" * 64, "2" * 64, "3" * 64])
FILES = st.dictionaries(st.sampled_from(["a-1.whl", "a-2.whl", "a-1.tar.gz", "a-3.zip"]), DIGESTS, min_size=1)
YANKS = st.one_of(st.booleans(), st.text(min_size=1, max_size=5))


def artifacts_of(files: Mapping[str, str]) -> tuple[Artifact, ...]:
    return tuple(Artifact(file, sha, NormalizedName("a"), "1") for file, sha in files.items())


@given(files=FILES, yanked=YANKS, more=FILES)
def test_a_file_whose_page_is_as_it_was_is_never_a_finding(
    files: Mapping[str, str], yanked: str | bool, more: Mapping[str, str]
) -> None:
    """Whatever it was: also a yanked one, and whatever else is listed now."""
    pin = artifacts_of(files)
    page = Page(INDEX, True, {**listed(*artifacts_of(more)).files, **listed(*pin, yanked=yanked).files})
    drift = look(heard(*pin, pages=(page,)), before=dict.fromkeys(files, yanked))
    assert (drift.standing, drift.passed) == ((), True)
    assert len(drift.noted) == (0 if yanked is False else len(files))


@given(
    files=FILES,
    now=st.dictionaries(
        st.sampled_from(["a-1.whl", "a-2.whl", "a-1.tar.gz", "a-3.zip"]), st.tuples(DIGESTS, YANKS)
    ),
)
def test_every_pinned_file_has_one_verdict_and_that_is_true(
    files: Mapping[str, str], now: Mapping[str, tuple[str, str | bool]]
) -> None:
    page = Page(INDEX, True, {name: UpstreamFile(name, "", sha, yanked=y) for name, (sha, y) in now.items()})
    drift = look(heard(*artifacts_of(files), pages=(page,)))
    found: dict[str, Drifted] = {item.file: item for item in drift.found}
    assert len(found) == len(drift.found)
    for file, sha in files.items():
        digest, yanked = now.get(file, ("", False))
        expected = (
            "vanished"
            if not digest
            else "changed"
            if digest != sha
            else "yanked"
            if yanked is not False
            else ""
        )
        assert (found[file].kind if file in found else "") == expected
