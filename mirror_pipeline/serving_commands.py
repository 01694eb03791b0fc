"""What ``serve`` and ``ui`` do: both run until they are interrupted. Like ``commands``."""

from __future__ import annotations

from mirror_pipeline import results
from mirror_pipeline.commands import Answer, Invocation
from mirror_pipeline.errors import DocumentError
from mirror_pipeline.phases.tokens import watched


def serve_command(call: Invocation, *, host: str, port: int) -> Answer:
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
        call.progress.say(f"serving {site} at {url}/simple/ (Ctrl-C ends it)")

    serve(site, host, port, tell, watched(call.settings))
    return {"status": "ok", "site": str(site)}, results.OK


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
