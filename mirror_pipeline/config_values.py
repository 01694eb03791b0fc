"""``config.env`` as text, and its values: numbers, names, paths, one of several words, URLs, hosts.

Which keys there are, and what they mean, is said in ``settings``.
"""

from __future__ import annotations

import difflib
import io
import os
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from dotenv.parser import parse_stream

from mirror_pipeline.errors import SettingsError

T = TypeVar("T")

INDEX = "one http://, https:// or file:///... URL"
INDEXES = "http://, https:// or file:///... URLs, separated by spaces or commas"
HOSTS = "a host name such as files.example.org, or *.example.org"
OWNERS = "e-mail addresses and team:name, separated by commas"

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_LOGIN = re.compile(r"(?<=://).*@", re.DOTALL)
"""Broader than logins are: what is malformed may have a password anywhere before its last ``@``."""
_LABEL = "[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_EMAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z|]{2,7}")
"""What Dagster takes for an address."""
_HOST = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*")


@dataclass(frozen=True, slots=True)
class Values:
    """The effective text of every key, and where it came from."""

    texts: Mapping[str, str]
    file: str

    def read(self, key: str, parse: Callable[[str], T], allowed: str) -> T:
        """Parse one value; a refusal names the key, the value and what is allowed."""
        text = self.texts[key]
        try:
            return parse(text)
        except (ValueError, KeyError):
            raise self.refused(key, text, allowed) from None

    def refused(self, key: str, value: str, allowed: str) -> SettingsError:
        """The error for a bad value, which is told without the login of a URL in it."""
        value = shown(value)
        return SettingsError(
            f"{key}={value!r} is not allowed: expected {allowed}",
            key=key,
            value=value,
            allowed=allowed,
            file=self.file,
        )


def shown(text: str) -> str:
    """A refused text without the login of a URL in it."""
    return _LOGIN.sub("", text)


def parse_file(text: str, file: str, known: Collection[str]) -> tuple[dict[str, str], list[str]]:
    """The values of a ``config.env`` by key, and warnings; an unknown key is refused."""
    given: dict[str, str] = {}
    warnings: list[str] = []
    for binding in parse_stream(io.StringIO(text.removeprefix("\ufeff"))):
        written = binding.original.string
        line = binding.original.line + written[: len(written) - len(written.lstrip())].count("\n")
        if binding.error or (binding.key is not None and binding.value is None):
            found = _beginning(written)
            raise SettingsError(f"{file}:{line}: expected KEY=value, found {found!r}", file=file, line=line)
        if binding.key is None:
            continue
        if binding.key not in known:
            raise _unknown_key(binding.key, file, line, known)
        if binding.key in given:
            warnings.append(f"{file}:{line}: {binding.key} is given twice; the later value counts")
        given[binding.key] = (binding.value or "").strip()
    return given, warnings


def _beginning(line: str) -> str:
    """The key at the beginning of a line: what follows, or stands there instead, may be a secret."""
    key = re.match(r"[A-Z][A-Z0-9_]*(?![^\s:='\"])[:=]?", line.strip())
    found = key.group() if key else ""
    return found if found == line.strip() else f"{found} ...".strip()


def _unknown_key(key: str, file: str, line: int, known: Collection[str]) -> SettingsError:
    near = difflib.get_close_matches(key, known, n=1)
    return SettingsError(
        f"{file}:{line}: unknown key {key}",
        hint=f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}",
        key=key,
        file=file,
        line=line,
        allowed=list(known),
    )


def path_of(values: Values, key: str, text: str, root: Path) -> Path:
    """A path as configured: absolute, ``~`` expanded, relative ones from ``root``."""
    try:
        return Path(os.path.normpath(root / Path(text).expanduser()))
    except RuntimeError:  # ~somebody who is not known here
        raise values.refused(key, text, "a path (no home directory can be told for it)") from None


def paths_of(values: Values, key: str, root: Path) -> tuple[Path, ...]:
    """Several paths, separated as the operating system separates them; each once."""
    parts = [part.strip() for part in values.texts[key].split(os.pathsep)]
    return tuple(dict.fromkeys(path_of(values, key, part, root) for part in parts if part))


def names_in(text: str) -> tuple[str, ...]:
    """Names separated by commas or spaces; each once, in their order."""
    return tuple(dict.fromkeys(part for part in text.replace(",", " ").split() if part))


def index_url(values: Values, key: str) -> str | None:
    """The URL of an index; None where the value is empty."""
    text = values.texts[key]
    several = any("://" in part for part in names_in(text)[1:])  # a comma may stand in a URL
    if text and (several or not _is_index(text)):
        raise values.refused(key, _without_secrets(text, text), INDEX)
    return text or None


