"""Where reports for people are kept: ``MIRROR_HOME/reports``, and a bucket too where the store is in one."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from mirror_pipeline.adapters.files import write_atomically
from mirror_pipeline.adapters.object_documents import private
from mirror_pipeline.adapters.objects import ObjectStore

_TYPES = {".json": "application/json", ".md": "text/markdown; charset=utf-8"}


class Reports(Protocol):
    """Reports by file name."""

    def write(self, name: str, content: bytes) -> None:
        """Keep a report, in the place of an earlier one of that name."""

    def path(self, name: str) -> Path:
        """Where a report lies on this machine, while there is this machine."""

    def location(self, name: str) -> str:
        """Where everybody finds a report: a path, or a URL."""


class DirectoryReports:
    """Reports in a directory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, name: str, content: bytes) -> None:
        """Keep a report."""
        write_atomically(self.path(name), content)

    def path(self, name: str) -> Path:
        """Where a report lies."""
        return self._folder / name

    def location(self, name: str) -> str:
        """The same."""
        return str(self.path(name))


class ObjectReports:
    """Reports in a directory and below a prefix of a bucket: an auditor comes when the worker is gone."""

    def __init__(self, folder: Path, objects: ObjectStore, prefix: str) -> None:
        self._here = DirectoryReports(folder)
        self._objects, self._prefix = objects, prefix

    def write(self, name: str, content: bytes) -> None:
        """Keep a report in both places."""
        self._here.write(name, content)
        kind = _TYPES.get(Path(name).suffix, "application/octet-stream")
        self._objects.put(private(f"{self._prefix}{name}", content, kind))

    def path(self, name: str) -> Path:
        """Where a report lies on this machine."""
        return self._here.path(name)

    def location(self, name: str) -> str:
        """Where it lies in the bucket."""
        return f"{self._objects.name}/{self._prefix}{name}"
