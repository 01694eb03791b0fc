"""A mirror of a mirror: what the first one was told, the second one says in the same bytes.

And whose a project's name is (PEP 708): nothing is stated that nobody said, and nothing that is secret.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from mirror_pipeline.adapters.server import serving
from mirror_pipeline_tests.locks import package
from mirror_pipeline_tests.phases.world import (
    ALPHA,
    CHECKER,
    LINUX,
    PACKAGES,
    WINDOWS,
    World,
    locked,
    published,
    run,
)
from mirror_pipeline_tests.upstreams import FakeUpstream
from mirror_pipeline_tests.wheels import provenance, wheel

TIME = "2024-01-02T03:04:05.678901Z"
OWNER = "https://index.example/simple/alpha/"
BOTH = ("https://a.example/native/", "https://b.example/native/")
CLIENTS_KEYS = ("simple/", "packages/", "requirements-", "pylock/")


def tell_everything(upstream: FakeUpstream) -> None:
    """All that a page can say of a file and of a project."""
    upstream.add(ALPHA, yanked='broken <"really">', upload_time=TIME, provenance=provenance(ALPHA))
    upstream.add(LINUX, upload_time=TIME, provenance=provenance(LINUX))
    upstream.add(WINDOWS, yanked=True)
    upstream.add(CHECKER, upload_time=TIME)
    upstream.say("alpha", tracks=[OWNER])
    upstream.say("native", tracks=BOTH[::-1], alternates=["https://c.example/native/"])
    upstream.mark("alpha", "deprecated", 'use <"beta"> & be "happy"')
    upstream.mark("checker", "archived")


def for_clients(world: World) -> Mapping[str, str]:
    return {key: digest for key, digest in published(world.site).items() if key.startswith(CLIENTS_KEYS)}


def page(world: World, project: str) -> Mapping[str, Any]:
    return dict(json.loads((world.site / "simple" / project / "index.v1_json").read_bytes()))


@pytest.fixture
def other(tmp_path: Path, world: World) -> World:
    """A world for the second mirror, with the same lock."""
    folder = tmp_path / "other"
    folder.mkdir()
    second = World(folder, world.upstream)
    second.lock(*PACKAGES)
    return second


@pytest.mark.parametrize("pages", ["negotiated", "html"])
def test_a_chained_mirror_is_the_same_byte_for_byte(
    world: World, other: World, upstream: FakeUpstream, pages: Any
) -> None:
    upstream.pages = pages
    tell_everything(upstream)
    run(world.mirror())
    upstream.close()  # the second mirror has nobody but the first

    with serving(world.site.resolve()) as url:
        run(other.mirror(MIRROR_INDEX_URL=f"{url}/simple/"))

    first = for_clients(world)
    assert for_clients(other) == first
    assert {key.split("/")[0] for key in first} >= {"simple", "packages", "pylock", "requirements-prod.txt"}
    assert len([key for key in first if key.endswith(".provenance")]) == 2


def test_a_third_one_is_too(world: World, other: World, upstream: FakeUpstream, tmp_path: Path) -> None:
    tell_everything(upstream)
    run(world.mirror())
    with serving(world.site.resolve()) as url:
        run(other.mirror(MIRROR_INDEX_URL=f"{url}/simple/"))
    third = World(tmp_path / "third", upstream)
    third.root.mkdir()
    third.lock(*PACKAGES)
    with serving(other.site.resolve()) as url:
        run(third.mirror(MIRROR_INDEX_URL=f"{url}/simple/"))

    assert for_clients(third) == for_clients(world)


def test_a_public_url_is_all_that_tells_two_mirrors_apart(
    world: World, other: World, upstream: FakeUpstream
) -> None:
    tell_everything(upstream)
    run(world.mirror(MIRROR_PUBLIC_URL="https://first.example"))
    with serving(world.site.resolve()) as url:
        run(other.mirror(MIRROR_INDEX_URL=f"{url}/simple/", MIRROR_PUBLIC_URL="https://other.example"))

    assert "https://first.example/simple/alpha/" in (world.site / "simple/alpha/index.v1_json").read_text()
    assert "https://first.example/packages/" in (world.site / "pylock/pylock.linux-x86_64.toml").read_text()
    assert for_clients(other).keys() == for_clients(world).keys()
    for key in for_clients(world):
        first, second = ((one.site / key).read_bytes() for one in (world, other))
        assert second == first.replace(b"https://first.example", b"https://other.example"), key


@pytest.mark.parametrize("pages", ["negotiated", "html"])
def test_what_upstream_says_of_projects_is_repeated(world: World, upstream: FakeUpstream, pages: Any) -> None:
    upstream.pages = pages
    tell_everything(upstream)
    run(world.mirror())

    assert page(world, "alpha")["meta"] == {"api-version": "1.4", "tracks": [OWNER]}
    reason = 'use <"beta"> & be "happy"'
    assert page(world, "alpha")["project-status"] == {"status": "deprecated", "reason": reason}
    assert page(world, "checker")["project-status"] == {"status": "archived"}
    assert page(world, "native")["meta"]["tracks"] == list(BOTH)
    assert page(world, "native")["alternate-locations"] == ["https://c.example/native/"]
    plain = page(world, "only-windows")
    assert not {"project-status", "alternate-locations"} & set(plain)
    assert plain["meta"] == {"api-version": "1.4"}


def test_what_was_told_of_a_project_stays(world: World, upstream: FakeUpstream) -> None:
    tell_everything(upstream)
    run(world.mirror())
    before = published(world.site)
    upstream.close()

    run(world.mirror())

    assert published(world.site) == before


def test_an_index_that_only_this_machine_knows_is_not_named(world: World, upstream: FakeUpstream) -> None:
    """It may be a proxy, which owns no name, and its address may hold a secret in its path."""
    run(world.mirror())
    assert upstream.host not in json.dumps([page(world, name) for name in ("alpha", "native")])


def test_locations_that_upstream_names_lose_their_login_or_are_left_out(
    world: World, upstream: FakeUpstream
) -> None:
    upstream.say(
        "alpha",
        tracks=[
            "https://ann:s3cret@a.example/simple/alpha/",
            "https://b.example/simple/alpha/?token=s3cret",
            "file:///srv/index/alpha/",
            "javascript:alert(1)",
            "https://[broken/alpha/",
            OWNER,
        ],
    )
    run(world.mirror())
    assert page(world, "alpha")["meta"]["tracks"] == ["https://a.example/simple/alpha/", OWNER]


def test_an_index_that_the_lock_names_is_named_as_the_owner(world: World, upstream: FakeUpstream) -> None:
    source = {"type": "legacy", "url": upstream.url_with("ann", "s3cret"), "reference": "own"}
    pinned = package(ALPHA.project, ALPHA.version, files={ALPHA.file: ALPHA.sha256}, source=source)
    world.lock(pinned)
    run(world.mirror())
    tracked = page(world, "alpha")["meta"]["tracks"]
    assert tracked == [f"{upstream.url}alpha/"]
    assert "s3cret" not in json.dumps(page(world, "alpha"))


def test_files_of_one_project_from_two_indexes_have_both_named(world: World, upstream: FakeUpstream) -> None:
    other = wheel("native", "2.1+gpu", "cp312-cp312-manylinux_2_17_x86_64")
    with FakeUpstream() as second:
        second.add(other)
        second.say("native", tracks=["https://gpu.example/native/"])
        second.mark("native", "archived")
        upstream.say("native", tracks=["https://a.example/native/"])
        source = {"type": "legacy", "url": second.url, "reference": "gpu"}
        files = {other.file: other.sha256}
        linux = 'sys_platform == "linux"'
        world.lock(
            package("native", other.version, files=files, source=source, markers=linux),
            locked(WINDOWS, markers='sys_platform == "win32"'),
        )
        run(world.mirror())

    assert page(world, "native")["meta"]["tracks"] == [
        "https://a.example/native/",
        "https://gpu.example/native/",
    ]
    assert page(world, "native")["project-status"] == {"status": "archived"}
