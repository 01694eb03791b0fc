"""Sending alerts: for the command line and for Dagster alike. An alert that cannot be sent is a warning."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from urllib.parse import urlsplit

from mirror_pipeline.adapters.urls import split_login
from mirror_pipeline.adapters.webhook import Webhook
from mirror_pipeline.domain.alerts import Alert, payload
from mirror_pipeline.domain.drift import Drift
from mirror_pipeline.domain.drift_report import summary
from mirror_pipeline.domain.verification import Report
from mirror_pipeline.phases.mirror import Mirror
from mirror_pipeline.settings import Settings

_LIKE_A_TOKEN = 12
"""So long is what is a token in a webhook's path; shorter parts are words such as ``hook``."""


def send(mirror: Mirror, alert: Alert) -> str:
    """Tell the webhook, where there is one; '' or, for the log, why it could not be told."""
    settings = mirror.settings
    if not settings.webhook:
        return ""
    now = datetime.now(timezone.utc)
    told = payload(alert, mirror.site.location, settings.ui_url, now, set(secrets_of(settings)))
    why = Webhook(settings.webhook).post(told)
    return f"the alert could not be sent to MIRROR_WEBHOOK_URL: {why}" if why else ""


def secrets_of(settings: Settings) -> Iterator[str]:
    """What settings know and nobody else may: the webhook, passwords of indexes, the mirror's own token."""
    yield settings.webhook
    parts = urlsplit(settings.webhook)
    pieces = (parts.path.strip("/"), *parts.path.split("/"), parts.query)
    yield from (piece for piece in pieces if len(piece) >= _LIKE_A_TOKEN)
    for url in (settings.webhook, settings.index_url or "", *(settings.extra_index_urls or ())):
        login = split_login(url)[1]
        if login is not None:  # without a password it is the user's name that is the token
            yield login.user if login.password is None else login.password
    yield settings.cloud.login.partition(":")[2]


def verification_alert(report: Report) -> Alert:
    """The alert for a verification that did not pass."""
    found = len(report.findings)
    return Alert(
        "findings",
        f"verification: {found} findings" if found != 1 else "verification: 1 finding",
        hint="'mirror-pipeline refresh --repair' fetches and publishes anew what is damaged",
        facts={"generation": report.generation, "requirements": report.requirements},
        findings=[
            {
                "layer": finding.layer,
                "subject": finding.subject,
                "problem": finding.problem,
                "expected": finding.expected,
                "actual": finding.actual,
            }
            for finding in report.findings
        ],
        counts={"checked": report.checked, "gaps": sum(len(gaps) for gaps in report.gaps.values())},
    )


def drift_alert(drift: Drift) -> Alert:
    """The alert for findings of the drift check."""
    grave = sum(item.severity == "error" for item in drift.standing)
    new = sum(item.new for item in drift.standing)
    return Alert(
        "drift",
        f"upstream changed what is pinned: {summary(drift)}",
        hint="nothing was removed; 'mirror-pipeline drift --accept NAME' lets a finding be",
        findings=[
            {
                "kind": item.kind,
                "severity": item.severity,
                "project": item.project,
                "version": item.version,
                "file": item.file,
                "reason": item.reason,
                "since": item.since,
                "new": item.new,
            }
            for item in drift.standing
        ],
        counts={"errors": grave, "new": new, "not_asked": len(drift.unasked)},
    )
