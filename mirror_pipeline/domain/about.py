"""What a wheel's core metadata says about its project, cut down to what a page for people shows.

Whoever uploads a wheel writes this text, so none of it is believed: one line of printable characters each, no
longer than a page can bear, and only links that are plain ``http`` or ``https`` URLs. What is malformed is
left out; nothing here fails.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

_MOST_SUMMARY, _MOST_LICENCE, _MOST_LABEL, _MOST_URL, _MOST_LINKS = 300, 120, 40, 300, 12
_NOT_SHOWN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
"""Control and format characters (those that turn the direction of writing among them), and no characters."""
_HTTP = re.compile(r"https?://[!-~]+", re.IGNORECASE)
_NOTHING = frozenset({"", "unknown", "none", "n/a"})
_LICENCE_CLASSIFIER = "License :: "

_WELL_KNOWN = {
    "Homepage": ("homepage", "home", "website"),
    "Documentation": ("documentation", "docs"),
    "Source": ("source", "sourcecode", "repository", "github", "code"),
    "Changelog": ("changelog", "changes", "releasenotes", "whatsnew", "history"),
    "Issues": ("issues", "issue", "issuetracker", "bugtracker", "bugreports", "bugs", "tracker"),
    "Download": ("download",),
    "Funding": ("funding", "sponsor", "sponsors", "donate", "donation"),
}
"""Labels that people know, in the order in which they are shown, by what metadata calls them (PEP 753)."""
_LABELS = {alias: label for label, aliases in _WELL_KNOWN.items() for alias in aliases}
_PLACES = {label: place for place, label in enumerate(_WELL_KNOWN)}


@dataclass(frozen=True, slots=True)
class Link:
    """A link out of the mirror, to where a project says that it is at home."""

    label: str
    url: str

    @property
    def host(self) -> str:
        """Where the link leads, to be shown beside a label that may say anything."""
        return urlsplit(self.url).netloc.lower().removeprefix("www.")


@dataclass(frozen=True, slots=True)
class About:
    """Summary, licence and links of a project, each empty where its metadata has none."""

    summary: str = ""
    licence: str = ""
    links: tuple[Link, ...] = ()


def about_of(raw: Mapping[str, Any]) -> About:
    """Read the fields of ``packaging.metadata.RawMetadata``, whatever they hold."""
    return About(one_line(raw.get("summary"), _MOST_SUMMARY), _licence(raw), _links(raw))


def one_line(text: object, most: int) -> str:
    """A text as one line that can be shown: no control characters, white space as single spaces, cut."""
    if not isinstance(text, str):
        return ""
    beginning = text[: most * 8]  # of a text of megabytes no more than this is looked at
    shown = "".join(
        " " if one.isspace() else one
        for one in beginning
        if one.isspace() or unicodedata.category(one) not in _NOT_SHOWN
    )
    words = " ".join(shown.split())
    return words if len(words) <= most else f"{words[: most - 1].rstrip()}…"


def safe_url(text: object) -> str:
    """A URL that a browser may be led to, or nothing: http or https, printable ASCII, a host, no login."""
    if not isinstance(text, str) or len(text) > _MOST_URL or not _HTTP.fullmatch(text.strip()):
        return ""
    url = text.strip()
    try:
        parts = urlsplit(url)
        _ = parts.port  # a ValueError where it is no number
    except ValueError:
        return ""
    return url if parts.hostname and "@" not in parts.netloc and "\\" not in url else ""


def _licence(raw: Mapping[str, Any]) -> str:
    """The expression (PEP 639); else a name in one line; else the classifiers; else the first line."""
    for text in (raw.get("license_expression"), raw.get("license")):
        if isinstance(text, str) and "\n" not in text.strip() and _meant(text):
            return one_line(text, _MOST_LICENCE)
    classified = ", ".join(dict.fromkeys(_classified(raw.get("classifiers"))))
    first = next(iter(str(raw.get("license") or "").strip().splitlines()), "")
    return one_line(classified or (first if _meant(first) else ""), _MOST_LICENCE)


def _meant(text: str) -> bool:
    return text.strip().lower() not in _NOTHING


def _classified(classifiers: object) -> Iterator[str]:
    """``License :: OSI Approved :: MIT License`` says MIT License."""
    for text in classifiers if isinstance(classifiers, list) else ():
        if isinstance(text, str) and text.startswith(_LICENCE_CLASSIFIER):
            name = text.rpartition(" :: ")[2].strip()
            if name != "OSI Approved":
                yield name


def _links(raw: Mapping[str, Any]) -> tuple[Link, ...]:
    """Each URL once, what people know first, else in the order of the metadata."""
    found: dict[str, Link] = {}
    for label, text in _urls(raw):
        url = safe_url(text)
        if url and url.rstrip("/") not in found:
            found[url.rstrip("/")] = Link(_label(label), url)
    links = sorted(found.values(), key=lambda link: _PLACES.get(link.label, len(_PLACES)))
    return tuple(links[:_MOST_LINKS])


def _urls(raw: Mapping[str, Any]) -> Iterable[tuple[str, object]]:
    urls = raw.get("project_urls")
    labelled = list(urls.items()) if isinstance(urls, dict) else []
    return [("homepage", raw.get("home_page")), *labelled, ("download", raw.get("download_url"))]


def _label(label: object) -> str:
    text = one_line(label, _MOST_LABEL) or "Link"
    known = re.sub(r"[^a-z0-9]", "", text.lower())
    return _LABELS.get(known, text)
