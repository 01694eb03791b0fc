"""URLs without what nobody else may know: for everything that is published, kept or said."""

from __future__ import annotations

import re

_LOGIN = re.compile(r"(?<=http://)[^/\s]*@|(?<=https://)[^/\s]*@|(?<=//)[^/\s:]*:[^/\s]*@", re.IGNORECASE)
"""Who asks, in a URL: all of it on the web, elsewhere (``ssh://git@…``) only where a password is told."""

_TOLD_BY_A_KEY = re.compile(r"(?<=[?&])(?!(?:rev|tag|branch|subdirectory)=)([^=&#\s]*)=[^&#\s]*")
"""What stands in a URL's query, but for where in a repository: a token, perhaps, or a signature."""


def without_login(url: str) -> str:
    """A URL fit for plans, reports and messages."""
    return _TOLD_BY_A_KEY.sub(r"\1=...", _LOGIN.sub("", url))
