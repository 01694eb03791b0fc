"""The bundled example, mirrored and published by the command line, served by
``mirror-pipeline serve``, and what clients asked of that server, as its access log tells.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest
from packaging.requirements import Requirement

import mirror_pipeline
from mirror_pipeline_tests.client_matrix_network import Closed

ROOT = Path(mirror_pipeline.__file__).parents[1]
PROJECT = ROOT / "examples/orbit-core-agent"
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
_OURS = ("MIRROR_", "ORBIT_", "BUCKET_", "S3_", "CLOUDFRONT_")
_PATIENCE = 300.0
_LINE = re.compile(
    r'\S+ - \S+ \[[^\]]*\] "(?P<method>[A-Z]+) (?P<path>\S+) [^"]*" (?P<status>\d+) (?P<sent>\d+) '
    r'"[^"]*" "(?P<agent>[^"]*)"'
)
"""The Combined Log Format, whatever may follow."""
_PAGE = re.compile(r"/simple/[^/]+/?")
HTML, JSON = "HTML", "JSON"

_SIZES = """
import http.client, json, sys
port, projects = int(sys.argv[1]), sys.argv[2:]
accepted = {"HTML": "text/html", "JSON": "application/vnd.pypi.simple.v1+json"}
connection, found = http.client.HTTPConnection("127.0.0.1", port), {}
for project in projects:
    for kind, accept in accepted.items():
        for encoding in ("identity", "gzip"):
            headers = {"Accept": accept, "Accept-Encoding": encoding}
            connection.request("GET", f"/simple/{project}/", headers=headers)
            found.setdefault(project, []).append([len(connection.getresponse().read()), kind])
