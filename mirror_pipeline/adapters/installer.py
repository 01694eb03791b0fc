"""A real installer as judge: uv resolves a target's pins against the published mirror, and only that.

``uv pip install --dry-run`` takes platform and Python of the target as options, fetches metadata and
no wheel, and installs nothing. It cannot simulate free-threaded builds; those are judged by tags.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from uv import find_uv_bin

from mirror_pipeline.domain.redaction import without_login
from mirror_pipeline.domain.target import Target
from mirror_pipeline.errors import InstallerError

_PLATFORMS = {
    "linux-x86_64": "x86_64-manylinux_2_40",
    "linux-aarch64": "aarch64-manylinux_2_40",
    "macos-arm64": "aarch64-apple-darwin",
    "macos-x86_64": "x86_64-apple-darwin",
    "windows-amd64": "x86_64-pc-windows-msvc",
    "windows-arm64": "aarch64-pc-windows-msvc",
    "musllinux-x86_64": "x86_64-unknown-linux-musl",
    "musllinux-aarch64": "aarch64-unknown-linux-musl",
}
_NEWEST_MACOS = "26.0"
_TIMEOUT = 300.0
_LOOPBACK = "127.0.0.1,localhost"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the installer said: '' where it found everything."""

    complaint: str = ""

    @property
    def found_everything(self) -> bool:
        """Whether every requirement could be had."""
        return not self.complaint


def can_judge(target: Target) -> bool:
    """Whether the installer can pretend to be this target."""
    return not target.python.free_threaded and target.platform.name in _PLATFORMS


def find_installer() -> str:
    """Path of the uv that came with this environment. Not for threads: it asks ``sysconfig``."""
    try:
        return find_uv_bin()
    except FileNotFoundError as error:
        raise InstallerError(
            "uv is not installed", hint="pip install uv", command="uv", reason=str(error)
        ) from None


def judge(
    uv: str,
    index_url: str,
    requirements: Sequence[str],
    target: Target,
    sdists: Sequence[str] = (),
    cache: Path | None = None,
) -> Verdict:
    """Let uv look for pinned ``requirements`` on one index, for one target.

    It begins with an empty cache, or with the one in ``cache``: an index that is looked at for many targets
    need not be asked for the same pages each time. ``sdists`` are the projects that may be served as source.
    The URL may hold a login: it is handed over where other users of the machine cannot see it, and is not
    repeated.
    """
    with tempfile.TemporaryDirectory(prefix="mirror-judge-") as scratch:
        listing = Path(scratch) / "requirements.txt"
        listing.write_text("".join(f"{line}\n" for line in requirements), encoding="utf-8")
        options = _options(listing, target, sdists, Path(scratch))
        command = [uv, *options, "--cache-dir", str(cache or Path(scratch) / "cache")]
        result = _run(command, index_url, scratch)
    if result.returncode == 0:
        return Verdict()
    said = without_login(" ".join(result.stderr.split()))
    return Verdict(said[-600:] or f"uv ended with {result.returncode}")


def _options(listing: Path, target: Target, sdists: Sequence[str], scratch: Path) -> list[str]:
    allowed = [option for project in sdists for option in ("--no-binary", project)]
    return [
        "pip", "install", "--dry-run", "--no-deps", "--no-config", "--no-progress",
        "--python", sys.executable, "--target", str(scratch / "nothing"),
        "--python-platform", _PLATFORMS[target.platform.name], "--python-version", str(target.python),
        "--only-binary", ":all:", *allowed, "--requirement", str(listing),
    ]  # fmt: skip


def _run(command: Sequence[str], index_url: str, scratch: str) -> subprocess.CompletedProcess[str]:
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("UV_", "PIP_"))}
    direct = ",".join(filter(None, (inherited.get("no_proxy") or inherited.get("NO_PROXY"), _LOOPBACK)))
    env = {
        **inherited,
        "MACOSX_DEPLOYMENT_TARGET": _NEWEST_MACOS,
        "NO_PROXY": direct,
        "no_proxy": direct,
        "TMPDIR": scratch,
        "UV_DEFAULT_INDEX": index_url,
        "UV_PYTHON_DOWNLOADS": "never",
    }
    try:
        return subprocess.run(command, capture_output=True, text=True, env=env, timeout=_TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InstallerError(f"uv did not run: {error}", command=command[0], reason=str(error)) from error
