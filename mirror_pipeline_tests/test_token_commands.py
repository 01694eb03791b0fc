"""Tokens on the command line, and a real pip and uv that install from a private ``serve`` with them.

The mirror is a directory with two wheels, of which one needs the other, and ``mirror-pipeline serve`` runs as
a process of its own: commands of another process have to count there at once.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from mirror_pipeline import cli
from mirror_pipeline.adapters.installer import find_installer
from mirror_pipeline.domain.pages import page_files
from mirror_pipeline.domain.wheelset import CoreMetadata, Held, WheelSet, by_project
from mirror_pipeline_tests.wheels import metadata_text, wheel

NEEDY, NEEDED = wheel("needy", requires=["needed"]), wheel("needed")
REPOSITORY = Path(cli.__file__).parent.parent
PATIENCE = 60.0


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def answer(self) -> Mapping[str, Any]:
        """The one JSON object."""
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found


Run = Callable[..., Outcome]


def publish(site: Path) -> None:
    """A site as ``refresh`` leaves it, as far as clients look."""
    held = []
    (site / "packages").mkdir(parents=True)
    for dist, requires in ((NEEDY, ["needed"]), (NEEDED, [])):
        metadata = metadata_text(dist.project, dist.version, None, requires)
        (site / "packages" / dist.file).write_bytes(dist.content)
        (site / "packages" / f"{dist.file}.metadata").write_bytes(metadata)
        beside = CoreMetadata(hashlib.sha256(metadata).hexdigest(), len(metadata))
        held.append(Held(dist.artifact(), dist.size, beside))
    for key, content in page_files(by_project([WheelSet("noarch", tuple(held))])).items():
        (site / key).parent.mkdir(parents=True, exist_ok=True)
        (site / key).write_bytes(content)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with a configuration and nothing else."""
    (tmp_path / "config.env").write_text("MIRROR_HOME=home\n")
    return tmp_path


@pytest.fixture
def run(root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run ``mirror-pipeline token`` in this process."""
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: str) -> Outcome:
        capsys.readouterr()
        code = cli.run(["token", *arguments, "--config", str(root / "config.env")])
        return Outcome(code, *capsys.readouterr())

    return call


def book(root: Path) -> Path:
    return root / "home/tokens.json"


def added(run: Run, name: str) -> str:
    """A new token's secret."""
    outcome = run("add", name, "--json")
    assert outcome.code == 0
    return str(outcome.answer["token"])


# What the commands say and keep.


def test_a_mirror_is_public_until_its_first_token(run: Run, root: Path) -> None:
    assert (run("list").code, run("list").out) == (0, "The mirror is public.\n")
    listed = run("list", "--json").answer
    assert listed == {"status": "ok", "private": False, "tokens": [], "findings": []}
    assert not book(root).parent.exists(), "looking makes nothing"

    first = run("add", "ci")
    assert first.code == 0
    assert "The mirror is private from now on" in first.out
    assert "private from now on" not in run("add", "laptop").out


def test_a_secret_is_shown_once_and_kept_nowhere(run: Run, root: Path) -> None:
    for outcome, secret in (
        ((told := run("add", "ci")), re.findall(r"shown this once: (\S+)", told.out)[0]),
        ((told := run("add", "cd", "--json")), told.answer["token"]),
    ):
        assert re.fullmatch(r"[A-Za-z0-9_-]{43}", secret)
        assert outcome.out.count(secret) == 1
        assert secret not in outcome.err
        for later in (run("list"), run("list", "--json"), run("revoke", "ci", "--json"), run("add", "ci")):
            assert secret not in later.out + later.err
        kept = [path.read_text() for path in root.rglob("*") if path.is_file()]
        assert all(secret not in text for text in kept)


def test_every_token_is_another(run: Run) -> None:
    assert len({added(run, f"token-{number}") for number in range(20)}) == 20


def test_add_says_what_to_do_with_it(run: Run, root: Path) -> None:
    told = run("add", "ci").out
    assert "pip install --index-url http://ci:TOKEN@127.0.0.1:8080/simple/" in told
    assert "UV_DEFAULT_INDEX=http://ci:TOKEN@127.0.0.1:8080/simple/" in told
    assert "machine 127.0.0.1 login ci password TOKEN" in told

    (root / "config.env").write_text("MIRROR_HOME=home\nMIRROR_PUBLIC_URL=https://wheels.example.org/py\n")
    assert "--index-url https://cd:TOKEN@wheels.example.org/py/simple/" in run("add", "cd").out
    answer = run("add", "ce", "--json").answer
    assert answer["index"] == "https://wheels.example.org/py/simple/"
    assert (answer["status"], answer["name"], answer["private"], answer["first"]) == ("ok", "ce", True, False)


def test_list_tells_name_time_and_who(run: Run) -> None:
    added(run, "ci")
    added(run, "laptop")
    listed = run("list", "--json").answer
    assert [token["name"] for token in listed["tokens"]] == ["ci", "laptop"]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]{8}\+00:00", token["added"]) for token in listed["tokens"])
    assert all("@" in token["by"] for token in listed["tokens"])
    assert "laptop" in run("list").out


