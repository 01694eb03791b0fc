"""Provisioning as tests see it: every request to AWS recorded, made to fail or answered as AWS would, and
everything that exists in an account as one value.

``Wire`` listens to the events of boto3's clients. What ministack does at once (deploying, issuing) takes AWS
minutes, and what it forgets (the references of deleted distributions) AWS may remember: both can be put on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from botocore.exceptions import ClientError, EndpointConnectionError

from mirror_pipeline.adapters.provisioning.calls import Clients
from mirror_pipeline.domain.cloud import Cloud
from mirror_pipeline.phases.infrastructure import Provisioned, apply
from mirror_pipeline.phases.infrastructure_account import Account
from mirror_pipeline_tests.aws_servers import Keys, Ministack

_READS = ("Get", "List", "Head", "Describe")
_REFERENCE = re.compile(rb"<CallerReference>([^<]+)</CallerReference>")
_DNS = {"Name": "_a1.wheels.example.org.", "Type": "CNAME", "Value": "_b2.validations.example."}


def reads(operation: str) -> bool:
    """Whether an operation changes nothing."""
    return operation.startswith(_READS)


@dataclass
class Told:
    """Progress that remembers what it was told."""

    lines: list[str] = field(default_factory=list)

    def say(self, message: str) -> None:
        """Remember the line."""
        self.lines.append(message)

    def work(self, label: str, files: int, size: int | None) -> Any:
        """Not used by provisioning."""
        raise AssertionError(label)


@dataclass
class Wire:
    """What goes to AWS and comes back."""

    operations: list[str] = field(default_factory=list)
    fail_at: int | None = None
    """The number of the changing request that gets no answer."""
    lost: bool = False
    """Whether that request was carried out, and only its answer got lost."""
    undeployed: int = 0
    """So many looks show a distribution that is still being deployed."""
    unissued: int = 0
    """So many looks show a certificate that waits for its record, the first two without saying which."""
    remembers: bool = False
    """Whether used references are refused, also those of deleted distributions."""
    references: dict[str, str] = field(default_factory=dict)
    _changing: int = 0
    _failing: bool = False

    def watch(self, client: Any) -> Any:
        """The same client, listened to."""
        service = client.meta.service_model.service_name
        client.meta.events.register_first(f"before-call.{service}", self._before)
        client.meta.events.register(f"after-call.{service}", self._after)
        return client

    @property
    def changes(self) -> list[str]:
        """The requests that change something."""
        return [operation for operation in self.operations if not reads(operation)]

    def reset(self, **how: Any) -> None:
        """Forget, and behave as told from now on."""
        self.__init__(**how)  # type: ignore[misc]

    def _before(self, model: Any, params: Mapping[str, Any], **_more: Any) -> None:
        operation = model.name
        self.operations.append(operation)
        if not reads(operation):
            self._changing += 1
            self._failing = self._changing == self.fail_at
            if self._failing and not self.lost:
                raise self._no_answer()
        if self.remembers and operation == "CreateDistributionWithTags":
            self._refuse_used_reference(params["body"])

    def _refuse_used_reference(self, body: bytes) -> None:
        found = cast("re.Match[bytes]", _REFERENCE.search(body))[1].decode()
        if found in self.references:
            said = f"associated with another distribution. Already exists: {self.references[found]}"
            error = {"Code": "DistributionAlreadyExists", "Message": said}
            raise ClientError({"Error": error}, "CreateDistributionWithTags")

    def _after(self, model: Any, parsed: dict[str, Any], **_more: Any) -> None:
        if model.name == "CreateDistributionWithTags" and "Distribution" in parsed:
            made = parsed["Distribution"]
            self.references[made["DistributionConfig"]["CallerReference"]] = made["Id"]
        if not reads(model.name) and self._failing:
            self._failing = False
            raise self._no_answer()
        if self.undeployed and "Status" in parsed.get("Distribution", ()):
            self.undeployed -= 1
            parsed["Distribution"]["Status"] = "InProgress"
        if model.name == "DescribeCertificate" and self.unissued:
            self.unissued -= 1
            self._unissue(parsed["Certificate"])

    def _unissue(self, certificate: dict[str, Any]) -> None:
        looks = self.operations.count("DescribeCertificate")
        certificate["Status"] = "PENDING_VALIDATION"
        option = {"DomainName": certificate["DomainName"]}
        certificate["DomainValidationOptions"] = [
            option if looks <= 2 else {**option, "ResourceRecord": _DNS}
        ]

    def _no_answer(self) -> EndpointConnectionError:
        return EndpointConnectionError(endpoint_url="https://aws.example")


@dataclass
class Bench:
    """An account's clients behind one wire, and what provisioning tells and waits."""

    ministack: Ministack
    keys: Keys | None = None
    wire: Wire = field(default_factory=Wire)
    told: Told = field(default_factory=Told)
    waited: list[float] = field(default_factory=list)
    clients: Clients = field(init=False)

    def __post_init__(self) -> None:
        self.clients = Clients(lambda service: self.wire.watch(self.ministack.client(service, self.keys)))

    def account(self, cloud: Cloud) -> Account:
        """What the phases work with; nothing is really waited for."""
        return Account(cloud, self.clients, self.told, self.waited.append)

    def apply(self, cloud: Cloud, *, adopt: bool = False) -> Provisioned:
        """Make it so."""
        return apply(self.account(cloud), adopt=adopt, record=lambda _ids: None)

    def begin(self, **how: Any) -> None:
        """Forget what was recorded."""
        self.wire.reset(**how)
        self.told.lines.clear()
        self.waited.clear()


