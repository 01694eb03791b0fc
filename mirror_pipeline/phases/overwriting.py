"""What the phase ``requirements`` may write over: files that it wrote, never those that it was given."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from mirror_pipeline.adapters.files import disk_errors
from mirror_pipeline.domain.requirements import WRITTEN_BY
from mirror_pipeline.errors import SettingsError
from mirror_pipeline.lockfiles.project_files import ProjectFiles

_HEADER_LINES = 5


def refuse_own_files(outputs: Iterable[Path], projects: Sequence[ProjectFiles]) -> None:
    """Refuse outputs that are files of the projects themselves, by whatever path or link they are named."""
    own = [Path(project.folder) / name for project in projects for name in project.files]
    for output in outputs:
        with disk_errors(output):
            found = output.exists() and any(path.exists() and path.samefile(output) for path in own)
        if found:
            raise SettingsError(
                f"{output}: it is read as a lock, and it is where a lock would be written",
                hint="rename the lock, or put config.env in another folder than it",
                file=str(output),
            )


def refuse_strange_files(outputs: Mapping[str, Path], recorded: Collection[str]) -> None:
    """Refuse outputs (key → path) where a file lies that nothing says was written here.

    What is ``recorded`` was, whatever a person made of it since; and so was what has our header.
    """
    for key, path in outputs.items():
        if key not in recorded and path.is_file() and not _has_header(path):
            raise SettingsError(
                f"{path}: it would be replaced, and it was not written by mirror-pipeline",
                hint="move it away, or put config.env in another folder",
                file=str(path),
            )


def _has_header(path: Path) -> bool:
    with disk_errors(path):
        lines = path.read_bytes().splitlines()[:_HEADER_LINES]
    return any(line.startswith(WRITTEN_BY.encode()) for line in lines)
