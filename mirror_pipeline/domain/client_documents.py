"""Which of the published documents a client is led to: those of one project, never a mixture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mirror_pipeline.domain.lock import Lock
from mirror_pipeline.domain.project_names import lock_names

_UV = "uv"


def client_documents(locks: Sequence[Lock], platform: str, project: str = "") -> Mapping[str, str]:
    """What ``domain.snippets.snippets`` is told of a project; '' is the first one.

    The lock of all projects together (``pylock.<platform>.toml``) is named where there is one project only:
    of several it may hold two versions of one thing, and no installer takes that.
    """
    if not locks:
        return {}
    place = next((place for place, lock in enumerate(locks) if lock.project == project), 0)
    lock, name = locks[place], lock_names(locks)[place]
    if len(locks) == 1:
        keys = ("", "requirements-prod.txt", f"pylock/pylock.{platform}.toml", "pylock/uv.lock.toml")
    else:
        keys = (
            lock.project,
            f"requirements/{lock.project}-prod.txt",
            f"pylock/pylock.{name}-{platform}.toml",
            f"pylock/{name}/uv.lock.toml",
        )
    named = dict(zip(("project", "requirements", "lock", "uv_lock"), keys, strict=True))
    return named if lock.format == _UV else {**named, "uv_lock": ""}
