"""Where the book of tokens lies: a file that only its owner reads, or an object of the bucket.

Both are read with a version and replaced only over that version, so that of two who change it at once one
notices. What belongs here: reading, replacing, and looking again whenever a file was replaced. What does not:
what a book says (``domain.tokens``), or telling the edge of it (``phases.tokens``).
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mirror_pipeline.adapters.files import disk_errors, write_atomically
from mirror_pipeline.adapters.objects import ObjectStore
from mirror_pipeline.domain.objects import IfAbsent, IfMatch, Upload
from mirror_pipeline.domain.tokens import PUBLIC, TOKENS, Admission, TokenBook, admit, parse_book
from mirror_pipeline.errors import DocumentError, PreconditionError

TOKENS_KEY = f".mirror/{TOKENS}"
_OWNER_ONLY = 0o600

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class KeptBook:
    """A book as it was read, and the version that a change of it is based on; '' where there is none yet."""

    book: TokenBook = PUBLIC
    version: str = ""


class TokenStore(Protocol):
    """A place for one book."""

    @property
    def location(self) -> str:
        """The place, for people."""

    def read(self) -> KeptBook:
        """The book; a public one where none was ever written. A damaged one is a ``DocumentError``."""

    def write(self, book: TokenBook, version: str) -> None:
        """Replace the book of that version, or raise ``PreconditionError`` where it is another by now."""


class FileTokens:
    """The book of a published directory."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def location(self) -> str:
        """The file."""
        return str(self._path)

    def read(self) -> KeptBook:
        """The book in the file."""
        with disk_errors(self._path):
            content = _content(self._path)
        if content is None:
            return KeptBook()
        return KeptBook(parse_book(content, self.location), _version(content))

    def write(self, book: TokenBook, version: str) -> None:
        """Replace the file in one step; whoever else does so on this machine waits meanwhile."""
        with disk_errors(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with _alone(self._path):
                there = _content(self._path)
                if (_version(there) if there is not None else "") != version:
                    raise PreconditionError(
                        f"{self._path}: changed by somebody else meanwhile",
                        key=self.location,
                        expected=version,
                    )
                write_atomically(self._path, book.to_bytes(), _OWNER_ONLY)


class ObjectTokens:
    """The book of a bucket."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    @property
    def location(self) -> str:
        """The object."""
        return f"{self._objects.name}/{TOKENS_KEY}"

    def read(self) -> KeptBook:
        """The book in the object."""
        found = self._objects.get(TOKENS_KEY)
        return KeptBook(parse_book(found.content, self.location), found.etag) if found else KeptBook()

    def write(self, book: TokenBook, version: str) -> None:
        """Replace the object by compare-and-swap."""
        content = book.to_bytes()
        upload = Upload(TOKENS_KEY, content, _version(content), len(content), "application/json", "no-store")
        self._objects.put(upload, IfMatch(version) if version else IfAbsent())


_Stamp = tuple[int, ...]
_NEVER: _Stamp = (-1,)
"""No file has this one: what it stands for is looked at again."""


@dataclass(frozen=True, slots=True)
class _Look:
    """What was found: the book, None where it is not known, and then why."""

    stamp: _Stamp | None
    book: TokenBook | None
    complaint: str = ""


class WatchedBook:
    """Admits by a book in a file, which is read again when the file is another: a revocation counts at once.

    A book that cannot be read admits nobody, nor does one that was there and is gone: a mirror is opened by
    what the book says. Called by many threads at once; what two of them find out twice does no harm.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last = _Look(_NEVER, None)
        self._was_there = False

    def __call__(self, authorization: str | None) -> Admission:
        """What becomes of a request with this ``Authorization`` header."""
        last = self._last
        now = self._look(last)
        if now.complaint and now.complaint != last.complaint:
            _log.error("nobody is let in: %s", now.complaint)
        self._last = now
        return Admission.UNKNOWN if now.book is None else admit(now.book, authorization)

    def _look(self, last: _Look) -> _Look:
        try:
            stamp = _stamp(self._path)
            return last if stamp == last.stamp else self._read(stamp)
        except OSError as error:  # may pass, so the next request looks again
            return _Look(_NEVER, None, str(error))

    def _read(self, stamp: _Stamp | None) -> _Look:
        if stamp is None:
            if self._was_there:
                return _Look(None, None, f"{self._path} is gone; 'mirror-pipeline token open' opens a mirror")
            return _Look(None, PUBLIC)
        self._was_there = True
        try:
            return _Look(stamp, parse_book(self._path.read_bytes(), str(self._path)))
        except DocumentError as error:
            return _Look(stamp, None, str(error))


def _stamp(path: Path) -> _Stamp | None:
    """What changes when a file is replaced or its mode is, None where there is no file."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _version(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One process at a time; the lock goes with the process."""
    lock = os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT, _OWNER_ONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
