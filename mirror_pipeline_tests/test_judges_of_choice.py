"""What installers by others choose from our index, for machines unlike this one: ``unearth`` and pip.

For every target of the mirror unearth has to find each pin in a file that the plan has for that target, and
pip the same file; ``pip index versions`` has to name the locked versions, no more and no less.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from packaging.utils import canonicalize_name
from unearth import HashMismatchError, PackageFinder, TargetPython
from unearth.fetchers.sync import PyPIClient

from mirror_pipeline.domain.target import NOARCH, Python, Target
from mirror_pipeline.domain.target import PLATFORMS as KNOWN
from mirror_pipeline.phases.requirements import DOCUMENT, Requirements
from mirror_pipeline.phases.wheel_plan import load_plan, plan_for
from mirror_pipeline_tests.clients import Installed, pip_install, uv_install
from mirror_pipeline_tests.judged import (
    ALPHA,
    BEST_OF_NATIVE,
    MACHINES,
    NATIVE,
    REASON,
    TARGETS,
    WITHDRAWN,
    Judged,
    abi_of,
    offered,
)

Pins = Mapping[str, Sequence[str]]


NEW_LINUX = ("manylinux_2_39_x86_64", "manylinux_2_34_x86_64", *MACHINES["linux-x86_64"])
OLD_MAC = ("macosx_12_0_arm64",)


@pytest.fixture(scope="module")
def session() -> Iterator[Any]:
    with PyPIClient(trust_env=False) as client:
        yield client


@pytest.fixture(scope="module")
def pins(judged: Judged) -> Pins:
    """Target → its pins, as the plan has them."""
    requirements = judged.mirror.documents.read(DOCUMENT, Requirements)
    return plan_for(judged.mirror, requirements)[0].targets


def finder(
    session: Any, index: str, target: Target = TARGETS[0], machine: Sequence[str] = ()
) -> PackageFinder:
    """An unearth for a machine of that kind, which takes wheels only."""
    python = TargetPython(
        py_ver=(3, target.python.minor),
        abis=[abi_of(target)],
        impl="cp",
        platforms=list(machine or MACHINES[target.platform.name]),
    )
    return PackageFinder(session, index_urls=[index], target_python=python, only_binary=[":all:"])


def chosen_by_unearth(found: PackageFinder, pins: Sequence[str]) -> Mapping[str, str]:
    """Project → the file that unearth takes."""
    best = {pin.split("==")[0]: found.find_best_match(pin).best for pin in pins}
    return {project: package.link.filename if package else "none" for project, package in best.items()}


def chosen_by_pip(index: str, target: Target, pins: Sequence[str]) -> Mapping[str, str]:
    """Project → the file that pip takes; it reads metadata, and installs nothing."""
    report = pip(
        *("install", "--quiet", "--dry-run", "--no-deps", "--only-binary=:all:", "--report=-"),
        *(f"--platform={tag}" for tag in MACHINES[target.platform.name]),
        *("--implementation=cp", f"--abi={abi_of(target)}", f"--python-version=3.{target.python.minor}"),
        *(f"--index-url={index}", *pins),
    )
    return {
        canonicalize_name(item["metadata"]["name"]): file_of(item["download_info"]["url"])
        for item in json.loads(report)["install"]
    }


def file_of(url: str) -> str:
    """The file's name at the end of a URL."""
    return unquote(urlsplit(url).path.rpartition("/")[2])


