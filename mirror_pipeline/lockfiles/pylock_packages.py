"""``[[packages]]`` of a pylock.toml (PEP 751): where each comes from, and the files that it accepts.

Every file has its hashes there. SHA-256 is the one that is served and checked, so it must be among them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from packaging.utils import NormalizedName
from packaging.version import Version

from mirror_pipeline.domain.artifact import wheel_tags
from mirror_pipeline.domain.lock import LockedFile, Source, SourceKind
from mirror_pipeline.lockfiles.entries import locked_file, name_in_url, safe_name
from mirror_pipeline.lockfiles.file_names import Strange, strange_names, versions_in
from mirror_pipeline.lockfiles.table import Table

_DIRECT = ("vcs", "directory", "archive")
_UNVERSIONED = Version("0")


@dataclass(frozen=True, slots=True)
class Entry:
    """One ``[[packages]]``, read; ``strange`` are files that are not named like its own."""

    table: Table
    name: NormalizedName
    version: Version
    source: Source
    files: tuple[LockedFile, ...] = ()
    strange: tuple[Strange, ...] = ()

    @property
    def label(self) -> str:
        """``name==version``, as requirement lists write it."""
        return f"{self.name}=={self.version}"

    @property
    def marker(self) -> str:
        """Where it is installed, as the lock has it; empty is everywhere."""
        return self.table.text("marker", "")

    @property
    def contradictory(self) -> bool:
        """Whether one name is given to different files, which no project has: such names are made up."""
        return len({file.name for file in self.files}) < len({file.sha256 for file in self.files})

    @property
    def pure_only(self) -> bool:
        """Whether one pure wheel is all there is: what a tool writes that does not know the file's name."""
        spelled = f"{self.label.replace('-', '_').replace('==', '-')}-py3-none-any.whl"
        return [file.name.replace("-", "_") for file in self.files] == [spelled.replace("-", "_")]


def entry_of(table: Table) -> Entry:
    """Read one entry; it has files of an index, or comes from one other place, as the standard demands."""
    name = table.name()
    direct = [key for key in _DIRECT if key in table]
    listed = [key for key in ("wheels", "sdist") if key in table]
    if len(direct) > 1 or (direct and listed):
        raise table.error("", f"{name} comes from several places at once: {', '.join((*direct, *listed))}")
    if direct:
        return _direct(table, name, direct[0])
    files = tuple(dict.fromkeys(_listed(table, name)))
    if not files:
        raise table.error("", f"{name} has no file and no other source: cut short?", package=name)
    version = table.version() if "version" in table else _version_in([file.name for file in files], name)
    strange = strange_names([file.name for file in files], name, version, table, "wheels")
    return Entry(table, name, version, Source("registry", _index(table)), files, tuple(strange))


def _index(table: Table) -> str | None:
    return table.text("index") if "index" in table else None


def _direct(table: Table, name: NormalizedName, key: str) -> Entry:
    place = table.table(key)
    version = table.version() if "version" in table else _UNVERSIONED
    if key == "vcs":
        return Entry(table, name, version, Source("git", _anywhere(place)))
    if key == "directory":
        kind: SourceKind = "editable" if place.flag("editable") else "directory"
        return Entry(table, name, version, Source(kind, place.text("path")))
    file = _file(place, name)
    if file.url is None:
        return Entry(table, name, version, Source("path", _anywhere(place)))
    if "version" not in table:
        version = _version_in([file.name], name)
    # An archive may be called anything (``main.zip``); only a wheel says whose it is.
    names = [file.name] if wheel_tags(file.name) is not None else []
    strange = strange_names(names, name, version, table, key)
    return Entry(table, name, version, Source("url", file.url), (file,), tuple(strange))


def _anywhere(place: Table) -> str:
    return place.text("url") if "url" in place else place.text("path")


def _version_in(files: Sequence[str], name: NormalizedName) -> Version:
    """The version that a file is named after, 0 where none says one; sources need not have one."""
    for file in files:
        for text in [file.split("-")[1]] if wheel_tags(file) is not None else versions_in(file, name):
            try:
                return Version(text)
            except ValueError:
                continue
    return _UNVERSIONED


def _listed(table: Table, name: NormalizedName) -> Iterator[LockedFile]:
    for wheel in table.tables("wheels"):
        yield _file(wheel, name)
    if "sdist" in table:
        yield _file(table.table("sdist"), name)


def _file(entry: Table, package: NormalizedName) -> LockedFile:
    """A file by its ``name``, or what its path or URL ends in; a path is where some machine had a copy."""
    if "name" in entry:
        name = safe_name(entry, entry.text("name"), "name")
    elif "path" in entry:
        name = safe_name(entry, entry.text("path").replace("\\", "/").rpartition("/")[2], "path")
    else:
        name = name_in_url(entry, entry.text("url"))
    size = entry.number("size")
    if size is not None and size < 0:
        raise entry.error("size", f"{name}: {size} bytes", file=name)
    digest = _sha256(entry, name, package)
    return locked_file(entry, name, digest, key="hashes.sha256", size=size, url=_fetchable(entry))


def _sha256(entry: Table, file: str, package: NormalizedName) -> str:
    hashes = entry.table("hashes")
    if not hashes.names():
        problem = f"{package}: {file} has no hash, and PEP 751 demands one"
        raise entry.error("hashes", problem, file=file, package=package)
    if "sha256" not in hashes:
        found = ", ".join(hashes.names())
        problem = f"{package}: {file} has no sha256, only {found[:100]}"
        raise entry.error("hashes", problem, file=file, package=package)
    return f"sha256:{hashes.text('sha256')}"


def _fetchable(entry: Table) -> str | None:
    """A file's URL, where one can fetch it from another machine."""
    url = entry.text("url", "")
    return url if url.lower().startswith(("https://", "http://")) else None
