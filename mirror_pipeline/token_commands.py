"""What the token commands do, between the options of ``cli_tokens`` and ``phases.tokens``.

A secret is shown by ``add``, once, on stdout. It is in no file, no log and no message.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any
from urllib.parse import urlsplit

from mirror_pipeline import results
from mirror_pipeline.adapters import identity
from mirror_pipeline.commands import Answer, Invocation
from mirror_pipeline.domain.tokens import TokenBook
from mirror_pipeline.errors import UsageError
from mirror_pipeline.phases import tokens
from mirror_pipeline.phases.tokens import Changed, access_of

_SERVED = "http://127.0.0.1:8080"
"""Where ``serve`` listens if it is not told otherwise."""
_MENDED = "The edge did not do what the list of tokens says; now it does."
_PUBLIC, _CLOSED = "The mirror is public.", "There are no tokens: the mirror is closed to everybody."


def add_command(call: Invocation, *, name: str) -> Answer:
    """Add a token and show it, with what clients do with it."""
    by = f"{identity.user()}@{identity.host()}"
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    secret, changed = tokens.add(access_of(call.settings), name, by, now)
    first, index = not changed.before.private, f"{call.settings.cloud.public_url or _SERVED}/simple/"
    if not call.json:
        _say(
            f"token of {name}, shown this once: {secret}",
            *(["The mirror is private from now on: clients without a token get 401."] if first else []),
            *([_MENDED] if changed.mended else []),
            *_usage(name, index),
        )
    told = {"name": name, "token": secret, "private": True, "first": first, "index": index}
    return {"status": "ok", **told, "mended": changed.mended}, results.OK


def list_command(call: Invocation) -> Answer:
    """Tokens by name, never the tokens themselves; what the edge does otherwise is a finding."""
    listed = tokens.listing(access_of(call.settings))
    status, code = results.outcome((), listed.problems)
    if not call.json:
        _print_book(listed.book)
        _say(*(f"problem: {problem}" for problem in listed.problems))
        if listed.problems and listed.remedy:
            _say(listed.remedy)
    findings = [{"subject": "edge", "problem": problem} for problem in listed.problems]
    return {"status": status, **_book_object(listed.book), "findings": findings}, code


def revoke_command(call: Invocation, *, name: str) -> Answer:
    """Revoke a token; the mirror stays private, also without any."""
    changed = tokens.revoke(access_of(call.settings), name)
    if not call.json:
        gone = name in changed.before.names
        _say(f"{name} is revoked." if gone else f"{name} was not listed any more.")
        _say(*_left(changed))
    return {"status": "ok", "name": name, **_left_object(changed)}, results.OK


def open_command(call: Invocation, *, yes: bool) -> Answer:
    """Make a private mirror public again, which forgets its tokens."""
    access = access_of(call.settings)
    book = access.store.read().book
    if book.private and not yes:
        forgotten = f", and forgets {', '.join(book.names)}" if book.tokens else ""
        raise UsageError(
            f"this lets everybody read the mirror{forgotten}",
            hint="'mirror-pipeline token open --yes' does it",
            names=list(book.names),
        )
    changed = tokens.open_to_all(access)
    if not call.json:
        _say(*_left(changed))
    return {"status": "ok", "forgotten": list(changed.before.names), **_left_object(changed)}, results.OK


def _left(changed: Changed) -> Sequence[str]:
    """What holds now, for people."""
    state = [] if changed.after.tokens else [_CLOSED if changed.after.private else _PUBLIC]
    return [*state, *([_MENDED] if changed.mended else [])]


def _left_object(changed: Changed) -> dict[str, Any]:
    book = changed.after
    return {"private": book.private, "left": list(book.names), "mended": changed.mended}


def _book_object(book: TokenBook) -> dict[str, Any]:
    listed = [{"name": token.name, "added": token.added, "by": token.by} for token in book.tokens]
    return {"private": book.private, "tokens": listed}


def _print_book(book: TokenBook) -> None:
    if book.tokens:
        rows = [(token.name, token.added, token.by) for token in book.tokens]
        results.print_table("Tokens", ("name", "added", "by"), rows)
    else:
        _say(_CLOSED if book.private else _PUBLIC)


def _usage(name: str, index: str) -> Sequence[str]:
    """How pip and uv use a token. They are shown the word and not the token, so that lines can be shared."""
    scheme, host = index.partition("://")[0], urlsplit(index).hostname
    with_login = index.replace(f"{scheme}://", f"{scheme}://{name}:TOKEN@", 1)
    return (
        "With TOKEN in its place:",
        f"  pip    pip install --index-url {with_login} …",
        f"  uv     UV_DEFAULT_INDEX={with_login} uv sync",
        f"  uv     UV_INDEX_MIRROR_USERNAME={name} UV_INDEX_MIRROR_PASSWORD=TOKEN uv sync",
        "         for an index named 'mirror' in pyproject.toml, with the plain URL",
        f"  both   machine {host} login {name} password TOKEN",
        "         in ~/.netrc, and the plain URL",
    )


def _say(*lines: str) -> None:
    for line in lines:
        print(line)  # noqa: T201
