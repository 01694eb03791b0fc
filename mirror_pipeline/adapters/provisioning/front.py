"""What a distribution is made of: origin access control, cache policy, response headers policy, function.

The first three work alike: a name that is unique in the account, a comment that marks it, an ETag.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from mirror_pipeline.adapters.aws import Client
from mirror_pipeline.adapters.edge_function import EdgeFunction
from mirror_pipeline.adapters.provisioning.calls import ask, ask_if_there, listed_items, tag, tags_of
from mirror_pipeline.domain.edge import Edge
from mirror_pipeline.domain.iam import TAG
from mirror_pipeline.domain.infra import Change, Kind, Observed, State, merged
from mirror_pipeline.domain.infra_wanted import CURRENT_CODE


@dataclass(frozen=True, slots=True)
class _Noun:
    """How CloudFront calls one kind in its requests and answers."""

    one: str
    """As in ``get_<one>``."""
    many: str
    holder: str
    """The name of what an answer holds, which ``List`` and ``Config`` are added to."""
    comment: str
    only: Mapping[str, str]
    """What restricts a list to those that an account made."""


_NOUNS: Mapping[Kind, _Noun] = {
    "origin access control": _Noun(
        "origin_access_control", "origin_access_controls", "OriginAccessControl", "Description", {}
    ),
    "cache policy": _Noun(
        "cache_policy", "cache_policies", "CachePolicy", "Comment", {"Type": "custom"}
    ),
    "response headers policy": _Noun(
        "response_headers_policy", "response_headers_policies", "ResponseHeadersPolicy", "Comment",
        {"Type": "custom"},
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Named:
    """One of the three that work alike."""

    client: Client
    kind: Kind
    name: str
    mark: str

    def read(self) -> Observed | None:
        """The one with this name."""
        noun = _NOUNS[self.kind]
        items = listed_items(self.client, f"list_{noun.many}", f"{noun.holder}List", **noun.only)
        ids = (_id_if_named(item, noun, self.name) for item in items)
        found = next((id_ for id_ in ids if id_), None)
        if found is None:
            return None
        answer = ask_if_there(self.client, f"get_{noun.one}", (f"NoSuch{noun.holder}",), self.name, Id=found)
        return None if answer is None else self._observed(noun, answer)

    def create(self, wanted: State) -> Observed:
        """Make it."""
        noun = _NOUNS[self.kind]
        config = {f"{noun.holder}Config": merged({}, wanted)}
        return self._observed(noun, ask(self.client, f"create_{noun.one}", self.name, **config))

    def update(self, observed: Observed, wanted: State, changes: Collection[Change]) -> Observed:
        """Replace its configuration, which is all ours."""
        noun = _NOUNS[self.kind]
        config = {f"{noun.holder}Config": merged({}, wanted)}
        answer = ask(
            self.client, f"update_{noun.one}", self.name, Id=observed.id, IfMatch=observed.etag, **config
        )
        return self._observed(noun, answer)

    def delete(self, observed: Observed) -> None:
        """Remove it; CloudFront refuses while a distribution uses it."""
        noun = _NOUNS[self.kind]
        ask(self.client, f"delete_{noun.one}", self.name, Id=observed.id, IfMatch=observed.etag)

    def _observed(self, noun: _Noun, answer: Mapping[str, Any]) -> Observed:
        found = answer[noun.holder]
        state = found[f"{noun.holder}Config"]
        return Observed(found["Id"], state.get(noun.comment) == self.mark, state, etag=answer["ETag"])


def _id_if_named(item: Mapping[str, Any], noun: _Noun, name: str) -> str:
    """Lists of policies hold them whole, the list of origin access controls holds their fields."""
    inner = item.get(noun.holder, item)
    config = inner.get(f"{noun.holder}Config", inner)
    return str(inner["Id"]) if config.get("Name") == name else ""


@dataclass(frozen=True, slots=True)
class Function:
    """The viewer-request function, which keeps the pointer and the tokens that it holds."""

    client: Client
    name: str
    tags: Mapping[str, str]
    kind: Kind = "function"

    def read(self) -> Observed | None:
        """Whether its code is today's; ours is what has the tag, or code that this project wrote."""
        described = ask_if_there(
            self.client,
            "describe_function",
            ("NoSuchFunctionExists",),
            self.name,
            Name=self.name,
            Stage=_STAGE,
        )
        deployed = EdgeFunction(self.client, self.name).read() if described else None
        if described is None or deployed is None:
            return None
        arn = described["FunctionSummary"]["FunctionMetadata"]["FunctionARN"]
        tagged = tags_of(self.client, arn).get(TAG) == self.tags[TAG]
        now = CURRENT_CODE if deployed.current else "another release's" if deployed.edge else "not published"
        note = "" if deployed.edge or not tagged else _NOTHING_LIVE
        return Observed(
            self.name, tagged or deployed.edge is not None, {"Code": now}, arn, deployed.etag, note=note
        )

    def create(self, wanted: State) -> Observed:
        """Make and publish it, with nothing live."""
        EdgeFunction(self.client, self.name).create(Edge(), self.tags)
        return self._made()

    def update(self, observed: Observed, wanted: State, changes: Collection[Change]) -> Observed:
        """Renew the code around what it holds."""
        edge = EdgeFunction(self.client, self.name)
        deployed = edge.read()
        if deployed is not None:
            edge.deploy(deployed.edge or Edge(), deployed.etag)
        if not observed.ours:
            tag(self.client, observed.arn, self.tags)
        return self._made()

    def delete(self, observed: Observed) -> None:
        """Remove it; CloudFront refuses while a distribution uses it."""
        EdgeFunction(self.client, self.name).delete(observed.etag)

    def _made(self) -> Observed:
        described = ask(self.client, "describe_function", self.name, Name=self.name, Stage=_STAGE)
        arn = described["FunctionSummary"]["FunctionMetadata"]["FunctionARN"]
        return Observed(self.name, True, {"Code": CURRENT_CODE}, arn, described["ETag"])


_STAGE = "DEVELOPMENT"
_NOTHING_LIVE = "no generation is live at the edge; 'refresh --repair' makes the newest one live"
