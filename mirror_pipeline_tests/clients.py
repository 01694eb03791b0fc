"""pip and uv as clients of a mirror and nothing else: no cache, no configuration, no other index."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from mirror_pipeline.adapters.installer import find_installer

PATIENCE = 240.0


@dataclass(frozen=True)
class Installed:
    """How an installation ended: exit code, what was printed, and the distributions that are there now."""

    code: int
    output: str
    distributions: frozenset[str]


def pip_install(index_url: str, *requirements: str) -> Installed:
    """Let pip install into an empty folder."""
    options = ["--disable-pip-version-check", "--no-cache-dir", "--index-url", index_url, "--retries", "0"]
    return _install([sys.executable, "-m", "pip", "install", *options], requirements)


def uv_install(index_url: str, *requirements: str) -> Installed:
    """Let uv install into an empty folder."""
    options = ["--no-config", "--no-cache", "--python", sys.executable, "--default-index", index_url]
    return _install([find_installer(), "pip", "install", *options], requirements)


def _install(command: list[str], requirements: tuple[str, ...]) -> Installed:
    with tempfile.TemporaryDirectory(prefix="mirror-client-") as scratch:
        target = Path(scratch) / "installed"
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": scratch,
            "PIP_CONFIG_FILE": os.devnull,
            "NO_PROXY": "*",
            "UV_PYTHON_DOWNLOADS": "never",
        }
        done = subprocess.run(
            [*command, "--target", str(target), *requirements],
            cwd=scratch, env=environ, capture_output=True, text=True, timeout=PATIENCE, check=False,
        )  # fmt: skip
        found = target.glob("*.dist-info") if target.is_dir() else ()
        names = frozenset(path.name.removesuffix(".dist-info") for path in found)
        return Installed(done.returncode, done.stdout + done.stderr, names)
