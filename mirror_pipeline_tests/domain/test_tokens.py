"""The book of tokens: who is let in, what is written of them, and that nothing damaged opens a mirror."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror_pipeline.domain.tokens import (
    PUBLIC,
    Admission,
    Token,
    TokenBook,
    admit,
    check,
    checked_name,
    digest_of,
    parse_book,
)
from mirror_pipeline.errors import DocumentError, UsageError

SECRET = "s3cret-of-the-first_one"
CI = Token("ci", digest_of("ci", SECRET), "2026-11-27T09:00:00+00:00", "ada@build")
LAPTOP = Token("laptop.2", digest_of("laptop.2", "another"), "2026-11-28T09:00:00+00:00", "ann@desk")
BOOK = TokenBook((CI, LAPTOP))
CLOSED = TokenBook()


def basic(login: bytes, scheme: str = "Basic ") -> str:
    return scheme + base64.b64encode(login).decode()


RIGHT = basic(f"ci:{SECRET}".encode())


def test_what_is_kept_is_the_hash_of_what_a_client_sends() -> None:
    assert digest_of("ci", "x:ü") == hashlib.sha256("ci:x:ü".encode()).hexdigest()


GOOD_HEADERS = (
    RIGHT,
    RIGHT.replace("Basic", "bAsIC"),
    RIGHT.replace(" ", "   "),
    basic(b"laptop.2:another"),
)


@pytest.mark.parametrize("header", GOOD_HEADERS)
def test_who_has_a_token_is_let_in(header: str) -> None:
    assert admit(BOOK, header) is Admission.GRANTED


BAD_HEADERS = (
    None,
    "",
    "Basic",
    "Basic ",
    "Basic !!!",
    "Basic Y2k",  # no padding
    "Basic Y2k6===",
    "Basic Y2l=",  # bits that nobody set
    f"{RIGHT} ",
    f"{RIGHT}\n",
    f" {RIGHT}",
    f"{RIGHT},{RIGHT}",
    f"{RIGHT}é",
    RIGHT.replace(" ", "\t"),
    RIGHT.replace(" ", ""),
    RIGHT.replace("Basic", "Bearer"),
    RIGHT.replace("Basic", "Digest"),
    basic(b"ci"),
    basic(b"ci:"),
    basic(b":"),
    basic(f"CI:{SECRET}".encode()),
    basic(f"ci:{SECRET}x".encode()),
    basic(f"ci:{SECRET[:-1]}".encode()),
    basic(f"laptop.2:{SECRET}".encode()),
    basic(f"ci:{CI.sha256}".encode()),
    basic(b"ci:\xff\xfe"),
    CI.sha256,
)
HEADERS = tuple(header for header in (*GOOD_HEADERS, *BAD_HEADERS) if header == (header or "").strip())
"""What reaches a server as it stands, for those who have to decide the same."""


@pytest.mark.parametrize("header", BAD_HEADERS)
def test_nobody_else_is(header: str | None) -> None:
    assert admit(BOOK, header) is Admission.REFUSED
    assert admit(CLOSED, header) is Admission.REFUSED
    assert admit(PUBLIC, header) is Admission.PUBLIC


def test_a_book_without_tokens_is_closed_to_all() -> None:
    assert admit(CLOSED, RIGHT) is Admission.REFUSED
    assert CLOSED.digests == ()


def test_a_public_mirror_asks_nobody() -> None:
    assert admit(PUBLIC, RIGHT) is Admission.PUBLIC
    assert PUBLIC.digests is None


@given(st.text(), st.text())
def test_a_token_counts_by_name_and_secret(name: str, secret: str) -> None:
    surrogates = any(0xD800 <= ord(letter) <= 0xDFFF for letter in name + secret)
    if not surrogates:
        assert check(BOOK, name, secret) is ((name, secret) in [("ci", SECRET), ("laptop.2", "another")])


def test_check_finds_each_token() -> None:
    assert check(BOOK, "ci", SECRET)
    assert check(BOOK, "laptop.2", "another")
    assert not check(BOOK, "ci", "another")


def test_the_edge_is_told_hashes_in_order() -> None:
    assert BOOK.digests == tuple(sorted([CI.sha256, LAPTOP.sha256]))
    assert BOOK.digests == TokenBook((LAPTOP, CI)).digests


# Adding and revoking.


def test_the_first_token_makes_a_mirror_private() -> None:
    assert PUBLIC.with_token(CI) == TokenBook((CI,), private=True)


def test_tokens_keep_their_order() -> None:
    assert PUBLIC.with_token(LAPTOP).with_token(CI).names == ("laptop.2", "ci")


def test_a_name_is_given_once() -> None:
    with pytest.raises(UsageError, match="there is a token 'ci' already") as caught:
        BOOK.with_token(replace(CI, sha256="0" * 64))
    assert (caught.value.facts, caught.value.exit_code) == ({"name": "ci"}, 2)


def test_the_same_token_twice_changes_nothing() -> None:
    assert BOOK.with_token(CI) is BOOK


def test_revoking_the_last_token_opens_nothing() -> None:
    closed = BOOK.without("ci").without("laptop.2")
    assert closed == CLOSED
    assert closed.private


@pytest.mark.parametrize(
    ("book", "hint"), [(BOOK, "ci, laptop.2"), (CLOSED, "no tokens"), (PUBLIC, "no tokens")]
)
def test_a_token_that_is_not_there_cannot_be_revoked(book: TokenBook, hint: str) -> None:
    with pytest.raises(UsageError, match="there is no token 'cd'") as caught:
        book.without("cd")
    assert hint in caught.value.hint


@pytest.mark.parametrize("name", ["ci", "C", "0", "a.b_c-d", "a" * 64])
def test_names_that_tokens_can_have(name: str) -> None:
    assert checked_name(name) == name


@pytest.mark.parametrize(
    "name", ["", "a:b", "a b", "-a", ".a", "_a", "a/b", "a\n", "ä", "a@b", "a%41", "a" * 65]
)
def test_names_that_no_token_can_have(name: str) -> None:
    with pytest.raises(UsageError, match="no name for a token"):
        checked_name(name)


# The written form.


@pytest.mark.parametrize("book", [BOOK, CLOSED, PUBLIC])
def test_what_is_written_is_read_back(book: TokenBook) -> None:
    assert parse_book(book.to_bytes()) == book
    assert parse_book(book.to_bytes()).to_bytes() == book.to_bytes()


def test_no_secret_is_written() -> None:
    assert SECRET.encode() not in BOOK.to_bytes()
    assert json.loads(BOOK.to_bytes())["tokens"][0].keys() == {"name", "sha256", "added", "by"}


def changed(**fields: Any) -> bytes:
    return json.dumps({**json.loads(BOOK.to_bytes()), **fields}).encode()


def with_fields(**fields: Any) -> bytes:
    tokens = json.loads(BOOK.to_bytes())["tokens"]
    return changed(tokens=[{**tokens[0], **fields}])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"null",
        b"[]",
        b"{}",
        b"[" * 100_000,
        BOOK.to_bytes()[:-3],
        b"<html>",
        changed(version=2),
        changed(private=None),
        changed(private="false"),
        changed(private=0),
        changed(private=False),
        changed(tokens=None),
        changed(tokens={}) + b"x",
        changed(tokens=["ci"]),
        changed(tokens=[{}]),
        changed(tokens=[None]),
        changed(tokens=2 * json.loads(BOOK.to_bytes())["tokens"]),
        with_fields(name="a:b"),
        with_fields(name=None),
        with_fields(name=["ci"]),
        with_fields(sha256="0"),
        with_fields(sha256=CI.sha256.upper()),
        with_fields(sha256=7),
        with_fields(added=7),
        with_fields(by=None),
        with_fields(secret="x"),
    ],
)
def test_a_damaged_book_is_an_error_that_names_it(content: bytes) -> None:
    with pytest.raises(DocumentError, match=r"^home/tokens\.json: .*nobody is let in") as caught:
        parse_book(content, "home/tokens.json")
    assert caught.value.facts == {"document": "home/tokens.json"}
    assert caught.value.exit_code == 3


def test_a_damaged_book_in_a_bucket_does_not_claim_that_nobody_is_let_in() -> None:
    with pytest.raises(DocumentError, match="cannot be read, and whoever was let in before still is"):
        parse_book(b"damaged", "s3://wheels/.mirror/tokens.json")


def test_the_way_out_of_a_damaged_book_is_a_closed_one() -> None:
    with pytest.raises(DocumentError) as caught:
        parse_book(b"damaged")
    told = caught.value.hint[caught.value.hint.index("{") : caught.value.hint.index("}") + 1]
    assert parse_book(told.encode()) == CLOSED


@given(st.integers(0, len(BOOK.to_bytes()) - 1), st.binary(max_size=3))
def test_a_mutilated_book_opens_nothing(place: int, instead: bytes) -> None:
    whole = BOOK.to_bytes()
    for content in (whole[:place], whole[:place] + instead + whole[place + 1 :]):
        try:
            book = parse_book(content)
        except DocumentError:
            continue
        assert book.private
        assert admit(book, None) is Admission.REFUSED