def test_only_the_owner_reads_the_book(run: Run, root: Path) -> None:
    before = os.umask(0)
    try:
        added(run, "ci")
        added(run, "cd")
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (root / "home").iterdir()}
    assert modes == {"tokens.json": 0o600, ".tokens.json.lock": 0o600}


def test_revoking_the_last_token_closes_the_mirror(run: Run) -> None:
    added(run, "ci")
    outcome = run("revoke", "ci")
    assert outcome.code == 0
    assert outcome.out == "ci is revoked.\nThere are no tokens: the mirror is closed to everybody.\n"
    assert run("list", "--json").answer == {"status": "ok", "private": True, "tokens": [], "findings": []}


def test_opening_is_asked_for_and_forgets_the_tokens(run: Run, root: Path) -> None:
    added(run, "ci")
    refused = run("open", "--json")
    assert (refused.code, refused.answer["error"]["names"]) == (2, ["ci"])
    assert "--yes" in refused.answer["error"]["hint"]
    assert run("list", "--json").answer["private"]

    opened = run("open", "--yes", "--json")
    assert opened.code == 0
    assert (opened.answer["forgotten"], opened.answer["private"], opened.answer["left"]) == (
        ["ci"],
        False,
        [],
    )
    assert not run("list", "--json").answer["private"]
    assert book(root).is_file()
    assert "private from now on" in run("add", "new").out
    assert [token["name"] for token in run("list", "--json").answer["tokens"]] == ["new"]


def test_opening_what_is_public_needs_no_yes(run: Run, root: Path) -> None:
    assert (run("open").code, run("open", "--yes").out) == (0, "The mirror is public.\n")
    assert not book(root).exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["add", "ci"], "there is a token 'ci' already"),
        (["revoke", "cd"], "there is no token 'cd' (there are ci)"),
        (["add", "a:b"], "'a:b' is no name for a token"),
        (["add", ""], "no name for a token"),
        (["add"], "NAME"),
        (["close"], "close"),
        (["open"], "'mirror-pipeline token open --yes' does it"),
    ],
)
def test_what_cannot_be_done_is_told_and_changes_nothing(
    run: Run, root: Path, arguments: list[str], said: str
) -> None:
    added(run, "ci")
    before = book(root).read_bytes()
    outcome = run(*arguments)
    assert outcome.code == 2
    assert said in outcome.err
    assert outcome.err.count("\n") == 1
    assert outcome.out == ""
    assert book(root).read_bytes() == before


@pytest.mark.parametrize("arguments", [["add", "cd"], ["list"], ["revoke", "ci"], ["open", "--yes"]])
def test_a_damaged_book_stops_every_command(run: Run, root: Path, arguments: list[str]) -> None:
    added(run, "ci")
    damaged = book(root).read_bytes()[:-30]
    book(root).write_bytes(damaged)
    outcome = run(*arguments, "--json")
    assert (outcome.code, outcome.answer["error"]["kind"]) == (3, "document")
    assert outcome.answer["error"]["document"] == str(book(root))
    assert book(root).read_bytes() == damaged


@pytest.mark.parametrize("arguments", [["add", "cd"], ["list"], ["revoke", "ci"], ["open", "--yes"]])
def test_a_plain_bucket_cannot_ask_for_tokens(run: Run, root: Path, arguments: list[str]) -> None:
    (root / "config.env").write_text("BUCKET_NAME=wheels\nS3_ENDPOINT_URL=http://127.0.0.1:9\n")
    outcome = run(*arguments, "--json")
    assert outcome.code == 2
    assert outcome.answer["error"]["kind"] == "settings"
    assert outcome.answer["error"]["key"] == "MIRROR_PUBLISH"
    assert "published in place" in outcome.answer["error"]["message"]


def test_a_home_that_cannot_be_written_is_told(run: Run, root: Path) -> None:
    (root / "home").write_text("a file")
    outcome = run("add", "ci", "--json")
    assert (outcome.code, outcome.answer["error"]["kind"]) == (3, "storage")


# Real clients.


