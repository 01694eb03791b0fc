"""Pages for people as HTML: sound whatever they are made of, and leading nowhere that they should not."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from datetime import datetime, timezone
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirror_pipeline.adapters.people_pages import assets, front_page, project_pages
from mirror_pipeline.domain.about import About, about_of
from mirror_pipeline.domain.people import Front, client_views, coverage_view, front_view
from mirror_pipeline.domain.people_projects import project_views
from mirror_pipeline.domain.project_facts import ProjectFacts, ProjectStatus
from mirror_pipeline.domain.wheelset import Held, WheelSet, by_project
from mirror_pipeline_tests.domain.test_people import PLAN, held, lock

HOSTILE = (
    "</p></title><script>alert('1')</script><img src=x onerror=alert(1)> \" ' & &lt; {{ 7*7 }} \x00\u202e"
)
EMPTY = front_view("", "", "", [], [], [], coverage_view(replace(PLAN, targets={}), []), [])
CLIENTS = client_views(EMPTY, private=False)
ACTIVE = ProjectStatus()
WHEN = datetime(2026, 3, 4, 5, 6, tzinfo=timezone.utc)
VOID = {"meta", "link", "img", "input", "br"}


class Page(HTMLParser):
    """A page as a parser sees it: its elements, which have to be closed in turn, and its text."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(content.decode())
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return "".join(self.words)

    @property
    def tags(self) -> Counter[str]:
        return Counter(tag for tag, _ in self.elements)

    def values(self, attribute: str) -> list[str]:
        return [attributes[attribute] or "" for _, attributes in self.elements if attribute in attributes]


def front_of(*items: Held, title: str = "Ours", base: str = "", status: ProjectStatus = ACTIVE) -> Front:
    sets = [WheelSet("noarch", items)]
    projects = by_project(sets)
    views = project_views(projects, sets, dict.fromkeys(projects, ProjectFacts(status)))
    return front_view(title, base, "0" * 64, [lock("shop")], views, items, coverage_view(PLAN, sets), [])


def pages_of(view: Front) -> list[Page]:
    return [Page(front_page(view, CLIENTS, WHEN)), *(Page(content) for _, content in project_pages(view))]


def hostile_pages(text: str) -> list[Page]:
    """The pages of a mirror of which everything that strangers write says the same."""
    return pages_of(front_of(shop(text), title=text, status=ProjectStatus("archived", text)))


def shop(text: str) -> Held:
    """A file of which everything that strangers write says the same."""
    told = {"summary": text, "license": text, "project_urls": {text: "https://shop.example/"}}
    return held(
        "shop-1.0-py3-none-any.whl", about=about_of(told), yanked=text, requires_python=text, upload_time=text
    )


PLAIN = hostile_pages("words")


def test_what_strangers_write_is_text() -> None:
    for page, plain in zip(hostile_pages(HOSTILE), PLAIN, strict=True):
        assert page.tags == plain.tags
        assert "<script>alert('1')</script>" in page.text
        assert "{{ 7*7 }}" in page.text


@settings(deadline=None, max_examples=60)
@given(st.text())
def test_no_text_makes_another_page(text: str) -> None:
    for page, plain in zip(hostile_pages(f"words {text}"), PLAIN, strict=True):
        assert page.tags == plain.tags


def test_what_upstream_says_of_a_project_as_a_whole_is_told() -> None:
    archived = ProjectStatus("archived", "see shop2")
    front, page = pages_of(front_of(held("shop-1.0-py3-none-any.whl"), status=archived))
    assert "archived" in front.text
    assert "archived see shop2" in page.text
    for plain in pages_of(front_of(held("shop-1.0-py3-none-any.whl"))):
        assert "archived" not in plain.text


def test_a_project_s_page_tells_its_gaps_and_no_other_s() -> None:
    view = front_of(held("shop-1.0-py3-none-any.whl"), held("beta-1.0-py3-none-any.whl", project="beta"))
    beta, shop = pages_of(view)[-2:]
    assert "1 on windows-amd64, Python 3.12: source only" in shop.text
    assert "Lacking" not in beta.text


def test_provenance_is_linked_where_it_is_published() -> None:
    with_it = held("shop-1.0+a-py3-none-any.whl", "1.0+a", provenance="0" * 64)
    _, page = pages_of(front_of(with_it))
    assert "../../simple/shop/shop-1.0%2Ba-py3-none-any.whl.provenance" in page.values("href")
    _, page = pages_of(front_of(held("shop-1.0+a-py3-none-any.whl", "1.0+a")))
    assert not [href for href in page.values("href") if "provenance" in href]


@pytest.mark.parametrize("page", PLAIN, ids=["front", "project"])
def test_nothing_runs_that_is_not_our_file(page: Page) -> None:
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert "style" not in {name for _, attributes in page.elements for name in attributes} | set(page.tags)
    assert [attributes.get("src", "") for tag, attributes in page.elements if tag == "script"] != [""]
    (policy,) = [a["content"] for t, a in page.elements if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy


@pytest.mark.parametrize("page", PLAIN, ids=["front", "project"])
def test_links_lead_into_the_mirror_or_say_that_they_do_not(page: Page) -> None:
    for tag, attributes in page.elements:
        for value in filter(None, (attributes.get("href"), attributes.get("src"))):
            if ":" in value or value.startswith("//"):
                assert tag == "a"
                assert value == "https://shop.example/"
                assert attributes["rel"] == "nofollow noopener noreferrer"


@pytest.mark.parametrize("page", PLAIN, ids=["front", "project"])
def test_a_page_has_what_readers_of_screens_look_for(page: Page) -> None:
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert page.tags["main"] == page.tags["header"] == page.tags["footer"] == page.tags["nav"] == 1
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    assert {value.removeprefix("#") for value in page.values("href") if value.startswith("#")} <= set(ids)
    assert set(page.values("for")) <= set(ids)
    assert set(page.values("aria-labelledby")) | set(page.values("aria-describedby")) <= set(ids)
    assert all("scope" in attributes for tag, attributes in page.elements if tag == "th")


def test_what_lacks_is_told_with_its_reason() -> None:
    text = PLAIN[0].text
    assert "shop 1 on Python 3.12: source only" in text
    assert "needs glibc 2.34, the mirror is for glibc 2.28 and newer" in text
    assert "own: a git source" in text
    assert "git.example" not in text


def test_the_time_is_told_on_the_front_page_alone() -> None:
    front, project = PLAIN
    assert "4 March 2026 05:06 UTC" in front.text
    assert "2026-03-04T05:06:00+00:00" in front.values("datetime")
    assert "2026" not in project.text
    assert "2026" not in Page(front_page(front_of(shop("words")), CLIENTS, None)).text


def test_an_address_that_is_known_is_not_replaced() -> None:
    known = front_of(shop("words"), base="https://m.example")
    for page in pages_of(known):
        assert page.values("data-placeholder") == []
    assert all(page.values("data-placeholder") == ["https://mirror.example"] for page in PLAIN)
    (_, project) = next(iter(project_pages(known)))
    assert "--index-url https://m.example/simple/ shop==1.0" in Page(project).text


def test_a_mirror_of_nothing_has_a_page() -> None:
    assert "Package mirror" in Page(front_page(EMPTY, CLIENTS, WHEN)).text


def test_a_project_that_says_nothing_has_a_page() -> None:
    front = front_of(held("shop-1.0.tar.gz"), held("shop-2.0-py3-none-any.whl", "2.0", about=About()))
    (_, content) = next(iter(project_pages(front)))
    assert "to be built" in Page(content).text


def test_pages_name_every_asset_and_no_other() -> None:
    named = {
        value
        for page in PLAIN
        for name in ("href", "src")
        for value in page.values(name)
        if "assets/" in value
    }
    assert {f"assets/{value.rpartition('/')[2]}" for value in named} == set(assets())
    style = assets()["assets/site.css"].decode()
    assert "url(" not in style
    assert "@import" not in style
    assert not re.search(r"https?:", style)
