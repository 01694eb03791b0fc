"""What is published, looked up in the live generation: regular files with their strong validators.

What belongs here: resolving the generation once per request, keeping links within bounds, ETags from content.
What does not: HTTP (``adapters.server``), or which key answers a path (``domain.serving``).
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from stat import S_ISREG

from mirror_pipeline.domain.artifact import is_sha256

Etags = Callable[[], Mapping[str, str]]

_CHUNK = 256 * 1024

_READING = threading.Lock()
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A regular file that may be shown, and its strong validator."""

    path: Path
    size: int
    etag: str


@dataclass(frozen=True, slots=True)
class LiveGeneration:
    """One state of the mirror, resolved once so that a switch never shows a request two of them."""

    root: Path
    digests: Mapping[str, tuple[str, int | None]]

    @classmethod
    def live(cls, site: Path, etags: Etags | None) -> LiveGeneration:
        """What a site leads to now; ``etags`` replaces the digests of its own manifest."""
        root = site.resolve()
        if etags is None:
            return cls(root, _digests_in(root / "manifest.json"))
        return cls(root, {key: (digest, None) for key, digest in etags().items()})

    def find(self, key: str) -> FoundFile | None:
        """Look a key up; what is absent, no regular file, or out of bounds is equally not published."""
        try:
            path = (self.root / key).resolve()
            stat = path.stat()
        except (OSError, RuntimeError):  # RuntimeError: a circle of links, before Python 3.13
            return None
        if not S_ISREG(stat.st_mode) or not self._holds(path):
            return None
        digest, size = self.digests.get(key, ("", None))
        if not digest or size not in (None, stat.st_size):
            digest = _content_digest(path, stat.st_size, stat.st_mtime_ns)
        return FoundFile(path, stat.st_size, f'"{digest}"')

    def _holds(self, path: Path) -> bool:
        """Whether every link on the way stayed in the generation, or in the store that its own link names."""
        return path.is_relative_to(self.root) or path.is_relative_to((self.root / "packages").resolve())


def _digests_in(manifest: Path) -> Mapping[str, tuple[str, int | None]]:
    try:
        stat = manifest.stat()
        with _READING:  # requests that come at the same time wait for the one that reads it
            return _parsed_manifest(manifest, stat.st_ino, stat.st_size, stat.st_mtime_ns)
    except OSError:
        return {}


@lru_cache(maxsize=4)
def _parsed_manifest(path: Path, *_identity: int) -> Mapping[str, tuple[str, int | None]]:
    """Read digests and sizes. Whether a manifest is *right* is for verification to say, not for a server."""
    try:
        files = json.loads(path.read_bytes())["files"]
        entries = {key: (entry["sha256"], entry["size"]) for key, entry in files.items()}
    except (ValueError, LookupError, TypeError, AttributeError):
        _log.warning("the live manifest.json is unreadable; ETags come from the files")
        return {}
    return {key: entry for key, entry in entries.items() if isinstance(entry[0], str) and is_sha256(entry[0])}


@lru_cache(maxsize=16_384)
def _content_digest(path: Path, *_identity: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
