"""Certificates of ACM for a domain of one's own: found by tag, requested once, validated by a DNS record."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mirror_pipeline.adapters.aws import Client
from mirror_pipeline.adapters.provisioning.calls import as_tags, ask, ask_if_there
from mirror_pipeline.domain.iam import TAG
from mirror_pipeline.domain.infra import Change, DnsRecord, Kind, Observed, State
from mirror_pipeline.domain.infra_wanted import ISSUED

_PENDING = "PENDING_VALIDATION"
_ABSENT = ("ResourceNotFoundException",)


@dataclass(frozen=True, slots=True)
class Certificate:
    """The certificate that was requested for the domain."""

    client: Client
    domain: str
    tags: Mapping[str, str]
    kind: Kind = "certificate"

    @property
    def name(self) -> str:
        """The domain."""
        return self.domain

    def read(self) -> Observed | None:
        """An issued one of ours, else one that waits; one that failed counts for nothing."""
        usable = [one for one in self.ours(self.domain) if one.state["Status"] in (ISSUED, _PENDING)]
        return min(usable, key=lambda one: not one.ready, default=None)

    def ours(self, domain: str = "") -> Iterator[Observed]:
        """Every certificate with our tag: of one domain, or of whatever domain."""
        for arn in self._arns(domain):
            tags = ask(self.client, "list_tags_for_certificate", arn, CertificateArn=arn).get("Tags", ())
            if (TAG, self.tags[TAG]) in {(tag["Key"], tag.get("Value")) for tag in tags}:
                described = self.look(arn)
                if described is not None:
                    yield described

    def look(self, arn: str) -> Observed | None:
        """One certificate as it is now."""
        answer = ask_if_there(self.client, "describe_certificate", _ABSENT, arn, CertificateArn=arn)
        if answer is None:
            return None
        found = answer["Certificate"]
        options = found.get("DomainValidationOptions", ())
        return Observed(
            id=arn,
            ours=True,
            state={"DomainName": found["DomainName"], "Status": found["Status"]},
            arn=arn,
            ready=found["Status"] == ISSUED,
            # AWS thinks of the record some seconds after the request.
            dns=tuple(_record(option) for option in options if option.get("ResourceRecord")),
        )

    def create(self, wanted: State) -> Observed:
        """Request it. The token is for boto3's own retries: a later attempt finds the tag."""
        answer = ask(
            self.client, "request_certificate", self.domain, DomainName=self.domain, ValidationMethod="DNS",
            IdempotencyToken=uuid.uuid4().hex, Tags=as_tags(self.tags),
        )  # fmt: skip
        arn = answer["CertificateArn"]
        return self.look(arn) or Observed(arn, True, {**wanted, "Status": _PENDING}, arn=arn, ready=False)

    def update(self, observed: Observed, wanted: State, changes: Collection[Change]) -> Observed:
        """Nothing to send: it is AWS that issues it."""
        return observed

    def delete(self, observed: Observed) -> None:
        """Remove it; ACM refuses while a distribution uses it."""
        ask(self.client, "delete_certificate", observed.id, CertificateArn=observed.id)

    def _arns(self, domain: str) -> Iterator[str]:
        token: dict[str, str] = {}
        while True:
            page = ask(self.client, "list_certificates", **token)
            for entry in page.get("CertificateSummaryList", ()):
                if domain in ("", entry.get("DomainName")):
                    yield entry["CertificateArn"]
            if not page.get("NextToken"):
                return
            token = {"NextToken": page["NextToken"]}


def _record(option: Mapping[str, Any]) -> DnsRecord:
    record = option["ResourceRecord"]
    return DnsRecord(record["Name"], record["Type"], record["Value"])
