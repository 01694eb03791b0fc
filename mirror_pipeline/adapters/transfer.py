"""One request as libcurl reports it while it is under way: heads, bodies, redirects, being told to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urljoin


@dataclass(frozen=True, slots=True)
class Answer:
    """A response's head. ``url`` is where it came from after redirects; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    url: str


Sink = Callable[[Answer, bytes], None]
"""Takes a body piece by piece, each with the head it belongs to."""
OnRedirect = Callable[[str], None]
"""Is told where a request would be sent on to; what it raises ends the request before that happens."""


class Transfer:
    """Callbacks of one request. pycurl reports what they raise as a write error: it is kept in ``raised``.

    The body of a 401 is not handed to the sink: the request may be made once more, with credentials.
    """

    def __init__(
        self, sink: Sink, cancelled: threading.Event, url: str, on_redirect: OnRedirect | None
    ) -> None:
        self._sink, self._cancelled = sink, cancelled
        self._url, self._on_redirect = url, on_redirect
        self._status, self._headers = 0, dict[str, str]()
        self.raised: BaseException | None = None

    def answer(self, url: str) -> Answer:
        """The head of the last response so far."""
        return Answer(self._status, self._headers, url)

    def on_header(self, line: bytes) -> int:
        """Note a line of a head; less than its length makes libcurl stop."""
        text = line.decode("iso-8859-1").strip()
        if text.startswith("HTTP/"):  # a new head: after a redirect, or from a proxy before the server
            self._status, self._headers = int(text.split()[1]), {}
        elif ":" in text:
            name, _, value = text.partition(":")
            self._headers[name.strip().lower()] = value.strip()
            if name.strip().lower() == "location" and 300 <= self._status < 400:
                return len(line) if self._may_go_on(value.strip()) else -1
        return len(line)

    def _may_go_on(self, location: str) -> bool:
        try:
            self._url = urljoin(self._url, location)
        except ValueError:  # no URL: libcurl has a word for it, unless the caller has one
            self._url = location
        try:
            if self._on_redirect is not None:
                self._on_redirect(self._url)
        except BaseException as error:
            self.raised = error
            return False
        return True

    def on_body(self, chunk: bytes) -> int:
        """Hand on a piece of a body."""
        if self._status == 401:
            return len(chunk)
        try:
            self._sink(self.answer(""), chunk)
        except BaseException as error:
            self.raised = error
            return -1
        return len(chunk)

    def on_progress(self, *_sizes: int) -> int:
        """Not zero to stop."""
        return 1 if self._cancelled.is_set() else 0
