"""Starting the Dagster UI and daemon as processes of their own (``dagster dev``)."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping

from mirror_pipeline.adapters.signals import signals_interrupt
from mirror_pipeline.errors import PortInUseError

_GRACE_SECONDS = 20.0


def run_ui(host: str, port: int, environ: Mapping[str, str], on_start: Callable[[], None]) -> int:
    """Run until interrupted; returns 0 for a wanted end, 3 where it ended by itself.

    ``on_start`` is called when the port is known to be free.
    """
    _refuse_busy_port(host, port)
    on_start()
    command = [
        sys.executable,
        "-m",
        "dagster",
        "dev",
        "-m",
        "mirror_pipeline.definitions",
        "-h",
        host,
        "-p",
        str(port),
    ]
    with signals_interrupt():  # before it is started: a child inherits that a shell had Ctrl-C ignored
        process = subprocess.Popen(command, env=dict(environ), start_new_session=True)
        try:
            return 0 if process.wait() == 0 else 3
        except KeyboardInterrupt:
            _end(process)
            return 0


def _end(process: subprocess.Popen[bytes]) -> None:
    """Let it end its services; where it takes too long, end them all, or the web server would stay."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _refuse_busy_port(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PortInUseError(
                f"{host}:{port} cannot be listened on: {error.strerror}",
                hint="choose another with --port",
                host=host,
                port=port,
            ) from None
