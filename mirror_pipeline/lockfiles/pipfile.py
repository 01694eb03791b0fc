"""Pipfile.lock as pipenv writes it (pipfile-spec 6).

Sections are sets: ``default`` is the project's own, ``develop`` and every other one a group. An entry
stands for itself, with its marker and hashes; what its extras need are entries of their own. pipenv takes
an entry without ``index`` from the first source only; since every file is held to its hash, looking for
file names at the other sources cannot bring in foreign bytes, and locks from before 2022 were made with
all of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from packaging.markers import Marker
from packaging.specifiers import SpecifierSet
from packaging.utils import InvalidName, NormalizedName, canonicalize_name
from packaging.version import Version

from mirror_pipeline.domain.artifact import is_sha256
from mirror_pipeline.domain.lock import Lock, Root, Source
from mirror_pipeline.lockfiles.entries import locked_file, name_in_url
from mirror_pipeline.lockfiles.hash_pins import Gathered, Locked
from mirror_pipeline.lockfiles.locations import (
    NO_VERSION,
    fragment_of,
    is_url,
    local_kind,
    reachable_url,
    redacted,
    release_of,
    urlsplit_or_nothing,
)
from mirror_pipeline.lockfiles.markers import of_the_selection, parse_marker
from mirror_pipeline.lockfiles.project_files import ProjectFiles
from mirror_pipeline.lockfiles.table import Table

FORMAT = "pipfile"
FILE_NAMES = ("Pipfile.lock",)

_SPEC = 6
_META = "_meta"
_REPOSITORIES = ("git", "hg", "svn", "bzr")
_PLACES = ("file", "path", "url", "uri")
# Older pipenv wrote conditions of a Pipfile as keys of their own: "sys_platform": "== 'win32'".
_VARIABLES = (
    "os_name", "sys_platform", "platform_machine", "platform_python_implementation", "platform_release",
    "platform_system", "platform_version", "python_version", "python_full_version", "implementation_name",
    "implementation_version",
)  # fmt: skip
_MAJOR_MINOR = re.compile(r"(\d{1,4}\.\d{1,4})(\.\d+)*[a-z0-9.+]*")
_LONGEST_MARKER = 4000
_HINT = "run 'pipenv lock'"


def recognizes(document: Mapping[str, Any]) -> bool:
    """A Pipfile.lock has ``_meta`` beside its sections."""
    return isinstance(document.get(_META), Mapping)


def read(document: Mapping[str, Any], project: ProjectFiles) -> Lock:
    """Parse a Pipfile.lock."""
    top = Table(document, project.lock_path)
    meta = top.table(_META)
    _refuse_other_versions(meta)
    sources, warnings = _sources(meta)
    gathered = Gathered()
    sections = [name for name in top.names() if name != _META]
    for section in sections:
        warnings += _read_section(top.table(section), _root(section, top), sources, gathered)
    return Lock(
        project=project.name,
        format=FORMAT,
        format_version=str(_SPEC),
        requires_python=_requires_python(meta.table("requires")),
        groups=tuple(sorted({_root(name, top).name for name in sections if name != "default"})),
        extras=(),
        pins=gathered.pins,
        edges=gathered.edges,
        warnings=warnings,
    )


def _refuse_other_versions(meta: Table) -> None:
    spec = meta.number("pipfile-spec")
    if spec is None:
        raise meta.error("pipfile-spec", "missing: cut short, or no lock of pipenv's", hint=_HINT)
    if spec != _SPEC:
        raise meta.error("pipfile-spec", f"{spec} is not known here (known: {_SPEC})", hint=_HINT)


def _root(section: str, top: Table) -> Root:
    return Root() if section == "default" else Root("group", _name(section, top))


def _name(text: str, table: Table) -> NormalizedName:
    try:
        return canonicalize_name(text, validate=True)
    except InvalidName:
        raise table.error(text, f"{text!r} is not a name") from None


def _requires_python(requires: Table) -> str:
    """``python_full_version`` is what the project was locked with: pipenv asks for the minor version only."""
    for key in ("python_full_version", "python_version"):
        text = requires.text(key, "").strip()
        if found := _MAJOR_MINOR.fullmatch(text):
            return f"=={found[1]}.*"
        if text not in ("", "*"):
            return _specifier(text, requires, key)
    return ""


def _specifier(text: str, requires: Table, key: str) -> str:
    try:
        found = SpecifierSet(text if text[0] in "<>=!~" else f"=={text}.*")
        found.contains("3.10")  # that there is an answer is what counts
    except ValueError:
        raise requires.error(key, f"{text[:80]!r} is not a version of Python") from None
    return str(found)


@dataclass(frozen=True, slots=True)
class _Sources:
    """The lock's sources: URLs by name (and by themselves), None where they cannot be known from here."""

    by_name: Mapping[str, str | None]
    default: Source

    def of(self, entry: Table) -> Source:
        """Where an entry of the registry comes from."""
        if "index" not in entry:
            return self.default
        name = entry.text("index")
        if name not in self.by_name:
            known = ", ".join(redacted(name) for name in self.by_name if not is_url(name)) or "none"
            raise entry.error(
                "index", f"{redacted(name)!r} is not among the sources of the lock ({known})", hint=_HINT
            )
        return Source(url=self.by_name[name])