print(json.dumps(found))
"""
"""An access log has no types, but sizes: those of every form of every page."""

_OTHER = {"HTML": "JSON", "JSON": "HTML"}

_KNOCK = """
import http.client, sys
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
connection.request("GET", sys.argv[2])
connection.getresponse().read()
"""


@dataclass(frozen=True)
class Asked:
    """One line of the access log."""

    method: str
    path: str
    status: int
    sent: int
    agent: str

    @property
    def project(self) -> str:
        """Of whose page this is, '' for no page."""
        return self.path.split("/")[2] if _PAGE.fullmatch(self.path) else ""


@dataclass(frozen=True)
class Visit:
    """What one client asked, and the sizes that tell JSON from HTML."""

    asked: tuple[Asked, ...]
    kinds: Mapping[str, Mapping[int, str]]

    @property
    def pages(self) -> tuple[Asked, ...]:
        """Project pages that were sent."""
        return tuple(one for one in self.asked if one.project and one.status == 200)

    @property
    def kinds_of_pages(self) -> str:
        """``JSON``, ``HTML``, or both where a client wants both."""
        told = {self.kinds[one.project][one.sent] for one in self.pages} - {""}
        return " and ".join(sorted(told))

    @property
    def metadata(self) -> tuple[Asked, ...]:
        """The ``.metadata`` files that were sent."""
        return self._sent(".metadata")

    @property
    def wheels(self) -> tuple[Asked, ...]:
        """Wheels that were sent, or pieces of them."""
        return self._sent(".whl")

    def _sent(self, suffix: str) -> tuple[Asked, ...]:
        return tuple(one for one in self.asked if one.path.endswith(suffix) and one.status in (200, 206))

    @property
    def in_vain(self) -> tuple[Asked, ...]:
        """Whatever was answered by an error."""
        return tuple(one for one in self.asked if one.status >= 400)

    @property
    def agents(self) -> set[str]:
        """Who asked: the first word of what clients call themselves."""
        return {one.agent.partition(" ")[0] for one in self.asked}


@dataclass(frozen=True)
class Example:
    """The published example."""

    home: Path
    environ: Mapping[str, str]
    """What the machine gives a program that may reach its index."""

    @property
    def requirements(self) -> Path:
        """The selection ``prod``, with hashes."""
        return self.home / "requirements-prod.txt"

    @property
    def projects(self) -> list[str]:
        """Everything that there is a page for."""
        return sorted(path.parent.name for path in self.home.glob("home/site/simple/*/index.html"))

    def pins(self, environment: Mapping[str, str] | None = None) -> set[str]:
        """What an installation of ``prod`` has to consist of, here or where these markers hold."""
        lines = self.requirements.read_text().replace(" \\\n", "\n").splitlines()
        pins = [Requirement(line) for line in lines if re.match(r"[a-z0-9]", line)]
        return {
            f"{pin.name}{pin.specifier}"
            for pin in pins
            if pin.marker is None or pin.marker.evaluate(dict(environment) if environment else None)
        }


def publish_example(home: Path) -> Example:
    """Mirror it from whatever index this machine has; without one that is a skip, and a failure in CI."""
    values = {"ORBIT_PROJECT": str(PROJECT), "MIRROR_HOME": "home", "MIRROR_PYTHONS": ",".join(PYTHONS)}
    config = home / "config.env"
    config.write_text("".join(f"{key}={value}\n" for key, value in values.items()))
    environ = {key: value for key, value in os.environ.items() if not key.startswith(_OURS)}
    done = subprocess.run(
        [sys.executable, "-m", "mirror_pipeline", "refresh", "--json", "--config", str(config)],
        cwd=home, env={**environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
        timeout=_PATIENCE, check=False,
    )  # fmt: skip
    answer = json.loads(done.stdout)
    if _nothing_arrived(answer):
        away(f"no index with the example's files can be reached: {answer['error']['message']}")
    assert done.returncode == 0, answer.get("error", answer)
    return Example(home, environ)


def _nothing_arrived(answer: Mapping[str, Any]) -> bool:
    return answer.get("error", {}).get("kind") == "fetch-failed" and not answer["downloaded_files"]


def away(message: str) -> NoReturn:
    """Skip for want of something, or fail in CI."""
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


@dataclass(frozen=True)
class Served:
    """The example as clients get it, in a closed network."""

    example: Example
    closed: Closed
    log: Path
    kinds: Mapping[str, Mapping[int, str]]

    @property
    def base(self) -> str:
        """The address, without a slash at its end."""
        return f"http://127.0.0.1:{self.closed.port}"

    @contextmanager
    def visited(self) -> Iterator[list[Asked]]:
        """What is asked within a block, complete at its end."""
        before = self.log.stat().st_size
        asked: list[Asked] = []
        yield asked
        mark = f"/end-of-visit/{before}"
        self._call(_KNOCK, mark)
        *lines, last = self._lines(before, mark)
        assert last.path == mark
        asked.extend(lines)

    def _call(self, program: str, *arguments: str) -> str:
        command = [sys.executable, "-I", "-c", program, str(self.closed.port), *arguments]
        return subprocess.check_output(self.closed.inside(command), text=True, timeout=_PATIENCE)

    def _lines(self, start: int, mark: str) -> list[Asked]:
        """The log from ``start`` on, as soon as the mark is in it: a line is written after its answer."""
        deadline = time.monotonic() + _PATIENCE
        while mark not in (text := self.log.read_bytes()[start:].decode()):
            assert time.monotonic() < deadline, text[-1000:]
            threading.Event().wait(0.02)
        return [_read(line) for line in text.splitlines()]


def _read(line: str) -> Asked:
    match = _LINE.match(line)
    assert match, line
    method, path, status, sent, agent = match.groups()
    return Asked(method, path, int(status), int(sent), agent)


@contextmanager
def served(example: Example, closed: Closed) -> Iterator[Served]:
    """Serve it with the command that people use, inside the closed network."""
    log = example.home / f"access-{closed.port}.log"
    log.touch()
    with _serving(example, closed, log):
        first = Served(example, closed, log, {})
        sizes = json.loads(first._call(_SIZES, *example.projects))  # noqa: SLF001 - of this module
        yield Served(example, closed, log, {project: _kinds(found) for project, found in sizes.items()})


def _kinds(found: list[tuple[int, str]]) -> Mapping[int, str]:
    """What a size says: '' where both forms of a page happen to have it, compressed or not."""
    kinds = dict(found)
    return {
        size: kind if (size, _OTHER[kind]) not in set(map(tuple, found)) else ""
        for size, kind in kinds.items()
    }


@contextmanager
def _serving(example: Example, closed: Closed, log: Path) -> Iterator[None]:
    command = [
        sys.executable, "-m", "mirror_pipeline", "serve", "--config", str(example.home / "config.env"),
        "--port", str(closed.port), "--access-log", str(log),
    ]  # fmt: skip
    with subprocess.Popen(
        closed.inside(command), cwd=example.home, env={**example.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    ) as server:  # fmt: skip
        assert server.stderr is not None
        try:
            said = []
            for line in server.stderr:
                said.append(line)
                if line.startswith("serving "):
                    break
            else:
                pytest.fail(f"the server did not start: {''.join(said)}")
            yield
        finally:
            server.terminate()
