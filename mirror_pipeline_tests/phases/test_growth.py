"""How the work of the phases grows: four times the projects may take four times the work, not sixteen times.

Counted are the calls of functions, Python's own among them: unlike seconds they are the same every time.
"""

from __future__ import annotations

import cProfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from mirror_pipeline.adapters.progress import Silent
from mirror_pipeline.automation import observed
from mirror_pipeline.configuration import load_settings
from mirror_pipeline.domain.verification import judge_coverage, judge_index, judge_integrity
from mirror_pipeline.domain.wheelset import CoreMetadata, Held, WheelSet
from mirror_pipeline.phases.index import make_index
from mirror_pipeline.phases.lock import take_snapshot
from mirror_pipeline.phases.mirror import Mirror, build_mirror
from mirror_pipeline.phases.publication import publish
from mirror_pipeline.phases.requirements import DOCUMENT, Requirements, make_requirements
from mirror_pipeline.phases.wheel_plan import load_plan, plan_for, plan_platform
from mirror_pipeline.phases.wheels import document_of
from mirror_pipeline_tests.crowds import make_crowd

SMALL, FACTOR = 150, 4
GENEROUS = 1.1
"""Sorting, and the deeper paths among more projects, cost a little more for each of them."""
METADATA = b"Metadata-Version: 2.1\n"


@dataclass(frozen=True)
class Place:
    """A folder with a crowd's lock, and its wheels in the store."""

    root: Path

    def mirror(self) -> Mirror:
        """As a new process has it: nothing is remembered."""
        return build_mirror(load_settings({}, self.root / "config.env"))


def settle(root: Path, count: int) -> Place:
    crowd = make_crowd(count)
    (root / "crowd").mkdir(parents=True)
    (root / "crowd" / "uv.lock").write_text(crowd.lock("https://index.example/simple/"), encoding="utf-8")
    settings = "ORBIT_PROJECT=crowd\nMIRROR_HOME=home\nMIRROR_PYTHONS=3.11,3.12\n"
    (root / "config.env").write_text(settings, encoding="utf-8")
    (root / "home" / "packages").mkdir(parents=True)
    for dist in crowd.dists:
        (root / "home" / "packages" / dist.file).write_bytes(dist.content)
        (root / "home" / "packages" / f"{dist.file}.metadata").write_bytes(METADATA)
    return Place(root)


def read(mirror: Mirror) -> None:
    take_snapshot(mirror)
    make_requirements(mirror)


def plan(mirror: Mirror) -> None:
    for platform in mirror.settings.platforms:
        plan_platform(mirror, platform)


def hold(mirror: Mirror) -> None:
    """What fetching leaves, without the disk's waiting for each file of metadata."""
    beside = CoreMetadata("0" * 64, len(METADATA), ">=3.9")
    for platform in mirror.settings.platforms:
        artifacts = load_plan(mirror, platform).artifacts
        held = tuple(
            Held(a, (mirror.settings.home / "packages" / a.file).stat().st_size, beside) for a in artifacts
        )
        mirror.documents.write(document_of(platform), WheelSet(platform, held))


def look(mirror: Mirror) -> None:
    whole, _, _ = plan_for(mirror, mirror.documents.read(DOCUMENT, Requirements))
    site = mirror.site.observe(Silent())
    assert not judge_coverage(whole, site).findings
    assert not judge_integrity(whole.artifacts, site.digests).findings
    assert judge_index(whole.artifacts, site).checked


def do_nothing(mirror: Mirror) -> None:
    """What a refresh looks at before it knows that there is nothing to do."""
    assert observed(mirror)["s3_sync"].endswith("-1")


STEPS: Mapping[str, Callable[[Mirror], object]] = {
    "reading": read,
    "plan": plan,
    "index": make_index,
    "publication": publish,
    "verification": look,
    "no-op": do_nothing,
}


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> Mapping[int, Mapping[str, int]]:
    """Calls per step, by the number of projects."""
    found: dict[int, dict[str, int]] = {}
    for count in (SMALL // 2, SMALL, SMALL * FACTOR):  # the first for what is done once in a process
        place = settle(tmp_path_factory.mktemp("crowd") / "here", count)
        found[count] = {}
        for name, step in STEPS.items():
            found[count][name] = calls_of(step, place.mirror())
            if step is plan:
                hold(place.mirror())
    return found


def calls_of(step: Callable[[Mirror], object], mirror: Mirror) -> int:
    profile = cProfile.Profile()
    profile.runcall(step, mirror)
    return sum(entry.callcount for entry in profile.getstats())


@pytest.mark.parametrize("step", STEPS)
def test_four_times_the_projects_are_about_four_times_the_work(
    calls: Mapping[int, Mapping[str, int]], step: str
) -> None:
    assert SMALL < calls[SMALL * FACTOR][step] < calls[SMALL][step] * FACTOR * GENEROUS
