"""What is published, looked up in the live generation: regular files, their digests, small ones in memory.

What belongs here: noticing which generation is live, keeping links within bounds, what is kept in memory.
What does not: HTTP (``domain.answers``), or which key answers a path (``domain.serving``).
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import json
import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from stat import S_ISREG

from mirror_pipeline.domain.answers import Content, is_text
from mirror_pipeline.domain.artifact import is_sha256
from mirror_pipeline.domain.manifest import MANIFEST

SMALL = 1 << 20
"""Bytes up to which a file is kept in memory: pages, metadata and documents, not packages."""
_MEMORY = 64 << 20
_LEAST_COMPRESSED = 256
_CHUNK = 256 * 1024

_OF_THE_MOMENT = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.ESTALE, errno.EINTR)

_READING = threading.Lock()
_log = logging.getLogger(__name__)

Identity = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Live:
    """What is live, for those who watch over it. Times are seconds since 1970."""

    generation: int | None
    """None where the site is a plain directory."""
    since: float
    """When it was switched to."""
    published: float
    """When it was written."""


@dataclass(frozen=True, slots=True)
class LiveGeneration:
    """One state of the mirror, resolved once so that a switch never shows a request two of them."""

    identity: Identity
    root: Path
    digests: Mapping[str, tuple[str, int | None]]
    found: dict[str, Content] = field(default_factory=dict)
    """What was looked up by the manifest; its bytes are elsewhere."""

    @classmethod
    def live(cls, site: Path) -> LiveGeneration:
        """What a site leads to now."""
        identity = _identity(site)
        # From what was seen just now: a switch meanwhile must not pair one generation's name with another.
        root = (site.parent / str(identity[0] or site.name)).resolve()
        return cls(identity, root, _digests_in(root / MANIFEST))

    def find(self, key: str) -> Content | None:
        """Look a key up; what is absent, no regular file, or out of bounds is equally not published."""
        content = self._regular(key)
        digest, size = self.digests.get(key, ("", None))
        if content is not None and digest and size in (None, content.size):
            self.found[key] = content = replace(content, digest=digest)
            return content
        self.found.pop(key, None)
        if content is None:
            return None
        return replace(content, digest=_digest_of(Path(content.path)))

    def _regular(self, key: str) -> Content | None:
        try:
            path = (self.root / key).resolve()
            stat = path.stat()
        except (OSError, RuntimeError):  # RuntimeError: a circle of links, before Python 3.13
            return None
        return Content("", str(path), stat.st_size) if S_ISREG(stat.st_mode) and self._holds(path) else None

    def _holds(self, path: Path) -> bool:
        """Whether every link on the way stayed in the generation, or in the store that its own link names."""
        return path.is_relative_to(self.root) or path.is_relative_to((self.root / "packages").resolve())


class Site:
    """The published directory as a server sees it. Called by several threads at once."""

    def __init__(self, link: Path, memory: int = _MEMORY) -> None:
        self._link = link
        self._live: LiveGeneration | None = None
        self._kept = _Kept(memory)

    def known(self, key: str) -> Content | None:
        """What is known without reading a file: one look tells whether the live generation is another."""
        live = self._live
        if live is None or live.identity != _identity(self._link):
            return None
        content = live.found.get(key)
        if content is None or not _is_kept(key, content):
            return content
        return self._kept.get(content.digest)

    def find(self, key: str) -> Content | None:
        """Look a key up on the disk, and keep what is small."""
        content = self._now().find(key)
        if content is None or not _is_kept(key, content):
            return content
        return self._kept.get(content.digest) or self._read(key, content)

    def live(self) -> Live | None:
        """What is live, None where nothing is that can be read."""
        live = self._now()
        try:
            published = (live.root / MANIFEST).stat().st_mtime
            since = self._link.lstat().st_mtime if self._link.is_symlink() else published
        except OSError:
            return None
        name = live.root.name if self._link.is_symlink() else ""
        return Live(int(name) if name.isdecimal() else None, since, published) if live.digests else None

    def _now(self) -> LiveGeneration:
        live = self._live
        if live is None or live.identity != _identity(self._link):
            live = self._live = LiveGeneration.live(self._link)
        return live

    def _read(self, key: str, content: Content) -> Content:
        """The bytes. They are kept by their digest, so only if it is theirs."""
        data = Path(content.path).read_bytes()
        if len(data) != content.size:
            return content
        whole = Content(content.digest, content.path, content.size, data, _smaller(key, data))
        if hashlib.sha256(data).hexdigest() == content.digest:
            self._kept.put(content.digest, whole)
        return whole


class _Kept:
    """Contents by digest, the one asked for longest ago dropped first."""

    def __init__(self, most: int) -> None:
        self._most, self._size = most, 0
        self._contents: OrderedDict[str, Content] = OrderedDict()
        self._guard = threading.Lock()

    def get(self, digest: str) -> Content | None:
        with self._guard:
            content = self._contents.get(digest)
            if content is not None:
                self._contents.move_to_end(digest)
            return content

    def put(self, digest: str, content: Content) -> None:
        with self._guard:
            if digest not in self._contents:
                self._contents[digest] = content
                self._size += _weight(content)
            while self._size > self._most:
                self._size -= _weight(self._contents.popitem(last=False)[1])


def _weight(content: Content) -> int:
    return len(content.data or b"") + len(content.compressed or b"") + 1024


def _is_kept(key: str, content: Content) -> bool:
    return content.size <= SMALL and (not key.startswith("packages/") or key.endswith(".metadata"))


def _smaller(key: str, data: bytes) -> bytes | None:
    if not is_text(key) or len(data) < _LEAST_COMPRESSED:
        return None
    packed = gzip.compress(data, 6, mtime=0)
    return packed if len(packed) < len(data) else None


def _identity(site: Path) -> Identity:
    """What changes whenever another generation is live: where the link leads, and which manifest is there."""
    try:
        target = os.readlink(site)  # noqa: PTH115 - for every request, and ``Path`` takes twice as long
    except OSError:  # a plain directory, or nothing
        target = ""
    try:
        stat = os.stat(f"{site}/{MANIFEST}")  # noqa: PTH116
    except OSError:
        return (target,)
    return target, stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns


def _digests_in(manifest: Path) -> Mapping[str, tuple[str, int | None]]:
    try:
        stat = manifest.stat()
        with _READING:  # requests that come at the same time wait for the one that reads it
            return _parsed_manifest(manifest, stat.st_ino, stat.st_size, stat.st_mtime_ns)
    except OSError as error:
        if error.errno in _OF_THE_MOMENT:  # what is believed of a generation is believed until the next one
            raise
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


def _digest_of(path: Path) -> str:
    stat = path.stat()
    return _content_digest(path, stat.st_ino, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=16_384)
def _content_digest(path: Path, *_identity: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
