"""The published directory: generations below ``MIRROR_HOME/generations``, one link that says which is live.

A generation is a directory of pages and documents; ``packages`` in it is a link to the store. Numbers
only grow. Switching is one rename of a link, so that a reader sees one generation whole or the other.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path

from mirror_pipeline.adapters.files import disk_errors, sha256_of, sync_directory
from mirror_pipeline.domain.manifest import MANIFEST, Manifest, parse_manifest
from mirror_pipeline.errors import DocumentError, StorageError


class DirectorySite:
    """Publication to a plain directory."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._generations = home / "generations"
        self.link = home / "site"

    @property
    def live(self) -> int | None:
        """Number of the live generation, None before the first publication."""
        if not self.link.is_symlink():
            return None
        name = self.link.readlink().name
        return int(name) if name.isdigit() else None

    def manifest(self) -> Manifest | None:
        """The live generation's manifest, None where there is none that can be read."""
        try:
            return parse_manifest((self.link / MANIFEST).read_bytes())
        except (OSError, DocumentError):
            return None

    def page_digests(self, manifest: Manifest) -> Mapping[str, str]:
        """SHA-256 of the live pages that a manifest names; what is missing has no entry."""
        keys = [key for key in manifest.files if not key.startswith("packages/")]
        return {key: sha256_of(self.link / key) for key in keys if (self.link / key).is_file()}

    def missing_packages(self, manifest: Manifest) -> tuple[str, ...]:
        """Packages that a manifest names and the store has not, or not in that size."""
        packages = {key: entry for key, entry in manifest.files.items() if key.startswith("packages/")}
        return tuple(key for key, entry in packages.items() if _size(self._home / key) != entry.size)

    def publish(self, pages: Mapping[str, bytes], manifest: Manifest) -> int:
        """Write a new generation beside the live one, then switch to it; returns its number."""
        with disk_errors(self._generations):
            self._refuse_what_is_in_the_way()
            if missing := self.missing_packages(manifest):
                raise StorageError(
                    f"{missing[0]}: not in the store, though the index names it ({len(missing)} such)",
                    hint="run 'mirror-pipeline refresh --force'",
                    path=missing[0],
                    reason="missing",
                )
            number = self._write_generation({**pages, MANIFEST: manifest.to_bytes()})
            self._switch(number)
        return number

    def _write_generation(self, files: Mapping[str, bytes]) -> int:
        self._generations.mkdir(parents=True, exist_ok=True)
        staged = self._generations / f".new-{uuid.uuid4().hex[:8]}"
        try:
            for key, content in files.items():
                path = staged / key
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            (staged / "packages").symlink_to(Path("../../packages"), target_is_directory=True)
            _sync_tree(staged)
            number = self._next_number()
            staged.rename(self._generations / str(number))
        finally:
            shutil.rmtree(staged, ignore_errors=True)
        sync_directory(self._generations)
        return number

    def _next_number(self) -> int:
        """Greater than any there is or is live: a removed generation's number is not given again."""
        numbers = [int(path.name) for path in self._generations.iterdir() if path.name.isdigit()]
        return max([*numbers, self.live or 0]) + 1

    def _refuse_what_is_in_the_way(self) -> None:
        if self.link.exists() and not self.link.is_symlink():
            raise StorageError(
                f"{self.link}: not a link of ours",
                hint="move it away: the published site is a link to a generation",
                path=str(self.link),
                reason="in the way",
            )

    def _switch(self, number: int) -> None:
        temporary = self._home / f".site-{uuid.uuid4().hex[:8]}"
        temporary.symlink_to(Path("generations") / str(number), target_is_directory=True)
        temporary.replace(self.link)
        sync_directory(self._home)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else -1


def _sync_tree(root: Path) -> None:
    """Flush a new tree to the disk before a name points at it."""
    if hasattr(os, "sync"):
        os.sync()
    sync_directory(root)
