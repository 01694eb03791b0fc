"""The ``[[package]]`` entries of a pdm lock, and the pins that they are entries of.

A package that something wants with extras has one entry more for that set of extras: the same name and
version, with what the extras ask for as its dependencies. All of them are one pin, with the files of all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from mirror_pipeline.domain.artifact import is_safe_file_name
from mirror_pipeline.domain.lock import LockedFile, Pin, Source, SourceKind
from mirror_pipeline.lockfiles.entries import locked_file, name_in_url
from mirror_pipeline.lockfiles.pdm_dependency import Wanted, normalized, wanted
from mirror_pipeline.lockfiles.table import Table

_VCS = ("git", "hg", "svn", "bzr")
_ARCHIVES = (".whl", ".zip", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")

SharedFiles = Mapping[tuple[NormalizedName, str], tuple[Table, ...]]


class Entry:
    """One ``[[package]]``. ``extra`` names its set of extras (``a,b``), empty for the package as such."""

    def __init__(self, table: Table, shared: SharedFiles) -> None:
        self.table = table
        self.name = table.name()
        self.source = _source(table)
        self.version = _version(table, self.source)
        self.extras = normalized(table.texts("extras"))
        self.extra = ",".join(self.extras)
        self.key = f"{self.name}=={self.version}" + (f" @ {self.source.url}" if self.source.url else "")
        listed = (*table.tables("files"), *shared.get((self.name, table.text("version", "")), ()))
        self.files = tuple(file for file in map(_file, listed) if file is not None)
        self.listed = len(listed)
        """How many files the lock lists, with a hash or without."""
        self.dependencies: tuple[Wanted, ...] = tuple(
            wanted(text, table, f"dependencies[{number}]")
            for number, text in enumerate(table.texts("dependencies"))
        )

    @property
    def label(self) -> str:
        """``name[extra]==version``, for messages."""
        return f"{self.name}{f'[{self.extra}]' if self.extra else ''}=={self.version}"


def _source(table: Table) -> Source:
    for vcs in _VCS:
        if vcs in table:
            url = table.text(vcs)
            return Source("git", url if vcs == "git" else f"{vcs}+{url}")
    if "path" in table:
        path = table.text("path")
        return Source("path" if path.lower().endswith(_ARCHIVES) else _folder(table), path)
    if "url" in table:
        url = table.text("url").partition("#")[0]
        local = url.startswith("file:") and not url.lower().endswith(_ARCHIVES)
        return Source(_folder(table) if local else "url", url)
    return Source()


def _folder(table: Table) -> SourceKind:
    return "editable" if table.flag("editable") else "directory"


def _version(table: Table, source: Source) -> Version:
    if "version" not in table and not source.mirrored:
        return Version("0")
    return table.version()


def _file(entry: Table) -> LockedFile | None:
    """A file with its hash, None where the lock tells none. With static URLs the name is their end."""
    url = entry.text("url") if "url" in entry else None
    name = name_in_url(entry, url) if url is not None and "file" not in entry else entry.text("file")
    if "hash" not in entry:
        if not is_safe_file_name(name):
            raise entry.error("file", f"{name!r} is not a safe file name", file=name)
        return None
    return locked_file(entry, name, entry.text("hash"), url=url)


def shared_files(metadata: Table) -> SharedFiles:
    """``[metadata.files]`` of formats up to 4.2: ``"name version"`` or ``"name[extra] version"`` → files."""
    shared: dict[tuple[NormalizedName, str], tuple[Table, ...]] = {}
    files = metadata.table("files")
    for key in files.names():
        name, _, version = key.partition(" ")
        place = canonicalize_name(name.partition("[")[0]), version.strip()
        shared[place] = (*shared.get(place, ()), *files.tables(key))
    return shared


def entries(top: Table, metadata: Table) -> tuple[Entry, ...]:
    """All entries; the same one twice is refused (a folder may be locked as it is and, again, editable)."""
    shared = shared_files(metadata)
    found = tuple(Entry(table, shared) for table in top.tables("package"))
    seen: set[tuple[str, str]] = set()
    for entry in found:
        if (entry.key, entry.extra) in seen and entry.source.mirrored:
            problem = f"{entry.label} is locked twice (a merge gone wrong?)"
            raise entry.table.error("name", problem, package=entry.label)
        seen.add((entry.key, entry.extra))
    return found


def pins_of(found: Iterable[Entry]) -> tuple[Pin, ...]:
    """One pin for all the entries of a name, version and source."""
    by_key: dict[str, list[Entry]] = {}
    for entry in found:
        by_key.setdefault(entry.key, []).append(entry)
    return tuple(_pin(key, same) for key, same in by_key.items())


def _pin(key: str, same: Sequence[Entry]) -> Pin:
    first = same[0]
    hashed = all(len(entry.files) == entry.listed for entry in same) and any(entry.listed for entry in same)
    return Pin(
        key=key,
        name=first.name,
        version=first.version,
        files=tuple(_united(same)),
        source=first.source,
        unhashed=first.source.mirrored and not hashed,
    )


def _united(same: Sequence[Entry]) -> Iterator[LockedFile]:
    """Files of all entries, each once; entries of a pin that tell different hashes of a file are refused."""
    known: dict[str, set[str]] = {}
    for entry in same:
        own: dict[str, set[str]] = {}
        for file in entry.files:
            if file.sha256 not in known.get(file.name, set()) | own.get(file.name, set()):
                yield file
            own.setdefault(file.name, set()).add(file.sha256)
        for name, digests in own.items():
            if name in known and known[name].isdisjoint(digests):
                problem = f"{entry.label}: {name} is locked with another hash too (a merge gone wrong?)"
                raise entry.table.error("files", problem, package=entry.label, file=name)
            known.setdefault(name, set()).update(digests)
