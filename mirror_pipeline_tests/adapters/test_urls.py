"""Which URLs are the same index, whom credentials belong to, and what is shown of them."""

from __future__ import annotations

import pytest

from mirror_pipeline.adapters.urls import (
    Login,
    host_of,
    index_key,
    is_http,
    origin,
    redacted,
    shared_path,
    split_login,
)

INDEX = "https://index.example/simple/"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://ann:s3cret@upstream.example:8443/simple/", "https://upstream.example:8443/simple/"),
        ("https://token@upstream.example/", "https://upstream.example/"),
        ("https://a:p@ss@upstream.example/@x", "https://upstream.example/@x"),
        ("http://upstream.example/simple/", "http://upstream.example/simple/"),
        ("https://files.example/a.whl?signature=s3cret#sha256=0", "https://files.example/a.whl?..."),
        ("https://ann:s3cret@[::1/simple/", "a malformed URL"),
        ("https://ann:s3/cret@upstream.example/", "a malformed URL"),
    ],
)
def test_redacted(url: str, shown: str) -> None:
    assert redacted(url) == shown


@pytest.mark.parametrize(
    "url",
    [
        "https://index.example/simple",
        "https://INDEX.example/simple/",
        "https://index.example:443/simple/",
        "HTTPS://ann:s3cret@index.example/simple//",
        "https://index.example./simple/",
    ],
)
def test_spellings_of_one_index(url: str) -> None:
    assert index_key(url) == index_key(INDEX)


@pytest.mark.parametrize(
    "url",
    [
        "http://index.example/simple/",
        "https://index.example:8443/simple/",
        "https://index.example/Simple/",
        "https://index.example/simple/cpu/",
        "https://other.example/simple/",
        "https://index.example/simple/?tenant=a",
        "file:///simple/",
        "not a URL",
    ],
)
def test_other_indexes(url: str) -> None:
    assert index_key(url) != index_key(INDEX)


def test_an_origin_is_scheme_host_and_port() -> None:
    assert origin("https://ann@Index.example/a") == origin("https://index.example:443/b")
    assert (
        len({origin(f"{place}/") for place in ("http://a.example", "https://a.example", "https://b.example")})
        == 3
    )
    assert origin("https://a.example:1/") != origin("https://a.example/")


@pytest.mark.parametrize(
    ("url", "is_so"),
    [
        (INDEX, True),
        ("http://127.0.0.1:8080/", True),
        ("https://[::1]:8443/", True),
        ("https:///nowhere", False),
        ("file:///etc/hostname", False),
        ("ftp://files.example/a", False),
        ("../wheels", False),
        ("", False),
        ("https://[::1/", False),
        ("https://files.example:port/", False),
        ("https://files.example/a\r\nX-Header: b", False),
    ],
)
def test_what_is_asked_for_over_the_network(url: str, is_so: bool) -> None:
    assert is_http(url) is is_so


def test_hosts_are_compared_without_case_port_and_last_dot() -> None:
    assert host_of("https://ann:x@Files.Example.:8443/a") == "files.example"
    assert host_of("https://[::1/") == ""


@pytest.mark.parametrize(
    ("url", "login"),
    [
        ("https://ann:s3%2Fcr%3Aet@a.example/", Login("ann", "s3/cr:et")),
        ("https://ann:@a.example/", Login("ann", "")),
        ("https://token@a.example/", Login("token")),
        ("https://a%3Ab:c@a.example/", Login("a:b", "c")),
        ("https://a.example/", None),
    ],
)
def test_who_a_url_says_asks(url: str, login: Login | None) -> None:
    assert split_login(url) == ("https://a.example/", login)


def test_a_login_does_not_show_its_password() -> None:
    assert "s3cret" not in repr(Login("ann", "s3cret"))


def test_shared_folders() -> None:
    assert shared_path("https://a.example/one/simple/", "https://a.example/one/simple/alpha/") == 3
    assert shared_path("https://a.example/one/", "https://a.example/other/") == 1
