"""Alerts of the command line: what ``setup``, ``refresh``, ``verify`` and ``drift`` tell when they end badly.

All of it is here, so that no command has to think of it. Gaps tell nobody: the lock has them, not the night.
What is wrong with the command line itself, Ctrl-C, and an end because somebody else is at work tell nobody
either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, cast

from mirror_pipeline.commands import Answer, Invocation
from mirror_pipeline.domain.alerts import Alert
from mirror_pipeline.errors import BusyError, InterruptedByUserError, MirrorError, StorageError, UsageError
from mirror_pipeline.phases.alerts import drift_alert, send, verification_alert
from mirror_pipeline.phases.drift import last_drift
from mirror_pipeline.phases.mirror import Mirror
from mirror_pipeline.phases.verification import last_report

ALERTING = frozenset({"setup", "refresh", "verify", "drift"})


def watched(call: Invocation, name: str, command: Callable[[], Answer]) -> Answer:
    """Run a command, and tell the webhook how it ended if that has to be told; the end is the same."""
    if name not in ALERTING or not call.settings.webhook:
        return command()
    try:
        answer, code = command()
    except (BusyError, InterruptedByUserError, UsageError):
        raise
    except Exception as error:
        _tell(call, replace(_of_error(error), command=name))
        raise
    alert = _of_answer(call.mirror, name, answer)
    if alert is not None:
        _tell(call, replace(alert, command=name))
    return answer, code


def _of_error(error: Exception) -> Alert:
    if isinstance(error, MirrorError):
        return Alert("failure", error.message, error.hint, facts={"kind": error.kind, **error.facts})
    if isinstance(error, OSError):
        where = error.filename or "the system"
        return Alert("failure", f"{where}: {error.strerror or error}", facts={"kind": StorageError.kind})
    return Alert("failure", f"{type(error).__name__}: {error}", facts={"kind": type(error).__name__})


def _of_answer(mirror: Mirror, name: str, answer: Mapping[str, Any]) -> Alert | None:
    if answer["status"] == "error":
        return _of_failures(answer)
    if answer["status"] != "findings":
        return None
    if name == "drift":
        drift = last_drift(mirror)
        return drift_alert(drift) if drift else None
    report = last_report(mirror)
    return verification_alert(report) if report else None


def _of_failures(answer: Mapping[str, Any]) -> Alert:
    """Of a refresh in which runs failed: the worst of them, and how many there are."""
    error = cast("Mapping[str, Any]", answer["error"])
    failures, skipped = len(answer.get("errors", ())), len(answer.get("skipped", ()))
    more = f" (and {failures - 1} more failures)" if failures > 1 else ""
    facts = {key: value for key, value in error.items() if key not in ("message", "hint")}
    return Alert(
        "failure",
        f"{error['message']}{more}",
        str(error.get("hint", "")),
        facts=facts,
        counts={"failures": failures, "skipped": skipped},
    )


def _tell(call: Invocation, alert: Alert) -> None:
    if warning := send(call.mirror, alert):
        call.progress.say(f"warning: {warning}")
