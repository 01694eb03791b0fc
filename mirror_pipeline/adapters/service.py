"""What a request gets: method, then login, then path, as the function at CloudFront's edge has it.

What belongs here: asking the site, the book of tokens and the clock for what ``domain.answers`` decides on,
and the two addresses beside the site, for those who watch over it. What does not: connections.
"""

from __future__ import annotations

import json
import logging
import platform
import time
from collections.abc import Callable
from datetime import datetime, timezone
from http import HTTPStatus
from typing import Protocol

from mirror_pipeline.adapters.site_files import Live
from mirror_pipeline.domain.answers import (
    FAILED,
    NOT_FOUND,
    Answer,
    Content,
    Request,
    answer_with,
    for_those_admitted,
    refused_login,
    refused_method,
    routed,
)
from mirror_pipeline.domain.metrics import CONTENT_TYPE, Gauges, Metrics, exposition
from mirror_pipeline.domain.serving import HEALTH, METRICS
from mirror_pipeline.domain.tokens import Admission, name_in

Admits = Callable[[str | None], Admission]
"""What becomes of a request with this ``Authorization`` header."""

Look = Callable[[str], Content | None]

_FRESH = (("cache-control", "no-store"), ("x-content-type-options", "nosniff"))

_log = logging.getLogger(__name__)


class Files(Protocol):
    """What is published; ``adapters.site_files.Site`` has it."""

    def known(self, key: str) -> Content | None:
        """What is known without reading a file, None where that has to be done."""

    def find(self, key: str) -> Content | None:
        """What lies under a key, None where nothing is published there."""

    def live(self) -> Live | None:
        """What is live."""


def everybody(_authorization: str | None) -> Admission:
    """The way into a mirror that asks nobody."""
    return Admission.PUBLIC


class Service:
    """Answers requests, without a connection of its own."""

    def __init__(
        self, files: Files, admits: Admits = everybody, metrics: Metrics | None = None, version: str = ""
    ) -> None:
        """``metrics`` are told at their address; None has no such address."""
        self.files, self._admits, self._metrics, self._version = files, admits, metrics, version

    def at_once(self, request: Request) -> Answer | None:
        """The answer, or None where files have to be read for it."""
        return self._answer(request, self.files.known, may_read=False)

    def after_reading(self, request: Request) -> Answer:
        """The answer. It may take a moment, so another thread calls this."""
        try:
            return self._answer(request, self.files.find, may_read=True) or NOT_FOUND
        except FileNotFoundError:  # pruned between the look and the opening
            return NOT_FOUND
        except OSError:
            _log.exception("cannot answer %r", request.target.partition("?")[0])
            return FAILED

    def _answer(self, request: Request, look: Look, *, may_read: bool) -> Answer | None:
        if refused := refused_method(request):
            return refused
        if request.target == HEALTH:
            return self._health() if may_read else None
        admission = self._admits(request.authorization)
        if refused := refused_login(admission):
            return self._counted(request, refused)
        if request.target == METRICS and self._metrics is not None:
            answer = self._told(self._metrics) if may_read else None
        else:
            answer = self._admitted(request, look)
        if answer is None or admission is not Admission.GRANTED:
            return answer
        return for_those_admitted(answer, name_in(request.authorization))

    def _counted(self, request: Request, refused: Answer) -> Answer:
        """A login that was wrong; who sends none is only told that one is wanted."""
        if self._metrics is not None and refused.status == HTTPStatus.UNAUTHORIZED and request.authorization:
            self._metrics.refused_logins += 1
        return refused

    def _admitted(self, request: Request, look: Look) -> Answer | None:
        file = routed(request)
        if isinstance(file, Answer):
            return file
        content = look(file.key)
        return None if content is None else answer_with(request, file, content)

    def _health(self) -> Answer:
        """Whether a generation is live and its manifest can be read."""
        live = self.files.live()
        told = {
            "generation": live.generation if live else None,
            "since": _iso(live.since) if live else None,
            "status": "ok" if live else "nothing is published",
        }
        body = f"{json.dumps(told)}\n".encode()
        headers = (("content-type", "application/json"), *_FRESH)
        return Answer(200 if live else 503, headers, body, "health")

    def _told(self, metrics: Metrics) -> Answer:
        live = self.files.live()
        gauges = Gauges(
            self._version,
            platform.python_version(),
            live.generation if live else None,
            live.published if live else None,
            time.time(),
        )
        headers = (("content-type", CONTENT_TYPE), *_FRESH)
        return Answer(200, headers, exposition(metrics, gauges).encode(), "metrics")


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, timezone.utc).isoformat(timespec="seconds")
