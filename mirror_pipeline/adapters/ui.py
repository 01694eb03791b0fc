"""Starting the Dagster UI and daemon as processes of their own (``dagster dev``)."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path

from mirror_pipeline.adapters.signals import signals_interrupt
from mirror_pipeline.errors import PortInUseError

_GRACE_SECONDS = 20.0
_LOOK_AGAIN_SECONDS = 2.0
_RELOAD_SECONDS = 120.0
_RELOAD = "mutation { reloadWorkspace { __typename } }"


def run_ui(
    host: str, port: int, environ: Mapping[str, str], on_start: Callable[[], None], config: Path | None = None
) -> int:
    """Run until interrupted; returns 0 for a wanted end, 3 where it ended by itself.

    ``on_start`` is called when the port is known to be free. When the content of ``config`` changes,
    definitions are loaded anew: runs read it as it is, and the daemon must not go on with what it was.
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
    read = _content(config)
    with signals_interrupt():  # before it is started: a child inherits that a shell had Ctrl-C ignored
        process = subprocess.Popen(command, env=dict(environ), start_new_session=True)
        try:
            return _watch(process, host, port, config, read)
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


def _watch(process: subprocess.Popen[bytes], host: str, port: int, config: Path | None, read: bytes) -> int:
    """Wait for the end, and let the definitions be loaded when there is something else to read."""
    while (code := _ended(process)) is None:
        now = _content(config)
        if now != read and _reload(host, port):
            read = now
    return 0 if code == 0 else 3


def _ended(process: subprocess.Popen[bytes]) -> int | None:
    """The exit code, or None after a while."""
    try:
        return process.wait(_LOOK_AGAIN_SECONDS)
    except subprocess.TimeoutExpired:
        return None


def _content(path: Path | None) -> bytes:
    """What is in a file; b'' while it is being replaced."""
    try:
        return path.read_bytes() if path else b""
    except OSError:
        return b""


def _reload(host: str, port: int) -> bool:
    """Whether the webserver has loaded the definitions anew; not while it begins."""
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - asks, and does not listen
    name = f"[{here}]" if ":" in here else here
    headers = {"Content-Type": "application/json"}
    body = json.dumps({"query": _RELOAD}).encode()
    request = urllib.request.Request(f"http://{name}:{port}/graphql", body, headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=_RELOAD_SECONDS) as answer:
            return bool(json.load(answer)["data"])
    except (OSError, ValueError, LookupError):
        return False


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
