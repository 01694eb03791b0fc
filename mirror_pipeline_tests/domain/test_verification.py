"""Verification finds each kind of damage, and passes only after it has looked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirror_pipeline.domain.lock import Selection
from mirror_pipeline.domain.manifest import make_manifest
from mirror_pipeline.domain.pages import page_files
from mirror_pipeline.domain.plan import Plan, Wanted, make_plan
from mirror_pipeline.domain.target import Python
from mirror_pipeline.domain.verification import (
    Finding,
    Judged,
    Report,
    SiteFacts,
    conflict_free_sets,
    judge_coverage,
    judge_index,
    judge_installability,
    judge_integrity,
)
from mirror_pipeline.domain.wheelset import CoreMetadata, Held
from mirror_pipeline_tests.locks import digest_of, lock_of, pin

T = TypeVar("T")

A_WHEEL = "a-1.0+cpu-py3-none-any.whl"
B_WHEEL = "b-1.0-cp312-cp312-win_amd64.whl"
PLAN: Plan = make_plan(
    [Wanted(lock_of(pin("a", "1.0+cpu", A_WHEEL), pin("b", "1.0", B_WHEEL)), Selection(), (Python(12),))],
    ["linux-x86_64", "windows-amd64", "noarch"],
)
HELD = tuple(Held(artifact, 5, CoreMetadata(digest_of("core"), 4)) for artifact in PLAN.artifacts)


def site(held: tuple[Held, ...] = HELD) -> SiteFacts:
    """A site as it should be: pages, packages and a manifest of both."""
    pages = page_files({item.artifact.project: [item] for item in held})
    manifest = make_manifest("r1", PLAN.platforms, pages, held)
    digests = {key: entry.sha256 for key, entry in manifest.files.items()}
    return SiteFacts(manifest, digests, pages)


def without(mapping: Mapping[str, T], key: str) -> dict[str, T]:
    return {name: value for name, value in mapping.items() if name != key}


def found(judged: Judged) -> list[tuple[str, str]]:
    return [(finding.subject, finding.problem) for finding in judged.findings]


def test_a_site_as_it_should_be_passes_every_layer() -> None:
    whole = site()
    layers = (
        judge_coverage(PLAN, whole),
        judge_integrity(PLAN.artifacts, whole.digests),
        judge_index(PLAN.artifacts, whole),
        judge_installability({}, 2),
    )
    assert [(layer.layer, layer.checked, layer.findings) for layer in layers] == [
        ("coverage", 4, ()),
        ("integrity", 2, ()),
        ("index", 14, ()),
        ("installability", 2, ()),
    ]
    report = Report("r1", 1, layers, {name: part.gaps for name, part in PLAN.platforms.items()})
    assert report.passed
    assert report.checked == 22


def test_a_gap_that_is_listed_is_no_finding() -> None:
    assert [(name, gap.project) for name, gap in PLAN.gaps] == [("linux-x86_64", "b")]
    assert judge_coverage(PLAN, site()).findings == ()


def test_what_is_planned_but_not_published_is_found() -> None:
    judged = judge_coverage(PLAN, site(HELD[:1]))
    assert found(judged) == [(B_WHEEL, "wanted for windows-amd64, but not published")]
    assert judged.findings[0].expected == digest_of(B_WHEEL)


def test_without_a_manifest_nothing_is_covered_and_nothing_is_right() -> None:
    nothing = SiteFacts(None, {}, {})
    assert {subject for subject, _ in found(judge_coverage(PLAN, nothing))} == {A_WHEEL, B_WHEEL}
    judged = judge_index(PLAN.artifacts, nothing)
    assert judged.checked == 0
    assert found(judged) == [("manifest.json", "missing or unreadable: nothing is published")]


def test_changed_and_missing_bytes_are_found() -> None:
    digests = {f"packages/{A_WHEEL}": digest_of("changed")}
    judged = judge_integrity(PLAN.artifacts, digests)
    assert [(f.subject, f.problem, f.expected, f.actual) for f in judged.findings] == [
        (A_WHEEL, "the bytes are not those of the lock", digest_of(A_WHEEL), digest_of("changed")),
        (B_WHEEL, "the file is missing", digest_of(B_WHEEL), None),
    ]


def page(whole: SiteFacts, key: str, change: Callable[[str], str]) -> SiteFacts:
    """The site with one page changed behind its manifest's back."""
    return replace(whole, pages={**whole.pages, key: change(whole.pages[key].decode()).encode()})


HTML, JSON = "simple/a/index.html", "simple/a/index.v1_json"


