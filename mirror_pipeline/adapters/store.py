"""The wheel store: ``MIRROR_HOME/packages``, flat, immutable, verified on the way in; or a bucket
(``remote_store``).

A file gets in only whole and with the digest the lock names. Temporary files lie in ``MIRROR_HOME/tmp``,
on the same disk, so that the last step is a rename.
"""

from __future__ import annotations

import hashlib
import os
import time
import uuid
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol

from packaging.metadata import parse_email
from typing_extensions import Self

from mirror_pipeline.adapters.files import disk_errors, sha256_of, write_atomically
from mirror_pipeline.adapters.side_by_side import side_by_side
from mirror_pipeline.domain.about import about_of
from mirror_pipeline.domain.artifact import Artifact
from mirror_pipeline.domain.wheelset import CoreMetadata

_HASHING_THREADS = 4
_DESCRIBED_AT_ONCE = 8

Known = Mapping[str, CoreMetadata | None]
"""Core metadata by the SHA-256 of the wheel that it is of; None of a wheel that has none."""


class Store(Protocol):
    """What phases and the fetcher ask of a wheel store, wherever it is."""

    @property
    def packages(self) -> Path:
        """The folder on this machine where files are, or are brought to."""

    def prepare(self) -> None:
        """Make the directories; a read-only home is found here, before anything is fetched."""

    def sizes(self, artifacts: Iterable[Artifact], *, thoroughly: bool = False) -> Mapping[str, int]:
        """Which of these are in the store with the lock's digest: file name → size in bytes.

        ``thoroughly`` looks at bytes also where a key says what they are.
        """

    def incoming(self, file: str) -> Incoming:
        """A place to write one arriving file to."""

    def described(
        self, wheels: Sequence[Artifact], known: Known, *, thoroughly: bool = False
    ) -> Mapping[str, CoreMetadata | None]:
        """Core metadata of stored wheels by file name, their ``.metadata`` being there from then on.

        ``known`` is what an earlier wheel set says; it need not be right where one looks ``thoroughly``.
        """

    def bring(self, keys: Iterable[str], digests: Mapping[str, str]) -> Mapping[str, str]:
        """See to it that published packages lie in ``packages``; by key, why one does not.

        ``digests`` has the SHA-256 of these and of the wheels that metadata among them is of.
        """

    def others(self, wanted: Collection[str], *, older_than_days: int) -> Mapping[str, int]:
        """Stored files that are not wanted, nor beside a wanted one, and arrived long ago: name → bytes."""

    def remove(self, files: Iterable[str]) -> None:
        """Remove what ``others`` named."""


