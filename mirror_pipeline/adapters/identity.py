"""Who runs this: for the records of a publication, and to tell a dead process from one at work."""

from __future__ import annotations

import getpass
import os
import socket


def user() -> str:
    """The user's name; where the system has none for the number, the number."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no such entry: a container run under any number
        return str(os.getuid())


def host() -> str:
    """The host's name."""
    return socket.gethostname()


def process() -> int:
    """This process's number."""
    return os.getpid()


def is_alive(number: int) -> bool:
    """Whether a process of this host runs; one of another user counts as running."""
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
