"""The site for people in a real browser: found, read, copied from and walked through, on a desk and a phone.

One mirror for the whole module, served by our own server. Its files say what strangers may say, one of them
is yanked, and a platform has gaps.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from mirror_pipeline.adapters.server import serving
from mirror_pipeline_tests.browsers import browsing, chromium
from mirror_pipeline_tests.locks import package
from mirror_pipeline_tests.phases.world import ALPHA, LINUX, ONLY_WINDOWS, World, locked, run
from mirror_pipeline_tests.upstreams import FakeUpstream
from mirror_pipeline_tests.wheels import wheel

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

DESK, PHONE = (1280, 900), (390, 844)
FRONT, PROJECT, NATIVE = "/", "/project/hostile/", "/project/native/"
HOSTILE = wheel(
    "hostile",
    "1.0",
    told="Summary: <script>document.title='gone'</script><img src=x onerror=document.title='gone'> \u202ex\n"
    "License: <b>MIT</b>\n"
    "Project-URL: Homepage, https://elsewhere.example/\n"
    "Project-URL: Documentation, javascript:document.title='gone'\n"
    f"Project-URL: {'long' * 40}, https://{'long.' * 20}example/\n",
)
EVERY_PAGE = pytest.mark.parametrize("path", [FRONT, PROJECT])
EVERY_LOOK = pytest.mark.parametrize(
    ("size", "scheme"),
    [(size, scheme) for size in (DESK, PHONE) for scheme in ("light", "dark")],
    ids=["desk-light", "desk-dark", "phone-light", "phone-dark"],
)


@dataclass
class Visit:
    """A page, what its console said, and what was asked of whom."""

    page: Page
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))

    def focused(self) -> str:
        """What has the keyboard's focus: its name, or its text."""
        found: str = self.page.evaluate(
            "(a => a.getAttribute('aria-label') || a.id || a.textContent.trim())(document.activeElement)"
        )
        return found

    def listed(self) -> list[str]:
        """Projects that the list shows."""
        return self.page.locator("#list > li:visible a").all_text_contents()


Open = Callable[..., Visit]


@pytest.fixture(scope="module")
def site(program: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with FakeUpstream() as upstream:
        world = World(tmp_path_factory.mktemp("people"), upstream)
        for dist in (ALPHA, LINUX, ONLY_WINDOWS):
            upstream.add(dist, upload_time="2024-01-02T03:04:05Z")
        upstream.add(HOSTILE, yanked="<i>broken</i> \u202eby hand")
        many = [wheel(f"Many.Project_{number}") for number in range(30)]
        for dist in many:
            upstream.add(dist)
        world.lock(
            locked(ALPHA),
            locked(LINUX),
            package("hostile", "1.0", files={HOSTILE.file: HOSTILE.sha256}),
            *(locked(dist) for dist in many),
        )
        run(world.mirror())
    return world.site


@pytest.fixture(scope="module")
def url(site: Path) -> Iterator[str]:
    with serving(site) as address:
        yield address


@pytest.fixture(scope="module")
def program() -> str:
    return chromium()


@pytest.fixture(scope="module")
def browser(program: str) -> Iterator[Browser]:
    with browsing(program) as page:
        browser = page.context.browser
        assert browser is not None
        yield browser


@pytest.fixture
def visit(browser: Browser, url: str) -> Iterator[Open]:
    """Opens pages; afterwards nothing was said to the console, and nobody but the mirror was asked."""
    visits: list[Visit] = []

    def opened(
        path: str = FRONT, size: tuple[int, int] = DESK, scheme: str = "light", **more: object
    ) -> Visit:
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme=scheme,  # type: ignore[arg-type]
            reduced_motion="reduce",
            **more,  # type: ignore[arg-type]
        )
        context.set_default_timeout(20_000)
        found = Visit(context.new_page())
        visits.append(found)
        found.page.goto(url + path)
        return found

    yield opened
    for one in visits:
        one.page.context.close()
    assert [line for one in visits for line in one.said] == []
    asked = {urlsplit(address).netloc for one in visits for address in one.asked}
    assert asked <= {urlsplit(url).netloc}


