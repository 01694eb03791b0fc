"""Who may read a private mirror: named tokens for Basic auth (RFC 7617), and the book of their hashes.

A mirror is private from its first token on, and stays so when the last one is revoked: then it is closed to
everybody. Only an explicit step opens it again. What belongs here: the book, its written form, the decision
about one request. What does not: where the book lies (``adapters.token_store``), or who looks into it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import Enum
from typing import Any

from mirror_pipeline.domain.artifact import is_sha256
from mirror_pipeline.errors import DocumentError, UsageError

TOKENS = "tokens.json"
_VERSION = 1
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")  # no colon: RFC 7617 ends the user's name there
_BASIC = re.compile(r"[Bb][Aa][Ss][Ii][Cc] +([A-Za-z0-9+/]+=*)")
_ALLOWED_NAMES = "up to 64 letters, digits, '.', '_' and '-', a letter or digit first"


@dataclass(frozen=True, slots=True)
class Token:
    """One token as it is kept: nothing in here lets anybody in."""

    name: str
    sha256: str
    """Of ``name:secret``, which is what a client sends."""
    added: str
    """ISO 8601, UTC."""
    by: str


@dataclass(frozen=True, slots=True)
class TokenBook:
    """All tokens of a mirror. Private without tokens is closed to everybody; public has none."""

    tokens: tuple[Token, ...] = ()
    private: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        """The tokens' names, in the order in which they were added."""
        return tuple(token.name for token in self.tokens)

    @property
    def digests(self) -> tuple[str, ...] | None:
        """What the edge is given: None lets everybody in, an empty tuple nobody."""
        return tuple(sorted({token.sha256 for token in self.tokens})) if self.private else None

    def with_token(self, token: Token) -> TokenBook:
        """The book with one token more, which makes it private. The same token twice is the same book."""
        if token in self.tokens:
            return self
        if token.name in self.names:
            raise UsageError(
                f"there is a token {token.name!r} already",
                hint=f"'mirror-pipeline token revoke {token.name}' first, or choose another name",
                name=token.name,
            )
        return TokenBook((*self.tokens, token))

    def without(self, name: str) -> TokenBook:
        """The book with one token less; it is as private as before."""
        if name not in self.names:
            there = f"there are {', '.join(self.names)}" if self.tokens else "there are no tokens"
            raise UsageError(f"there is no token {name!r}", hint=there, name=name)
        return replace(self, tokens=tuple(token for token in self.tokens if token.name != name))

    def to_bytes(self) -> bytes:
        """The written form."""
        tokens = [asdict(token) for token in self.tokens]
        document = {"private": self.private, "tokens": tokens, "version": _VERSION}
        return (json.dumps(document, indent=1, sort_keys=True) + "\n").encode()


PUBLIC = TokenBook(private=False)
"""What holds where no book was ever written, and after the mirror was opened."""


class Admission(Enum):
    """What becomes of a request."""

    PUBLIC = "public"
    """Nobody is asked."""
    GRANTED = "granted"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    """It cannot be told who may read; so nobody may."""


def disagreements(book: TokenBook, enforced: tuple[str, ...] | None) -> tuple[str, ...]:
    """What the edge does otherwise than the book says; nothing where they agree."""
    if book.digests == enforced:
        return ()
    if enforced is None:
        return ("the edge lets everybody in, though the mirror is private",)
    if book.digests is None:
        return ("the edge asks for a token, though the mirror is public",)
    strangers = len(set(enforced) - set(book.digests))
    missing = [token.name for token in book.tokens if token.sha256 not in enforced]
    return (
        *([f"the edge lets in {strangers} that are revoked or were never listed"] if strangers else ()),
        *(f"the edge does not let in {name!r}" for name in missing),
    )


def checked_name(name: str) -> str:
    """The name, if a token can have it."""
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no name for a token", hint=_ALLOWED_NAMES, name=name)
    return name


def digest_of(name: str, secret: str) -> str:
    """What is kept of a token. The secret is long and random: one round of SHA-256 hides it well."""
    return hashlib.sha256(f"{name}:{secret}".encode()).hexdigest()


def check(book: TokenBook, name: str, secret: str) -> bool:
    """Whether a private book has this token."""
    return _has(book, digest_of(name, secret))


def admit(book: TokenBook, authorization: str | None) -> Admission:
    """Decide about a request by its ``Authorization`` header."""
    if not book.private:
        return Admission.PUBLIC
    login = _login(authorization or "")
    known = login is not None and _has(book, hashlib.sha256(login).hexdigest())
    return Admission.GRANTED if known else Admission.REFUSED


def name_in(authorization: str | None) -> str:
    """Who says to be asking: the name that goes with a secret, '' where there is no login."""
    login = _login(authorization or "")
    return "" if login is None else login.decode("latin-1").partition(":")[0]


def _has(book: TokenBook, digest: str) -> bool:
    """Compare with every token, each in constant time: how long it takes tells nothing."""
    return any([hmac.compare_digest(token.sha256, digest) for token in book.tokens])  # noqa: C419


def _login(authorization: str) -> bytes | None:
    """``name:secret`` as it was sent (RFC 7617 §2), None where it is not Basic or not readable.

    As strict as the function at the edge: whoever gets in there gets in here, and nobody else.
    """
    basic = _BASIC.fullmatch(authorization)
    if basic is None:
        return None
    try:
        login = base64.b64decode(basic[1], validate=True)
    except binascii.Error:
        return None
    return login if base64.b64encode(login).decode() == basic[1] else None


def parse_book(content: bytes, name: str = TOKENS) -> TokenBook:
    """Read a book back. One that cannot be read is an error, never an open or an empty book."""
    try:
        document: Mapping[str, Any] = json.loads(content)
        if document["version"] != _VERSION:
            raise _damaged(name, f"version {document['version']!r} is not known here")
        book = TokenBook(tuple(Token(**token) for token in document["tokens"]), document["private"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _damaged(name, f"{type(error).__name__}: {error}") from None
    if problem := _problem(book):
        raise _damaged(name, problem)
    return book


def _problem(book: TokenBook) -> str:
    """What is wrong with a book that has the right fields, '' where nothing is."""
    if not isinstance(book.private, bool):
        return "'private' is neither true nor false"
    if book.tokens and not book.private:
        return "a public mirror with tokens"
    for token in book.tokens:
        if not all(isinstance(text, str) for text in asdict(token).values()):
            return "a token with a field that is no text"
        if not _NAME.fullmatch(token.name) or not is_sha256(token.sha256):
            return f"a token with a name or hash that none can have: {token.name!r}"
    return "two tokens of one name" if len(set(book.names)) != len(book.tokens) else ""


def _meanwhile(name: str) -> str:
    """Who is let in: a server asks the book each time, the edge has its tokens from before."""
    return "and whoever was let in before still is" if name.startswith("s3://") else "so nobody is let in"


def _damaged(name: str, problem: str) -> DocumentError:
    closed = json.dumps({"private": True, "tokens": [], "version": _VERSION})
    return DocumentError(
        f"{name}: the tokens cannot be read, {_meanwhile(name)}: {problem}",
        hint=f"restore it, or write {closed} in its place and add the tokens anew",
        document=name,
    )
