"""What an index says of a project as a whole: its status (PEP 792), and where else it lives (PEP 708).

A mirror repeats what it was told and adds nothing that it does not know: see
docs/decisions/0017-what-pages-repeat.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from mirror_pipeline.domain.redaction import without_login

ACTIVE = "active"
REPEATED = ("archived", "deprecated")
"""The statuses that pages repeat, the gravest last.

Not ``quarantined``: an index that says so must not offer a file any more, and what a mirror holds stays until
its owner decides otherwise. It is what ``drift`` is for, which calls it an error.
"""


@dataclass(frozen=True, slots=True)
class ProjectStatus:
    """What an index says of a project as a whole (PEP 792); without a word it is ``active``."""

    status: str = ACTIVE
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ProjectFacts:
    """What project pages say beside their files. Locations are sets, written in order, without doubles."""

    status: ProjectStatus = field(default_factory=ProjectStatus)
    tracks: tuple[str, ...] = ()
    """The project's pages at the indexes that own its name (PEP 708, ``tracks``)."""
    alternates: tuple[str, ...] = ()
    """Its pages at indexes that it extends to (PEP 708, ``alternate-locations``)."""

    @property
    def repeated(self) -> ProjectFacts:
        """What a page of ours may say of it."""
        known = self.status if self.status.status in REPEATED else ProjectStatus()
        return replace(self, status=known)


NOTHING = ProjectFacts()


def united(facts: Iterable[ProjectFacts]) -> ProjectFacts:
    """What is said of a project whose files come from several pages: all locations, the gravest status."""
    said = [one.repeated for one in facts]
    return ProjectFacts(
        max((one.status for one in said), key=_gravity, default=ProjectStatus()),
        locations(url for one in said for url in one.tracks),
        locations(url for one in said for url in one.alternates),
    )


def _gravity(status: ProjectStatus) -> tuple[int, str]:
    return (REPEATED.index(status.status) if status.status in REPEATED else -1), status.reason


def locations(urls: Iterable[object]) -> tuple[str, ...]:
    """Those that may be published, in order and once: http or https, and without who may ask there."""
    plain = (without_login(url) for url in urls if isinstance(url, str) and is_location(url))
    return tuple(sorted(set(plain)))


def is_location(url: str) -> bool:
    """Whether this is the plain address of a page on the web: a query may hold a token."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    sound = url.isascii() and url.isprintable() and not set(' "<>\\^`{|}') & set(url)
    plain = bool(parts.hostname) and not (parts.query or parts.fragment)
    return sound and plain and parts.scheme in ("http", "https")


def page_of(index: str, project: str) -> tuple[str, ...]:
    """A project's page at an index, as ``tracks`` names it; none where it is not an address on the web."""
    plain = without_login(index)
    return locations([f"{plain.rstrip('/')}/{project}/"]) if is_location(plain) else ()
