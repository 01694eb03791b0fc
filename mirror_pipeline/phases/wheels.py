"""Phase ``wheels``: fetch what a platform's plan wants and the store has not, verify it, describe it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from mirror_pipeline.adapters.documents import digest_of
from mirror_pipeline.adapters.fetching import Fetched
from mirror_pipeline.adapters.progress import Progress
from mirror_pipeline.adapters.urls import split_login
from mirror_pipeline.domain.artifact import Artifact
from mirror_pipeline.domain.plan import PlatformPlan
from mirror_pipeline.domain.project_facts import NOTHING, ProjectFacts, united
from mirror_pipeline.domain.wheelset import CoreMetadata, Failure, Held, UpstreamFile, WheelSet
from mirror_pipeline.errors import FetchFailedError
from mirror_pipeline.phases.mirror import Mirror
from mirror_pipeline.phases.provenance import keep_provenance
from mirror_pipeline.phases.wheel_plan import document_of as plan_document
from mirror_pipeline.phases.wheel_plan import load_plan

DOCUMENT = "wheels"
_TOLD = "told"


@dataclass(frozen=True, slots=True)
class Told:
    """What upstream told of the files of one platform, by file name."""

    files: Mapping[str, UpstreamFile] = field(default_factory=dict)
    pages: Mapping[str, ProjectFacts] = field(default_factory=dict)
    """And what the pages of these files said of their projects, by ``UpstreamFile.page``."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """The outcome of the phase for one platform."""

    wheels: WheelSet
    version: str
    previous: WheelSet | None
    downloaded_files: int
    downloaded_bytes: int
    unattested: tuple[Failure, ...] = ()
    """Files whose provenance is announced, and could not be had: they are held all the same."""


def document_of(platform: str) -> str:
    """Name of a platform's wheel set among the documents."""
    return f"{DOCUMENT}/{platform}"


def gather_wheels(mirror: Mirror, platform: str, progress: Progress | None = None) -> Gathered:
    """Make a platform's wheel set complete.

    A failed file never stops its neighbours: all that can be had is fetched and kept. Unless failures
    are allowed the phase then fails and the earlier set stays what the index is made from.
    """
    plan, progress = load_plan(mirror, platform), progress or mirror.progress
    previous = mirror.documents.find(document_of(platform), WheelSet)
    mirror.store.prepare()
    present = mirror.store.sizes(plan.artifacts, thoroughly=mirror.repair)
    missing = [artifact for artifact in plan.artifacts if artifact.file not in present]
    fetched = mirror.fetcher.fetch(missing, mirror.store, progress, platform)
    told = _told(mirror, platform, fetched)
    if fetched.failures and not mirror.settings.allow_failures:
        raise _failed(platform, fetched.failures)
    sizes = {**present, **fetched.sizes}
    stored = [artifact for artifact in plan.artifacts if artifact.file in sizes]
    metadata = _metadata(mirror, stored, previous)
    kept = keep_provenance(mirror, platform, stored, told.files, progress)
    held = tuple(
        _held(artifact, sizes[file], metadata.get(file), told.files.get(file), kept.digests.get(file))
        for artifact in stored
        for file in (artifact.file,)
    )
    wheels = WheelSet(platform, held, fetched.failures, _projects(stored, told))
    mirror.documents.write(document_of(platform), wheels)
    return Gathered(wheels, digest_of(wheels), previous, len(fetched.sizes), _bytes(fetched), kept.failures)


def _bytes(fetched: Fetched) -> int:
    return sum(fetched.sizes.values())


def _told(mirror: Mirror, platform: str, fetched: Fetched) -> Told:
    """What upstream told of files, now or ever: of those that stay in the store it is not asked again.

    Written before a failure ends the phase, and without URLs that hold credentials.
    """
    name = f"{_TOLD}/{platform}"
    known = mirror.documents.find(name, Told) or Told()
    files = {**known.files, **{file: _without_secrets(fact) for file, fact in fetched.facts.items()}}
    told = Told(files, {**known.pages, **fetched.pages})
    mirror.documents.write(name, told)
    return told


def _without_secrets(fact: UpstreamFile) -> UpstreamFile:
    return replace(fact, url="", provenance=split_login(fact.provenance or "")[0] or None)


def _projects(stored: Sequence[Artifact], told: Told) -> Mapping[str, ProjectFacts]:
    """What is known of projects, from the pages that list a file which is held."""
    pages: dict[str, set[str]] = {}
    for artifact in stored:
        fact = told.files.get(artifact.file)
        if fact and fact.page in told.pages:
            pages.setdefault(artifact.project, set()).add(fact.page)
    found = {project: united(told.pages[page] for page in named) for project, named in sorted(pages.items())}
    return {project: facts for project, facts in found.items() if facts != NOTHING}


def _metadata(
    mirror: Mirror, stored: Sequence[Artifact], previous: WheelSet | None
) -> Mapping[str, CoreMetadata | None]:
    """Core metadata of the wheels among stored artifacts, by file name."""
    known = {item.artifact.sha256: item.metadata for item in (previous.held if previous else ())}
    wheels = [artifact for artifact in stored if artifact.is_wheel]
    return mirror.store.described(wheels, known, thoroughly=mirror.repair)


def _held(
    artifact: Artifact,
    size: int,
    metadata: CoreMetadata | None,
    told: UpstreamFile | None,
    provenance: str | None,
) -> Held:
    """Describe a stored artifact."""
    return Held(
        artifact=artifact,
        size=size,
        metadata=metadata,
        requires_python=told.requires_python if told else None,
        yanked=told.yanked if told else False,
        upload_time=told.upload_time if told else None,
        provenance=provenance,
    )


def _failed(platform: str, failures: tuple[Failure, ...]) -> FetchFailedError:
    reasons = {failure.reason for failure in failures}
    what = f"{len(failures)} files" if len(reasons) == 1 and len(failures) > 1 else failures[0].file
    more = f" (and {len(failures) - 1} more files)" if len(reasons) > 1 else ""
    return FetchFailedError(
        f"{platform}: {what}: {failures[0].reason}{more}",
        retryable=any(not failure.permanent for failure in failures),
        platform=platform,
        reason=failures[0].reason if len(reasons) == 1 else None,
        failures=[
            {"file": f.file, "reason": f.reason, "expected": f.expected, "actual": f.actual} for f in failures
        ],
    )


def load_wheels(mirror: Mirror, platform: str) -> WheelSet:
    """The stored wheel set of a platform."""
    return mirror.documents.read(document_of(platform), WheelSet)


def is_gathered(mirror: Mirror, platform: str) -> bool:
    """Whether the stored wheel set of a platform is what its stored plan wants."""
    wheels = mirror.documents.find(document_of(platform), WheelSet)
    plan = mirror.documents.find(plan_document(platform), PlatformPlan)
    if wheels is None or plan is None:
        return False
    failed = {failure.file for failure in wheels.failures}
    wanted = [artifact for artifact in plan.artifacts if artifact.file not in failed]
    return wanted == [item.artifact for item in wheels.held]
