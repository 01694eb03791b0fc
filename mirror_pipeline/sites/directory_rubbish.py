"""Removing from a directory what no kept generation needs: old generations, their packages, and remains."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from mirror_pipeline.adapters.files import disk_errors, sync_directory
from mirror_pipeline.domain.cloud import Retention
from mirror_pipeline.domain.generations import Generation, SiteStatus
from mirror_pipeline.domain.manifest import Manifest
from mirror_pipeline.domain.retention import superfluous, unneeded
from mirror_pipeline.errors import DocumentError
from mirror_pipeline.sites.site import Collected


class Directory(Protocol):
    """What of a ``DirectorySite`` is needed here."""

    home: Path
    generations: Path

    def status(self) -> SiteStatus:
        """What there is."""

    def manifest_of(self, generation: int) -> Manifest | None:
        """A kept generation's manifest."""

    def write_record(self, record: Generation) -> None:
        """Replace a generation's record."""


def collect(
    site: Directory, retention: Retention, now: str, *, wanted: frozenset[str], delete: bool
) -> Collected:
    """Name what can go, and let it go where ``delete`` says so: a generation first loses its name."""
    status = site.status()
    numbers = superfluous(status, retention, now)
    since = (datetime.fromisoformat(now) - timedelta(days=retention.grace_days)).timestamp()
    packages = _packages(site, status, numbers, wanted, since)
    paths = [
        *(site.generations / str(number) for number in numbers),
        *(site.home / key for key in sorted(packages)),
        *_remains(site, status, since),
    ]
    sizes = {path.relative_to(site.home).as_posix(): _size(path) for path in paths}
    if delete:
        _remove(site, status, numbers, paths, now)
    return Collected(numbers, tuple(sizes), sum(sizes.values()), delete)


def _packages(
    site: Directory, status: SiteStatus, going: tuple[int, ...], wanted: frozenset[str], since: float
) -> set[str]:
    """Stored files that nothing needs; one that no generation ever named may have just arrived."""
    kept = {one.number for one in status.generations if not one.removed}
    files = {
        number: _manifest(site, number) for number in (kept if status.live is None else {*kept, status.live})
    }
    folder = site.home / "packages"
    there = {f"packages/{path.name}": path for path in folder.iterdir()} if folder.is_dir() else {}
    named_by_old = {key for number in going for key in files[number].files}
    staying = [manifest.files for number, manifest in files.items() if number not in going]
    return {
        key
        for key in unneeded(there, staying, wanted)
        if key in named_by_old or there[key].stat().st_mtime < since
    }


def _manifest(site: Directory, number: int) -> Manifest:
    manifest = site.manifest_of(number)
    if manifest is None:
        raise DocumentError(
            f"generations/{number}: its manifest cannot be read: nothing is removed",
            hint="'mirror-pipeline verify' says what is wrong",
            document=f"generations/{number}",
        )
    return manifest


def _remains(site: Directory, status: SiteStatus, since: float) -> Iterator[Path]:
    """What interrupted runs left behind under temporary names, and what a removal had not come to."""
    removed = [one.number for one in status.generations if one.removed and one.number != status.live]
    yield from (
        folder for folder in (site.generations / str(number) for number in removed) if folder.is_dir()
    )
    for folder, pattern in (
        (site.generations, ".new-*"),
        (site.generations, ".gone-*"),
        (site.generations, ".*.tmp"),
        (site.home, ".site-*"),
    ):
        yield from (path for path in folder.glob(pattern) if path.lstat().st_mtime < since)
    yield from (path for path in (site.home / "tmp").glob("*.part") if path.stat().st_mtime < since)


def _size(path: Path) -> int:
    if path.is_symlink():
        return 0
    if path.is_file():
        return path.stat().st_size
    return sum(one.stat().st_size for one in path.rglob("*") if one.is_file() and not one.is_symlink())


def _remove(
    site: Directory, status: SiteStatus, numbers: tuple[int, ...], paths: list[Path], now: str
) -> None:
    with disk_errors(site.home):
        for record in status.generations:
            if record.number in numbers:
                site.write_record(replace(record, removed=now))
        for path in paths:
            if path.is_dir() and not path.is_symlink():
                gone = path if path.name.startswith(".") else path.with_name(f".gone-{path.name}")
                path.rename(gone)
                shutil.rmtree(gone)
            else:
                path.unlink(missing_ok=True)
        sync_directory(site.home)
