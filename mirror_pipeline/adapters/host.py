"""What all connections of a server share: its service, its counters, its log, and the clock of deadlines."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from email.utils import formatdate
from typing import Protocol

from mirror_pipeline.adapters.access_log import AccessLog
from mirror_pipeline.adapters.service import Service
from mirror_pipeline.domain.access_line import Visit
from mirror_pipeline.domain.answers import FAILED, Answer, Request
from mirror_pipeline.domain.metrics import Metrics

_READERS = 4

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """For how many seconds, and how many at once."""

    head: float = 10.0
    """From the first byte of a request, or from connecting, to the end of its head."""
    idle: float = 75.0
    """Between requests."""
    stalled: float = 60.0
    """For a client that reads nothing of what it is sent."""
    goodbye: float = 2.0
    """For a client that is still sending what nobody wants."""
    sweep: float = 1.0
    """How often that is looked at."""
    connections: int = 10_000


USUAL = Limits()


class Client(Protocol):
    """A connection, as far as its host cares."""

    transport: asyncio.Transport
    deadline: float
    """When ``expire`` is to be called."""

    def expire(self) -> None:
        """The deadline passed."""

    def retire(self) -> None:
        """Answer what was asked, then close."""


class Host:
    """Keeps the connections of one event loop."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        service: Service,
        metrics: Metrics,
        log: AccessLog | None = None,
        limits: Limits = USUAL,
    ) -> None:
        self.loop, self.service, self.metrics, self._log = loop, service, metrics, log
        self.now = loop.time
        self._connections: set[Client] = set()
        self.limits = limits
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="mirror-read")
        self._second, self._date = -1, b""
        self._gone = asyncio.Event()

    def came(self, connection: Client) -> None:
        """A new one. One too many is sent away, so that those that are there keep what they need."""
        self._connections.add(connection)
        self.metrics.connections += 1
        if len(self._connections) > self.limits.connections:
            self.metrics.turned_away += 1
            connection.transport.abort()

    def left(self, connection: Client) -> None:
        """One less."""
        self._connections.discard(connection)
        self.metrics.connections -= 1
        if not self._connections:
            self._gone.set()

    def ended(self, visit: Visit, answer: Answer) -> None:
        """A request was answered, or its client is gone."""
        self.metrics.ended(visit.method, visit.status, answer.kind, visit.sent, visit.seconds)
        if self._log:
            self._log.write(visit)

    def look_up(self, request: Request, then: Callable[[Answer], None]) -> None:
        """Have another thread read what an answer needs; ``then`` is called in this one."""

        def done(task: asyncio.Future[Answer]) -> None:
            if task.cancelled():
                return
            if error := task.exception():
                _log.error("cannot answer a request", exc_info=error)
            then(FAILED if error else task.result())

        self.loop.run_in_executor(self._readers, self.service.after_reading, request).add_done_callback(done)

    def date(self) -> bytes:
        """The field that tells the time, made once a second."""
        second = int(time.time())
        if second != self._second:
            self._second, self._date = second, f"date: {formatdate(second, usegmt=True)}\r\n".encode()
        return self._date

    async def sweep(self) -> None:
        """End what is over time, every second or so, for ever."""
        while True:
            await asyncio.sleep(self.limits.sweep)
            now = self.now()
            for connection in [one for one in self._connections if one.deadline < now]:
                try:
                    connection.expire()
                except Exception:  # deadlines are all that ends some connections: one must not end them
                    _log.exception("a connection that is over time cannot be ended")
                    connection.transport.abort()
            if self._log:
                self._log.reopen()

    async def drain(self, grace: float) -> None:
        """Let running answers end within ``grace`` seconds, then end them."""
        for connection in list(self._connections):
            connection.retire()
        if self._connections and grace > 0:
            self._gone.clear()
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._gone.wait(), grace)
        for connection in list(self._connections):
            connection.transport.abort()
        await asyncio.sleep(0)

    def close(self) -> None:
        """No files are read any more."""
        self._readers.shutdown(wait=True, cancel_futures=True)
