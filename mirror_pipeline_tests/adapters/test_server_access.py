"""A private mirror over real sockets: who gets in, at once, to what, and what is told about it."""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from mirror_pipeline.adapters.server import serving
from mirror_pipeline.adapters.token_store import FileTokens, WatchedBook
from mirror_pipeline.domain.serving import cache_control
from mirror_pipeline.domain.tokens import PUBLIC, Token, TokenBook, digest_of
from mirror_pipeline_tests.adapters.test_server import (
    BIG,
    BIG_BYTES,
    WHEEL,
    Answer,
    Mirror,
    ask,
    ask_raw,
    body_of,
    new_mirror,
)
from mirror_pipeline_tests.domain.test_serving import CASES, MISSING, PIP, PUBLISHED

SECRET = "kept-from-everybody-1"
OTHER = "kept-from-everybody-2"


def login(name: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()


CI = login("ci", SECRET)
WRONG: tuple[dict[str, str], ...] = (
    {},
    {"authorization": login("ci", OTHER)},
    {"authorization": login("cd", SECRET)},
    {"authorization": "Basic"},
    {"authorization": CI.replace("Basic", "Bearer")},
    {"authorization": f"{CI}, {CI}"},
    {"cookie": CI},
    {"proxy_authorization": CI},
)
PATHS = (
    "/",
    "/simple/",
    "/simple/foo-bar/",
    "/simple/foo-bar/index.v1_json",
    "/simple/Foo.Bar",
    f"/{WHEEL}",
    f"/{WHEEL}.metadata",
    f"/{BIG}",
    "/requirements-all.txt",
    "/pylock/pylock.linux-x86_64.toml",
    "/manifest.json",
    "/absent",
    "/simple/absent/",
    "/../tokens.json",
    "/tokens.json",
    "/.mirror/tokens.json",
    "//elsewhere.example",
    "/%",
)


def token(name: str, secret: str) -> Token:
    return Token(name, digest_of(name, secret), "2026-11-27T09:00:00+00:00", "ada@build")


def keep(mirror: Mirror, book: TokenBook) -> None:
    """What the token commands do to the file."""
    store = FileTokens(mirror.home / "tokens.json")
    store.write(book, store.read().version)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One private server for all tests that only ask."""
    mirror = new_mirror(tmp_path_factory.mktemp("mirror"))
    keep(mirror, TokenBook((token("ci", SECRET), token("laptop", OTHER))))
    with serving(mirror.site, admits=WatchedBook(mirror.home / "tokens.json")) as base:
        yield base


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    return new_mirror(tmp_path)


@pytest.fixture
def live(mirror: Mirror) -> Iterator[str]:
    """A server of that mirror, for tests that change its tokens."""
    with serving(mirror.site, admits=WatchedBook(mirror.home / "tokens.json")) as base:
        yield base


def status(base: str, authorization: str | None = CI, path: str = "/simple/") -> int:
    return ask(base, path, **({"authorization": authorization} if authorization else {})).status


@pytest.mark.parametrize("headers", WRONG, ids=str)
@pytest.mark.parametrize("path", PATHS)
def test_without_a_token_nothing_is_told(base: str, path: str, headers: Mapping[str, str]) -> None:
    for method in ("GET", "HEAD"):
        answer = ask(base, path, method, accept=PIP, range="bytes=0-1", if_none_match="*", **headers)
        assert (answer.status, answer.body) == (401, b"Unauthorized\n" if method == "GET" else b"")
        told = {name: value for name, value in answer.headers.items() if name != "date"}
        assert told == {
            "www-authenticate": 'Basic realm="mirror"',
            "cache-control": "no-store",
            "content-type": "text/plain; charset=utf-8",
            "content-length": "13",
            "x-content-type-options": "nosniff",
        }


def test_a_login_in_several_lines_is_none(base: str) -> None:
    lines = ("GET /simple/ HTTP/1.1", "Host: m", "Connection: close", f"Authorization: {CI}")
    assert b" 200 " in ask_raw(base, "\r\n".join((*lines, "", "")).encode()).splitlines()[0]
    twice = (*lines, f"Authorization: {CI}", "", "")
    assert b" 401 " in ask_raw(base, "\r\n".join(twice).encode()).splitlines()[0]


def test_with_a_token_the_whole_table_is_served(base: str) -> None:
    for case in CASES:
        accept = {} if case.accept is None else {"accept": case.accept}
        answer = ask(base, case.path, authorization=CI, **accept)
        assert answer.status == case.status, case
        location = answer.headers.get("location", "")
        assert location == ("" if case.status in (200, MISSING) else case.result), case


@pytest.mark.parametrize("authorization", [CI, login("laptop", OTHER), CI.replace("Basic", "bASIC")])
def test_every_token_counts(base: str, authorization: str) -> None:
    assert ask(base, f"/{WHEEL}", authorization=authorization).body == body_of(WHEEL)


@pytest.mark.parametrize("key", sorted(PUBLISHED))
def test_no_shared_cache_may_keep_an_answer(base: str, key: str) -> None:
    answer = ask(base, "/" + key, authorization=CI)
    assert answer.status == 200
    assert answer.headers["cache-control"] == cache_control(key).replace("public", "private")
    assert "public" not in answer.headers["cache-control"]


def test_neither_may_it_keep_what_is_no_file(base: str) -> None:
    etag = ask(base, f"/{WHEEL}", authorization=CI).headers["etag"]
    answers = [
        ask(base, "/absent", authorization=CI),
        ask(base, "/simple/Foo.Bar", authorization=CI),
        ask(base, f"/{WHEEL}", authorization=CI, if_none_match=etag),
        ask(base, f"/{BIG}", authorization=CI, range="bytes=99999999-"),
        ask(base, f"/{BIG}", authorization=CI, range="bytes=0-0"),
        ask(base, f"/{BIG}", "HEAD", authorization=CI),
    ]
    assert [answer.status for answer in answers] == [404, 301, 304, 416, 206, 200]
    assert all(answer.headers["cache-control"].startswith("private, ") for answer in answers)


def test_ranges_and_conditions_work_with_a_token(base: str) -> None:
    part = ask(base, f"/{BIG}", authorization=CI, range="bytes=300000-")
    assert (part.status, part.body) == (206, BIG_BYTES[300_000:])
    again = ask(base, f"/{BIG}", authorization=CI, if_none_match=part.headers["etag"])
    assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_a_wrong_method_is_wrong_before_any_login(base: str, method: str) -> None:
    for headers in ({}, {"authorization": CI}):
        answer = ask(base, "/simple/", method, content_length="0", **headers)
        assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")


# What a change of the tokens does to a server that runs.


def test_a_mirror_without_a_book_is_public(live: str) -> None:
    answer = ask(live, f"/{WHEEL}")
    assert (answer.status, answer.headers["cache-control"]) == (200, cache_control(WHEEL))
    assert status(live, login("who", "ever")) == 200


def test_changes_count_at_once(mirror: Mirror, live: str) -> None:
    assert status(live, None) == 200
    book = PUBLIC.with_token(token("ci", SECRET))
    keep(mirror, book)
    assert (status(live, None), status(live), status(live, login("new", OTHER))) == (401, 200, 401)
    book = book.with_token(token("new", OTHER))
    keep(mirror, book)
    assert (status(live), status(live, login("new", OTHER))) == (200, 200)
    book = book.without("ci")
    keep(mirror, book)
    assert (status(live), status(live, login("new", OTHER))) == (401, 200)
    keep(mirror, book.without("new"))
    assert (status(live, None), status(live), status(live, login("new", OTHER))) == (401, 401, 401)
    keep(mirror, PUBLIC)
    assert (status(live, None), status(live)) == (200, 200)


def test_a_revoked_token_of_the_same_length_does_not_linger(mirror: Mirror, live: str) -> None:
    """Files of one size, replaced faster than a clock ticks: each is another file all the same."""
    for number in range(30):
        secret = f"{number:04}"
        keep(mirror, TokenBook((token("ci", secret),)))
        assert status(live, login("ci", secret)) == 200
        assert status(live, login("ci", f"{number - 1:04}")) == 401


def damage(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def remove(path: Path) -> None:
    path.unlink()


def put_a_folder_there(path: Path) -> None:
    path.unlink()
    path.mkdir()


def make_a_circle(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


DAMAGES = (damage, empty, remove, put_a_folder_there, make_a_circle)


@pytest.mark.parametrize("spoil", DAMAGES)
def test_a_book_that_cannot_be_read_lets_nobody_in(
    mirror: Mirror, live: str, caplog: pytest.LogCaptureFixture, spoil: Callable[[Path], None]
) -> None:
    path = mirror.home / "tokens.json"
    book = TokenBook((token("ci", SECRET),))
    keep(mirror, book)
    assert status(live) == 200
    spoil(path)
    for authorization in (None, CI):
        for wanted in ("/simple/", f"/{WHEEL}", "/absent"):
            refused = ask(live, wanted, **({"authorization": authorization} if authorization else {}))
            assert_refused(refused)
    assert len(caplog.records) == 1, "said once, not for every request"
    assert str(path) in caplog.text

    put_back(path, book)
    assert (status(live), status(live, None)) == (200, 401)


def assert_refused(answer: Answer) -> None:
    assert (answer.status, answer.body) == (503, b"Service Unavailable\n")
    assert answer.headers["cache-control"] == "no-store"


def put_back(path: Path, book: TokenBook) -> None:
    if path.is_dir():
        path.rmdir()
    whole = path.with_name("whole")
    whole.write_bytes(book.to_bytes())
    whole.replace(path)


@pytest.mark.parametrize("spoil", [damage, empty, put_a_folder_there, make_a_circle])
def test_nor_does_a_server_that_starts_with_one(mirror: Mirror, spoil: Callable[[Path], None]) -> None:
    path = mirror.home / "tokens.json"
    keep(mirror, TokenBook((token("ci", SECRET),)))
    spoil(path)
    with serving(mirror.site, admits=WatchedBook(path)) as base:
        assert_refused(ask(base, "/simple/"))
        assert_refused(ask(base, "/simple/", authorization=CI))


def test_nothing_of_a_login_is_logged(
    mirror: Mirror, live: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    keep(mirror, TokenBook((token("ci", SECRET),)))
    with caplog.at_level(logging.DEBUG):
        for authorization in (CI, login("ci", OTHER), f"Basic {SECRET}", f"Basic \xff{SECRET}"):
            for path in PATHS:
                status(live, authorization, path)
        damage(mirror.home / "tokens.json")
        status(live)
    captured = capfd.readouterr()
    for text in (caplog.text, captured.out, captured.err):
        for secret in (SECRET, OTHER, CI.removeprefix("Basic ")):
            assert secret not in text


def test_the_book_is_never_served(mirror: Mirror, live: str) -> None:
    keep(mirror, TokenBook((token("ci", SECRET),)))
    for path in ("/tokens.json", "/../tokens.json", "/packages/../../tokens.json", "/%2e%2e/tokens.json"):
        assert status(live, CI, path) == 404
