"""Locks that know files by hash only, from the lock to the published page."""

from __future__ import annotations

from pathlib import Path

import pytest

from mirror_pipeline.errors import DocumentError, FetchFailedError, LockError, UpstreamError
from mirror_pipeline.phases import naming
from mirror_pipeline.phases.lock import take_snapshot
from mirror_pipeline.phases.naming import Answers
from mirror_pipeline.phases.requirements import Made, make_requirements
from mirror_pipeline.phases.wheel_plan import load_plan, plan_for, plan_platform
from mirror_pipeline_tests.phases.world import ALPHA, ALPHA_SOURCE, LINUX, WINDOWS, World, run
from mirror_pipeline_tests.upstreams import FakeUpstream
from mirror_pipeline_tests.wheels import Dist, wheel

ONE = "no upstream lists a file with its locked hash"
TWO = "no upstream lists a file with any of its 2 locked hashes"


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
    assert first.complete, "one known file is what a pin needs"
    assert not plan_for(world.mirror(), first.requirements)[0].gaps
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


class TestNoHashIsKnown:
    @pytest.fixture(autouse=True)
    def unknown(self, files: Path) -> None:
        unknown = f" --hash=sha256:{'0' * 64}"
        lines = [
            f"alpha==1.0{unknown}",
            f"checker==1.0{unknown} --hash=sha256:{'1' * 64}",
            f"only-windows==1.0 ; sys_platform == 'win32'{unknown}",
            requirement(LINUX, WINDOWS),
        ]
        (files / "requirements.txt").write_text("\n".join(lines))

    def test_it_is_a_failure_of_each_platform_that_wants_it(self, world: World) -> None:
        assert not made(world).complete
        mirror = world.mirror()
        told: dict[str, FetchFailedError] = {}
        for platform in ("linux-x86_64", "windows-amd64"):
            with pytest.raises(FetchFailedError) as caught:
                plan_platform(mirror, platform)
            told[platform] = caught.value
            with pytest.raises(DocumentError):
                load_plan(mirror, platform)
        assert {platform: error.facts["packages"] for platform, error in told.items()} == {
            "linux-x86_64": ["alpha==1.0", "checker==1.0"],
            "windows-amd64": ["alpha==1.0", "checker==1.0", "only-windows==1.0"],
        }
        error = told["windows-amd64"]
        assert error.message == (
            "windows-amd64: alpha==1.0: no upstream lists a file with its locked hash (and 2 more pins)"
        )
        assert "MIRROR_ALLOW_FAILURES" in error.hint
        assert (error.exit_code, error.retryable) == (3, False)
        assert plan_platform(mirror, "noarch").plan.gaps == ()

    def test_it_is_listed_by_the_plan_as_a_gap_with_its_reason(self, world: World) -> None:
        plan, _, _ = plan_for(world.mirror(), made(world).requirements)
        assert {(platform, gap.project, gap.failure, gap.reason) for platform, gap in plan.gaps} == {
            (platform, name, True, reason)
            for platform, name, reason in [
                ("linux-x86_64", "alpha", ONE),
                ("linux-x86_64", "checker", TWO),
                ("windows-amd64", "alpha", ONE),
                ("windows-amd64", "checker", TWO),
                ("windows-amd64", "only-windows", ONE),
            ]
        }

    def test_it_is_published_without_where_that_is_allowed(self, world: World) -> None:
        run(world.mirror(MIRROR_ALLOW_FAILURES="true"))
        assert {path.parent.name for path in (world.site / "simple").glob("*/index.html")} == {"native"}
        assert [gap.project for gap in load_plan(world.mirror(), "linux-x86_64").failures] == [
            "alpha",
            "checker",
        ]


def test_a_missing_wheel_for_a_platform_is_a_gap_and_no_failure(world: World, files: Path) -> None:
    (files / "requirements.txt").write_text(requirement(WINDOWS))
    found = made(world)
    (gap,) = plan_platform(world.mirror(), "linux-x86_64").plan.gaps
    assert (gap.project, gap.failure, found.complete) == ("native", False, True)
