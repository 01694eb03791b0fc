"""Phase ``s3_sync``: make the published site equal the index, wherever it is published to."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timezone
from time import perf_counter

from mirror_pipeline.adapters import identity
from mirror_pipeline.adapters.documents import digest_of
from mirror_pipeline.domain.generations import Provenance
from mirror_pipeline.errors import SettingsError
from mirror_pipeline.phases.index import Index, load_index
from mirror_pipeline.phases.lock import DOCUMENT as LOCK
from mirror_pipeline.phases.lock import Snapshot
from mirror_pipeline.phases.mirror import Mirror
from mirror_pipeline.phases.requirements import DOCUMENT as REQUIREMENTS
from mirror_pipeline.phases.requirements import Requirements
from mirror_pipeline.sites.site import Outcome, Publication


@dataclass(frozen=True, slots=True)
class Published:
    """The outcome of the phase: what the site did, how long it took, and where it is."""

    outcome: Outcome
    seconds: float
    location: str
    files: int


def refuse_unprovisioned(mirror: Mirror) -> None:
    """On AWS nothing can be published or looked at before there is a distribution."""
    cloud = mirror.settings.cloud
    if cloud.on_aws and not cloud.distribution:
        raise SettingsError(
            "CLOUDFRONT_DISTRIBUTION_ID is empty: there is no distribution to publish through",
            hint="run 'mirror-pipeline infra apply', or set MIRROR_PUBLISH=in-place",
            key="CLOUDFRONT_DISTRIBUTION_ID",
            value="",
        )


def publish(mirror: Mirror) -> Published:
    """Publish the stored index; nothing is written where it is live already, or where a rollback holds."""
    started = perf_counter()
    refuse_unprovisioned(mirror)
    index = load_index(mirror)
    _remember_requirements(mirror, index)
    publication = publication_of(mirror, index)
    site = mirror.site
    outcome = (site.repair if mirror.repair else site.publish)(publication, mirror.progress)
    for note in outcome.notes:
        mirror.progress.say(f"note: {note}")
    return Published(outcome, perf_counter() - started, site.location, len(index.manifest.files))


def publication_of(mirror: Mirror, index: Index) -> Publication:
    """The stored index as something to publish, with what is written down about it."""
    snapshot = mirror.documents.find(LOCK, Snapshot)
    provenance = Provenance(now(), publisher(), _lock_digest(snapshot) if snapshot else "")
    return Publication(
        index.contents,
        index.manifest,
        mirror.store.packages,
        provenance,
        force=mirror.force,
        bring=mirror.store.bring,
    )


def _lock_digest(snapshot: Snapshot) -> str:
    """SHA-256 of the lock file as it lies in version control; of several, of their digests in order."""
    digests = [hashlib.sha256(project.lock_content).hexdigest() for project in snapshot.projects]
    return digests[0] if len(digests) == 1 else digest_of(digests)


def live_version(digest: str, generation: int | None) -> str:
    """The data version of what is live: the same content as another generation is looked at anew."""
    return f"{digest}-{generation}"


def published_requirements(version: str) -> str:
    """The name of the document with the requirements that a generation was made from."""
    return f"published/{version}"


def _remember_requirements(mirror: Mirror, index: Index) -> None:
    """Keep what this index was made from: a generation that is live again is judged by it."""
    requirements = mirror.documents.find(REQUIREMENTS, Requirements)
    if requirements and requirements.version == index.manifest.requirements:
        mirror.documents.write(published_requirements(requirements.version), requirements)


def now() -> str:
    """The time, UTC, to the second."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def publisher() -> str:
    """Who publishes, for the records."""
    return f"{identity.user()}@{identity.host()}"
