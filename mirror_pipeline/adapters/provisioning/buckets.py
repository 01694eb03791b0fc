"""Buckets: each of their settings has requests of its own, and is read and written by itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mirror_pipeline.adapters.aws import Client, code_of
from mirror_pipeline.adapters.provisioning.calls import as_tags, ask, ask_if_there
from mirror_pipeline.domain.iam import TAG
from mirror_pipeline.domain.infra import Change, Kind, Observed, State
from mirror_pipeline.domain.infra_wanted import rules_of_others
from mirror_pipeline.errors import CloudError, SettingsError

_NO_BUCKET = ("404", "NoSuchBucket", "NotFound")
_NOT_YOURS = ("403", "Forbidden", "AccessDenied", "BucketAlreadyExists")
_SECTION = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class _Section:
    """One setting of a bucket: how it is asked for and set, and what the answer means."""

    get: str
    absent: str
    parse: Callable[[Any], Any]
    put: str
    write: Callable[[Any], Mapping[str, Any]]


_SECTIONS: Mapping[str, _Section] = {
    "Ownership": _Section(
        "get_bucket_ownership_controls",
        "OwnershipControlsNotFoundError",
        lambda answer: answer["OwnershipControls"]["Rules"][0]["ObjectOwnership"],
        "put_bucket_ownership_controls",
        lambda value: {"OwnershipControls": {"Rules": [{"ObjectOwnership": value}]}},
    ),
    "PublicAccess": _Section(
        "get_public_access_block",
        "NoSuchPublicAccessBlockConfiguration",
        lambda answer: answer["PublicAccessBlockConfiguration"],
        "put_public_access_block",
        lambda value: {"PublicAccessBlockConfiguration": dict(value)},
    ),
    "Versioning": _Section(
        "get_bucket_versioning",
        "",
        lambda answer: answer.get("Status"),
        "put_bucket_versioning",
        lambda value: {"VersioningConfiguration": {"Status": value}},
    ),
    "Encryption": _Section(
        "get_bucket_encryption",
        "ServerSideEncryptionConfigurationNotFoundError",
        lambda answer: _encryption(answer["ServerSideEncryptionConfiguration"]["Rules"][0]),
        "put_bucket_encryption",
        lambda value: {"ServerSideEncryptionConfiguration": {"Rules": [_encryption_rule(value)]}},
    ),
    "Lifecycle": _Section(
        "get_bucket_lifecycle_configuration",
        "NoSuchLifecycleConfiguration",
        lambda answer: _rules(answer.get("Rules", ())),
        "put_bucket_lifecycle_configuration",
        lambda value: {"LifecycleConfiguration": {"Rules": list(value.values())}},
    ),
    "Tags": _Section(
        "get_bucket_tagging",
        "NoSuchTagSet",
        lambda answer: {tag["Key"]: tag["Value"] for tag in answer["TagSet"]},
        "put_bucket_tagging",
        lambda value: {"Tagging": {"TagSet": as_tags(value)}},
    ),
}


def _rules(found: Sequence[Mapping[str, Any]]) -> State:
    """Lifecycle rules by their ids, in today's form: S3 takes no rules of both forms together."""
    return {str(rule.get("ID") or f"rule {number}"): _filtered(rule) for number, rule in enumerate(found, 1)}


def _filtered(rule: Mapping[str, Any]) -> State:
    if "Prefix" not in rule:
        return rule
    return {**{key: v for key, v in rule.items() if key != "Prefix"}, "Filter": {"Prefix": rule["Prefix"]}}


def _encryption(rule: Mapping[str, Any]) -> State:
    default = rule.get("ApplyServerSideEncryptionByDefault", {})
    return {**default, "BucketKeyEnabled": rule.get("BucketKeyEnabled", False)}


def _encryption_rule(value: State) -> State:
    default = {key: v for key, v in value.items() if key != "BucketKeyEnabled"}
    return {
        "ApplyServerSideEncryptionByDefault": default,
        "BucketKeyEnabled": value.get("BucketKeyEnabled", False),
    }


