"""A real uv that looks for pins on a real site."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mirror_pipeline.adapters.installer import can_judge, find_installer, judge
from mirror_pipeline.adapters.progress import Silent
from mirror_pipeline.adapters.server import serving
from mirror_pipeline.adapters.store import WheelStore
from mirror_pipeline.domain.generations import Provenance
from mirror_pipeline.domain.manifest import make_manifest
from mirror_pipeline.domain.pages import page_files
from mirror_pipeline.domain.target import PLATFORMS, Python, Target
from mirror_pipeline.domain.wheelset import Held, WheelSet, by_project
from mirror_pipeline.errors import InstallerError
from mirror_pipeline.sites.directory import DirectorySite
from mirror_pipeline.sites.site import Publication
from mirror_pipeline_tests.wheels import Dist, sdist, wheel

LINUX = Target(PLATFORMS["linux-x86_64"], Python(12))
DISTS = (
    wheel("pure", requires_python=">=3.11"),
    wheel("needy", requires=("not-on-the-mirror",)),
    wheel("linux-only", "1.0", "cp312-cp312-manylinux_2_17_x86_64"),
    wheel("old-macos", "1.0", "cp312-cp312-macosx_11_0_arm64"),
    wheel("new-macos", "1.0", "cp312-cp312-macosx_14_0_arm64"),
    wheel("windows-only", "1.0", "cp312-cp312-win_amd64"),
    wheel("local", "1.0+cpu.1"),
    sdist("source"),
)


def publish(home: Path, dists: tuple[Dist, ...]) -> Path:
    store = WheelStore(home)
    store.prepare()
    held = []
    for dist in dists:
        store.path(dist.file).write_bytes(dist.content)
        metadata = store.core_metadata(dist.file) if dist.artifact().is_wheel else None
        held.append(Held(dist.artifact(), dist.size, metadata, dist.requires_python))
    pages = page_files(by_project([WheelSet("noarch", tuple(held))]))
    site = DirectorySite(home)
    manifest = make_manifest("v", ["noarch"], pages, held)
    provenance = Provenance("2026-11-01T00:00:00+00:00", "ann@example", "")
    site.publish(Publication(pages, manifest, store.packages, provenance), Silent())
    return site.link


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(publish(tmp_path_factory.mktemp("home"), DISTS)) as url:
        yield f"{url}/simple/"


@pytest.fixture(scope="module")
def uv() -> str:
    return find_installer()


@pytest.mark.parametrize(
    ("platform", "pins"),
    [
        ("linux-x86_64", ["pure==1.0", "linux-only==1.0", "local==1.0+cpu.1"]),
        ("windows-amd64", ["windows-only==1.0", "pure==1.0"]),
        ("macos-arm64", ["old-macos==1.0", "new-macos==1.0"]),
        ("linux-aarch64", ["pure==1.0", "needy==1.0"]),
    ],
)
def test_what_is_there_is_found(uv: str, index: str, platform: str, pins: list[str]) -> None:
    verdict = judge(uv, index, pins, Target(PLATFORMS[platform], Python(12)))

    assert verdict.complaint == ""
    assert verdict.found_everything


@pytest.mark.parametrize(
    ("platform", "minor", "pin"),
    [
        ("linux-x86_64", 12, "absent==1.0"),
        ("linux-x86_64", 12, "pure==2.0"),
        ("linux-x86_64", 12, "windows-only==1.0"),
        ("linux-aarch64", 12, "linux-only==1.0"),
        ("windows-amd64", 12, "old-macos==1.0"),
        ("linux-x86_64", 13, "linux-only==1.0"),
        ("linux-x86_64", 10, "pure==1.0"),
        ("linux-x86_64", 12, "source==1.0"),
    ],
)
def test_what_is_not_there_is_named(uv: str, index: str, platform: str, minor: int, pin: str) -> None:
    verdict = judge(uv, index, [pin, "needy==1.0"], Target(PLATFORMS[platform], Python(minor)))

    assert not verdict.found_everything
    assert pin.partition("=")[0] in verdict.complaint


def test_source_is_allowed_where_it_is_served(uv: str, index: str) -> None:
    assert judge(uv, index, ["source==1.0", "pure==1.0"], LINUX, ["source"]).complaint == ""


def test_the_machine_s_own_configuration_does_not_count(
    uv: str, index: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_INDEX_URL", "http://127.0.0.1:9/simple/")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple/")
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple/")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")

    assert judge(uv, index, ["pure==1.0"], LINUX).complaint == ""


def test_an_index_that_is_not_there_is_a_complaint(uv: str, index: str) -> None:
    assert "pure" in judge(uv, f"{index}nowhere/", ["pure==1.0"], LINUX).complaint


def test_what_was_asked_for_one_target_is_known_for_the_next(uv: str, tmp_path: Path) -> None:
    cache, windows = tmp_path / "cache", Target(PLATFORMS["windows-amd64"], Python(13))
    with serving(publish(tmp_path / "home", DISTS)) as url:
        assert judge(uv, f"{url}/simple/", ["pure==1.0"], LINUX, cache=cache).complaint == ""

    assert judge(uv, f"{url}/simple/", ["pure==1.0"], windows, cache=cache).complaint == ""
    assert "linux-only" in judge(uv, f"{url}/simple/", ["linux-only==1.0"], windows, cache=cache).complaint
    assert judge(uv, f"{url}/simple/", ["pure==1.0"], windows).complaint != ""


def test_no_uv(tmp_path: Path) -> None:
    with pytest.raises(InstallerError, match="uv did not run"):
        judge(str(tmp_path / "uv"), "http://127.0.0.1:9/simple/", ["pure==1.0"], LINUX)


@pytest.mark.parametrize("name", PLATFORMS)
def test_every_platform_can_be_judged(name: str) -> None:
    assert can_judge(Target(PLATFORMS[name], Python(12)))
    assert not can_judge(Target(PLATFORMS[name], Python(13, free_threaded=True)))
