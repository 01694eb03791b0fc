"""Files of poetry's packages: where each format keeps them, and which of a shared list belong to a version.

Since format 2.0 each package has its own. Formats 1.0 and 1.1 keep one list for all versions of a name in
``[metadata.files]``, and before that ``[metadata.hashes]`` has bare digests, without file names.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from packaging.utils import canonicalize_name

from mirror_pipeline.domain.lock import LockedFile
from mirror_pipeline.lockfiles.entries import locked_file, sha256_in
from mirror_pipeline.lockfiles.file_names import Strange, is_of_version, strange_names
from mirror_pipeline.lockfiles.table import Table


@dataclass(frozen=True, slots=True)
class Files:
    """What a lock accepts for a package: files, or digests alone; and the files that look like another's."""

    files: tuple[LockedFile, ...] = ()
    hashes: tuple[str, ...] = ()
    strange: tuple[Strange, ...] = ()


def files_of(package: Table, metadata: Table) -> Files:
    """The files of a package, whatever the format."""
    name, version = package.name(), package.version()
    if "files" in package:
        files = tuple(_file(entry) for entry in package.tables("files"))
        strange = strange_names([file.name for file in files], name, version, package, "files")
        return Files(files, strange=tuple(strange))
    if "hashes" in metadata:
        return Files(hashes=tuple(_hashes(package, metadata.table("hashes"))))
    listed = tuple(_shared(package, metadata.table("files")))
    # Which version's they are is found out below: here only whose.
    strange = strange_names([file.name for file in listed], name, None, metadata, f"files.{name}")
    return Files(
        tuple(file for file in listed if is_of_version(file.name, name, version)), strange=tuple(strange)
    )


def _shared(package: Table, lists: Table) -> Iterator[LockedFile]:
    for key in _keys(package, lists):
        for entry in lists.tables(key):
            yield _file(entry)


def _hashes(package: Table, lists: Table) -> Iterator[str]:
    for key in _keys(package, lists):
        for digest in dict.fromkeys(lists.texts(key)):
            yield sha256_in(lists, f"sha256:{digest.removeprefix('sha256:')}", key, package.text("name"))


def _keys(package: Table, lists: Table) -> tuple[str, ...]:
    """A package's lists stand under its name, in any spelling."""
    name = package.name()
    return tuple(key for key in lists.names() if canonicalize_name(key) == name)


def _file(entry: Table) -> LockedFile:
    return locked_file(entry, entry.text("file"), entry.text("hash"))
