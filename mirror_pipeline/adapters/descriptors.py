"""How many connections this process may keep open."""

from __future__ import annotations

import resource
from contextlib import suppress
from typing import Protocol

_PER_CONNECTION = 3
"""Its socket, and for a file the file and a duplicate of the socket."""
_OTHERS = 64
_ENOUGH = 32_768
_WITHOUT_ASKING = 10_240
"""What macOS grants in any case; how much more, its limits do not say: the hard one reads 'unlimited'."""


class Limits(Protocol):
    """What the system says about this process; the module ``resource`` does."""

    def getrlimit(self, resource: int, /) -> tuple[int, int]:
        """Soft and hard."""

    def setrlimit(self, resource: int, limits: tuple[int, int], /) -> None:
        """Change them, or raise ``ValueError`` or ``OSError``."""


def connections_at_once(limits: Limits = resource) -> int:
    """Raise the soft limit as far as anybody needs, and tell what that is enough for."""
    soft, hard = limits.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    for raised in (wanted, min(wanted, _WITHOUT_ASKING)):
        if soft == resource.RLIM_INFINITY or soft >= raised:
            break
        with suppress(ValueError, OSError):
            limits.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
            soft = raised
    there = _ENOUGH if soft == resource.RLIM_INFINITY else soft
    return max((there - _OTHERS) // _PER_CONNECTION, 1)
