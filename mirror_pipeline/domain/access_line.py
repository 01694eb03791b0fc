"""One line of the access log: the Combined Log Format, and the seconds that the answer took.

What is told is who, what, and with which outcome. What never is: the login's secret, a query string, or what
else a client may have put into an address; and nothing in a request can break or forge a line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

_UNSAFE = re.compile(r"[^\x20\x21\x23-\x5b\x5d-\x7e]")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_LONGEST = 1000


@dataclass(frozen=True, slots=True)
class Visit:
    """What became of one request."""

    client: str
    """The address that it came from."""
    user: str
    """The name of the login that let it in, '' where none was needed or none did."""
    method: str
    target: str
    version: str
    status: int
    sent: int
    """Bytes of the body that left."""
    seconds: float
    referer: str = ""
    agent: str = ""


def access_line(visit: Visit, when: str) -> str:
    """The line, without an end. ``when`` is the time as the format has it."""
    line = f"{visit.method} {_path(visit.target)} HTTP/{visit.version}"
    return (
        f'{visit.client or "-"} - {visit.user or "-"} [{when}] "{_quoted(line)}" {visit.status} {visit.sent} '
        f'"{_quoted(_address(visit.referer)) or "-"}" "{_quoted(visit.agent) or "-"}" {visit.seconds:.3f}'
    )


def clock(year: int, month: int, day: int, time: str) -> str:
    """A moment in UTC as the format has it, whatever the language of the machine."""
    return f"{day:02}/{_MONTHS[month - 1]}/{year}:{time} +0000"


def _path(target: str) -> str:
    """The path alone. A target that is a whole address could have a login in it."""
    return target.partition("?")[0] if target.startswith("/") else "-"


def _address(referer: str) -> str:
    """Where a link was, without login and query."""
    try:
        parts = urlsplit(referer)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}" if parts.netloc else ""


def _quoted(text: str) -> str:
    return _UNSAFE.sub(lambda found: f"\\x{ord(found[0]) & 0xFF:02x}", text[:_LONGEST])
