"""A network that is closed but for this machine itself, for clients that are given a mirror and nothing else.

Where Linux allows it that is a network namespace with nothing in it but a loopback interface: server and
clients run inside, and to whatever else a client would turn, there is no way. Elsewhere every proxy variable
leads to a port where nobody listens. ``Closed.how`` says which of the two it is.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from mirror_pipeline_tests.aws_servers import free_port

NAMESPACE = "a network namespace with a loopback interface and no other"
PROXIES = "proxy variables that lead to a closed port"

_KEEPER = """
import fcntl, socket, struct, sys
SET_FLAGS, UP = 0x8914, 1
with socket.socket() as any_socket:
    fcntl.ioctl(any_socket, SET_FLAGS, struct.pack("16sH14x", b"lo", UP))
print("up", flush=True)
sys.stdin.read()
"""
"""Holds a namespace until its standard input is closed, which the end of this process does too."""

_WAYS_IN: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("unshare", "--net"), ("--net",)),
    (("unshare", "--net", "--map-root-user"), ("--net", "--user", "--preserve-credentials")),
)
"""How a namespace is made and entered: by root, and by anybody where the kernel has user namespaces."""


@dataclass(frozen=True)
class Closed:
    """Where programs run that are to reach nothing but this machine."""

    how: str
    port: int
    """Where a server may listen."""
    entrance: tuple[str, ...] = ()
    proxies: Mapping[str, str] = field(default_factory=dict)

    def inside(self, command: Sequence[str]) -> list[str]:
        """The command as it is called from outside."""
        return [*self.entrance, *command]


@contextmanager
def closed_network() -> Iterator[Closed]:
    """The best that this machine has."""
    with _namespace() as namespace:
        yield namespace or proxies()


@contextmanager
def _namespace() -> Iterator[Closed | None]:
    for made, entered in _WAYS_IN:
        if not (shutil.which("unshare") and shutil.which("nsenter")):
            break
        with subprocess.Popen(
            [*made, sys.executable, "-c", _KEEPER],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        ) as keeper:  # fmt: skip
            assert keeper.stdout is not None
            if keeper.stdout.readline() == "up\n":
                # The port of the documentation: in a network of its own it is free.
                yield Closed(NAMESPACE, 8080, ("nsenter", f"--target={keeper.pid}", *entered, "--"))
                return
    yield None


def proxies() -> Closed:
    """What is left where no namespace can be made: every tool that honours them goes to nobody."""
    nobody = f"http://127.0.0.1:{free_port()}"
    names = ("http_proxy", "https_proxy", "all_proxy")
    closed = {name: nobody for lower in names for name in (lower, lower.upper())}
    return Closed(PROXIES, free_port(), (), {**closed, "no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"})