def pip(*arguments: str, code: int = 0) -> str:
    """Run pip with nothing but the mirror; its output."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-cache-dir", *arguments],
        env={"PATH": os.environ["PATH"], "PIP_CONFIG_FILE": os.devnull, "NO_PROXY": "*"},
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout if code == 0 else done.stderr


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_unearth_finds_each_pin_among_what_is_planned(
    judged: Judged, session: Any, pins: Pins, target: Target
) -> None:
    plans = [load_plan(judged.mirror, platform) for platform in (target.platform.name, NOARCH)]
    planned = {artifact.file: artifact.project for plan in plans for artifact in plan.artifacts}

    chosen = chosen_by_unearth(finder(session, judged.index, target), pins[str(target)])

    assert chosen["native"] == f"native-2.0+cpu.1-{BEST_OF_NATIVE[str(target)]}.whl"
    assert {file: project for project, file in chosen.items()}.items() <= planned.items()
    assert chosen["twice"] == ("twice-1.0" if target.python.minor < 12 else "twice-2.0") + "-py3-none-any.whl"
    assert ("only-windows" in chosen) is (target.platform.name == "windows-amd64")


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_pip_takes_the_same_files(judged: Judged, session: Any, pins: Pins, target: Target) -> None:
    asked = pins[str(target)]
    chosen = chosen_by_pip(judged.index, target, asked)
    assert chosen == chosen_by_unearth(finder(session, judged.index, target), asked)
    assert len(chosen) == len(asked)


def test_older_and_newer_machines_find_what_fits_them(judged: Judged, session: Any) -> None:
    linux, mac = (Target(KNOWN[name], Python(12)) for name in ("linux-x86_64", "macos-arm64"))
    newer = finder(session, judged.index, linux, NEW_LINUX)
    older = finder(session, judged.index, mac, OLD_MAC)
    assert chosen_by_unearth(newer, ["native"]) == {
        "native": "native-2.0+cpu.1-cp312-cp312-manylinux_2_34_x86_64.whl"
    }
    assert chosen_by_unearth(older, ["native"]) == {
        "native": "native-2.0+cpu.1-cp310-abi3-macosx_11_0_arm64.whl"
    }


@pytest.mark.parametrize(("project", "reason"), [("withdrawn", REASON), ("pulled", True)])
def test_unearth_takes_withdrawn_files_only_where_they_are_pinned(
    judged: Judged, session: Any, project: str, reason: str | bool
) -> None:
    found = finder(session, judged.index)
    assert found.find_best_match(project).best is None
    pinned = found.find_best_match(f"{project}==1.0").best
    assert pinned is not None
    assert pinned.link.is_yanked
    assert pinned.link.yank_reason == reason


def test_unearth_chooses_by_python(judged: Judged, session: Any) -> None:
    newest = {
        python: finder(session, judged.index, Target(KNOWN["linux-x86_64"], Python.parse(python)))
        .find_best_match("twice")
        .best
        for python in ("3.11", "3.12")
    }
    assert {python: best.version if best else "" for python, best in newest.items()} == {
        "3.11": "1.0", "3.12": "2.0"
    }  # fmt: skip


def test_unearth_compares_hashes_when_it_downloads(judged: Judged, session: Any, tmp_path: Path) -> None:
    found = PackageFinder(session, index_urls=[judged.index], ignore_compatibility=True)
    for project, offers in offered().items():
        packages = {
            item.link.filename: item.link for item in found.find_all_packages(project, allow_yanked=True)
        }
        assert set(packages) == {offer.dist.file for offer in offers}
        for offer in offers:
            link = packages[offer.dist.file]
            assert link.hash_option == {"sha256": [offer.dist.sha256]}
            assert found.download(link, tmp_path).read_bytes() == offer.dist.content
            assert link.dist_info_metadata == ({"sha256": offer.metadata_sha256} if offer.metadata else False)


def test_unearth_refuses_other_bytes(judged: Judged, session: Any, tmp_path: Path) -> None:
    found = PackageFinder(session, index_urls=[judged.index], ignore_compatibility=True)
    best = found.find_best_match("alpha").best
    assert best is not None
    with pytest.raises(HashMismatchError):
        found.download(best.link, tmp_path, {"sha256": [WITHDRAWN.dist.sha256]})
    assert found.find_best_match("alpha", hashes={"sha256": [WITHDRAWN.dist.sha256]}).best is None
    right = found.find_best_match("alpha", hashes={"sha256": [ALPHA.dist.sha256]}).best
    assert right is not None
    assert right.link.filename == ALPHA.dist.file


def test_pip_downloads_for_another_machine(judged: Judged, tmp_path: Path) -> None:
    options = ("--no-deps", "--only-binary=:all:", "--platform=win_amd64", "--python-version=3.12")
    pip(
        "download",
        "--quiet",
        f"--dest={tmp_path}",
        f"--index-url={judged.index}",
        *options,
        "native",
        "alpha",
    )
    contents = {offer.dist.file: offer.dist.content for offer in (*NATIVE, ALPHA)}
    found = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(found) == {"native-2.0+cpu.1-cp310-abi3-win_amd64.whl", ALPHA.dist.file}
    assert found.items() <= contents.items()


@pytest.mark.parametrize("install", [pip_install, uv_install], ids=["pip", "uv"])
def test_the_folder_of_packages_is_a_flat_index(judged: Judged, install: Callable[..., Installed]) -> None:
    flat = ("--no-index", "--find-links", str(judged.site / "packages"))
    done = install(judged.index, *flat, "Dotted.Name_x", "native", "epoch")
    assert done.code == 0, done.output
    assert {name.split("-")[0] for name in done.distributions} == {
        "Dotted.Name_x",
        "alpha",
        "native",
        "epoch",
    }


# pip index versions


def versions(index: str, project: str, *options: str) -> Any:
    """What pip says that there is of a project."""
    return json.loads(pip("index", "versions", project, "--json", f"--index-url={index}", *options))[
        "versions"
    ]


WINDOWS_311 = ("--platform=win_amd64", "--python-version=3.11", "--implementation=cp", "--abi=cp311")
LINUX_312 = ("--platform=manylinux_2_17_x86_64", "--python-version=3.12", "--only-binary=:all:")


@pytest.mark.parametrize(
    ("project", "options", "expected"),
    [
        ("alpha", (), ["1.0"]),
        ("native", (), ["2.0+cpu.1"]),
        ("native", (*WINDOWS_311, "--only-binary=:all:"), ["2.0+cpu.1"]),
        ("twice", ("--ignore-requires-python",), ["2.0", "1.0"]),
        ("twice", (*WINDOWS_311, "--only-binary=:all:"), ["1.0"]),
        ("twice", LINUX_312, ["2.0", "1.0"]),
        ("epoch", (), ["1!2.0.post1"]),
        ("preview", ("--pre",), ["4.0rc1"]),
        ("Dotted.Name_X", (), ["3.1"]),
    ],
)
def test_pip_names_the_locked_versions(
    judged: Judged, project: str, options: Sequence[str], expected: Sequence[str]
) -> None:
    assert versions(judged.index, project, *options) == expected


def test_pip_says_it_to_people_too(judged: Judged) -> None:
    said = pip("index", "versions", "twice", "--ignore-requires-python", f"--index-url={judged.index}")
    assert said.splitlines()[:2] == ["twice (2.0)", "Available versions: 2.0, 1.0"]


@pytest.mark.parametrize("project", ["withdrawn", "never-heard-of"])
def test_pip_names_no_version_where_none_is_offered(judged: Judged, project: str) -> None:
    said = pip("index", "versions", project, f"--index-url={judged.index}", "--retries=0", code=1)
    assert f"No matching distribution found for {project}" in said
