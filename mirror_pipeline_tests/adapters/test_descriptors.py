"""How many connections there may be, by what the system grants."""

from __future__ import annotations

import resource

import pytest

from mirror_pipeline.adapters.descriptors import connections_at_once

UNLIMITED = resource.RLIM_INFINITY


class System:
    """Limits as a system keeps them, which grants up to ``most`` whatever its hard limit says."""

    def __init__(self, soft: int, hard: int, most: int, error: type[Exception] = ValueError) -> None:
        self.limits, self._most, self._error = (soft, hard), most, error

    def getrlimit(self, _resource: int, /) -> tuple[int, int]:
        return self.limits

    def setrlimit(self, _resource: int, limits: tuple[int, int], /) -> None:
        if limits[0] > self._most:
            raise self._error("current limit exceeds maximum limit")
        self.limits = limits


@pytest.mark.parametrize(
    ("system", "soft"),
    [
        (System(1024, 524_288, 524_288), 32_768),
        (System(1024, 4096, 4096), 4096),
        (System(65_536, 65_536, 65_536), 65_536),
        (System(UNLIMITED, UNLIMITED, 0), UNLIMITED),
        (System(256, UNLIMITED, 61_440), 32_768),
        (System(256, UNLIMITED, 24_576), 10_240),
        (System(256, UNLIMITED, 0, OSError), 256),
        (System(20_000, UNLIMITED, 24_576), 20_000),
    ],
)
def test_the_limit_is_raised_as_far_as_it_goes(system: System, soft: int) -> None:
    connections = connections_at_once(system)
    assert system.limits[0] == soft
    assert connections == ((32_768 if soft == UNLIMITED else soft) - 64) // 3
