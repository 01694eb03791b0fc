"""The command line: options in, exit codes out. What the commands do is in ``commands``.

Exit codes: 0 done and verified; 1 done, but gaps or findings; 2 the input is wrong, nothing was changed;
3 something failed on the way, what was published before is intact.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from gc import set_threshold
from pathlib import Path
from typing import Any

import click

from mirror_pipeline import (
    __version__,
    cli_infra,
    cli_tokens,
    client_commands,
    command_alerts,
    commands,
    drift_commands,
    history_commands,
    refresh_commands,
    results,
    serving_commands,
)
from mirror_pipeline.adapters.progress import for_terminal
from mirror_pipeline.commands import Answer, Invocation
from mirror_pipeline.configuration import CONFIG_VARIABLE, load_settings
from mirror_pipeline.domain.snippets import CLIENTS
from mirror_pipeline.errors import InterruptedByUserError, MirrorError, StorageError, UsageError

_PORT = click.IntRange(0, 65535)
_FILE = click.Path(path_type=Path)
_GROUPS = (cli_infra, cli_tokens)
"""Modules with a ``group`` of commands and their functions, ``COMMANDS``."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="mirror-pipeline")
def cli() -> None:
    """From lock files to a private, static, hash-verified Python package index."""


def _command(name: str, group: click.Group | None = None) -> Callable[[Callable[..., Answer]], click.Command]:
    """A command with ``--config`` and ``--json``, whose function gets an ``Invocation`` first."""

    def wrap(function: Callable[..., Answer]) -> click.Command:
        def run(config: Path | None, as_json: bool, **options: object) -> int:
            call = _invocation(config, as_json)
            answer, code = command_alerts.watched(call, name, lambda: function(call, **options))
            if as_json:
                results.print_json(answer)
            return code

        run.__doc__ = function.__doc__
        run.__click_params__ = getattr(function, "__click_params__", [])  # type: ignore[attr-defined]
        run = click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")(run)
        run = click.option(
            "--config", type=click.Path(path_type=Path), help="Configuration file (default: config.env here)."
        )(run)
        return (group or cli).command(name)(run)

    return wrap


def _invocation(config: Path | None, as_json: bool) -> Invocation:
    progress = for_terminal()
    settings = load_settings(os.environ, config)
    for warning in settings.warnings:
        progress.say(f"warning: {warning}")
    named = config or (Path(os.environ[CONFIG_VARIABLE]) if os.environ.get(CONFIG_VARIABLE) else None)
    used = (named or Path("config.env")).absolute()
    return Invocation(
        settings=settings,
        environ=dict(os.environ),
        config=used if used.is_file() else None,
        json=as_json,
        progress=progress,
        reload=lambda: load_settings(os.environ, config),
    )


_wait = click.option(
    "--wait/--no-wait",
    default=True,
    help="Wait while somebody else works on this mirror (the default), or end with 3 at once.",
)


@_command("setup")
@_wait
def setup(call: Invocation, *, wait: bool) -> Answer:
    """Make the mirror: everything that 'refresh' does, on a fresh machine."""
    return refresh_commands.setup_command(call, wait=wait)


@_command("refresh")
@click.option("--force", is_flag=True, help="Recompute everything, whether stale or not; ends a rollback.")
@click.option("--repair", is_flag=True, help="Put right what was changed in the store or the bucket.")
@_wait
def refresh(call: Invocation, *, force: bool, repair: bool, wait: bool) -> Answer:
    """Recompute what is stale, and publish it."""
    return refresh_commands.refresh_command(call, force=force, repair=repair, wait=wait)


@_command("generations")
def generations(call: Invocation) -> Answer:
    """List what was published: number, when, from which lock, how much, by whom."""
    return history_commands.generations_command(call)


@_command("rollback")
@click.option("--reason", default="no reason given", help="Why: it is recorded.")
@click.argument("number", type=click.IntRange(1), required=False)
def rollback(call: Invocation, *, number: int | None, reason: str) -> Answer:
    """Make generation NUMBER live again (default: the one before), in one step, and hold it."""
    return history_commands.rollback_command(call, number=number, reason=reason)


@_command("gc")
@click.option("--yes", is_flag=True, help="Do it; without this it is only told what would go.")
def gc(call: Invocation, *, yes: bool) -> Answer:
    """Remove old generations, and files that none of the kept ones needs."""
    return history_commands.gc_command(call, yes=yes)


