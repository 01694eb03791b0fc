"""What is asked of a published mirror, and what the replies say: each key once, nothing taken for granted."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from mirror_pipeline.domain.manifest import MANIFEST, Manifest, make_manifest
from mirror_pipeline.domain.pages import file_url, page_files
from mirror_pipeline.domain.published import Reply, facts_of, is_right, shows
from mirror_pipeline.domain.questions import MANIFEST_QUESTION, Purpose, Question, for_installers, questions
from mirror_pipeline.domain.verification import (
    Finding,
    Judged,
    Report,
    SiteFacts,
    judge_index,
    judge_integrity,
    left_out,
)
from mirror_pipeline.domain.wheelset import CoreMetadata, Held
from mirror_pipeline_tests.locks import digest_of
from mirror_pipeline_tests.wheels import sdist, wheel

LOCAL, SOURCE = wheel("local", "1.0+cpu.1"), sdist("source")
HELD = (
    Held(LOCAL.artifact(), LOCAL.size, CoreMetadata(digest_of("core"), 4)),
    Held(SOURCE.artifact(), SOURCE.size),
)
PAGES = page_files({item.artifact.project: [item] for item in HELD})
SITE = make_manifest("r1", ["noarch"], {**PAGES, "requirements-all.txt": b"", "assets/logo.png": b""}, HELD)
KEY = f"packages/{LOCAL.file}"
HTML = "simple/local/index.html"


def asked(
    manifest: Manifest = SITE, *, guarded: bool = True, generation: int | None = None
) -> list[Question]:
    return list(questions(manifest, guarded=guarded, private=False, generation=generation))


def reply(key: str, manifest: Manifest = SITE) -> Reply:
    entry = manifest.files[key]
    return Reply(200, entry.sha256, entry.content_type, "", entry.cache_control, PAGES.get(key))


def good(question: Question) -> Reply:
    """What a mirror as it should be replies."""
    return reply(question.key) if question.key in SITE.files else Reply(404)


@pytest.mark.parametrize("guarded", [True, False])
def test_every_key_is_asked_for_once_and_no_question_twice(guarded: bool) -> None:
    found = asked(guarded=guarded)
    counts = Counter(question.key for question in found if question.purpose is Purpose.FILE)
    assert counts == dict.fromkeys(SITE.files, 1)
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("guarded", [True, False])
def test_packages_are_asked_for_by_the_hrefs_of_the_pages(guarded: bool) -> None:
    paths = {question.path for question in asked(guarded=guarded)}
    assert {file_url(item.artifact.file).removeprefix("../..") for item in HELD} <= paths


def test_both_variants_are_asked_for_where_there_are_two() -> None:
    found = {(question.key, question.gzip) for question in asked()}
    for key in SITE.files:
        has_variants = not key.startswith("packages/") and not key.endswith(".png")
        assert ((key, True) in found) == (not key.startswith("packages/"))
        assert ((key, False) in found) == (has_variants or key.startswith("packages/"))


def test_the_live_generation_is_tried_by_its_number() -> None:
    hidden = {question.path for question in asked(generation=12) if question.purpose is Purpose.HIDDEN}
    assert {"/g/12/manifest.json", "/g/1/manifest.json", "/.mirror/manifest.json"} <= hidden


def test_the_project_that_is_not_there_is_not_there() -> None:
    taken = replace(SITE, files={**SITE.files, "simple/is-not-mirrored-here/index.html": SITE.files[HTML]})
    (path,) = (question.path for question in asked(taken) if question.purpose is Purpose.ABSENT)
    assert f"{path.removeprefix('/')}index.html" not in taken.files


def test_only_pages_are_kept() -> None:
    kept = {question.key for question in [*asked(), MANIFEST_QUESTION] if question.keeps}
    assert kept == {*PAGES, MANIFEST}


def test_replies_as_they_should_be_make_facts_without_findings() -> None:
    replies = {question: good(question) for question in asked()}
    assert all(is_right(question, reply, SITE) for question, reply in replies.items())

    facts = facts_of(SITE, {**replies, MANIFEST_QUESTION: Reply(200, content=SITE.to_bytes())})
    assert facts.findings == ()
    assert facts.unread == {}
    assert facts.digests == {key: entry.sha256 for key, entry in SITE.files.items()}
    assert facts.pages == PAGES


def test_a_reply_in_trouble_is_neither_there_nor_missing() -> None:
    replies = {question: good(question) for question in asked()}
    question = next(one for one in replies if one.key == KEY)
    facts = facts_of(SITE, {**replies, question: Reply(503, trouble="https://x.example: HTTP 503")})

    assert KEY not in facts.digests
    assert facts.unread == {KEY: "https://x.example: HTTP 503"}
    problem = "could not be read: https://x.example: HTTP 503"
    artifacts = [item.artifact for item in HELD]
    assert judge_integrity(artifacts, facts.digests, facts.unread).findings == (
        Finding("integrity", LOCAL.file, problem, LOCAL.sha256),
    )
    assert judge_index(artifacts, facts).findings == (Finding("index", KEY, problem, LOCAL.sha256),)


def test_a_manifest_is_compared_by_what_it_says() -> None:
    assert shows(Reply(200, content=SITE.to_bytes().replace(b"\n", b"\r\n")), SITE)
    assert not shows(Reply(200, content=SITE.to_bytes().replace(b"r1", b"r2")), SITE)
    assert not shows(Reply(404), SITE)


def test_comparisons_that_looking_took_are_counted() -> None:
    nothing = SiteFacts(SITE, {}, {})
    more = judge_index([], replace(nothing, asked=7)).checked - judge_index([], nothing).checked
    assert more == 7


def test_installers_read_metadata_and_what_has_none() -> None:
    assert set(for_installers(SITE)) == {f"{KEY}.metadata", f"packages/{SOURCE.file}"}
    evil = replace(SITE, files={**SITE.files, "packages/../evil.metadata": SITE.files[KEY]})
    assert for_installers(evil) == for_installers(SITE)


@pytest.mark.parametrize(
    ("layers", "passed"),
    [
        ([left_out("coverage", "why"), Judged("index", 1)], True),
        ([left_out("coverage", "why"), Judged("index", 0)], False),
        ([left_out("coverage", "why")], False),
        ([left_out("coverage", "why"), Judged("index", 1, (Finding("index", "a", "b"),))], False),
    ],
)
def test_what_is_left_out_neither_passes_nor_fails_a_report(layers: list[Judged], *, passed: bool) -> None:
    assert Report("r", 1, tuple(layers)).passed is passed
