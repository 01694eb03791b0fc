"""Sending a span of a file to a socket: the kernel copies it, or with TLS this process does, in pieces.

What belongs here: one span, as fast as its client reads, and the head before it. What does not: what is
sent, and when a client that reads nothing has been waited for long enough (``adapters.connection``).
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable
from functools import lru_cache
from http import HTTPStatus
from stat import S_ISREG

from mirror_pipeline.domain.answers import Headers, Span

_AT_ONCE = 1 << 20
"""Bytes for one client before others have their turn."""
_PIECE = 256 * 1024
_NO_SENDFILE = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)


@lru_cache(maxsize=8192)
def head_lines(status: int, headers: Headers, length: int | None) -> bytes:
    """Status line and fields as they are sent; without the last, empty line."""
    fields = headers if length is None else (*headers, ("content-length", str(length)))
    lines = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        *(f"{name}: {value}" for name, value in fields),
    ]
    return "".join(f"{line}\r\n" for line in lines).encode("latin-1")


def opened(span: Span) -> int:
    """A descriptor of the file that was looked up. A link in its place is not followed."""
    file = os.open(span.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    stat = os.fstat(file)
    if not S_ISREG(stat.st_mode) or stat.st_size != span.size:
        os.close(file)
        raise FileNotFoundError(f"{span.path}: another file than the one that was looked up")
    return file


class CopiedByTheKernel:
    """``sendfile`` on a duplicate of the connection's socket, which nobody else writes to meanwhile."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        socket: int,
        head: bytes,
        file: int,
        span: Span,
        ended: Callable[[bool], None],
    ) -> None:
        """``ended`` is called once, with whether everything was sent; not after ``stop``."""
        self._loop, self._file, self._ended = loop, file, ended
        try:
            self._socket = os.dup(socket)
        except OSError:  # none left: the file, which is ours by now, would stay open for ever
            os.close(file)
            raise
        self._head, self._at, self._stop = head, span.start, span.stop
        self._waits, self._by_kernel = False, True
        self.sent = 0

    def go_on(self) -> None:
        """Send until the client has to read first, or for one turn."""
        try:
            whole = self._tried()
        except BlockingIOError:
            whole = None
        except OSError:
            whole = False
        if whole is not None:
            self.stop()
            self._ended(whole)
        elif not self._waits:
            self._waits = True
            self._loop.add_writer(self._socket, self.go_on)

    def _tried(self) -> bool | None:
        """Whether it all was sent; None while there is more."""
        if self._head:
            self._head = self._head[os.write(self._socket, self._head) :]
            if self._head:
                return None
        count = self._copied(min(self._stop - self._at, _AT_ONCE))
        self._at += count
        self.sent += count
        if count == 0:  # the file was cut
            return False
        return True if self._at == self._stop else None

    def _copied(self, most: int) -> int:
        """Bytes that went on; by hand where the file's system knows no ``sendfile`` (some over a network)."""
        if self._by_kernel:
            try:
                return os.sendfile(self._socket, self._file, self._at, most)
            except OSError as error:
                if error.errno not in _NO_SENDFILE:
                    raise
                self._by_kernel = False
        return os.write(self._socket, os.pread(self._file, min(most, _PIECE), self._at))

    def stop(self) -> None:
        """Let go of both files."""
        if self._socket >= 0:
            if self._waits:
                self._loop.remove_writer(self._socket)
            os.close(self._socket)
            os.close(self._file)
            self._socket = -1


class CopiedInPieces:
    """Reads and writes by turns, for a connection that encrypts."""

    def __init__(self, transport: asyncio.Transport, head: bytes, file: int, span: Span) -> None:
        self._transport, self._file = transport, file
        self._head, self._at, self._stop = head, span.start, span.stop
        self.sent = 0

    def go_on(self) -> bool | None:
        """Write one piece: whether it all was written; None while there is more."""
        try:
            piece = os.pread(self._file, min(self._stop - self._at, _PIECE), self._at)
        except OSError:
            piece = b""
        self._at += len(piece)
        self.sent += len(piece)
        if piece:
            self._transport.write(self._head + piece)
            self._head = b""
            if self._at < self._stop:
                return None
        self.stop()
        return bool(piece)

    def stop(self) -> None:
        """Let go of the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
