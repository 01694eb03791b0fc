"""One client's connection: its requests answered one after the other, no faster than it reads.

What belongs here: keeping alive, back pressure, deadlines, closing. What does not: reading requests
(``adapters.requests_in``), what is answered (``adapters.service``), listening (``adapters.server``).
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import cast

from mirror_pipeline.adapters.host import Host
from mirror_pipeline.adapters.requests_in import Asked, Reader
from mirror_pipeline.adapters.sending import CopiedByTheKernel, CopiedInPieces, head_lines, opened
from mirror_pipeline.domain.access_line import Visit
from mirror_pipeline.domain.answers import FAILED, Answer, Request, Span, message

_MOST_WAITING = 32
_AT_A_TURN = 16
"""Requests of one client before others have their turn: a pipeline may have thousands."""
_HIGH_WATER = 256 * 1024
_WORTH_SHARING = 64 * 1024
"""Bytes of a body that is not copied for each client: those who do not read keep it waiting."""
_REFUSED = (("cache-control", "no-store"), ("x-content-type-options", "nosniff"))
_GONE = Answer(499, ())
"""Of a client that did not wait for an answer: nobody's failure. nginx logs the same number."""
_NO_REQUEST = Request("-", "-", {})


class Connection(asyncio.Protocol):
    """Answers one client. ``host`` has what all connections share."""

    transport: asyncio.Transport

    def __init__(self, host: Host) -> None:
        self._host = host
        self._reader = Reader()
        self._current: Asked | None = None
        self._began = 0.0
        self._answer = _GONE
        self._sending: CopiedByTheKernel | CopiedInPieces | None = None
        self._full = self._held_back = self._closing = self._encrypted = False
        self._answering = self._has_a_turn = False
        self._progress = (0, 0)
        self._client = ""
        self.deadline = 0.0
        """When ``expire`` is to be called."""

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there."""
        self.transport = transport = cast("asyncio.Transport", transport)  # uvloop's own is no subclass of it
        transport.set_write_buffer_limits(_HIGH_WATER)
        peer = transport.get_extra_info("peername")
        self._client = str(peer[0]) if peer else ""
        self._encrypted = transport.get_extra_info("ssl_object") is not None
        self.deadline = self._host.now() + self._host.limits.head
        self._host.came(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone, or was sent away."""
        self._closing = True
        self._reader.requests.clear()
        if self._sending:
            self._sending.stop()
        self._finish()
        self._host.left(self)

    def eof_received(self) -> bool:
        """The client sends no more. What it asked for it still gets."""
        self._reader.over = True
        return self.busy and not self._encrypted

    def data_received(self, data: bytes) -> None:
        """Read what came, and answer what is complete."""
        midway = self._reader.midway
        self._reader.feed(data)
        if self._reader.midway and not midway and not self.busy:
            self.deadline = self._host.now() + self._host.limits.head
        self._go_on()

    def pause_writing(self) -> None:
        """The client reads slower than it is sent to."""
        self._full = True
        self.deadline = self._host.now() + self._host.limits.stalled

    def resume_writing(self) -> None:
        """It has read what waited."""
        self._full = False
        if isinstance(self._sending, CopiedInPieces):
            self._send_pieces()
        else:
            self._go_on()

    # Deadlines.

    @property
    def busy(self) -> bool:
        """Whether an answer is owed."""
        return self._current is not None or bool(self._reader.requests)

    def expire(self) -> None:
        """The deadline passed: whoever makes progress is given more time."""
        unsent = self.transport.get_write_buffer_size()
        progress = (self._sending.sent if self._sending else 0, unsent)
        if (self.busy or unsent) and (progress != self._progress or self._is_looked_up):
            self._progress = progress
            self.deadline = self._host.now() + self._host.limits.stalled
        elif self.busy or unsent or self._closing:
            self.transport.abort()
        elif self._reader.midway:
            self._turn_away(408)
        else:
            self._close()

    @property
    def _is_looked_up(self) -> bool:
        return self._current is not None and self._sending is None and not self._full

    def retire(self) -> None:
        """Answer what was asked, then close: the server is about to end."""
        self._reader.over = True
        if not self.busy:
            self._close()
            if not self.transport.get_write_buffer_size():  # with TLS the client is to say goodbye, too
                self.deadline = self._host.now() + self._host.limits.goodbye

    # Answering.

    def _go_on(self) -> None:
        """Answer what waits, until an answer takes a moment or the client has to read first."""
        if self._answering:  # a file that went out at once calls this: the loop goes on, and not the stack
            return
        requests, self._answering = self._reader.requests, True
        try:
            for _ in range(_AT_A_TURN):
                if not self._is_free:
                    break
                asked = requests.popleft()
                if isinstance(asked, int):
                    self._turn_away(asked)
                else:
                    self._begin(asked)
        finally:
            self._answering = False
        if self._is_free and not self._has_a_turn:
            self._has_a_turn = True
            self._host.loop.call_soon(self._take_turn)
        hold_back = len(requests) > _MOST_WAITING
        if hold_back != self._held_back and not self.transport.is_closing():
            self._held_back = hold_back
            (self.transport.pause_reading if hold_back else self.transport.resume_reading)()

    def _take_turn(self) -> None:
        self._has_a_turn = False
        self._go_on()

    @property
    def _is_free(self) -> bool:
        """Whether something waits that can be answered now."""
        waits = self._current is None and bool(self._reader.requests)
        return waits and not self._full and not self._closing

    def _begin(self, asked: Asked) -> None:
        self._current, self._began, self._answer = asked, self._host.now(), _GONE
        self._host.metrics.begun()
        answer = self._host.service.at_once(asked.request)
        if answer is None or not self._sent(asked, answer):
            self.deadline = self._began + self._host.limits.stalled
            self._host.look_up(asked.request, lambda answer: self._looked_up(asked, answer))

    def _looked_up(self, asked: Asked, answer: Answer) -> None:
        if self._current is asked:
            if not self._sent(asked, answer):  # it changed twice while it was looked at
                self._sent(asked, FAILED)
            self._go_on()

    def _sent(self, asked: Asked, answer: Answer) -> bool:
        """Send it, or begin to. Not so where the file is not the one any more that was looked up."""
        body = answer.body
        has_body = len(body) > 0 and asked.request.method != "HEAD"
        if has_body and isinstance(body, Span):
            return self._sent_file(asked, answer, body)
        self._answer = answer
        head = self._head(answer, asked)
        if not (has_body and isinstance(body, bytes)):
            self.transport.write(head)
        elif len(body) < _WORTH_SHARING:
            self.transport.write(head + body)
        else:
            self.transport.writelines((head, body))
        self._finish(len(body) if has_body else 0)
        return True

    def _sent_file(self, asked: Asked, answer: Answer, span: Span) -> bool:
        try:
            sending = self._sending = self._to_send(self._head(answer, asked), span)
        except OSError:
            return False
        self._answer = answer
        self.deadline = self._host.now() + self._host.limits.stalled
        if isinstance(sending, CopiedInPieces):
            self._send_pieces()
        else:
            sending.go_on()
        return True

    def _to_send(self, head: bytes, span: Span) -> CopiedByTheKernel | CopiedInPieces:
        file = opened(span)
        # Bytes that wait in the transport would come after those that the kernel is told to send.
        if self._encrypted or self.transport.get_write_buffer_size():
            return CopiedInPieces(self.transport, head, file, span)
        socket = self.transport.get_extra_info("socket").fileno()
        return CopiedByTheKernel(self._host.loop, socket, head, file, span, self._file_sent)

    def _send_pieces(self) -> None:
        """As long as there is room, one piece at a turn of the loop."""
        sending = self._sending
        if not isinstance(sending, CopiedInPieces):
            return
        whole = sending.go_on()
        if whole is not None:
            self._file_sent(whole)
        elif not self._full:
            self._host.loop.call_soon(self._send_pieces)

    def _file_sent(self, whole: bool) -> None:
        sent = self._sending.sent if self._sending else 0
        self._sending = None
        if not whole:  # the length was told: what is cut must look cut
            self.transport.abort()
            self._finish(sent)
        else:
            self._finish(sent)
            self._go_on()

    def _finish(self, sent: int | None = None) -> None:
        """The answer is out, or its client is gone: ``sent`` is None then."""
        asked, answer = self._current, self._answer
        if asked is None:
            return
        if sent is None:
            sent = self._sending.sent if self._sending else 0
        self._current, now = None, self._host.now()
        self._host.ended(self._visit(asked, answer, sent, now - self._began), answer)
        if self._reader.over and not self._reader.requests:
            self._close(linger=asked.linger)
        elif not self._full:
            self.deadline = now + (self._host.limits.head if self._reader.midway else self._host.limits.idle)

    def _visit(self, asked: Asked, answer: Answer, sent: int, seconds: float) -> Visit:
        request, field = asked.request, asked.request.headers.get
        return Visit(
            self._client, answer.user, request.method, request.target, asked.version, answer.status, sent,
            seconds, field("referer", ""), field("user-agent", ""),
        )  # fmt: skip

    def _head(self, answer: Answer, asked: Asked) -> bytes:
        last = self._reader.over and not self._reader.requests
        connection = b"close" if last else b"keep-alive" if asked.version == "1.0" else b""
        told = b"connection: %b\r\n" % connection if connection else b""
        length = None if answer.status == HTTPStatus.NOT_MODIFIED else len(answer.body)
        return head_lines(answer.status, answer.headers, length) + self._host.date() + told + b"\r\n"

    # Closing.

    def _turn_away(self, status: int) -> None:
        """The last word to a client whose request cannot be read."""
        answer = message(status, HTTPStatus(status).phrase, _REFUSED)
        asked = Asked(_NO_REQUEST, "1.1", keep=False, linger=True)
        self._reader.over = True
        self._current, self._began, self._answer = asked, self._host.now(), answer
        self._host.metrics.begun()
        self._host.metrics.turned_away += 1
        self._sent(asked, answer)

    def _close(self, *, linger: bool = False) -> None:
        """Close when everything is out.

        With ``linger`` the client may still be sending: a connection closed over what nobody read is torn
        down by the system, and the answer with it.
        """
        if self._closing:
            return
        self._closing = True
        if linger and self.transport.can_write_eof():
            self.deadline = self._host.now() + self._host.limits.goodbye
            self.transport.write_eof()
        else:
            self.deadline = self._host.now() + self._host.limits.stalled
            self.transport.close()
