"""Phase ``verification_report``: look at the published mirror as a client would, compare, write the report.

Writes its report and nothing else; it never repairs. The site is looked at as it can be: a directory as it
lies there, a bucket through the URL that clients have. What it is compared with is said in ``phases.basis``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

from mirror_pipeline.adapters.documents import as_plain, digest_of, encode
from mirror_pipeline.adapters.installer import can_judge, find_installer, judge
from mirror_pipeline.domain.generations import SiteStatus
from mirror_pipeline.domain.plan import Plan
from mirror_pipeline.domain.published import with_generation
from mirror_pipeline.domain.redaction import without_login
from mirror_pipeline.domain.report import as_markdown
from mirror_pipeline.domain.target import Target
from mirror_pipeline.domain.verification import (
    Judged,
    Layer,
    Report,
    SiteFacts,
    conflict_free_sets,
    judge_coverage,
    judge_index,
    judge_installability,
    judge_integrity,
    left_out,
)
from mirror_pipeline.phases.basis import ALONE, Basis, basis_of
from mirror_pipeline.phases.mirror import Mirror
from mirror_pipeline.phases.publication import refuse_unprovisioned
from mirror_pipeline.phases.requirements import DOCUMENT as REQUIREMENTS
from mirror_pipeline.phases.requirements import Requirements

DOCUMENT = "verification_report"
_INSTALLERS_AT_ONCE = 2
_LOOKS = 3
_CUT_LOGIN = re.compile(r"\A\S*@")
"""The rest of a login at the beginning of what was cut there."""


@dataclass(frozen=True, slots=True)
class Verified:
    """The outcome of the phase: the report and where it was written."""

    report: Report
    markdown: str
    path: Path
    location: str
    """Where everybody finds it, this machine or another."""
    plan: Plan
    """What the publication was compared with; empty where it is not known."""


def verify(mirror: Mirror) -> Verified:
    """Compare what is published with what is locked."""
    refuse_unprovisioned(mirror)
    requirements = mirror.documents.read(REQUIREMENTS, Requirements)
    status, site = _looked_at(mirror)
    basis = basis_of(mirror, requirements, status, site.manifest)
    layers = (
        *_compared(basis, site),
        _installability(mirror, site, basis.plan, basis.targets) if basis.plan else _alone("installability"),
        *_behind_the_books(mirror),
    )
    plan = basis.plan or Plan()
    gaps = {name: part.gaps for name, part in plan.platforms.items() if part.gaps}
    report = Report(basis.requirements, status.live, layers, gaps)
    return _written(mirror, report, plan)


def _looked_at(mirror: Mirror) -> tuple[SiteStatus, SiteFacts]:
    """What is live and what was seen of it; seen once more where somebody published meanwhile."""
    for _ in range(_LOOKS):
        status = mirror.site.status()
        site = mirror.site.observe(mirror.progress)
        if mirror.site.status().live == status.live:
            break
        mirror.progress.say("another generation was published meanwhile: looking again")
    return status, with_generation(site, status.generations)


def _compared(basis: Basis, site: SiteFacts) -> tuple[Judged, ...]:
    coverage = judge_coverage(basis.plan, site) if basis.plan else _alone("coverage")
    return (
        replace(coverage, notes=(*basis.notes, *coverage.notes)),
        judge_integrity(basis.artifacts, site.digests, site.unread),
        judge_index(basis.artifacts, site, basis.requirements),
    )


def _behind_the_books(mirror: Mirror) -> tuple[Judged, ...]:
    """A bucket keeps books, which may be compared with what is there; a directory has none."""
    checked, findings = mirror.site.reconcile()
    return (Judged("bucket", checked, findings),) if checked or mirror.settings.cloud.bucket else ()


def _alone(layer: Layer) -> Judged:
    return left_out(layer, f"{layer}: {ALONE}")


def report_version(report: Report) -> str:
    """Content hash of what was found; the generation's number does not count."""
    return digest_of((report.requirements, report.layers, report.gaps))


def _installability(mirror: Mirror, site: SiteFacts, plan: Plan, targets: Sequence[Target]) -> Judged:
    """Let a real installer look for every pin of every target on the published site."""
    if site.manifest is None:
        return judge_installability({"site": "nothing is published"}, 0)
    simulated = [target for target in targets if can_judge(target)]
    notes = [
        f"{target}: judged by tags only, the installer cannot simulate it"
        for target in targets
        if not can_judge(target)
    ]
    served = frozenset(f"{artifact.project}=={artifact.version}" for artifact in plan.artifacts)
    uv = find_installer()
    secret = mirror.settings.cloud.login.partition(":")[2]
    with (
        TemporaryDirectory(prefix="mirror-judge-") as cache,
        mirror.site.for_installers(site) as url,
        ThreadPoolExecutor(_INSTALLERS_AT_ONCE) as pool,
    ):
        look = _looker(uv, f"{url}/simple/", served, plan, secret, Path(cache))
        first, rest = simulated[:1], simulated[1:]  # the first one fills the cache for the others
        verdicts = dict(zip(map(str, simulated), [*map(look, first), *pool.map(look, rest)], strict=True))
    complaints = {target: complaint for target, complaint in verdicts.items() if complaint}
    return judge_installability(complaints, len(simulated), notes)


def _looker(
    uv: str, index_url: str, served: frozenset[str], plan: Plan, secret: str, cache: Path
) -> Callable[[Target], str]:
    def look(target: Target) -> str:
        pins = plan.targets.get(str(target), ())
        gaps = [
            f"{gap.project}=={gap.version}"
            for gap in plan.platforms[target.platform.name].gaps
            if str(target.python) in gap.pythons
        ]
        outside = [pin for pin in pins if pin not in served]
        sets = conflict_free_sets(pins, [*gaps, *outside])
        built = frozenset(plan.built.get(str(target), ()))
        verdicts = [
            judge(uv, index_url, pins, target, _projects_of(built.intersection(pins)), cache) for pins in sets
        ]
        return " ".join(redacted(one.complaint, secret) for one in verdicts if one.complaint)

    return look


def redacted(complaint: str, secret: str) -> str:
    """What an installer printed, without the token that it was given, and without the rest of one."""
    shown = without_login(complaint)
    for form in filter(None, {secret, quote(secret, safe="")}):
        shown = shown.replace(form, "...")
    return _CUT_LOGIN.sub("...@", shown) if secret else shown


def _projects_of(pins: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({pin.partition("==")[0] for pin in pins}))


def last_report(mirror: Mirror) -> Report | None:
    """What the last verification found, None before the first."""
    return mirror.documents.find(DOCUMENT, Report)


def _written(mirror: Mirror, report: Report, plan: Plan) -> Verified:
    """Keep the report, by time and as the latest, as JSON and as Markdown."""
    stamp = datetime.now(timezone.utc)
    markdown = as_markdown(report, plan)
    content = encode(
        {"made": stamp.isoformat(timespec="seconds"), "passed": report.passed, **as_plain(report)}
    )
    for name in (f"verification-{stamp:%Y%m%dT%H%M%SZ}", "verification-latest"):
        mirror.reports.write(f"{name}.json", content)
        mirror.reports.write(f"{name}.md", markdown.encode())
    mirror.documents.write(DOCUMENT, report)
    latest = "verification-latest.json"
    return Verified(report, markdown, mirror.reports.path(latest), mirror.reports.location(latest), plan)
