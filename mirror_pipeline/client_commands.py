"""What ``client-config`` does: snippets for clients, as the mirror is configured. Like ``commands``."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from urllib.parse import urlsplit

from mirror_pipeline import results
from mirror_pipeline.commands import Answer, Invocation
from mirror_pipeline.domain.client_documents import client_documents
from mirror_pipeline.domain.snippets import Snippet, snippets
from mirror_pipeline.domain.target import NOARCH
from mirror_pipeline.errors import MirrorError, UsageError
from mirror_pipeline.phases.requirements import DOCUMENT as REQUIREMENTS
from mirror_pipeline.phases.requirements import Requirements
from mirror_pipeline.phases.tokens import is_private

_SERVED = "http://127.0.0.1:8080"
"""Where ``serve`` listens if it is not told otherwise."""


@dataclass(frozen=True, slots=True)
class Asked:
    """For whom, and what of it. None is as the mirror is configured."""

    client: str
    url: str | None = None
    private: bool | None = None
    file: str | None = None
    """Only what belongs into a file of that name."""
    project: str | None = None


def client_config_command(call: Invocation, asked: Asked) -> Answer:
    """Show what a client needs, as text that can be copied or redirected as it stands."""
    public_url = call.settings.cloud.public_url
    base = _checked(asked.url) if asked.url else public_url or _SERVED
    if not asked.url and not public_url:
        call.progress.say(f"note: {base} is where 'serve' listens; --url or MIRROR_PUBLIC_URL names another")
    guarded = is_private(call.settings) if asked.private is None else asked.private
    published = _published(call, asked.project, absolute=base == public_url)
    found = snippets(asked.client, base, private=guarded, **published)
    chosen = _chosen(found, asked.file) if asked.file else found
    if not call.json:
        sys.stdout.write(_told(chosen, headed=asked.file is None))
    objects = [asdict(snippet) for snippet in chosen]
    return {
        "status": "ok",
        "client": asked.client,
        "url": base,
        "private": guarded,
        "snippets": objects,
    }, results.OK


def _checked(url: str) -> str:
    """An address that can be shown; a login in it would be copied to everybody."""
    allowed = "an http:// or https:// URL without login, query and fragment"
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound or "@" in url or "?" in url or "#" in url or not url.isprintable() or " " in url:
        raise UsageError(f"--url has to be {allowed}", hint="logins are told by --private", allowed=allowed)
    base = url.rstrip("/")
    return base.removesuffix("/simple")


def _published(call: Invocation, project: str | None, *, absolute: bool) -> Mapping[str, str]:
    """Keys of what clients are led to. What is not known yet is called as a mirror of one project has it."""
    requirements = _requirements(call)
    projects = [lock.project for lock in requirements.locks] if requirements else []
    if project is not None and project not in projects:
        known = f"projects: {', '.join(projects)}" if projects else "run 'mirror-pipeline refresh' first"
        raise UsageError(f"no project {project} is mirrored", hint=known, projects=projects)
    if project is None and len(projects) > 1:
        others = ", ".join(projects[1:])
        call.progress.say(f"note: requirements and locks are those of {projects[0]}; --project: {others}")
    if requirements is None:
        return {}
    platform = next(name for name in call.settings.platforms if name != NOARCH)
    keys = client_documents(requirements.locks, platform, project or "")
    return keys if absolute else {**keys, "lock": "", "uv_lock": ""}


def _requirements(call: Invocation) -> Requirements | None:
    """What was selected last; snippets are shown whether it can be read or not."""
    try:
        return call.mirror.documents.find(REQUIREMENTS, Requirements)
    except MirrorError as error:
        call.progress.say(f"note: {error}")
        return None


def _chosen(found: Sequence[Snippet], file: str) -> Sequence[Snippet]:
    """Those that belong into a file of that name."""
    chosen = [snippet for snippet in found if snippet.file.rpartition("/")[-1] == file]
    if not chosen:
        names = sorted({snippet.file.rpartition("/")[-1] for snippet in found} - {""})
        raise UsageError(
            f"{found[0].client} has nothing for {file}", hint=f"files: {', '.join(names)}", files=names
        )
    return chosen


def _told(chosen: Sequence[Snippet], *, headed: bool) -> str:
    """Snippets one below the other, each below a comment with its title and place."""
    heads = [f"# {snippet.title}{f' ({snippet.file})' if snippet.file else ''}\n" for snippet in chosen]
    parts = [(head if headed else "") + snippet.text for head, snippet in zip(heads, chosen, strict=True)]
    return "\n".join(parts)
