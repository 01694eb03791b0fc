"""How the work of the phases grows: four times the projects, about four times the work.

Measured is the CPU of this process, where a step can be repeated the better of two runs. The bound is
generous, since that varies; a step that grows with the square takes sixteen times as long.
"""

from __future__ import annotations

import time
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

SMALL, FACTOR = 200, 4
GENEROUS = 2.4
"""Ten times the work for four times the projects is too much; with the square it is sixteen times."""
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
        held = tuple(Held(a, mirror.store.path(a.file).stat().st_size, beside) for a in artifacts)
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
def seconds(tmp_path_factory: pytest.TempPathFactory) -> Mapping[int, Mapping[str, float]]:
    """Seconds of CPU per step, by the number of projects."""
    found: dict[int, dict[str, float]] = {}
    for count in (SMALL, SMALL * FACTOR):
        place = settle(tmp_path_factory.mktemp("crowd") / "here", count)
        found[count] = {}
        for name, step in STEPS.items():
            rounds = 1 if step is publish else 2  # the second one would have nothing to do
            found[count][name] = min(cpu_of(step, place.mirror()) for _ in range(rounds))
            if step is plan:
                hold(place.mirror())
    return found


def cpu_of(step: Callable[[Mirror], object], mirror: Mirror) -> float:
    started = time.process_time()
    step(mirror)
    return time.process_time() - started


@pytest.mark.parametrize("step", STEPS)
def test_four_times_the_projects_are_not_much_more_than_four_times_the_work(
    seconds: Mapping[int, Mapping[str, float]], step: str
) -> None:
    assert seconds[SMALL * FACTOR][step] < seconds[SMALL][step] * FACTOR * GENEROUS
