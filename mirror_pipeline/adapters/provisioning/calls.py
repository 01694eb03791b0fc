"""Asking AWS: clients made when they are wanted, absence as None, lists page by page."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from mirror_pipeline.adapters.aws import Aws, Client, aws_errors, code_of
from mirror_pipeline.domain.infra import Change, Kind, Observed, State
from mirror_pipeline.errors import CloudError

_REGIONS = {"cloudfront": "us-east-1", "acm": "us-east-1"}
"""CloudFront is everywhere and takes certificates from this region only."""


@dataclass(frozen=True)
class Clients:
    """The services that provisioning speaks to."""

    make: Callable[[str], Client]

    @cached_property
    def s3(self) -> Client:
        """Buckets and objects."""
        return self.make("s3")

    @cached_property
    def cloudfront(self) -> Client:
        """The edge."""
        return self.make("cloudfront")

    @cached_property
    def acm(self) -> Client:
        """Certificates."""
        return self.make("acm")

    @cached_property
    def sts(self) -> Client:
        """Whose account it is."""
        return self.make("sts")


def clients_of(aws: Aws) -> Clients:
    """The clients of one profile."""
    return Clients(lambda service: aws.client(service, _REGIONS.get(service)))


class Resource(Protocol):
    """One thing that is made."""

    @property
    def kind(self) -> Kind:
        """What it is."""

    @property
    def name(self) -> str:
        """What it goes by among its kind."""

    def read(self) -> Observed | None:
        """How it is now; None where there is none."""

    def create(self, wanted: State) -> Observed:
        """Make it, marked as ours in the same request."""

    def update(self, observed: Observed, wanted: State, changes: Collection[Change]) -> Observed:
        """Make it what is wanted, and ours."""

    def delete(self, observed: Observed) -> None:
        """Remove it."""


def ask(client: Client, operation: str, resource: str = "", **arguments: Any) -> Any:
    """One request, with its error as one of ours."""
    service = client.meta.service_model.service_name
    with aws_errors(service, client.meta.method_to_api_mapping[operation], resource):
        return getattr(client, operation)(**arguments)


def ask_if_there(
    client: Client, operation: str, absent: Collection[str], resource: str = "", **arguments: Any
) -> Any | None:
    """The same; None where the answer is that there is no such thing."""
    try:
        return ask(client, operation, resource, **arguments)
    except CloudError as error:
        if code_of(error) in absent:
            return None
        raise


def listed_items(
    client: Client, operation: str, holder: str, **arguments: Any
) -> Iterator[Mapping[str, Any]]:
    """Everything in a list of CloudFront's, which come in pages of a hundred."""
    marker: Mapping[str, str] = {}
    while True:
        page = ask(client, operation, **arguments, **marker)[holder]
        yield from page.get("Items") or ()
        if not page.get("NextMarker"):
            return
        marker = {"Marker": page["NextMarker"]}


def tags_of(client: Client, arn: str) -> dict[str, str]:
    """The tags of something of CloudFront's."""
    tags = ask(client, "list_tags_for_resource", arn, Resource=arn)["Tags"]
    return {tag["Key"]: tag.get("Value", "") for tag in tags.get("Items", ())}


def tag(client: Client, arn: str, tags: Mapping[str, str]) -> None:
    """Tag something of CloudFront's."""
    ask(client, "tag_resource", arn, Resource=arn, Tags={"Items": as_tags(tags)})


def as_tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as every service wants them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def account_number(sts: Client) -> str:
    """The account's number."""
    return str(ask(sts, "get_caller_identity")["Account"])
