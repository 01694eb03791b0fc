"""The table of serving behaviour, and the properties that no table can list.

``PUBLISHED`` and ``CASES`` are plain data for any implementation of the table: ``route`` here, the HTTP
server in ``adapters.test_server``, the CloudFront function elsewhere.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror_pipeline.domain.serving import (
    IMMUTABLE,
    REVALIDATED,
    SIMPLE_JSON_TYPE,
    File,
    NotFound,
    Redirect,
    cache_control,
    client_has,
    content_type,
    prefers_json,
    requested_range,
    route,
)

PUBLISHED = frozenset(
    {
        "index.html",
        "manifest.json",
        "requirements-prod.txt",
        "requirements-all.txt",
        "requirements/agent-prod.txt",
        "pylock/pylock.linux-x86_64.toml",
        "assets/style.css",
        "assets/fonts/text.woff2",
        "simple/index.html",
        "simple/index.v1_json",
        "simple/foo-bar/index.html",
        "simple/foo-bar/index.v1_json",
        "simple/foo-bar/foo_bar-1.0+cpu-py3-none-any.whl.provenance",
        "project/foo-bar/index.html",
        "packages/foo_bar-1.0+cpu-py3-none-any.whl",
        "packages/foo_bar-1.0+cpu-py3-none-any.whl.metadata",
        "packages/foo_bar-1.0.tar.gz",
    }
)

PIP = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01"
UV = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"

OK, MOVED, MISSING = 200, 301, 404


class Case(NamedTuple):
    """A path as it stands in the request line, and what answers it.

    ``result`` is the key for 200 and the location for 301. For 404 it is empty where the path itself is
    refused, and the key that would have been sent where the layout is right and only the object is not there:
    an implementation that cannot look (the CloudFront function) asks for that key and passes on the 404.
    """

    path: str
    status: int
    result: str = ""
    accept: str | None = None


CASES = (
    # Pages for people, and documents at fixed places.
    Case("/", OK, "index.html"),
    Case("/index.html", OK, "index.html"),
    Case("/manifest.json", OK, "manifest.json"),
    Case("/requirements-prod.txt", OK, "requirements-prod.txt"),
    Case("/requirements-all.txt", OK, "requirements-all.txt"),
    Case("/requirements/agent-prod.txt", OK, "requirements/agent-prod.txt"),
    Case("/pylock/pylock.linux-x86_64.toml", OK, "pylock/pylock.linux-x86_64.toml"),
    Case("/assets/style.css", OK, "assets/style.css"),
    Case("/assets/fonts/text.woff2", OK, "assets/fonts/text.woff2"),
    Case("/project/foo-bar/", OK, "project/foo-bar/index.html"),
    Case("/project/foo-bar/", OK, "project/foo-bar/index.html", PIP),
    Case("/project/foo-bar/index.html", OK, "project/foo-bar/index.html"),
    Case("/project/foo-bar", MOVED, "/project/foo-bar/"),
    Case("/project/Foo_Bar/", MOVED, "/project/foo-bar/"),
    Case("/project/foo-bar/index.v1_json", MISSING),
    Case("/project/", MISSING),
    Case("/project", MISSING),
    # Content negotiation, PEP 691.
    Case("/simple/", OK, "simple/index.html"),
    Case("/simple/", OK, "simple/index.v1_json", PIP),
    Case("/simple/foo-bar/", OK, "simple/foo-bar/index.html"),
    Case("/simple/foo-bar/", OK, "simple/foo-bar/index.v1_json", PIP),
    Case("/simple/foo-bar/", OK, "simple/foo-bar/index.v1_json", UV),
    Case("/simple/foo-bar/", OK, "simple/foo-bar/index.html", BROWSER),
    Case("/simple/foo-bar/", OK, "simple/foo-bar/index.html", "*/*"),
    Case("/simple/foo-bar/", OK, "simple/foo-bar/index.html", "image/png"),
    Case("/simple/foo-bar/", OK, "simple/foo-bar/index.html", "nonsense;;q"),
    # A page named outright is that page, whatever is accepted.
    Case("/simple/index.html", OK, "simple/index.html", PIP),
    Case("/simple/index.v1_json", OK, "simple/index.v1_json", "text/html"),
    Case("/simple/foo-bar/index.html", OK, "simple/foo-bar/index.html", PIP),
    Case("/simple/foo-bar/index.v1_json", OK, "simple/foo-bar/index.v1_json"),
    # Normalized names and the trailing slash, PEP 503.
    Case("/simple", MOVED, "/simple/"),
    Case("/simple/foo-bar", MOVED, "/simple/foo-bar/"),
    Case("/simple/Foo.Bar", MOVED, "/simple/foo-bar/"),
    Case("/simple/Foo.Bar/", MOVED, "/simple/foo-bar/"),
    Case("/simple/foo_bar/", MOVED, "/simple/foo-bar/", PIP),
    Case("/simple/foo-_.bar/", MOVED, "/simple/foo-bar/"),
    Case("/simple/FOO--BAR?x=1", MOVED, "/simple/foo-bar/"),
    Case("/simple/%46oo.Bar/", MOVED, "/simple/foo-bar/"),
    Case("/simple/Foo.Bar/index.html", MOVED, "/simple/foo-bar/index.html"),
    Case("/simple/Foo.Bar/index.v1_json", MOVED, "/simple/foo-bar/index.v1_json"),
    Case("/simple/Unheard.Of", MOVED, "/simple/unheard-of/"),
    Case("/simple/unheard-of/", MISSING, "simple/unheard-of/index.html"),
    Case("/simple/unheard-of/", MISSING, "simple/unheard-of/index.v1_json", PIP),
    Case("/simple/-foo/", MISSING),
    Case("/simple/foo-/", MISSING),
    Case("/simple/foo-bar/other.html", MISSING),
    Case("/simple/foo-bar/extra/", MISSING),
    Case("/simple/foo+bar/", MISSING),
    # Packages: one decoding, no query, nothing below the folder.
    Case(
        "/simple/foo-bar/foo_bar-1.0%2Bcpu-py3-none-any.whl.provenance",
        OK,
        "simple/foo-bar/foo_bar-1.0+cpu-py3-none-any.whl.provenance",
        PIP,
    ),
    Case("/simple/foo-bar/a.provenance", MISSING, "simple/foo-bar/a.provenance"),
    Case("/simple/Foo.Bar/a.provenance", MISSING),
    Case("/simple/foo-bar/.provenance", MISSING),
    Case("/simple/foo-bar/a.provenance/", MISSING),
    Case("/simple/foo-bar/a.provenance.gz", MISSING),
    Case("/simple/-/a.provenance", MISSING),
    Case("/simple/a.provenance", MOVED, "/simple/a-provenance/"),
    Case("/project/foo-bar/a.provenance", MISSING),
    Case("/simple/foo-bar/sub/a.provenance", MISSING),
    Case("/packages/foo_bar-1.0.tar.gz", OK, "packages/foo_bar-1.0.tar.gz"),
    Case("/packages/foo_bar-1.0.tar.gz?a=../b#c", OK, "packages/foo_bar-1.0.tar.gz"),
    Case(
        "/packages/foo_bar-1.0%2Bcpu-py3-none-any.whl",
        OK,
        "packages/foo_bar-1.0+cpu-py3-none-any.whl",
    ),
    Case(
        "/packages/foo_bar-1.0+cpu-py3-none-any.whl.metadata",
        OK,
        "packages/foo_bar-1.0+cpu-py3-none-any.whl.metadata",
    ),
    Case("/packages/%66oo_bar-1%2e0.tar.gz", OK, "packages/foo_bar-1.0.tar.gz"),
    Case("/packages/foo_bar-1.0%252Bcpu-py3-none-any.whl", MISSING),
    Case("/packages/absent-1.0-py3-none-any.whl", MISSING, "packages/absent-1.0-py3-none-any.whl"),
    Case("/packages/foo_bar-1.0.tar.gz/", MISSING),
    Case("/packages/sub/foo_bar-1.0.tar.gz", MISSING),
    Case("/packages/", MISSING),
    Case("/packages", MISSING),
    # Escapes, separators and control characters in every spelling.
    Case("/packages/../manifest.json", MISSING),
    Case("/packages/%2e%2e/manifest.json", MISSING),
    Case("/packages/..%2fmanifest.json", MISSING),
    Case("/packages/%2e%2e%2fmanifest.json", MISSING),
    Case("/packages/..%5cmanifest.json", MISSING),
    Case("/packages/%252e%252e/manifest.json", MISSING),
    Case("/./manifest.json", MISSING),
    Case("/../manifest.json", MISSING),
    Case("/simple/../manifest.json", MISSING),
    Case("/simple/%2e%2e/", MISSING),
    Case("/simple%2ffoo-bar/", MISSING),
    Case("/simple/foo-bar%2f", MISSING),
    Case("/simple%2F", MISSING),
    Case("/assets/../packages/foo_bar-1.0.tar.gz", MISSING),
    Case("/assets/.hidden", MISSING),
    Case("/assets/fonts/", MISSING),
    Case("/assets", MISSING),
    Case("//", MISSING),
    Case("//simple/", MISSING),
    Case("/simple//", MISSING),
    Case("/simple//foo-bar/", MISSING),
    Case("//elsewhere.example/simple", MISSING),
    Case("/manifest.json%00", MISSING),
    Case("/manifest.json%0a", MISSING),
    Case("/manifest.json%0d%0aX-Injected:%20yes", MISSING),
    Case("/manifest.json%7f", MISSING),
    Case("/manifest.json%C3%A9", MISSING),
    Case("/manifest.json%", MISSING),
    Case("/manifest.json%zz", MISSING),
    Case("/manifest.json/", MISSING),
    # Outside the layout.
    Case("/favicon.ico", MISSING),
    Case("/requirements.txt", MISSING),
    Case("/requirements-prod.toml", MISSING),
    Case("/requirements/agent-prod.html", MISSING),
    Case("/requirements/", MISSING),
    Case("/pylock/pylock.linux-x86_64.txt", MISSING),
    Case("/pypi/foo-bar/json", MISSING),
    Case("/pypi/foo-bar/1.0/json", MISSING),
    Case("/.mirror/manifest.json", MISSING),
    Case("/.mirror/404.txt", MISSING),
    Case("/%2emirror/tokens.json", MISSING),
    Case("/%2Emirror%2Ftokens.json", MISSING),
    Case("/g/1/simple/", MISSING),
    Case("/g/1/simple/index.html", MISSING),
    Case("/g/1/manifest.json", MISSING),
    Case("/%67/1/manifest.json", MISSING),
    Case("/g%2F1%2Fmanifest.json", MISSING),
    Case("/packages/../g/1/manifest.json", MISSING),
    Case("/assets/%2e%2e/%2e%2e/g/1/manifest.json", MISSING),
    Case("/g", MISSING),
    Case("/g/", MISSING),
    # Variants for clients that take gzip are no names of their own.
    Case("/index.html.gz", MISSING),
    Case("/manifest.json.gz", MISSING),
    Case("/simple/foo-bar/index.html.gz", MISSING),
    Case("/simple/foo-bar/index.v1_json.gz", MISSING),
    Case("/assets/style.css.gz", MISSING),
    Case("/requirements-prod.txt.gz", MISSING),
    Case("/pylock/pylock.linux-x86_64.toml.gz", MISSING),
    # Names that mean something in other places.
    Case("/constructor", MISSING),
    Case("/constructor/style.css", MISSING),
    Case("/toString/x.txt", MISSING),
    Case("/simple/constructor/", MISSING, "simple/constructor/index.html"),
    Case("/packages/toString", MISSING, "packages/toString"),
    # Epochs (PEP 440) put an exclamation mark into file names.
    Case("/packages/foo_bar-1!2.0.tar.gz", MISSING, "packages/foo_bar-1!2.0.tar.gz"),
    Case("/packages/foo_bar-1%212.0.tar.gz", MISSING, "packages/foo_bar-1!2.0.tar.gz"),
    # The ends of what is allowed.
    Case("/requirements-.txt", MISSING, "requirements-.txt"),
    Case("/pylock/deeper/pylock.toml", MISSING, "pylock/deeper/pylock.toml"),
    Case("/pylock/.toml", MISSING),
    Case("/assets/deeper/", MISSING),
    Case("/project/index.html", MOVED, "/project/index-html/"),
    Case("/simple/index.html/", MOVED, "/simple/index-html/"),
    Case("/simple/a/", MISSING, "simple/a/index.html"),
    Case("/packages/" + "a" * 250, MISSING, "packages/" + "a" * 250),
    Case("/packages/" + "a" * 251, MISSING),
    Case("/simple/foo-bar%0A/", MISSING),
    Case("/simple/foo-bar/index.html%0A", MISSING),
    Case("/packages/foo_bar-1.0.tar.gz%0a", MISSING),
    Case("/requirements-prod.txt%0a", MISSING),
)

# What can stand in a Python text but not in a request line, so that no server ever sees it.
UNSENDABLE = (
    "",
    "simple/",
    "http://mirror.example/simple/",
    "/simple/foo bar/",
    "/simple/fo\u00f6/",
    "/a\x00",
    "/a\\b",
)

LAYOUT = re.compile(
    r"index\.html|manifest\.json|requirements-[\w.+!-]*\.txt|packages/\w[\w.+!-]*"
    r"|(pylock|requirements)/(\w[\w.+!-]*/)*\w[\w.+!-]*\.(toml|txt)|assets/(\w[\w.+!-]*/)*\w[\w.+!-]*"
    r"|simple/([a-z0-9]+(-[a-z0-9]+)*/)?index\.(html|v1_json)|simple/[a-z0-9-]+/\w[\w.+!-]*\.provenance|project/[a-z0-9]+(-[a-z0-9]+)*/index\.html",
    re.ASCII,
)


def answer(case: Case) -> tuple[int, str]:
    outcome = route(case.path, case.accept, PUBLISHED.__contains__)
    if isinstance(outcome, File):
        return OK, outcome.key
    return (MOVED, outcome.location) if isinstance(outcome, Redirect) else (MISSING, "")


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_table(case: Case) -> None:
    assert answer(case) == (case.status, case.result if case.status != MISSING else "")


@pytest.mark.parametrize("case", [case for case in CASES if case.status == MISSING], ids=str)
def test_a_missing_object_and_a_refused_path_are_told_apart(case: Case) -> None:
    outcome = route(case.path, case.accept, lambda _: True)
    assert (outcome.key if isinstance(outcome, File) else "") == case.result


@pytest.mark.parametrize("path", UNSENDABLE)
def test_a_text_that_is_no_request_path_is_not_found(path: str) -> None:
    assert route(path, None, lambda _: True) == NotFound()


def test_every_published_key_is_reached_by_its_own_path() -> None:
    for key in PUBLISHED:
        outcome = route("/" + key.replace("+", "%2B"), None, PUBLISHED.__contains__)
        assert outcome == File(key, content_type(key), cache_control(key), vary=False)


@pytest.mark.parametrize(
    ("path", "vary"),
    [
        ("/simple/", True),
        ("/simple/foo-bar/", True),
        ("/simple/index.html", False),
        ("/simple/foo-bar/index.v1_json", False),
        ("/project/foo-bar/", False),
        ("/", False),
        ("/packages/foo_bar-1.0.tar.gz", False),
    ],
)
@pytest.mark.parametrize("accept", [None, PIP])
def test_only_a_negotiated_answer_varies(path: str, vary: bool, accept: str | None) -> None:
    outcome = route(path, accept, PUBLISHED.__contains__)
    assert isinstance(outcome, File)
    assert outcome.vary is vary


@pytest.mark.parametrize(
    ("accept", "json"),
    [
        (None, False),
        ("", False),
        (",;,", False),
        ("*/*", False),
        ("application/*", False),
        ("text/html", False),
        ("application/json", False),
        ("application/vnd.pypi.simple.v1+html", False),
        ("application/vnd.pypi.simple.v1+json", True),
        ("application/vnd.pypi.simple.latest+json", True),
        ("Application/VND.pypi.Simple.v1+JSON ; Q=0.5", True),
        ("application/vnd.pypi.simple.v1+json;charset=utf-8;q=0.001", True),
        (PIP, True),
        (UV, True),
        (BROWSER, False),
        # Equal quality: named outright, JSON wins, in either order.
        ("text/html, application/vnd.pypi.simple.v1+json", True),
        ("application/vnd.pypi.simple.v1+json;q=0.5, text/html;q=0.5", True),
        ("application/vnd.pypi.simple.v1+json, */*", True),
        # Lower quality loses, also against a wildcard, unless HTML is named and lower still.
        ("application/vnd.pypi.simple.v1+json;q=0.4, text/html;q=0.5", False),
        ("application/vnd.pypi.simple.v1+json;q=0.5, */*", False),
        ("application/vnd.pypi.simple.v1+json;q=0.5, text/html;q=0.1, */*", True),
        # Refused outright, or with a quality nobody can read.
        ("application/vnd.pypi.simple.v1+json;q=0", False),
        ("application/vnd.pypi.simple.v1+json;q=0.000, text/html;q=0", False),
        ("application/vnd.pypi.simple.v1+json;q=2", False),
        ("application/vnd.pypi.simple.v1+json;q=-1", False),
        ("application/vnd.pypi.simple.v1+json;q=nan", False),
        ("application/vnd.pypi.simple.v1+json;q=", False),
        ("text/html;q=high, application/vnd.pypi.simple.v1+json;q=0.1", True),
        # White space is space and tab; everything else is part of a name that nobody knows.
        ("\tapplication/vnd.pypi.simple.v1+json ;\tq\t=\t0.5 ", True),
        ("\xa0application/vnd.pypi.simple.v1+json", False),
        ("\x85application/vnd.pypi.simple.v1+json", False),
        ("\x1capplication/vnd.pypi.simple.v1+json", False),
        ("\ufeffapplication/vnd.pypi.simple.v1+json", False),
        ("application/vnd.pypi.simple.v1+json;q=1\n", False),
    ],
)
def test_json_is_preferred_when_named_and_not_outbid(accept: str | None, json: bool) -> None:
    assert prefers_json(accept) is json


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("index.html", "text/html; charset=utf-8"),
        ("simple/foo/index.html", "text/html; charset=utf-8"),
        ("simple/foo/index.v1_json", SIMPLE_JSON_TYPE),
        ("simple/index.v1_json", SIMPLE_JSON_TYPE),
        ("manifest.json", "application/json"),
        ("pylock/pylock.linux-x86_64.toml", "application/toml"),
        ("requirements-prod.txt", "text/plain; charset=utf-8"),
        ("requirements/agent-all.txt", "text/plain; charset=utf-8"),
        ("packages/foo-1.0-py3-none-any.whl", "application/octet-stream"),
        ("packages/foo-1.0.tar.gz", "application/octet-stream"),
        ("packages/foo-1.0.zip", "application/octet-stream"),
        ("packages/evil.html", "application/octet-stream"),
        ("packages/foo-1.0-py3-none-any.whl.metadata", "text/plain; charset=utf-8"),
        ("assets/style.css", "text/css; charset=utf-8"),
        ("assets/page.js", "text/javascript; charset=utf-8"),
        ("assets/logo.svg", "image/svg+xml"),
        ("assets/unknown", "application/octet-stream"),
    ],
)
def test_content_type_follows_from_the_key(key: str, kind: str) -> None:
    assert content_type(key) == kind


@pytest.mark.parametrize("key", sorted(PUBLISHED))
def test_only_packages_never_change(key: str) -> None:
    assert cache_control(key) == (IMMUTABLE if key.startswith("packages/") else REVALIDATED)


FRAGMENTS = (
    *("/", "//", "simple", "project", "packages", "assets", "pylock", "requirements", "requirements-"),
    *(
        "index.html",
        "index.v1_json",
        "manifest.json",
        ".toml",
        ".txt",
        ".provenance",
        "Foo.Bar",
        "foo-bar",
        "a",
        "_",
        "-",
    ),
    *(
        "..",
        ".",
        "%2e",
        "%2E%2e",
        "%2f",
        "%2F",
        "%5c",
        "\\",
        "%00",
        "%0a",
        "\n",
        "%25",
        "%252f",
        "%",
        "?",
        "#",
    ),
    *("\u00e9", "\u2028", "\uff0e", "\u0130", "%c0%ae", ":", "@", "~"),
)
PATHS = st.text() | st.lists(st.sampled_from(FRAGMENTS), max_size=12).map("".join).map("/".__add__)
ACCEPTS = st.none() | st.text() | st.sampled_from((PIP, UV, BROWSER))


@given(path=PATHS, accept=ACCEPTS)
def test_no_path_leaves_the_layout(path: str, accept: str | None) -> None:
    outcome = route(path, accept, lambda _: True)
    if isinstance(outcome, File):
        assert ".." not in outcome.key.split("/")
        assert not outcome.key.startswith("/")
        assert LAYOUT.fullmatch(outcome.key)


@given(path=PATHS, accept=ACCEPTS)
def test_nothing_is_sent_that_does_not_exist(path: str, accept: str | None) -> None:
    assert not isinstance(route(path, accept, lambda _: False), File)


@given(path=PATHS, accept=ACCEPTS)
def test_a_redirect_stays_here_and_arrives_in_one_step(path: str, accept: str | None) -> None:
    outcome = route(path, accept, lambda _: True)
    if isinstance(outcome, Redirect):
        assert re.fullmatch(r"/(simple|project)/([a-z0-9-]+/(index\.(html|v1_json))?)?", outcome.location)
        assert isinstance(route(outcome.location, accept, lambda _: True), File)


@pytest.mark.parametrize("asked", ['"abc"', 'W/"abc"', '"x", "abc"', '"x",W/"abc"', "*", ' "abc" '])
def test_a_validator_the_client_has_is_recognized(asked: str) -> None:
    assert client_has('"abc"', asked)


@pytest.mark.parametrize("asked", ["", "abc", '"ABC"', '"abcd"', 'w/"abc"', '"*"'])
def test_another_validator_is_not(asked: str) -> None:
    assert not client_has('"abc"', asked)


@pytest.mark.parametrize(
    ("asked", "size", "wanted"),
    [
        ("bytes=0-0", 10, range(1)),
        ("bytes=2-5", 10, range(2, 6)),
        ("BYTES=2-5", 10, range(2, 6)),
        ("bytes=2-", 10, range(2, 10)),
        ("bytes=2-99", 10, range(2, 10)),
        ("bytes=-3", 10, range(7, 10)),
        ("bytes=-99", 10, range(10)),
        ("bytes=9-9", 10, range(9, 10)),
    ],
)
def test_a_single_range_is_understood(asked: str, size: int, wanted: range) -> None:
    assert requested_range(asked, size) == wanted


@pytest.mark.parametrize(
    ("asked", "size"),
    [("bytes=10-", 10), ("bytes=99-100", 10), ("bytes=-0", 10), ("bytes=0-", 0), ("bytes=-5", 0)],
)
def test_a_range_without_bytes_is_empty(asked: str, size: int) -> None:
    assert not requested_range(asked, size)
    assert requested_range(asked, size) is not None


@pytest.mark.parametrize(
    "asked",
    [
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=5-2",
        "bytes=a-b",
        "bytes=0-1,3-4",
        "items=0-1",
        "bytes=--1",
        "bytes=\u0661-",
    ],
)
def test_what_is_no_single_range_is_ignored(asked: str) -> None:
    assert requested_range(asked, 10) is None


@given(asked=st.from_regex(r"bytes=[0-9]{0,5}-[0-9]{0,5}", fullmatch=True), size=st.integers(0, 10_000))
def test_no_range_leaves_the_file(asked: str, size: int) -> None:
    wanted = requested_range(asked, size)
    assert not wanted or (wanted.start >= 0 and wanted.stop <= size)
