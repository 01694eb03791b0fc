"""Posting one JSON object to a webhook: proxies and certificates as pip has them, few attempts, little time.

The URL is a secret. So none of it is in what is returned, and nothing is raised: whoever tells of a failure
must not fail for it.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timezone

from mirror_pipeline.adapters.credentials import Credentials, Keyring
from mirror_pipeline.adapters.pip_config import PipConfig, read_pip_config
from mirror_pipeline.adapters.transport import Transport, TransportError
from mirror_pipeline.adapters.urls import host_of
from mirror_pipeline.domain.retry import delay, is_transient, parse_retry_after

_ATTEMPTS = 3
_SECONDS = 10
"""For one attempt: a tick of a Dagster sensor has a minute for all of them."""
_LONGEST_PAUSE = 10.0
_HEADERS = {"Content-Type": "application/json", "User-Agent": "mirror-pipeline"}


class Webhook:
    """A place that takes JSON."""

    def __init__(
        self, url: str, config: PipConfig | None = None, wait: Callable[[float], object] = time.sleep
    ) -> None:
        self._url, self._config, self._wait = url, config, wait

    def post(self, document: Mapping[str, object]) -> str:
        """Send it; '' when it was accepted, else why it was not."""
        try:
            return self._post(json.dumps(document, ensure_ascii=False).encode())
        except Exception as error:  # pip's configuration, libcurl: any of it may quote the URL
            return type(error).__name__

    def _post(self, body: bytes) -> str:
        config = self._config or read_pip_config()
        transport = Transport(config, threading.Event(), Credentials(keyring=Keyring("disabled")))
        attempt = 0
        while True:
            attempt += 1
            why, again = self._once(transport, body, attempt)
            if again is None or attempt >= _ATTEMPTS:
                return why
            self._wait(min(again, _LONGEST_PAUSE))

    def _once(self, transport: Transport, body: bytes, attempt: int) -> tuple[str, float | None]:
        """Why it was not accepted, and after how many seconds to try again, if at all."""
        try:
            answer = transport.post(self._url, body, _HEADERS, _SECONDS)
        except TransportError as error:
            reason = error.reason.replace(host_of(self._url), "its host")
            return reason, _pause(attempt, None) if error.transient else None
        if 200 <= answer.status < 300:
            return "", None
        after = parse_retry_after(answer.headers.get("retry-after"), datetime.now(timezone.utc))
        return f"HTTP {answer.status}", _pause(attempt, after) if is_transient(answer.status) else None


def _pause(attempt: int, after: float | None) -> float | None:
    return delay(attempt, after, random.random())  # noqa: S311 - spreads retries
