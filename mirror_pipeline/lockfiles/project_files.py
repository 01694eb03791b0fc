"""The bytes of one project that a reader works on: its lock and what selection reads beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ProjectFiles:
    """``lock_name`` names the lock among ``files``; ``folder`` is where it lies.

    Names are relative to the folder, with forward slashes (``base.txt``, ``../constraints.txt``). ``groups``
    are further locks of the same kind, by the group that they stand for: requirements come as one file per
    set. ``member`` is the folder, relative to the lock, of the member of a workspace that is mirrored.
    """

    name: str
    folder: str
    lock_name: str
    files: Mapping[str, bytes]
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    member: str = "."

    @property
    def lock_path(self) -> str:
        """The lock's path, for messages."""
        return self.path_of(self.lock_name)

    @property
    def lock_content(self) -> bytes:
        """The lock's bytes."""
        return self.files[self.lock_name]

    def path_of(self, name: str) -> str:
        """The path of one of the files, for messages."""
        return f"{self.folder}/{name}" if self.folder else name
