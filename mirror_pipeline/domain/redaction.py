"""URLs without what nobody else may know: for everything that is published, kept or said."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from urllib.parse import quote

_LOGIN = re.compile(r"(?<=http://)[^/\s]*@|(?<=https://)[^/\s]*@|(?<=//)[^/\s:]*:[^/\s]*@", re.IGNORECASE)
"""Who asks, in a URL: all of it on the web, elsewhere (``ssh://git@…``) only where a password is told."""

_TOLD_BY_A_KEY = re.compile(r"(?<=[?&])(?!(?:rev|tag|branch|subdirectory|lfs)=)([^=&#\s]*)=[^&#\s]*")
"""What stands in a URL's query, but for where in a repository: a token, perhaps, or a signature."""


_SHORTEST_SECRET = 4
"""What is shorter is part of many a word; as a login in a URL it goes all the same."""


def without_login(url: str) -> str:
    """A URL fit for plans, reports and messages."""
    return _TOLD_BY_A_KEY.sub(r"\1=...", _LOGIN.sub("", url))


def hidden(value: object, secrets: Collection[str]) -> object:
    """Plain data in which no text has the login or the query of a URL, or one of these secrets."""
    if isinstance(value, str):
        return _hidden(value, secrets)
    if isinstance(value, Mapping):
        return {str(hidden(str(key), secrets)): hidden(one, secrets) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [hidden(one, secrets) for one in value]
    return value if value is None or isinstance(value, bool | int | float) else _hidden(str(value), secrets)


def _hidden(text: str, secrets: Collection[str]) -> str:
    """The longest first: one secret may be the beginning of another. Also as they are spelled in URLs."""
    long_enough = [secret for secret in secrets if len(secret) >= _SHORTEST_SECRET]
    forms = {form for secret in long_enough for form in (secret, quote(secret), quote(secret, safe=""))}
    for form in sorted(forms, key=lambda form: (-len(form), form)):
        text = text.replace(form, "...")
    return without_login(text)
