"""Distribution files: what their names say, and which names are safe to store and to serve.

Wheel names follow PEP 427 (binary distribution format), sdist names PEP 625.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
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
        return parse_wheel_filename(file_name)[3]
    except InvalidWheelFilename:
        return None


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
    locks want the file.
    """

    file: str
    sha256: str
    project: NormalizedName
    version: str
    size: int | None = None
    url: str | None = None
    index: str | None = None
    wanted_by: tuple[str, ...] = field(default=())

    @property
    def is_wheel(self) -> bool:
        """Wheels have core metadata beside them (PEP 658); sdists do not."""
        return self.file.endswith(".whl")
