"""What ``serve`` and ``ui`` do: both run until they are interrupted. Like ``commands``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mirror_pipeline import __version__, results
from mirror_pipeline.commands import Answer, Invocation
from mirror_pipeline.errors import DocumentError, UsageError
from mirror_pipeline.phases.tokens import watched

if TYPE_CHECKING:
    from mirror_pipeline.adapters.access_log import AccessLog
    from mirror_pipeline.adapters.server import Extras

_STDOUT = "-"
_EVERY_INTERFACE = ("", "0.0.0.0", "::")  # noqa: S104


@dataclass(frozen=True, slots=True)
class Serving:
    """How to serve."""

    host: str
    port: int
    certificate: Path | None = None
    key: Path | None = None
    access_log: str | None = None
    """A file, or ``-`` for standard output."""
    metrics: bool = True


def serve_command(call: Invocation, how: Serving) -> Answer:
    """Serve the published directory until interrupted."""
    from mirror_pipeline.adapters.server import serve

    site = call.settings.site
    if not site.is_dir():
        raise DocumentError(
            f"{site}: nothing is published yet",
            hint="run 'mirror-pipeline refresh' first",
            document=str(site),
        )

    def tell(url: str) -> None:
        everywhere = " and on every interface" if how.host in _EVERY_INTERFACE else ""
        call.progress.say(f"serving {site} at {url}/simple/{everywhere} (Ctrl-C ends it)")

    with _extras(call, how) as extras:
        serve(site, how.host, how.port, tell, watched(call.settings), extras)
    return {"status": "ok", "site": str(site)}, results.OK


@contextmanager
def _extras(call: Invocation, how: Serving) -> Iterator[Extras]:
    """What was asked for besides, checked before anything listens."""
    from mirror_pipeline.adapters.certificates import server_context
    from mirror_pipeline.adapters.descriptors import connections_at_once
    from mirror_pipeline.adapters.host import Limits
    from mirror_pipeline.adapters.server import OFFICE_GRACE, Extras

    if (how.certificate is None) != (how.key is None):
        raise UsageError("--tls-cert and --tls-key belong together")
    tls = server_context(how.certificate, how.key) if how.certificate and how.key else None
    log = _access_log(call, how.access_log)
    try:
        limits = Limits(connections=connections_at_once())
        yield Extras(log, tls, how.metrics, __version__, OFFICE_GRACE, limits)
    finally:
        if log:
            log.close()


def _access_log(call: Invocation, where: str | None) -> AccessLog | None:
    from mirror_pipeline.adapters.access_log import AccessLog

    if where == _STDOUT and call.json:
        raise UsageError("--access-log - and --json both want standard output", hint="log to a file")
    return AccessLog(None if where == _STDOUT else Path(where)) if where else None


def ui_command(call: Invocation, *, host: str, port: int) -> Answer:
    """The Dagster UI with its daemon, until interrupted."""
    from mirror_pipeline.adapters.ui import run_ui
    from mirror_pipeline.instance import HOME_VARIABLE, dagster_home, prepare_home

    home = prepare_home(dagster_home(call.settings, call.environ))
    environ = {**call.environ, HOME_VARIABLE: str(home)}
    if call.config is not None:
        environ["MIRROR_CONFIG"] = str(call.config)

    def tell() -> None:
        call.progress.say(f"Dagster UI at http://{host}:{port} (Ctrl-C ends it)")

    return {"status": "ok"}, run_ui(host, port, environ, tell, call.settings.config)