class WheelStore:
    """Artifacts by file name, and the ``.metadata`` siblings of wheels, in a folder."""

    def __init__(self, home: Path) -> None:
        self.packages = home / "packages"
        self._temporary = home / "tmp"

    def prepare(self) -> None:
        """Make the directories; a read-only home is found here, before anything is fetched."""
        with disk_errors(self.packages):
            self.packages.mkdir(parents=True, exist_ok=True)
            self._temporary.mkdir(parents=True, exist_ok=True)
            probe = self._temporary / f"probe-{uuid.uuid4().hex[:8]}"
            probe.touch()
            probe.unlink()

    def path(self, file: str) -> Path:
        """Where a file lies or would lie."""
        return self.packages / file

    def sizes(self, artifacts: Iterable[Artifact], *, thoroughly: bool = False) -> Mapping[str, int]:
        """Which of these are in the store with the lock's digest: every file is read."""
        present = [artifact for artifact in artifacts if self.path(artifact.file).is_file()]
        with disk_errors(self.packages), ThreadPoolExecutor(_HASHING_THREADS) as pool:
            digests = pool.map(lambda artifact: sha256_of(self.path(artifact.file)), present)
            return {
                artifact.file: self.path(artifact.file).stat().st_size
                for artifact, digest in zip(present, digests, strict=True)
                if digest == artifact.sha256
            }

    def others(self, wanted: Collection[str], *, older_than_days: int) -> Mapping[str, int]:
        """Stored files that are not wanted, nor beside a wanted one, and arrived long ago: name → bytes."""
        if not self.packages.is_dir():
            return {}
        since = time.time() - older_than_days * 86_400
        with disk_errors(self.packages):
            found = {path.name: path.stat() for path in self.packages.iterdir() if path.is_file()}
        return {
            name: stat.st_size
            for name, stat in found.items()
            if name.removesuffix(".metadata") not in wanted and name not in wanted and stat.st_mtime < since
        }

    def remove(self, files: Iterable[str]) -> None:
        """Remove stored files."""
        with disk_errors(self.packages):
            for file in files:
                self.path(file).unlink(missing_ok=True)

    def incoming(self, file: str, whole: OnWhole = lambda _arrived: None) -> Incoming:
        """A place to write one arriving file to. ``whole`` is told of it before it moves into the store."""
        return Incoming(self._temporary / f"{uuid.uuid4().hex}.part", self.path(file), whole)

    def bring(self, keys: Iterable[str], digests: Mapping[str, str]) -> Mapping[str, str]:
        """Nothing: they lie there, or whoever uses them says what is wrong."""
        return {}

    def described(
        self, wheels: Sequence[Artifact], known: Known, *, thoroughly: bool = False
    ) -> Mapping[str, CoreMetadata | None]:
        """Core metadata by file name, taken out of the wheels."""

        def one(artifact: Artifact) -> tuple[str, CoreMetadata | None]:
            return artifact.file, self.core_metadata(artifact.file)

        # Each is flushed to the disk, and disks take many at once.
        return dict(side_by_side(one, wheels, lambda _artifact: _DESCRIBED_AT_ONCE))

    def core_metadata(self, file: str) -> CoreMetadata | None:
        """Take ``METADATA`` out of a stored wheel and put it beside it (PEP 658).

        None where the wheel has none: then no ``.metadata`` is there, and no page may promise one.
        """
        content = metadata_in(self.path(file))
        if content is None:
            return None
        write_atomically(self.path(f"{file}.metadata"), content)
        return described(content)


@dataclass(frozen=True, slots=True)
class Arrived:
    """A file that has arrived whole, still under its temporary name."""

    path: Path
    file: str
    sha256: str
    size: int


OnWhole = Callable[[Arrived], None]


class Incoming:
    """A file on its way into the store: written to a temporary name, hashed as it arrives."""

    def __init__(self, temporary: Path, final: Path, whole: OnWhole) -> None:
        self._temporary, self._final, self._whole = temporary, final, whole
        self._stream = temporary.open("wb")
        self._digest = hashlib.sha256()
        self.size = 0
        self.resumed = False
        """Whether what was written came in more than one answer."""

    def write(self, chunk: bytes) -> None:
        """Append bytes."""
        self._digest.update(chunk)
        self._stream.write(chunk)
        self.size += len(chunk)

    def restart(self) -> None:
        """Forget what was written: the server would not continue where it broke off."""
        self._stream.seek(0)
        self._stream.truncate()
        self._digest = hashlib.sha256()
        self.size, self.resumed = 0, False

    @property
    def sha256(self) -> str:
        """SHA-256 of what was written so far."""
        return self._digest.hexdigest()

    def commit(self) -> None:
        """Flush to the disk and move into the store."""
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self._stream.close()
        self._whole(Arrived(self._temporary, self._final.name, self.sha256, self.size))
        self._temporary.replace(self._final)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):  # a full disk refuses again what is still in the buffer
            self._stream.close()
        with suppress(FileNotFoundError):
            self._temporary.unlink()


def described(content: bytes) -> CoreMetadata:
    """What pages say of core metadata."""
    told = parse_email(content)[0]
    requires = told.get("requires_python") or None
    return CoreMetadata(hashlib.sha256(content).hexdigest(), len(content), requires, about_of(told))


def metadata_in(wheel: Path) -> bytes | None:
    """The bytes of ``*.dist-info/METADATA`` (PEP 427), found at the top of the archive only."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            names = [
                name
                for name in archive.namelist()
                if name.endswith(".dist-info/METADATA") and name.count("/") == 1
            ]
            return archive.read(names[0]) if len(names) == 1 else None
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError):  # the last: encrypted, or unknown to us
        return None
