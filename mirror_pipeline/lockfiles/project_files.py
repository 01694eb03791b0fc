"""The bytes of one project that a reader works on: its lock and what selection reads beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProjectFiles:
    """``lock_name`` names the lock among ``files`` (name → bytes); ``folder`` is for messages only."""

    name: str
    folder: str
    lock_name: str
    files: Mapping[str, bytes]

    @property
    def lock_path(self) -> str:
        """The lock's path, for messages."""
        return f"{self.folder}/{self.lock_name}" if self.folder else self.lock_name

    @property
    def lock_content(self) -> bytes:
        """The lock's bytes."""
        return self.files[self.lock_name]
