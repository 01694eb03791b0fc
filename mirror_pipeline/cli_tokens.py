"""The options of ``mirror-pipeline token``. What the commands do is in ``token_commands``."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import click

from mirror_pipeline import token_commands
from mirror_pipeline.commands import Answer, Invocation


@click.group("token", no_args_is_help=False)
def group() -> None:
    """Who may read the mirror: tokens for Basic auth. The first one makes it private."""


@click.argument("name")
def add(call: Invocation, *, name: str) -> Answer:
    """Add a token for NAME and show it, this once."""
    return token_commands.add_command(call, name=name)


def show(call: Invocation) -> Answer:
    """List the tokens by name, and whether the edge agrees."""
    return token_commands.list_command(call)


@click.argument("name")
def revoke(call: Invocation, *, name: str) -> Answer:
    """Revoke the token of NAME. Without any token the mirror is closed, not open."""
    return token_commands.revoke_command(call, name=name)


@click.option("--yes", is_flag=True, help="Do it.")
def make_public(call: Invocation, *, yes: bool) -> Answer:
    """Let everybody read the mirror again, and forget all tokens."""
    return token_commands.open_command(call, yes=yes)


COMMANDS: Mapping[str, Callable[..., Answer]] = {
    "add": add,
    "list": show,
    "revoke": revoke,
    "open": make_public,
}
