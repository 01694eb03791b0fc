"""Part of phase ``index``: the projects' uv.lock files, relocated into the mirror."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mirror_pipeline.domain.lock import Lock
from mirror_pipeline.domain.project_names import lock_names
from mirror_pipeline.domain.uv_relocation import Relocated, relocate
from mirror_pipeline.errors import DocumentError, LockError
from mirror_pipeline.lockfiles.uv import FORMAT as UV
from mirror_pipeline.phases.lock import DOCUMENT, load_snapshot
from mirror_pipeline.phases.mirror import Mirror


def uv_lock_keys(locks: Sequence[Lock]) -> Mapping[str, Lock]:
    """Where the uv.lock of each project that has one is published: like the other locks, by project.

    It ends as everything does that is served from that folder; clients call it uv.lock again.
    """
    names = lock_names(locks)
    keys = ["pylock/uv.lock.toml"] if len(names) == 1 else [f"pylock/{name}/uv.lock.toml" for name in names]
    return {key: lock for key, lock in zip(keys, locks, strict=True) if lock.format == UV}


def uv_locks(mirror: Mirror, locks: Sequence[Lock], held: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Key and text of each, only where the mirror knows its own URL; ``held`` maps files to SHA-256.

    A lock that cannot be relocated is told and left out: everything else can be published without it.
    """
    keys = {lock.project: key for key, lock in uv_lock_keys(locks).items()}
    base = mirror.settings.cloud.public_url
    projects = load_snapshot(mirror).projects if base and keys else ()
    for lock, project in zip(locks, projects, strict=False):
        if lock.project in keys:
            try:
                moved = relocate(project.lock_content.decode("utf-8-sig"), base, held)
            except LockError as error:
                mirror.progress.say(f"warning: {project.lock_path} is not published for uv: {error}")
                continue
            _refuse_a_newer_lock(lock, moved)
            yield keys[lock.project], moved.text


def _refuse_a_newer_lock(lock: Lock, moved: Relocated) -> None:
    """The snapshot may have been taken anew since the requirements were made from it."""
    newer = moved.labels - {f"{pin.name}=={pin.version}" for pin in lock.pins}
    if newer:
        raise DocumentError(
            f"{lock.project}: the lock names {min(newer)}, of which its requirements know nothing",
            hint="materialize 'requirements' first, or run 'mirror-pipeline refresh'",
            document=DOCUMENT,
        )
