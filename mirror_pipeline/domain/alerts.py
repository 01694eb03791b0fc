"""Alerts: what is told to a webhook about a failure or a finding, as one JSON object with fixed fields.

The object says the same to a program (``event``, ``facts``, ``findings``) and to people (``text``, which chat
services show as it is). Nothing secret is in it, whatever it is made from.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, cast

from mirror_pipeline.domain.redaction import hidden

Event = Literal["failure", "findings", "drift"]

MOST_LISTED = 20
"""Findings, and entries of each list of facts; the counts tell how many there are."""
_LONGEST_TEXT = 600


@dataclass(frozen=True, slots=True)
class Alert:
    """What happened. ``command`` where the command line ran it, ``run_id`` where Dagster did."""

    event: Event
    message: str
    hint: str = ""
    command: str | None = None
    asset: str | None = None
    partition: str | None = None
    run_id: str | None = None
    facts: Mapping[str, object] = field(default_factory=dict)
    findings: Sequence[Mapping[str, object]] = ()
    counts: Mapping[str, int] = field(default_factory=dict)


def payload(
    alert: Alert, mirror: str, ui_url: str, at: datetime, secrets: Collection[str]
) -> Mapping[str, object]:
    """The JSON object. ``mirror`` is where it is published; ``secrets`` never are in what is told."""
    told = {
        "event": alert.event,
        "mirror": mirror,
        "command": alert.command,
        "asset": alert.asset,
        "partition": alert.partition,
        "run_id": alert.run_id,
        "run_url": f"{ui_url}/runs/{alert.run_id}" if ui_url and alert.run_id else None,
        "message": alert.message,
        "hint": alert.hint,
        "facts": {key: _shortened(value) for key, value in alert.facts.items()},
        "findings": list(alert.findings[:MOST_LISTED]),
        "counts": {"findings": len(alert.findings), **alert.counts},
        "at": at.isoformat(timespec="seconds"),
    }
    shown = cast("dict[str, object]", hidden(told, secrets))
    return {**shown, "text": _text(shown)}


def _shortened(value: object) -> object:
    return value[:MOST_LISTED] if isinstance(value, list | tuple) else value


def _text(told: Mapping[str, object]) -> str:
    """One line; ``&``, ``<`` and ``>`` are spelled so that chat services do not take them for markup."""
    asset, partition = told["asset"], told["partition"]
    where = f"{asset}[{partition}]: " if partition else f"{asset}: " if asset else ""
    hint = f" ({told['hint']})" if told["hint"] else ""
    link = f" {told['run_url']}" if told["run_url"] else ""
    line = " ".join(f"{told['mirror']}: {told['event']}: {where}{told['message']}{hint}".split())
    line = line if len(line) <= _LONGEST_TEXT else f"{line[:_LONGEST_TEXT]}…"
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") + link
