"""One file into the store: streamed, hashed on the way, resumed, stopped when too long, never half-stored.

A wrong hash is a permanent failure of that file and names both digests.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass

from mirror_pipeline.adapters.file_hosts import FileHosts
from mirror_pipeline.adapters.files import disk_errors
from mirror_pipeline.adapters.index_pages import path_of
from mirror_pipeline.adapters.retrying import Retrier, StatusError
from mirror_pipeline.adapters.store import Incoming, Store
from mirror_pipeline.adapters.transfer import Answer
from mirror_pipeline.adapters.transport import Transport, TransportError
from mirror_pipeline.adapters.upstream import mismatch
from mirror_pipeline.adapters.urls import is_on_disk, redacted
from mirror_pipeline.domain.artifact import Artifact
from mirror_pipeline.domain.wheelset import Failure, UpstreamFile
from mirror_pipeline.errors import DigestMismatchError, UpstreamError

_GONE = frozenset({401, 403, 404, 410})


class TooLongError(UpstreamError):
    """More arrives than the lock, or else the page, says that the file has: facts ``url``, ``size``."""

    permanent = True


@dataclass(frozen=True, slots=True)
class Downloads:
    """Where files go to and how they get there."""

    transport: Transport
    store: Store
    retrier: Retrier
    hosts: FileHosts

    def fetch(self, artifact: Artifact, fact: UpstreamFile) -> int | Failure:
        """Size in bytes of what is in the store now, or why it is not."""
        try:
            return self._fetch(artifact, fact)
        except DigestMismatchError as error:
            return mismatch(artifact, str(error.facts["actual"]), "wrong bytes arrived")
        except UpstreamError as error:
            permanent = error.permanent or error.facts.get("status") in _GONE
            return Failure(artifact.file, artifact.project, str(error), permanent)

    def _fetch(self, artifact: Artifact, fact: UpstreamFile) -> int:
        with disk_errors(self.store.packages), self.store.incoming(artifact.file) as incoming:
            if is_on_disk(fact.url):  # its index is on disk too: ``FileHosts`` lets no other be
                _copy(fact.url, incoming)
            else:
                self._receive(artifact, fact, incoming)
            if incoming.sha256 != artifact.sha256:
                raise DigestMismatchError(
                    f"{artifact.file}: wrong bytes",
                    file=artifact.file,
                    expected=artifact.sha256,
                    actual=incoming.sha256,
                )
            incoming.commit()
            return incoming.size

    def _receive(self, artifact: Artifact, fact: UpstreamFile, incoming: Incoming) -> None:
        download = _Download(self.transport, fact.url, incoming, artifact.size or fact.size, self.hosts.check)
        try:
            self.retrier.run(fact.url, download.attempt)
        except TooLongError:
            if not incoming.resumed:
                raise
        if incoming.resumed and incoming.sha256 != artifact.sha256:
            incoming.restart()  # perhaps two servers behind one name: the halves are of two files
            self.retrier.run(fact.url, download.attempt)


@dataclass(frozen=True, slots=True)
class _Download:
    """One file from one URL. ``limit`` is its size in bytes, where anybody told it."""

    transport: Transport
    url: str
    incoming: Incoming
    limit: int | None
    check: Callable[[str], None]
    """Refuses places that a file may not come from."""

    def attempt(self) -> None:
        """One attempt; after a broken one it goes on where that ended (Range, RFC 9110)."""
        incoming, headers = self.incoming, {"Accept": "*/*", "Accept-Encoding": "identity"}
        if incoming.size:
            headers["Range"] = f"bytes={incoming.size}-"
        state = {"first": True}

        def sink(head: Answer, chunk: bytes) -> None:
            if state.pop("first", False) and head.status == 200 and incoming.size:
                incoming.restart()
            if head.status in (200, 206):
                incoming.resumed = incoming.resumed or head.status == 206
                self._limited(len(chunk))
                incoming.write(chunk)

        answer = self.transport.get(self.url, sink, headers, on_redirect=self.check)
        self.check(answer.url)  # libcurl's word for where it came from, should the two read URLs differently
        if answer.status == 416 and incoming.size:  # more was promised than there is: begin again
            incoming.restart()
            raise TransportError(self.url, "HTTP 416", transient=True)
        if answer.status not in (200, 206):
            raise StatusError(answer, self.url)

    def _limited(self, more: int) -> None:
        if self.limit is not None and self.incoming.size + more > self.limit:
            raise TooLongError(
                f"{redacted(self.url)}: more bytes arrive than the {self.limit} that the file should have",
                url=redacted(self.url),
                size=self.limit,
            )


def _copy(url: str, incoming: Incoming) -> None:
    """A file of an index on disk."""
    path = path_of(url)
    try:
        with path.open("rb") as source:
            shutil.copyfileobj(source, incoming)
    except FileNotFoundError:
        raise UpstreamError(f"{path}: no such file", url=url, status=404) from None
