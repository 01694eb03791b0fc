"""From lock to verified mirror, through every phase, against a real upstream."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import tomli
from packaging.pylock import Pylock, is_valid_pylock_path

from mirror_pipeline.adapters.server import serving
from mirror_pipeline.errors import DocumentError, LockError, SettingsError
from mirror_pipeline.phases import index, lock, publication, requirements, wheel_plan, wheels
from mirror_pipeline.phases.verification import verify
from mirror_pipeline_tests.phases.world import (
    ALPHA,
    ALPHA_SOURCE,
    CHECKER,
    DISTS,
    LINUX,
    MIRRORED,
    ONLY_WINDOWS,
    PACKAGES,
    WINDOWS,
    World,
    gather,
    locked,
    plan,
    published,
    run,
    tree,
)
from mirror_pipeline_tests.upstreams import FakeUpstream
from mirror_pipeline_tests.wheels import wheel


def test_from_lock_to_verified_mirror(world: World) -> None:
    mirror = world.mirror()
    gathered = gather(mirror)
    index.make_index(mirror)
    published = publication.publish(mirror)
    done = published.outcome
    report = verify(mirror).report

    assert {name: part.downloaded_files for name, part in gathered.items()} == {
        "linux-x86_64": 1,
        "windows-amd64": 1,
        "noarch": 3,
    }
    assert sum(part.downloaded_bytes for part in gathered.values()) == sum(
        dist.size for dist in DISTS if dist.file in MIRRORED
    )
    assert done.generation == 1
    assert published.location == str(world.site)
    assert report.passed
    assert {layer.layer for layer in report.layers} == {"coverage", "integrity", "index", "installability"}
    assert report.generation == 1


def test_what_is_published(world: World) -> None:
    run(world.mirror())

    projects = {"alpha", "native", "only-windows", "checker"}
    files = published(world.site)
    assert set(files) == {
        "manifest.json",
        "requirements-prod.txt",
        "requirements-all.txt",
        "pylock/pylock.linux-x86_64.toml",
        "pylock/pylock.windows-amd64.toml",
        "simple/index.html",
        "simple/index.v1_json",
        *(f"simple/{project}/index.html" for project in projects),
        *(f"simple/{project}/index.v1_json" for project in projects),
        "index.html",
        *(f"project/{project}/index.html" for project in projects),
        *(f"assets/{name}" for name in ("mark.svg", "site.css", "site.js")),
        *(f"packages/{file}" for file in MIRRORED),
        *(f"packages/{file}.metadata" for file in MIRRORED),
    }
    assert {files[f"packages/{dist.file}"] for dist in DISTS if dist.file in MIRRORED} == {
        dist.sha256 for dist in DISTS if dist.file in MIRRORED
    }


def test_the_manifest_names_everything_but_itself(world: World) -> None:
    run(world.mirror())

    manifest = json.loads((world.site / "manifest.json").read_bytes())
    files = dict(published(world.site))
    del files["manifest.json"]
    assert {key: entry["sha256"] for key, entry in manifest["files"].items()} == files
    assert all((world.site / key).stat().st_size == entry["size"] for key, entry in manifest["files"].items())


def test_a_second_run_asks_nobody_and_changes_nothing(world: World, upstream: FakeUpstream) -> None:
    run(world.mirror())
    before = tree(world.root)
    upstream.forget()

    mirror = world.mirror()
    gathered = gather(mirror)
    index.make_index(mirror)
    done = publication.publish(mirror).outcome

    assert upstream.count() == 0
    assert {part.downloaded_files for part in gathered.values()} == {0}
    assert (done.generation, done.uploaded, done.deleted) == (1, (), ())
    assert tree(world.root) == before


def test_two_homes_hold_the_same(tmp_path: Path) -> None:
    """Whatever the number of connections, the home's place and the order of upstream's answers."""
    seen = []
    for name, connections in (("one", "1"), ("two", "16")):
        with FakeUpstream() as upstream:
            for dist in DISTS if name == "one" else DISTS[::-1]:
                upstream.add(dist, upload_time="2024-01-02T03:04:05Z")
            world = World(tmp_path / name, upstream, {"MIRROR_CONCURRENCY": connections})
            world.lock(*PACKAGES)
            run(world.mirror())
            seen.append((published(world.site), (world.site / "manifest.json").read_bytes()))

    assert seen[0] == seen[1]


# Requirement files and locks.


def test_requirement_files_name_every_hash(world: World) -> None:
    made = requirements_of(world)

    assert (world.root / "requirements-prod.txt").read_text() == made["requirements-prod.txt"]
    assert (world.root / "requirements-all.txt").read_text() == made["requirements-all.txt"]
    for dist in DISTS:
        assert f"--hash=sha256:{dist.sha256}" in made["requirements-all.txt"]
    assert 'only-windows==0.3 ; sys_platform == "win32" \\' in made["requirements-all.txt"]
    assert "native==2.0+cpu \\" in made["requirements-prod.txt"]
    assert "checker" in made["requirements-all.txt"]
    assert "checker" not in made["requirements-prod.txt"]


def requirements_of(world: World) -> dict[str, str]:
    mirror = world.mirror()
    lock.take_snapshot(mirror)
    return dict(requirements.make_requirements(mirror).requirements.texts)


def test_pip_installs_from_the_mirror_by_its_requirement_file(world: World, tmp_path: Path) -> None:
    run(world.mirror())
    with serving(world.site) as url:
        result = subprocess.run(
            [
                sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-cache-dir",
                "--index-url", f"{url}/simple/", "--requirement", str(world.root / "requirements-all.txt"),
                "--require-hashes", "--only-binary", ":all:", "--python-version", "3.12",
                "--platform", "manylinux2014_x86_64", "--target", str(tmp_path / "installed"),
            ],
            env={"PIP_CONFIG_FILE": "/dev/null", "NO_PROXY": "127.0.0.1"},
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    assert result.returncode == 0, result.stderr
    names = {path.name for path in (tmp_path / "installed").glob("*.dist-info")}
    assert {"alpha-1.0.dist-info", "native-2.0+cpu.dist-info", "checker-7.0.dist-info"} <= names


def test_the_home_s_pylock_is_valid_and_names_all_files(world: World) -> None:
    requirements_of(world)

    document = Pylock.from_dict(tomli.loads((world.home / "pylock.toml").read_text()))
    files = {wheel.name: wheel.hashes["sha256"] for p in document.packages for wheel in p.wheels or ()}
    assert files == {dist.file: dist.sha256 for dist in DISTS if dist is not ALPHA_SOURCE}
    assert [p.sdist.name for p in document.packages if p.sdist] == [ALPHA_SOURCE.file]


@pytest.mark.parametrize(
    ("platform", "expected"),
    [
        ("linux-x86_64", (ALPHA, LINUX, CHECKER, ONLY_WINDOWS)),
        ("windows-amd64", (ALPHA, WINDOWS, CHECKER, ONLY_WINDOWS)),
    ],
)
def test_a_published_pylock_leads_into_the_mirror(
    world: World, platform: str, expected: tuple[object, ...]
) -> None:
    run(world.mirror())

    path = world.site / "pylock" / f"pylock.{platform}.toml"
    document = Pylock.from_dict(tomli.loads(path.read_text()))
    found = {wheel.name: wheel for package in document.packages for wheel in package.wheels or ()}

    assert is_valid_pylock_path(path)
    assert set(found) == {dist.file for dist in DISTS if dist in expected}
    for name, entry in found.items():
        assert entry.path is not None
        content = (path.parent / entry.path).read_bytes()
        assert hashlib.sha256(content).hexdigest() == entry.hashes["sha256"]
        assert (entry.size, entry.path) == (len(content), f"../packages/{name}")
    markers = {str(package.name): str(package.marker) for package in document.packages if package.marker}
    assert markers == {"only-windows": 'sys_platform == "win32"'}


def test_several_projects_have_files_of_their_own(world: World, upstream: FakeUpstream) -> None:
    extra = upstream.add(wheel("extra"))
    world.lock(locked(extra), locked(ALPHA), project="office")

    run(world.mirror(ORBIT_PROJECT="shop:office"))

    names = {path.name for path in (world.site / "requirements").iterdir()}
    assert names == {f"{project}-{kind}.txt" for project in ("shop", "office") for kind in ("prod", "all")}
    assert "extra==1.0" in (world.root / "requirements" / "office-prod.txt").read_text()
    assert f"packages/{extra.file}" in published(world.site)


def test_the_official_exporter_where_it_is_asked_for(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "poetry").write_text(f'#!{sys.executable}\nimport sys\nprint("# exported", *sys.argv[-2:])\n')
    (tools / "poetry").chmod(0o755)
    monkeypatch.setenv("PATH", str(tools))
    mirror = world.mirror(MIRROR_EXPORTER="poetry")
    lock.take_snapshot(mirror)

    made = requirements.make_requirements(mirror)

    assert made.warnings == ()
    assert made.requirements.texts["requirements-prod.txt"] == "# exported --only main\n"
    assert made.requirements.texts["requirements-all.txt"] == "# exported --all-groups --all-extras\n"


def test_without_the_official_exporter_the_lock_speaks(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    mirror = world.mirror(MIRROR_EXPORTER="poetry")
    lock.take_snapshot(mirror)

    made = requirements.make_requirements(mirror)

    assert dict(made.requirements.texts) == requirements_of(world)
    assert [warning.partition(":")[2] for warning in made.warnings] == [
        " requirements-prod is made from the lock",
        " requirements-all is made from the lock",
    ]


# Changes.


def test_a_new_lock_makes_a_new_generation(world: World, upstream: FakeUpstream) -> None:
    run(world.mirror())
    first = published(world.site)
    newer = upstream.add(wheel("checker", "7.1"))
    world.lock(*PACKAGES[:3], locked(newer, groups=("dev",)))
    upstream.forget()

    done = run(world.mirror())

    assert done.generation == 2
    assert f"packages/{newer.file}" in done.uploaded
    assert {"simple/checker/index.html", "requirements-all.txt"} <= set(done.uploaded)
    assert set(done.deleted) == {f"packages/{CHECKER.file}", f"packages/{CHECKER.file}.metadata"}
    assert CHECKER.file not in (world.site / "simple" / "checker" / "index.html").read_text()
    assert {request.path for request in upstream.requests} == {
        upstream.page_of("checker"),
        upstream.path_of(newer),
    }
    old = world.home / "generations" / "1"
    assert {key: digest for key, digest in tree(old).items() if key in first} == {
        key: digest for key, digest in first.items() if not key.startswith("packages/")
    }


def test_a_comment_in_the_lock_changes_the_snapshot_alone(world: World) -> None:
    mirror = world.mirror()
    run(mirror)
    snapshot = lock.current_version(mirror)
    version = requirements.make_requirements(mirror).requirements.version
    path = world.root / "shop" / "poetry.lock"
    path.write_text("# checked by hand\n" + path.read_text())

    again = world.mirror()
    done = run(again)

    assert lock.current_version(again) != snapshot
    assert requirements.make_requirements(again).requirements.version == version
    assert (done.generation, done.uploaded) == (1, ())


def test_a_page_that_was_changed_behind_our_back_is_published_anew(world: World) -> None:
    run(world.mirror())
    page = world.site / "simple" / "alpha" / "index.html"
    good = page.read_bytes()
    page.write_text("defaced")

    done = run(world.mirror())

    assert done.generation == 2
    assert (world.site / "simple" / "alpha" / "index.html").read_bytes() == good


@pytest.mark.parametrize("text", ["", "<<<<<<< ours\n", '[[package]]\nname = "alpha"\n'])
def test_a_broken_lock_replaces_nothing(world: World, text: str) -> None:
    run(world.mirror())
    before = tree(world.home)
    (world.root / "shop" / "poetry.lock").write_text(text)

    with pytest.raises(LockError):
        lock.take_snapshot(world.mirror())

    assert tree(world.home) == before


def test_a_group_that_no_lock_has_is_refused(world: World) -> None:
    mirror = world.mirror(MIRROR_GROUPS="dve")
    lock.take_snapshot(mirror)

    with pytest.raises(SettingsError, match="dve") as caught:
        requirements.make_requirements(mirror)

    assert caught.value.facts["allowed"] == ["dev"]


def test_phases_out_of_order_say_what_is_missing(world: World) -> None:
    mirror = world.mirror()
    steps: Mapping[str, Callable[[], object]] = {
        "lock": lambda: requirements.make_requirements(mirror),
        "requirements": lambda: wheel_plan.plan_platform(mirror, "noarch"),
        "wheel_plan": lambda: wheels.gather_wheels(mirror, "noarch"),
        "index": lambda: publication.publish(mirror),
    }
    for needed, step in steps.items():
        with pytest.raises(DocumentError, match="not made yet") as caught:
            step()
        assert f"'{needed}'" in caught.value.hint

    plan(mirror)
    with pytest.raises(DocumentError, match=r"wheels/.*: not made yet"):
        index.make_index(mirror)
    assert not world.site.exists()


def test_every_platform_and_the_verification_share_one_plan(world: World) -> None:
    mirror = world.mirror()
    lock.take_snapshot(mirror)
    requirements.make_requirements(mirror)
    linux, windows = (wheel_plan.plan_platform(mirror, name) for name in ("linux-x86_64", "windows-amd64"))
    stored = mirror.documents.read(requirements.DOCUMENT, requirements.Requirements)

    assert windows.whole is linux.whole
    assert wheel_plan.plan_for(mirror, stored)[0] is linux.whole
    assert wheel_plan.plan_for(world.mirror(MIRROR_PYTHONS="3.11"), stored)[0] != linux.whole


def test_an_index_is_outdated_where_it_was_made_from_other_requirements(world: World) -> None:
    run(world.mirror())
    assert not index.is_outdated(world.mirror())
    world.lock(*PACKAGES[:2], locked(ONLY_WINDOWS, markers='platform_system == "Windows"'), PACKAGES[3])
    gather(world.mirror())
    assert index.is_outdated(world.mirror())
    (world.root / "home" / "documents" / "index_made.json").unlink()  # as an earlier version left it
    assert index.is_outdated(world.mirror())
    index.make_index(world.mirror())
    assert not index.is_outdated(world.mirror())
