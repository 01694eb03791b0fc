"""Provenance of a platform's files (PEP 740), kept as a document: the rest of phase ``wheels``.

What was had is not asked for again; what was not is, whenever the phase runs. No file depends on it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from mirror_pipeline.adapters.progress import Progress
from mirror_pipeline.domain.artifact import Artifact
from mirror_pipeline.domain.provenance import has_place, key_of
from mirror_pipeline.domain.wheelset import Failure, UpstreamFile, WheelSet
from mirror_pipeline.phases.mirror import Mirror

DOCUMENT = "provenance"


@dataclass(frozen=True, slots=True)
class Provenance:
    """The texts of provenance objects, byte for byte as upstream has them, by the SHA-256 of their files."""

    texts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Kept:
    """What there is now, as SHA-256 by file name, and what could not be had."""

    digests: Mapping[str, str] = field(default_factory=dict)
    failures: tuple[Failure, ...] = ()


def keep_provenance(
    mirror: Mirror,
    platform: str,
    stored: Sequence[Artifact],
    told: Mapping[str, UpstreamFile],
    progress: Progress,
) -> Kept:
    """Ask for the provenance that is announced and not kept yet, and keep it."""
    before = _kept(mirror, platform)
    known = {} if mirror.repair else before
    wanted = [
        (artifact, told[artifact.file])
        for artifact in stored
        if artifact.file in told and told[artifact.file].provenance and artifact.sha256 not in known
    ]
    possible = [pair for pair in wanted if has_place(pair[0].file)]
    attested = mirror.fetcher.attest(possible, progress, f"{platform}: provenance")
    now = {
        artifact.sha256: text
        for artifact in stored
        if (text := attested.texts.get(artifact.file) or before.get(artifact.sha256))
    }
    if now != before:
        mirror.documents.write(f"{DOCUMENT}/{platform}", Provenance(now))
    digests = {a.file: _digest(now[a.sha256]) for a in stored if a.sha256 in now}
    _report(platform, attested.failures, progress)
    return Kept(digests, attested.failures)


def _kept(mirror: Mirror, platform: str) -> Mapping[str, str]:
    return (mirror.documents.find(f"{DOCUMENT}/{platform}", Provenance) or Provenance()).texts


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _report(platform: str, failures: Sequence[Failure], progress: Progress) -> None:
    if failures:
        more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
        first = failures[0]
        progress.say(f"{platform}: no provenance of {first.file}: {first.reason}{more}")


def provenance_pages(mirror: Mirror, sets: Iterable[WheelSet]) -> Iterator[tuple[str, bytes]]:
    """What is published of it: key → content, of every file that its page says has some."""
    for found in sets:
        attested = [item for item in found.held if item.provenance]
        texts = _kept(mirror, found.platform) if attested else {}
        for item in attested:
            if text := texts.get(item.artifact.sha256):
                yield key_of(item.artifact.project, item.artifact.file), text.encode()
