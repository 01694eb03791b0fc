"""The wheel store in a bucket, for workers that share no disk: ``packages/<sha256>/<file>`` below a prefix.

A key names the digest of the wheel, and whoever writes there has compared the bytes with it, as the server
has: what a listing shows need not be read. Metadata (``<file>.metadata`` beside the wheel) is written before
the wheel is, so that a wheel that is there has it. Files pass through ``MIRROR_HOME/tmp``, and are kept in
``MIRROR_HOME/packages`` for whoever publishes from here.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from mirror_pipeline.adapters.files import disk_errors, sha256_of, write_atomically
from mirror_pipeline.adapters.object_documents import private
from mirror_pipeline.adapters.objects import ObjectStore
from mirror_pipeline.adapters.side_by_side import side_by_side
from mirror_pipeline.adapters.store import Arrived, Incoming, Known, WheelStore, described, metadata_in
from mirror_pipeline.domain.artifact import Artifact
from mirror_pipeline.domain.bucket_layout import PRIVATE
from mirror_pipeline.domain.objects import Listed, Upload
from mirror_pipeline.domain.wheelset import CoreMetadata
from mirror_pipeline.errors import StorageError

_BINARY, _METADATA = "application/octet-stream", ".metadata"
_AT_ONCE = 16
_FEW = 16
"""So many digests are looked for one by one; of more, all keys that begin with the same digit are listed."""


class RemoteWheelStore:
    """Artifacts and ``.metadata`` siblings in a bucket, and a folder that holds some of them."""

    def __init__(self, home: Path, objects: ObjectStore, prefix: str, *, folder_is_site: bool) -> None:
        """``folder_is_site``: the folder is published as it stands, and what is old in it is the site's."""
        self._folder, self._folder_is_site = WheelStore(home), folder_is_site
        self._objects, self._prefix = objects, prefix
        self._arrived: dict[str, CoreMetadata | None] = {}

    @property
    def packages(self) -> Path:
        """Where files are brought to."""
        return self._folder.packages

    def prepare(self) -> None:
        """Make the directories that files pass through."""
        self._folder.prepare()

    # Coming in.

    def incoming(self, file: str) -> Incoming:
        """A place to write one arriving file to; it is in the store once it is committed."""
        return self._folder.incoming(file, self._upload)

    def _upload(self, arrived: Arrived) -> None:
        """Metadata first; interrupted after it, nothing says that the wheel is there."""
        content = metadata_in(arrived.path) if arrived.file.endswith(".whl") else None
        if content is not None:
            self._put_metadata(arrived.sha256, arrived.file, content)
        key = self._key(arrived.sha256, arrived.file)
        self._objects.put(Upload(key, arrived.path, arrived.sha256, arrived.size, _BINARY, PRIVATE))
        self._arrived[arrived.sha256] = None if content is None else described(content)

    def _put_metadata(self, sha256: str, file: str, content: bytes) -> None:
        name = f"{file}{_METADATA}"
        self._objects.put(private(self._key(sha256, name), content, _BINARY))
        write_atomically(self._folder.path(name), content)

    # Looking.

    def sizes(self, artifacts: Iterable[Artifact], *, thoroughly: bool = False) -> Mapping[str, int]:
        """Which of these are in the store, by listing keys; ``thoroughly`` asks for each one's checksum."""
        wanted = {self._key(artifact.sha256, artifact.file): artifact for artifact in artifacts}
        there = {found.key: found.size for found in self._listed(wanted)}
        if thoroughly:
            sound = side_by_side(lambda key: self._is_sound(key, wanted[key]), there, lambda _key: _AT_ONCE)
            there = {key: there[key] for key in sound if key}
        return {wanted[key].file: size for key, size in there.items()}

    def _listed(self, wanted: Mapping[str, Artifact]) -> Iterator[Listed]:
        """Those of the wanted keys that are there."""
        digests = {artifact.sha256 for artifact in wanted.values()}
        begins = digests if len(digests) <= _FEW else {digest[0] for digest in digests}

        def one(begin: str) -> list[Listed]:
            return [found for found in self._objects.list(f"{self._prefix}{begin}") if found.key in wanted]

        return itertools.chain.from_iterable(side_by_side(one, begins, lambda _begin: _AT_ONCE))

    def _is_sound(self, key: str, artifact: Artifact) -> str:
        """The key, or nothing where other bytes lie there."""
        found = self._objects.inspect(key)
        return key if found and found.sha256 == artifact.sha256 else ""

    def described(
        self, wheels: Sequence[Artifact], known: Known, *, thoroughly: bool = False
    ) -> Mapping[str, CoreMetadata | None]:
        """Core metadata by file name: as known, or as it lies there; else the wheel is read."""

        def one(artifact: Artifact) -> tuple[str, CoreMetadata | None]:
            return artifact.file, self._described(artifact, known, thoroughly)

        return dict(side_by_side(one, wheels, lambda _artifact: _AT_ONCE))

    def _described(self, artifact: Artifact, known: Known, thoroughly: bool) -> CoreMetadata | None:
        sha256 = artifact.sha256
        if sha256 in self._arrived:
            return self._arrived[sha256]
        if sha256 in known and not thoroughly and _says_all(known[sha256]):
            return known[sha256]
        found = self._objects.get(self._key(sha256, f"{artifact.file}{_METADATA}"))
        told = described(found.content) if found else None
        if told and (not thoroughly or told == known.get(sha256)):
            return told
        return self._described_by_itself(artifact)

    def _described_by_itself(self, artifact: Artifact) -> CoreMetadata | None:
        """What the wheel says, whose metadata is not there or not as it was: it is written again."""
        self.prepare()
        if problem := self._brought(artifact.file, artifact.sha256, artifact.sha256):
            raise StorageError(
                f"{self._objects.name}: {artifact.file}: {problem}",
                hint="run 'mirror-pipeline refresh --repair'",
                path=self._key(artifact.sha256, artifact.file),
                reason=problem,
            )
        content = metadata_in(self._folder.path(artifact.file))
        if content is None:
            return None
        self._put_metadata(artifact.sha256, artifact.file, content)
        return described(content)

    # Bringing files to this machine.

    def bring(self, keys: Iterable[str], digests: Mapping[str, str]) -> Mapping[str, str]:
        """Have published packages in the folder, each compared with its digest; by key, why one is not."""
        self.prepare()

        def one(key: str) -> tuple[str, str]:
            wheel = digests.get(key.removesuffix(_METADATA), "")
            return key, self._brought(key.removeprefix("packages/"), digests[key], wheel)

        return {key: problem for key, problem in side_by_side(one, keys, lambda _key: _AT_ONCE) if problem}

    def _brought(self, file: str, sha256: str, wheel: str) -> str:
        """Why a file cannot be had, '' where it is there. ``wheel`` is the digest that its key has."""
        path = self._folder.path(file)
        with disk_errors(path):
            if path.is_file() and sha256_of(path) == sha256:
                return ""
            pieces = self._objects.read(self._key(wheel, file)) if wheel else None
            if pieces is None:
                return "not in the store"
            with self._folder.incoming(file) as incoming:
                for piece in pieces:
                    incoming.write(piece)
                if incoming.sha256 != sha256:
                    return f"the store has other bytes: expected {sha256}, got {incoming.sha256}"
                incoming.commit()
        return ""

    # Removing.

    def others(self, wanted: Collection[str], *, older_than_days: int) -> Mapping[str, int]:
        """Objects that are not wanted and arrived long ago, and such files of the folder."""
        since = time.time() - older_than_days * 86_400
        found = {
            listed.key.removeprefix(self._prefix): listed.size
            for listed in self._objects.list(self._prefix)
            if listed.modified < since and not _is_wanted(listed.key.rpartition("/")[2], wanted)
        }
        here = {} if self._folder_is_site else self._folder.others(wanted, older_than_days=older_than_days)
        return {**found, **here}

    def remove(self, files: Iterable[str]) -> None:
        """Remove what ``others`` named."""
        named = list(files)
        self._objects.delete(f"{self._prefix}{name}" for name in named if "/" in name)
        self._folder.remove(name for name in named if "/" not in name)

    def _key(self, sha256: str, file: str) -> str:
        return f"{self._prefix}{sha256}/{file}"


def _is_wanted(file: str, wanted: Collection[str]) -> bool:
    return file in wanted or file.removesuffix(_METADATA) in wanted


def _says_all(metadata: CoreMetadata | None) -> bool:
    """Whether an earlier wheel set has all that pages say: before pages for people it had no ``about``."""
    return metadata is None or metadata.about is not None
