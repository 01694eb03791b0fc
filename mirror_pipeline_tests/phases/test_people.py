"""Pages for people as a part of the index: what they say, what moves their time, what they leave alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from mirror_pipeline.domain.about import About
from mirror_pipeline.domain.pages import page_files
from mirror_pipeline.domain.wheelset import WheelSet, by_project
from mirror_pipeline.phases.index import make_index, why_outdated
from mirror_pipeline.phases.mirror import Mirror
from mirror_pipeline.phases.tokens import access_of, add, open_to_all
from mirror_pipeline.phases.verification import verify
from mirror_pipeline.phases.wheels import document_of, gather_wheels, load_wheels
from mirror_pipeline.settings import EPOCH_VARIABLE, parse_settings
from mirror_pipeline_tests.phases.world import (
    ALPHA,
    LINUX,
    PACKAGES,
    WINDOWS,
    World,
    gather,
    locked,
    plan,
    run,
)
from mirror_pipeline_tests.upstreams import FakeUpstream
from mirror_pipeline_tests.wheels import wheel

MORNING = datetime(2026, 5, 6, 7, 8, 9, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)


def at(world: World, moment: datetime, **values: str) -> Mirror:
    """The mirror at some time."""
    return replace(world.mirror(**values), now=lambda: moment)


def front(world: World, mirror: Mirror) -> str:
    """The front page of the index that is made now."""
    gather(mirror)
    return make_index(mirror).index.pages["index.html"]


def test_the_time_is_the_clocks_where_there_was_none(world: World) -> None:
    page = front(world, at(world, MORNING))
    assert 'datetime="2026-05-06T07:08:00+00:00"' in page
    assert "6 May 2026" in page


def test_a_time_stays_where_nothing_changed_and_moves_where_something_did(world: World) -> None:
    first = make_of(world, MORNING)
    again = make_of(world, MORNING + HOUR)
    assert again.version == first.version
    assert again.index == first.index

    newer = wheel("alpha", "1.1")
    world.upstream.add(newer)
    world.lock(locked(newer), *PACKAGES[1:])
    third = make_of(world, MORNING + 2 * HOUR)
    assert "09:08 UTC" in third.index.pages["index.html"]
    assert make_of(world, MORNING + 3 * HOUR).index == third.index


def make_of(world: World, moment: datetime) -> Any:
    mirror = at(world, moment)
    gather(mirror)
    return make_index(mirror)


@pytest.mark.parametrize("values", [{"MIRROR_TITLE": "Ours"}, {"MIRROR_PUBLIC_URL": "https://ours.example"}])
def test_what_pages_say_moves_the_time_too(world: World, values: Mapping[str, str]) -> None:
    front(world, at(world, MORNING))
    page = front(world, at(world, MORNING + HOUR, **values))
    assert "08:08 UTC" in page
    assert next(iter(values.values())) in page


def test_an_index_of_an_earlier_release_gets_a_time(world: World) -> None:
    mirror = at(world, MORNING)
    gather(mirror)
    mirror.documents.write("index_made", {"requirements": "of before"})
    assert "07:08 UTC" in make_index(mirror).index.pages["index.html"]


def test_a_given_time_is_told_whatever_changed(world: World) -> None:
    front(world, at(world, MORNING))
    given = replace(world.mirror().settings, made_at=datetime(2020, 1, 1, tzinfo=timezone.utc))
    page = front(world, replace(at(world, MORNING + HOUR), settings=given))
    assert "1 January 2020" in page


def test_the_given_time_comes_from_the_environment() -> None:
    def made_at(text: str) -> datetime | None:
        return parse_settings("ORBIT_PROJECT=shop\n", {EPOCH_VARIABLE: text}, Path("/shop")).made_at

    assert made_at("1577836800") == datetime(2020, 1, 1, tzinfo=timezone.utc)
    assert made_at(" ") is None


def test_pages_for_installers_are_what_they_were(world: World) -> None:
    mirror = at(world, MORNING)
    gather(mirror)
    made = make_index(mirror).index.pages
    sets = [load_wheels(mirror, platform) for platform in mirror.settings.platforms]
    simple = {key: text.encode() for key, text in made.items() if key.startswith("simple/")}
    assert simple == page_files(by_project(sets))


def test_what_wheels_say_is_on_their_pages(world: World) -> None:
    told = wheel("alpha", "1.0", told="Summary: Does <b>one</b> thing\nLicense-Expression: MIT\n")
    world.upstream.add(told, yanked="broken & gone", upload_time="2024-01-02T03:04:05Z")
    world.lock(locked(told), *PACKAGES[1:])
    mirror = at(world, MORNING)
    gather(mirror)
    pages = make_index(mirror).index.pages
    for key in ("index.html", "project/alpha/index.html"):
        assert "Does &lt;b&gt;one&lt;/b&gt; thing" in pages[key]
    page = pages["project/alpha/index.html"]
    assert "MIT" in page
    assert "broken &amp; gone" in page
    assert "2024-01-02" in page
    assert told.sha256 in page


def test_gaps_are_told(world: World) -> None:
    world.lock(locked(ALPHA), locked(LINUX))
    page = front(world, at(world, MORNING))
    assert "native 2.0+cpu</strong> on Python 3.12: no wheel for windows-amd64 among 1" in page


def test_what_could_not_be_fetched_is_told(world: World) -> None:
    world.upstream.remove(WINDOWS)
    page = front(world, at(world, MORNING, MIRROR_ALLOW_FAILURES="true"))
    assert "1 not here" in page
    assert WINDOWS.file in page


def test_wheels_of_an_earlier_release_are_described_once_more(world: World, upstream: FakeUpstream) -> None:
    mirror = at(world, MORNING)
    gather(mirror)
    for platform in mirror.settings.platforms:
        old = load_wheels(mirror, platform)
        silent = (replace(i, metadata=i.metadata and replace(i.metadata, about=None)) for i in old.held)
        mirror.documents.write(document_of(platform), WheelSet(platform, tuple(silent)))
    assert "alpha" in make_index(mirror).index.pages["index.html"]  # without a summary, and no error

    upstream.forget()
    plan(mirror)
    found = [i for p in mirror.settings.platforms for i in gather_wheels(mirror, p).wheels.held]
    assert {i.metadata.about for i in found if i.metadata} == {About()}
    assert not [request for request in upstream.requests if "/files/" in request.path]


def test_a_title_names_the_projects_or_is_given(world: World) -> None:
    world.lock(locked(ALPHA), project="office")
    assert "<h1>office and shop</h1>" in front(world, at(world, MORNING, ORBIT_PROJECT="office:shop"))
    named = at(world, MORNING, MIRROR_TITLE="Our <mirror>")
    assert "<h1>Our &lt;mirror&gt;</h1>" in front(world, named)


def test_snippets_tell_of_a_login_as_soon_as_one_is_needed_and_no_longer(world: World) -> None:
    mirror = at(world, MORNING)
    before = front(world, mirror)
    assert "TOKEN" not in before
    assert not why_outdated(mirror)

    secret, _ = add(access_of(mirror.settings), "laptop", "test", MORNING.isoformat())
    assert why_outdated(mirror) == "clients need a login now, or none any more"
    page = make_index(mirror).index.pages["index.html"]
    assert "machine mirror.example login NAME password TOKEN" in page
    assert secret not in page
    assert not why_outdated(mirror)

    open_to_all(access_of(mirror.settings))
    assert why_outdated(mirror)
    assert make_index(mirror).index.pages["index.html"] == before


def test_a_login_that_is_configured_is_told_of_and_not_told(world: World) -> None:
    page = front(world, at(world, MORNING, MIRROR_LOGIN="ci:hunter2hunter2"))
    assert "login NAME password TOKEN" in page
    assert "hunter2" not in page


def test_what_is_published_is_verified(world: World) -> None:
    mirror = at(world, MORNING)
    run(mirror)
    (world.site / "project" / "alpha" / "index.html").write_text("other")
    findings = verify(mirror).report.findings
    assert [(f.subject, f.problem) for f in findings] == [
        ("project/alpha/index.html", "the bytes are not those of the manifest")
    ]
