"""Reading a project page, ours or an upstream's: HTML (PEP 503) or JSON (PEP 691) to values.

What it says of files (PEP 592, 700, 714, 740), and of the project as a whole (PEP 708, 792). Pages of big
projects run to megabytes and a mirror wants few files of them, so only those named in ``wanted`` are looked
at closely.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from html.parser import HTMLParser
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from mirror_pipeline.domain.artifact import is_sha256
from mirror_pipeline.domain.project_facts import ACTIVE, ProjectFacts, ProjectStatus, locations
from mirror_pipeline.domain.wheelset import UpstreamFile

ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
# Tags are found by pattern and only those of wanted files are parsed: a parser written in Python takes
# a second for the longest pages.
_ANCHOR = re.compile(r"""<a\s(?:[^>"']|"[^"]*"|'[^']*')*>""", re.IGNORECASE)
_BASE = re.compile(r"""<base\s(?:[^>"']|"[^"]*"|'[^']*')*>""", re.IGNORECASE)
_HREF = re.compile(r"""\shref\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)
_META = re.compile(r"""<meta\s(?:[^>"']|"[^"]*"|'[^']*')*>""", re.IGNORECASE)
_BODY = re.compile(r"<body[\s>]", re.IGNORECASE)
_STATUS, _REASON = "pypi:project-status", "pypi:project-status-reason"
_TRACKS, _ALTERNATES = "pypi:tracks", "pypi:alternate-locations"
OWN_PROVENANCE = "_provenance"
"""In JSON, the provenance as a relative URL: a private key of ours, see ``domain.pages``."""
_UNCLEAN = re.compile("[\x00-\x08\x0e-\x1f\x7f\ud800-\udfff]")
"""What neither form can hold: JSON can spell half a surrogate, and no page can be encoded with it."""
_DISTRIBUTION = (".whl", ".tar.gz", ".zip", ".tar.bz2", ".tar.xz", ".tgz", ".egg", ".exe", ".msi")

Wanted = Callable[[str, str | None], bool]
"""Whether a file is of interest, by its name and the SHA-256 the page gives for it."""


class PageError(ValueError):
    """The page is not a Simple project page of a version that is read here."""


def read_page(content: bytes, content_type: str, url: str, wanted: Wanted) -> tuple[UpstreamFile, ...]:
    """The wanted files of a project page. ``url`` is where the page was found (after redirects)."""
    return read_project(content, content_type, url, wanted)[0]


def read_project(
    content: bytes, content_type: str, url: str, wanted: Wanted
) -> tuple[tuple[UpstreamFile, ...], ProjectFacts]:
    """The wanted files of a project page, and what it says of the project."""
    media = content_type.partition(";")[0].strip().lower()
    if media.endswith("json"):
        document = _loaded(content)
        return tuple(_from_json(document, url, wanted)), _json_facts(document)
    if media in ("text/html", "application/vnd.pypi.simple.v1+html", "application/xhtml+xml", ""):
        text = content.decode("utf-8", "replace")
        return tuple(_from_html(text, url, wanted)), _html_facts(text)
    raise PageError(f"unexpected content type {media!r}")


def read_facts(content: bytes, content_type: str) -> ProjectFacts:
    """What a project page that ``read_page`` can read says of the project."""
    if _is_json(content_type):
        return _json_facts(_loaded(content))
    return _html_facts(content.decode("utf-8", "replace"))


def _json_facts(document: Mapping[str, Any]) -> ProjectFacts:
    """Keys beside ``files``, and one in ``meta``."""
    marker, meta = _object(document.get("project-status")), _object(document.get("meta"))
    return ProjectFacts(
        _status(marker.get("status"), marker.get("reason")),
        locations(_list(meta.get("tracks"))),
        locations(_list(document.get("alternate-locations"))),
    )


def _html_facts(text: str) -> ProjectFacts:
    """``<meta>`` elements."""
    named = _named(text)
    status, reason = (next(iter(named.get(name, ())), None) for name in (_STATUS, _REASON))
    return ProjectFacts(
        _status(status, reason), locations(named.get(_TRACKS, ())), locations(named.get(_ALTERNATES, ()))
    )


def _status(status: object, reason: object) -> ProjectStatus:
    named = (_text(status) or ACTIVE).strip().lower()
    return ProjectStatus(named, " ".join((_text(reason) or "").split()))


def _named(text: str) -> Mapping[str, Sequence[str]]:
    """What the ``<meta>`` elements of a page's head say, by name."""
    body, found = _BODY.search(text), dict[str, list[str]]()
    for tag in _META.finditer(text[: body.start()] if body else text):
        attributes = _attributes(tag.group())
        found.setdefault((attributes.get("name") or "").lower(), []).append(attributes.get("content") or "")
    return found


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else ()


def _is_json(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower().endswith("json")


def is_project_page(content: bytes, content_type: str) -> bool:
    """Whether a page that lists nothing of interest is a project page at all.

    JSON says what it is. HTML may be anybody's, such as a proxy's apology: it has to list some distribution,
    or to be marked as a page of an index (PEP 629, 792).
    """
    if _is_json(content_type):
        return True
    text = content.decode("utf-8", "replace")
    if any(name.startswith("pypi:") for name in _named(text)):
        return True
    listed = _from_html(text, "http://page.invalid/", lambda name, _: name.lower().endswith(_DISTRIBUTION))
    return next(listed, None) is not None


def _loaded(content: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise PageError(f"not a Simple project page: {error!r}") from None
    if not isinstance(document, Mapping):
        raise PageError("not a Simple project page: no JSON object")
    return document


def _from_json(document: Mapping[str, Any], url: str, wanted: Wanted) -> Iterator[UpstreamFile]:
    try:
        for entry in _entries(document):
            sha256 = _digest(entry.get("hashes", {}).get("sha256"))
            if wanted(entry["filename"], sha256):
                yield _json_file(entry, sha256, url)
    except PageError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PageError(f"not a Simple project page: {error!r}") from None


def _entries(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    version = str(document.get("meta", {}).get("api-version", "1.0"))
    if not version.startswith("1."):
        raise PageError(f"Simple API version {version} is not known here")
    for entry in document["files"]:
        if not isinstance(entry["filename"], str):
            raise PageError(f"not a Simple project page: the file name {entry['filename']!r} is no text")
        yield entry


def _json_file(entry: Mapping[str, Any], sha256: str | None, url: str) -> UpstreamFile:
    size, metadata = entry.get("size"), entry.get("core-metadata")
    return UpstreamFile(
        file=entry["filename"],
        url=urljoin(url, entry["url"]),
        sha256=sha256,
        size=size if isinstance(size, int) else None,
        requires_python=_text(entry.get("requires-python")),
        yanked=_yanked(entry.get("yanked", False)),
        upload_time=_text(entry.get("upload-time")),
        core_metadata=_digest(metadata.get("sha256")) if isinstance(metadata, Mapping) else None,
        provenance=_link(url, entry.get(OWN_PROVENANCE)) or _link(url, entry.get("provenance")),
    )


def _text(value: object) -> str | None:
    return (_UNCLEAN.sub("\ufffd", value) or None) if isinstance(value, str) else None


def _link(base: str, value: object) -> str | None:
    """Where a link of a page leads to; None for none, and for what is no URL."""
    try:
        return urljoin(base, value) if isinstance(value, str) and value else None
    except ValueError:
        return None


def _digest(value: object) -> str | None:
    return value.lower() if isinstance(value, str) and is_sha256(value.lower()) else None


def _yanked(value: object) -> str | bool:
    return _text(value) or bool(value)


def _from_html(text: str, url: str, wanted: Wanted) -> Iterator[UpstreamFile]:
    base = _base(text, url)
    for found in _ANCHOR.finditer(text):
        href = _HREF.search(found.group())
        if href is None:
            continue
        try:
            target, fragment = urldefrag(html.unescape(next(filter(None, href.groups()), "")))
            name, link = unquote(urlsplit(target).path.rpartition("/")[2]), urljoin(base, target)
        except ValueError:  # no client could follow it: a malformed host, for example
            continue
        algorithm, _, value = fragment.partition("=")
        sha256 = _digest(value) if algorithm == "sha256" else None
        if name and wanted(name, sha256):
            yield _html_file(name, link, sha256, base, _attributes(found.group()))


def _html_file(
    name: str, url: str, sha256: str | None, base: str, attributes: Mapping[str, str | None]
) -> UpstreamFile:
    return UpstreamFile(
        file=name,
        url=url,
        sha256=sha256,
        requires_python=_text(attributes.get("data-requires-python")),
        yanked=(_text(attributes["data-yanked"]) or True) if "data-yanked" in attributes else False,
        core_metadata=_digest((attributes.get("data-core-metadata") or "").removeprefix("sha256=")),
        provenance=_link(base, attributes.get("data-provenance")),
    )


def _base(text: str, url: str) -> str:
    """Where relative links start: ``<base href>``, which other indexes may have, or the page itself."""
    found = _BASE.search(text)
    href = _attributes(found.group()).get("href") if found else None
    try:
        return urljoin(url, href) if href else url
    except ValueError:
        raise PageError(f"the base of the page is no URL: {href!r}") from None


def _attributes(tag: str) -> Mapping[str, str | None]:
    parser = _OneTag()
    parser.feed(tag)
    return parser.attributes


class _OneTag(HTMLParser):
    """Reads the attributes of a single start tag."""

    attributes: Mapping[str, str | None] = MappingProxyType({})

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes = dict(attrs)
