"""The drift check against a real upstream: every kind, in HTML and JSON, trouble, and leaving all alone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest

from mirror_pipeline.errors import DocumentError, UpstreamError, UsageError
from mirror_pipeline.phases.drift import Looked, last_drift, look_upstream
from mirror_pipeline.phases.index import why_outdated
from mirror_pipeline_tests.locks import package
from mirror_pipeline_tests.phases.world import (
    ALPHA,
    CHECKER,
    DISTS,
    LINUX,
    MIRRORED,
    ONLY_WINDOWS,
    PACKAGES,
    WINDOWS,
    World,
    locked,
    plan,
    publish,
    published,
    run,
    tree,
)
from mirror_pipeline_tests.upstreams import FakeUpstream
from mirror_pipeline_tests.wheels import wheel


@pytest.fixture(params=["negotiated", "html"])
def upstream(request: pytest.FixtureRequest) -> Iterator[FakeUpstream]:
    pages: Literal["negotiated", "html"] = request.param
    with FakeUpstream(pages=pages) as server:
        for dist in DISTS:
            server.add(dist)
        yield server


@pytest.fixture
def mirrored(world: World, upstream: FakeUpstream) -> World:
    run(world.mirror())
    upstream.forget()
    return world


def found(looked: Looked) -> list[tuple[str, str, str, str]]:
    return [(item.kind, item.severity, item.subject, item.reason) for item in looked.drift.found]


def report(world: World) -> Mapping[str, Any]:
    content = json.loads((world.home / "reports" / "drift-latest.json").read_bytes())
    assert isinstance(content, dict)
    return content


def test_one_request_for_each_project_and_nothing_found(mirrored: World, upstream: FakeUpstream) -> None:
    looked = look_upstream(mirrored.mirror())
    assert (looked.drift.found, looked.drift.passed) == ((), True)
    assert (looked.drift.projects, looked.drift.files) == (4, len(MIRRORED))
    assert sorted(request.path for request in upstream.requests) == [
        upstream.page_of(project) for project in ("alpha", "checker", "native", "only-windows")
    ]
    assert report(mirrored)["passed"] is True


def test_every_kind_at_once_and_nothing_is_removed(mirrored: World, upstream: FakeUpstream) -> None:
    before = {place: tree(mirrored.home / place) for place in ("packages", "generations", "site")}
    upstream.add(ALPHA, yanked="leaks keys")
    upstream.mark("alpha", "deprecated", "use beta")
    upstream.remove(LINUX)
    upstream.add(WINDOWS, sha256="9" * 64)
    upstream.mark("only-windows", "quarantined", "malware")
    upstream.mark("checker", "archived")

    looked = look_upstream(mirrored.mirror())

    assert found(looked) == [
        ("changed", "error", WINDOWS.file, "upstream lists other bytes under this name"),
        ("quarantined", "error", "only-windows", "malware"),
        ("vanished", "error", LINUX.file, "upstream no longer lists this file"),
        ("yanked", "warning", ALPHA.file, "leaks keys"),
        ("deprecated", "warning", "alpha", "use beta"),
        ("archived", "info", "checker", ""),
    ]
    assert all(item.new and item.since for item in looked.drift.found)
    assert {place: tree(mirrored.home / place) for place in before} == before
    assert len(report(mirrored)["found"]) == 6
    assert "| error | quarantined | only-windows | 0.3 | all |" in looked.markdown
    assert not any(request.path.startswith("/files/") for request in upstream.requests)


def test_findings_stand_until_they_are_gone_or_accepted(mirrored: World, upstream: FakeUpstream) -> None:
    upstream.add(ALPHA, yanked=True)
    upstream.withdraw("checker")
    first = look_upstream(mirrored.mirror()).drift
    assert [item.new for item in first.standing] == [True, True]
    assert first.standing[0].reason == "upstream has no such project any more"

    again = look_upstream(mirrored.mirror()).drift
    assert [(item.key, item.since, item.new) for item in again.standing] == [
        (item.key, item.since, False) for item in first.standing
    ]

    accepted = look_upstream(mirrored.mirror(), ["alpha"]).drift
    assert [item.project for item in accepted.standing] == ["checker"]
    upstream.add(CHECKER)
    last = look_upstream(mirrored.mirror()).drift
    assert (last.passed, [item.project for item in last.resolved]) == (True, ["checker"])
    assert [item.accepted for item in last.noted] == [first.day]


def test_accepting_what_is_not_there_changes_nothing(mirrored: World, upstream: FakeUpstream) -> None:
    upstream.add(ALPHA, yanked=True)
    look_upstream(mirrored.mirror())
    before = tree(mirrored.home)
    with pytest.raises(UsageError, match="nothing was found of beta"):
        look_upstream(mirrored.mirror(), ["alpha", "beta"])
    assert tree(mirrored.home) == before


def test_what_was_yanked_when_it_was_mirrored_is_no_drift(world: World, upstream: FakeUpstream) -> None:
    upstream.add(ALPHA, yanked="was so")
    run(world.mirror())
    looked = look_upstream(world.mirror())
    assert found(looked) == [("yanked", "info", ALPHA.file, "was so")]
    assert looked.drift.passed
    assert "when it was mirrored" in looked.markdown


def test_the_same_process_asks_anew_each_time(mirrored: World, upstream: FakeUpstream) -> None:
    mirror = mirrored.mirror()
    mirror.fetcher.locate([dist.artifact() for dist in (ALPHA, CHECKER)])
    assert look_upstream(mirror).drift.passed
    upstream.remove(ALPHA)
    assert [item.file for item in look_upstream(mirror).drift.found] == [ALPHA.file]


def test_some_projects_that_cannot_be_asked_about(mirrored: World, upstream: FakeUpstream) -> None:
    upstream.remove(ONLY_WINDOWS)
    look_upstream(mirrored.mirror())
    upstream.fail(upstream.page_of("only-windows"), 503)
    upstream.replace(upstream.page_of("alpha"), b"<h1>Back soon</h1>", "text/html")
    drift = look_upstream(mirrored.mirror()).drift
    assert {item.project: item.reason.partition(": ")[2] for item in drift.unasked} == {
        "only-windows": "HTTP 503 (tried 5 times)",
        "alpha": "this is no project page",
    }
    assert [(item.file, item.new) for item in drift.standing] == [(ONLY_WINDOWS.file, False)]
    assert (drift.passed, drift.projects) == (False, 2)


def test_an_upstream_that_nobody_reaches(mirrored: World, upstream: FakeUpstream) -> None:
    upstream.add(ALPHA, yanked=True)
    known = look_upstream(mirrored.mirror()).drift
    before = tree(mirrored.home)
    upstream.close()
    mirror = mirrored.mirror()
    for _ in range(2):
        with pytest.raises(
            UpstreamError, match="nothing could be asked of upstream: no connection"
        ) as caught:
            look_upstream(mirror)
    assert caught.value.facts == {"projects": 4}
    assert tree(mirrored.home) == before
    assert last_drift(mirror) == known


def test_before_anything_is_planned(world: World) -> None:
    with pytest.raises(DocumentError, match="not made yet"):
        look_upstream(world.mirror())


def test_a_file_at_a_url_has_no_page(world: World, upstream: FakeUpstream) -> None:
    direct = wheel("direct", "1.0")
    upstream.add(direct, listed=False, path=f"/elsewhere/{direct.file}")
    url = f"{upstream.root}/elsewhere/{direct.file}"
    pin = package("direct", "1.0", files={direct.file: direct.sha256}, source={"type": "url", "url": url})
    world.lock(*PACKAGES, pin)
    plan(world.mirror())
    upstream.forget()
    drift = look_upstream(world.mirror()).drift
    assert (drift.passed, drift.projects, drift.direct) == (True, 4, 1)
    assert upstream.count(upstream.page_of("direct")) == 0


def test_no_other_index_hears_of_a_pin_than_when_it_is_fetched(world: World, upstream: FakeUpstream) -> None:
    own = wheel("ours", "1.0")
    upstream.add(own)
    world.lock(*PACKAGES, locked(own))
    with FakeUpstream() as second:
        values = {"MIRROR_EXTRA_INDEX_URLS": second.url}
        run(world.mirror(**values))
        second.forget()
        assert look_upstream(world.mirror(**values)).drift.passed
        assert second.count() == 0
        upstream.remove(own)
        second.add(replace(own, content=own.content + b"x"))
        looked = look_upstream(world.mirror(**values))
        assert [(item.kind, item.file, item.index) for item in looked.drift.found] == [
            ("changed", own.file, second.url)
        ]


def test_an_index_on_disk(world: World, tmp_path: Path, upstream: FakeUpstream) -> None:
    run(world.mirror())
    simple = world.site / "simple"
    looked = look_upstream(world.mirror(MIRROR_INDEX_URL=simple.resolve().as_uri()))
    assert looked.drift.passed
    assert looked.drift.files == len(MIRRORED)


@pytest.mark.parametrize("login", ["ann:s3cret-word", "t0ken-word"])
def test_credentials_stay_where_they_are(mirrored: World, upstream: FakeUpstream, login: str) -> None:
    upstream.remove(ALPHA)
    upstream.fail(upstream.page_of("checker"), 500)
    url = upstream.url.replace("://", f"://{login}@")
    look_upstream(mirrored.mirror(MIRROR_INDEX_URL=url))
    for path in [*(mirrored.home / "reports").iterdir(), mirrored.home / "documents" / "drift.json"]:
        assert login.rpartition(":")[2] not in path.read_text("utf-8")


# What pages say afterwards.


def pages(world: World, project: str) -> tuple[dict[str, Any], str]:
    folder = world.site / "simple" / project
    return json.loads((folder / "index.v1_json").read_bytes()), (folder / "index.html").read_text()


def test_pages_repeat_what_upstream_says_by_now(mirrored: World, upstream: FakeUpstream) -> None:
    mirror = mirrored.mirror()
    assert not why_outdated(mirror)
    upstream.add(ALPHA, yanked="leaks keys")
    upstream.mark("alpha", "deprecated", "use beta")
    look_upstream(mirror)
    assert why_outdated(mirror) == "upstream says something else of what is mirrored"

    publish(mirror)

    document, page = pages(mirrored, "alpha")
    assert [entry["yanked"] for entry in document["files"]] == ["leaks keys"]
    assert document["project-status"] == {"status": "deprecated", "reason": "use beta"}
    assert 'data-yanked="leaks keys"' in page
    assert not why_outdated(mirror)


def test_a_yank_may_be_taken_back(mirrored: World, upstream: FakeUpstream) -> None:
    before = published(mirrored.site)
    mirror = mirrored.mirror()
    upstream.add(ALPHA, yanked="leaks keys")
    upstream.mark("alpha", "archived")
    look_upstream(mirror)
    publish(mirror)
    assert published(mirrored.site) != before
    upstream.add(ALPHA)
    upstream.mark("alpha", "active")
    look_upstream(mirror)
    assert why_outdated(mirror)

    publish(mirror)

    assert published(mirrored.site) == before


def test_the_last_word_stands_where_nobody_can_be_asked(mirrored: World, upstream: FakeUpstream) -> None:
    mirror = mirrored.mirror()
    upstream.add(ALPHA, yanked="leaks keys")
    upstream.mark("alpha", "deprecated")
    look_upstream(mirror)
    publish(mirror)
    before = published(mirrored.site)
    upstream.fail(upstream.page_of("alpha"), 503)

    look_upstream(mirror)

    assert not why_outdated(mirror)
    publish(mirror)
    assert published(mirrored.site) == before


def test_of_what_is_no_longer_mirrored_no_word_is_kept(mirrored: World, upstream: FakeUpstream) -> None:
    upstream.mark("alpha", "deprecated", "use beta")
    look_upstream(mirrored.mirror())
    mirrored.lock(*PACKAGES[1:3])
    run(mirrored.mirror())
    look_upstream(mirrored.mirror())
    upstream.mark("alpha", "active")

    mirrored.lock(*PACKAGES)
    run(mirrored.mirror())

    assert "project-status" not in pages(mirrored, "alpha")[0]


def test_what_is_gone_or_quarantined_is_offered_as_before(mirrored: World, upstream: FakeUpstream) -> None:
    before = published(mirrored.site)
    mirror = mirrored.mirror()
    upstream.mark("alpha", "quarantined", "malware")
    upstream.withdraw("checker")
    upstream.add(WINDOWS, sha256="9" * 64, yanked=True)
    look_upstream(mirror)

    assert not why_outdated(mirror)
    publish(mirror)
    assert published(mirrored.site) == before
