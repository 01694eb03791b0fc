"""Provenance of files from upstream (PEP 740): asked for as files are, and never worth a file.

Without it a wheel is as good as before. So a host that is in trouble is let alone after a few files: the
others are asked for the next time.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from mirror_pipeline.adapters.file_hosts import FileHosts
from mirror_pipeline.adapters.index_pages import path_of
from mirror_pipeline.adapters.retrying import Retrier, StatusError
from mirror_pipeline.adapters.transfer import Answer
from mirror_pipeline.adapters.transport import Transport
from mirror_pipeline.adapters.urls import host_of, is_on_disk, redacted
from mirror_pipeline.domain.artifact import Artifact
from mirror_pipeline.domain.provenance import ACCEPT, MOST_BYTES, ProvenanceError, checked
from mirror_pipeline.domain.retry import is_transient
from mirror_pipeline.domain.wheelset import Failure, UpstreamFile
from mirror_pipeline.errors import UpstreamError

_PATIENCE = 3
"""So many files in vain, and a host is let alone."""


@dataclass(frozen=True, slots=True)
class Attested:
    """Provenance, as its text, by file name; and which could not be had, and why."""

    texts: Mapping[str, str] = field(default_factory=dict)
    failures: tuple[Failure, ...] = ()


class Attesting:
    """One stretch of asking."""

    def __init__(self, transport: Transport, retrier: Retrier, hosts: FileHosts) -> None:
        self._transport, self._retrier, self._hosts = transport, retrier, hosts
        self._in_vain: Counter[str] = Counter()
        self._guard = threading.Lock()

    def ask(self, artifact: Artifact, fact: UpstreamFile) -> str | Failure:
        """The text of a file's provenance, or why there is none."""
        url = fact.provenance or ""
        try:
            self._hosts.check_link(url, fact.page)
            return checked(self._read(url), artifact)
        except ProvenanceError as error:
            return Failure(artifact.file, artifact.project, f"{redacted(url)}: {error}", permanent=True)
        except UpstreamError as error:
            return Failure(artifact.file, artifact.project, str(error), permanent=error.permanent)

    def _read(self, url: str) -> bytes:
        if is_on_disk(url):
            return _from_disk(url)
        host = host_of(url)
        with self._guard:
            tired = self._in_vain[host] >= _PATIENCE
        if tired:
            raise UpstreamError(f"{host} is in trouble: not asked for more provenance", url=redacted(url))
        try:
            return self._retrier.run(url, lambda: self._load(url))
        except UpstreamError as error:
            status = error.facts.get("status")
            if not isinstance(status, int) or is_transient(status):
                with self._guard:
                    self._in_vain[host] += 1
            raise

    def _load(self, url: str) -> bytes:
        body = bytearray()

        def sink(head: Answer, chunk: bytes) -> None:
            if head.status == 200:
                body.extend(chunk)
            if len(body) > MOST_BYTES:
                raise ProvenanceError(f"this has more than {MOST_BYTES} bytes")

        answer = self._transport.get(
            url, sink, {"Accept": ACCEPT}, decode=True, on_redirect=self._hosts.check
        )
        self._hosts.check(answer.url)
        if answer.status != 200:
            raise StatusError(answer, url)
        return bytes(body)


def _from_disk(url: str) -> bytes:
    """Of an index on disk: ``FileHosts`` lets no other name a file there."""
    try:
        return path_of(url).read_bytes()
    except OSError as error:
        raise UpstreamError(f"{path_of(url)}: {error.strerror or error}", url=url) from None
