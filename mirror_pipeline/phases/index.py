"""Phase ``index``: pages, relocated locks and the manifest of what the wheel sets hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import tomli_w

from mirror_pipeline.domain.artifact import Artifact
from mirror_pipeline.domain.conditions import pin_conditions
from mirror_pipeline.domain.manifest import Manifest, make_manifest
from mirror_pipeline.domain.pages import page_files
from mirror_pipeline.domain.requirements import pylock
from mirror_pipeline.domain.target import NOARCH
from mirror_pipeline.domain.wheelset import WheelSet, by_project
from mirror_pipeline.phases.mirror import Mirror
from mirror_pipeline.phases.requirements import DOCUMENT as REQUIREMENTS
from mirror_pipeline.phases.requirements import PYLOCK, Requirements
from mirror_pipeline.phases.wheels import load_wheels

DOCUMENT = "index"


@dataclass(frozen=True, slots=True)
class Index:
    """Everything to publish but the packages: key → text, and the manifest that covers both."""

    manifest: Manifest
    pages: Mapping[str, str]

    @property
    def contents(self) -> Mapping[str, bytes]:
        """The pages as bytes."""
        return {key: text.encode() for key, text in self.pages.items()}


@dataclass(frozen=True, slots=True)
class Indexed:
    """The outcome of the phase."""

    index: Index
    version: str
    previous: Index | None


def make_index(mirror: Mirror) -> Indexed:
    """Build the index from the stored wheel sets of all platforms."""
    requirements = mirror.documents.read(REQUIREMENTS, Requirements)
    sets = [load_wheels(mirror, platform) for platform in mirror.settings.platforms]
    projects = by_project(sets)
    contents = {**page_files(projects), **dict(_documents(requirements, sets))}
    manifest = make_manifest(
        requirements.version,
        mirror.settings.platforms,
        contents,
        (item for files in projects.values() for item in files),
        requirements.locks,
    )
    index = Index(manifest, {key: content.decode() for key, content in contents.items()})
    previous = mirror.documents.find(DOCUMENT, Index)
    mirror.documents.write(DOCUMENT, index)
    return Indexed(index, manifest.digest, previous)


def load_index(mirror: Mirror) -> Index:
    """The stored index."""
    return mirror.documents.read(DOCUMENT, Index)


def _documents(requirements: Requirements, sets: Sequence[WheelSet]) -> Iterator[tuple[str, bytes]]:
    """Requirement files, and a lock per platform that points into the mirror."""
    for key, text in requirements.texts.items():
        if key != PYLOCK:
            yield key, text.encode()
    conditions = [
        (lock, pin_conditions(lock, selection))
        for lock, selection in zip(requirements.locks, requirements.selections, strict=True)
    ]
    pure = next((found for found in sets if found.platform == NOARCH), WheelSet(NOARCH))
    for found in sets:
        if found.platform != NOARCH:
            document = pylock(conditions, _artifacts((found, pure)), "../packages/")
            yield f"pylock/pylock.{found.platform}.toml", tomli_w.dumps(document).encode()


def _artifacts(sets: Sequence[WheelSet]) -> Mapping[str, Artifact]:
    return {
        item.artifact.file: replace(item.artifact, size=item.size) for found in sets for item in found.held
    }