def index_urls(values: Values, key: str) -> tuple[str, ...]:
    """URLs of indexes; each once, in their order."""
    text = values.texts[key]
    for url in names_in(text):
        if not _is_index(url):
            raise values.refused(key, _without_secrets(url, text), INDEXES)
    return names_in(text)


def webhook_url(values: Values, key: str) -> str:
    """An http or https URL, '' where there is none. It is a secret as a whole: none of it is shown."""
    text = values.texts[key]
    if text and not (_is_index(text) and urlsplit(text).scheme != "file"):
        raise values.refused(key, "...", "one http:// or https:// URL, or empty")
    return text


def page_url(values: Values, key: str) -> str:
    """An http or https URL without login, query and trailing slash; '' where the value is empty."""
    written = values.texts[key]
    text = written.rstrip("/")
    if not text:
        return ""
    sound = _is_index(text) and urlsplit(text).scheme != "file"
    parts = urlsplit(text if sound else "")
    if not sound or parts.username is not None or parts.query or parts.fragment:
        raise values.refused(key, _without_secrets(written, written), "an http:// or https:// URL")
    return text


def _is_index(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".")
        _ = parts.port  # a number that is none is a ValueError, as half of an IPv6 address is
    except ValueError:
        return False
    if not url.isprintable() or " " in url:
        return False
    if parts.scheme == "file":
        return host in ("", "localhost") and parts.path.startswith("/")
    return parts.scheme in ("http", "https") and bool(host)


def _without_secrets(part: str, whole: str) -> str:
    """A refused part of a value, as it may be shown.

    The separator that made it a part may have stood in a password: then nothing of it but a scheme is safe.
    """
    start = _SCHEME.match(part)
    scheme = start.group() if start else ""
    is_whole = part == whole or bool(scheme and "@" in part)
    rest = part[len(scheme) :].rpartition("@")[2] if is_whole or "@" not in whole else "..."
    return scheme + re.sub(r"([?#]).+", r"\1...", rest)


def hosts(values: Values, key: str) -> tuple[str, ...]:
    """Host names and ``*.example.org`` patterns in lower case, and addresses; each once, in their order.

    A port is refused: files come from hosts, whatever the port.
    """
    text = values.texts[key]
    found: dict[str, None] = {}
    for name in names_in(text):
        host = _host(name)
        if host is None:
            raise values.refused(key, _without_secrets(name, text), HOSTS)
        found[host] = None
    return tuple(found)


def owners(values: Values, key: str) -> tuple[str, ...]:
    """E-mail addresses and ``team:name``, as Dagster allows them; each once, in their order."""
    found = tuple(dict.fromkeys(part.strip() for part in values.texts[key].split(",") if part.strip()))
    for owner in found:
        is_team = owner.startswith("team:") and owner != "team:"
        if not is_team and not _EMAIL.fullmatch(owner):
            raise values.refused(key, owner, OWNERS)
    return found


def _host(text: str) -> str | None:
    name = text.lower().removesuffix(".")
    try:
        return str(ip_address(name[1:-1] if name.startswith("[") and name.endswith("]") else name))
    except ValueError:
        return name if _HOST.fullmatch(name) else None


def one_of(values: Values, key: str, allowed: tuple[str, ...]) -> str:
    """One of a few words, in lower case."""
    value = values.texts[key].lower()
    if value not in allowed:
        raise values.refused(key, values.texts[key], " or ".join(allowed))
    return value


def two_numbers(text: str) -> tuple[int, int]:
    """``2.28`` as two numbers."""
    major, minor = map(_whole, text.split("."))
    return major, minor


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit()):  # int() takes signs, underscores and spaces too
        raise ValueError(text)
    return int(text)


def whole_number(text: str, least: int) -> int:
    """A whole number, not smaller than ``least``."""
    number = _whole(text)
    if number < least:
        raise ValueError(text)
    return number


def connections(text: str) -> int:
    """A number of connections."""
    number = _whole(text)
    if not 1 <= number <= 128:
        raise ValueError(text)
    return number


def boolean(text: str) -> bool:
    """A word for yes or no."""
    return {
        "true": True,
        "1": True,
        "yes": True,
        "on": True,
        "false": False,
        "0": False,
        "no": False,
        "off": False,
    }[text.lower()]


def cron(text: str) -> str:
    """Five fields of a cron line; what they say is judged where it is scheduled."""
    if len(text.split()) != 5:
        raise ValueError(text)
    return text
