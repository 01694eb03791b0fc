"""The distribution: finding ours among all, making it once however often that is tried, changing it whole."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from mirror_pipeline.adapters.aws import Client, code_of
from mirror_pipeline.adapters.provisioning.calls import (
    as_tags,
    ask,
    ask_if_there,
    listed_items,
    tag,
    tags_of,
)
from mirror_pipeline.domain.cloud import Cloud
from mirror_pipeline.domain.iam import TAG
from mirror_pipeline.domain.infra import Change, Kind, NotOursError, Observed, State
from mirror_pipeline.domain.infra_distribution import (
    MOST_REFERENCES,
    caller_reference,
    disabled_config,
    new_config,
    origin_domain,
    updated_config,
)
from mirror_pipeline.domain.infra_wanted import mark
from mirror_pipeline.errors import CloudError

_ABSENT = ("NoSuchDistribution",)
_NAMED = re.compile(r"\bE[A-Z0-9]{8,}\b")
"""The id that CloudFront names in the message where a reference was used before."""
_DEPLOYED = "Deployed"


@dataclass(frozen=True, slots=True)
class Distribution:
    """The one distribution before the bucket."""

    client: Client
    cloud: Cloud
    kind: Kind = "distribution"

    @property
    def name(self) -> str:
        """Its comment, which stands for it while it has no id."""
        return mark(self.cloud.bucket)

    def read(self) -> Observed | None:
        """The configured one, or the one that has our comment, or the one with the bucket as its origin."""
        if self.cloud.distribution and (found := self._get(self.cloud.distribution)):
            return found
        candidates = list(self._candidates())
        marked = [item for item in candidates if item.get("Comment") == mark(self.cloud.bucket)]
        chosen = marked or candidates
        if len(chosen) > 1:
            ids = sorted(item["Id"] for item in chosen)
            raise NotOursError(
                f"distributions {', '.join(ids)} all have the bucket {self.cloud.bucket} as their origin",
                hint="name the right one by CLOUDFRONT_DISTRIBUTION_ID",
                resource=self.cloud.bucket,
                names=ids,
            )
        return self._get(chosen[0]["Id"]) if chosen else None

    def create(self, wanted: State) -> Observed:
        """Make it. A reference that was used before names a distribution, which is ours or is gone."""
        config, labels = _split(wanted)
        for attempt in range(1, MOST_REFERENCES):
            reference = caller_reference(self.cloud.bucket, attempt)
            body = {
                "DistributionConfig": new_config(config, reference),
                "Tags": {"Items": as_tags(labels)},
            }
            try:
                answer = ask(
                    self.client, "create_distribution_with_tags", self.name, DistributionConfigWithTags=body
                )
            except CloudError as error:
                if code_of(error) != "DistributionAlreadyExists":
                    raise
                if found := self._behind(error):
                    return found
            else:
                return self._observed(answer, labels)
        raise CloudError(
            f"cloudfront: {MOST_REFERENCES} references for {self.cloud.bucket} are all used up",
            service="cloudfront", operation="CreateDistribution", resource=self.cloud.bucket,
        )  # fmt: skip

    def update(self, observed: Observed, wanted: State, changes: Collection[Change]) -> Observed:
        """Send it whole, with our fields changed, and only if nobody changed it meanwhile."""
        config, labels = _split(wanted)
        result = observed
        if any(not change.field.startswith("Tags") for change in changes):
            result = self._send(observed, updated_config(_split(observed.state)[0], config))
        if not observed.ours or any(change.field.startswith("Tags") for change in changes):
            tag(self.client, observed.arn, labels)
        return replace(result, ours=True)

    def disable(self, observed: Observed) -> Observed:
        """Let it serve nobody, which takes minutes; an enabled one cannot be deleted."""
        return self._send(observed, disabled_config(_split(observed.state)[0]))

    def delete(self, observed: Observed) -> None:
        """Remove it, once it is disabled everywhere."""
        ask(self.client, "delete_distribution", observed.id, Id=observed.id, IfMatch=observed.etag)

    def _send(self, observed: Observed, config: Mapping[str, Any]) -> Observed:
        answer = ask(
            self.client, "update_distribution", observed.id, Id=observed.id, IfMatch=observed.etag,
            DistributionConfig=config,
        )  # fmt: skip
        return self._observed(answer, observed.state["Tags"])

    def _candidates(self) -> Iterator[Mapping[str, Any]]:
        host = origin_domain(self.cloud)
        for item in listed_items(self.client, "list_distributions", "DistributionList"):
            origins = item.get("Origins", {}).get("Items", ())
            if any(origin.get("DomainName") == host for origin in origins):
                yield item

    def _get(self, id_: str) -> Observed | None:
        answer = ask_if_there(self.client, "get_distribution", _ABSENT, id_, Id=id_)
        if answer is None:
            return None
        return self._observed(answer, tags_of(self.client, answer["Distribution"]["ARN"]))

    def _behind(self, error: CloudError) -> Observed | None:
        """The distribution that an earlier attempt made whose answer was lost; None where it is deleted."""
        named = _NAMED.search(error.message)
        found = self._get(named.group()) if named else self.read()
        if found is not None and not found.ours:
            raise NotOursError(
                f"distribution {found.id} was made for {self.cloud.bucket} and has lost its mark",
                hint=f"set CLOUDFRONT_DISTRIBUTION_ID={found.id} and give 'infra apply --adopt'",
                resource=found.id,
                names=[found.id],
            )
        return found

    def _observed(self, answer: Mapping[str, Any], labels: Mapping[str, str]) -> Observed:
        found = answer["Distribution"]
        config = found["DistributionConfig"]
        ours = labels.get(TAG) == self.cloud.bucket or config.get("Comment") == mark(self.cloud.bucket)
        return Observed(
            id=found["Id"],
            ours=ours,
            state={**config, "Tags": dict(labels)},
            arn=found["ARN"],
            etag=answer["ETag"],
            ready=found["Status"] == _DEPLOYED,
            domain=found["DomainName"],
        )


def _split(state: State) -> tuple[dict[str, Any], Mapping[str, str]]:
    """The configuration, and the tags, which are set apart from it."""
    return {key: value for key, value in state.items() if key != "Tags"}, state.get("Tags", {})
