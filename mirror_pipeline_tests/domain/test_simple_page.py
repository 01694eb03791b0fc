"""Reading pages of other indexes: all they may say, and all that may be wrong with them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mirror_pipeline.domain.project_facts import ProjectFacts, ProjectStatus
from mirror_pipeline.domain.simple_page import PageError, is_project_page, read_facts, read_page
from mirror_pipeline.domain.wheelset import UpstreamFile
from mirror_pipeline_tests.locks import digest_of

URL = "https://index.example/simple/demo/"
FILE = "demo-1.0-py3-none-any.whl"
SHA = digest_of(FILE)
JSON = "application/vnd.pypi.simple.v1+json"


def read(content: str | bytes, media: str = "text/html", *, url: str = URL) -> tuple[UpstreamFile, ...]:
    data = content.encode() if isinstance(content, str) else content
    return read_page(data, media, url, lambda _file, _sha256: True)


def one(content: str, media: str = "text/html", *, url: str = URL) -> UpstreamFile:
    (found,) = read(content, media, url=url)
    return found


def entry(**facts: object) -> str:
    document: dict[str, Any] = {"filename": FILE, "url": f"../../{FILE}", "hashes": {"sha256": SHA}, **facts}
    return json.dumps({"meta": {"api-version": "1.0"}, "files": [document]})


@pytest.mark.parametrize(
    "anchor",
    [
        f'<a href="../../{FILE}#sha256={SHA}">{FILE}</a>',
        f"<a href='../../{FILE}#sha256={SHA}'>{FILE}</a>",
        f"<a href=../../{FILE}#sha256={SHA}>{FILE}</a>",
        f'<A HREF="../../{FILE}#sha256={SHA}">{FILE}</A>',
        f'<a\n  rel="internal"\n  href = "../../{FILE}#sha256={SHA}"\n>{FILE}</a>',
        f'<a data-x="1 > 0" href="../../{FILE}#sha256={SHA.upper()}">{FILE}</a>',
        f'<a href="https://index.example/{FILE}#sha256={SHA}">another text</a>',
        f'<a href="//index.example/{FILE}#sha256={SHA}">{FILE}</a>',
        f'<a href="/{FILE}#sha256={SHA}">{FILE}</a>',
    ],
)
def test_ways_to_write_the_same_link(anchor: str) -> None:
    assert one(anchor) == UpstreamFile(FILE, f"https://index.example/{FILE}", SHA)


@pytest.mark.parametrize(
    ("href", "file", "url"),
    [
        ("d%2B1.whl", "d+1.whl", f"{URL}d%2B1.whl"),
        ("d+1.whl", "d+1.whl", f"{URL}d+1.whl"),
        ("d.whl?a=1&amp;b=2", "d.whl", f"{URL}d.whl?a=1&b=2"),
        ("d.whl#egg=d", "d.whl", f"{URL}d.whl"),
        ("d.whl#md5=00", "d.whl", f"{URL}d.whl"),
        ("d.whl#sha256=short", "d.whl", f"{URL}d.whl"),
        ("..%2fd.whl", "../d.whl", f"{URL}..%2fd.whl"),
    ],
)
def test_names_and_links(href: str, file: str, url: str) -> None:
    assert one(f'<a href="{href}">x</a>') == UpstreamFile(file, url)


@pytest.mark.parametrize(
    ("attributes", "requires_python", "yanked"),
    [
        ("", None, False),
        ('data-requires-python="&gt;=3.8,&lt;4"', ">=3.8,<4", False),
        ('data-requires-python=""', None, False),
        ("data-yanked", None, True),
        ('data-yanked=""', None, True),
        ('data-yanked="it&#x27;s &quot;bad&quot;"', None, 'it\'s "bad"'),
        ("data-yanked='<b>' data-requires-python='>=3'", ">=3", "<b>"),
    ],
)
def test_remarks_on_a_link(attributes: str, requires_python: str | None, yanked: str | bool) -> None:
    found = one(f'<a href="{FILE}" {attributes}>{FILE}</a>')
    assert (found.requires_python, found.yanked) == (requires_python, yanked)


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ('<base href="https://files.example/all/">', f"https://files.example/all/{FILE}"),
        ('<BASE HREF="../up/">', f"https://index.example/simple/up/{FILE}"),
        ('<base target="x">', f"{URL}{FILE}"),
    ],
)
def test_a_base_moves_relative_links(base: str, url: str) -> None:
    assert one(f'<head>{base}</head><a href="{FILE}">{FILE}</a>').url == url


def test_a_base_that_is_no_url_is_refused() -> None:
    with pytest.raises(PageError, match="base"):
        read(f'<base href="http://[x/"><a href="{FILE}">{FILE}</a>')


@pytest.mark.parametrize(
    "anchor", ["<a>x</a>", '<a name="x">x</a>', '<a href="">x</a>', '<a href="/">x</a>', "<abbr href=x>"]
)
def test_anchors_that_lead_to_no_file(anchor: str) -> None:
    assert read(anchor) == ()


@pytest.mark.parametrize("href", ["http://[bad/x.whl", "//[bad/x.whl"])
def test_a_link_that_nobody_can_follow_hides_no_other(href: str) -> None:
    assert one(f'<a href="{href}">x</a> <a href="{FILE}">{FILE}</a>').file == FILE


def test_only_wanted_files_are_given() -> None:
    page = f'<a href="{FILE}#sha256={SHA}">x</a><a href="other.whl">x</a>'.encode()
    asked: list[tuple[str, str | None]] = []

    def wanted(file: str, sha256: str | None) -> bool:
        asked.append((file, sha256))
        return file == FILE

    assert [found.file for found in read_page(page, "text/html", URL, wanted)] == [FILE]
    assert asked == [(FILE, SHA), ("other.whl", None)]


@pytest.mark.parametrize(
    "media", ["text/html", "TEXT/HTML; charset=latin-1", "application/vnd.pypi.simple.v1+html", ""]
)
def test_media_types_of_html(media: str) -> None:
    assert one(f'<a href="{FILE}">x</a>', media).file == FILE


@pytest.mark.parametrize("media", [JSON, "application/json", f"{JSON.upper()}; charset=utf-8"])
def test_media_types_of_json(media: str) -> None:
    assert one(entry(), media) == UpstreamFile(FILE, f"https://index.example/{FILE}", SHA)


@pytest.mark.parametrize("media", ["text/plain", "application/octet-stream", "image/png"])
def test_another_media_type_is_refused(media: str) -> None:
    with pytest.raises(PageError, match=media):
        read("x", media)


def test_bytes_that_are_no_text_do_not_hide_links() -> None:
    assert [found.file for found in read(b"\xff\xfe <a href=" + FILE.encode() + b">x</a>")] == [FILE]


def test_a_json_entry_with_everything() -> None:
    text = entry(
        **{"size": 5, "requires-python": ">=3.8", "yanked": "why", "upload-time": "2026-01-01T00:00:00Z"}
    )
    assert one(text, JSON) == UpstreamFile(
        FILE, f"https://index.example/{FILE}", SHA, 5, ">=3.8", "why", "2026-01-01T00:00:00Z"
    )


@pytest.mark.parametrize(
    "facts",
    [
        {"size": None, "requires-python": None, "yanked": False, "upload-time": None},
        {"size": "5", "requires-python": "", "yanked": None, "upload-time": ""},
        {"requires-python": 5, "upload-time": 7, "yanked": 0},
    ],
)
def test_remarks_that_say_nothing(facts: dict[str, object]) -> None:
    assert one(entry(**facts), JSON) == UpstreamFile(FILE, f"https://index.example/{FILE}", SHA)


@pytest.mark.parametrize("hashes", [{}, {"md5": "00"}, {"sha256": "short"}, {"sha256": None}])
def test_a_json_entry_without_a_usable_digest(hashes: object) -> None:
    assert one(entry(hashes=hashes), JSON).sha256 is None


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.99"])
def test_minor_versions_are_read(version: str) -> None:
    assert read(json.dumps({"meta": {"api-version": version}, "files": []}), JSON) == ()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "null",
        "[]",
        "5",
        '"text"',
        "{}",
        "{",
        '{"files": null}',
        '{"files": {"a": 1}}',
        '{"files": ["x"]}',
        '{"files": [{"url": "x"}]}',
        '{"files": [{"filename": "x"}]}',
        '{"files": [{"filename": 5, "url": "x"}]}',
        '{"files": [{"filename": ["x"], "url": "x"}]}',
        '{"files": [{"filename": "x", "url": 5}]}',
        '{"files": [{"filename": "x", "url": "http://[x"}]}',
        '{"files": [{"filename": "x", "url": "x", "hashes": null}]}',
        '{"meta": null, "files": []}',
        '{"meta": {"api-version": "2.0"}, "files": []}',
        "[" * 100_000,
        "9" * 5_000,
    ],
)
def test_json_that_is_no_project_page_is_refused(content: str) -> None:
    with pytest.raises(PageError) as caught:
        read(content, JSON)
    assert len(str(caught.value)) > 10


def test_json_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(PageError):
        read(b'{"files": "\xff"}', JSON)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(deadline=None)
@given(
    st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(("filename", "url", "hashes", "size", "yanked", "requires-python"), values),
    )
)
def test_any_json_entry_is_read_or_refused(facts: dict[str, object]) -> None:
    try:
        found = read(json.dumps({"files": [facts]}), JSON)
    except PageError:
        return
    assert [item.file for item in found] == [facts["filename"]]
    assert all(isinstance(item.url, str) for item in found)


@settings(deadline=None)
@given(st.text(st.sampled_from("<>a hrefs='\"/&;#[]:\n%"), max_size=60) | st.text(max_size=40))
@example('<a href="&#x0;">')
@example("<a href='http://[::1'>")
def test_any_html_without_a_base_is_read(text: str) -> None:
    assert all(item.file and item.url for item in read(text.replace("base", "")))


# Status markers (PEP 792).


JSON = "application/vnd.pypi.simple.v1+json"
MARKED_JSON = b"""{"meta": {"api-version": "1.4"}, "name": "alpha", "files": [],
    "project-status": {"status": "quarantined", "reason": "The project is being\\nlooked into."}}"""
MARKED_HTML = b"""<!DOCTYPE html><html><head>
  <meta name="pypi:repository-version" content="1.4">
  <META content="quarantined" name='pypi:project-status'>
  <meta name="pypi:project-status-reason" content="The project is being looked &quot;into&quot;.">
