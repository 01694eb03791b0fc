"""What ``setup`` and ``refresh`` do: bring a mirror up to date, and say what became of it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mirror_pipeline import results
from mirror_pipeline.commands import Answer, Invocation, alone
from mirror_pipeline.domain.plan import Gap, PlatformPlan
from mirror_pipeline.domain.report import megabytes
from mirror_pipeline.domain.verification import Report
from mirror_pipeline.errors import DocumentError, FetchFailedError, MirrorError
from mirror_pipeline.phases.mirror import Mirror
from mirror_pipeline.phases.verification import last_report
from mirror_pipeline.phases.wheel_plan import document_of


def setup_command(call: Invocation, *, wait: bool = True) -> Answer:
    """The infrastructure, where that is ours to make; then everything that ``refresh`` does.

    What was made anew shows nothing yet, whatever the bucket's books say: hence the repair.
    """
    if call.settings.cloud.on_aws:
        from mirror_pipeline.instance import dagster_home, open_instance
        from mirror_pipeline.refresh import provision

        with open_instance(dagster_home(call.settings, call.environ)) as instance:
            provision(call.mirror, instance)
        call = replace(call, settings=call.reload())
    return refresh_command(call, force=False, repair=call.settings.cloud.on_aws, wait=wait)


def refresh_command(call: Invocation, *, force: bool, repair: bool = False, wait: bool = True) -> Answer:
    """Recompute what is stale and say what became of it; nobody else works on the mirror meanwhile."""
    from mirror_pipeline.instance import dagster_home, open_instance
    from mirror_pipeline.refresh import refresh

    with (
        alone(call.mirror, "refresh", wait=wait) as mirror,
        open_instance(dagster_home(call.settings, call.environ)) as instance,
    ):
        done = refresh(mirror, instance, force=force, repair=repair)
    for warning in done.warnings:
        call.progress.say(f"warning: {warning}")
    answer = {
        "recomputed": [{"asset": asset, "partition": partition} for asset, partition in done.recomputed],
        **{
            key: done.counts.get(key, 0)
            for key in ("downloaded_files", "downloaded_bytes", "uploaded", "deleted")
        },
        "site": mirror.site.location,
        "generation": done.generation,
        "held": done.held,
    }
    if done.failures:
        return _failed(call, answer, done.failures, done.skipped)
    gaps, report = _current_gaps(mirror), last_report(mirror)
    findings = report.findings if report else ()
    status, code = results.outcome([*gaps, *_missing(mirror)], findings)
    if not call.json:
        _print_refreshed(mirror, answer, gaps, report)
    return {
        "status": status,
        **answer,
        "gaps": results.gap_objects(gaps),
        "failures": _missing(mirror),
        "findings": results.finding_objects(findings),
        "verified": bool(report and report.passed),
    }, code


def _left_by(answer: Mapping[str, Any], *, in_place: bool) -> str:
    """What clients have after a failure; it may have come after the publication."""
    if any(one["asset"] == "s3_sync" for one in answer["recomputed"]):
        return f"Generation {answer['generation']} is published; what failed came after that."
    if in_place and any(one["asset"] == "index" for one in answer["recomputed"]):
        return "Some pages may be new already, each of them whole; the next run finishes."
    return "What was published before is unchanged."


def _advice(failures: Sequence[MirrorError]) -> str:
    if all(isinstance(error, FetchFailedError) and not error.retryable for error in failures):
        return "Trying again will not help as long as the lock and the upstream differ."
    return "Run 'mirror-pipeline refresh' to go on."


def _failed(
    call: Invocation,
    answer: Mapping[str, Any],
    failures: Sequence[MirrorError],
    skipped: Sequence[tuple[str, str | None]],
) -> Answer:
    """The first error decides the exit code; what was published before stays as it is."""
    worst = max(failures, key=lambda error: error.exit_code)
    if not call.json:
        for line in _error_lines(failures):
            call.progress.say(f"error: {line}")
        in_place = call.settings.cloud.mode == "in-place"
        call.progress.say(f"{_left_by(answer, in_place=in_place)} {_advice(failures)}")
    described = results.error_object(worst)
    return {
        **answer,
        **described,
        "errors": [results.error_object(error)["error"] for error in failures],
        "skipped": [{"asset": asset, "partition": partition} for asset, partition in skipped],
    }, worst.exit_code


def _error_lines(failures: Sequence[MirrorError]) -> list[str]:
    """A line per cause: what stopped several platforms for one reason is said once."""
    by_cause: dict[str, list[MirrorError]] = {}
    for error in failures:
        by_cause.setdefault(str(error.facts.get("reason", error)), []).append(error)
    return [
        str(errors[0])
        if len(errors) == 1
        else f"{cause} ({', '.join(str(error.facts.get('platform', error.kind)) for error in errors)})"
        + (f": {errors[0].hint}" if errors[0].hint else "")
        for cause, errors in by_cause.items()
    ]


def _current_gaps(mirror: Mirror) -> list[tuple[str, Gap]]:
    plans = {
        name: mirror.documents.find(document_of(name), PlatformPlan) for name in mirror.settings.platforms
    }
    return [(name, gap) for name, plan in plans.items() if plan for gap in plan.gaps]


def _missing(mirror: Mirror) -> list[Mapping[str, Any]]:
    """Files that an incomplete publication lacks (``MIRROR_ALLOW_FAILURES``)."""
    from mirror_pipeline.phases.wheels import load_wheels

    found: list[Mapping[str, Any]] = []
    for platform in mirror.settings.platforms:
        try:
            failures = load_wheels(mirror, platform).failures
        except DocumentError:
            continue
        found += [{"platform": platform, "file": f.file, "reason": f.reason} for f in failures]
    return found


def _print_refreshed(
    mirror: Mirror, answer: Mapping[str, Any], gaps: Sequence[tuple[str, Gap]], report: Report | None
) -> None:
    """The summary, and the line to try."""
    rows = [
        ("recomputed", len(answer["recomputed"]) or "nothing: all is fresh"),
        ("downloaded", f"{answer['downloaded_files']} files, {megabytes(answer['downloaded_bytes'])}"),
        (
            "published",
            f"generation {answer['generation']}: {answer['uploaded']} new, {answer['deleted']} gone",
        ),
        *([("held", answer["held"])] if answer["held"] else []),
        ("gaps", len(gaps)),
        ("verified", _verdict(report)),
        ("site", answer["site"]),
    ]
    results.print_table("Mirror", ("", ""), rows)
    results.print_gaps(gaps)
    results.print_findings(report.findings if report else ())
    requirements = mirror.settings.root / "requirements-prod.txt"
    if len(mirror.settings.projects) == 1 and requirements.is_file():  # several have files of their own
        print(_line_to_try(mirror, requirements))  # noqa: T201


def _line_to_try(mirror: Mirror, requirements: Path) -> str:
    """Where clients find the site; a directory is such a place too."""
    cloud = mirror.settings.cloud
    url = mirror.settings.site.as_uri() if cloud.mode == "directory" else cloud.public_url
    if not url:
        return "Set MIRROR_PUBLIC_URL to what clients are told: verification asks there too."
    return f"pip install --index-url {url}/simple/ --require-hashes -r {shlex.quote(str(requirements))}"


def _verdict(report: Report | None) -> str:
    if report is None:
        return "not yet"
    return f"passed, {report.checked} comparisons" if report.passed else f"{len(report.findings)} findings"
