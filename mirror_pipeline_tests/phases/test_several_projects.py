"""Several projects in one mirror: their union, and which of them wants what."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import tomli
from packaging.markers import Environment, Marker, default_environment
from packaging.pylock import Pylock, is_valid_pylock_path
from packaging.tags import Tag

from mirror_pipeline.errors import ConflictError, LockError
from mirror_pipeline.phases.lock import current_snapshot
from mirror_pipeline.phases.requirements import DOCUMENT as REQUIREMENTS
from mirror_pipeline.phases.requirements import Read, Requirements, read_projects
from mirror_pipeline.phases.verification import verify
from mirror_pipeline.phases.wheel_plan import plan_for
from mirror_pipeline_tests.phases.world import (
    ALPHA,
    CHECKER,
    LINUX,
    ONLY_WINDOWS,
    WINDOWS,
    World,
    gather,
    locked,
    run,
)
from mirror_pipeline_tests.upstreams import FakeUpstream
from mirror_pipeline_tests.wheels import wheel


def manifest_of(world: World) -> Any:
    return json.loads((world.site / "manifest.json").read_text())


def test_the_manifest_says_who_wants_what(world: World) -> None:
    world.lock(locked(ALPHA), locked(WINDOWS), project="office")
    mirror = world.mirror(ORBIT_PROJECT="office:shop")
    run(mirror)

    manifest = manifest_of(world)

    wanted = {
        key.removeprefix("packages/"): entry["wanted_by"]
        for key, entry in manifest["files"].items()
        if key.startswith("packages/")
    }
    files = {
        ALPHA.file: ["office", "shop"],
        WINDOWS.file: ["office", "shop"],
        LINUX.file: ["shop"],
        CHECKER.file: ["shop"],
        ONLY_WINDOWS.file: ["shop"],
    }
    assert wanted == {**files, **{f"{file}.metadata": who for file, who in files.items()}}
    assert set(manifest["projects"]) == {"office", "shop"}
    assert manifest["projects"]["shop"]["format"] == "poetry"
    assert not any("wanted_by" in entry for key, entry in manifest["files"].items() if "packages/" not in key)
    assert verify(mirror).report.passed


def test_each_project_has_a_lock_of_its_own_for_each_platform(world: World) -> None:
    newer = wheel("checker", "8.0")
    world.upstream.add(newer)
    marked = locked(ALPHA, markers='sys_platform == "linux"')
    world.lock(marked, locked(newer), project="office.two")
    run(world.mirror(ORBIT_PROJECT="office.two:shop"))

    def pins(name: str) -> set[str]:
        path = world.site / "pylock" / f"pylock.{name}.toml"
        assert is_valid_pylock_path(path)
        document = Pylock.from_dict(tomli.loads(path.read_text()))
        python = default_environment()
        tags = [Tag("py3", "none", "any"), Tag("cp312", "cp312", "manylinux_2_17_x86_64")]
        environment: Environment = {**python, "sys_platform": "linux", "python_full_version": "3.12.1"}
        return {
            f"{item.name}=={item.version}" for item, _ in document.select(environment=environment, tags=tags)
        }

    assert pins("office-two-linux-x86_64") == {"alpha==1.0", "checker==8.0"}
    assert pins("shop-linux-x86_64") == {"alpha==1.0", "native==2.0+cpu", "checker==7.0"}
    plain = tomli.loads((world.site / "pylock/pylock.linux-x86_64.toml").read_text())
    assert [item["name"] for item in plain["packages"]].count("alpha") == 1


def test_a_project_more_changes_who_wants_a_file_and_fetches_nothing(
    world: World, upstream: FakeUpstream
) -> None:
    run(world.mirror())
    world.lock(locked(ALPHA), project="office")
    upstream.forget()

    run(world.mirror(ORBIT_PROJECT="office:shop"))

    assert manifest_of(world)["files"][f"packages/{ALPHA.file}"]["wanted_by"] == ["office", "shop"]
    assert not [request.path for request in upstream.requests if request.path.endswith(".whl")]


def test_a_gap_says_which_project_wants_the_pin(world: World) -> None:
    world.lock(locked(WINDOWS), project="office")
    gather(mirror := world.mirror(ORBIT_PROJECT="office:shop", MIRROR_PLATFORMS="linux-x86_64"))
    read = read_projects(mirror, current_snapshot(mirror).projects)
    plan, _, _ = plan_for(mirror, read)
    assert [(gap.project, gap.wanted_by) for _, gap in plan.gaps] == [("native", ("office",))]


def test_one_name_with_different_bytes_is_refused_before_anything_is_fetched(
    world: World, upstream: FakeUpstream
) -> None:
    other = wheel("alpha", "1.0", payload=10)
    assert other.file == ALPHA.file
    world.lock(locked(other), project="office")
    with pytest.raises(ConflictError) as caught:
        gather(world.mirror(ORBIT_PROJECT="office:shop"))
    told = str(caught.value)
    assert all(
        part in told for part in (ALPHA.file, ALPHA.sha256, other.sha256, "office wants", "shop wants")
    )
    assert not [request.path for request in upstream.requests if request.path.endswith(".whl")]


def test_projects_of_several_formats_have_their_own_pythons(world: World) -> None:
    (world.root / "tools").mkdir()
    line = f"alpha==1.0 --hash=sha256:{ALPHA.sha256}\n"
    (world.root / "tools" / "requirements.txt").write_text(line)
    mirror = world.mirror(ORBIT_PROJECT="shop:tools", MIRROR_PYTHONS="3.9,3.12")

    run(mirror)
    requirements = mirror.documents.read(REQUIREMENTS, Requirements)
    plan, _, warnings = plan_for(mirror, requirements)

    assert warnings == ("Python 3.9 is left out: shop requires >=3.10",)
    assert plan.targets["linux-x86_64/3.9"] == ("alpha==1.0",)
    assert set(plan.targets["linux-x86_64/3.12"]) > {"alpha==1.0"}
    manifest = manifest_of(world)
    assert manifest["files"][f"packages/{ALPHA.file}"]["wanted_by"] == ["shop", "tools"]
    assert {name: project["requires_python"] for name, project in manifest["projects"].items()} == {
        "shop": ">=3.10",
        "tools": "",
    }
    assert len({project["format"] for project in manifest["projects"].values()}) == 2
    assert verify(mirror).report.passed


def test_two_folders_of_one_name_are_two_projects(world: World) -> None:
    for place, dist in (("api", ALPHA), ("web", CHECKER)):
        (world.root / place / "app").mkdir(parents=True)
        line = f"{dist.project}=={dist.version} --hash=sha256:{dist.sha256}\n"
        (world.root / place / "app" / "requirements.txt").write_text(line)

    run(world.mirror(ORBIT_PROJECT="web/app:api/app"))

    manifest = manifest_of(world)
    assert set(manifest["projects"]) == {"app-api", "app-web"}
    assert manifest["files"][f"packages/{ALPHA.file}"]["wanted_by"] == ["app-api"]
    assert manifest["files"][f"packages/{CHECKER.file}"]["wanted_by"] == ["app-web"]
    assert {path.name for path in (world.site / "requirements").iterdir()} == {
        f"app-{place}-{kind}.txt" for place in ("api", "web") for kind in ("prod", "all")
    }


def test_a_project_is_left_out_of_platforms_that_it_was_not_locked_for(world: World) -> None:
    world.lock(locked(ALPHA), project="office")
    mirror = world.mirror(ORBIT_PROJECT="office:shop")
    read = read_projects(mirror, current_snapshot(mirror).projects)
    linux_only = replace(read.locks[0], environments=(Marker('sys_platform == "linux"'),))

    plan, targets, warnings = plan_for(mirror, Read((linux_only, read.locks[1]), read.selections))

    assert warnings == ('windows-amd64 is left out: office was locked for sys_platform == "linux"',)
    assert len(targets) == 2
    windows = plan.platforms["windows-amd64"].artifacts
    pure = {artifact.file: artifact.wanted_by for artifact in plan.platforms["noarch"].artifacts}
    assert {artifact.wanted_by for artifact in windows} == {("shop",)}
    assert pure[ALPHA.file] == ("office", "shop")

    elsewhere = replace(linux_only, environments=(Marker('sys_platform == "darwin"'),))
    with pytest.raises(LockError, match="office was locked for"):
        plan_for(mirror, Read((elsewhere, read.locks[1]), read.selections))
