"""One contract for every place that keeps a book: a file, the bucket of the tests, a bucket in ministack."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from mirror_pipeline.adapters.aws import Aws
from mirror_pipeline.adapters.s3_objects import S3Objects
from mirror_pipeline.adapters.token_store import TOKENS_KEY, FileTokens, ObjectTokens, TokenStore, WatchedBook
from mirror_pipeline.domain.cloud import Cloud
from mirror_pipeline.domain.tokens import PUBLIC, Admission, Token, TokenBook, digest_of, parse_book
from mirror_pipeline.errors import DocumentError, PreconditionError, StorageError
from mirror_pipeline_tests.aws_servers import Ministack
from mirror_pipeline_tests.fakes import MemoryObjects, upload_of

REPOSITORY = Path(__file__).parents[2]


def token(name: str) -> Token:
    return Token(name, digest_of(name, "secret"), "2026-11-27T09:00:00+00:00", "ada@build")


ONE, TWO = TokenBook((token("one"),)), TokenBook((token("one"), token("two")))


class Place:
    """A place for a book, and a way to put other bytes there."""

    def __init__(self, store: TokenStore, put: Callable[[bytes], object]) -> None:
        self.store, self.put = store, put


@pytest.fixture(params=["file", "memory", "ministack"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    if request.param == "file":
        path = tmp_path / "home/tokens.json"
        return Place(FileTokens(path), path.write_bytes)
    if request.param == "memory":
        memory = MemoryObjects()
        return Place(ObjectTokens(memory), lambda content: memory.put(upload_of(TOKENS_KEY, content)))
    server: Ministack = request.getfixturevalue("ministack")
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    objects = S3Objects(Aws(Cloud(bucket=server.bucket())))
    return Place(ObjectTokens(objects), lambda content: objects.put(upload_of(TOKENS_KEY, content)))


def test_where_there_is_no_book_the_mirror_is_public(place: Place) -> None:
    kept = place.store.read()
    assert (kept.book, kept.version) == (PUBLIC, "")


def test_what_is_written_is_read(place: Place) -> None:
    place.store.write(ONE, "")
    first = place.store.read()
    assert first.book == ONE
    place.store.write(TWO, first.version)
    second = place.store.read()
    assert second.book == TWO
    assert second.version not in ("", first.version)


@pytest.mark.parametrize("version", ["", "0" * 32])
def test_a_book_that_changed_meanwhile_is_not_overwritten(place: Place, version: str) -> None:
    place.store.write(ONE, "")
    with pytest.raises(PreconditionError):
        place.store.write(TWO, version)
    assert place.store.read().book == ONE


def test_a_book_that_is_gone_is_not_written_over(place: Place) -> None:
    with pytest.raises(PreconditionError):
        place.store.write(TWO, "0" * 32)
    assert place.store.read().book == PUBLIC


def test_a_version_counts_once(place: Place) -> None:
    place.store.write(ONE, "")
    version = place.store.read().version
    place.store.write(TWO, version)
    with pytest.raises(PreconditionError):
        place.store.write(ONE, version)


def test_a_damaged_book_is_an_error_that_says_where(place: Place) -> None:
    place.store.write(ONE, "")
    place.put(b"damaged")
    with pytest.raises(DocumentError) as caught:
        place.store.read()
    assert caught.value.facts["document"] == place.store.location
    assert place.store.location in caught.value.message


def test_of_many_at_once_each_gets_in(place: Place) -> None:
    """Threads that retry, as the commands do: none overwrites another's token."""
    place.store.write(PUBLIC, "")

    def add(name: str) -> None:
        while True:
            kept = place.store.read()
            try:
                place.store.write(kept.book.with_token(token(name)), kept.version)
            except PreconditionError:
                continue
            return

    threads = [threading.Thread(target=add, args=(f"t{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(place.store.read().book.names) == [f"t{number}" for number in range(8)]


# Files.


def test_processes_wait_for_each_other(tmp_path: Path) -> None:
    (tmp_path / "config.env").write_text("MIRROR_HOME=home\n")
    command = [sys.executable, "-m", "mirror_pipeline", "token", "add", "--json", "--config", "config.env"]
    environ = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    running = [
        subprocess.Popen(
            [*command, f"t{number}"],
            cwd=tmp_path,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for number in range(6)
    ]
    answers = [process.communicate(timeout=60) for process in running]
    assert [process.returncode for process in running] == [0] * 6, answers
    secrets = {answer["name"]: answer["token"] for out, _ in answers for answer in [json.loads(out)]}
    book = FileTokens(tmp_path / "home/tokens.json").read().book
    assert {entry.name: entry.sha256 for entry in book.tokens} == {
        name: digest_of(name, secret) for name, secret in secrets.items()
    }


def test_a_writer_that_fails_leaves_the_book_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    FileTokens(path).write(ONE, "")
    before = path.read_bytes()
    path.unlink()
    path.mkdir()  # what a file cannot replace
    with pytest.raises(StorageError):
        FileTokens(path).write(TWO, "")
    path.rmdir()
    path.write_bytes(before)
    assert FileTokens(path).read().book == ONE
    assert {entry.name for entry in tmp_path.iterdir()} == {"tokens.json", ".tokens.json.lock"}


def test_a_folder_that_is_a_file_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    store = FileTokens(tmp_path / "home/tokens.json")
    with pytest.raises(StorageError, match="a file is where a directory should be"):
        store.write(ONE, "")
    with pytest.raises(StorageError):
        store.read()


# Looking again.


def test_a_change_that_keeps_size_and_time_is_seen_too(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    FileTokens(path).write(ONE, "")
    admits = WatchedBook(path)
    assert admits(None) is Admission.REFUSED
    first = path.stat()
    path.write_bytes(b"x" * first.st_size)
    os.utime(path, ns=(first.st_atime_ns, first.st_mtime_ns))
    assert admits(None) is Admission.UNKNOWN


def test_a_watched_book_is_right_for_many_threads(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    store, admits = FileTokens(path), WatchedBook(path)
    store.write(ONE, "")
    seen: list[Admission] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            seen.append(admits(None))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(50):
        store.write((ONE, TWO)[number % 2], store.read().version)
    done.set()
    for thread in threads:
        thread.join()
    assert set(seen) == {Admission.REFUSED}
    assert parse_book(path.read_bytes()) == TWO


def test_a_book_that_comes_and_goes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "tokens.json"
    admits = WatchedBook(path)
    assert admits(None) is Admission.PUBLIC
    FileTokens(path).write(ONE, "")
    assert admits(None) is Admission.REFUSED
    path.unlink()
    assert admits(None) is Admission.UNKNOWN
    FileTokens(path).write(PUBLIC, "")
    assert admits(None) is Admission.PUBLIC
    assert caplog.text.count("is gone") == 1