def _sources(meta: Table) -> tuple[_Sources, tuple[str, ...]]:
    by_name: dict[str, str | None] = {}
    urls: list[str | None] = []
    warnings: list[str] = []
    for table in meta.tables("sources"):
        written = table.text("url")
        url = reachable_url(written)
        if url is None:
            warnings.append(
                f"{table.lock}: {table.path}.url is left out: not a URL that is known without its user's "
                "environment"
            )
        urls.append(url)
        host = urlsplit_or_nothing(written).netloc.rpartition("@")[2]
        for name in (table.text("name", host), written, host):  # pipenv names the nameless by their host
            by_name.setdefault(name, url)
    also = dict.fromkeys(url for url in urls[1:] if url is not None and url != urls[0])
    return _Sources(by_name, Source(url=urls[0] if urls else None, also=tuple(also))), tuple(warnings)


def _read_section(section: Table, root: Root, sources: _Sources, gathered: Gathered) -> tuple[str, ...]:
    """Gather a section's entries; a warning for each that pipenv wrote down without locking it."""
    seen: dict[NormalizedName, Locked] = {}
    unlocked = [key for key in section.names() if _is_unlocked(section.table(key))]
    for key in section.names():
        entry = section.table(key)
        if key in unlocked:
            continue
        locked = _locked(_name(key, section), entry, sources)
        if seen.setdefault(locked.name, locked).release != locked.release:
            raise section.error(
                key,
                f"{locked.name} is locked twice, as {seen[locked.name].version} and as {locked.version}",
                package=locked.name,
                hint=_HINT,
            )
        gathered.add(locked, root, _marker(entry))
    return tuple(
        f"{section.lock}: {section.path}.{key[:80]} has no version and is left out: pipenv locks only what "
        "the machine needs that it runs on"
        for key in unlocked
    )


def _is_unlocked(entry: Table) -> bool:
    """What a marker of the Pipfile keeps off the locking machine is written as ``*``, with no hash."""
    return entry.raw("version") == "*" and not {"hashes", *_PLACES, *_REPOSITORIES} & set(entry.names())


def _marker(entry: Table) -> Marker | None:
    """Where an entry holds: ``markers``, and every condition that is written as a key of its own."""
    written = {
        key: entry.text(key) if key == "markers" else f"{key} {entry.text(key)}"
        for key in ("markers", *_VARIABLES)
        if entry.raw(key) is not None
    }
    texts = [text for text in written.values() if text.strip()]
    text = texts[0] if len(texts) == 1 else " and ".join(f"({text})" for text in texts)
    key = next(iter(written), "")
    if len(text) > _LONGEST_MARKER:
        raise entry.error(key, f"{redacted(text)!r} is too long to be an environment marker")
    return parse_marker(of_the_selection(text), entry, key)


def _locked(name: NormalizedName, entry: Table, sources: _Sources) -> Locked:
    repository = next((key for key in _REPOSITORIES if key in entry), None)
    if repository is not None:
        return Locked(name, NO_VERSION, Source("git", redacted(entry.text(repository))))
    place = next((key for key in _PLACES if key in entry), None)
    if place is None:
        return Locked(name, _version(entry), sources.of(entry), _hashes(entry))
    return _direct(name, entry, place, sources)


def _version(entry: Table) -> Version:
    text = entry.text("version", "").replace(" ", "")
    if text.startswith("==") and not text.endswith(".*"):
        try:
            return Version(text.lstrip("="))
        except ValueError:  # no version, or one with more digits than Python converts
            pass
    raise entry.error(
        "version",
        f"expected one version (==1.0), found {redacted(text)!r}"
        if text
        else "missing: there is nothing to install",
        hint=_HINT,
    )


def _hashes(entry: Table) -> tuple[str, ...]:
    written = entry.texts("hashes")
    for digest in written:
        algorithm, _, value = digest.partition(":")
        if not algorithm or not value or (algorithm == "sha256" and not is_sha256(value.lower())):
            raise entry.error(
                "hashes", f"expected sha256:<64 hexadecimal digits>, found {redacted(digest)!r}: cut short?"
            )
    found = tuple(text.partition(":")[2].lower() for text in written if text.startswith("sha256:"))
    if written and not found:
        raise entry.error(
            "hashes", f"only {redacted(written[0].partition(':')[0])}, expected sha256", hint=_HINT
        )
    return tuple(dict.fromkeys(found))


def _direct(name: NormalizedName, entry: Table, key: str, sources: _Sources) -> Locked:
    """A file at a URL is mirrored; a path, be it written as URL or not, is not.

    Where the index has the release, too, pipenv writes the hashes of all its files, and which of them is that
    of the URL is not told: then they are looked for in the index, which has them all.
    """
    place = entry.text(key)
    url = reachable_url(place)
    if not is_url(place) or place.startswith("file:"):
        kind = local_kind(place, editable=entry.flag("editable"))
        return Locked(name, NO_VERSION, Source(kind, redacted(place)))
    if url is None:
        raise entry.error(
            key, "not a URL that a file can be fetched from", hint="write it out in the Pipfile"
        )
    file = name_in_url(entry, url, key)
    release = release_of(file)
    version = release[1] if release else _version(entry) if "version" in entry else NO_VERSION
    hashes = _hashes(entry)
    if not hashes and "sha256" in fragment_of(place):
        hashes = (fragment_of(place)["sha256"],)
    if len(hashes) > 1 and version != NO_VERSION:
        return Locked(name, version, sources.of(entry), hashes)
    if len(hashes) > 1:
        raise entry.error(
            "hashes", f"{file}: one file at a URL has one hash, found {len(hashes)}", hint=_HINT
        )
    source = Source("url", url)
    if not hashes:
        return Locked(name, version, source)
    return Locked(name, version, source, (), locked_file(entry, file, f"sha256:{hashes[0]}", key="hashes"))
