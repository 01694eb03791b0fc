"""URLs and paths as locks write them: what they name, and how to speak of them without their secrets.

Tools let users write environment variables into URLs, mostly for credentials
(``https://${TOKEN}@host/simple``). A reader sees no environment. A variable in front of the host is left
out, so that the credentials come from netrc or a keyring as they do for any host; a variable anywhere else
makes a URL that only its user could know.
"""

from __future__ import annotations

import posixpath
import re
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from packaging.utils import (
    InvalidName,
    InvalidSdistFilename,
    InvalidWheelFilename,
    NormalizedName,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import Version

from mirror_pipeline.domain.lock import SourceKind

_VARIABLE = re.compile(r"\$(\{[^}]*\}|\w+)")
_SECRETS = re.compile(r"(?<=//)[^/\s]*@")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(//|(?=/))")
_REPOSITORY = re.compile(r"(git|hg|svn|bzr)(\+|$)", re.IGNORECASE)
_ARCHIVES = (".whl", ".tar.gz", ".zip", ".tar.bz2", ".tar.xz", ".tgz", ".tar")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")

NO_VERSION = Version("0")
"""The version of a pin outside the mirror that has none."""


def is_url(text: str) -> bool:
    """Whether a text starts with a scheme: ``https://…``, ``git+ssh://…``, ``file:///…``."""
    return _URL.match(text) is not None


def is_repository(url: str) -> bool:
    """Whether a URL is one of a version control system, as pip writes them (``git+https://…``)."""
    return is_url(url) and _REPOSITORY.match(urlsplit_or_nothing(url).scheme) is not None


def is_archive(path: str) -> bool:
    """Whether a path ends as the archives do that pip installs from."""
    return path.lower().endswith(_ARCHIVES)


def has_variable(text: str) -> bool:
    """Whether an environment variable is to be filled in."""
    return _VARIABLE.search(text) is not None


def redacted(text: str) -> str:
    """A text fit for messages: no credentials in URLs, no environment variables, and not too long."""
    plain = _VARIABLE.sub("***", _SECRETS.sub("", text))
    return plain if len(plain) <= 120 else f"{plain[:119]}…"


def urlsplit_or_nothing(url: str) -> SplitResult:
    """The parts of a URL; what cannot be taken apart is all path."""
    try:
        return urlsplit(url)
    except ValueError:
        return SplitResult("", "", url, "", "")


def reachable_url(url: str) -> str | None:
    """A URL to fetch from, without fragment; None where it is none, or where variables make up its place."""
    parts = urlsplit_or_nothing(url.strip())
    user, _, host = parts.netloc.rpartition("@")
    if has_variable(user):
        user = ""
    if parts.scheme not in ("http", "https", "file") or not (host or parts.scheme == "file"):
        return None
    found = urlunsplit((parts.scheme, f"{user}@{host}" if user else host, parts.path, parts.query, ""))
    return None if has_variable(found) else found


def fragment_of(url: str) -> dict[str, str]:
    """``#sha256=…&egg=…`` of a URL as keys and values."""
    pairs = (part.partition("=") for part in urlsplit_or_nothing(url).fragment.split("&"))
    return {key: unquote(value) for key, _, value in pairs if key}


def file_name(url: str) -> str:
    """The last part of a URL's path, percent-decoded: any text, to be checked before it is used."""
    return unquote(urlsplit_or_nothing(url).path.rpartition("/")[2])


def release_of(file: str) -> tuple[NormalizedName, Version] | None:
    """The project and version that a wheel's or an sdist's file name tells; None where it is neither."""
    try:
        return parse_wheel_filename(file)[:2]
    except InvalidWheelFilename:
        pass
    try:
        return parse_sdist_filename(file)
    except InvalidSdistFilename:
        return None


def local_kind(path: str, *, editable: bool) -> SourceKind:
    """What a local path is a source of."""
    if editable:
        return "editable"
    return "path" if is_archive(path) else "directory"


def name_from_path(path: str) -> NormalizedName:
    """A project's name, told only by where it lies: the last part of the path that can be one."""
    for part in reversed(posixpath.normpath(path.replace("\\", "/")).split("/")):
        try:
            return canonicalize_name(_NOT_IN_NAMES.sub("-", part).strip("-._"), validate=True)
        except InvalidName:
            continue
    return canonicalize_name("unnamed")
