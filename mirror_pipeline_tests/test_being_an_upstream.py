"""Other index servers with our mirror as their only upstream, and pip and uv installing from *them*.

devpi, proxpi and simple-repository-server are real processes (``index_servers``), started as
``docs/being-an-upstream.md`` says. What they hand on is compared with the files themselves (``judged``): the
table of that page says the same.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import pytest
from pypi_simple import (
    ACCEPT_HTML_ONLY,
    ACCEPT_JSON_ONLY,
    NoSuchProjectError,
    PyPISimple,
)
from requests import HTTPError

from mirror_pipeline.adapters.server import serving
from mirror_pipeline.domain.tokens import Admission
from mirror_pipeline_tests.clients import Installed, pip_install, uv_install
from mirror_pipeline_tests.index_servers import Running, run_devpi, run_proxpi, run_simple_repository_server
from mirror_pipeline_tests.judged import ALPHA, NATIVE, OFFERED, Facts, Judged, Offer, facts_of, offered
from mirror_pipeline_tests.judges import seen
from mirror_pipeline_tests.upstreams import FakeUpstream
from mirror_pipeline_tests.wheels import wheel

PROJECTS = offered()
WITH_PLUS = frozenset(offer.dist.file for offer in NATIVE)


@dataclass(frozen=True)
class Passed:
    """What a server hands on beyond files, digests, ``requires-python`` and what was withdrawn."""

    metadata_digests: bool = True
    sizes: bool = False
    times: Callable[[datetime], datetime | None] = lambda _time: None
    unreachable: frozenset[str] = frozenset()
    cached: bool = True

    def of(self, offer: Offer) -> Facts:
        """What its pages say of a file, of all that ours say."""
        facts = facts_of(offer)
        return replace(
            facts,
            metadata_sha256=facts.metadata_sha256 if self.metadata_digests else None,
            size=facts.size if self.sizes else None,
            upload_time=self.times(facts.upload_time) if facts.upload_time else None,
        )


@dataclass(frozen=True)
class Server(Running):
    """One that is running, and what may be expected of it."""

    passed: Passed


RUN: Mapping[str, Callable[[str], AbstractContextManager[Running]]] = {
    "devpi": run_devpi,
    "proxpi": run_proxpi,
    "simple-repository-server": run_simple_repository_server,
}
PASSED = {
    "devpi": Passed(metadata_digests=False),
    "proxpi": Passed(),
    "simple-repository-server": Passed(
        sizes=True, times=lambda time: time.replace(microsecond=0), unreachable=WITH_PLUS, cached=False
    ),
}


@pytest.fixture(scope="module", params=list(RUN))
def server(judged: Judged, request: pytest.FixtureRequest) -> Iterator[Server]:
    with RUN[request.param](judged.index) as server:
        yield Server(server.index, server.another, PASSED[request.param])


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[PyPISimple]:
    with PyPISimple(server.index) as client:
        yield client


def test_its_project_list_is_ours(client: PyPISimple) -> None:
    for accept in (ACCEPT_JSON_ONLY, ACCEPT_HTML_ONLY):
        assert sorted(client.get_index_page(accept=accept).projects) == list(PROJECTS)


@pytest.mark.parametrize("project", PROJECTS)
def test_its_pages_say_what_ours_say(server: Server, client: PyPISimple, project: str) -> None:
    page = client.get_project_page(project, accept=ACCEPT_JSON_ONLY)
    found = sorted((seen(package) for package in page.packages), key=lambda facts: facts.file)
    assert found == [server.passed.of(offer) for offer in PROJECTS[project]]
    promised = {package.filename: bool(package.has_metadata) for package in page.packages}
    assert promised == {offer.dist.file: offer.metadata is not None for offer in PROJECTS[project]}
    if page.versions is not None:
        assert set(page.versions) == {offer.dist.version for offer in PROJECTS[project]}


def test_files_and_metadata_arrive_byte_for_byte(server: Server, client: PyPISimple, tmp_path: Path) -> None:
    arrived = set()
    for project, offers in PROJECTS.items():
        packages = {package.filename: package for package in client.get_project_page(project).packages}
        for offer in offers:
            package, target = packages[offer.dist.file], tmp_path / offer.dist.file
            if offer.dist.file in server.passed.unreachable:
                with pytest.raises(HTTPError):
                    client.download_package(package, target)
                continue
            client.download_package(package, target)
            assert target.read_bytes() == offer.dist.content
            if offer.metadata:
                assert (
                    client.get_package_metadata_bytes(package, verify=bool(package.metadata_digests))
                    == offer.metadata
                )
            arrived.add(offer.dist.file)
    assert arrived == {offer.dist.file for offer in OFFERED} - server.passed.unreachable


def test_what_we_do_not_have_is_not_found_there(client: PyPISimple) -> None:
    with pytest.raises(NoSuchProjectError):
        client.get_project_page("never-heard-of")


INSTALLERS = pytest.mark.parametrize("install", [pip_install, uv_install], ids=["pip", "uv"])
Install = Callable[..., Installed]


@INSTALLERS
def test_installers_resolve_and_install_from_it(server: Server, install: Install) -> None:
    wanted = ["Dotted.Name_x", "checker[more]", "withdrawn==1.0", "epoch"]
    done = install(server.index, *wanted)
    assert done.code == 0, done.output
    names = {name.split("-")[0] for name in done.distributions}
    assert names == {"Dotted.Name_x", "alpha", "checker", "epoch", "twice", "withdrawn"}


@INSTALLERS
def test_installers_accept_the_hashes_of_the_published_requirements(
    server: Server, judged: Judged, install: Install, tmp_path: Path
) -> None:
    published = (judged.site / "requirements-all.txt").read_text(encoding="utf-8")
    blocks = published.replace("\\\n", " ").splitlines()
    lines = [line for line in blocks if not (server.passed.unreachable and line.startswith("native=="))]
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("\n".join(lines) + "\n")
    done = install(server.index, "--require-hashes", "-r", str(requirements))
    assert done.code == 0, done.output
    assert len(done.distributions) == len(PROJECTS) - 1 - bool(server.passed.unreachable)  # Windows' own


@INSTALLERS
def test_installers_are_told_of_what_nobody_has(server: Server, install: Install) -> None:
    done = install(server.index, "alpha", "never-heard-of")
    assert done.code != 0
    assert "never-heard-of" in done.output
    assert done.distributions == frozenset()


def test_a_login_in_the_url_is_used_and_what_was_fetched_is_kept(server: Server, judged: Judged) -> None:
    login = "Basic " + base64.b64encode(b"reader:a-token").decode()

    def admits(authorization: str | None) -> Admission:
        return Admission.GRANTED if authorization == login else Admission.REFUSED

    with ExitStack() as mirror, ExitStack() as others:
        url = mirror.enter_context(serving(judged.site, admits=admits))
        behind = others.enter_context(server.another(url.replace("://", "://reader:a-token@") + "/simple/"))
        there = pip_install(behind.index, "Dotted.Name_x")
        mirror.close()
        away = pip_install(behind.index, "Dotted.Name_x")
    assert there.distributions == {"Dotted.Name_x-3.1", "alpha-1.0"}, there.output
    assert (away.distributions == there.distributions) is server.passed.cached, away.output


@pytest.fixture
def stranger() -> Iterator[FakeUpstream]:
    """An index where anybody may publish: a higher version of a project of ours, and other bytes of ours."""
    with FakeUpstream() as index:
        index.add(wheel("alpha", "1.0", payload=100))
        index.add(wheel("alpha", "9.0"))
        yield index


def test_beside_another_index_pip_takes_the_higher_version(judged: Judged, stranger: FakeUpstream) -> None:
    done = pip_install(judged.index, "--extra-index-url", stranger.url, "alpha")
    assert done.distributions == {"alpha-9.0"}, done.output


def test_beside_another_index_hashes_decide(judged: Judged, stranger: FakeUpstream, tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text(f"alpha==1.0 --hash=sha256:{ALPHA.dist.sha256}\n")
    hashed = ("--require-hashes", "-r", str(requirements))

    by_pip = pip_install(judged.index, "--extra-index-url", stranger.url, *hashed)
    assert by_pip.distributions == {"alpha-1.0"}, by_pip.output  # it asks both, and only ours has these bytes
    by_uv = uv_install(judged.index, "--index", stranger.url, *hashed)
    assert (by_uv.code != 0, by_uv.distributions) == (True, frozenset()), by_uv.output
    assert ALPHA.dist.sha256 in by_uv.output


def test_uv_asks_our_index_first_where_it_is_named_so(judged: Judged, stranger: FakeUpstream) -> None:
    done = uv_install(stranger.url, "--index", judged.index, "alpha")
    assert done.distributions == {"alpha-1.0"}, done.output
