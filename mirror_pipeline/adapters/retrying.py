"""Trying a request again while that may help, and no longer."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import datetime, timezone
from typing import TypeVar
from urllib.parse import urlsplit

from mirror_pipeline.adapters.transfer import Answer
from mirror_pipeline.adapters.transport import TransportError
from mirror_pipeline.adapters.urls import redacted
from mirror_pipeline.domain.retry import delay, is_transient, parse_retry_after
from mirror_pipeline.errors import UpstreamError

T = TypeVar("T")
Wait = Callable[[float], object]


class StatusError(Exception):
    """An answer that is not a success. ``retry_after`` in seconds where the server asked for it."""

    def __init__(self, answer: Answer, url: str) -> None:
        super().__init__(f"{redacted(url)}: HTTP {answer.status}")
        self.status = answer.status
        self.retry_after = parse_retry_after(answer.headers.get("retry-after"), datetime.now(timezone.utc))


class Retrier:
    """Tries a request again while that may help, and remembers hosts that cannot be reached at all."""

    def __init__(self, wait: Wait = time.sleep) -> None:
        self._wait = wait
        self._unreachable: dict[str, str] = {}

    def anew(self) -> Retrier:
        """One that waits likewise, and holds nothing against any host."""
        return Retrier(self._wait)

    def run(self, url: str, request: Callable[[], T]) -> T:
        """The request's result; a final failure is an ``UpstreamError``."""
        host = urlsplit(redacted(url)).netloc
        attempt = 0
        while True:
            if host in self._unreachable:
                raise self._unreachable_error(url, self._unreachable[host], attempt)
            attempt += 1
            try:
                return request()
            except (TransportError, StatusError) as error:
                pause = _pause(error, attempt)
                if pause is None:
                    raise self._given_up(error, url, host, attempt) from None
                self._wait(pause)

    def _given_up(
        self, error: TransportError | StatusError, url: str, host: str, attempts: int
    ) -> UpstreamError:
        if isinstance(error, TransportError) and error.unreachable:
            self._unreachable[host] = error.reason
            return self._unreachable_error(url, error.reason, attempts)
        tried = f" (tried {attempts} times)" if attempts > 1 else ""
        status = error.status if isinstance(error, StatusError) else None
        return UpstreamError(f"{error}{tried}", url=redacted(url), status=status, attempts=attempts)

    @staticmethod
    def _unreachable_error(url: str, reason: str, attempts: int) -> UpstreamError:
        host = urlsplit(redacted(url)).netloc
        return UpstreamError(
            f"no connection to {host}: {reason}",
            hint="check the network, the proxy and MIRROR_INDEX_URL",
            url=redacted(url),
            attempts=attempts,
            unreachable=True,
        )


def _pause(error: TransportError | StatusError, attempt: int) -> float | None:
    transient = error.transient if isinstance(error, TransportError) else is_transient(error.status)
    after = error.retry_after if isinstance(error, StatusError) else None
    return delay(attempt, after, random.random()) if transient else None  # noqa: S311 - spreads retries
