"""The tokens of a private mirror: added, revoked, listed, and the edge told of them.

The book is what counts; the function at the edge repeats it. The book is written first: whoever ends between
the two leaves a difference that every further command sees, and all but ``listing`` mend. The edge is always
told what the book says *after* the look at the edge that the deployment is conditional on, so that of several
who change tokens at once the last one's book is what the edge ends up with.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from mirror_pipeline.adapters.aws import Aws
from mirror_pipeline.adapters.edge_function import Deployed, template
from mirror_pipeline.adapters.s3_objects import S3Objects
from mirror_pipeline.adapters.token_store import (
    FileTokens,
    KeptBook,
    ObjectTokens,
    TokenStore,
    WatchedBook,
)
from mirror_pipeline.domain.edge import Edge, render
from mirror_pipeline.domain.tokens import (
    PUBLIC,
    TOKENS,
    Token,
    TokenBook,
    checked_name,
    digest_of,
    disagreements,
)
from mirror_pipeline.errors import (
    CloudError,
    CloudUnreachableError,
    DocumentError,
    EdgeTooBigError,
    MirrorError,
    PreconditionError,
    SettingsError,
)
from mirror_pipeline.settings import Settings
from mirror_pipeline.sites.choosing import edge_function

T = TypeVar("T")

_TRIES = 8
_SECRET_BYTES = 32
_MADE_ANEW = "Run 'mirror-pipeline infra apply', then 'mirror-pipeline refresh --repair'."


class Pointer(Protocol):
    """What is asked of the function at the edge; ``adapters.edge_function`` has it."""

    def read(self) -> Deployed | None:
        """What is deployed, None where there is no such function."""

    def deploy(self, edge: Edge, etag: str) -> None:
        """Make this live, unless something changed since the look that gave the ETag."""


@dataclass(frozen=True, slots=True)
class Access:
    """Where tokens are kept, and who has to be told. Without an edge a server reads the book itself."""

    store: TokenStore
    edge: Pointer | None = None


@dataclass(frozen=True, slots=True)
class Changed:
    """What a command found and left behind. ``mended``: before it, the edge did not do what the book said."""

    before: TokenBook
    after: TokenBook
    mended: bool = False


@dataclass(frozen=True, slots=True)
class Listing:
    """The tokens, and what the edge does otherwise."""

    book: TokenBook
    problems: tuple[str, ...] = ()
    remedy: str = "Every 'mirror-pipeline token' command that changes something also puts that right."
    """What a person does about the problems, where they do not say so themselves."""


def token_store(settings: Settings) -> TokenStore:
    """The place of the book; a plain bucket has nobody who would ask for a token."""
    cloud = settings.cloud
    if cloud.mode == "directory":
        return FileTokens(settings.home / TOKENS)
    if cloud.mode == "in-place":
        raise SettingsError(
            f"s3://{cloud.bucket} is published in place: nothing there asks clients for a token",
            hint="MIRROR_PUBLISH=generations has CloudFront ask; elsewhere, let the server before it ask",
            key="MIRROR_PUBLISH",
            value=cloud.mode,
            allowed="generations",
        )
    return ObjectTokens(S3Objects(Aws(cloud)))


def is_private(settings: Settings) -> bool:
    """Whether clients need a login, as far as this machine knows: no request is made.

    Of a bucket that is told by ``MIRROR_LOGIN``, without which a private one could not be verified either.
    """
    if settings.cloud.login or settings.cloud.mode != "directory":
        return bool(settings.cloud.login)
    try:
        return FileTokens(settings.home / TOKENS).read().book.private
    except MirrorError:  # the file is damaged: a server of it lets nobody in
        return True


def access_of(settings: Settings) -> Access:
    """Book and edge as configured; makes no request."""
    store, cloud = token_store(settings), settings.cloud
    if not cloud.on_aws:
        return Access(store)
    return Access(store, edge_function(Aws(cloud)))


def watched(settings: Settings) -> WatchedBook:
    """Who is let in by a server of the published directory."""
    return WatchedBook(settings.home / TOKENS)


def add(access: Access, name: str, by: str, now: str) -> tuple[str, Changed]:
    """A new token, whose secret is returned and kept nowhere; the first one makes the mirror private."""
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    token = Token(checked_name(name), digest_of(name, secret), now, by)
    again = f"run 'mirror-pipeline token revoke {name}', then add it again: this token was not shown"
    return secret, _change(access, lambda book: book.with_token(token), again)


def revoke(access: Access, name: str) -> Changed:
    """One token less. Where it is not in the book but the edge differs from that, this finishes the job."""
    book = access.store.read().book
    if name not in book.names:
        if access.edge and _is_lost(access.store.read(), _deployed(access.edge)[1]):
            raise _lost(access)
        if tell_the_edge(access):
            return Changed(book, book, mended=True)
        return Changed(book, book.without(name))
    again = "run the command again: until then the token works"
    return _change(access, lambda book: book.without(name) if name in book.names else book, again)


def open_to_all(access: Access) -> Changed:
    """Let everybody in and forget all tokens."""
    return _change(access, lambda _: PUBLIC, "run the command again")


def listing(access: Access) -> Listing:
    """The tokens, and whether the edge agrees; changes nothing."""
    if access.edge is None:
        return Listing(access.store.read().book)
    deployed = access.edge.read()
    kept = access.store.read()
    book = kept.book
    if _is_lost(kept, deployed.edge if deployed else None):
        return Listing(book, (str(_lost(access)),), remedy="")
    if deployed is None or deployed.edge is None:
        return Listing(book, (f"{_missing(deployed)}: nobody is asked for a token",), _MADE_ANEW)
    return Listing(book, disagreements(book, deployed.edge.tokens))


def tell_the_edge(access: Access) -> bool:
    """Have the edge do what the book says; whether it did not before."""
    edge = access.edge
    if edge is None:
        return False

    def attempt() -> bool:
        etag, deployed = _deployed(edge)
        kept = access.store.read()
        wanted = kept.book.digests
        if deployed.tokens == wanted or _is_lost(kept, deployed):
            return False
        edge.deploy(replace(deployed, tokens=wanted), etag)
        return True

    return _until_undisturbed(attempt)


def _change(access: Access, alter: Callable[[TokenBook], TokenBook], again: str) -> Changed:
    """Change the book, then tell the edge. ``again`` is what a person does where this ends in between."""

    def attempt() -> Changed:
        deployed = None if access.edge is None else _deployed(access.edge)[1]
        kept = access.store.read()
        book = alter(kept.book)
        if _is_lost(kept, deployed) and book.private:
            raise _lost(access)
        if deployed and len(book.tokens) > len(kept.book.tokens):
            render(template(), replace(deployed, tokens=book.digests))  # too many: nothing is written
        if book != kept.book or _is_lost(kept, deployed):
            with _half_done("it is not known whether the tokens changed", again, (CloudUnreachableError,)):
                access.store.write(book, kept.version)
        return Changed(kept.book, book, mended=deployed is not None and deployed.tokens != kept.book.digests)

    changed = _until_undisturbed(attempt)
    untold = "the tokens are changed, but the edge does not know it yet"
    with _half_done(untold, again, (CloudError, EdgeTooBigError)):
        tell_the_edge(access)
    return changed


def _is_lost(kept: KeptBook, deployed: Edge | None) -> bool:
    """Whether the edge asks for tokens of which there is no book any more."""
    return not kept.version and deployed is not None and deployed.tokens is not None


def _lost(access: Access) -> DocumentError:
    return DocumentError(
        f"{access.store.location}: the list of tokens is gone, while the edge still asks for tokens",
        hint="restore an earlier version of it, or begin anew after 'mirror-pipeline token open --yes'",
        document=access.store.location,
    )


@contextmanager
def _half_done(line: str, hint: str, errors: tuple[type[MirrorError], ...]) -> Iterator[None]:
    """Say with an error what it left behind; whatever its kind, something was changed by then."""
    try:
        yield
    except errors as error:
        kind = type(error) if isinstance(error, CloudError) else CloudError
        raise kind(f"{line}: {error.message}", hint=hint, **error.facts) from error


def _deployed(edge: Pointer) -> tuple[str, Edge]:
    """ETag and value of a function that is there and ours."""
    deployed = edge.read()
    if deployed is None or deployed.edge is None:
        raise CloudError(_missing(deployed), hint="run 'mirror-pipeline infra apply'", service="cloudfront")
    return deployed.etag, deployed.edge


def _missing(deployed: Deployed | None) -> str:
    what = "does not exist" if deployed is None else "has no code of ours that is live"
    return f"cloudfront: the mirror's function {what}"


def _until_undisturbed(attempt: Callable[[], T]) -> T:
    """Try again where somebody else changed the same thing meanwhile; each try looks anew."""
    for _ in range(_TRIES - 1):
        try:
            return attempt()
        except PreconditionError:
            continue
    return attempt()
