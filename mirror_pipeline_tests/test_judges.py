"""Our pages, read by parsers that others wrote: ``pypi-simple`` and ``mousebender``.

What they have to find comes from ``judged``: from the bytes of the files and what upstream said of them.
Warnings are errors here, so a judge that does not know our version of the API fails a test.
"""

from __future__ import annotations

import hashlib
import urllib.error
import urllib.request
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urljoin

import pytest
from mousebender import simple as mousebender
from packaging.version import Version
from pypi_simple import (
    ACCEPT_HTML_ONLY,
    ACCEPT_JSON_ONLY,
    SUPPORTED_REPOSITORY_VERSION,
    NoSuchProjectError,
    ProjectPage,
    PyPISimple,
)

from mirror_pipeline.domain.pages import API_VERSION
from mirror_pipeline_tests.judged import (
    OFFERED,
    Facts,
    Judged,
    facts_of,
    offered,
    time_of,
    without_what_html_lacks,
)
from mirror_pipeline_tests.judges import seen

PROJECTS = offered()
FORMS = pytest.mark.parametrize("accept", [ACCEPT_JSON_ONLY, ACCEPT_HTML_ONLY], ids=["json", "html"])
EVERY_PROJECT = pytest.mark.parametrize("project", PROJECTS)


def asked(url: str, accept: str | None = None, method: str = "GET") -> tuple[int, str, str, bytes]:
    """Status, final URL, type and body of an answer, an error's too."""
    headers = {"Accept": accept} if accept else {}
    request = urllib.request.Request(url, headers=headers, method=method)  # noqa: S310
    try:
        answer = urllib.request.urlopen(request, timeout=30)  # noqa: S310
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        return answer.status, answer.url, answer.headers["content-type"], answer.read()


