"""Reading a project page, ours or an upstream's: HTML (PEP 503) or JSON (PEP 691) to ``UpstreamFile``.

Pages of big projects run to megabytes and a mirror wants few files of them, so only those named in
``wanted`` are looked at closely.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from mirror_pipeline.domain.artifact import is_sha256
from mirror_pipeline.domain.wheelset import UpstreamFile

ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
# Tags are found by pattern and only those of wanted files are parsed: a parser written in Python takes
# a second for the longest pages.
_ANCHOR = re.compile(r"""<a\s(?:[^>"']|"[^"]*"|'[^']*')*>""", re.IGNORECASE)
_BASE = re.compile(r"""<base\s(?:[^>"']|"[^"]*"|'[^']*')*>""", re.IGNORECASE)
_HREF = re.compile(r"""\shref\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)
_META = re.compile(r"""<meta\s(?:[^>"']|"[^"]*"|'[^']*')*>""", re.IGNORECASE)
_STATUS, _REASON = "pypi:project-status", "pypi:project-status-reason"
_DISTRIBUTION = (".whl", ".tar.gz", ".zip", ".tar.bz2", ".tar.xz", ".tgz", ".egg", ".exe", ".msi")

Wanted = Callable[[str, str | None], bool]
"""Whether a file is of interest, by its name and the SHA-256 the page gives for it."""


class PageError(ValueError):
    """The page is not a Simple project page of a version that is read here."""


@dataclass(frozen=True, slots=True)
class ProjectStatus:
    """What an index says of a project as a whole (PEP 792); without a word it is ``active``."""

    status: str = "active"
    reason: str = ""


def read_page(content: bytes, content_type: str, url: str, wanted: Wanted) -> tuple[UpstreamFile, ...]:
    """The wanted files of a project page. ``url`` is where the page was found (after redirects)."""
    media = content_type.partition(";")[0].strip().lower()
    if media.endswith("json"):
        return tuple(_from_json(content, url, wanted))
    if media in ("text/html", "application/vnd.pypi.simple.v1+html", "application/xhtml+xml", ""):
        return tuple(_from_html(content.decode("utf-8", "replace"), url, wanted))
    raise PageError(f"unexpected content type {media!r}")


def read_status(content: bytes, content_type: str) -> ProjectStatus:
    """The status marker of a project page that ``read_page`` can read.

    In JSON it is an object beside ``files``, in HTML there are two ``<meta>`` elements.
    """
    if content_type.partition(";")[0].strip().lower().endswith("json"):
        marker = json.loads(content).get("project-status")
        told = marker if isinstance(marker, Mapping) else {}
        return _status(told.get("status"), told.get("reason"))
    named = _named(content.decode("utf-8", "replace"))
    return _status(named.get(_STATUS), named.get(_REASON))


def _status(status: object, reason: object) -> ProjectStatus:
    return ProjectStatus((_text(status) or "active").strip().lower(), " ".join((_text(reason) or "").split()))


def _named(text: str) -> Mapping[str, str]:
    """The ``<meta>`` elements of a page, by name."""
    tags = [_attributes(found.group()) for found in _META.finditer(text)]
    return {(tag.get("name") or "").lower(): tag.get("content") or "" for tag in tags}


def is_project_page(content: bytes, content_type: str) -> bool:
    """Whether a page that lists nothing of interest is a project page at all.

    JSON says what it is. HTML may be anybody's, such as a proxy's apology: it has to list some distribution,
    or to be marked as a page of an index (PEP 629, 792).
    """
    if content_type.partition(";")[0].strip().lower().endswith("json"):
        return True
    text = content.decode("utf-8", "replace")
    if any(name.startswith("pypi:") for name in _named(text)):
        return True
    listed = _from_html(text, "http://page.invalid/", lambda name, _: name.lower().endswith(_DISTRIBUTION))
    return next(listed, None) is not None


def _from_json(content: bytes, url: str, wanted: Wanted) -> Iterator[UpstreamFile]:
    try:
        for entry in _entries(json.loads(content)):
            sha256 = _digest(entry.get("hashes", {}).get("sha256"))
            if wanted(entry["filename"], sha256):
                yield _json_file(entry, sha256, url)
    except PageError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
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
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _digest(value: object) -> str | None:
    return value.lower() if isinstance(value, str) and is_sha256(value.lower()) else None


def _yanked(value: object) -> str | bool:
    return value if isinstance(value, str) and value else bool(value)


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
            yield _html_file(name, link, sha256, _attributes(found.group()))


def _html_file(name: str, url: str, sha256: str | None, attributes: Mapping[str, str | None]) -> UpstreamFile:
    return UpstreamFile(
        file=name,
        url=url,
        sha256=sha256,
        requires_python=attributes.get("data-requires-python") or None,
        yanked=(attributes["data-yanked"] or True) if "data-yanked" in attributes else False,
        core_metadata=_digest((attributes.get("data-core-metadata") or "").removeprefix("sha256=")),
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
