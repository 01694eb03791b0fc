"""uv.lock, relocated: the same lock, whose registry and files are those of the mirror.

uv takes what it installs from the URLs in uv.lock, whatever index it is given; so the mirror offers each lock
once more, as ``uv lock`` would write it against the mirror. What belongs here: the change of the text, and
the proof that it changed nothing else. What does not: reading what a lock pins (``lockfiles.uv``).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

import tomli

from mirror_pipeline.domain.redaction import without_login
from mirror_pipeline.errors import LockError

_ARRAYS: Final = ("package", "distribution")
"""The second one is what the first releases of uv wrote."""
_KNOWN: Final = {"registry", "virtual", "editable"}
"""Sources of packages that come from the mirror, or are parts of the project itself."""
_PACKAGE = re.compile(r"\[\[(?:package|distribution)\]\]\s*")
_OWN_SOURCE = re.compile(r"source = \{ registry = ")
_SOURCE = re.compile(r'\bsource = \{ registry = "(?:[^"\\]|\\.)*" \}')
_PLACE = re.compile(r'\b(?:url|path|filename) = "(?:[^"\\]|\\.)*"')


@dataclass(frozen=True, slots=True)
class Relocated:
    """A lock's text, and what became of its packages."""

    text: str
    labels: frozenset[str]
    """``name==version`` of what comes from the mirror now."""
    elsewhere: tuple[str, ...]
    """Names of what comes from git, URLs or folders, as before."""


@dataclass(frozen=True, slots=True)
class _Mirror:
    base: str
    held: Mapping[str, str]

    @property
    def source(self) -> Mapping[str, str]:
        return {"registry": f"{self.base}/simple/"}

    def moved(self, entry: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """A file's entry with its URL in the mirror; None where the mirror does not hold the file."""
        file = _file_of(entry)
        digest = str(entry.get("hash", "")).removeprefix("sha256:")
        if file not in self.held or digest not in ("", self.held[file]):
            return None
        rest = {key: value for key, value in entry.items() if key not in ("url", "path", "filename")}
        return {"url": self.url_of(file), **rest}

    def url_of(self, file: str) -> str:
        return f"{self.base}/packages/{quote(file, safe='!')}"


def relocate(text: str, base: str, held: Mapping[str, str]) -> Relocated:
    """A uv.lock whose registry packages come from the mirror at ``base``, without a slash at its end.

    ``held`` maps the mirror's files to their SHA-256. Files that are not among them are left out; versions,
    dependencies, markers, hashes and the layout of the text stay. A ``LockError`` where two packages would
    become one, a URL that stays holds a secret, or the text is not laid out as uv writes it.
    """
    mirror = _Mirror(base, held)
    try:
        after = {key: _moved_value(key, value, mirror) for key, value in tomli.loads(text).items()}
        written = "\n".join(_moved_lines(text.split("\n"), mirror))
        sound = tomli.loads(written) == after
    except tomli.TOMLDecodeError:
        sound = False
    packages = [package for key in _ARRAYS for package in after.get(key, ())] if sound else []
    if not sound or not all(isinstance(package.get("source"), Mapping) for package in packages):
        raise LockError("uv.lock is not laid out as uv writes it", hint="run 'uv lock'")
    here = [package for package in packages if "registry" in package["source"]]
    _refuse_twins(here)
    _refuse_secrets(after)
    elsewhere = {str(package["name"]) for package in packages if not _KNOWN & set(package["source"])}
    return Relocated(written, frozenset(map(_label, here)), tuple(sorted(elsewhere)))


def _file_of(entry: Mapping[str, Any]) -> str:
    place = str(entry.get("url") or entry.get("path") or entry.get("filename") or "")
    return unquote(urlsplit(place).path.rpartition("/")[-1])


def _label(package: Mapping[str, Any]) -> str:
    return f"{package['name']}=={package.get('version', '')}"


def _refuse_twins(packages: list[Mapping[str, Any]]) -> None:
    twice = [label for label, number in Counter(map(_label, packages)).items() if number > 1]
    if twice:
        raise LockError(
            f"{twice[0]} is locked from two registries: from one mirror they would be the same",
            package=twice[0],
        )


def _refuse_secrets(document: Mapping[str, Any]) -> None:
    """What does not come from the mirror keeps its URL, which everybody would read who reads the mirror."""
    told = next((url for url in _urls(document) if without_login(url) != url), None)
    if told is not None:
        raise LockError(
            f"{without_login(told)} is locked with a login or a key in it, which would be published",
            hint="uv finds logins in netrc; lock it without one",
        )


def _urls(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield from (value,) if "://" in value else ()
    elif isinstance(value, Mapping | list):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _urls(item)


def _moved_value(key: str, value: Any, mirror: _Mirror) -> Any:
    """A value of the lock as it has to be afterwards."""
    if key == "source" and isinstance(value, Mapping) and "registry" in value:
        return mirror.source
    if isinstance(value, list):
        return [_moved_value("", item, mirror) for item in value]
    if not isinstance(value, Mapping):
        return value
    moved = {name: _moved_value(name, item, mirror) for name, item in value.items()}
    return _with_files(moved, mirror) if "name" in moved and moved.get("source") == mirror.source else moved


def _with_files(package: Mapping[str, Any], mirror: _Mirror) -> Mapping[str, Any]:
    wheels = [moved for entry in package.get("wheels", ()) if (moved := mirror.moved(entry))]
    sdist = mirror.moved(package["sdist"]) if "sdist" in package else None
    rest = {key: value for key, value in package.items() if key not in ("wheels", "sdist")}
    return {**rest, **({"sdist": sdist} if sdist else {}), **({"wheels": wheels} if wheels else {})}


def _moved_lines(lines: list[str], mirror: _Mirror) -> Iterator[str]:
    """The text line by line: a package's source stands before its files, and each file on a line."""
    from_registry, wheels = False, list[str]()
    source = f'source = {{ registry = "{mirror.base}/simple/" }}'
    for line in lines:
        if _PACKAGE.fullmatch(line):
            from_registry = False
        elif _OWN_SOURCE.match(line):
            from_registry = True
        if from_registry and (wheels or line.startswith("wheels = [")):
            wheels.append(line)
            if line.rstrip() == "]":
                first, *entries, last = wheels
                kept = [moved for entry in entries if (moved := _moved_line(entry, mirror))]
                yield from (first, *kept, last) if kept else ()
                wheels = []
        elif from_registry and line.startswith("sdist = "):
            moved_sdist = _moved_line(line, mirror)
            if moved_sdist:
                yield moved_sdist
        else:
            yield _SOURCE.sub(lambda _: source, line)


def _moved_line(line: str, mirror: _Mirror) -> str:
    """A file's line with its URL in the mirror; '' where the mirror does not hold it."""
    entry = tomli.loads(f"entry = {line.strip().removeprefix('sdist = ').rstrip(',')}")["entry"]
    if mirror.moved(entry) is None:
        return ""
    url = mirror.url_of(_file_of(entry))
    return _PLACE.sub(lambda _: f'url = "{url}"', line, count=1)