@contextmanager
def plain_files(site: Path) -> Iterator[str]:
    """The site behind a web server that knows nothing of package indexes; the value is the index URL."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site))) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/simple/"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def client(judged: Judged) -> Iterator[PyPISimple]:
    with PyPISimple(judged.index) as client:
        yield client


# pypi-simple


@FORMS
@EVERY_PROJECT
def test_pypi_simple_reads_every_file(client: PyPISimple, project: str, accept: str) -> None:
    page = client.get_project_page(project, accept=accept)
    form: Callable[[Facts], Facts] = (
        without_what_html_lacks if accept == ACCEPT_HTML_ONLY else lambda facts: facts
    )

    assert [seen(package) for package in page.packages] == [
        form(facts_of(offer)) for offer in PROJECTS[project]
    ]
    assert page.repository_version == API_VERSION
    assert page.project == project
    for package, offer in zip(page.packages, PROJECTS[project], strict=True):
        kind = "wheel" if offer.dist.file.endswith(".whl") else "sdist"
        assert (package.version, package.package_type) == (offer.dist.version, kind)
        assert bool(package.has_metadata) is (offer.metadata is not None)


@EVERY_PROJECT
def test_pypi_simple_reads_the_versions(client: PyPISimple, project: str) -> None:
    versions = client.get_project_page(project, accept=ACCEPT_JSON_ONLY).versions
    locked = {offer.dist.version for offer in PROJECTS[project]}
    assert versions == sorted(locked, key=Version)


@FORMS
def test_pypi_simple_reads_the_project_list(client: PyPISimple, accept: str) -> None:
    page = client.get_index_page(accept=accept)
    assert page.projects == list(PROJECTS)
    assert page.repository_version == API_VERSION
    assert list(client.stream_project_names(accept=accept)) == list(PROJECTS)


def test_pypi_simple_knows_our_version_of_the_api() -> None:
    assert Version(API_VERSION) <= Version(SUPPORTED_REPOSITORY_VERSION)


@FORMS
def test_pypi_simple_downloads_and_compares(client: PyPISimple, accept: str, tmp_path: Path) -> None:
    for project, offers in PROJECTS.items():
        page = client.get_project_page(project, accept=accept)
        for package, offer in zip(page.packages, offers, strict=True):
            target = tmp_path / package.filename
            client.download_package(package, target, verify=True)
            assert target.read_bytes() == offer.dist.content
            if package.has_metadata:
                assert client.get_package_metadata_bytes(package, verify=True) == offer.metadata
    assert len(list(tmp_path.iterdir())) == len(OFFERED)


def test_pypi_simple_is_told_what_is_not_there(client: PyPISimple) -> None:
    with pytest.raises(NoSuchProjectError):
        client.get_project_page("never-heard-of")


def test_pypi_simple_reads_the_site_from_a_plain_web_server(judged: Judged, tmp_path: Path) -> None:
    with plain_files(judged.site) as index, PyPISimple(index) as client:
        assert client.get_index_page().projects == list(PROJECTS)
        for project, offers in PROJECTS.items():
            page = client.get_project_page(project)
            found = [seen(package) for package in page.packages]
            assert found == [without_what_html_lacks(facts_of(offer)) for offer in offers]
            for package, offer in zip(page.packages, offers, strict=True):
                client.download_package(package, tmp_path / package.filename, verify=True)
                assert client.get_package_metadata_bytes(package) if offer.metadata else True


@EVERY_PROJECT
def test_pypi_simple_reads_the_files_themselves(judged: Judged, project: str) -> None:
    folder = judged.site / "simple" / project
    read = ProjectPage.from_html(project, (folder / "index.html").read_bytes(), judged.page(project))
    with PyPISimple(judged.index) as client:
        negotiated = client.get_project_page(project, accept=ACCEPT_HTML_ONLY)
    assert asdict(read) == asdict(negotiated)


# mousebender


def details(judged: Judged, project: str, accept: str) -> Any:
    """A project page as mousebender understands it, whichever form it has."""
    url = judged.page(project)
    status, _, content_type, body = asked(url, accept)
    assert status == 200
    with warnings.catch_warnings():
        # It knows the keys of 1.4, and yet warns of HTML pages of a version beyond 1.1.
        warnings.simplefilter("ignore", mousebender.APIVersionWarning)
        page: Any = mousebender.parse_project_details(body.decode(), content_type, project)
    return page


def noted(entry: Any) -> Facts:
    """What mousebender found of a file."""
    assert set(entry["hashes"]) == {"sha256"}
    metadata = entry.get("core-metadata") or {}
    return Facts(
        file=entry["filename"],
        sha256=entry["hashes"]["sha256"],
        requires_python=entry.get("requires-python"),
        yanked=entry.get("yanked", False),
        metadata_sha256=metadata.get("sha256"),
        size=entry.get("size"),
        upload_time=time_of(entry.get("upload-time")),
    )


@EVERY_PROJECT
def test_mousebender_reads_both_forms_alike(judged: Judged, project: str) -> None:
    from_json = details(judged, project, mousebender.ACCEPT_JSON_V1)
    from_html = details(judged, project, mousebender.ACCEPT_HTML)
    expected = [facts_of(offer) for offer in PROJECTS[project]]

    assert [noted(entry) for entry in from_json["files"]] == expected
    assert [noted(entry) for entry in from_html["files"]] == [
        without_what_html_lacks(one) for one in expected
    ]
    assert from_json["name"] == from_html["name"] == project
    urls = [[entry["url"] for entry in page["files"]] for page in (from_json, from_html)]
    assert urls[0] == urls[1]


def test_mousebender_reads_the_project_list(judged: Judged) -> None:
    for accept in (mousebender.ACCEPT_JSON_V1, mousebender.ACCEPT_HTML):
        _, _, content_type, body = asked(judged.index, accept)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", mousebender.APIVersionWarning)
            page = mousebender.parse_project_index(body.decode(), content_type)
        assert [entry["name"] for entry in page["projects"]] == list(PROJECTS)


def test_mousebender_finds_pages_and_files_by_its_own_urls(judged: Judged) -> None:
    url = mousebender.create_project_url(judged.index, "Dotted_-_name.X")
    assert url == judged.page("dotted-name-x")
    (entry,) = details(judged, "dotted-name-x", mousebender.ACCEPT_SUPPORTED)["files"]
    content = asked(urljoin(url, entry["url"]))[3]
    assert hashlib.sha256(content).hexdigest() == entry["hashes"]["sha256"]


# What holds whoever reads


class _Structure(HTMLParser):
    """Start and end tags, the anchors' texts, and what a page would load or run."""

    VOID = frozenset({"meta", "br"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.seen: list[str] = []
        self.texts: list[str] = []
        self.hrefs: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "a":
            self.hrefs.append(dict(attrs)["href"] or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "a":
            self.texts.append(data)


@EVERY_PROJECT
def test_a_page_is_plain_and_well_formed(judged: Judged, project: str) -> None:
    text = (judged.site / "simple" / project / "index.html").read_text(encoding="utf-8")
    page = _Structure()
    page.feed(text)
    page.close()

    assert text.startswith("<!DOCTYPE html>\n")
    assert page.open == []
    assert set(page.seen) <= {"html", "head", "meta", "title", "body", "h1", "a", "br"}
    assert page.texts == [offer.dist.file for offer in PROJECTS[project]]
    assert all(href.startswith("../../packages/") and "?" not in href for href in page.hrefs)
    assert "dist-info-metadata" not in text


JSON, HTML = "application/vnd.pypi.simple.v1+json", "text/html; charset=utf-8"
ACCEPTED = {
    "pip": (f"{JSON}, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01", JSON),
    "pip before 22.2": ("text/html", HTML),
    "uv": (f"{JSON}, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01", JSON),
    "poetry": (f"{JSON}, */*;q=0.1", JSON),
    "poetry before 2": ("*/*", HTML),
    "devpi": (f"{JSON}, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01", JSON),
    "proxpi": (f"{JSON}, application/vnd.pypi.simple.v1+html;q=0.1", JSON),
    "a browser": ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", HTML),
    "nobody in particular": (None, HTML),
}


@pytest.mark.parametrize(("accept", "expected"), ACCEPTED.values(), ids=ACCEPTED)
@pytest.mark.parametrize("path", ["/simple/", "/simple/alpha/"])
def test_everybody_gets_the_form_they_like_best(
    judged: Judged, path: str, accept: str | None, expected: str
) -> None:
    status, url, content_type, _ = asked(judged.url + path, accept)
    assert (status, url, content_type) == (200, judged.url + path, expected)


@pytest.mark.parametrize(
    "path", ["dotted-name-x", "Dotted.Name_x", "Dotted.Name_x/", "DOTTED--name__X/", "dotted-name-x/"]
)
def test_every_spelling_leads_to_the_page(judged: Judged, path: str) -> None:
    status, url, content_type, _ = asked(judged.index + path, JSON)
    assert (status, url, content_type) == (200, judged.page("dotted-name-x"), JSON)


@pytest.mark.parametrize(
    "path",
    [
        "simple/never-heard-of/",
        "pypi/alpha/json",
        "packages/alpha-1.0.tar.gz.metadata",
        "simple/alpha/alpha-1.0.tar.gz",
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_is_not_there_is_not_found(judged: Judged, path: str, method: str) -> None:
    assert asked(f"{judged.url}/{path}", JSON, method)[0] == 404
