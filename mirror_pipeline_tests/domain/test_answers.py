"""What is answered, without a server: encodings and validators of the two forms, ranges, kinds, errors."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from mirror_pipeline.domain.answers import (
    Answer,
    Content,
    Request,
    Span,
    accepts_gzip,
    answer_with,
    for_those_admitted,
    kind_of,
    refused_login,
    refused_method,
    routed,
)
from mirror_pipeline.domain.serving import File
from mirror_pipeline.domain.tokens import Admission

DIGEST = "a" * 64
PLAIN, PACKED = f'"{DIGEST}"', f'"{DIGEST}-gzip"'
PAGE = Content(DIGEST, "/page", 5, b"a page"[:5], b"zip")
WHEEL = Content(DIGEST, "/wheel", 1000)


def get(target: str, content: Content, method: str = "GET", **headers: str) -> Answer:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    request = Request(method, target, fields)
    file = routed(request)
    assert isinstance(file, File)
    return answer_with(request, file, content)


def headers_of(answer: Answer) -> Mapping[str, str]:
    return dict(answer.headers)


def test_a_page_is_compressed_for_whoever_can_read_that() -> None:
    packed = get("/simple/x/", PAGE, accept_encoding="gzip, deflate")
    plain = get("/simple/x/", PAGE)
    assert (packed.body, headers_of(packed)["etag"], headers_of(packed)["content-encoding"]) == (
        b"zip",
        PACKED,
        "gzip",
    )
    assert (plain.body, headers_of(plain)["etag"]) == (PAGE.data, PLAIN)
    assert "content-encoding" not in headers_of(plain)
    assert {headers_of(one)["vary"] for one in (packed, plain)} == {"Accept, Accept-Encoding"}


@pytest.mark.parametrize(
    ("known", "encoding", "status"),
    [
        (PLAIN, "", 304),
        (PACKED, "gzip", 304),
        (f"W/{PACKED}", "gzip", 304),
        (PACKED, "", 200),
        (PLAIN, "gzip", 200),
        ("*", "gzip", 304),
    ],
)
def test_each_form_has_its_own_validator(known: str, encoding: str, status: int) -> None:
    asked = {"if_none_match": known, **({"accept_encoding": encoding} if encoding else {})}
    assert get("/simple/x/", PAGE, **asked).status == status


def test_a_range_is_one_of_the_uncompressed_bytes() -> None:
    part = get("/simple/x/", PAGE, accept_encoding="gzip", range="bytes=1-2", if_range=PLAIN)
    assert (part.status, part.body, headers_of(part)["etag"]) == (206, PAGE.data[1:3], PLAIN)  # type: ignore[index]
    whole = get("/simple/x/", PAGE, accept_encoding="gzip", range="bytes=1-2", if_range=PACKED)
    assert (whole.status, whole.body) == (200, PAGE.data)


def test_what_is_not_in_memory_is_told_as_a_span() -> None:
    url = "/packages/x-1-py3-none-any.whl"
    assert get(url, WHEEL).body == Span("/wheel", 0, 1000, 1000)
    assert get(url, WHEEL, range="bytes=-10").body == Span("/wheel", 990, 1000, 1000)
    assert len(get(url, WHEEL, range="bytes=-10").body) == 10
    assert get(url, WHEEL, "HEAD", range="bytes=-10").status == 200


def test_a_package_is_never_compressed() -> None:
    answer = get("/packages/x-1.0.tar.gz", WHEEL, accept_encoding="gzip")
    assert not {"vary", "content-encoding"} & headers_of(answer).keys()


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        ("gzip", True),
        ("GZIP;q=0.5", True),
        ("deflate, gzip;q=1.0, *;q=0", True),
        ("x-gzip", True),
        ("*", True),
        ("gzip;q=0", False),
        ("gzip;q=0.000, *", False),
        ("*;q=0", False),
        ("identity", False),
        ("br", False),
        ("", False),
        ("gzip;q=high", False),
        ("gzipped", False),
    ],
)
def test_the_encoding_is_negotiated(header: str, accepted: bool) -> None:
    assert accepts_gzip(header) is accepted


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("simple/index.html", "page"),
        ("packages/x-1-py3-none-any.whl", "package"),
        ("packages/x-1-py3-none-any.whl.metadata", "metadata"),
        ("requirements-all.txt", "document"),
        ("pylock/pylock.x.toml", "document"),
        ("manifest.json", "document"),
        ("project/x/index.html", "site"),
        ("assets/style.css", "site"),
        ("index.html", "site"),
    ],
)
def test_every_key_is_of_a_kind(key: str, kind: str) -> None:
    assert kind_of(key) == kind


def test_nobody_hears_more_than_that_a_login_is_wanted() -> None:
    refused = refused_login(Admission.REFUSED)
    unknown = refused_login(Admission.UNKNOWN)
    assert refused is not None
    assert unknown is not None
    assert (refused.status, unknown.status) == (401, 503)
    assert refused_login(Admission.GRANTED) is None
    assert refused_login(Admission.PUBLIC) is None


def test_what_a_login_gets_is_private_and_known_to_be_its() -> None:
    answer = for_those_admitted(get("/simple/x/", PAGE), "ci")
    assert headers_of(answer)["cache-control"].startswith("private, ")
    assert answer.user == "ci"


@pytest.mark.parametrize("target", ["/healthz", "/metrics", "/healthz/", "/metrics?x"])
def test_the_addresses_of_the_server_are_no_keys(target: str) -> None:
    answer = routed(Request("GET", target, {}))
    assert isinstance(answer, Answer)
    assert answer.status == 404


def test_other_methods_are_refused() -> None:
    refused = refused_method(Request("POST", "/", {}))
    assert refused is not None
    assert dict(refused.headers)["allow"] == "GET, HEAD"
    assert refused_method(Request("HEAD", "/", {})) is None
