"""One file name, two files: what no single index can serve, found across the whole mirror and refused."""

from __future__ import annotations

from collections.abc import Iterable

from mirror_pipeline.domain.artifact import Artifact
from mirror_pipeline.domain.redaction import without_login
from mirror_pipeline.errors import ConflictError


def refuse_conflicts(artifacts: Iterable[Artifact]) -> None:
    """Refuse artifacts of the same name with different bytes; sources, digests, projects are named."""
    known: dict[str, Artifact] = {}
    for artifact in artifacts:
        other = known.setdefault(artifact.file, artifact)
        if other.sha256 != artifact.sha256:
            raise _conflict(*sorted((other, artifact), key=lambda item: (item.wanted_by, item.sha256)))


def _conflict(one: Artifact, two: Artifact) -> ConflictError:
    return ConflictError(
        f"{one.file}: two different files of that name are locked: {_told(one)}, {_told(two)}",
        hint="lock both from the same index, or mirror the projects apart"
        if one.wanted_by != two.wanted_by
        else "lock it from one index only",
        file=one.file,
        digests=sorted((one.sha256, two.sha256)),
        wanted_by=sorted({*one.wanted_by, *two.wanted_by}),
        sources=[_source(one), _source(two)],
    )


def _told(artifact: Artifact) -> str:
    return f"{' and '.join(artifact.wanted_by)} wants it from {_source(artifact)} ({artifact.sha256})"


def _source(artifact: Artifact) -> str:
    return without_login(artifact.index or artifact.url or "the configured upstream")
