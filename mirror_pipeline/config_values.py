"""``config.env`` as text, and the values that may stand in it: numbers, names, paths, one of several words.

Which keys there are, and what they mean, is said in ``settings``.
"""

from __future__ import annotations

import difflib
import io
import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from dotenv.parser import parse_stream

from mirror_pipeline.errors import SettingsError

T = TypeVar("T")


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
        """The error for a bad value."""
        return SettingsError(
            f"{key}={value!r} is not allowed: expected {allowed}",
            key=key,
            value=value,
            allowed=allowed,
            file=self.file,
        )


def parse_file(text: str, file: str, known: Collection[str]) -> tuple[dict[str, str], list[str]]:
    """The values of a ``config.env`` by key, and warnings; an unknown key is refused."""
    given: dict[str, str] = {}
    warnings: list[str] = []
    for binding in parse_stream(io.StringIO(text.removeprefix("\ufeff"))):
        written = binding.original.string
        line = binding.original.line + written[: len(written) - len(written.lstrip())].count("\n")
        if binding.error or (binding.key is not None and binding.value is None):
            shown = written.strip()
            raise SettingsError(f"{file}:{line}: expected KEY=value, found {shown!r}", file=file, line=line)
        if binding.key is None:
            continue
        if binding.key not in known:
            raise _unknown_key(binding.key, file, line, known)
        if binding.key in given:
            warnings.append(f"{file}:{line}: {binding.key} is given twice; the later value counts")
        given[binding.key] = (binding.value or "").strip()
    return given, warnings


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
