"""The UI's processes end with the command that started them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from mirror_pipeline_tests.aws_servers import free_port
from mirror_pipeline_tests.browsers import PATIENCE, ROOT, awaited


def test_where_a_shell_ignores_ctrl_c_an_end_leaves_nobody_at_the_port(tmp_path: Path) -> None:
    """As in a script with ``&``: what is started there inherits that SIGINT is ignored."""
    config = tmp_path / "config.env"
    config.write_text(f"ORBIT_PROJECT={ROOT / 'examples/orbit-core-agent'}\nMIRROR_PYTHONS=3.12\n", "utf-8")
    port = free_port()
    log = tmp_path / "log"
    script = 'trap "" INT; exec "$@"'
    command = [sys.executable, "-m", "mirror_pipeline", "ui", "--config", str(config), "--port", str(port)]
    paths = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["/bin/sh", "-c", script, "sh", *command],
            env={**os.environ, "PYTHONPATH": paths},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        awaited(f"http://127.0.0.1:{port}", process, log)
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(PATIENCE)

    assert code == 0
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0, "the webserver is still there"
