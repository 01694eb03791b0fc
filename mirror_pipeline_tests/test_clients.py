"""Real installers, from an empty cache, with nothing but the mirror to reach: the matrix, and its page."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from mirror_pipeline.domain.target import PLATFORMS, Python, Target
from mirror_pipeline_tests.client_matrix import (
    MATRIX,
    PIPS,
    UV_PLATFORMS,
    Client,
    compile_for,
    visit,
)
from mirror_pipeline_tests.client_matrix_doc import PAGE, committed_rows, row, snippets_part, within
from mirror_pipeline_tests.client_matrix_network import NAMESPACE, Closed, closed_network, proxies
from mirror_pipeline_tests.client_matrix_site import (
    PYTHONS,
    ROOT,
    Asked,
    Served,
    Visit,
    publish_example,
    served,
)

_NAME_THEMSELVES = {"pip", "uv", "poetry", "pdm"}
"""The others let pip ask, each the one that it brings along."""


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    example = publish_example(tmp_path_factory.mktemp("example"))
    with closed_network() as closed, served(example, closed) as site:
        yield site


def goes_outside(closed: Closed | None, environ: Mapping[str, str], folder: Path) -> bool:
    """Whether pip gets a file of the example from the index that it has without being told of any."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--no-cache-dir",
        "--retries",
        "0",
    ]
    words = [*command, "--dest", str(folder), "lockfile==0.12.2"]
    done = subprocess.run(
        closed.inside(words) if closed else words, env=dict(environ),
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0 or "No matching distribution" in done.stderr, done.stderr
    return done.returncode == 0


def clean(closed: Closed) -> Mapping[str, str]:
    """As clients have it."""
    return {"PATH": os.environ["PATH"], "PIP_CONFIG_FILE": os.devnull, **closed.proxies}


def test_the_network_is_closed(mirror: Served, tmp_path: Path) -> None:
    closed, machine = mirror.closed, mirror.example.environ
    assert goes_outside(None, machine, tmp_path / "outside")
    assert not goes_outside(closed, clean(closed), tmp_path / "inside")
    if closed.how == NAMESPACE:  # whatever it is told of
        assert not goes_outside(closed, machine, tmp_path / "machine")


@pytest.mark.parametrize("client", [client for client in MATRIX if client.runs_here], ids=str)
def test_a_client_installs_what_the_lock_pins(client: Client, mirror: Served, tmp_path: Path) -> None:
    seen = visit(client, mirror, tmp_path)

    assert client.probed(seen) == set(client.probes)
    assert len({one.path for one in seen.wheels}) >= len(mirror.example.pins())
    if client.name in _NAME_THEMSELVES:
        assert seen.agents == {f"{client.name}/{client.version}"}
    told, measured = committed_rows()[str(client)], row(client, seen)
    assert (told.pages, told.metadata) == (measured.pages, measured.metadata)


@pytest.mark.parametrize("platform", UV_PLATFORMS)
def test_uv_resolves_for_every_target_without_a_wheel(platform: str, mirror: Served, tmp_path: Path) -> None:
    for python in PYTHONS:
        target = Target(PLATFORMS[platform], Python.parse(python))
        resolved, seen = compile_for(target, mirror, tmp_path / python)

        assert resolved == mirror.example.pins(target.environments[0])
        assert len(seen.metadata) >= len(resolved)
        assert [one.path for one in seen.asked if one.path.endswith(".whl")] == []
        assert seen.in_vain == ()


def test_without_a_namespace_proxies_close_the_network(mirror: Served, tmp_path: Path) -> None:
    closed = proxies()
    assert not goes_outside(closed, clean(closed), tmp_path / "outside")

    client = next(client for client in MATRIX if client.name == "uv")
    with served(mirror.example, closed) as site:
        seen = visit(client, site, tmp_path)
    assert len(seen.wheels) == len(mirror.example.pins())


def test_the_page_tells_of_every_client_and_of_no_other() -> None:
    assert list(committed_rows()) == [str(client) for client in MATRIX]


def test_the_page_has_the_snippets_that_are_given_out() -> None:
    assert within(PAGE.read_text("utf-8"), "snippets") == snippets_part()


def test_the_versions_are_those_that_are_installed_for_tests() -> None:
    script = (ROOT / ".ci/run").read_text("utf-8")
    pinned = f"{script}\n{(ROOT / 'constraints.txt').read_text('utf-8')}"
    wanted = {f"{client.name}=={client.version}" for client in MATRIX if client.name != "pip"}
    assert [pin for pin in wanted if not re.search(rf"(?<![\w-]){re.escape(pin)}(?![\w.])", pinned)] == []
    assert re.findall(r"^readonly pips=\((.*)\)", script, re.MULTILINE) == [" ".join(PIPS)]


@pytest.mark.parametrize(
    ("paths", "probed"),
    [
        ([(404, "/simple/pip/"), (404, "/anyio/json"), (404, "/h11/json")], {"/simple/pip/", "/NAME/json"}),
        ([(404, "/packages/x.whl")], {"404 /packages/x.whl"}),
        ([(403, "/simple/pip/"), (500, "/anyio/json")], {"403 /simple/pip/", "500 /anyio/json"}),
    ],
)
def test_only_known_probes_are_forgiven(paths: list[tuple[int, str]], probed: set[str]) -> None:
    client = next(client for client in MATRIX if client.name == "pip-tools")
    asked = tuple(Asked("GET", path, status, 0, "pip/1") for status, path in paths)
    assert client.probed(Visit(asked, {})) == probed