@EVERY_PAGE
@EVERY_LOOK
def test_a_page_fits_and_hinders_nobody(visit: Open, path: str, size: tuple[int, int], scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = visit(path, size, scheme).page
    assert page.evaluate("document.documentElement.scrollWidth") == size[0]
    assert page.title() != "gone"
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    light = sum(map(int, re.findall(r"\d+", background)[:3])) > 3 * 128
    assert light == (scheme == "light")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


def test_search_finds_while_one_types(visit: Open) -> None:
    here = visit()
    field, hits = here.page.get_by_label("Find a project"), here.page.get_by_role("status").first
    assert hits.inner_text() == "33 projects"
    field.press_sequentially("MANY_project.1")
    assert here.listed() == [f"many-project-{number}" for number in (1, *range(10, 20))]
    assert hits.inner_text() == "11 of 33 projects"
    field.press_sequentially("x")
    assert here.listed() == []
    assert hits.inner_text() == "0 of 33 projects"
    assert here.page.get_by_text("No project has that").is_visible()
    field.press("Escape")
    assert len(here.listed()) == 33
    field.fill("native 2.0")
    field.press("Enter")
    here.page.wait_for_url("**/project/native/")


def test_names_come_before_summaries(visit: Open) -> None:
    here = visit()
    field, before = here.page.get_by_label("Find a project"), here.listed()
    field.fill("n")
    found = here.listed()
    assert (found[0], found[1], found[-2:]) == ("native", "many-project-0", ["alpha", "hostile"])
    field.press("Escape")
    assert here.listed() == before
    field.fill("n")
    field.press("Enter")
    here.page.wait_for_url("**/project/native/")


def test_snippets_name_the_address_where_the_page_is(visit: Open, url: str) -> None:
    for path in (FRONT, NATIVE):
        page = visit(path).page
        texts = page.locator(".snippet code").all_text_contents()
        assert f"{url}/simple/" in "".join(texts)
        assert "mirror.example" not in page.locator("body").inner_text()
    assert page.locator("pre").first.inner_text() == f"pip install --index-url {url}/simple/ native==2.0+cpu"


def test_what_is_copied_is_what_is_shown(visit: Open) -> None:
    here = visit(NATIVE, permissions=["clipboard-read", "clipboard-write"])
    button = here.page.get_by_role("button", name=f"Copy SHA-256 of {LINUX.file}")
    button.click()
    here.page.get_by_text("Copied", exact=True).wait_for()
    assert here.page.evaluate("navigator.clipboard.readText()") == LINUX.sha256
    assert here.page.get_by_text(f"Copied SHA-256 of {LINUX.file}").count() == 1
    assert here.focused() == f"Copy SHA-256 of {LINUX.file}"


def test_copying_needs_no_secure_address(visit: Open) -> None:
    here = visit(NATIVE, permissions=["clipboard-read", "clipboard-write"])
    read = "navigator.clipboard.readText()"
    here.page.add_init_script(
        "window.readIt = navigator.clipboard.readText.bind(navigator.clipboard);"
        "Object.defineProperty(navigator, 'clipboard', {value: undefined});"
    )
    here.page.reload()
    here.page.get_by_role("button", name="Copy pip").click()
    here.page.get_by_text("Copied", exact=True).wait_for()
    assert "native==2.0+cpu" in here.page.evaluate(read.replace("navigator.clipboard.readText", "readIt"))


def test_without_scripts_everything_is_there_but_the_search(visit: Open) -> None:
    here = visit(java_script_enabled=False)
    assert len(here.listed()) == 33
    assert not here.page.locator("form").is_visible()
    assert here.page.get_by_role("button").count() == 0
    assert here.page.get_by_text("Put the address of this page in place of").is_visible()
    assert here.page.get_by_role("heading", name="poetry").is_visible()
    assert here.page.get_by_role("heading", name="pip", exact=True).is_visible()
    here.page.get_by_role("link", name="native", exact=True).click()
    here.page.wait_for_url("**/project/native/")
    assert here.page.get_by_text(LINUX.sha256).is_visible()


def test_a_keyboard_is_enough(visit: Open) -> None:
    here = visit()
    press = here.page.keyboard.press
    press("Tab")
    assert here.focused() == "Skip to the content"
    assert here.page.get_by_text("Skip to the content").is_visible()
    press("Enter")
    press("Tab")
    assert here.focused() == "tab-use-pip"  # past the links above
    press("ArrowRight")
    assert here.focused() == "tab-use-uv"
    assert here.page.get_by_role("tabpanel", name="uv").is_visible()
    assert not here.page.get_by_role("tabpanel", name="pip", exact=True).is_visible()
    press("End")
    press("ArrowRight")
    assert here.focused() == "tab-use-pip"
    order: list[str] = []
    while "find" not in order and len(order) < 40:
        press("Tab")
        order.append(here.focused())
    assert order[0].startswith("Copy ")
    assert order.index("requirements-all.txt") < order.index("manifest.json") < order.index("find")
    outline = here.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    here.page.keyboard.type("alpha")
    press("Tab")
    assert here.focused() == "alpha"
    press("Enter")
    here.page.wait_for_url("**/project/alpha/")


def test_strangers_words_are_shown_as_words(visit: Open) -> None:
    here = visit(PROJECT)
    assert here.page.locator(".lead").inner_text().startswith("<script>document.title='gone'</script>")
    assert here.page.get_by_text("<i>broken</i> by hand").is_visible()
    links = here.page.locator(".links a")
    assert links.first.get_attribute("href") == "https://elsewhere.example/"
    assert {link.get_attribute("rel") for link in links.all()} == {"nofollow noopener noreferrer"}
    assert here.page.locator("a[href^=javascript]").count() == 0


def test_the_front_page_says_what_there_is_and_what_lacks(visit: Open) -> None:
    page = visit().page
    numbers = page.locator(".numbers").inner_text()
    assert "33" in numbers
    row = page.get_by_role("row", name=re.compile("windows-amd64"))
    assert row.get_by_role("cell").all_inner_texts() == ["32 of 33"]
    assert page.get_by_text("no wheel for windows-amd64 among 1").is_visible()
    locks = page.get_by_role("row", name=re.compile("shop"))
    assert "poetry" in locks.inner_text()
    for name in ("requirements-prod.txt", "pylock/pylock.linux-x86_64.toml", "manifest.json", "simple/"):
        reply = page.request.get(
            page.get_by_role("link", name=name, exact=True).first.evaluate("a => a.href")
        )
        assert reply.status == 200


def test_a_directory_that_nobody_serves_can_be_read_too(browser: Browser, site: Path) -> None:
    with browser.new_page() as page:
        page.goto((site / "index.html").as_uri())
        page.get_by_role("link", name="native", exact=True).click()
        page.wait_for_url("file:///**/project/native/index.html")
        assert page.get_by_role("button", name=f"Copy SHA-256 of {LINUX.file}").is_visible()
