"""Source distributions, from the lock to an installer that builds one it got from the mirror."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from mirror_pipeline.adapters.server import serving
from mirror_pipeline.phases.verification import verify
from mirror_pipeline_tests.locks import digest_of, package
from mirror_pipeline_tests.phases.world import (
    ALPHA,
    ALPHA_SOURCE,
    LINUX,
    WINDOWS,
    World,
    locked,
    published,
    run,
)
from mirror_pipeline_tests.upstreams import FakeUpstream
from mirror_pipeline_tests.wheels import Dist, sdist

LINUX_SOURCE = sdist("native", "2.0+cpu")
ONLY_SOURCE = sdist("only-source", "1.0")
OLD = sdist("Old.Name_of-things", "0.9")


def zipped(dist: Dist) -> Dist:
    """The same source distribution as a .zip, as some still are."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(dist.content)) as packed, zipfile.ZipFile(buffer, "w") as archive:
        for member in packed.getmembers():
            content = packed.extractfile(member)
            assert content is not None
            archive.writestr(zipfile.ZipInfo(member.name), content.read())
    return replace(dist, file=f"{dist.file.removesuffix('.tar.gz')}.zip", content=buffer.getvalue())


ZIPPED = zipped(sdist("zipped", "3.1"))
SOURCES = (ALPHA_SOURCE, LINUX_SOURCE, ONLY_SOURCE, OLD, ZIPPED)


@pytest.fixture
def world(tmp_path: Path, upstream: FakeUpstream) -> World:
    for dist in SOURCES:
        upstream.add(dist)
    world = World(tmp_path, upstream)
    world.lock(
        locked(ALPHA, ALPHA_SOURCE),
        locked(LINUX, LINUX_SOURCE),
        locked(ONLY_SOURCE),
        locked(OLD),
        locked(ZIPPED),
    )
    return world


def packages_of(world: World) -> set[str]:
    keys = (key.partition("/") for key in published(world.site))
    return {file for folder, _, file in keys if folder == "packages"}


@pytest.mark.parametrize(
    ("policy", "sources"),
    [
        ("never", ()),
        ("fallback", (LINUX_SOURCE, ONLY_SOURCE, OLD, ZIPPED)),
        ("always", SOURCES),
    ],
)
def test_the_mirror_holds_the_sources_that_the_policy_asks_for(
    world: World, policy: str, sources: tuple[Dist, ...]
) -> None:
    run(world.mirror(MIRROR_SDISTS=policy))

    held = packages_of(world)
    assert {dist.file for dist in SOURCES} & held == {dist.file for dist in sources}
    assert not any(f"{dist.file}.metadata" in held for dist in SOURCES)
    for dist in sources:
        page = json.loads((world.site / "simple" / dist.project / "index.v1_json").read_text())
        listed = {entry["filename"]: entry for entry in page["files"]}
        assert listed[dist.file]["hashes"] == {"sha256": dist.sha256}
        assert (listed[dist.file]["core-metadata"], listed[dist.file]["size"]) == (False, dist.size)
        text = (world.site / "simple" / dist.project / "index.html").read_text()
        assert f">{dist.file}</a>" in text
        assert dist.version in page["versions"]


@pytest.mark.parametrize("policy", ["never", "fallback", "always"])
def test_the_mirror_is_verified_and_sources_close_gaps(world: World, policy: str) -> None:
    mirror = world.mirror(MIRROR_SDISTS=policy)
    run(mirror)
    report = verify(mirror).report
    assert report.findings == ()
    gaps = {gap.project for found in report.gaps.values() for gap in found}
    assert gaps == ({"native", "only-source", "old-name-of-things", "zipped"} if policy == "never" else set())


def test_a_wheel_that_is_gone_is_found_though_there_is_a_source(world: World) -> None:
    world.lock(locked(LINUX, WINDOWS, LINUX_SOURCE))
    mirror = world.mirror(MIRROR_SDISTS="always")
    run(mirror)
    for name in ("index.html", "index.v1_json"):
        page = world.site / "simple" / "native" / name
        page.write_text(page.read_text().replace("win_amd64", "win32"))
    found = {
        finding.subject for finding in verify(mirror).report.findings if finding.layer == "installability"
    }
    assert found == {"windows-amd64/3.12"}


@pytest.mark.parametrize("dist", [ALPHA_SOURCE, ONLY_SOURCE, OLD, ZIPPED], ids=lambda dist: dist.file)
def test_pip_builds_a_source_from_the_mirror(world: World, tmp_path: Path, dist: Dist) -> None:
    run(world.mirror(MIRROR_SDISTS="always"))
    with serving(world.site) as url:
        result = subprocess.run(
            [
                sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-cache-dir",
                "--index-url", f"{url}/simple/", "--no-binary", dist.project, "--no-deps",
                "--target", str(tmp_path / "installed"), f"{dist.project}=={dist.version}",
            ],
            env={"PIP_CONFIG_FILE": "/dev/null", "NO_PROXY": "127.0.0.1"},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert dist.file in result.stdout
    assert list((tmp_path / "installed").glob(f"*-{dist.version}.dist-info"))


def test_what_only_looks_like_a_source_is_a_gap(world: World) -> None:
    names = ["dumb-1.0.linux-x86_64.tar.gz", "dumb-1.0.win32.exe", "dumb-1.0-py3.8.egg"]
    world.lock(package("dumb", files={name: digest_of(name) for name in names}), locked(ALPHA))
    mirror = world.mirror(MIRROR_SDISTS="always", MIRROR_PLATFORMS="linux-x86_64")
    run(mirror)
    assert packages_of(world) == {ALPHA.file, f"{ALPHA.file}.metadata"}
    gaps = verify(mirror).report.gaps["linux-x86_64"]
    assert [(gap.project, gap.reason) for gap in gaps] == [("dumb", "source only: no wheel was published")]
