"""What upstream says of projects and of where files come from (PEP 708, 740, 792), as judges find it with us.

The upstream's pages are at version 1.4 of the API. Ours say the same, in both forms, and clients that know
nothing of it install as before.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pypi_simple import (
    ACCEPT_HTML_ONLY,
    ACCEPT_JSON_ONLY,
    NoProvenanceError,
    ProjectStatus,
    PyPISimple,
)

from mirror_pipeline.adapters.server import serving
from mirror_pipeline_tests.aws_servers import free_port
from mirror_pipeline_tests.clients import Installed, pip_install, uv_install
from mirror_pipeline_tests.index_servers import Running, run_proxpi, run_simple_repository_server
from mirror_pipeline_tests.judged import ALPHA, DOTTED, NATIVE, Offer, facts_of, made, offered
from mirror_pipeline_tests.judges import seen
from mirror_pipeline_tests.upstreams import SIMPLE_JSON, FakeUpstream

PROJECTS = offered()
FORMS = pytest.mark.parametrize("accept", [ACCEPT_JSON_ONLY, ACCEPT_HTML_ONLY], ids=["json", "html"])
OWNER = "https://owner.example/simple/native/"
OTHERS = ("https://mirror.example/simple/native/", "https://other.example/simple/native/")
WHY = 'superseded by "beta" & <others>'


@dataclass(frozen=True)
class Said:
    """What upstream says of a project: its status and why, and other places."""

    status: ProjectStatus | None = None
    reason: str | None = None
    tracks: tuple[str, ...] = ()
    alternates: tuple[str, ...] = ()

    @property
    def page(self) -> Mapping[str, Any]:
        """Keys of its page."""
        marker = {"status": self.status and self.status.value, "reason": self.reason}
        status = {key: value for key, value in marker.items() if value}
        return {"project-status": status, "alternate-locations": list(self.alternates)}


SAID = {
    "alpha": Said(ProjectStatus.DEPRECATED, WHY),
    "checker": Said(ProjectStatus.ARCHIVED),
    "native": Said(tracks=(OWNER,)),
    "twice": Said(ProjectStatus.ACTIVE, alternates=OTHERS),
}
"""Every other project: nothing."""
ATTESTED = (ALPHA, DOTTED, *NATIVE)


def provenance(offer: Offer) -> bytes:
    """A provenance object of the form that PEP 740 has, about this very file; nobody signed it."""
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": offer.dist.file, "digest": {"sha256": offer.dist.sha256}}],
        "predicateType": "https://builder.example/attestations/publish/v1",
        "predicate": None,
    }
    envelope = {"statement": _encoded(json.dumps(statement).encode()), "signature": _encoded(b"none")}
    material = {"certificate": _encoded(b"none"), "transparency_entries": [{"logIndex": "1"}]}
    attestation = {"version": 1, "verification_material": material, "envelope": envelope}
    publisher = {"kind": "Builder", "claims": None, "repository": "example/project"}
    bundles = [{"publisher": publisher, "attestations": [attestation]}]
    return json.dumps({"version": 1, "attestation_bundles": bundles}, indent=1).encode()


def _encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def tell(upstream: FakeUpstream) -> None:
    """Have the upstream's pages say all that, and serve the provenance beside them."""
    attested = {offer.dist.file: offer for offer in ATTESTED}
    for project in PROJECTS:
        path, said = upstream.page_of(project), SAID.get(project, Said())
        content = upstream.content(path, SIMPLE_JSON)
        assert content is not None
        page = json.loads(content[0])
        page.update(said.page)
        page["meta"] = {"api-version": "1.4", "tracks": list(said.tracks)}
        for file in page["files"]:
            if offer := attested.get(file["filename"]):
                place = f"/integrity/{project}/{offer.dist.file}/provenance"
                file["provenance"] = upstream.root + place.replace("+", "%2B")
                upstream.replace(place, provenance(offer), "application/vnd.pypi.integrity.v1+json")
        upstream.replace(path, json.dumps(page).encode(), SIMPLE_JSON)