</head><body></body></html>"""


@pytest.mark.parametrize(
    ("content", "media", "reason"),
    [
        (MARKED_JSON, JSON, "The project is being looked into."),
        (MARKED_HTML, "text/html; charset=utf-8", 'The project is being looked "into".'),
    ],
)
def test_a_marked_project(content: bytes, media: str, reason: str) -> None:
    assert read_facts(content, media).status == ProjectStatus("quarantined", reason)


@pytest.mark.parametrize(
    ("content", "media"),
    [
        (b'{"meta": {"api-version": "1.0"}, "files": []}', JSON),
        (b'{"meta": {"api-version": "1.4"}, "files": [], "project-status": {"status": null}}', JSON),
        (b'{"meta": {"api-version": "1.4"}, "files": [], "project-status": "archived"}', JSON),
        (b"<a href='x-1.0.tar.gz'>x</a>", "text/html"),
        (b"", "text/html"),
    ],
)
def test_without_a_word_a_project_is_active(content: bytes, media: str) -> None:
    assert read_facts(content, media).status == ProjectStatus("active", "")


@pytest.mark.parametrize(
    ("content", "media", "true"),
    [
        (b'{"meta": {"api-version": "1.0"}, "files": []}', JSON, True),
        (b'<html><head><meta name="pypi:repository-version" content="1.0"></head></html>', "text/html", True),
        (b"<a href='../x-1.0.tar.gz'>x-1.0.tar.gz</a>", "text/html", True),
        (b"<h1>Back soon</h1><a href='https://status.example/'>status</a>", "text/html", False),
        (b"", "text/html", False),
    ],
)
def test_a_page_that_lists_nothing_has_to_say_what_it_is(content: bytes, media: str, true: bool) -> None:
    assert is_project_page(content, media) is true


@pytest.mark.parametrize("reason", ["half a \\ud800 pair", "a \\u0000 in it", "\\u001b[31m"])
def test_what_no_page_can_hold_is_replaced(reason: str) -> None:
    """JSON can spell half a surrogate: a page of ours with it could not be encoded."""
    content = entry(yanked="?", **{"requires-python": ">=3"}).replace('"?"', f'"{reason}"')
    yanked = one(content, JSON).yanked
    assert isinstance(yanked, str)
    assert "\ufffd" in yanked
    yanked.encode()


@pytest.mark.parametrize(
    ("media", "page"),
    [
        ("text/html", '<head><meta name="pypi:tracks" content="{}"></head><body><a href="x.whl">x.whl</a>'),
        (JSON, '{{"meta": {{"api-version": "1.2", "tracks": ["{}", 7, null]}}, "files": []}}'),
    ],
)
@pytest.mark.parametrize(
    ("told", "read"),
    [
        ("https://a.example/simple/demo/", ("https://a.example/simple/demo/",)),
        ("https://ann:s3cret@a.example/simple/demo/", ("https://a.example/simple/demo/",)),
        ("https://a.example/simple/demo/?token=s3cret", ()),
        ("//a.example/demo/", ()),
        ("javascript:alert(1)", ()),
        ("https://a.example/<script>/", ()),
        ("https://[broken/", ()),
    ],
)
def test_locations_are_read_where_they_may_be_published(
    media: str, page: str, told: str, read: tuple[str, ...]
) -> None:
    assert read_facts(page.format(told).encode(), media).tracks == read


def test_a_meta_element_in_the_body_says_nothing() -> None:
    page = b'<head></head><body><meta name="pypi:project-status" content="archived"></body>'
    assert read_facts(page, "text/html") == ProjectFacts()
