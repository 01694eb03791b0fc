"""A service without a connection: what a disk in trouble comes to, and that nothing of it is told outside."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

import pytest

from mirror_pipeline.adapters.service import Service
from mirror_pipeline.adapters.site_files import Live
from mirror_pipeline.domain.answers import Content, Request

PAGE = Request("GET", "/simple/x/?token=SECRET", {})


class Troubled:
    """A site on a disk that fails in some way."""

    def __init__(self, number: int) -> None:
        self._number = number

    def known(self, _key: str) -> Content | None:
        return None

    def find(self, _key: str) -> Content | None:
        raise OSError(self._number, os.strerror(self._number), "/the/place")

    def live(self) -> Live | None:
        return None


@pytest.mark.parametrize(
    ("number", "status", "complains"), [(errno.EIO, 500, True), (errno.ENOENT, 404, False)]
)
def test_an_error_of_the_disk_is_told_to_the_log_alone(
    number: int, status: int, complains: bool, caplog: pytest.LogCaptureFixture
) -> None:
    service = Service(Troubled(number))
    assert service.at_once(PAGE) is None
    answer = service.after_reading(PAGE)
    assert answer.status == status
    assert "/the/place" not in str(answer)
    assert ("/the/place" in caplog.text) is complains
    assert "SECRET" not in caplog.text


@pytest.mark.parametrize(
    ("ask", "status"),
    [
        (lambda service: service.after_reading(Request("GET", "/healthz", {})), 503),
        (lambda service: service.at_once(Request("POST", "/healthz", {})), 405),
        (lambda service: service.at_once(Request("GET", "/metrics", {})), 404),
    ],
)
def test_without_a_site_there_is_still_an_answer(ask: Callable[[Service], object], status: int) -> None:
    assert getattr(ask(Service(Troubled(errno.EIO))), "status", None) == status
