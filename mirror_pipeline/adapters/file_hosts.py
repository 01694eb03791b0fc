"""Where files may be taken from: http and https only, and from the hosts that ``MIRROR_FILE_HOSTS`` names."""

from __future__ import annotations

from collections.abc import Sequence

from mirror_pipeline.adapters.urls import host_of, is_http, is_on_disk, redacted
from mirror_pipeline.errors import UpstreamError

SETTING = "MIRROR_FILE_HOSTS"


class RefusedError(UpstreamError):
    """A file that is not asked for at all: facts ``url``, ``host``, ``setting``."""

    permanent = True


class FileHosts:
    """Allowed hosts: names, or ``*.example.org`` for all names below one. None named, all allowed."""

    def __init__(self, patterns: Sequence[str] = ()) -> None:
        self._patterns = tuple(pattern.lower().rstrip(".") for pattern in patterns)

    def check(self, url: str) -> None:
        """Refuse a URL that no file may come from."""
        if not is_http(url):
            raise RefusedError(
                f"{redacted(url)}: a lock or a page names this place, and files are taken from http and "
                "https URLs only",
                url=redacted(url),
            )
        host = host_of(url)
        if self._patterns and not any(_matches(host, pattern) for pattern in self._patterns):
            raise RefusedError(
                f"{redacted(url)}: {host} is not among the hosts that files may come from",
                hint=f"see {SETTING}",
                url=redacted(url),
                host=host,
                setting=SETTING,
            )

    def check_link(self, url: str, index: str) -> None:
        """The same for what a page of ``index`` ('' for a lock) links: one on disk may name files on disk."""
        if not (is_on_disk(index) and is_on_disk(url)):
            self.check(url)


def _matches(host: str, pattern: str) -> bool:
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern
