"""The client matrix: which installers, in which versions, install from a mirror, and how each does it.

Every client gets a folder as clean as a new machine, the snippet that people are told to copy, and a network
in which there is nothing but the mirror. ``test_clients.py`` runs the matrix, ``docs/clients.md`` has its
outcome (``client_matrix_doc.py``).

Clients are named by ``TEST_POETRY``, ``TEST_PDM``, ``TEST_PIPENV``, ``TEST_PIP_COMPILE`` and ``TEST_HATCH``
or found on PATH; ``TEST_PIPS`` names a folder with a pip in a folder per version (``.ci/run`` makes all of
them).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli
import tomli_w

from mirror_pipeline.adapters.installer import find_installer
from mirror_pipeline.domain.snippets import Snippet, snippets
from mirror_pipeline.domain.target import Target
from mirror_pipeline_tests.client_matrix_site import PROJECT, Served, Visit, away

NEWEST = 14
_PATIENCE = 240.0
_TOOLS = {"pip", "setuptools", "wheel"}
"""What may be in an environment besides what was asked for."""
_INSTALLED = """
import importlib.metadata as metadata, json
print(json.dumps([f"{dist.metadata['Name']}=={dist.version}" for dist in metadata.distributions()]))
"""


@dataclass(frozen=True)
class Client:
    """A row of the matrix."""

    name: str
    version: str
    way: str
    """What is run."""
    act: Callable[[Bench], None]
    probes: tuple[str, ...] = ()
    """What it asks although a mirror does not have it, and does without; ``NAME`` is any project."""
    newest: int = NEWEST
    """The last Python 3 on which this version was seen to run."""

    @property
    def runs_here(self) -> bool:
        """Whether this Python can run it."""
        return sys.version_info.minor <= self.newest

    def probed(self, visit: Visit) -> set[str]:
        """Which of its probes were seen; what else was asked in vain stands for itself."""
        patterns = {probe: probe.replace("NAME", r"[a-z0-9-]+") for probe in self.probes}
        asked = [(one.status, one.path) for one in visit.in_vain]
        known = {path: probe for probe, pattern in patterns.items() for status, path in asked
                 if status == 404 and re.fullmatch(pattern, path)}  # fmt: skip
        return {known.get(path, f"{status} {path}") for status, path in asked}

    def __str__(self) -> str:
        return f"{self.name} {self.version}: {self.way}"


class Bench:
    """Where one client works: an empty folder, no caches, no configuration, and the way to the mirror."""

    def __init__(self, served: Served, root: Path, client: Client) -> None:
        self.served, self.root, self.client = served, root, client
        self.project = root / "agent"
        self.project.mkdir()

    @property
    def environ(self) -> dict[str, str]:
        """What a program gets: nothing of this machine's configuration, and places of its own."""
        return {
            **self.served.closed.proxies,
            "PATH": os.pathsep.join([str(self.python.parent), os.environ["PATH"]]),
            "HOME": str(self.root / "user"),
            "XDG_CONFIG_DIRS": str(self.root / "user"),
            "TMPDIR": str(self.root),
            "VIRTUAL_ENV": str(self.project / ".venv"),
            "LC_ALL": "C.UTF-8",
            "NO_COLOR": "1",
            "PIP_CONFIG_FILE": os.devnull,
            # Never the interpreter that runs the tests: 'uv pip sync' removes what is not asked for.
            "UV_PYTHON": str(self.python),
            "UV_PYTHON_DOWNLOADS": "never",
            "POETRY_VIRTUALENVS_IN_PROJECT": "1",
            "PDM_CHECK_UPDATE": "0",
            "PIPENV_VENV_IN_PROJECT": "1",
            "PIPENV_IGNORE_VIRTUALENVS": "1",
            "PIPENV_NOSPIN": "1",
            "PIPENV_PYTHON": sys.executable,
        }

    @property
    def python(self) -> Path:
        """Of the environment that is installed into."""
        return self.project / ".venv/bin/python"

    def run(self, *command: str, **environ: str) -> str:
        """Run a program in the project, in the closed network; its output."""
        done = subprocess.run(
            self.served.closed.inside(command), cwd=self.project, env={**self.environ, **environ},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_PATIENCE, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}\n{done.stdout[-6000:]}\n{done.stderr[-6000:]}"
        return done.stdout

    def tool(self, variable: str, command: str) -> str:
        """Path of a client, which has to be of the version that the matrix names."""
        found = os.environ.get(variable) or shutil.which(command)
        if not found:
            away(f"{command} is missing: install it, or name it by {variable} (see CONTRIBUTING.md)")
        said = self.run(found, "--version")
        if self.client.version not in re.findall(r"\d[\w.]*", said):
            away(f"{found} is {said.strip()!r}, and the matrix is about {self.client.version}")
        return found

    def environment(self) -> Path:
        """An environment with nothing in it; its folder for packages."""
        self.run(sys.executable, "-m", "venv", "--without-pip", ".venv")
        (packages,) = self.project.glob(".venv/lib/python*/site-packages")
        return packages

    def snippet(self, language: str) -> Snippet:
        """The first thing in this language that people are told to copy for this client."""
        told = snippets(self.client.name, self.served.base)
        return next(snippet for snippet in told if snippet.language == language)

    def type_snippet(self, **environ: str) -> None:
        """Type it into a shell."""
        self.run("sh", "-c", self.snippet("bash").text, **environ)

    def write(self, content: Mapping[str, Any]) -> None:
        """The file that the snippet goes into, and the snippet at its end."""
        snippet = self.snippet("toml")
        (self.project / snippet.file).write_text(f"{tomli_w.dumps(content)}\n{snippet.text}")

    def installed(self) -> set[str]:
        """What is in the environment now."""
        listed = json.loads(self.run(str(self.python), "-I", "-c", _INSTALLED))
        pairs = (item.partition("==") for item in listed)
        found = {(name.lower().replace("_", "-"), version) for name, _, version in pairs}
        return {f"{name}=={version}" for name, version in found if name not in _TOOLS}


def visit(client: Client, served: Served, root: Path) -> Visit:
    """Let a client install the example, and look whether that is what its lock pins for this machine."""
    bench = Bench(served, root, client)
    with served.visited() as asked:
        client.act(bench)
    installed, wanted = bench.installed(), served.example.pins()
    assert installed == wanted, f"{sorted(installed - wanted)} instead of {sorted(wanted - installed)}"
    return Visit(tuple(asked), served.kinds)


def _example() -> dict[str, Any]:
    """The example's ``pyproject.toml``; every tool resolves it anew."""
    content = tomli.loads((PROJECT / "pyproject.toml").read_text())
    return {key: value for key, value in content.items() if key != "build-system"}


def _standard() -> dict[str, Any]:
    """The same without what only poetry reads."""
    return {key: value for key, value in _example().items() if key != "tool"}


def _dependencies() -> list[str]:
    return list(_example()["project"]["dependencies"])


def _pip(bench: Bench) -> None:
    bench.environment()
    bench.type_snippet(PYTHONPATH=str(_folder_of_pip(bench.client.version)))


def _pip_resolves(bench: Bench) -> None:
    bench.environment()
    bench.run(
        "python", "-m", "pip", "install", "--index-url", f"{bench.served.base}/simple/", *_dependencies(),
        PYTHONPATH=str(_folder_of_pip(bench.client.version)),
    )  # fmt: skip


def _folder_of_pip(version: str) -> Path:
    pips = os.environ.get("TEST_PIPS") or away("TEST_PIPS names no folder of pips (see CONTRIBUTING.md)")
    folder = Path(pips) / version
    assert list(folder.glob(f"pip-{version}.dist-info")), f"{folder} is something else"
    return folder


def _uv_path(bench: Bench) -> Path:
    uv = Path(find_installer())
    said = bench.run(str(uv), "--version").split()[1]
    if said != bench.client.version:
        away(f"{uv} is {said}, and the matrix is about {bench.client.version}")
    return uv


def _uv_install(bench: Bench) -> None:
    uv = _uv_path(bench)
    bench.environment()
    bench.run(
        str(uv), "pip", "install", "--default-index", f"{bench.served.base}/simple/", "--require-hashes",
        "-r", str(bench.served.example.requirements),
    )  # fmt: skip


def _uv_sync(bench: Bench) -> None:
    uv = _uv_path(bench)
    bench.environment()
    bench.type_snippet(PATH=f"{uv.parent}{os.pathsep}{bench.environ['PATH']}")


def _uv_project(bench: Bench) -> None:
    uv = str(_uv_path(bench))
    bench.environment()
    bench.write(_standard())
    bench.run(uv, "lock")
    bench.run(uv, "sync", "--frozen")


def _uv_export(bench: Bench) -> None:
    uv = str(_uv_path(bench))
    bench.environment()
    bench.write(_standard())
    bench.run(uv, "export", "--no-emit-project", "--no-header", "-o", "exported.txt")
    # Nothing of what was found while resolving is left to be found again.
    bench.run(
        uv, "pip", "sync", "--no-config", "--cache-dir", "empty", "--require-hashes",
        "--default-index", f"{bench.served.base}/simple/", "exported.txt",
    )  # fmt: skip


def _poetry(bench: Bench) -> None:
    poetry = bench.tool("TEST_POETRY", "poetry")
    bench.environment()
    bench.write(_example())
    bench.run(poetry, "lock")
    bench.run(poetry, "install", "--only", "main")


def _pdm(bench: Bench) -> None:
    pdm = bench.tool("TEST_PDM", "pdm")
    bench.environment()
    bench.write({**_standard(), "tool": {"pdm": {"distribution": False}}})
    bench.run(pdm, "lock", "--update-reuse")
    bench.run(pdm, "sync", "--prod")


def _pipenv(bench: Bench) -> None:
    pipenv = bench.tool("TEST_PIPENV", "pipenv")
    bench.write({"packages": dict(map(_for_pipenv, _dependencies()))})
    bench.run(pipenv, "lock")
    bench.run(pipenv, "sync")


def _for_pipenv(dependency: str) -> tuple[str, Any]:
    wanted, _, marker = dependency.partition(";")
    name, _, version = wanted.strip().partition(">=")
    # pipenv locks what is not for this machine as it is written here, and installs '==' that.
    return name, {"version": "*", "markers": marker.strip()} if marker else f">={version}"


def _pip_tools(bench: Bench) -> None:
    compiler = bench.tool("TEST_PIP_COMPILE", "pip-compile")
    packages = bench.environment()
    shutil.copytree(_folder_of_pip(NEWEST_PIP), packages, dirs_exist_ok=True)
    bench.write(_standard())
    bench.run(compiler, "--quiet", "--output-file", "requirements.txt", "pyproject.toml")
    sync = str(Path(compiler).with_name("pip-sync"))
    bench.run(sync, "--quiet", "--python-executable", str(bench.python), "requirements.txt")


def _hatch(bench: Bench) -> None:
    hatch = bench.tool("TEST_HATCH", "hatch")
    environment = {"path": ".venv", "skip-install": True, "dependencies": _dependencies()}
    bench.write({"tool": {"hatch": {"envs": {"default": environment}}}})
    bench.run(hatch, "env", "create")


def compile_for(target: Target, served: Served, root: Path) -> tuple[set[str], Visit]:
    """Let uv resolve what the example wants directly for another machine, from an empty cache."""
    root.mkdir()
    bench = Bench(served, root, RESOLVER)
    bench.environment()
    bench.write(_standard())
    with served.visited() as asked:
        resolved = bench.run(
            str(_uv_path(bench)), "pip", "compile", "--quiet", "--no-header", "--no-annotate",
            "--python-platform", UV_PLATFORMS[target.platform.name], "--python-version", str(target.python),
            "pyproject.toml",
        )  # fmt: skip
    return set(resolved.split()), Visit(tuple(asked), served.kinds)


UV_PLATFORMS = {
    "linux-x86_64": "x86_64-manylinux_2_28",
    "linux-aarch64": "aarch64-manylinux_2_28",
    "macos-arm64": "aarch64-apple-darwin",
    "windows-amd64": "x86_64-pc-windows-msvc",
}
"""What uv calls our platforms. It has no name for ``noarch``, whose wheels belong to every one of them."""

UV, NEWEST_PIP = "0.13.9", "26.3"
PIPS: Mapping[str, int] = {
    "19.3.1": 11,
    "20.3.4": 11,
    "21.3.1": 11,
    "22.1.2": 11,
    "22.3.1": 11,
    "23.3.2": 13,
    "24.3.1": 13,
    "25.3": NEWEST,
    NEWEST_PIP: NEWEST,
}
"""Versions, and the last Python on which each was seen to run: up to 23.0 they want what Python 3.12 no
longer has, and none is tried on a Python that is newer than itself, unless it was seen to run there. Before
19.3 a pip takes 3.10 for 3.1."""

_ITSELF = "/simple/pip/"
"""pip looks whether there is a newer pip."""

RESOLVER = Client("uv", UV, "uv pip compile --python-platform … --python-version …", _uv_project)
MATRIX: tuple[Client, ...] = (
    *(
        Client("pip", version, "pip install --require-hashes -r URL", _pip, (_ITSELF,), newest)
        for version, newest in PIPS.items()
    ),
    *(
        Client("pip", version, "pip install NAMES", _pip_resolves, (_ITSELF,), newest)
        for version, newest in PIPS.items()
    ),
    Client("uv", UV, "uv pip install --require-hashes -r FILE", _uv_install),
    Client("uv", UV, "uv pip sync --require-hashes URL", _uv_sync),
    Client("uv", UV, "uv lock, uv sync", _uv_project),
    Client("uv", UV, "uv export, uv pip sync", _uv_export),
    Client("poetry", "2.5.1", "poetry lock, poetry install", _poetry),
    Client("pdm", "2.29.3", "pdm lock, pdm sync", _pdm),
    Client("pipenv", "2026.10.3", "pipenv lock, pipenv sync", _pipenv, ("/simple//NAME/",)),
    Client("pip-tools", "7.6.2", "pip-compile, pip-sync", _pip_tools, (_ITSELF, "/NAME/json")),
    Client("hatch", "1.18.2", "hatch env create", _hatch),
)
