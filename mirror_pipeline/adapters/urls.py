"""URLs of indexes and files: which are the same, whose credentials they carry, and what may be shown of them.

Nothing here asks anybody. What is no URL at all has no origin and no host, and is never an exception.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import takewhile
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

_PORTS = {"http": 80, "https": 443}
Origin = tuple[str, str, int | None]
"""Scheme, host and port (RFC 6454): what credentials belong to."""


@dataclass(frozen=True, slots=True)
class Login:
    """Who asks. Without a password it is netrc's or the keyring's to know."""

    user: str
    password: str | None = field(default=None, repr=False)


def split(url: str) -> SplitResult:
    """The parts of a URL; all of them empty where it is none."""
    try:
        parts = urlsplit(url)
        _ = parts.port, parts.hostname
    except ValueError:
        return SplitResult("", "", "", "", "")
    return parts


def redacted(url: str) -> str:
    """A URL without credentials, fit for messages and logs. Queries may hold a token or a signature."""
    parts = split(url)
    host, query = parts.netloc.rpartition("@")[2], "..." if parts.query else ""
    return urlunsplit(parts._replace(netloc=host, query=query, fragment="")) or "a malformed URL"


def origin(url: str) -> Origin:
    """Whom a request to this URL would reach: credentials are never for another origin than their own."""
    parts = split(url)
    scheme = parts.scheme.lower()
    return scheme, host_of(url), parts.port or _PORTS.get(scheme)


def host_of(url: str) -> str:
    """The host's name in lower case, '' for none."""
    return (split(url).hostname or "").rstrip(".")


def index_key(url: str) -> tuple[Origin, str, str]:
    """Equal for two spellings of one index: credentials, default port, case of the host, last slash aside."""
    parts = split(url)
    return origin(url), parts.path.rstrip("/"), parts.query


def is_http(url: str) -> bool:
    """Whether this is a URL that is asked for over the network: http or https, and a host."""
    return origin(url)[0] in _PORTS and bool(host_of(url)) and url.isprintable()


def is_on_disk(url: str) -> bool:
    """Whether this is a ``file:`` URL."""
    return split(url).scheme.lower() == "file"


def shared_path(one: str, other: str) -> int:
    """How many leading folders the paths of two URLs have in common."""
    pairs = zip(split(one).path.split("/"), split(other).path.split("/"), strict=False)
    return len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))


def split_login(url: str) -> tuple[str, Login | None]:
    """The URL without its user part, and that, where it has one."""
    parts = split(url)
    given, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, None
    user, colon, password = given.partition(":")
    login = Login(unquote(user), unquote(password) if colon else None)
    return urlunsplit(parts._replace(netloc=host)), login
