"""What is taken from core metadata: what a page can show, and nothing that could do harm there."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.metadata import parse_email

from mirror_pipeline.adapters.store import described
from mirror_pipeline.domain.about import About, Link, about_of, one_line, safe_url

FULL = b"""\
Metadata-Version: 2.4
Name: shop
Version: 1.0
Summary: Sells things,
        and more things
License-Expression: MIT OR Apache-2.0
License: a text that counts for less
Classifier: License :: OSI Approved :: BSD License
Home-page: https://shop.example/
Project-URL: Source Code, https://code.example/shop
Project-URL: Release_Notes, https://shop.example/news
Project-URL: Chat, https://chat.example/shop
Project-URL: homepage, https://shop.example

The description
"""
BIDI = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"


def about(**fields: Any) -> About:
    """What fields of core metadata come to."""
    return about_of(fields)


def test_summary_licence_and_links_are_read() -> None:
    assert described(FULL).about == About(
        "Sells things, and more things",
        "MIT OR Apache-2.0",
        (
            Link("Homepage", "https://shop.example/"),
            Link("Source", "https://code.example/shop"),
            Link("Changelog", "https://shop.example/news"),
            Link("Chat", "https://chat.example/shop"),
        ),
    )


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"license": "MIT"}, "MIT"),
        ({"license_expression": "MIT", "license": "GPL"}, "MIT"),
        ({"license": "UNKNOWN", "classifiers": ["License :: OSI Approved :: MIT License"]}, "MIT License"),
        (
            {
                "license": "Permission is hereby granted\nto whoever\n",
                "classifiers": ["License :: OSI Approved", "License :: OSI Approved :: ISC License (ISCL)"],
            },
            "ISC License (ISCL)",
        ),
        ({"license": "\n\nThe shop's licence\n\nPermission is granted"}, "The shop's licence"),
        ({"classifiers": ["Programming Language :: Python"]}, ""),
        ({"license": "  none "}, ""),
        ({}, ""),
    ],
)
def test_a_licence_is_one_line(fields: dict[str, Any], expected: str) -> None:
    assert about(**fields).licence == expected


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,<script>alert(1)</script>",
        "vbscript:x", "file:///etc/passwd", "ftp://shop.example/", "//shop.example/", "/shop", "shop.example",
        "https://", "https:///shop", "http:shop.example", "https://ann:secret@shop.example/",
        "https://pypi.example@evil.example/", "https://shop.example:port/", "https://shop.example/a b",
        "https://shop.example/\nx", "https://shop.example/\x00", "https://[::1", "https:\\\\shop.example",
        "https://shop.example\\@evil.example/", "https://sh\u043ep.example/", "https://shop.example/\u202e",
        f"https://shop.example/{'x' * 300}", "", " ", None, 7, ["https://shop.example/"],
    ],
)  # fmt: skip
def test_what_is_no_plain_web_address_is_no_link(url: object) -> None:
    assert safe_url(url) == ""
    assert about(home_page=url, project_urls={"Docs": url}).links == ()


@pytest.mark.parametrize(
    "url", ["https://shop.example/", "http://shop.example:8080/a?b=c#d", "HTTPS://X.example"]
)
def test_web_addresses_are_links(url: str) -> None:
    assert safe_url(f" {url}\n") == url


def test_links_are_few_and_each_is_there_once() -> None:
    urls = {f"Label {number}": f"https://shop.example/{number}" for number in range(500)}
    links = about(project_urls={**urls, "Docs": "https://shop.example/499/"}).links
    assert len(links) == len({link.url for link in links}) == 12


def test_a_link_says_where_it_leads() -> None:
    assert Link("Homepage", "https://WWW.Shop.example:8080/x").host == "shop.example:8080"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  one\r\n\ttwo\u2028three\u2029four\xa0five ", "one two three four five"),
        ("safe\u202egnp.exe", "safegnp.exe"),
        (f"a{BIDI}b", "ab"),
        ("a\x00b\x1bc\x7fd\x9be\ufefff\u200bg", "abcdefg"),
        ("\ud800lone\udfff", "lone"),
        ("<script>alert('x')</script>", "<script>alert('x')</script>"),
        ("", ""),
        (None, ""),
        (7, ""),
    ],
)
def test_a_text_is_one_line_of_what_can_be_shown(text: object, expected: str) -> None:
    assert one_line(text, 100) == expected


def test_a_huge_summary_is_cut_and_is_not_read_to_its_end() -> None:
    summary = about(summary="word " * 2_000_000).summary
    assert len(summary) <= 300
    assert summary.endswith("word…")


@given(st.text(), st.integers(1, 50))
def test_whatever_the_text_a_line_comes_of_it(text: str, most: int) -> None:
    line = one_line(text, most)
    assert len(line) <= most
    assert line == " ".join(line.split())
    assert not {unicodedata.category(one) for one in line} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    line.encode()


anything = st.recursive(
    st.none() | st.text() | st.integers() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
FIELDS = (
    "summary",
    "license",
    "license_expression",
    "classifiers",
    "home_page",
    "download_url",
    "project_urls",
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, anything)))
def test_no_field_makes_it_fail(fields: dict[str, Any]) -> None:
    about_of(fields)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00" * 100,
        b"\xff\xfe\xfd",
        b"no header at all",
        b"Summary: \xff\xfe latin\nLicense: \xe9\n",
        b"Summary: one\nSummary: two\nName: a\nName: b\n",
        b"Project-URL: no comma\nProject-URL: , https://x.example\nProject-URL: Docs, \n",
        b"Project-URL: A, https://x.example\nProject-URL: A, https://y.example\n",
        b"Summary: =?utf-8?q?=00=E2=80=AEx?=\n",
        b"Content-Type: multipart/mixed; boundary=x\n\n--x\n\nSummary: y\n--x--\n",
        "Summary: \u202eevil\n".encode(),
    ],
)
def test_malformed_metadata_is_described_all_the_same(content: bytes) -> None:
    told = described(content)
    assert told.about is not None
    assert told.size == len(content)


@given(st.binary(max_size=300))
def test_no_bytes_make_it_fail(noise: bytes) -> None:
    described(b"Metadata-Version: 2.1\nSummary: " + noise)
    about_of(parse_email(noise)[0])
