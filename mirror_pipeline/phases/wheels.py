"""Phase ``wheels``: fetch what a platform's plan wants and the store has not, verify it, describe it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from mirror_pipeline.adapters.documents import digest_of
from mirror_pipeline.adapters.fetching import Fetched
from mirror_pipeline.adapters.progress import Progress
from mirror_pipeline.adapters.side_by_side import side_by_side
from mirror_pipeline.domain.artifact import Artifact
from mirror_pipeline.domain.plan import PlatformPlan
from mirror_pipeline.domain.wheelset import Failure, Held, UpstreamFile, WheelSet
from mirror_pipeline.errors import FetchFailedError
from mirror_pipeline.phases.mirror import Mirror
from mirror_pipeline.phases.wheel_plan import document_of as plan_document
from mirror_pipeline.phases.wheel_plan import load_plan

DOCUMENT = "wheels"
_TOLD = "told"
_DESCRIBED_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Told:
    """What upstream told of the files of one platform, by file name."""

    files: Mapping[str, UpstreamFile] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Gathered:
    """The outcome of the phase for one platform."""

    wheels: WheelSet
    version: str
    previous: WheelSet | None
    downloaded_files: int
    downloaded_bytes: int


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
    present = mirror.store.sizes(plan.artifacts)
    missing = [artifact for artifact in plan.artifacts if artifact.file not in present]
    fetched = mirror.fetcher.fetch(missing, mirror.store, progress, platform)
    told = _told(mirror, platform, fetched.facts)
    if fetched.failures and not mirror.settings.allow_failures:
        raise _failed(platform, fetched.failures)
    sizes = {**present, **fetched.sizes}
    there = [artifact for artifact in plan.artifacts if artifact.file in sizes]

    def described(artifact: Artifact) -> tuple[Artifact, Held]:
        return artifact, _held(mirror, artifact, sizes[artifact.file], told.get(artifact.file))

    # Metadata is flushed to the disk file by file, and disks take many at once.
    found = dict(side_by_side(described, there, lambda _artifact: _DESCRIBED_AT_ONCE))
    wheels = WheelSet(platform, tuple(found[artifact] for artifact in there), fetched.failures)
    mirror.documents.write(document_of(platform), wheels)
    return Gathered(wheels, digest_of(wheels), previous, len(fetched.sizes), _bytes(fetched))


def _bytes(fetched: Fetched) -> int:
    return sum(fetched.sizes.values())


def _told(mirror: Mirror, platform: str, facts: Mapping[str, UpstreamFile]) -> Mapping[str, UpstreamFile]:
    """What upstream told of files, now or ever: of those that stay in the store it is not asked again.

    Written before a failure ends the phase, and without URLs, which may hold credentials.
    """
    name = f"{_TOLD}/{platform}"
    known = mirror.documents.find(name, Told) or Told()
    files = {**known.files, **{file: replace(fact, url="") for file, fact in facts.items()}}
    mirror.documents.write(name, Told(files))
    return files


def _held(mirror: Mirror, artifact: Artifact, size: int, told: UpstreamFile | None) -> Held:
    """Describe a stored artifact."""
    return Held(
        artifact=artifact,
        size=size,
        metadata=mirror.store.core_metadata(artifact.file) if artifact.is_wheel else None,
        requires_python=told.requires_python if told else None,
        yanked=told.yanked if told else False,
        upload_time=told.upload_time if told else None,
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
