"""What each command does, between the options of ``cli`` and the phases: gather, call, answer.

Functions return the object for ``--json`` and the exit code, and print for people otherwise. Dagster is
imported inside those that need it: it takes a second, and ``plan``, ``verify`` and ``serve`` do without.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mirror_pipeline import results
from mirror_pipeline.adapters.progress import Progress
from mirror_pipeline.adapters.turns import MyTurn
from mirror_pipeline.domain.plan import Gap, Plan, PlatformPlan
from mirror_pipeline.domain.verification import Report
from mirror_pipeline.errors import UpstreamError
from mirror_pipeline.phases.lock import current_snapshot
from mirror_pipeline.phases.mirror import Mirror, build_mirror
from mirror_pipeline.phases.requirements import read_projects, with_file_names
from mirror_pipeline.phases.verification import verify
from mirror_pipeline.phases.wheel_plan import plan_for
from mirror_pipeline.settings import Settings

Answer = tuple[Mapping[str, Any], int]


@dataclass(frozen=True, slots=True)
class Invocation:
    """One call of the command line. ``config`` is the file that was read, for processes that are started."""

    settings: Settings
    environ: Mapping[str, str]
    config: Path | None
    json: bool
    progress: Progress
    reload: Callable[[], Settings]
    """Reads the configuration again: provisioning writes into it."""

    @property
    def mirror(self) -> Mirror:
        """The mirror that the settings describe."""
        return build_mirror(self.settings, self.progress)


def plan_command(call: Invocation, *, offline: bool) -> Answer:
    """The coverage matrix; asks upstream for sizes and file names unless told not to. Changes nothing."""
    mirror = call.mirror
    read = read_projects(mirror, current_snapshot(mirror).projects)
    if not offline:
        read, _ = with_file_names(mirror, read)
    plan, _, warnings = plan_for(mirror, read, offline=offline)
    problems: tuple[str, ...] = ()
    if not offline:
        plan, problems = _with_sizes(mirror, plan)
    for warning in (*read.warnings, *warnings, *problems):
        call.progress.say(f"warning: {warning}")
    status, code = results.outcome(plan.gaps, ())
    if not call.json:
        results.print_plan(plan)
    unknown = results.unknown_objects(read.unknown if read.named else ())
    return {"status": status, **results.plan_object(plan), "unknown_hashes": unknown}, code


def _with_sizes(mirror: Mirror, plan: Plan) -> tuple[Plan, tuple[str, ...]]:
    """The plan with the sizes that upstream tells, and what upstream does not have."""
    unknown = [artifact for artifact in plan.artifacts if artifact.size is None]
    told = mirror.fetcher.locate(unknown)
    platforms = {name: _sized(part, told.sizes) for name, part in plan.platforms.items()}
    if unanswered := next((failure for failure in told.failures if not failure.permanent), None):
        raise UpstreamError(unanswered.reason, hint="'plan --offline' asks no upstream", file=unanswered.file)
    problems = tuple(f"{failure.file}: {failure.reason}" for failure in told.failures)
    return replace(plan, platforms=platforms), problems


def _sized(part: PlatformPlan, sizes: Mapping[str, int]) -> PlatformPlan:
    artifacts = tuple(replace(a, size=a.size or sizes.get(a.file)) for a in part.artifacts)
    return replace(part, artifacts=artifacts)


def verify_command(call: Invocation) -> Answer:
    """The verification alone."""
    verified = verify(call.mirror)
    report = verified.report
    gaps = _gaps_of(report)
    status, code = results.outcome(gaps, report.findings)
    if not report.passed and not report.findings:
        status, code = "findings", results.FOUND
    if not call.json:
        results.print_report(report)
        results.print_gaps(gaps)
    return {
        "status": status,
        "passed": report.passed,
        "checked": report.checked,
        "generation": report.generation,
        "layers": {layer.layer: layer.checked for layer in report.layers},
        "findings": results.finding_objects(report.findings),
        "notes": list(report.notes),
        "gaps": results.gap_objects(gaps),
        "report": str(verified.path),
    }, code


def _gaps_of(report: Report) -> list[tuple[str, Gap]]:
    return [(platform, gap) for platform, gaps in report.gaps.items() for gap in gaps]


@contextmanager
def alone(mirror: Mirror, what: str, *, wait: bool = True) -> Iterator[Mirror]:
    """The mirror, with its home for this command alone; says who is waited for."""
    with mirror.turns.alone(what, mirror.progress.say, wait=wait):
        yield replace(mirror, turns=MyTurn(mirror.settings.home))


def status_command(call: Invocation) -> Answer:
    """Every asset and partition: fresh, stale (why), missing, failed."""
    from mirror_pipeline.instance import dagster_home, open_instance
    from mirror_pipeline.refresh import all_fresh, states_now

    with open_instance(dagster_home(call.settings, call.environ)) as instance:
        states = states_now(call.mirror, instance)
    if not call.json:
        rows = [(state.asset, state.partition or "", state.status, state.why) for state in states]
        results.print_table("Assets", ("asset", "partition", "state", "why"), rows)
    assets = [
        {"asset": state.asset, "partition": state.partition, "state": state.status, "why": state.why}
        for state in states
    ]
    return {
        "status": "ok",
        "fresh": all_fresh(states),
        "assets": assets,
    }, results.OK
