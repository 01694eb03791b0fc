"""Distribution files: what their names say, and which names are safe to store and to serve.

Wheel names follow PEP 427 (binary distribution format), sdist names PEP 625.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import lru_cache

from packaging.tags import Tag
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    NormalizedName,
    parse_sdist_filename,
    parse_wheel_filename,
)

# Stricter than the parsers, which accept ``../x-1.0.tar.gz``: a name becomes a path and a URL.
_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def is_safe_file_name(name: str) -> bool:
    """Whether a file name can be stored and served as it stands: no separator, no leading dot."""
    return _SAFE_NAME.fullmatch(name) is not None and len(name) <= 250


def is_sha256(digest: str) -> bool:
    """Whether a text is a SHA-256 in lower-case hexadecimal."""
    return _SHA256.fullmatch(digest) is not None


@lru_cache(maxsize=65536)
def wheel_tags(file_name: str) -> frozenset[Tag] | None:
    """The tags of a wheel's name (PEP 425), or None where it is not a well-formed wheel name."""
    try:
        return _one_of_each(parse_wheel_filename(file_name)[3])
    except InvalidWheelFilename:
        return None


@lru_cache(maxsize=65536)
def _one_of_each(tags: frozenset[Tag]) -> frozenset[Tag]:
    """The first of equal sets: what is looked up by its tags is found by identity, which is much faster."""
    return tags


@lru_cache(maxsize=65536)
def wheel_build(file_name: str) -> tuple[int, str] | tuple[()]:
    """A wheel's build tag (PEP 427), to compare; empty, and lowest, where its name has none."""
    try:
        return parse_wheel_filename(file_name)[2]
    except InvalidWheelFilename:
        return ()


def is_sdist(file_name: str) -> bool:
    """Whether a name is a source distribution that installers of today can build (PEP 625 and .zip)."""
    try:
        parse_sdist_filename(file_name)
    except InvalidSdistFilename:
        return False
    return True


def is_any_platform(tags: frozenset[Tag]) -> bool:
    """Whether a wheel installs on every platform (``*-any.whl``): those make up ``noarch``."""
    return all(tag.platform == "any" for tag in tags)


@dataclass(frozen=True, slots=True, order=True)
class Artifact:
    """A file that the mirror is to hold, identified by name + SHA-256.

    ``size`` in bytes and ``url`` where the lock tells them; ``wanted_by`` names the projects whose
    locks want the file. ``direct``: the lock takes the file from ``url`` and from no index.
    """

    file: str
    sha256: str
    project: NormalizedName
    version: str
    size: int | None = None
    url: str | None = None
    index: str | None = None
    wanted_by: tuple[str, ...] = field(default=())
    direct: bool = False

    @property
    def is_wheel(self) -> bool:
        """Wheels have core metadata beside them (PEP 658); sdists do not."""
        return self.file.endswith(".whl")

    def united(self, other: Artifact) -> Artifact:
        """One artifact for two that are the same file, wanted by the projects that want either.

        Where locks name different sources of the same bytes, one is taken, whatever the order of the locks:
        an index that is named before the configured ones.
        """
        first, second = sorted((self, other), key=_preference)
        wanted_by = tuple(sorted({*self.wanted_by, *other.wanted_by}))
        return replace(first, size=first.size or second.size, wanted_by=wanted_by)


def _preference(artifact: Artifact) -> tuple[bool, bool, str, str]:
    return artifact.direct, artifact.index is None, artifact.index or "", artifact.url or ""
