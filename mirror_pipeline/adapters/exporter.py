"""``poetry export`` as a writer of requirement files, for teams that want the official exporter's text.

Optional (``MIRROR_EXPORTER=poetry``) and not the default: it refuses locks that are older than their
pyproject.toml, and for locks up to format 2.0 it exports more than the installer installs.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from mirror_pipeline.errors import ExporterError

_TIMEOUT = 300.0


def poetry_export(project: Path, *, everything: bool) -> str:
    """Requirements with hashes of a project's lock: the main ones, or every group and extra."""
    poetry = shutil.which("poetry")
    if poetry is None:
        raise ExporterError("poetry is not on the PATH", command="poetry", reason="missing")
    command = [
        poetry,
        "export",
        "--format",
        "requirements.txt",
        "--no-interaction",
        "--without-urls",  # an index in there would count for whoever installs, and may hold a login
        "--directory",
        str(project),
    ]
    command += ["--all-groups", "--all-extras"] if everything else ["--only", "main"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ExporterError(
            f"poetry export did not run: {error}", command="poetry", reason=str(error)
        ) from error
    if result.returncode != 0:
        reason = " ".join((result.stderr or result.stdout).split())[:300]
        raise ExporterError(f"poetry export refused: {reason}", command="poetry", reason=reason)
    return result.stdout
