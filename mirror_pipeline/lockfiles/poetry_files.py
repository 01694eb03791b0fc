"""Files of poetry's packages: where each format keeps them, and which of a shared list belong to a version.

Since format 2.0 each package has its own. Formats 1.0 and 1.1 keep one list for all versions of a name in
``[metadata.files]``, and before that ``[metadata.hashes]`` has bare digests, without file names.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from packaging.utils import NormalizedName, canonicalize_name

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


class Shared:
    """What ``[metadata]`` keeps of files for the packages of a lock: lists by name, in any spelling."""

    def __init__(self, metadata: Table) -> None:
        self.metadata = metadata
        self.digests = metadata.table("hashes") if "hashes" in metadata else None
        self._lists = metadata.table("files") if self.digests is None else self.digests
        self._keys: dict[NormalizedName, list[str]] = {}
        for key in self._lists.names():
            self._keys.setdefault(canonicalize_name(key), []).append(key)

    def files(self, name: NormalizedName) -> Iterator[LockedFile]:
        """The files listed for all versions of a name."""
        for key in self._keys.get(name, ()):
            for entry in self._lists.tables(key):
                yield _file(entry)

    def hashes(self, name: NormalizedName) -> Iterator[str]:
        """The bare digests listed for all versions of a name."""
        for key in self._keys.get(name, ()):
            for digest in dict.fromkeys(self._lists.texts(key)):
                yield sha256_in(self._lists, f"sha256:{digest.removeprefix('sha256:')}", key, name)


def files_of(package: Table, shared: Shared) -> Files:
    """The files of a package, whatever the format."""
    name, version = package.name(), package.version()
    if "files" in package:
        files = tuple(_file(entry) for entry in package.tables("files"))
        strange = strange_names([file.name for file in files], name, version, package, "files")
        return Files(files, strange=tuple(strange))
    if shared.digests is not None:
        return Files(hashes=tuple(shared.hashes(name)))
    listed = tuple(shared.files(name))
    # Which version's they are is found out below: here only whose.
    strange = strange_names([file.name for file in listed], name, None, shared.metadata, f"files.{name}")
    return Files(
        tuple(file for file in listed if is_of_version(file.name, name, version)), strange=tuple(strange)
    )


def _file(entry: Table) -> LockedFile:
    return locked_file(entry, entry.text("file"), entry.text("hash"))