@_command("status")
def status(call: Invocation) -> Answer:
    """Show every asset and partition: fresh, stale (why), missing, failed."""
    return commands.status_command(call)


@_command("plan")
@click.option("--offline", is_flag=True, help="Ask no upstream: sizes stay unknown.")
def plan(call: Invocation, *, offline: bool) -> Answer:
    """Show the coverage matrix and the bytes to fetch; change nothing."""
    return commands.plan_command(call, offline=offline)


@_command("verify")
def verify(call: Invocation) -> Answer:
    """Compare what is published with what is locked; repair nothing."""
    return commands.verify_command(call)


@_command("drift")
@click.option(
    "--accept", "accepted", multiple=True, metavar="NAME", help="Let the findings about a project or file be."
)
def drift(call: Invocation, *, accepted: tuple[str, ...]) -> Answer:
    """Ask upstream what it changed since the files were pinned; remove nothing."""
    return drift_commands.drift_command(call, accepted=accepted)


@_command("client-config")
@click.option("--url", help="The mirror's URL (default: MIRROR_PUBLIC_URL, or where 'serve' listens).")
@click.option(
    "--private/--public",
    "private",
    default=None,
    help="Say how the login is given (default: whether the mirror has tokens).",
)
@click.option("--file", metavar="NAME", help="Only what belongs into this file, without headings.")
@click.option("--project", metavar="NAME", help="Whose lock, where there are several (default: the first).")
@click.argument("client", type=click.Choice(CLIENTS))
def client_config(call: Invocation, **asked: Any) -> Answer:
    """Print what CLIENT needs to use the mirror, to be copied or redirected."""
    return client_commands.client_config_command(call, client_commands.Asked(**asked))


@_command("serve")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8080, show_default=True, type=_PORT)
@click.option("--tls-cert", "certificate", metavar="FILE", type=_FILE, help="Certificate and chain, PEM.")
@click.option("--tls-key", "key", metavar="FILE", type=_FILE, help="Its key, PEM.")
@click.option("--access-log", metavar="FILE", help="Append a line for each request; '-' is stdout.")
@click.option("--metrics/--no-metrics", default=True, show_default=True, help="Counters at /metrics.")
def serve(call: Invocation, **how: Any) -> Answer:
    """Serve the published directory over HTTP or HTTPS."""
    return serving_commands.serve_command(call, serving_commands.Serving(**how))


@_command("ui")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=3000, show_default=True, type=_PORT)
def ui(call: Invocation, *, host: str, port: int) -> Answer:
    """Open the Dagster UI with schedule and sensors running."""
    return serving_commands.ui_command(call, host=host, port=port)


for _module in _GROUPS:
    for _name, _function in _module.COMMANDS.items():
        _command(_name, _module.group)(_function)
    cli.add_command(_module.group)


def run(arguments: Sequence[str]) -> int:
    """Run the command line; returns the exit code and never raises for bad input."""
    try:
        code = cli.main(args=list(arguments), prog_name="mirror-pipeline", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except MirrorError as error:
        return _tell(error, arguments)
    except click.exceptions.Abort:
        return _tell(
            InterruptedByUserError("interrupted", hint="'mirror-pipeline refresh' goes on"), arguments
        )
    except KeyboardInterrupt:
        return _tell(
            InterruptedByUserError("interrupted", hint="'mirror-pipeline refresh' goes on"), arguments
        )
    except click.ClickException as error:
        return _tell(UsageError(error.format_message()), arguments)
    except OSError as error:
        where = error.filename or "the system"
        return _tell(StorageError(f"{where}: {error.strerror or error}", path=str(where)), arguments)


def _tell(error: MirrorError, arguments: Sequence[str]) -> int:
    """One clear line for a person, one object for a machine."""
    if "--json" in arguments:
        results.print_json(results.error_object(error))
    print(f"error: {error}", file=sys.stderr)  # noqa: T201
    return error.exit_code


def collect_less() -> None:
    """Let Python look for cycles less often: among many small values without any it only finds work.

    That is a quarter of the time of a refresh that has nothing to do for 10,000 projects.
    """
    set_threshold(50_000, 10, 10)


def main() -> None:
    """Entry point of the console script."""
    collect_less()
    sys.exit(run(sys.argv[1:]))
