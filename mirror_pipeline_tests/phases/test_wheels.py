"""Wheel sets: what is fetched and what is not, failures, and what is remembered of files that stay."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from mirror_pipeline.domain.wheelset import WheelSet
from mirror_pipeline.errors import DocumentError, FetchFailedError, StorageError
from mirror_pipeline.phases.wheels import gather_wheels, load_wheels
from mirror_pipeline_tests.phases.world import (
    ALPHA,
    CHECKER,
    LINUX,
    ONLY_WINDOWS,
    PACKAGES,
    WINDOWS,
    World,
    gather,
    locked,
    plan,
    publish,
    published,
    run,
    tree,
)
from mirror_pipeline_tests.upstreams import FakeUpstream
from mirror_pipeline_tests.wheels import Dist, sdist, wheel

TIME = "2024-01-02T03:04:05Z"


def held(wheels: WheelSet) -> set[str]:
    return {item.artifact.file for item in wheels.held}


def page(world: World, project: str) -> dict[str, Any]:
    content = json.loads((world.site / "simple" / project / "index.v1_json").read_bytes())
    return {entry["filename"]: entry for entry in content["files"]}


# What is fetched.


def test_a_platform_fetches_its_own_files(world: World, upstream: FakeUpstream) -> None:
    mirror = world.mirror()
    plan(mirror)

    gathered = gather_wheels(mirror, "windows-amd64")

    assert held(gathered.wheels) == {WINDOWS.file}
    assert (gathered.downloaded_files, gathered.downloaded_bytes) == (1, WINDOWS.size)
    assert gathered.previous is None
    assert {request.path for request in upstream.requests} == {
        upstream.page_of("native"),
        upstream.path_of(WINDOWS),
    }


def test_files_that_are_there_need_no_upstream(world: World, upstream: FakeUpstream) -> None:
    first = gather(world.mirror())
    upstream.close()

    second = gather(world.mirror())

    assert {name: part.version for name, part in second.items()} == {
        name: part.version for name, part in first.items()
    }
    assert {part.downloaded_files for part in second.values()} == {0}
    assert all(part.previous == part.wheels for part in second.values())


def test_files_of_another_origin_count_when_they_are_right(world: World, upstream: FakeUpstream) -> None:
    packages = world.home / "packages"
    packages.mkdir(parents=True)
    (packages / LINUX.file).write_bytes(LINUX.content)
    mirror = world.mirror()
    plan(mirror)

    gathered = gather_wheels(mirror, "linux-x86_64")

    assert held(gathered.wheels) == {LINUX.file}
    assert gathered.downloaded_files == 0
    assert upstream.count() == 0
    assert (packages / f"{LINUX.file}.metadata").is_file()


@pytest.mark.parametrize("damage", ["flipped", "cut", "gone"])
def test_damaged_files_are_fetched_again(world: World, damage: str) -> None:
    run(world.mirror())
    path = world.home / "packages" / ALPHA.file
    content = bytearray(ALPHA.content)
    content[40] ^= 1
    path.write_bytes(bytes(content) if damage == "flipped" else ALPHA.content[:-9])
    if damage == "gone":
        path.unlink()

    gathered = gather(world.mirror())

    assert {name: part.downloaded_files for name, part in gathered.items()} == {
        "linux-x86_64": 0,
        "windows-amd64": 0,
        "noarch": 1,
    }
    assert path.read_bytes() == ALPHA.content


def test_sdists_have_no_metadata_beside_them(world: World, upstream: FakeUpstream) -> None:
    source = upstream.add(sdist("source"))
    world.lock(locked(source))

    run(world.mirror(MIRROR_SDISTS="fallback"))

    entry = page(world, "source")[source.file]
    assert entry["core-metadata"] is False
    assert not (world.site / "packages" / f"{source.file}.metadata").exists()


def test_a_wheel_without_metadata_is_mirrored_and_promises_none(world: World, upstream: FakeUpstream) -> None:
    odd = upstream.add(wheel("odd", metadata=False))
    world.lock(locked(odd))

    run(world.mirror())

    assert page(world, "odd")[odd.file]["core-metadata"] is False
    assert "core-metadata" not in (world.site / "simple" / "odd" / "index.html").read_text()
    assert (world.site / "packages" / odd.file).read_bytes() == odd.content


# Failures.


def spoil(upstream: FakeUpstream, dist: Dist) -> None:
    upstream.replace(upstream.path_of(dist), b"something else")


def test_a_failed_file_fails_its_partition_alone(world: World, upstream: FakeUpstream) -> None:
    spoil(upstream, CHECKER)
    mirror = world.mirror()
    plan(mirror)

    with pytest.raises(FetchFailedError, match=f"noarch: {CHECKER.file}: wrong bytes arrived") as caught:
        gather_wheels(mirror, "noarch")
    gather_wheels(mirror, "linux-x86_64")

    failure = cast("list[dict[str, str]]", caught.value.facts["failures"])[0]
    assert (failure["file"], failure["expected"]) == (CHECKER.file, CHECKER.sha256)
    assert failure["actual"] not in (None, CHECKER.sha256)
    assert caught.value.facts["platform"] == "noarch"
    assert caught.value.exit_code == 3
    assert {path.name for path in (world.home / "packages").glob("*.whl")} == {
        ALPHA.file,
        ONLY_WINDOWS.file,
        LINUX.file,
    }
    with pytest.raises(DocumentError):
        load_wheels(mirror, "noarch")


@pytest.mark.parametrize(("status", "retryable"), [(503, True), (404, False), (403, False)])
def test_only_passing_trouble_is_worth_another_run(
    world: World, upstream: FakeUpstream, status: int, retryable: bool
) -> None:
    upstream.fail(upstream.path_of(CHECKER), status)
    spoil(upstream, ALPHA)
    mirror = world.mirror()
    plan(mirror)

    with pytest.raises(FetchFailedError, match="and 1 more file") as caught:
        gather_wheels(mirror, "noarch")

    assert caught.value.retryable is retryable


def test_what_arrived_beside_a_failure_is_not_fetched_again(world: World, upstream: FakeUpstream) -> None:
    upstream.fail(upstream.path_of(CHECKER), 404, times=1)
    with pytest.raises(FetchFailedError):
        gather(world.mirror())

    gathered = gather(world.mirror())

    assert gathered["noarch"].downloaded_files == 1
    assert upstream.count(upstream.path_of(ALPHA)) == 1
    assert gathered["noarch"].wheels.complete


def test_a_failure_leaves_the_previous_publication_as_it_is(world: World, upstream: FakeUpstream) -> None:
    run(world.mirror())
    before, documents = published(world.site), tree(world.home / "documents" / "wheels")
    newer = upstream.add(wheel("alpha", "1.1"))
    spoil(upstream, newer)
    world.lock(locked(newer), *PACKAGES[1:])

    with pytest.raises(FetchFailedError):
        gather(world.mirror())

    assert published(world.site) == before
    assert tree(world.home / "documents" / "wheels") == documents


def test_an_allowed_failure_is_left_out_and_listed(world: World, upstream: FakeUpstream) -> None:
    spoil(upstream, CHECKER)
    mirror = world.mirror(MIRROR_ALLOW_FAILURES="true")

    wheels = gather(mirror)["noarch"].wheels
    publish(mirror)

    assert held(wheels) == {ALPHA.file, ONLY_WINDOWS.file}
    assert [failure.file for failure in wheels.failures] == [CHECKER.file]
    assert not wheels.complete
    files = published(world.site)
    assert f"packages/{ALPHA.file}" in files
    assert not [key for key in files if "checker" in key]
    assert load_wheels(mirror, "noarch") == wheels


def test_an_allowed_failure_is_made_up_for(world: World, upstream: FakeUpstream) -> None:
    upstream.fail(upstream.path_of(CHECKER), 404, times=1)
    run(world.mirror(MIRROR_ALLOW_FAILURES="true"))

    mirror = world.mirror(MIRROR_ALLOW_FAILURES="true")
    gathered = gather(mirror)["noarch"]
    done = publish(mirror)

    assert gathered.wheels.complete
    assert gathered.downloaded_files == 1
    assert f"packages/{CHECKER.file}" in done.uploaded


def test_a_home_that_cannot_be_written_asks_nobody(world: World, upstream: FakeUpstream) -> None:
    mirror = world.mirror()
    plan(mirror)
    (world.home / "packages").write_text("in the way")

    with pytest.raises(StorageError):
        gather_wheels(mirror, "noarch")

    assert upstream.count() == 0


# What upstream told.


def tell_more(upstream: FakeUpstream) -> None:
    upstream.add(ALPHA, yanked="broken", upload_time=TIME)
    upstream.add(CHECKER, yanked=True, upload_time=TIME)


def test_what_upstream_told_is_published(world: World, upstream: FakeUpstream) -> None:
    tell_more(upstream)
    run(world.mirror())

    entry = page(world, "alpha")[ALPHA.file]
    assert (entry["yanked"], entry["upload-time"]) == ("broken", TIME)
    assert entry["requires-python"] == ALPHA.requires_python
    assert page(world, "checker")[CHECKER.file]["yanked"] is True
    assert page(world, "native")[LINUX.file]["yanked"] is False
    assert 'data-yanked="broken"' in (world.site / "simple" / "alpha" / "index.html").read_text()


def test_what_upstream_told_once_stays(world: World, upstream: FakeUpstream) -> None:
    tell_more(upstream)
    run(world.mirror())
    before = published(world.site)
    upstream.close()

    run(world.mirror())

    assert published(world.site) == before
    assert page(world, "alpha")[ALPHA.file]["yanked"] == "broken"


def test_what_upstream_told_before_a_failure_stays(world: World, upstream: FakeUpstream) -> None:
    """The files that arrived are not asked for again, so this is the only chance to remember."""
    tell_more(upstream)
    upstream.fail(upstream.path_of(ONLY_WINDOWS), 404, times=1)
    with pytest.raises(FetchFailedError):
        gather(world.mirror())

    run(world.mirror())

    entry = page(world, "alpha")[ALPHA.file]
    assert (entry["yanked"], entry["upload-time"]) == ("broken", TIME)


def test_what_upstream_told_comes_back_with_the_file(world: World, upstream: FakeUpstream) -> None:
    tell_more(upstream)
    run(world.mirror())
    before = published(world.site)
    world.lock(*PACKAGES[1:])
    run(world.mirror())
    assert not (world.site / "simple" / "alpha").exists()

    world.lock(*PACKAGES)
    run(world.mirror())

    assert published(world.site) == before


def test_credentials_are_in_no_document(world: World, upstream: FakeUpstream) -> None:
    upstream.require("ann", "s3cret")
    run(world.mirror(MIRROR_INDEX_URL=upstream.url_with("ann", "s3cret")))

    texts = [path.read_text("latin-1") for path in world.home.rglob("*") if path.is_file()]
    assert texts
    assert not [text for text in texts if "s3cret" in text]
