"""Phase ``infrastructure``: what is published to, made and kept as configured, step by step.

Everything is read before anything is changed, and each step is decided by what is there, not by what an
earlier run remembers: a run that ended half-way is finished by the next one. Taking it all down is
``infrastructure_removal``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from mirror_pipeline.adapters.documents import digest_of
from mirror_pipeline.adapters.provisioning.calls import Resource
from mirror_pipeline.domain.cloud import Cloud
from mirror_pipeline.domain.infra import DnsRecord, Kind, Observed, Step, refuse_what_is_not_ours, step_for
from mirror_pipeline.domain.infra_wanted import Known
from mirror_pipeline.phases.infrastructure_account import Account, Seen, look, name_of, resources
from mirror_pipeline.phases.infrastructure_waiting import await_certificate, await_deployment

KEYS = ("CLOUDFRONT_DISTRIBUTION_ID", "CLOUDFRONT_DOMAIN", "CLOUDFRONT_OAC_ID")
"""Of the configuration: id and domain of the distribution, and the id of its origin access control."""

Record = Callable[[Mapping[str, str]], None]
"""Told of the configuration's keys as soon as their values are known."""


@dataclass(frozen=True, slots=True)
class Planned:
    """What a run would do."""

    steps: tuple[Step, ...]
    dns: tuple[DnsRecord, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def in_line(self) -> bool:
        """Whether nothing would be changed."""
        return all(step.in_line for step in self.steps)


@dataclass(frozen=True, slots=True)
class Provisioned:
    """What there is now, and what was done for it."""

    steps: tuple[Step, ...]
    ids: Mapping[str, str]
    """By their keys in the configuration."""
    version: str
    """Hash of the ids and of what is wanted."""
    notes: tuple[str, ...] = ()
    waited: bool = False
    """Whether it was deployed only now: an earlier run may have ended over that."""

    @property
    def changed(self) -> tuple[Step, ...]:
        """The steps that changed something."""
        return tuple(step for step in self.steps if not step.in_line)


def plan(account: Account) -> Planned:
    """Compare what is there with what is wanted."""
    seen = look(account)
    there = [observed for _, observed in seen if observed]
    dns = tuple(record for observed in there if not observed.ready for record in observed.dns)
    domain = next((observed.domain for observed in there if observed.domain), "")
    return Planned(_steps(account, seen), dns, tuple(_notes(account.cloud, domain)))


def apply(account: Account, *, adopt: bool, record: Record) -> Provisioned:
    """Make it so. What exists and is not ours is refused before anything is changed, unless adopted."""
    seen = look(account)
    if not adopt:
        refuse_what_is_not_ours(_steps(account, seen), lambda step: f"{step.kind} {step.name}")
    known, steps = _first_known(account.cloud), []
    now: dict[Kind, Observed] = {}
    for resource, observed in seen:
        if resource.kind == "distribution" and "certificate" in now:
            await_certificate(account, now["certificate"])
        want = account.wanted(resource.kind, known)
        step = step_for(resource.kind, name_of(resource, observed), want, observed)
        now[resource.kind] = _carried_out(account, resource, step, observed, known)
        known = known.after(resource.kind, now[resource.kind])
        steps.append(step)
        if resource.kind == "distribution":
            record(_ids(now))
    waited = not now["distribution"].ready
    now["distribution"] = await_deployment(account, now["distribution"])
    notes = tuple(_notes(account.cloud, now["distribution"].domain))
    return Provisioned(tuple(steps), _ids(now), _version(account, known), notes, waited)


def _steps(account: Account, seen: Sequence[Seen]) -> tuple[Step, ...]:
    known, steps = _first_known(account.cloud), []
    for resource, observed in seen:
        want = account.wanted(resource.kind, known)
        steps.append(step_for(resource.kind, name_of(resource, observed), want, observed))
        known = known.after(resource.kind, observed)
    return tuple(steps)


def _first_known(cloud: Cloud) -> Known:
    return Known(certificate=cloud.certificate) if cloud.certificate else Known()


def _carried_out(
    account: Account, resource: Resource, step: Step, observed: Observed | None, known: Known
) -> Observed:
    """Do what a step says, telling it first; the resource as it is then."""
    want = account.wanted(resource.kind, known)
    if observed is None:
        account.progress.say(f"{step.kind} {step.name}: creating")
        return resource.create(want)
    if step.in_line:
        return observed
    said = "; ".join(map(str, step.changes)) or "marking it as ours"
    verb = "adopting" if step.action == "adopt" else "updating"
    account.progress.say(f"{step.kind} {step.name}: {verb} ({said})")
    return resource.update(observed, want, step.changes)


def _ids(now: Mapping[Kind, Observed]) -> Mapping[str, str]:
    distribution, oac = now["distribution"], now["origin access control"]
    return dict(zip(KEYS, (distribution.id, distribution.domain, oac.id), strict=True))


def _version(account: Account, known: Known) -> str:
    states = {one.kind: account.wanted(one.kind, known) for one in resources(account)}
    return digest_of({"id": known.distribution, "wanted": states})


def _notes(cloud: Cloud, domain: str) -> Iterator[str]:
    """What AWS leaves to others: records of a domain, the policy of a key."""
    if cloud.domain and domain:
        yield f"{cloud.domain} has to be a CNAME (or an alias record) for {domain}"
    if cloud.kms_key:
        yield (
            f"the policy of {cloud.kms_key} has to let cloudfront.amazonaws.com do kms:Decrypt where "
            "AWS:SourceArn is the distribution"
        )
