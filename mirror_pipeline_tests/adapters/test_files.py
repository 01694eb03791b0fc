"""Writing whole files or nothing, and what the disk says when it will not."""

from __future__ import annotations

import errno
import hashlib
import os
import resource
import threading
from pathlib import Path

import pytest

from mirror_pipeline.adapters.files import CHUNK, disk_errors, sha256_of, write_atomically
from mirror_pipeline.errors import StorageError
from mirror_pipeline_tests.wheels import noise


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_new_file_in_new_directories(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file.json"

    assert write_atomically(path, b"content")
    assert path.read_bytes() == b"content"
    assert names(path.parent) == {"file.json"}


def test_the_same_content_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    write_atomically(path, b"content")
    before = path.stat()

    assert not write_atomically(path, b"content")
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_other_content_takes_its_place(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    write_atomically(path, b"old")

    assert write_atomically(path, b"")
    assert path.read_bytes() == b""
    assert names(tmp_path) == {"file.json"}


def test_a_reader_sees_old_or_new_and_nothing_between(tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    versions = [noise(str(number), 300_000) for number in range(2)]
    known = {hashlib.sha256(content).hexdigest() for content in versions}
    write_atomically(path, versions[0])
    seen: set[str] = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.add(sha256_of(path))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for number in range(1, 40):
            write_atomically(path, versions[number % 2])
    finally:
        done.set()
        reader.join()

    assert seen
    assert seen <= known


def test_a_write_that_breaks_off_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    write_atomically(path, b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(StorageError) as caught:
            write_atomically(path, noise("new", 300_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert path.read_bytes() == b"old"
    assert names(tmp_path) == {"file.bin"}
    assert caught.value.facts["reason"] == os.strerror(errno.EFBIG)


def test_a_directory_in_the_place_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "file.json").mkdir()

    with pytest.raises(StorageError) as caught:
        write_atomically(tmp_path / "file.json", b"content")

    assert str(tmp_path) in str(caught.value.facts["path"])
    assert names(tmp_path) == {"file.json"}


def test_a_file_in_the_place_of_a_directory(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("in the way")

    with pytest.raises(StorageError, match="a file is where a directory should be") as caught:
        write_atomically(tmp_path / "folder" / "file.json", b"content")

    assert "another MIRROR_HOME" in caught.value.hint
    assert caught.value.exit_code == 3


def test_a_device_that_is_really_full() -> None:
    with (
        pytest.raises(StorageError, match="/dev/full: the disk is full") as caught,
        disk_errors(Path("/dev/full")),
        Path("/dev/full").open("wb", buffering=0) as stream,
    ):
        stream.write(b"x")

    assert "make room" in caught.value.hint


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EDQUOT, "the disk quota is used up"),
        (errno.EACCES, "permission denied"),
        (errno.EPERM, "permission denied"),
        (errno.EROFS, "the file system is read-only"),
        (errno.ENOTDIR, "a file is where a directory should be"),
        (errno.EIO, os.strerror(errno.EIO)),
    ],
)
def test_every_reason_is_told(number: int, reason: str) -> None:
    with pytest.raises(StorageError) as caught, disk_errors(Path("/somewhere")):
        raise OSError(number, os.strerror(number), "/somewhere/file")

    assert caught.value.message == f"/somewhere/file: {reason}"
    assert caught.value.facts == {"path": "/somewhere/file", "reason": reason}


def test_other_errors_are_left_alone() -> None:
    with pytest.raises(LookupError), disk_errors(Path("/somewhere")):
        raise LookupError


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1])
def test_digest_of_a_file(tmp_path: Path, size: int) -> None:
    content = noise("digest", size)
    (tmp_path / "file").write_bytes(content)

    assert sha256_of(tmp_path / "file") == hashlib.sha256(content).hexdigest()
