"""Which published key answers a request: the one table of serving behaviour, decided without I/O.

What belongs here: request paths, project names, content negotiation, the headers that follow from a key
alone, and what a request's conditions and ranges mean. What does not: files and sockets
(``adapters.server``), or what a page says (``domain.pages``). The CloudFront function repeats ``route`` in
ES5, hence nothing cleverer than splitting, comparing and plain character classes. A redirect never asks
whether its target exists, because that function cannot know.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from packaging.utils import canonicalize_name

from mirror_pipeline.domain.artifact import is_safe_file_name

HTML_PAGE = "index.html"
JSON_PAGE = "index.v1_json"
PROVENANCE = ".provenance"
"""How the provenance of a file (PEP 740) is named beside the page of its project."""

HEALTH, METRICS = "/healthz", "/metrics"
"""Beside the site, for those who watch over a server: no key is ever found there."""

SIMPLE_JSON_TYPE = "application/vnd.pypi.simple.v1+json"
IMMUTABLE = "public, max-age=31536000, immutable"
REVALIDATED = "public, max-age=60, stale-while-revalidate=300"

_JSON_TYPES = (SIMPLE_JSON_TYPE, "application/vnd.pypi.simple.latest+json")
_HTML_TYPES = (
    "text/html",
    "application/vnd.pypi.simple.v1+html",
    "application/vnd.pypi.simple.latest+html",
)
_WILDCARDS = ("*/*", "text/*", "application/*")
INTEGRITY_TYPE = "application/vnd.pypi.integrity.v1+json"
_BINARY = "application/octet-stream"
_TYPE_OF_SUFFIX = (
    (JSON_PAGE, SIMPLE_JSON_TYPE),
    (".html", "text/html; charset=utf-8"),
    (PROVENANCE, INTEGRITY_TYPE),
    (".json", "application/json"),
    (".toml", "application/toml"),
    (".txt", "text/plain; charset=utf-8"),
    (".css", "text/css; charset=utf-8"),
    (".js", "text/javascript; charset=utf-8"),
    (".svg", "image/svg+xml"),
    (".png", "image/png"),
    (".ico", "image/x-icon"),
    (".woff2", "font/woff2"),
)
_SUFFIX_IN_FOLDER = {"pylock": ".toml", "requirements": ".txt", "assets": ""}

_SPACE = " \t"  # RFC 9110 §5.6.3; languages differ about what else a blank is
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_PROJECT = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")  # PEP 508
_NORMALIZED = re.compile(r"[a-z0-9-]+")  # PEP 503; what is in the layout begins with no dash anyway
_QUALITY = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?")  # RFC 9110 §12.4.2
_ONE_RANGE = re.compile(r"bytes=([0-9]{0,30})-([0-9]{0,30})", re.IGNORECASE)  # RFC 9110 §14.1.2


@dataclass(frozen=True, slots=True)
class File:
    """Send the object with this key."""

    key: str
    content_type: str
    cache_control: str
    vary: bool
    """Whether the ``Accept`` header took part in the choice."""


@dataclass(frozen=True, slots=True)
class Redirect:
    """Answer 301. The location is an absolute path, never one that a client reads as another host."""

    location: str


@dataclass(frozen=True, slots=True)
class NotFound:
    """Answer 404: uv falls through to the next index on it, and stops at a 403."""


def route(path: str, accept: str | None, exists: Callable[[str], bool]) -> File | Redirect | NotFound:
    """Decide what answers a path as the request line had it: percent-encoded, maybe with a query."""
    segments = _decoded_segments(path)
    if segments is None:
        return NotFound()
    location = _canonical_location(segments)
    if location is not None:
        return Redirect(location)
    negotiated = segments[0] == "simple" and segments[-1] == ""
    key = _key(segments, JSON_PAGE if negotiated and prefers_json(accept) else HTML_PAGE)
    if key is None or not exists(key):
        return NotFound()
    return File(key, content_type(key), cache_control(key), negotiated)


def content_type(key: str) -> str:
    """Type a key by its name (PEP 691: the JSON pages, 658: metadata beside a wheel, 740: provenance).

    An archive is always opaque: a ``.tar.gz`` described as gzip *encoding* would be unpacked on the way and
    then miss its hash, and nothing under ``packages/`` may ever be rendered by a browser.
    """
    if key.startswith("packages/"):
        return "text/plain; charset=utf-8" if key.endswith(".metadata") else _BINARY
    return next((kind for suffix, kind in _TYPE_OF_SUFFIX if key.endswith(suffix)), _BINARY)


def is_index_page(key: str) -> bool:
    """Whether clients choose by this: project pages and the project list, not the provenance beside them."""
    return key.startswith("simple/") and key.endswith((HTML_PAGE, JSON_PAGE))


def cache_control(key: str) -> str:
    """Keep packages for a year, since a file name never gets other bytes; ask again for all else."""
    return IMMUTABLE if key.startswith("packages/") else REVALIDATED


def prefers_json(accept: str | None) -> bool:
    """Negotiate as PEP 691 asks: JSON needs to be named, and then wins ties.

    HTML is the answer to everything else, also to a header nobody can read and to one that accepts neither
    form (the standard allows that instead of 406). A wildcard speaks for HTML unless HTML is named as well.
    """
    offers = list(_offers(accept or ""))
    json = max((quality for kind, quality in offers if kind in _JSON_TYPES), default=0.0)
    html = [quality for kind, quality in offers if kind in _HTML_TYPES]
    html = html or [quality for kind, quality in offers if kind in _WILDCARDS]
    return json > 0 and json >= max(html, default=0.0)


def client_has(etag: str, if_none_match: str) -> bool:
    """Compare weakly (RFC 9110 §13.1.2): a proxy that compressed a page may have marked its validator."""
    known = [tag.strip() for tag in if_none_match.split(",")]
    return "*" in known or any(tag.removeprefix("W/") == etag for tag in known)


def requested_range(wanted: str, size: int) -> range | None:
    """Return the bytes that a ``Range`` asks for, an empty range if there are none such, None for all of it.

    The whole file is also the permitted answer to several ranges, to another unit and to nonsense (RFC 9110
    §14.2).
    """
    match = _ONE_RANGE.fullmatch(wanted.strip())
    if match is None or not any(match.groups()):
        return None
    first, last = match.groups()
    if not first:
        return range(max(size - int(last), 0), size)
    if last and int(last) < int(first):
        return None
    return range(int(first), min(int(last) + 1, size) if last else size)


def _offers(accept: str) -> Iterator[tuple[str, float]]:
    """Yield each media range with its quality, leaving out those whose quality is malformed."""
    for item in accept.split(","):
        kind, *parameters = item.split(";")
        quality = _quality(parameters)
        if quality is not None:
            yield kind.strip(_SPACE).lower(), quality


def _quality(parameters: list[str]) -> float | None:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip(_SPACE).lower() == "q":
            value = value.strip(_SPACE)
            return float(value) if _QUALITY.fullmatch(value) else None
    return 1.0


def _decoded_segments(path: str) -> list[str] | None:
    """Split first and decode each segment once, so that an encoded slash never separates anything.

    The rule for file names then refuses everything dangerous at once: separators, control characters, a
    leading dot (hence ``.`` and ``..``), and the per cent sign that a second decoding would need. Only the
    last segment may be empty: that is the trailing slash of a page.
    """
    head, *segments = path.split("?")[0].split("/")
    decoded = [_ESCAPE.sub(lambda escape: chr(int(escape[1], 16)), segment) for segment in segments]
    named = decoded[:-1] if decoded and decoded[-1] == "" else decoded
    sound = head == "" and decoded and all(map(is_safe_file_name, named))
    return decoded if sound else None


def _canonical_location(segments: list[str]) -> str | None:
    """Return where a page really lives, if not here: normalized name (PEP 503), trailing slash."""
    match segments:
        case ["simple"]:
            return "/simple/"
        case ["simple", "index.html" | "index.v1_json"]:
            return None
        case ["simple" | "project" as section, name] if _PROJECT.fullmatch(name):
            return f"/{section}/{canonicalize_name(name)}/"
        case ["simple" | "project" as section, name, page] if _is_page(section, page):
            canonical = canonicalize_name(name)
            moved = canonical != name and _PROJECT.fullmatch(name)
            return f"/{section}/{canonical}/{page}" if moved else None
    return None


def _is_page(section: str, page: str) -> bool:
    return page in ("", HTML_PAGE) or (section == "simple" and page == JSON_PAGE)


def _key(segments: list[str], page: str) -> str | None:
    """Name the key in the published layout, or nothing. ``page`` completes a path that ends in a slash."""
    match segments:
        case ["simple", name] if _is_page("simple", name):
            return f"simple/{name or page}"
        case ["simple" | "project" as section, name, last] if _is_page(section, last):
            return f"{section}/{name}/{last or page}" if _PROJECT.fullmatch(name) else None
        case ["simple", name, file] if file.endswith(PROVENANCE):
            return f"simple/{name}/{file}" if _NORMALIZED.fullmatch(name) else None
        case ["packages", file] if file:
            return f"packages/{file}"
        case [file]:
            return _top_level_key(file)
        case [("pylock" | "requirements" | "assets") as folder, *_, file] if file:
            # A name with .gz would reach the variant of another key, where a bucket has such.
            fits = file.endswith(_SUFFIX_IN_FOLDER[folder]) and not file.endswith(".gz")
            return "/".join(segments) if fits else None
    return None


def _top_level_key(file: str) -> str | None:
    requirements = file.startswith("requirements-") and file.endswith(".txt")
    if requirements or file in (HTML_PAGE, "manifest.json"):
        return file
    return HTML_PAGE if file == "" else None
