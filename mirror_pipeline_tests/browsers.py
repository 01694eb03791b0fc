"""The Dagster UI of a mirror as a process, and a browser that looks at it.

The browser is Debian's chromium, driven by Playwright for Python. ``TEST_CHROMIUM`` names another one.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mirror_pipeline_tests.aws_servers import free_port

if TYPE_CHECKING:
    from playwright.sync_api import Page

ROOT = Path(__file__).parents[1]
PATIENCE = 90.0
"""Seconds for one step of the UI: a run is a process of its own, and other tests want the processors too."""
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_STRANGERS = ("MIRROR_", "ORBIT_", "DAGSTER_", "BUCKET_", "AWS_", "CLOUDFRONT_", "S3_")


def chromium() -> str:
    """Path of the browser; skips where it or Playwright is missing, and fails in CI."""
    found = os.environ.get("TEST_CHROMIUM") or shutil.which("chromium")
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        found, missing = None, "playwright is not installed"
    else:
        missing = "no chromium on PATH, and TEST_CHROMIUM is not set"
    if found:
        return found
    message = f"{missing}: nobody looks at the UI in a browser (see CONTRIBUTING.md)"
    if os.environ.get("CI"):
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


@contextmanager
def browsing(program: str, width: int = 1400, height: int = 1000) -> Iterator[Page]:
    """One page of a new browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(_FLAGS))
        page = browser.new_page(viewport={"width": width, "height": height})
        page.set_default_timeout(PATIENCE * 1000)
        try:
            yield page
        finally:
            browser.close()


@contextmanager
def running_ui(config: Path, log: Path, **environ: str) -> Iterator[str]:
    """``mirror-pipeline ui`` for a configuration, once it answers; the value is its address."""
    port = free_port()
    command = [sys.executable, "-m", "mirror_pipeline", "ui", "--config", str(config), "--port", str(port)]
    kept = {key: value for key, value in os.environ.items() if not key.startswith(_STRANGERS)}
    paths = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env={**kept, "PYTHONPATH": paths, **environ},
            cwd=config.parent,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        awaited(url, process, log)
        yield url
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def awaited(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Return once the UI answers; fails with its log where it does not come up."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if asked(url, "{ workspaceOrError { __typename } }"):
                return
        except OSError:
            time.sleep(0.2)  # it does not listen yet
    raise AssertionError(f"the UI did not come up:\n{log.read_text('utf-8', 'replace')[-3000:]}")


def asked(url: str, query: str) -> Mapping[str, object]:
    """What the UI's own interface answers."""
    body = json.dumps({"query": query}).encode()
    request = urllib.request.Request(f"{url}/graphql", body, {"Content-Type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=PATIENCE) as reply:  # noqa: S310
        answer: Mapping[str, object] = json.load(reply)
    return answer


def materialized(page: Page, confirm: str = "") -> None:
    """Click on "Materialize", follow the run that this launches, and see it succeed."""
    page.get_by_role("button", name="Materialize").first.click()
    if confirm:
        page.get_by_role("button", name=confirm).click()
    page.get_by_text("View", exact=True).click()
    page.wait_for_url("**/runs/*")
    page.get_by_text("RUN_SUCCESS", exact=True).first.wait_for()
