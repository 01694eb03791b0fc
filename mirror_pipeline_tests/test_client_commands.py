"""``client-config``: which URL it names, whether it tells of a login, and what it prints.

What the snippets say is in ``domain/test_snippets``; that tools work with them in ``test_relocated_locks``.
"""

from __future__ import annotations

import configparser
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import tomli

from mirror_pipeline import cli
from mirror_pipeline.domain.snippets import CLIENTS
from mirror_pipeline.phases import lock, requirements
from mirror_pipeline_tests.mirrors import Workbench, clean_environment, tree, workbench
from mirror_pipeline_tests.test_cli import Outcome
from mirror_pipeline_tests.uv_locks import locked, project, uv_lock, want

Run = Callable[..., Outcome]
SERVED = "http://127.0.0.1:8080"


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A folder with a configuration and nothing else."""
    with clean_environment():
        configure(tmp_path)
        yield tmp_path


def configure(root: Path, **values: str) -> None:
    settings = {"MIRROR_HOME": "home", **values}
    (root / "config.env").write_text("".join(f"{key}={value}\n" for key, value in settings.items()))


@pytest.fixture
def run(root: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    return _runner(root / "config.env", capsys)


def _runner(config: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: str) -> Outcome:
        capsys.readouterr()
        code = cli.run(["client-config", *arguments, "--config", str(config)])
        return Outcome(code, *capsys.readouterr())

    return call


@pytest.mark.parametrize("client", CLIENTS)
def test_every_client_is_told_something_and_nothing_is_made(run: Run, root: Path, client: str) -> None:
    before = tree(root)
    done = run(client)
    assert done.code == 0
    assert f"{SERVED}/simple/" in done.out
    assert done.out.startswith("# ")
    assert tree(root) == before


def test_without_a_url_it_names_where_serve_listens_and_says_so(run: Run, root: Path) -> None:
    assert f"note: {SERVED} is where 'serve' listens" in run("pip").err
    configure(root, MIRROR_PUBLIC_URL="https://wheels.shop.example/py/")
    done = run("pip")
    assert "--index-url https://wheels.shop.example/py/simple/" in done.out
    assert done.err == ""
    assert "https://other.example/simple/" in run("pip", "--url", "https://other.example/simple/").out


def test_a_distribution_s_domain_is_its_url(run: Run, root: Path) -> None:
    configure(root, BUCKET_NAME="shop-wheels", CLOUDFRONT_DOMAIN="d111111abcdef8.cloudfront.net")
    assert run("pip", "--json").answer["url"] == "https://d111111abcdef8.cloudfront.net"


def test_json_has_the_list(run: Run) -> None:
    answer = run("uv", "--json", "--url", "https://wheels.shop.example").answer
    assert (answer["status"], answer["client"], answer["private"]) == ("ok", "uv", False)
    assert answer["url"] == "https://wheels.shop.example"
    assert {tuple(item) for item in answer["snippets"]} == {("client", "title", "language", "file", "text")}
    project = next(item["text"] for item in answer["snippets"] if item["file"] == "pyproject.toml")
    assert tomli.loads(project)["tool"]["uv"]["index"][0]["url"] == "https://wheels.shop.example/simple/"


def test_one_file_can_be_redirected_as_it_is(run: Run) -> None:
    parser = configparser.RawConfigParser()
    parser.read_string(run("pip", "--file", "pip.conf").out)
    assert parser["global"]["index-url"] == f"{SERVED}/simple/"
    assert "poetry" in tomli.loads(run("poetry", "--file", "pyproject.toml").out)["tool"]
    assert [item["file"] for item in run("pip", "--json", "--file", "pip.conf").answer["snippets"]] == [
        "~/.config/pip/pip.conf"
    ]


class TestPrivate:
    def test_a_mirror_with_tokens_tells_of_the_login(
        self, run: Run, root: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert "netrc" not in run("pip").out
        assert cli.run(["token", "add", "ci", "--config", str(root / "config.env")]) == 0
        secret = capsys.readouterr().out.split("shown this once: ")[1].split()[0]
        done = run("pip")
        assert "machine 127.0.0.1 login NAME password TOKEN" in done.out
        assert secret not in done.out
        assert "netrc" not in run("pip", "--public").out

    def test_it_can_be_said(self, run: Run) -> None:
        assert "machine 127.0.0.1 login NAME password TOKEN" in run("pip", "--private").out

    def test_a_damaged_list_of_tokens_lets_nobody_in(self, run: Run, root: Path) -> None:
        (root / "home").mkdir()
        (root / "home/tokens.json").write_text("{")
        assert run("pip", "--json").answer["private"] is True

    @pytest.mark.parametrize(("login", "private"), [({}, False), ({"MIRROR_LOGIN": "ci:secret"}, True)])
    def test_of_a_bucket_it_is_known_without_a_request(
        self, run: Run, root: Path, login: Mapping[str, str], private: bool
    ) -> None:
        configure(root, BUCKET_NAME="shop-wheels", MIRROR_PUBLIC_URL="https://wheels.shop.example", **login)
        done = run("pip", "--json")
        assert (done.code, done.answer["private"]) == (0, private)
        assert "secret" not in done.out


class TestRefusals:
    @pytest.mark.parametrize("arguments", [["conda"], [], ["pip", "--file", "Pipfile"]])
    def test_in_one_line(self, run: Run, arguments: list[str]) -> None:
        done = run(*arguments)
        assert (done.code, done.out) == (2, "")
        assert [line for line in done.err.splitlines() if not line.startswith("note: ")] == [
            next(line for line in done.err.splitlines() if line.startswith("error: "))
        ]

    def test_an_unknown_client_is_told_the_known_ones(self, run: Run) -> None:
        assert all(f"'{client}'" in run("conda").err for client in CLIENTS)

    @pytest.mark.parametrize(
        "url",
        [
            "wheels.shop.example",
            "ftp://wheels.shop.example",
            "https://",
            "https://ci:secret@wheels.shop.example",
            "https://wheels.shop.example/?token=secret",
            "https://wheels.shop.example/#secret",
            "https://wheels.shop.example:secret",
            "https://[::1",
            "https://wheels.shop.example/secret here",
        ],
    )
    def test_of_urls_that_cannot_be_shown(self, run: Run, url: str) -> None:
        done = run("pip", "--url", url)
        assert (done.code, done.out) == (2, "")
        assert "--url has to be" in done.err
        assert "secret" not in done.err


class TestPublished:
    """What the last requirements say of the mirror's files."""

    @pytest.fixture
    def bench(self, tmp_path: Path) -> Iterator[Workbench]:
        with workbench(tmp_path, MIRROR_PUBLIC_URL="https://wheels.shop.example") as bench:
            yield bench

    def answer(self, bench: Workbench, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
        mirror = bench.mirror()
        lock.take_snapshot(mirror)
        requirements.make_requirements(mirror)
        return _runner(bench.config, capsys)("uv", *arguments).out

    def test_of_one_project(self, bench: Workbench, capsys: pytest.CaptureFixture[str]) -> None:
        told = self.answer(bench, capsys)
        assert "--require-hashes https://wheels.shop.example/requirements-prod.txt" in told
        assert "uv pip sync https://wheels.shop.example/pylock/pylock.linux-x86_64.toml" in told
        assert "uv.lock.toml" not in told, "the project is one of poetry"

    def test_of_several_projects(self, bench: Workbench, capsys: pytest.CaptureFixture[str]) -> None:
        office = bench.root / "office"
        office.mkdir()
        (office / "uv.lock").write_text(
            uv_lock([project("office", dependencies=[want("demo")]), locked("demo")])
        )
        bench.configure(ORBIT_PROJECT="shop:office")
        of_first, of_office = self.answer(bench, capsys), self.answer(bench, capsys, "--project", "office")
        assert "# What the lock of shop pins" in of_first
        for text, name, other in ((of_first, "shop", "office"), (of_office, "office", "shop")):
            assert f"/requirements/{name}-prod.txt" in text
            assert f"/pylock/pylock.{name}-linux-x86_64.toml" in text
            assert f"{other}-" not in text
            assert "/pylock/pylock.linux-" not in text, "no installer takes two versions of one thing"
        assert "/pylock/office/uv.lock.toml" in of_office
        assert "uv.lock.toml" not in of_first, "the project is one of poetry"

    def test_which_of_several_projects_is_meant_is_told(
        self, bench: Workbench, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (bench.root / "office").mkdir()
        (bench.root / "office/uv.lock").write_text(uv_lock([project("office")]))
        bench.configure(ORBIT_PROJECT="shop:office")
        self.answer(bench, capsys)
        run = _runner(bench.config, capsys)
        assert run("pip").err == "note: requirements and locks are those of shop; --project: office\n"
        assert run("pip", "--project", "office").err == ""
        done = run("pip", "--project", "bureau")
        assert (done.code, done.out) == (2, "")
        assert done.err == "error: no project bureau is mirrored (projects: shop, office)\n"

    def test_of_another_url_only_what_works_there(
        self, bench: Workbench, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert "pylock" not in self.answer(bench, capsys, "--url", "https://other.example")
