"""The packages of a uv.lock: each as a pin with its files, and the one that a dependency means.

A dependency names its package's version and source only where the name alone would be ambiguous. What a
package wants in turn is the affair of ``lockfiles.uv_edges``.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from mirror_pipeline.domain.lock import LockedFile, Pin, Source, SourceKind
from mirror_pipeline.lockfiles.entries import locked_file, name_in_url, safe_name
from mirror_pipeline.lockfiles.file_names import Strange, strange_names
from mirror_pipeline.lockfiles.table import Table
from mirror_pipeline.lockfiles.uv_names import Item

_KINDS: Mapping[str, SourceKind] = {
    "registry": "registry",
    "url": "url",
    "git": "git",
    "path": "path",
    "directory": "directory",
    "editable": "editable",
    "virtual": "virtual",
}
_IN_THE_PROJECT = ("path", "directory", "editable", "virtual")
_WITHOUT_VERSION = Version("0")


@dataclass(frozen=True, slots=True)
class Package:
    """One ``[[package]]``: its pin, its table, and the folder that it is built from, where it is one.

    ``strange`` are files of an index that are not named like the pin.
    """

    pin: Pin
    table: Table
    folder: str | None
    strange: tuple[Strange, ...] = ()

    @property
    def extras(self) -> tuple[NormalizedName, ...]:
        """Its extras: those with dependencies and, where the lock tells, those without."""
        declared = self.table.table("metadata").texts("provides-extras")
        return _normalized((*self.table.table("optional-dependencies").names(), *declared))

    @property
    def groups(self) -> tuple[NormalizedName, ...]:
        """Its dependency groups (PEP 735), also those without dependencies."""
        declared = _either(self.table.table("metadata"), "requires-dev", "dependency-groups").names()
        return _normalized((*self.group_table.names(), *declared))

    @property
    def group_table(self) -> Table:
        """The dependencies of its groups."""
        return _either(self.table, "dev-dependencies", "dependency-groups")

    @property
    def selected(self) -> Iterator[Item]:
        """Its extras and groups that have dependencies."""
        for extra in _normalized(self.table.table("optional-dependencies").names()):
            yield Item("extra", self.pin.name, extra)
        for group in _normalized(self.group_table.names()):
            yield Item("group", self.pin.name, group)


def _either(table: Table, key: str, alias: str) -> Table:
    """A table under its usual name, or the other one that uv reads as well."""
    return table.table(alias if alias in table and key not in table else key)


def _normalized(names: Iterable[str]) -> tuple[NormalizedName, ...]:
    return tuple(dict.fromkeys(map(canonicalize_name, names)))


class Packages:
    """All packages of a lock, found by what a dependency says of them."""

    def __init__(self, tables: Iterator[Table]) -> None:
        self.all = tuple(_package(table) for table in tables)
        self._by_name: dict[str, list[Package]] = {}
        seen: set[str] = set()
        for package in self.all:
            pin = package.pin
            if pin.key in seen:
                problem = f"{pin.label} is locked twice (a merge gone wrong?)"
                raise package.table.error("name", problem, package=pin.label)
            seen.add(pin.key)
            self._by_name.setdefault(pin.name, []).append(package)

    def named(self, name: str) -> Sequence[Package]:
        """Every package of a name."""
        return self._by_name.get(name, ())

    def meant_by(self, dependency: Table, wanted_by: str) -> Package:
        """The package that a dependency names; there being none, or several, is an error of the lock."""
        name = dependency.name()
        found = self.named(name)
        if "version" in dependency:
            version = dependency.version()
            found = [package for package in found if package.pin.version == version]
        if "source" in dependency:
            source = _source(dependency.table("source"))
            found = [package for package in found if package.pin.source == source]
        if len(found) == 1:
            return found[0]
        if found:
            problem = f"{wanted_by} needs {name}, and {len(found)} packages in the lock could be meant"
        else:
            wanted = f"{name}=={dependency.raw('version')}" if "version" in dependency else name
            problem = f"{wanted_by} needs {wanted}, which is not in the lock: cut short?"
        raise dependency.error("", problem, package=wanted_by)


def _package(table: Table) -> Package:
    name = table.name()
    source = _source(table.table("source"))
    version = _version(table, source)
    files, unhashed = _files(table, source)
    pin = Pin(_key(name, version, source), name, version, files, source, unhashed=unhashed)
    folder = normalized_folder(source.url or "") if source.kind in _IN_THE_PROJECT else None
    named = [file.name for file in files] if source.kind == "registry" else []
    return Package(pin, table, folder, tuple(strange_names(named, name, version, table, "wheels")))


def normalized_folder(path: str) -> str:
    """A folder relative to the lock as it is compared: ``./libs/a/`` is ``libs/a``, its own is ``.``."""
    return posixpath.normpath(path.replace("\\", "/"))


def _version(table: Table, source: Source) -> Version:
    """A source tree may leave its version to its build: then the lock has none."""
    if "version" not in table and not source.mirrored:
        return _WITHOUT_VERSION
    return table.version()


def _key(name: NormalizedName, version: Version, source: Source) -> str:
    if source.kind == "registry":
        return f"{name}=={version} @ {source.url}"
    return f"{name}=={version} @ {source.kind} {source.url}"


def _source(table: Table) -> Source:
    """``source = { registry = "https://…" }``: one key that tells the kind, and where.

    The folder within a repository or an archive is a part of where.
    """
    kinds = [kind for kind in _KINDS if kind in table]
    if len(kinds) != 1:
        known = ", ".join(_KINDS)
        found = " and ".join(table.names()) or "nothing"
        raise table.error("", f"expected one kind of source ({known}), found {found}")
    where = table.text(kinds[0])
    if "subdirectory" in table:
        where = f"{where}#subdirectory={table.text('subdirectory')}"
    return Source(_KINDS[kinds[0]], where)


def _files(table: Table, source: Source) -> tuple[tuple[LockedFile, ...], bool]:
    """The files with a hash, and whether there are others. Sources outside the mirror keep none."""
    if not source.mirrored:
        return (), False
    entries = [table.table("sdist")] if "sdist" in table else []
    found = [_file(entry, source) for entry in (*entries, *table.tables("wheels"))]
    files = tuple(file for file in found if file is not None)
    return files, len(files) < len(found)


def _file(entry: Table, source: Source) -> LockedFile | None:
    """A file; None where the lock has no hash of it."""
    name, url = _name_and_url(entry, source)
    if "hash" not in entry:
        return None
    return locked_file(entry, name, entry.text("hash"), size=entry.number("size"), url=url)


def _name_and_url(entry: Table, source: Source) -> tuple[str, str | None]:
    """A file is at a URL, in a folder of wheels, or what the package's own URL leads to."""
    if "url" in entry:
        url = entry.text("url")
        return name_in_url(entry, url), url
    if "path" in entry:
        return safe_name(entry, entry.text("path").rpartition("/")[2], "path"), None
    own = source.url.partition("#")[0] if source.kind == "url" and source.url else None
    if "filename" in entry:
        return safe_name(entry, entry.text("filename"), "filename"), own
    if own is None:
        raise entry.error("url", "missing: where is the file?")
    return name_in_url(entry, own), own