def inventory(ministack: Ministack) -> Mapping[str, Any]:
    """Everything there is in an account, down to the versions of objects and the code of functions."""
    front, acm, s3 = (ministack.client(service) for service in ("cloudfront", "acm", "s3"))
    return {
        "buckets": {bucket["Name"]: _bucket(s3, bucket["Name"]) for bucket in s3.list_buckets()["Buckets"]},
        "distributions": {item["Id"]: _distribution(front, item["Id"]) for item in distributions(front)},
        "oacs": front.list_origin_access_controls()["OriginAccessControlList"].get("Items", []),
        "cache policies": front.list_cache_policies(Type="custom")["CachePolicyList"].get("Items", []),
        "headers policies": front.list_response_headers_policies(Type="custom")[
            "ResponseHeadersPolicyList"
        ].get("Items", []),
        "functions": {name: _function(front, name) for name in _function_names(front)},
        "certificates": [
            acm.describe_certificate(CertificateArn=entry["CertificateArn"])["Certificate"]
            for entry in acm.list_certificates()["CertificateSummaryList"]
        ],
    }


def distributions(front: Any) -> list[Mapping[str, Any]]:
    """All distributions."""
    return list(front.list_distributions()["DistributionList"].get("Items", []))


def nothing(found: Mapping[str, Any]) -> bool:
    """Whether an inventory is empty."""
    return not any(found.values())


def _bucket(s3: Any, name: str) -> Mapping[str, Any]:
    settings = (
        "get_bucket_policy", "get_bucket_versioning", "get_bucket_tagging", "get_bucket_encryption",
        "get_bucket_lifecycle_configuration", "get_public_access_block", "get_bucket_ownership_controls",
    )  # fmt: skip
    listed = s3.list_object_versions(Bucket=name)
    found = {setting: _answer(getattr(s3, setting), Bucket=name) for setting in settings}
    return {**found, "versions": [*listed.get("Versions", ()), *listed.get("DeleteMarkers", ())]}


def _distribution(front: Any, id_: str) -> Mapping[str, Any]:
    found = front.get_distribution(Id=id_)
    tags = front.list_tags_for_resource(Resource=found["Distribution"]["ARN"])["Tags"]
    return {"etag": found["ETag"], "distribution": found["Distribution"], "tags": tags}


def _function_names(front: Any) -> list[str]:
    items = front.list_functions(Stage="DEVELOPMENT")["FunctionList"].get("Items", [])
    return [item["Name"] for item in items]


def _function(front: Any, name: str) -> Mapping[str, Any]:
    found = {}
    for stage in ("DEVELOPMENT", "LIVE"):
        answer = _answer(front.get_function, Name=name, Stage=stage)
        found[stage] = answer["FunctionCode"].read().decode() if "FunctionCode" in answer else None
    return found


def _answer(call: Callable[..., Any], **arguments: Any) -> Mapping[str, Any]:
    try:
        answer = call(**arguments)
    except ClientError as error:
        return {"code": error.response["Error"]["Code"]}
    return {key: value for key, value in answer.items() if key != "ResponseMetadata"}


def as_ministack_judges(policy: Mapping[str, Any]) -> Mapping[str, Any]:
    """The same policy for ministack, which judges only distributions of CloudFront's by their ARNs.

    For everything else of CloudFront's it asks whether the action is allowed on ``*``. And it knows an action
    CreateDistributionWithTags, where AWS asks for CreateDistribution and TagResource.
    """
    statements = []
    for statement in policy["Statement"]:
        resources = [
            "*" if re.match(r"arn:aws:cloudfront::\d+:(?!distribution/)", resource) else resource
            for resource in statement["Resource"]
        ]
        actions = list(statement["Action"])
        if "cloudfront:CreateDistribution" in actions:
            actions.append("cloudfront:CreateDistributionWithTags")
        statements.append({**statement, "Action": actions, "Resource": resources})
    return json.loads(json.dumps({**policy, "Statement": statements}))  # type: ignore[no-any-return]
