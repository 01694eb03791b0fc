"""Projects locked by uv, pdm, pipenv and uv's pip-compile, mirrored, and installed again by the same tool.

The tool locks against an upstream made on the spot; the command line mirrors that lock; then the upstream is
closed and the tool installs from the mirror alone. pdm and pipenv are taken from TEST_PDM and TEST_PIPENV
(paths of the commands) or from PATH; a missing one is a skip that says so, and a failure in CI.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import tomli_w

import mirror_pipeline
from mirror_pipeline.adapters.installer import find_installer
from mirror_pipeline.adapters.server import serving
from mirror_pipeline_tests.mirrors import LINUX, LINUX_ARM, MACOS, WINDOWS
from mirror_pipeline_tests.upstreams import FakeUpstream
from mirror_pipeline_tests.wheels import Dist, sdist, wheel

NATIVE = tuple(wheel("native", tag=tag, requires=["pure>=1"]) for tag in (LINUX, LINUX_ARM, MACOS, WINDOWS))
DISTS = (
    wheel("pure", "1.0"),
    wheel("pure", "2.0"),
    sdist("pure", "2.0"),
    *NATIVE,
    wheel("fast", "3.1", requires=["faster ; extra == 'turbo'"]),
    wheel("faster", "0.9"),
    wheel("checker", "7.0", requires=["pure"]),
    wheel("winonly", "1.0"),
)
MAIN = ["native", "winonly ; sys_platform == 'win32'"]
EXTRA, DEV = ["fast[turbo]"], ["checker"]
ROOT = Path(mirror_pipeline.__file__).parents[1]
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
INSTALLED = {"native==1.0", "pure==2.0"}
"""What a bare installation puts onto this machine, whatever it is."""
EVERYTHING = INSTALLED | {"fast==3.1", "faster==0.9", "checker==7.0"}


def tool(variable: str, command: str) -> str:
    """Path of a tool that is no dependency of ours."""
    found = os.environ.get(variable) or shutil.which(command)
    if not found:
        missing = f"no {command} on PATH and {variable} is not set: nothing is installed with {command} here"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(missing, pytrace=False)
        pytest.skip(missing)
    return found


@pytest.fixture(scope="module")
def uv() -> str:
    return find_installer()


@pytest.fixture
def upstream() -> Iterator[FakeUpstream]:
    with FakeUpstream() as upstream:
        for dist in DISTS:
            upstream.add(dist)
        yield upstream


class Place:
    """A folder with a project, as clean as a new machine: no caches, no configuration, no other index."""

    def __init__(self, root: Path) -> None:
        self.root, self.project = root, root / "shop"
        self.project.mkdir()

    @property
    def environment(self) -> dict[str, str]:
        """PATH and places of its own for what tools keep; no index but the one that is asked for."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.root / "user"),
            "UV_CACHE_DIR": str(self.root / "cache/uv"),
            "UV_PYTHON": sys.executable,
            "UV_PYTHON_DOWNLOADS": "never",
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_CACHE_DIR": str(self.root / "cache/pip"),
            "PDM_CHECK_UPDATE": "0",
            "PDM_CACHE_DIR": str(self.root / "cache/pdm"),
            "PDM_USE_VENV": "1",
            "PIPENV_CACHE_DIR": str(self.root / "cache/pipenv"),
            "PIPENV_VENV_IN_PROJECT": "1",
            "PIPENV_NOSPIN": "1",
            "PIPENV_PYTHON": sys.executable,
            "NO_COLOR": "1",
        }

    def write(self, name: str, content: str | Mapping[str, Any]) -> None:
        """A file of the project."""
        text = content if isinstance(content, str) else tomli_w.dumps(content)
        (self.project / name).write_text(text)

    def run(self, *command: str, **environ: str) -> str:
        """Run a tool in the project; its output."""
        done = subprocess.run(
            command,
            cwd=self.project,
            env={**self.environment, **environ},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def mirror(self, index: str, lock: str, **settings: str) -> Mapping[str, Any]:
        """Mirror the project's lock with the command line; its answer, which must be without a gap."""
        values = {
            "ORBIT_PROJECT": f"shop/{lock}",
            "MIRROR_HOME": "home",
            "MIRROR_PLATFORMS": "linux-x86_64,linux-aarch64,macos-arm64,windows-amd64",
            "MIRROR_PYTHONS": PYTHON,
            "MIRROR_INDEX_URL": index,
            **settings,
        }
        config = self.root / "config.env"
        config.write_text("".join(f"{key}={value}\n" for key, value in values.items()))
        command = (sys.executable, "-m", "mirror_pipeline", "refresh", "--json", "--config", str(config))
        answer: Mapping[str, Any] = json.loads(self.run(*command, PYTHONPATH=str(ROOT)))
        assert answer["status"] == "ok", answer
        return answer

    @property
    def site(self) -> Path:
        return self.root / "home/site"

    def installed(self, uv: str, python: str = ".venv") -> set[str]:
        """What is installed in the project's environment, tools left out."""
        listing = json.loads(self.run(uv, "pip", "list", "--format", "json", "--python", python))
        ours = {dist.project for dist in DISTS}
        return {f"{item['name']}=={item['version']}" for item in listing if item["name"] in ours}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def files_of(dists: tuple[Dist, ...]) -> set[str]:
    return {dist.file for dist in dists}


def mirrored(place: Place) -> set[str]:
    return {path.name for path in (place.root / "home/packages").iterdir() if path.suffix != ".metadata"}


WHEELS = files_of(tuple(dist for dist in DISTS if dist.version != "1.0" or dist.project != "pure")) - {
    "pure-2.0.tar.gz"
}


def standard_project(**more: Any) -> Mapping[str, Any]:
    return {
        "project": {
            "name": "shop",
            "version": "1.0",
            "requires-python": ">=3.10",
            "dependencies": MAIN,
            "optional-dependencies": {"speed": EXTRA},
        },
        "dependency-groups": {"dev": DEV},
        **more,
    }


def test_a_project_of_uv(place: Place, upstream: FakeUpstream, uv: str) -> None:
    place.write("pyproject.toml", standard_project())
    place.run(uv, "lock", "--default-index", upstream.url)
    place.mirror(upstream.url, "uv.lock")
    upstream.close()

    assert mirrored(place) == WHEELS
    with serving(place.site) as mirror:
        index = f"{mirror}/simple/"
        place.run(uv, "sync", "--all-extras", "--default-index", index)
        assert place.installed(uv) == EVERYTHING
        place.run(uv, "sync", "--no-dev", "--default-index", index)
        assert place.installed(uv) == INSTALLED
        place.run(uv, "venv", "-q", "other")
        requirements = str(place.root / "requirements-prod.txt")
        place.run(
            uv,
            "pip",
            "sync",
            "--require-hashes",
            "--default-index",
            index,
            "--python",
            "other",
            requirements,
        )
        assert place.installed(uv, "other") == INSTALLED
    assert upstream.url not in (place.project / "uv.lock").read_text()


def test_a_project_of_pdm(place: Place, upstream: FakeUpstream, uv: str) -> None:
    pdm = tool("TEST_PDM", "pdm")
    place.write("pyproject.toml", standard_project(tool={"pdm": {"distribution": False}}))
    place.run(uv, "venv", "-q", ".venv")
    place.run(pdm, "lock", "-G", ":all", PDM_PYPI_URL=upstream.url)
    place.mirror(upstream.url, "pdm.lock")
    upstream.close()

    assert mirrored(place) == WHEELS
    with serving(place.site) as mirror:
        place.run(pdm, "sync", "--no-self", "--prod", PDM_PYPI_URL=f"{mirror}/simple/")
        assert place.installed(uv) == INSTALLED
        place.run(pdm, "sync", "--no-self", "-G", ":all", PDM_PYPI_URL=f"{mirror}/simple/")
        assert place.installed(uv) == EVERYTHING


def test_a_project_of_pipenv(place: Place, upstream: FakeUpstream, uv: str) -> None:
    pipenv = tool("TEST_PIPENV", "pipenv")
    place.write(
        "Pipfile",
        {
            "source": [{"name": "pypi", "url": "${SHOP_INDEX}", "verify_ssl": False}],
            "packages": {"native": "*", "winonly": {"version": "*", "markers": "sys_platform == 'win32'"}},
            "dev-packages": {"checker": "*"},
            "speed": {"fast": {"version": "*", "extras": ["turbo"]}},
        },
    )
    place.run(pipenv, "lock", SHOP_INDEX=upstream.url)
    answer = place.mirror(upstream.url, "Pipfile.lock")
    upstream.close()

    assert answer["gaps"] == []
    # pipenv locks what the machine needs that it runs on.
    unlocked = set() if sys.platform == "win32" else {"winonly-1.0-py3-none-any.whl"}
    assert mirrored(place) == WHEELS - unlocked
    with serving(place.site) as mirror:
        place.run(pipenv, "sync", SHOP_INDEX=f"{mirror}/simple/")
        assert place.installed(uv) == INSTALLED
        place.run(
            pipenv, "sync", "--categories", "packages dev-packages speed", SHOP_INDEX=f"{mirror}/simple/"
        )
        assert place.installed(uv) == EVERYTHING


def test_requirements_with_hashes(place: Place, upstream: FakeUpstream, uv: str) -> None:
    place.write("main.in", "\n".join(MAIN))
    place.write("dev.in", "\n".join([*DEV, *EXTRA]))
    for name in ("main", "dev"):
        place.run(
            *(uv, "pip", "compile", "-q", "--universal", "--generate-hashes", "--no-strip-extras"),
            *("--default-index", upstream.url, f"{name}.in", "-o", f"{name}.txt"),
        )
    place.mirror(upstream.url, "main.txt", MIRROR_REQUIREMENTS_DEV="shop/dev.txt")
    upstream.close()

    assert mirrored(place) == WHEELS
    place.run(sys.executable, "-m", "venv", ".venv")
    pip = (".venv/bin/python", "-m", "pip", "install", "-q", "--require-hashes")
    with serving(place.site) as mirror:
        place.run(*pip, "--index-url", f"{mirror}/simple/", "-r", "main.txt")
        assert place.installed(uv) == INSTALLED
        place.run(*pip, "--index-url", f"{mirror}/simple/", "-r", "dev.txt")
        assert place.installed(uv) == EVERYTHING


def test_a_pylock_written_by_uv(place: Place, upstream: FakeUpstream, uv: str) -> None:
    place.write("main.in", "\n".join([*MAIN, *EXTRA, *DEV]))
    place.run(
        *(uv, "pip", "compile", "-q", "--universal", "--format", "pylock.toml"),
        *("--default-index", upstream.url, "main.in", "-o", "pylock.toml"),
    )
    place.mirror(upstream.url, "pylock.toml")
    upstream.close()

    assert mirrored(place) == WHEELS
    place.run(uv, "venv", "-q", ".venv")
    lock = next((place.site / "pylock").glob("pylock.linux-x86_64.toml"))
    place.run(uv, "pip", "install", "--offline", "--python", ".venv", "-r", str(lock))
    assert place.installed(uv) == EVERYTHING
