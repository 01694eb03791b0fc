"""The manifest: every published key with digest, size, content type, cache control, and who wants it.

It names the *requirements* version it was made from, never the raw lock's hash, and no date: the same
requirements give the same manifest, byte for byte.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from json.encoder import encode_basestring_ascii as _quoted
from typing import Any

from mirror_pipeline.domain.lock import Lock
from mirror_pipeline.domain.serving import cache_control, content_type
from mirror_pipeline.domain.wheelset import Held
from mirror_pipeline.errors import DocumentError

MANIFEST = "manifest.json"
_VERSION = 2
_KNOWN_VERSIONS = (1, 2)
"""Version 1 did not say which project wants a file."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One published file. ``wanted_by`` names the projects whose locks want a package; pages have none."""

    sha256: str
    size: int
    content_type: str
    cache_control: str
    wanted_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Project:
    """One project that is mirrored, as its lock has it."""

    format: str
    requires_python: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a generation holds. ``requirements`` is the data version of the requirements it was made from."""

    requirements: str
    platforms: tuple[str, ...]
    files: Mapping[str, Entry]
    projects: Mapping[str, Project] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """The published form: sorted JSON, indented by one."""
        rest = {
            "platforms": sorted(self.platforms),
            "projects": {name: asdict(project) for name, project in self.projects.items()},
            "requirements": self.requirements,
            "version": _VERSION,
        }
        # The json module indents in Python, which takes seconds where there are tens of thousands of files.
        files = ",\n".join(_written(key, entry) for key, entry in sorted(self.files.items()))
        held = f"{{\n{files}\n }}" if files else "{}"
        written = json.dumps(rest, sort_keys=True, indent=1)
        return f'{{\n "files": {held},{written.removeprefix("{")}\n'.encode()

    @property
    def digest(self) -> str:
        """SHA-256 of the published form."""
        return hashlib.sha256(self.to_bytes()).hexdigest()


def _written(key: str, entry: Entry) -> str:
    """One file's line and what is below it. What nobody wants in particular says nothing of it."""
    wanted_by = ",\n".join(f"    {_quoted(project)}" for project in entry.wanted_by)
    wanted = f',\n   "wanted_by": [\n{wanted_by}\n   ]' if wanted_by else ""
    return (
        f'  {_quoted(key)}: {{\n   "cache_control": {_quoted(entry.cache_control)},\n'
        f'   "content_type": {_quoted(entry.content_type)},\n   "sha256": {_quoted(entry.sha256)},\n'
        f'   "size": {entry.size}{wanted}\n  }}'
    )


def _entry_read(entry: Mapping[str, Any]) -> Entry:
    return Entry(**{**entry, "wanted_by": tuple(entry.get("wanted_by", ()))})


def parse_manifest(content: bytes, name: str = MANIFEST) -> Manifest:
    """Read a published manifest back."""
    try:
        document: Mapping[str, Any] = json.loads(content)
        if document["version"] not in _KNOWN_VERSIONS:
            raise DocumentError(f"{name}: version {document['version']} is not known here", document=name)
        files = {key: _entry_read(entry) for key, entry in document["files"].items()}
        projects = {key: Project(**project) for key, project in document.get("projects", {}).items()}
        return Manifest(document["requirements"], tuple(document["platforms"]), files, projects)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DocumentError(f"{name}: not a manifest: {error!r}", document=name) from None


def make_manifest(
    requirements: str,
    platforms: Iterable[str],
    pages: Mapping[str, bytes],
    held: Iterable[Held],
    locks: Iterable[Lock] = (),
) -> Manifest:
    """The manifest of a site: its pages and documents by content, its packages by their known digests."""
    files = {key: _entry(key, hashlib.sha256(data).hexdigest(), len(data)) for key, data in pages.items()}
    for item in held:
        key, wanted_by = f"packages/{item.artifact.file}", item.artifact.wanted_by
        files[key] = _entry(key, item.artifact.sha256, item.size, wanted_by)
        if item.metadata:
            beside = f"{key}.metadata"
            files[beside] = _entry(beside, item.metadata.sha256, item.metadata.size, wanted_by)
    projects = {lock.project: Project(lock.format, lock.requires_python) for lock in locks}
    return Manifest(requirements, tuple(sorted(platforms)), files, projects)


def with_page(manifest: Manifest, key: str, content: bytes) -> Manifest:
    """The manifest with another content of one page."""
    entry = _entry(key, hashlib.sha256(content).hexdigest(), len(content))
    return replace(manifest, files={**manifest.files, key: entry})


def _entry(key: str, sha256: str, size: int, wanted_by: Iterable[str] = ()) -> Entry:
    return Entry(sha256, size, content_type(key), cache_control(key), tuple(sorted(wanted_by)))


@dataclass(frozen=True, slots=True)
class Change:
    """How one manifest differs from another, by key."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


def difference(old: Mapping[str, Entry], new: Mapping[str, Entry]) -> Change:
    """What a publication of ``new`` over ``old`` adds, removes and replaces."""
    return Change(
        added=tuple(sorted(new.keys() - old.keys())),
        removed=tuple(sorted(old.keys() - new.keys())),
        changed=tuple(sorted(key for key in new.keys() & old.keys() if new[key].sha256 != old[key].sha256)),
    )
