"""The CloudFront function: read, created, deployed, deleted, and never overwritten unseen.

What belongs here: the API of functions. What does not: what the code says (``domain.edge``), or the
distribution that runs it (``provisioning``).

An update changes the stage DEVELOPMENT, publishing copies that to LIVE; each wants the ETag of DEVELOPMENT.
Whoever ends between the two leaves a LIVE that is older than DEVELOPMENT: the next deployment finishes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, Literal

from mirror_pipeline.adapters.aws import Client, aws_errors, code_of
from mirror_pipeline.domain.edge import Edge, is_made_from, parse, render
from mirror_pipeline.errors import CloudError, PreconditionError

RUNTIME = "cloudfront-js-2.0"
COMMENT = "mirror_pipeline: which generation is live, and which tokens get in"

_ABSENT = "NoSuchFunctionExists"

Stage = Literal["DEVELOPMENT", "LIVE"]


@dataclass(frozen=True, slots=True)
class Deployed:
    """A function as it is."""

    etag: str
    """Of DEVELOPMENT: what ``deploy`` and ``delete`` want."""
    edge: Edge | None
    """What LIVE holds, None where that is not our code or nothing was ever published."""
    current: bool
    """Whether both stages have the code that this release makes of ``edge``."""


@dataclass(frozen=True, slots=True)
class _Stages:
    etag: str
    development: str
    live: str | None


def template() -> str:
    """Return the code of this release, without generation and tokens."""
    return resources.files("mirror_pipeline.edge").joinpath("viewer_request.js").read_text("utf-8")


class EdgeFunction:
    """One function, by its ``name``. ``requests`` counts what was asked of the API."""

    def __init__(self, client: Client, name: str) -> None:
        self._client, self.name = client, name
        self._seen: _Stages | None = None
        self.requests = 0

    def read(self) -> Deployed | None:
        """Return what is deployed, None where there is no such function."""
        self._seen = seen = self._stages()
        if seen is None:
            return None
        current = seen.live == seen.development and is_made_from(template(), seen.development)
        return Deployed(seen.etag, None if seen.live is None else parse(seen.live), current)

    def create(self, edge: Edge, tags: Mapping[str, str]) -> None:
        """Make the function and publish it."""
        items = [{"Key": key, "Value": value} for key, value in tags.items()]
        code = render(template(), edge)
        made = self._call(
            "CreateFunction", self._client.create_function, Tags={"Items": items}, **_content(code)
        )
        self._publish(code, made["ETag"])

    def deploy(self, edge: Edge, etag: str) -> None:
        """Make ``edge`` live; ``PreconditionError`` where anything changed since the look that gave ``etag``.

        Where LIVE was older than DEVELOPMENT, somebody may have been about to publish that. From our update
        on they cannot, so that another look at LIVE tells whether it is still what was decided on.
        """
        seen = self._seen if self._seen and self._seen.etag == etag else self._stages()
        if seen is None or seen.etag != etag:
            raise self._changed(etag)
        code = render(template(), edge)
        if seen.development != code:
            newer = self._update(code, etag)
            if seen.live != seen.development and self._code("LIVE") != seen.live:
                raise self._changed(etag)
            etag = newer
        self._publish(code, etag)

    def delete(self, etag: str) -> None:
        """Delete the function; CloudFront refuses where a distribution still names it."""
        self._call("DeleteFunction", self._client.delete_function, IfMatch=etag)

    def _update(self, code: str, etag: str) -> str:
        """Return the new ETag, also where the request had to be repeated and found its own work done."""
        refused = None
        try:
            answer = self._call(
                "UpdateFunction", self._client.update_function, IfMatch=etag, **_content(code)
            )
            # AWS spells this header "ETtag", and its clients read no other; servers by others send "ETag".
            if "ETag" in answer:
                return str(answer["ETag"])
        except PreconditionError as error:
            refused = error
        found = self._get("DEVELOPMENT")
        if found is None or found[1] != code:
            raise refused or self._changed(etag)
        return found[0]

    def _publish(self, code: str, etag: str) -> None:
        """Also what is live already counts as published, for which AWS may refuse the ETag."""
        try:
            self._call("PublishFunction", self._client.publish_function, IfMatch=etag)
        except PreconditionError:
            if self._code("LIVE") != code:
                raise

    def _stages(self) -> _Stages | None:
        """Look at DEVELOPMENT first: if LIVE changes after that, the ETag or ``deploy`` finds it out."""
        found = self._get("DEVELOPMENT")
        return found and _Stages(*found, live=self._code("LIVE"))

    def _code(self, stage: Stage) -> str | None:
        found = self._get(stage)
        return found and found[1]

    def _get(self, stage: Stage) -> tuple[str, str] | None:
        """ETag and code, None where there is no such function, or nothing in this stage."""
        try:
            with aws_errors("cloudfront", "GetFunction", self.name):
                found = self._call("GetFunction", self._client.get_function, Stage=stage)
                # What is no UTF-8 is not our code: it only has to differ from that.
                return found["ETag"], found["FunctionCode"].read().decode("utf-8", "replace")
        except CloudError as error:
            if code_of(error) == _ABSENT:
                return None
            raise

    def _call(self, operation: str, method: Callable[..., Any], **parameters: Any) -> Any:
        self.requests += 1
        with aws_errors("cloudfront", operation, self.name):
            return method(Name=self.name, **parameters)

    def _changed(self, etag: str) -> PreconditionError:
        return PreconditionError(
            f"cloudfront: function {self.name}: changed by somebody else meanwhile",
            service="cloudfront",
            resource=self.name,
            expected=etag,
        )


def _content(code: str) -> dict[str, Any]:
    return {"FunctionConfig": {"Comment": COMMENT, "Runtime": RUNTIME}, "FunctionCode": code.encode()}
