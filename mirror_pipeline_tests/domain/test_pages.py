"""Pages that clients read: what is on them comes back whole, and what clients punish is not on them."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from html.parser import HTMLParser
from urllib.parse import quote, urljoin, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.utils import canonicalize_name
from packaging.version import Version

from mirror_pipeline.domain.artifact import Artifact
from mirror_pipeline.domain.pages import (
    file_url,
    list_html,
    list_json,
    page_files,
    project_html,
    project_json,
    requires_python,
)
from mirror_pipeline.domain.project_facts import REPEATED, ProjectFacts, ProjectStatus, locations
from mirror_pipeline.domain.simple_page import read_project
from mirror_pipeline.domain.wheelset import CoreMetadata, Held, UpstreamFile, WheelSet, by_project
from mirror_pipeline_tests.locks import digest_of

SITE = "https://mirror.example"
PAGE = f"{SITE}/simple/demo/"


def held(
    file: str = "demo-1.0-py3-none-any.whl",
    version: str = "1.0",
    *,
    metadata: bool = False,
    own: str | None = None,
    upstream: str | None = None,
    yanked: str | bool = False,
    upload_time: str | None = None,
    size: int = 7,
    provenance: bool = False,
) -> Held:
    core = CoreMetadata(digest_of(f"{file}.metadata"), 3, own) if metadata or own else None
    artifact = Artifact(file, digest_of(file), canonicalize_name("demo"), version)
    attested = digest_of(f"{file}.provenance") if provenance else None
    return Held(artifact, size, core, upstream, yanked, upload_time, attested)


texts = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1, max_size=20
)
reasons = texts | st.sampled_from(('it\'s "broken" <b>', "a & b", "&amp;", "5 > 3", "'", '"', "x" * 99))
specifiers = st.sampled_from((None, ">=3.8", ">=3.8,<4", "<3.13,!=3.9.*,>=3.8", "~=3.10 ; '\""))


@st.composite
def held_files(draw: st.DrawFn) -> list[Held]:
    """Files with every kind of name and remark, in the order of names, as ``by_project`` gives them."""
    versions = st.sampled_from(("1.0", "1.0+cpu", "1!2.0", "2.0.dev1", "0.9.post1+ubuntu.2", "1.0-2"))
    kinds = st.sampled_from(("-py3-none-any.whl", "-cp312-cp312-win_amd64.whl", ".tar.gz", ".zip"))
    names = draw(st.lists(st.tuples(versions, kinds), unique=True, max_size=5))
    return sorted(
        (
            held(
                f"demo-{version}{kind}",
                version,
                metadata=draw(st.booleans()),
                own=draw(specifiers),
                upstream=draw(specifiers),
                yanked=draw(st.booleans() | reasons),
                size=draw(st.integers(0, 10**12)),
                provenance=draw(st.booleans()),
                upload_time=draw(st.none() | st.just("2026-01-02T03:04:05.678900Z")),
            )
            for version, kind in names
        ),
        key=lambda item: item.artifact.file,
    )


hosts = st.sampled_from(("https://index.example", "http://10.0.0.7:8080", "https://wheels.example/%7Eteam"))
addresses = st.builds(
    lambda host, path: f"{host}/{path}/demo/", hosts, st.sampled_from(("simple", "a/b", "+"))
)


@st.composite
def project_facts(draw: st.DrawFn) -> ProjectFacts:
    """All that a page of ours may say of a project."""
    status = draw(st.sampled_from(REPEATED) | st.just("active"))
    reason = " ".join(draw(st.just("") | reasons).split()) if status != "active" else ""
    tracks, alternates = (locations(draw(st.lists(addresses, max_size=3))) for _ in range(2))
    return ProjectFacts(ProjectStatus(status, reason), tracks, alternates)


def expected(item: Held, *, complete: bool, base: str = SITE) -> UpstreamFile:
    """What a reader of the page must find; HTML knows neither sizes nor dates.

    Where the provenance lies stands there in words that lead to the page's own site.
    """
    provenance = f"{urljoin(PAGE, quote(item.artifact.file, safe='!'))}.provenance"
    return UpstreamFile(
        file=item.artifact.file,
        url=urljoin(PAGE, file_url(item.artifact.file)),
        sha256=item.artifact.sha256,
        size=item.size if complete else None,
        requires_python=requires_python(item),
        yanked=item.yanked,
        upload_time=item.upload_time if complete else None,
        core_metadata=item.metadata.sha256 if item.metadata else None,
        provenance=provenance if item.provenance and (complete or base) else None,
    )


def everything(_file: str, _sha256: str | None) -> bool:
    return True


@settings(deadline=None, max_examples=60)
@given(held_files(), project_facts(), st.sampled_from(("", SITE)))
def test_an_html_page_gives_back_what_it_was_made_of(
    files: list[Held], facts: ProjectFacts, base: str
) -> None:
    page = project_html("demo", files, facts, base).encode()
    found = read_project(page, "text/html; charset=utf-8", PAGE, everything)
    assert found == (tuple(expected(item, complete=False, base=base) for item in files), facts)


@settings(deadline=None, max_examples=60)
@given(held_files(), project_facts(), st.sampled_from(("", SITE)))
def test_a_json_page_gives_back_what_it_was_made_of(
    files: list[Held], facts: ProjectFacts, base: str
) -> None:
    page = project_json("demo", files, facts, base).encode()
    found = read_project(page, "application/vnd.pypi.simple.v1+json", PAGE, everything)
    assert found == (tuple(expected(item, complete=True) for item in files), facts)


class Anchors(HTMLParser):
    """Every anchor as a browser would see it: its attributes, and its text under the key ``text``."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[dict[str, str]] = []
        self.tags: set[str] = set()
        self.inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.inside = tag == "a"
        if self.inside:
            self.found.append({"text": "", **{name: value or "" for name, value in attrs}})

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag != "a"

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.found[-1]["text"] += data


def anchors(page: str) -> Anchors:
    parser = Anchors()
    parser.feed(page)
    return parser


@settings(deadline=None, max_examples=60)
@given(held_files())
def test_an_html_page_keeps_the_rules_that_clients_punish(files: list[Held]) -> None:
    page = anchors(project_html("demo", files))
    assert [anchor["text"] for anchor in page.found] == [item.artifact.file for item in files]
    assert page.tags == {"html", "head", "meta", "title", "body", "h1"} | ({"a", "br"} if files else set())
    for anchor, item in zip(page.found, files, strict=True):
        parts = urlsplit(anchor["href"])
        assert (parts.scheme, parts.netloc, parts.query) == ("", "", "")
        assert parts.path.startswith("../../packages/")
        assert parts.fragment == f"sha256={item.artifact.sha256}"
        assert "+" not in anchor["href"]
        assert ("data-core-metadata" in anchor) == (item.metadata is not None)
        assert ("data-yanked" in anchor) == (item.yanked is not False)
        assert not {"data-dist-info-metadata", "data-gpg-sig"} & set(anchor)


@settings(deadline=None, max_examples=60)
@given(held_files())
def test_a_json_page_keeps_the_rules_that_clients_punish(files: list[Held]) -> None:
    document = json.loads(project_json("demo", files))
    assert document["meta"] == {"api-version": "1.4"}
    assert document["name"] == "demo"
    assert set(document) == {"files", "meta", "name", "versions"}
    assert sorted(document["versions"]) == sorted({str(Version(item.artifact.version)) for item in files})
    for entry, item in zip(document["files"], files, strict=True):
        assert entry["hashes"] == {"sha256": item.artifact.sha256}
        assert entry["core-metadata"] == ({"sha256": item.metadata.sha256} if item.metadata else False)
        assert entry["size"] == item.size
        assert not urlsplit(entry["url"]).netloc
        assert "dist-info-metadata" not in entry
        assert "gpg-sig" not in entry
        assert "provenance" not in entry  # nobody knows its full URL, and another is refused by clients


def test_a_specifier_is_escaped() -> None:
    page = project_html("demo", [held(own=">=3.8,<4")])
    assert 'data-requires-python="&gt;=3.8,&lt;4"' in page
    assert ">=3.8" not in page


def test_a_yanked_file_without_reason_has_the_bare_attribute() -> None:
    assert 'data-yanked=""' in project_html("demo", [held(yanked=True)])
    assert "data-yanked" not in project_html("demo", [held()])


@pytest.mark.parametrize(
    ("own", "upstream", "expected"),
    [
        (">=3.8", ">=3.9", ">=3.8"),
        (None, ">=3.9", ">=3.9"),
        ("", ">=3.9", ">=3.9"),
        (None, "", None),
        (None, None, None),
    ],
)
def test_a_file_s_own_metadata_comes_before_what_upstream_says(
    own: str | None, upstream: str | None, expected: str | None
) -> None:
    assert requires_python(held(metadata=True, own=own, upstream=upstream)) == expected


def test_a_plus_stays_in_the_name_and_is_quoted_in_the_link() -> None:
    name = "demo-1.0+cpu-py3-none-any.whl"
    page = project_html("demo", [held(name)])
    assert f">{name}</a>" in page
    assert 'href="../../packages/demo-1.0%2Bcpu-py3-none-any.whl#' in page
    assert file_url("demo-1!1.0.tar.gz") == "../../packages/demo-1!1.0.tar.gz"


def test_versions_stand_in_their_order() -> None:
    files = [held(f"demo-{version}.tar.gz", version) for version in ("1.10", "1.9", "1.9.post1", "1.9rc1")]
    assert json.loads(project_json("demo", files))["versions"] == ["1.9rc1", "1.9", "1.9.post1", "1.10"]


def test_versions_are_normalized_and_each_is_there_once() -> None:
    files = [held("demo-1.0-2.tar.gz", "1.0-2"), held("demo-1.0.post2-py3-none-any.whl", "1.0.post2")]
    assert json.loads(project_json("demo", files))["versions"] == ["1.0.post2"]


@pytest.mark.parametrize(
    ("upload_time", "stated"),
    [
        ("2026-01-02T03:04:05Z", True),
        ("2026-01-02T03:04:05.678901Z", True),
        ("2026-01-02T03:04:05+00:00", False),
        ("2026-01-02T03:04:05.6789012Z", False),
        ("2026-01-02 03:04:05Z", False),
        ("yesterday", False),
    ],
)
def test_an_upload_time_stands_there_only_as_pep_700_writes_it(upload_time: str, *, stated: bool) -> None:
    (entry,) = json.loads(project_json("demo", [held(upload_time=upload_time)]))["files"]
    assert entry.get("upload-time") == (upload_time if stated else None)


WITH_PLUS = "demo-1.0+cpu-py3-none-any.whl"


@pytest.mark.parametrize(
    ("base", "stated"),
    [
        ("", None),
        ("http://mirror.example", None),  # no secure origin
        (SITE, f"{SITE}/simple/demo/demo-1.0%2Bcpu-py3-none-any.whl.provenance"),
        (f"{SITE}/py", f"{SITE}/py/simple/demo/demo-1.0%2Bcpu-py3-none-any.whl.provenance"),
        ("http://127.0.0.1:8", "http://127.0.0.1:8/simple/demo/demo-1.0%2Bcpu-py3-none-any.whl.provenance"),
        ("http://a.localhost", "http://a.localhost/simple/demo/demo-1.0%2Bcpu-py3-none-any.whl.provenance"),
    ],
)
def test_provenance_is_stated_as_a_full_url_of_a_secure_origin_or_not_at_all(
    base: str, stated: str | None
) -> None:
    files = [held(WITH_PLUS, "1.0+cpu", provenance=True), held()]
    attested, plain = json.loads(project_json("demo", files, base=base))["files"]
    assert attested.get("provenance") == stated
    assert attested["_provenance"] == "demo-1.0%2Bcpu-py3-none-any.whl.provenance"
    assert not {"provenance", "_provenance"} & set(plain)
    of_html = [
        anchor.get("data-provenance") for anchor in anchors(project_html("demo", files, base=base)).found
    ]
    assert of_html == [stated, None]


def test_what_upstream_says_of_the_project_stands_in_both_forms() -> None:
    facts = ProjectFacts(
        ProjectStatus("deprecated", 'use <"other">'),
        ("https://a.example/simple/demo/", "https://b.example/simple/demo/"),
        ("https://c.example/demo/",),
    )
    document, page = json.loads(project_json("demo", [held()], facts)), project_html("demo", [held()], facts)
    assert document["meta"] == {"api-version": "1.4", "tracks": list(facts.tracks)}
    assert document["alternate-locations"] == ["https://c.example/demo/"]
    assert document["project-status"] == {"status": "deprecated", "reason": 'use <"other">'}
    assert [line.strip() for line in page.splitlines() if "pypi:" in line] == [
        '<meta name="pypi:repository-version" content="1.4">',
        '<meta name="pypi:project-status" content="deprecated">',
        '<meta name="pypi:project-status-reason" content="use &lt;&quot;other&quot;&gt;">',
        '<meta name="pypi:tracks" content="https://a.example/simple/demo/">',
        '<meta name="pypi:tracks" content="https://b.example/simple/demo/">',
        '<meta name="pypi:alternate-locations" content="https://c.example/demo/">',
    ]


@pytest.mark.parametrize("status", ["quarantined", "active", "haunted"])
def test_a_page_that_offers_files_does_not_call_the_project_unsafe(status: str) -> None:
    facts = ProjectFacts(ProjectStatus(status, "why"))
    assert project_json("demo", [held()], facts) == project_json("demo", [held()])
    assert project_html("demo", [held()], facts) == project_html("demo", [held()])


def test_the_project_list_in_both_forms() -> None:
    projects = ["zope-interface", "demo", "a"]
    links = [(anchor["href"], anchor["text"]) for anchor in anchors(list_html(projects)).found]
    assert links == [("a/", "a"), ("demo/", "demo"), ("zope-interface/", "zope-interface")]
    assert json.loads(list_json(projects)) == {
        "meta": {"api-version": "1.4"},
        "projects": [{"name": "a"}, {"name": "demo"}, {"name": "zope-interface"}],
    }


def test_every_project_has_both_pages_and_the_list_has_all() -> None:
    pages = page_files({"demo": [held()], "other": []})
    assert list(pages) == [
        "simple/demo/index.html",
        "simple/demo/index.v1_json",
        "simple/index.html",
        "simple/index.v1_json",
        "simple/other/index.html",
        "simple/other/index.v1_json",
    ]
    assert json.loads(pages["simple/other/index.v1_json"])["files"] == []


def shuffled(files: Sequence[Held], chance: random.Random) -> list[Held]:
    return chance.sample(files, len(files))


@settings(deadline=None, max_examples=40)
@given(held_files(), st.randoms(use_true_random=False))
def test_the_same_files_give_the_same_bytes(files: list[Held], chance: random.Random) -> None:
    half = len(files) // 2
    one = [WheelSet("linux-x86_64", tuple(files))]
    two = [
        WheelSet("noarch", tuple(shuffled(files[half:], chance))),
        WheelSet("any", tuple(files[: half + 1])),
    ]
    assert page_files(by_project(one)) == page_files(by_project(two))