@pytest.mark.parametrize(
    ("damaged", "expected"),
    [
        (
            lambda whole: replace(whole, pages=without(whole.pages, HTML)),
            (HTML, "the page is missing"),
        ),
        (
            lambda whole: replace(whole, digests=without(whole.digests, HTML)),
            (HTML, "named by the manifest, but missing"),
        ),
        (
            lambda whole: replace(whole, digests={**whole.digests, HTML: digest_of("x")}),
            (HTML, "the bytes are not those of the manifest"),
        ),
        (
            lambda whole: replace(whole, digests=without(whole.digests, f"packages/{A_WHEEL}.metadata")),
            (f"packages/{A_WHEEL}.metadata", "named by the manifest, but missing"),
        ),
        (
            lambda whole: replace(whole, digests=without(whole.digests, f"packages/{A_WHEEL}")),
            (HTML, f"links to {A_WHEEL}, which is missing"),
        ),
        (
            lambda whole: page(whole, HTML, lambda text: text.replace(digest_of(A_WHEEL), "0" * 64)),
            (HTML, f"wrong digest for {A_WHEEL}"),
        ),
        (
            lambda whole: page(whole, JSON, lambda text: text.replace(digest_of(A_WHEEL), "0" * 64)),
            (JSON, f"wrong digest for {A_WHEEL}"),
        ),
        (
            lambda whole: page(whole, HTML, lambda text: text.replace("#sha256=", "#md5=")),
            (HTML, f"wrong digest for {A_WHEEL}"),
        ),
        (
            lambda whole: page(whole, HTML, lambda text: text.replace("<a ", "<b ")),
            (HTML, f"does not list {A_WHEEL}"),
        ),
        (
            lambda whole: page(
                whole, HTML, lambda text: text + '<a href="../../packages/evil-1.0.tar.gz">x</a>'
            ),
            (HTML, "lists evil-1.0.tar.gz, which no lock wants"),
        ),
        (
            lambda whole: page(whole, HTML, lambda text: text.replace(digest_of("core"), "0" * 64)),
            (HTML, f"wrong core metadata of {A_WHEEL}"),
        ),
        (
            lambda whole: page(whole, JSON, lambda text: text.replace(digest_of("core"), "0" * 64)),
            (JSON, f"wrong core metadata of {A_WHEEL}"),
        ),
        (
            lambda whole: page(whole, JSON, lambda _text: "{}"),
            (JSON, "not a Simple project page: KeyError('files')"),
        ),
    ],
)
def test_damage_of_the_index_is_found(
    damaged: Callable[[SiteFacts], SiteFacts], expected: tuple[str, str]
) -> None:
    judged = judge_index(PLAN.artifacts, damaged(site()))
    assert expected in found(judged)
    assert {finding.layer for finding in judged.findings} == {"index"}


def test_a_site_made_from_other_requirements_is_found() -> None:
    judged = judge_index(PLAN.artifacts, site(), "r2")
    assert [(f.problem, f.expected, f.actual) for f in judged.findings] == [
        ("made from other requirements", "r2", "r1")
    ]


def test_a_page_that_lists_a_file_twice_with_several_digests_is_judged_too() -> None:
    link = f'<a href="../../packages/{A_WHEEL}'
    several = page(site(), HTML, lambda text: text + f'{link}">x</a>{link}#sha256={"1" * 64}">x</a>')
    wrong = [finding.actual for finding in judge_index(PLAN.artifacts, several).findings]
    assert wrong == [None, "1" * 64]


def test_findings_are_listed_once_and_in_order() -> None:
    nothing = replace(site(), digests={}, pages={})
    findings = judge_index(PLAN.artifacts, nothing).findings
    assert len(findings) == len(set(findings))
    assert [finding.subject for finding in findings] == sorted(finding.subject for finding in findings)


def test_complaints_of_the_installer_are_findings() -> None:
    judged = judge_installability({"b/3.12": "no a", "a/3.12": "no b"}, 9, ["note"])
    assert found(judged) == [("a/3.12", "no b"), ("b/3.12", "no a")]
    assert (judged.checked, judged.notes) == (9, ("note",))


@pytest.mark.parametrize(
    ("layers", "passed"),
    [
        ([Judged("coverage", 1), Judged("index", 1)], True),
        ([Judged("coverage", 1), Judged("index", 0)], False),
        ([Judged("coverage", 1, (Finding("coverage", "a", "b"),))], False),
        ([Judged("coverage", 0, (Finding("coverage", "a", "b"),))], False),
    ],
)
def test_a_report_passes_only_for_work_done_that_found_nothing(layers: list[Judged], *, passed: bool) -> None:
    assert Report("r", 1, tuple(layers)).passed is passed


pins = st.builds(lambda name, version: f"{name}=={version}", st.sampled_from("abcd"), st.sampled_from("123"))


@settings(deadline=None)
@given(st.lists(pins, unique=True), st.frozensets(pins))
def test_conflict_free_sets_hold_every_pin_once_and_no_project_twice(
    pins: list[str], left_out: frozenset[str]
) -> None:
    sets = conflict_free_sets(pins, left_out)
    assert sorted(item for found in sets for item in found) == sorted(set(pins) - left_out)
    for one in sets:
        names = [item.partition("==")[0] for item in one]
        assert names
        assert len(names) == len(set(names))


@settings(deadline=None)
@given(st.lists(pins, unique=True))
def test_there_are_no_more_sets_than_needed(pins: list[str]) -> None:
    names = [item.partition("==")[0] for item in pins]
    assert len(conflict_free_sets(pins, ())) == max((names.count(name) for name in names), default=0)
