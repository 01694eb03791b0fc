"""Waiting for AWS, and for whoever has to add a DNS record: telling what for, and not for ever."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mirror_pipeline.adapters.aws import waiting
from mirror_pipeline.adapters.provisioning.certificates import Certificate
from mirror_pipeline.adapters.provisioning.distributions import Distribution
from mirror_pipeline.domain.infra import DnsRecord, Observed, PendingError
from mirror_pipeline.domain.infra_wanted import tags
from mirror_pipeline.phases.infrastructure_account import Account

CERTIFICATE_SECONDS, DEPLOYMENT_SECONDS, EVERY = 900.0, 2400.0, 20.0
"""How long AWS is waited for, and how often it is asked."""


def await_certificate(account: Account, observed: Observed) -> None:
    """Wait until the domain's owner has added the record, and end with what to do where that takes longer."""
    if observed.ready:
        return
    certificate = Certificate(account.clients.acm, account.cloud.domain, tags(account.cloud.bucket))
    seen = [observed]

    def is_issued() -> bool:
        now = certificate.look(observed.id) or observed
        passed = EVERY * (len(seen) - 1)
        account.progress.say(f"certificate {account.cloud.domain}: {_asks_for(now.dns)} ({passed:.0f} s)")
        seen.append(now)
        return now.ready

    if not waiting(is_issued, account.pause, seconds=CERTIFICATE_SECONDS, every=EVERY):
        last = seen[-1]
        raise PendingError(
            f"certificate {account.cloud.domain}: {_asks_for(last.dns)}",
            hint="once it can be looked up, 'infra apply' goes on from there",
            service="acm",
            resource=observed.id,
            code=last.state["Status"],
            dns=[str(record) for record in last.dns],
        )


def _asks_for(records: Sequence[DnsRecord]) -> str:
    if not records:
        return "waiting for AWS to say which DNS record it wants"
    return f"waiting for the DNS record {'; '.join(map(str, records))}"


def await_deployment(account: Account, observed: Observed) -> Observed:
    """Wait until every edge has the distribution, telling how long that takes by now."""
    last = await_deployed(account, observed)
    if not last.ready:
        raise PendingError(
            f"distribution {observed.id} is still being deployed after {DEPLOYMENT_SECONDS / 60:.0f} minutes",
            hint="'infra apply' goes on waiting",
            service="cloudfront",
            resource=observed.id,
        )
    return last


def await_deployed(account: Account, observed: Observed) -> Observed:
    """The distribution once it is deployed, or as it is when the time is over."""
    distribution = Distribution(account.clients.cloudfront, replace(account.cloud, distribution=observed.id))
    seen = [observed]

    def is_deployed() -> bool:
        if seen[-1].ready:
            return True
        passed = EVERY * (len(seen) - 1)
        account.progress.say(
            f"distribution {observed.id}: waiting for every edge to have it ({passed:.0f} s)"
        )
        seen.append(distribution.read() or observed)
        return seen[-1].ready

    waiting(is_deployed, account.pause, seconds=DEPLOYMENT_SECONDS, every=EVERY)
    return seen[-1]
