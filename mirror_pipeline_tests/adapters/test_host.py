"""What connections share: their deadlines, and how many there may be."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mirror_pipeline.adapters.host import Host, Limits
from mirror_pipeline.adapters.service import Service
from mirror_pipeline.adapters.site_files import Site
from mirror_pipeline.domain.metrics import Metrics


class Client:
    """A connection that is over time from the beginning."""

    deadline = 0.0

    def __init__(self, trouble: Exception | None = None) -> None:
        self.aborting = Transport()
        self.transport: asyncio.Transport = self.aborting
        self._trouble, self.expired = trouble, asyncio.Event()

    def expire(self) -> None:
        if self._trouble:
            raise self._trouble
        self.expired.set()

    def retire(self) -> None:
        pass


class Transport(asyncio.Transport):
    def __init__(self) -> None:
        self.aborted = asyncio.Event()

    def abort(self) -> None:
        self.aborted.set()


def test_one_connection_in_trouble_does_not_end_the_deadlines_of_all(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def told() -> None:
        loop = asyncio.get_running_loop()
        host = Host(loop, Service(Site(tmp_path)), Metrics(), limits=Limits(sweep=0.01))
        troubled, next_one = Client(RuntimeError("the handle is closed")), Client()
        host.came(troubled)
        sweeping = loop.create_task(host.sweep())
        await asyncio.wait_for(troubled.aborting.aborted.wait(), 30)
        host.came(next_one)
        await asyncio.wait_for(next_one.expired.wait(), 30)
        sweeping.cancel()
        host.close()

    asyncio.run(told())
    assert "the handle is closed" in caplog.text
