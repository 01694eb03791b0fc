"""Locks that know files by hash only, from the lock to the published page."""

from __future__ import annotations

from pathlib import Path

import pytest

from mirror_pipeline.errors import LockError, UpstreamError
from mirror_pipeline.phases import naming
from mirror_pipeline.phases.lock import take_snapshot
from mirror_pipeline.phases.naming import Answers
from mirror_pipeline.phases.requirements import Made, make_requirements
from mirror_pipeline_tests.phases.world import ALPHA, ALPHA_SOURCE, LINUX, WINDOWS, World, run
from mirror_pipeline_tests.upstreams import FakeUpstream
from mirror_pipeline_tests.wheels import Dist, wheel


def requirement(*dists: Dist, hashes: bool = True, more: str = "") -> str:
    told = [f"    --hash=sha256:{dist.sha256}" for dist in dists] if hashes else []
    told += [f"    --hash=sha256:{more}"] if more else []
    return " \\\n".join([f"{dists[0].project}=={dists[0].version}", *told]) + "\n"


@pytest.fixture
def files(world: World) -> Path:
    folder = world.root / "shop"
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    (folder / "requirements.txt").write_text(requirement(ALPHA, ALPHA_SOURCE) + requirement(LINUX, WINDOWS))
    world.values["ORBIT_PROJECT"] = "shop/requirements.txt"
    return folder


def made(world: World) -> Made:
    """The requirements, as a new process makes them."""
    mirror = world.mirror()
    take_snapshot(mirror)
    return make_requirements(mirror)


def held(world: World) -> set[str]:
    return {file.name for lock in made(world).requirements.locks for pin in lock.pins for file in pin.files}


def test_names_come_from_upstream_and_the_rest_goes_its_usual_way(world: World, files: Path) -> None:
    run(world.mirror())
    pages = {path.parent.name for path in (world.site / "simple").glob("*/index.html")}
    packages = {path.name for path in (world.home / "packages").iterdir()}
    assert pages == {"alpha", "native"}
    assert {ALPHA.file, LINUX.file, WINDOWS.file} <= packages
    assert ALPHA_SOURCE.file not in packages


def test_what_was_named_once_is_not_asked_again(world: World, files: Path, upstream: FakeUpstream) -> None:
    made(world)
    upstream.forget()
    assert held(world) == {ALPHA.file, ALPHA_SOURCE.file, LINUX.file, WINDOWS.file}
    assert upstream.count() == 0


def test_a_hash_that_upstream_does_not_know_is_told_and_asked_again(
    world: World, files: Path, upstream: FakeUpstream
) -> None:
    (files / "requirements.txt").write_text(requirement(ALPHA, more="0" * 64))
    first = made(world)
    assert [(item.project, len(item.hashes)) for item in first.unknown] == [("alpha", 1)]
    assert any("1 locked hashes" in warning for warning in first.warnings)
    upstream.forget()
    assert held(world) == {ALPHA.file}
    assert upstream.count(upstream.page_of("alpha")) == 1


def test_an_upstream_that_cannot_answer_leaves_no_half_named_lock(
    world: World, files: Path, upstream: FakeUpstream
) -> None:
    upstream.fail(upstream.page_of("native"), 403)
    with pytest.raises(UpstreamError):
        made(world)
    assert world.mirror().documents.find(naming.DOCUMENT, Answers) is None


def test_a_lock_without_hashes_is_refused_unless_that_is_allowed(world: World, files: Path) -> None:
    (files / "requirements.txt").write_text(requirement(ALPHA, hashes=False))
    with pytest.raises(LockError, match=r"no hash is locked for alpha==1\.0"):
        made(world)
    world.values["MIRROR_ALLOW_UNHASHED"] = "true"
    assert held(world) == {ALPHA.file, ALPHA_SOURCE.file}


def test_what_was_believed_once_is_never_believed_again(
    world: World, files: Path, upstream: FakeUpstream
) -> None:
    """Another file under the same name: the remembered hash stands, the new one is not taken over."""
    (files / "requirements.txt").write_text(requirement(ALPHA, hashes=False))
    world.values["MIRROR_ALLOW_UNHASHED"] = "true"
    made(world)
    other = wheel("alpha", "1.0", payload=10)
    upstream.add(other)
    (pin,) = made(world).requirements.locks[0].pins
    assert {file.sha256 for file in pin.files} == {ALPHA.sha256, ALPHA_SOURCE.sha256}
