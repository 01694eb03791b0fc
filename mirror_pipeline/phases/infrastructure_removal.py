"""Taking down what ``infrastructure`` made: what would go and what stays, and doing it in AWS's order.

Only what has our mark goes. A bucket with objects stays unless they are to go as well; a log bucket always
stays. What is gone already is passed over, so that a removal that ended half-way is finished by the next.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import cast

from mirror_pipeline.adapters.aws import code_of, waiting
from mirror_pipeline.adapters.provisioning.calls import Resource
from mirror_pipeline.adapters.provisioning.certificates import Certificate
from mirror_pipeline.adapters.provisioning.distributions import Distribution
from mirror_pipeline.adapters.provisioning.objects import empty, versions
from mirror_pipeline.domain.bucket_layout import ERROR_PAGE
from mirror_pipeline.domain.infra import Kind, Observed, PendingError, Removal
from mirror_pipeline.errors import CloudError
from mirror_pipeline.phases.infrastructure_account import Account, Seen, look, name_of
from mirror_pipeline.phases.infrastructure_waiting import EVERY, await_deployed

IN_USE_SECONDS = 600.0
_ORDER: Sequence[Kind] = (
    "distribution", "bucket policy", "function", "origin access control", "response headers policy",
    "cache policy", "bucket", "log bucket", "certificate",
)  # fmt: skip
_IN_USE = (
    "FunctionInUse", "OriginAccessControlInUse", "ResponseHeadersPolicyInUse", "CachePolicyInUse",
    "ResourceInUseException",
)  # fmt: skip
"""Said for minutes after the distribution is gone."""
_MOST_COUNTED = 1000


@dataclass(frozen=True, slots=True)
class _Going:
    """One resource and what becomes of it."""

    resource: Resource
    observed: Observed
    removal: Removal


def removals(account: Account, *, delete_objects: bool) -> tuple[Removal, ...]:
    """What ``destroy`` would do; changes nothing."""
    return tuple(going.removal for going in _going(account, delete_objects))


def destroy(account: Account, *, delete_objects: bool) -> tuple[Removal, ...]:
    """Remove what ``removals`` names."""
    done = []
    for going in _going(account, delete_objects):
        if going.removal.action == "delete":
            account.progress.say(f"{going.removal.kind} {going.removal.name}: deleting")
            _remove(account, going, delete_objects)
        done.append(going.removal)
    return tuple(done)


def _going(account: Account, delete_objects: bool) -> list[_Going]:
    seen = look(account)
    there = [(resource, observed) for resource, observed in seen if observed]
    bucket = next((observed for resource, observed in there if resource.kind == "bucket"), None)
    found = [
        _Going(resource, observed, _fate(account, resource, observed, bucket, delete_objects))
        for resource, observed in (*there, *_other_certificates(seen))
        if resource.kind in _ORDER
    ]
    return sorted(found, key=lambda going: _ORDER.index(going.removal.kind))


def _other_certificates(seen: Sequence[Seen]) -> Iterator[tuple[Resource, Observed]]:
    """Certificates of ours besides the one in use: of a domain that was configured before, or failed ones."""
    for resource, observed in seen:
        if isinstance(resource, Certificate):
            known = observed.id if observed else ""
            yield from ((resource, one) for one in resource.ours() if one.id != known)


def _fate(
    account: Account, resource: Resource, observed: Observed, bucket: Observed | None, delete_objects: bool
) -> Removal:
    kind, id_ = resource.kind, observed.id
    name = observed.state["DomainName"] if kind == "certificate" else name_of(resource, observed)
    why = ""
    if kind == "log bucket":
        why = "logs are kept; it is removed by hand"
    elif not observed.ours or (kind == "bucket policy" and not (bucket and bucket.ours)):
        why = "it was not made by this project"
    elif kind == "bucket":
        why = "" if delete_objects else _held(account, resource.name)
    return Removal(kind, name, id_, "keep" if why else "delete", why)


def _held(account: Account, bucket: str) -> str:
    """Why a bucket stays: what it holds besides our own error page."""
    found = versions(account.clients.s3, bucket)
    objects = list(islice((key for key, _ in found if key != ERROR_PAGE), _MOST_COUNTED))
    if not objects:
        return ""
    number = f"{len(objects)}{' or more' if len(objects) == _MOST_COUNTED else ''}"
    return f"it holds {number} versions of objects; --delete-objects deletes them"


def _remove(account: Account, going: _Going, delete_objects: bool) -> None:
    if going.removal.kind == "distribution":
        _remove_distribution(account, cast("Distribution", going.resource), going.observed)
    elif going.removal.kind == "bucket":
        _empty(account, going.removal.name, "" if delete_objects else ERROR_PAGE)
        going.resource.delete(going.observed)
    else:
        _delete_once_unused(account, going)


def _remove_distribution(account: Account, distribution: Distribution, observed: Observed) -> None:
    """Disable it, wait until every edge knows, delete it."""
    if observed.state.get("Enabled"):
        observed = distribution.disable(observed)
    last = await_deployed(account, replace(observed, ready=False))
    if not last.ready:
        raise PendingError(
            f"distribution {observed.id} is disabled, and not yet at every edge",
            hint="'infra destroy --yes' goes on from there",
            service="cloudfront",
            resource=observed.id,
        )
    distribution.delete(last)


def _empty(account: Account, bucket: str, prefix: str) -> None:
    """Delete every version, telling how many."""
    s3, gone = account.clients.s3, [0]

    def tell(number: int) -> None:
        gone[0] += number
        account.progress.say(f"bucket {bucket}: {gone[0]} versions of objects deleted")

    empty(s3, bucket, prefix, tell)


def _delete_once_unused(account: Account, going: _Going) -> None:
    refusals: list[CloudError] = []

    def is_gone() -> bool:
        try:
            going.resource.delete(going.observed)
        except CloudError as error:
            if code_of(error) not in _IN_USE:
                raise
            if not refusals:
                account.progress.say(
                    f"{going.removal.kind} {going.removal.name}: waiting, it is still in use"
                )
            refusals.append(error)
            return False
        return True

    if not waiting(is_gone, account.pause, seconds=IN_USE_SECONDS, every=EVERY):
        raise PendingError(
            f"{going.removal.kind} {going.removal.name} is still in use: {refusals[-1].message}",
            hint="'infra destroy --yes' goes on once nothing uses it",
            service=refusals[-1].facts.get("service"),
            resource=going.observed.id,
        ) from refusals[-1]
