"""The published directory over HTTP: an event loop in a thread of its own, and listening.

What belongs here: sockets that listen, starting and ending. What does not: connections
(``adapters.connection``) and what is answered on them (``adapters.service``).
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvloop

from mirror_pipeline.adapters.access_log import AccessLog
from mirror_pipeline.adapters.connection import Connection
from mirror_pipeline.adapters.host import Host
from mirror_pipeline.adapters.service import Admits, Service, everybody
from mirror_pipeline.adapters.signals import signals_interrupt
from mirror_pipeline.adapters.site_files import Site
from mirror_pipeline.domain.metrics import Metrics
from mirror_pipeline.errors import PortInUseError

OFFICE_GRACE = 10.0
_SHORT_GRACE = 2.0
_HANDSHAKE_SECONDS = 10.0
_BACKLOG = 512


@dataclass(frozen=True, slots=True)
class Extras:
    """What an office mirror has, and a server for a moment has not."""

    log: AccessLog | None = None
    tls: ssl.SSLContext | None = None
    metrics: bool = False
    version: str = ""
    grace: float = _SHORT_GRACE
    """Seconds for running answers when it is told to end."""


NOTHING = Extras()


def serve(
    site: Path,
    host: str,
    port: int,
    on_ready: Callable[[str], None],
    admits: Admits = everybody,
    extras: Extras = Extras(grace=OFFICE_GRACE),
) -> None:
    """Serve until Ctrl-C or SIGTERM, then return. ``on_ready`` gets the base URL, without a trailing slash.

    Running downloads have some time to end; a second signal ends them. Only for the main thread, where
    signals arrive.
    """
    with signals_interrupt():
        try:
            with serving(site, host, port, admits, extras) as url:
                on_ready(url)
                threading.Event().wait()
        except KeyboardInterrupt:
            return


@contextmanager
def serving(
    site: Path,
    host: str = "127.0.0.1",
    port: int = 0,
    admits: Admits = everybody,
    extras: Extras = NOTHING,
) -> Iterator[str]:
    """Serve in a background thread for the length of a block; the value is the base URL, as in ``serve``."""
    listener = _listen(host, port)
    try:
        metrics = Metrics()
        service = Service(Site(site), admits, metrics if extras.metrics else None, extras.version)
        server = _Server(listener, service, metrics, extras)
        with server.running():
            yield _base_url(host, listener, "https" if extras.tls else "http")
    finally:
        listener.close()


class _Server:
    """An event loop in a thread."""

    def __init__(self, listener: socket.socket, service: Service, metrics: Metrics, extras: Extras) -> None:
        self._listener, self._service, self._metrics, self._extras = listener, service, metrics, extras
        self._ready: Future[asyncio.AbstractEventLoop] = Future()
        self._grace = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Listening when the block begins, ended when it is over."""
        # A daemon: nothing that it does is worth keeping a process for.
        thread = threading.Thread(target=self._run, name="mirror-server", daemon=True)
        thread.start()
        loop = self._ready.result()
        try:
            yield
        finally:
            try:
                self._end(loop, self._extras.grace)
                thread.join()
            except KeyboardInterrupt:
                self._end(loop, 0.0)
                thread.join()
                raise

    def _run(self) -> None:
        loop = uvloop.new_event_loop()
        try:
            loop.run_until_complete(self._live(loop))
        except BaseException as error:
            if self._ready.done():
                raise
            self._ready.set_exception(error)
        finally:
            loop.close()

    async def _live(self, loop: asyncio.AbstractEventLoop) -> None:
        host = Host(loop, self._service, self._metrics, self._extras.log)
        self._told = asyncio.Event()
        listening = await loop.create_server(
            lambda: Connection(host),
            sock=self._listener,
            backlog=_BACKLOG,
            ssl=self._extras.tls,
            ssl_handshake_timeout=_HANDSHAKE_SECONDS if self._extras.tls else None,
        )
        sweeping = loop.create_task(host.sweep())
        self._ready.set_result(loop)
        await self._told.wait()
        listening.close()
        self._told.clear()
        draining = loop.create_task(host.drain(self._grace))
        again = loop.create_task(self._told.wait())
        await asyncio.wait((draining, again), return_when=asyncio.FIRST_COMPLETED)
        if not draining.done():
            draining.cancel()
            await host.drain(0.0)
        for task in (again, sweeping):
            task.cancel()
        await asyncio.gather(draining, again, sweeping, return_exceptions=True)
        host.close()

    def _end(self, loop: asyncio.AbstractEventLoop, grace: float) -> None:
        """Called from outside, once or twice."""
        self._grace = grace
        loop.call_soon_threadsafe(self._told.set)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (OSError, UnicodeError) as error:  # UnicodeError: a name that no host can have
        busy = getattr(error, "errno", None) == errno.EADDRINUSE
        reason = "another program listens there" if busy else getattr(error, "strerror", None) or error
        raise PortInUseError(f"cannot listen at {host}:{port}: {reason}", host=host, port=port) from error


def _base_url(host: str, listener: socket.socket, scheme: str) -> str:
    """Address to call: an address that stands for every interface is no address to connect to."""
    name = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    port = listener.getsockname()[1]
    return f"{scheme}://[{name}]:{port}" if ":" in name else f"{scheme}://{name}:{port}"