@dataclass(frozen=True, slots=True)
class Bucket:
    """The bucket that is published to, or the one that gets the logs."""

    client: Client
    kind: Kind
    name: str
    region: str
    tags: Mapping[str, str]

    def read(self) -> Observed | None:
        """Every setting; a bucket of somebody else's, or in another region, is an error."""
        found = self._head()
        if found is None:
            return None
        region = found.get("BucketRegion") or self.region
        if region != self.region:
            raise SettingsError(
                f"bucket {self.name} lies in {region}, not in AWS_REGION={self.region}",
                hint=f"set AWS_REGION={region}",
                key="AWS_REGION",
                value=self.region,
                allowed=region,
            )
        state = {section: self._get(section) for section in _SECTIONS}
        tags = state["Tags"] or {}
        if self.kind == "log bucket" and TAG not in tags:  # several mirrors may share one
            return self._used_as_it_is(state)
        ours = self.kind == "log bucket" or tags.get(TAG) == self.tags[TAG]
        rules = ", ".join(rules_of_others(state["Lifecycle"] or ()))
        note = f"lifecycle rules of others stay: {rules}" if rules else ""
        return Observed(self.name, ours, state, arn=f"arn:aws:s3:::{self.name}", note=note)

    def _used_as_it_is(self, state: State) -> Observed:
        """A log bucket of somebody else's, which is never changed; CloudFront delivers by ACL only."""
        if state["Ownership"] == "BucketOwnerEnforced":
            raise SettingsError(
                f"bucket {self.name} takes no logs of CloudFront's: it has no ACLs (BucketOwnerEnforced)",
                hint="choose another MIRROR_LOG_BUCKET; one that does not exist is made as it has to be",
                key="MIRROR_LOG_BUCKET", value=self.name, allowed="a bucket with ACLs, or a new one",
            )  # fmt: skip
        return Observed(self.name, False, state, leave=True, note="not made by this project: used as it is")

    @property
    def _key(self) -> str:
        return "MIRROR_LOG_BUCKET" if self.kind == "log bucket" else "BUCKET_NAME"

    def create(self, wanted: State) -> Observed:
        """Make it with its tags, then set what a creation cannot."""
        placed = {} if self.region == "us-east-1" else {"LocationConstraint": self.region}
        try:
            ask(
                self.client, "create_bucket", self.name, Bucket=self.name,
                ObjectOwnership=wanted["Ownership"],
                CreateBucketConfiguration={**placed, "Tags": as_tags(self.tags)},
            )  # fmt: skip
        except CloudError as error:
            raise self._explained(error) from error
        self._put({key: value for key, value in wanted.items() if key not in ("Ownership", "Tags")})
        return Observed(self.name, True, wanted)

    def update(self, observed: Observed, wanted: State, changes: Collection[Change]) -> Observed:
        """Write the settings that differ; tags and lifecycle rules of others stay."""
        touched = {name[0] for change in changes if (name := _SECTION.match(change.field))}
        values = {key: value for key, value in wanted.items() if key in touched and key != "Tags"}
        if not observed.ours or "Tags" in touched:
            values["Tags"] = {**(observed.state["Tags"] or {}), **self.tags}
        if "Lifecycle" in values:
            values["Lifecycle"] = {**(observed.state["Lifecycle"] or {}), **values["Lifecycle"]}
        self._put(values)
        return Observed(self.name, True, {**observed.state, **values}, arn=observed.arn)

    def delete(self, observed: Observed) -> None:
        """Remove it; S3 refuses while there is an object in it."""
        ask(self.client, "delete_bucket", observed.id, Bucket=observed.id)

    def _head(self) -> Mapping[str, Any] | None:
        try:
            found: Mapping[str, Any] | None = ask_if_there(
                self.client, "head_bucket", _NO_BUCKET, self.name, Bucket=self.name
            )
        except CloudError as error:
            raise self._explained(error) from error
        return found

    def _explained(self, error: CloudError) -> CloudError:
        if code_of(error) not in _NOT_YOURS or error.facts.get("operation") not in (
            "HeadBucket",
            "CreateBucket",
        ):
            return error
        return CloudError(
            f"bucket {self.name} exists and is somebody else's, or these credentials may not look at it",
            hint=f"choose another {self._key}, or check AWS_PROFILE and its policy",
            **error.facts,
        )

    def _get(self, section: str) -> Any:
        how = _SECTIONS[section]
        answer = ask_if_there(self.client, how.get, (how.absent,), self.name, Bucket=self.name)
        return None if answer is None else how.parse(answer)

    def _put(self, values: State) -> None:
        for section, value in values.items():
            how = _SECTIONS[section]
            ask(self.client, how.put, self.name, Bucket=self.name, **how.write(value))
