"""Writing files so that nothing half-written is ever visible, and disk errors as facts.

Write beside, flush to the disk, then rename. Every other adapter that writes does so through here.
"""

from __future__ import annotations

import errno
import hashlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mirror_pipeline.errors import StorageError

CHUNK = 1 << 20
_REASONS = {
    errno.ENOSPC: ("the disk is full", "make room, then run 'mirror-pipeline refresh'"),
    errno.EDQUOT: ("the disk quota is used up", "make room, then run 'mirror-pipeline refresh'"),
    errno.EACCES: ("permission denied", "check the owner and mode of the directory"),
    errno.EPERM: ("permission denied", "check the owner and mode of the directory"),
    errno.EROFS: ("the file system is read-only", "choose a writable MIRROR_HOME"),
    errno.ENOTDIR: ("a file is where a directory should be", "move it away, or choose another MIRROR_HOME"),
    errno.EEXIST: ("a file is where a directory should be", "move it away, or choose another MIRROR_HOME"),
}


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn an ``OSError`` about the disk into a ``StorageError`` that names path and reason."""
    try:
        yield
    except OSError as error:
        reason, hint = _REASONS.get(error.errno or 0, (error.strerror or str(error), ""))
        where = error.filename or str(path)
        raise StorageError(f"{where}: {reason}", hint=hint, path=str(where), reason=reason) from error


def temporary_beside(path: Path) -> Path:
    """A name in the same directory that no reader looks for."""
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")


def write_atomically(path: Path, content: bytes, mode: int | None = None) -> bool:
    """Replace a file's content in one step; false (and no write) where it is the same already.

    With a ``mode`` it is its owner's alone until it has that mode, and so at no moment open to others.
    """
    with disk_errors(path):
        if path.is_file() and path.read_bytes() == content:
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = temporary_beside(path)
        try:
            if mode is not None:
                temporary.touch(0o600, exist_ok=False)
            with temporary.open("wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            if mode is not None:
                temporary.chmod(mode)
            temporary.replace(path)
        finally:
            with suppress(FileNotFoundError):
                temporary.unlink()
        sync_directory(path.parent)
    return True


def sync_directory(path: Path) -> None:
    """Flush a directory's entries, so that a rename survives a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes; hashlib lets other threads run meanwhile."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
