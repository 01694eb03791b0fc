"""Index servers by others, each a process that has nothing but our mirror.

devpi, proxpi and simple-repository-server are started by the lines of ``docs/being-an-upstream.md``, at other
addresses: what the page says is what is tested. Programs are named by ``TEST_DEVPI`` (``devpi-server``, with
``devpi`` of devpi-client beside it), ``TEST_PROXPI`` (``flask`` of an environment with proxpi) and
``TEST_SIMPLE_REPOSITORY_SERVER``; without one the tests that want it are skipped, saying so, and fail where
``CI`` is set. All else that they might ask is closed to them.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import mirror_pipeline
from mirror_pipeline_tests.aws_servers import free_port, missing, program, running

_PAGE = Path(mirror_pipeline.__file__).parents[1] / "docs" / "being-an-upstream.md"
_MIRROR = "http://127.0.0.1:8080/simple/"
"""Our index, as the page writes it."""
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")
_CLOSED = {
    **{name: "http://127.0.0.1:9" for lower in _PROXIES for name in (lower, lower.upper())},
    **dict.fromkeys(("no_proxy", "NO_PROXY"), "127.0.0.1,localhost"),
}
"""A proxy that nobody runs, for every address but this machine's."""
_SETTING = re.compile(r"[A-Z_]+=")


@dataclass(frozen=True)
class Command:
    """A line of the page: what it sets in the environment, and its words."""

    environ: Mapping[str, str]
    words: Sequence[str]

    @classmethod
    def read(cls, line: str) -> Command:
        """Read a line as a shell would."""
        words = shlex.split(line)
        settings = [word for word in words if _SETTING.match(word)]
        return cls(
            dict(word.split("=", 1) for word in settings), [word for word in words if word not in settings]
        )


def documented(section: str, replaced: Mapping[str, str]) -> Sequence[Command]:
    """The commands below a heading of the page, with the addresses of a test in place of the page's."""
    text = _PAGE.read_text(encoding="utf-8")
    found = re.search(rf"^## {re.escape(section)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"{_PAGE.name} has no section {section!r}"
    lines = "".join(re.findall(r"```bash\n(.*?)```", found[1], re.DOTALL))
    for old, new in replaced.items():
        assert old in lines, f"{section}: no {old!r}"
        lines = lines.replace(old, new)
    return [Command.read(line) for line in lines.splitlines()]


@contextmanager
def _served(command: Command, binaries: Path, port: int, home: str) -> Iterator[None]:
    name, *arguments = command.words
    with running([str(binaries / name), *arguments], {**_environment(home), **command.environ}, port):
        yield


def _run(command: Command, binaries: Path, home: str) -> str:
    name, *arguments = command.words
    done = subprocess.run(
        [str(binaries / name), *arguments],
        env={"PATH": os.environ["PATH"], **_environment(home), **command.environ},
        cwd=home, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def _environment(home: str) -> Mapping[str, str]:
    return {**_CLOSED, "HOME": home, "NETRC": os.devnull, "PYTHONWARNINGS": "ignore"}


@dataclass(frozen=True)
class Running:
    """A server of somebody else's: the URL of its index, and how to have another one, of another mirror."""

    index: str
    another: Callable[[str], AbstractContextManager[Running]]


@contextmanager
def run_devpi(mirror: str) -> Iterator[Running]:
    """devpi with an index of type ``mirror``. Another one is made in the same process: it starts slowly."""
    binaries, port = Path(program("TEST_DEVPI", "devpi-server")).parent, free_port()
    initialize, serve, *log_in, make = documented("devpi", {_MIRROR: mirror, "3141": str(port)})
    place = f"http://127.0.0.1:{port}/{{}}/+simple/"
    with tempfile.TemporaryDirectory(prefix="mirror-devpi-") as home:
        _run(initialize, binaries, home)

        @contextmanager
        def another(other: str) -> Iterator[Running]:
            words = [word.replace(mirror, other).replace("root/mirror", "root/other") for word in make.words]
            _run(Command(make.environ, words), binaries, home)
            yield Running(place.format("root/other"), another)

        with _served(serve, binaries, port, home):
            for command in (*log_in, make):
                _run(command, binaries, home)
            yield Running(place.format("root/mirror"), another)


@contextmanager
def run_proxpi(mirror: str) -> Iterator[Running]:
    """proxpi with our index as its own."""
    binaries = Path(os.environ.get("TEST_PROXPI") or missing("TEST_PROXPI", "flask with proxpi")).parent
    port = free_port()
    (serve,) = documented("proxpi", {_MIRROR: mirror, "5000": str(port)})
    with (
        tempfile.TemporaryDirectory(prefix="mirror-proxpi-") as home,
        _served(serve, binaries, port, home),
    ):
        yield Running(f"http://127.0.0.1:{port}/index/", run_proxpi)


@contextmanager
def run_simple_repository_server(mirror: str) -> Iterator[Running]:
    """simple-repository-server, which serves our index anew."""
    name = "simple-repository-server"
    binaries, port = Path(program("TEST_SIMPLE_REPOSITORY_SERVER", name)).parent, free_port()
    (serve,) = documented(name, {_MIRROR: mirror, "8000": str(port)})
    with (
        tempfile.TemporaryDirectory(prefix="mirror-reserved-") as home,
        _served(serve, binaries, port, home),
    ):
        yield Running(f"http://127.0.0.1:{port}/simple/", run_simple_repository_server)
