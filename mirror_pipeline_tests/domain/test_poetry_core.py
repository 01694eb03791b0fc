"""poetry-core is a guest: what it brings along never stands in for what is installed."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["tomli", "packaging"])
def test_the_installed_library_is_used_and_not_the_copy_that_poetry_core_brings(module: str) -> None:
    code = f"import mirror_pipeline.lockfiles.formats, {module}; print({module}.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert module in done.stdout
    assert "poetry" not in done.stdout
