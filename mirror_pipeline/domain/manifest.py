"""The manifest: every published key with digest, size, content type and cache control.

It names the *requirements* version it was made from, never the raw lock's hash, and no date: the same
requirements give the same manifest, byte for byte.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mirror_pipeline.domain.serving import cache_control, content_type
from mirror_pipeline.domain.wheelset import Held
from mirror_pipeline.errors import DocumentError

MANIFEST = "manifest.json"
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """One published file."""

    sha256: str
    size: int
    content_type: str
    cache_control: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a generation holds. ``requirements`` is the data version of the requirements it was made from."""

    requirements: str
    platforms: tuple[str, ...]
    files: Mapping[str, Entry]

    def to_bytes(self) -> bytes:
        """The published form: sorted JSON."""
        document = {
            "files": {key: asdict(entry) for key, entry in sorted(self.files.items())},
            "platforms": sorted(self.platforms),
            "requirements": self.requirements,
            "version": _VERSION,
        }
        return (json.dumps(document, sort_keys=True, indent=1) + "\n").encode()

    @property
    def digest(self) -> str:
        """SHA-256 of the published form."""
        return hashlib.sha256(self.to_bytes()).hexdigest()


def parse_manifest(content: bytes, name: str = MANIFEST) -> Manifest:
    """Read a published manifest back."""
    try:
        document: Mapping[str, Any] = json.loads(content)
        if document["version"] != _VERSION:
            raise DocumentError(f"{name}: version {document['version']} is not known here", document=name)
        files = {key: Entry(**entry) for key, entry in document["files"].items()}
        return Manifest(document["requirements"], tuple(document["platforms"]), files)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DocumentError(f"{name}: not a manifest: {error!r}", document=name) from None


def make_manifest(
    requirements: str, platforms: Iterable[str], pages: Mapping[str, bytes], held: Iterable[Held]
) -> Manifest:
    """The manifest of a site: its pages and documents by content, its packages by their known digests."""
    files = {key: _entry(key, hashlib.sha256(data).hexdigest(), len(data)) for key, data in pages.items()}
    for item in held:
        key = f"packages/{item.artifact.file}"
        files[key] = _entry(key, item.artifact.sha256, item.size)
        if item.metadata:
            files[f"{key}.metadata"] = _entry(f"{key}.metadata", item.metadata.sha256, item.metadata.size)
    return Manifest(requirements, tuple(sorted(platforms)), files)


def _entry(key: str, sha256: str, size: int) -> Entry:
    return Entry(sha256, size, content_type(key), cache_control(key))


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