@dataclass(frozen=True)
class Served:
    """A mirror that knows under which URL it is reached."""

    url: str
    site: Path

    @property
    def index(self) -> str:
        """The index URL."""
        return f"{self.url}/simple/"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    port = free_port()
    public = f"http://127.0.0.1:{port}"
    world = made(tmp_path_factory.mktemp("said"), tell, MIRROR_PUBLIC_URL=public)
    with serving(world.site, port=port) as url:
        assert url == public
        yield Served(url, world.site)


@pytest.fixture(scope="module")
def client(served: Served) -> Iterator[PyPISimple]:
    with PyPISimple(served.index) as client:
        yield client


@FORMS
@pytest.mark.parametrize("project", PROJECTS)
def test_pypi_simple_finds_what_upstream_says_of_a_project(
    client: PyPISimple, project: str, accept: str
) -> None:
    page, said = client.get_project_page(project, accept=accept), SAID.get(project, Said())
    status = None if said.status is ProjectStatus.ACTIVE else said.status  # that needs no word
    assert page.repository_version == "1.4"
    assert (page.status or None, page.status_reason) == (status, said.reason)
    assert tuple(page.tracks) == said.tracks
    assert tuple(page.alternate_locations) == said.alternates


@FORMS
@pytest.mark.parametrize("project", PROJECTS)
def test_pypi_simple_finds_and_fetches_the_provenance(client: PyPISimple, project: str, accept: str) -> None:
    attested = {offer.dist.file: offer for offer in ATTESTED}
    for package in client.get_project_page(project, accept=accept).packages:
        if offer := attested.get(package.filename):
            assert client.get_provenance(package) == json.loads(provenance(offer))
        else:
            assert package.provenance_url is None
            with pytest.raises(NoProvenanceError):
                client.get_provenance(package)


def test_provenance_arrives_byte_for_byte(client: PyPISimple) -> None:
    for offer in ATTESTED:
        packages = {one.filename: one for one in client.get_project_page(offer.project).packages}
        url = packages[offer.dist.file].provenance_url
        assert url is not None
        answer = client.s.get(url)
        assert (answer.status_code, answer.content) == (200, provenance(offer))
        assert "json" in answer.headers["content-type"]


@FORMS
@pytest.mark.parametrize("project", SAID)
def test_all_else_is_as_it_was(client: PyPISimple, project: str, accept: str) -> None:
    page = client.get_project_page(project, accept=accept)
    found = [(facts.file, facts.sha256, facts.metadata_sha256) for facts in map(seen, page.packages)]
    expected = [facts_of(offer) for offer in PROJECTS[project]]
    assert found == [(facts.file, facts.sha256, facts.metadata_sha256) for facts in expected]


@pytest.mark.parametrize("install", [pip_install, uv_install], ids=["pip", "uv"])
def test_installers_install_what_is_archived_or_attested(
    served: Served, install: Callable[..., Installed]
) -> None:
    done = install(served.index, "Dotted.Name_x", "checker[more]", "native")
    assert done.code == 0, done.output
    assert {name.split("-")[0] for name in done.distributions} == {
        *("Dotted.Name_x", "alpha", "checker", "native", "twice")
    }


@pytest.mark.parametrize(
    "run", [run_proxpi, run_simple_repository_server], ids=["proxpi", "simple-repository"]
)
def test_servers_that_do_not_know_the_words_still_read_the_pages(
    served: Served, run: Callable[[str], AbstractContextManager[Running]]
) -> None:
    with run(served.index) as server, PyPISimple(server.index) as client:
        for project, offers in PROJECTS.items():
            page = client.get_project_page(project)
            assert {seen(package).sha256 for package in page.packages} == {one.dist.sha256 for one in offers}
            assert (page.tracks, page.alternate_locations, page.status_reason) == ([], [], None)
            assert all(package.provenance_url is None for package in page.packages)


@FORMS
def test_a_mirror_that_knows_no_url_of_its_own_states_none(tmp_path: Path, accept: str) -> None:
    world = made(tmp_path, tell)
    with serving(world.site) as url, PyPISimple(f"{url}/simple/") as client:
        for project, offers in PROJECTS.items():
            page = client.get_project_page(project, accept=accept)
            assert [package.filename for package in page.packages] == [offer.dist.file for offer in offers]
            assert all(package.provenance_url is None for package in page.packages)
        assert pip_install(f"{url}/simple/", "Dotted.Name_x").code == 0
