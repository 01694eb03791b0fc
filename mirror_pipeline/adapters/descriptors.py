"""How many connections this process may keep open."""

from __future__ import annotations

import resource

_PER_CONNECTION = 3
"""Its socket, and for a file the file and a duplicate of the socket."""
_OTHERS = 64
_ENOUGH = 32_768


def connections_at_once() -> int:
    """Raise the soft limit as far as anybody needs, and tell what that is enough for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    there = _ENOUGH if soft == resource.RLIM_INFINITY else soft
    return max((there - _OTHERS) // _PER_CONNECTION, 1)
