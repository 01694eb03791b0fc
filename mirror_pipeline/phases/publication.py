"""Phase ``s3_sync``: make the published site equal the index; in a directory, by a new generation."""

from __future__ import annotations

from dataclasses import dataclass

from mirror_pipeline.domain.manifest import Change, Manifest, difference
from mirror_pipeline.phases.index import load_index
from mirror_pipeline.phases.mirror import Mirror


@dataclass(frozen=True, slots=True)
class Published:
    """The outcome of the phase: which generation is live, and what became different."""

    generation: int
    manifest: Manifest
    uploaded: tuple[str, ...]
    deleted: tuple[str, ...]
    location: str


def publish(mirror: Mirror) -> Published:
    """Publish the stored index; nothing is written where the live generation is that already."""
    index = load_index(mirror)
    live = mirror.site.manifest()
    change = difference(live.files if live else {}, index.manifest.files)
    generation = mirror.site.live
    if generation is None or live is None or live != index.manifest or _is_damaged(mirror, live):
        generation = mirror.site.publish(index.contents, index.manifest)
    return _published(generation, index.manifest, change, str(mirror.site.link))


def _published(generation: int, manifest: Manifest, change: Change, location: str) -> Published:
    return Published(generation, manifest, (*change.added, *change.changed), change.removed, location)


def _is_damaged(mirror: Mirror, live: Manifest) -> bool:
    """Whether someone changed or removed a published page behind the manifest's back."""
    digests = mirror.site.page_digests(live)
    return any(
        digests.get(key) != entry.sha256
        for key, entry in live.files.items()
        if not key.startswith("packages/")
    )
