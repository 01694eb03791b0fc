"""Phase ``verification_report``: look at the published mirror as a client would, compare, write the report.

Writes its report and nothing else; it never repairs. Bytes are read from the published directory,
the installer talks to a server on the loopback interface that serves it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from mirror_pipeline.adapters.documents import as_plain, digest_of, encode
from mirror_pipeline.adapters.files import disk_errors, sha256_of, write_atomically
from mirror_pipeline.adapters.installer import can_judge, find_installer, judge
from mirror_pipeline.domain.manifest import MANIFEST
from mirror_pipeline.domain.plan import Plan
from mirror_pipeline.domain.report import as_markdown
from mirror_pipeline.domain.target import Target
from mirror_pipeline.domain.verification import (
    Judged,
    Report,
    SiteFacts,
    conflict_free_sets,
    judge_coverage,
    judge_index,
    judge_installability,
    judge_integrity,
)
from mirror_pipeline.phases.mirror import Mirror
from mirror_pipeline.phases.requirements import DOCUMENT as REQUIREMENTS
from mirror_pipeline.phases.requirements import Requirements
from mirror_pipeline.phases.wheel_plan import plan_for

DOCUMENT = "verification_report"
_HASHING_THREADS = 4
_INSTALLERS_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class Verified:
    """The outcome of the phase: the report and where it was written."""

    report: Report
    markdown: str
    path: Path


def verify(mirror: Mirror) -> Verified:
    """Compare what is published with what is locked."""
    requirements = mirror.documents.read(REQUIREMENTS, Requirements)
    plan, targets, _ = plan_for(mirror, requirements)
    site = observe(mirror)
    layers = (
        judge_coverage(plan, site),
        judge_integrity(plan.artifacts, site.digests),
        judge_index(plan.artifacts, site, requirements.version),
        _installability(mirror, plan, targets),
    )
    gaps = {name: part.gaps for name, part in plan.platforms.items() if part.gaps}
    report = Report(requirements.version, mirror.site.live, layers, gaps)
    return _written(mirror, report, plan)


def report_version(report: Report) -> str:
    """Content hash of what was found; the generation's number does not count."""
    return digest_of((report.requirements, report.layers, report.gaps))


def observe(mirror: Mirror) -> SiteFacts:
    """Hash every published file that the manifest names, and read the pages."""
    manifest = mirror.site.manifest()
    if manifest is None:
        return SiteFacts(None, {}, {})
    root = mirror.site.link.resolve()
    keys = [key for key in (*manifest.files, *_wanted_pages(root)) if (root / key).is_file()]
    with disk_errors(root), ThreadPoolExecutor(_HASHING_THREADS) as pool:
        digests = dict(zip(keys, pool.map(lambda key: sha256_of(root / key), keys), strict=True))
        pages = {key: (root / key).read_bytes() for key in keys if key.startswith("simple/")}
    return SiteFacts(manifest, digests, pages)


def _wanted_pages(root: Path) -> Sequence[str]:
    """Pages that are there though the manifest may not name them."""
    return [path.relative_to(root).as_posix() for path in (root / "simple").rglob("index.*")]


def _installability(mirror: Mirror, plan: Plan, targets: Sequence[Target]) -> Judged:
    """Let a real installer look for every pin of every target on the published site."""
    from mirror_pipeline.adapters.server import serving  # slow to import, and only needed here

    if not (mirror.site.link / MANIFEST).is_file():
        return judge_installability({"site": "nothing is published"}, 0)
    simulated = [target for target in targets if can_judge(target)]
    notes = [
        f"{target}: judged by tags only, the installer cannot simulate it"
        for target in targets
        if not can_judge(target)
    ]
    served = frozenset(f"{artifact.project}=={artifact.version}" for artifact in plan.artifacts)
    uv = find_installer()
    with serving(mirror.site.link) as url, ThreadPoolExecutor(_INSTALLERS_AT_ONCE) as pool:
        look = _looker(uv, f"{url}/simple/", served, plan)
        verdicts = dict(zip(map(str, simulated), pool.map(look, simulated), strict=True))
    complaints = {target: complaint for target, complaint in verdicts.items() if complaint}
    return judge_installability(complaints, len(simulated), notes)


def _looker(uv: str, index_url: str, served: frozenset[str], plan: Plan) -> Callable[[Target], str]:
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
        complaints = [
            judge(uv, index_url, pins, target, _projects_of(built.intersection(pins))).complaint
            for pins in sets
        ]
        return " ".join(complaint for complaint in complaints if complaint)

    return look


def _projects_of(pins: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({pin.partition("==")[0] for pin in pins}))


def last_report(mirror: Mirror) -> Report | None:
    """What the last verification found, None before the first."""
    return mirror.documents.find(DOCUMENT, Report)


def _written(mirror: Mirror, report: Report, plan: Plan) -> Verified:
    """Keep the report, by time and as the latest, as JSON and as Markdown."""
    folder, stamp = mirror.settings.home / "reports", datetime.now(timezone.utc)
    markdown = as_markdown(report, plan)
    content = encode(
        {"made": stamp.isoformat(timespec="seconds"), "passed": report.passed, **as_plain(report)}
    )
    for name in (f"verification-{stamp:%Y%m%dT%H%M%SZ}", "verification-latest"):
        write_atomically(folder / f"{name}.json", content)
        write_atomically(folder / f"{name}.md", markdown.encode())
    mirror.documents.write(DOCUMENT, report)
    return Verified(report, markdown, folder / "verification-latest.json")