class Clients:
    """pip and uv on a machine that knows no other index and keeps no cache."""

    def __init__(self, folder: Path, uv: str) -> None:
        self.folder, self.uv = folder, uv
        self.user = folder / "user"
        self.user.mkdir(parents=True)
        self._count = 0

    def pip(self, index: str) -> Outcome:
        """Install with pip; into a new folder each time."""
        return self._run(
            sys.executable, "-m", "pip", "install", "--no-cache-dir", "--retries", "0",
            "--index-url", index, "--target", str(self._target()), "needy",
        )  # fmt: skip

    def uv_pip(self, index: str) -> Outcome:
        """Install with uv's pip."""
        return self._run(
            self.uv, "pip", "install", "--no-cache", "--no-config", "--python", sys.executable,
            "--default-index", index, "--target", str(self._target()), "needy",
        )  # fmt: skip

    def uv_sync(self, index: str, **environ: str) -> Outcome:
        """Lock and install a project with uv."""
        project = self._target()
        project.mkdir()
        settings = {
            "project": {
                "name": "shop",
                "version": "1",
                "requires-python": ">=3.10",
                "dependencies": ["needy"],
            },
            "tool": {"uv": {"index": [{"name": "mirror", "url": index, "default": True}]}},
        }
        (project / "pyproject.toml").write_text(tomli_w.dumps(settings))
        return self._run(self.uv, "sync", "--no-cache", "--directory", str(project), **environ)

    def netrc(self, login: str, secret: str) -> None:
        """What the user keeps for clients."""
        path = self.user / ".netrc"
        path.write_text(f"machine 127.0.0.1 login {login} password {secret}\n")
        path.chmod(0o600)

    def _target(self) -> Path:
        self._count += 1
        return self.folder / f"installed-{self._count}"

    def _run(self, *command: str, **environ: str) -> Outcome:
        clean = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.user),
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_INPUT": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_KEYRING_PROVIDER": "disabled",
            "UV_PYTHON": sys.executable,
            "UV_PYTHON_DOWNLOADS": "never",
            "UV_HTTP_RETRIES": "0",
            "NO_COLOR": "1",
            **environ,
        }
        done = subprocess.run(
            command, env=clean, cwd=self.folder, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=PATIENCE, check=False,
        )  # fmt: skip
        return Outcome(done.returncode, done.stdout, done.stderr)

    def has_installed(self) -> bool:
        """Whether the last call installed both."""
        last = self.folder / f"installed-{self._count}"
        return {"needy", "needed"} <= {path.parent.name for path in last.rglob("__init__.py")}


@contextmanager
def served(root: Path) -> Iterator[tuple[str, Path]]:
    """``mirror-pipeline serve`` as a process; the address without scheme, and the file with what it said."""
    log = root / "serve.txt"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "mirror_pipeline", "serve", "--port", "0", "--config", "config.env"],
            cwd=root, env={**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            assert process.stderr is not None
            line = process.stderr.readline()
            address = re.findall(r"http://([\d.:]+)/simple/", line)
            assert address, line
            yield address[0], log
        finally:
            process.terminate()
            rest = process.communicate(timeout=PATIENCE)[1]
            output.write(rest.encode())


@pytest.fixture(scope="module")
def uv() -> str:
    return find_installer()


@pytest.fixture
def clients(tmp_path: Path, uv: str) -> Clients:
    return Clients(tmp_path / "client", uv)


@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_clients_install_with_a_token_and_only_with_one(
    run: Run, root: Path, clients: Clients, tool: str
) -> None:
    install = clients.pip if tool == "pip" else clients.uv_pip
    publish(root / "home/site")
    with served(root) as (address, log):
        plain = f"http://{address}/simple/"
        assert install(plain).code == 0, "public before the first token"

        secret, other = added(run, "ci"), added(run, "other")
        with_token = f"http://ci:{secret}@{address}/simple/"
        with_other = f"http://other:{other}@{address}/simple/"
        for index in (with_token, with_other):
            assert install(index).code == 0
            assert clients.has_installed()
        for index in (plain, f"http://ci:{other}@{address}/simple/"):
            assert install(index).code != 0
            assert not clients.has_installed()

        clients.netrc("ci", secret)
        assert install(plain).code == 0
        assert clients.has_installed()

        assert run("revoke", "ci").code == 0
        for index in (plain, with_token):
            assert install(index).code != 0
            assert not clients.has_installed()
        assert install(with_other).code == 0

        assert run("revoke", "other").code == 0
        assert install(with_other).code != 0, "closed, not open"
        assert run("open", "--yes").code == 0
        (clients.user / ".netrc").unlink()
        assert install(plain).code == 0
    assert secret not in log.read_text()
    assert other not in log.read_text()


def test_a_project_of_uv_names_the_index_and_takes_the_token_from_the_environment(
    run: Run, root: Path, clients: Clients
) -> None:
    publish(root / "home/site")
    secret = added(run, "ci")
    with served(root) as (address, _):
        index = f"http://{address}/simple/"
        login = {"UV_INDEX_MIRROR_USERNAME": "ci", "UV_INDEX_MIRROR_PASSWORD": secret}
        outcome = clients.uv_sync(index, **login)
        assert outcome.code == 0, outcome.err
        assert clients.has_installed()
        assert secret not in (clients.folder / "installed-1/uv.lock").read_text()
        assert clients.uv_sync(index).code != 0
        clients.netrc("ci", secret)
        assert clients.uv_sync(index).code == 0


def test_a_server_over_a_damaged_book_says_so_and_serves_nobody(
    run: Run, root: Path, clients: Clients
) -> None:
    publish(root / "home/site")
    secret = added(run, "ci")
    with served(root) as (address, log):
        book(root).write_bytes(b"{")
        assert clients.uv_pip(f"http://ci:{secret}@{address}/simple/").code != 0
        assert clients.pip(f"http://{address}/simple/").code != 0
    assert "nobody is let in" in log.read_text()
