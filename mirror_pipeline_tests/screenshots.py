"""The screenshots of ``docs/images``: python -m mirror_pipeline_tests.screenshots [FOLDER]

Mirrors the bundled example into a folder that is not there yet (its name can be seen in the pictures), starts
the UI on it and a browser, and takes the pictures; first those of the site for people, served at port 8080.
Wants an index to mirror from, and Debian's chromium.
"""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mirror_pipeline.adapters.server import serving
from mirror_pipeline_tests.browsers import ROOT, browsing, chromium, materialized, running_ui

if TYPE_CHECKING:
    from playwright.sync_api import Page

FOLDER = Path("/srv/mirror_pipeline")
IMAGES = ROOT / "docs" / "images"
GROUPS = ("lock_files", "wheel_sets", "publication")
PLATFORM, GAPPY = "macos-arm64", "windows-arm64"
CONFIG = f"""\
ORBIT_PROJECT=examples/orbit-core-agent
MIRROR_PYTHONS=3.10,3.11,3.12,3.13,3.14
MIRROR_PLATFORMS=linux-x86_64,linux-aarch64,macos-arm64,windows-amd64,{GAPPY}
MIRROR_OWNERS=team:platform,ann@example.com
"""
_PIECE, _PAUSE = 16 * 1024, 0.06


class _SlowLane(SimpleHTTPRequestHandler):
    """Serves files as a slow line would, so that there is a progress to be seen."""

    def copyfile(self, source: Any, outputfile: Any) -> None:
        """Piece by piece."""
        while piece := source.read(_PIECE):
            outputfile.write(piece)
            time.sleep(_PAUSE)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Nothing."""


@contextmanager
def slow_index(site: Path) -> Iterator[str]:
    """A published mirror as an index that others mirror from."""
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_SlowLane, directory=str(site))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/simple/"
        server.shutdown()


def mirrored(folder: Path) -> Path:
    """The bundled example, mirrored; returns the configuration file."""
    folder.mkdir(parents=True)
    shutil.copytree(ROOT / "examples", folder / "examples")
    config = folder / "config.env"
    config.write_text(CONFIG, encoding="utf-8")
    command = [sys.executable, "-m", "mirror_pipeline", "refresh", "--config", str(config)]
    subprocess.run(command, check=False, cwd=ROOT)  # exit 1: there are gaps, and they are to be seen
    return config


def forget_wheels(home: Path, platform: str) -> None:
    """Remove a platform's files from the store, so that they are fetched again."""
    document = json.loads((home / "documents" / "wheels" / f"{platform}.json").read_text("utf-8"))
    for held in document["held"]:
        (home / "packages" / held["artifact"]["file"]).unlink()


def damage_a_wheel(home: Path) -> None:
    """Change the last byte of a file that no platform owns alone."""
    path = min((home / "packages").glob("*-none-any.whl"))
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


SITE_PICTURES = (
    ("site-front", "/", (1280, 1200), "light"),
    ("site-project", "/project/orjson/", (1280, 1080), "light"),
    ("site-phone", "/", (390, 844), "dark"),
)
"""Name, path, size and colours."""


def picture_site(site: Path, images: Path = IMAGES) -> None:
    """The site for people, as a desk and a phone show it."""
    with serving(site, port=8080) as url, browsing(chromium()) as first:
        browser = first.context.browser
        assert browser is not None
        for name, path, (width, height), scheme in SITE_PICTURES:
            page = browser.new_page(
                viewport={"width": width, "height": height},
                color_scheme="dark" if scheme == "dark" else "light",
                device_scale_factor=2 if width < 500 else 1,
            )
            page.goto(f"{url}{path}")
            page.wait_for_load_state("networkidle")
            picture = images / f"{name}.png"
            page.screenshot(path=picture)
            print(picture, f"{picture.stat().st_size / 1000:.0f} kB")  # noqa: T201
            page.close()


class Camera:
    """Takes pictures of one UI."""

    def __init__(self, page: Page, url: str, home: Path) -> None:
        self.page, self.url, self.home = page, url, home

    def take(self, name: str, width: int, height: int) -> None:
        """The page as it is now, at a size."""
        self.page.set_viewport_size({"width": width, "height": height})
        self.page.wait_for_load_state("networkidle")
        self.page.wait_for_timeout(1500)  # animations
        path = IMAGES / f"{name}.png"
        self.page.screenshot(path=path)
        print(path, f"{path.stat().st_size / 1000:.0f} kB")  # noqa: T201

    def graph(self) -> None:
        """All groups open. The address knows which are, and a graph that is opened anew fits its window."""
        self.page.set_viewport_size({"width": 1700, "height": 500})
        self.page.goto(f"{self.url}/asset-groups")
        for group in GROUPS:
            self.page.locator(f"[data-tooltip={group}]").click()
        self.page.reload()
        self.page.get_by_text("s3_sync", exact=True).first.wait_for()
        self.take("ui-graph", 1700, 500)

    def coverage(self) -> None:
        """The plan of a platform that has gaps."""
        self.page.goto(f"{self.url}/assets/wheel_plan?view=partitions&partition={GAPPY}")
        self.page.get_by_text("gap list").wait_for()
        self.take("ui-coverage", 1300, 960)

    def wheels(self) -> None:
        """A partition with its chart."""
        self.page.goto(f"{self.url}/assets/wheels?view=partitions&partition={PLATFORM}")
        self.page.locator("img[alt^='the biggest']").wait_for()
        self.take("ui-wheels", 1300, 900)

    def run(self) -> None:
        """The log of a run that fetches, by a click."""
        forget_wheels(self.home, PLATFORM)
        self.page.goto(f"{self.url}/assets/wheels?view=partitions&partition={PLATFORM}")
        materialized(self.page, "Launch 1 run")
        self.page.reload()  # without the note that a run was launched
        self.page.get_by_placeholder("Filter…").fill("files/s")
        self.page.get_by_text("43/43 files").wait_for()
        self.take("ui-run", 1300, 760)

    def report(self) -> None:
        """The report that passed: layers, coverage, freshness, owners."""
        self.page.goto(f"{self.url}/assets/verification_report")
        self.page.get_by_text("Passing").first.wait_for()
        self.take("ui-report", 1450, 1180)

    def checks(self) -> None:
        """The check that finds a damaged file."""
        damage_a_wheel(self.home)
        self.page.goto(f"{self.url}/assets/verification_report")
        materialized(self.page)
        self.page.goto(f"{self.url}/assets/verification_report?view=checks&checkDetail=integrity")
        self.page.get_by_text("Latest execution").wait_for()
        self.take("ui-checks", 1300, 820)


def main(folder: Path = FOLDER) -> None:
    """Mirror, look, take pictures."""
    config = mirrored(folder)
    home = folder / "mirror"
    picture_site(home / "site")
    shutil.copytree(home / "site", folder / "upstream")
    with (
        slow_index(folder / "upstream") as index,
        running_ui(
            config, folder / "ui.log", MIRROR_INDEX_URL=index, MIRROR_CONCURRENCY="4",
            FRESHNESS_DAEMON_INTERVAL_SECONDS="2",
        ) as url,
        browsing(chromium()) as page,
    ):  # fmt: skip
        camera = Camera(page, url, home)
        pictures: tuple[Callable[[], None], ...] = (
            camera.graph, camera.coverage, camera.run, camera.wheels, camera.report, camera.checks,
        )  # fmt: skip
        for take in pictures:
            take()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
