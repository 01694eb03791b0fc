"""What is wanted of AWS compared with what is there: fields, differences, and what to do about them. Pure.

What belongs here: the comparison, which looks at nothing but the fields that are wanted (a service adds its
own defaults), and its vocabulary. What does not: what is wanted (``domain.infra_wanted``), or asking for what
is there (``adapters.provisioning``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from mirror_pipeline.errors import INPUT_IS_WRONG, CloudError

Kind = Literal[
    "log bucket", "bucket", "error page", "cache policy", "response headers policy", "origin access control",
    "function", "certificate", "distribution", "bucket policy",
]  # fmt: skip
Action = Literal["create", "update", "none", "adopt"]
State = Mapping[str, Any]
"""A resource's configuration, nested as its API has it."""
Leaf = str | int | bool | float | tuple[Any, ...] | None

UNKNOWN = "(known once it is made)"
"""Stands for the id of something that does not exist yet."""
_IDENTITIES = ("Id", "ID", "Sid", "ErrorCode", "EventType", "PathPattern", "Header")


class NotOursError(CloudError):
    """Something has the name but not the mark of this project: facts ``service``, ``resource``, ``names``."""

    kind = "not-ours"
    exit_code = INPUT_IS_WRONG


class PendingError(CloudError):
    """AWS is still at it, or waits for somebody else: facts ``resource``, ``dns`` (records to add)."""

    kind = "pending"
    permanent = False


@dataclass(frozen=True, slots=True)
class DnsRecord:
    """A record that the owner of a domain has to add."""

    name: str
    type: str
    value: str

    def __str__(self) -> str:
        return f"{self.name} {self.type} {self.value}"


@dataclass(frozen=True, slots=True)
class Observed:
    """A resource as it is."""

    id: str
    ours: bool
    """Whether it has this project's mark: a tag, a comment or, for what has neither, where it lies."""
    state: State = field(default_factory=dict)
    arn: str = ""
    etag: str = ""
    ready: bool = True
    """False while AWS still deploys it, or a certificate is not issued."""
    domain: str = ""
    dns: tuple[DnsRecord, ...] = ()
    note: str = ""
    leave: bool = False
    """Somebody else's that is used as it is, and neither changed nor deleted."""


@dataclass(frozen=True, slots=True)
class Change:
    """One field, as it is and as it is wanted. None: it is not set."""

    field: str
    now: Leaf
    wanted: Leaf

    def __str__(self) -> str:
        return f"{self.field}: {shown(self.now)} → {shown(self.wanted)}"


@dataclass(frozen=True, slots=True)
class Step:
    """What has to be done about one resource."""

    kind: Kind
    name: str
    action: Action
    changes: tuple[Change, ...] = ()
    id: str = ""
    note: str = ""

    @property
    def in_line(self) -> bool:
        """Whether nothing has to be done."""
        return self.action == "none"


@dataclass(frozen=True, slots=True)
class Removal:
    """What becomes of one resource when all is taken down; ``why`` for what stays."""

    kind: Kind
    name: str
    id: str
    action: Literal["delete", "keep"]
    why: str = ""


def step_for(kind: Kind, name: str, wanted: State, observed: Observed | None) -> Step:
    """The step from what is there to what is wanted."""
    if observed is None:
        return Step(kind, name, "create", changes_between(wanted, {}))
    if observed.leave:
        return Step(kind, name, "none", (), observed.id, observed.note)
    changes = changes_between(wanted, observed.state)
    action: Action = "adopt" if not observed.ours else "update" if changes else "none"
    return Step(kind, name, action, changes, observed.id, observed.note)


def changes_between(wanted: State, now: State) -> tuple[Change, ...]:
    """The wanted fields that differ. What is empty or false equals what is not set: services leave it out."""
    have = flatten(now)
    pairs = ((path, _at(have, path), want) for path, want in flatten(wanted).items())
    return tuple(Change(path, was, want) for path, was, want in pairs if was != want and (was or want))


def _at(have: Mapping[str, Leaf], path: str) -> Leaf:
    """The value at a path; of a block that has none itself, which of its fields are set."""
    inner = (name for name, value in have.items() if value and name.startswith((f"{path}.", f"{path}(")))
    return have[path] if path in have else tuple(inner) or None


def flatten(value: Any, path: str = "") -> dict[str, Leaf]:
    """A nested configuration as paths and plain values; lists of values are sorted, they are sets to AWS.

    ``{"Quantity": n, "Items": [...]}`` counts as the list; things in lists go by their ids.
    """
    return dict(_leaves(value, path))


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Leaf]]:
    if isinstance(value, Mapping):
        yield from _mapping_leaves(value, path)
    elif isinstance(value, list | tuple):
        yield from _list_leaves(value, path)
    else:
        yield path, value


def _mapping_leaves(value: Mapping[str, Any], path: str) -> Iterator[tuple[str, Leaf]]:
    if "Quantity" in value:
        yield from _list_leaves(value.get("Items") or (), path)
    for key, inner in value.items():
        if key != "Quantity" and not (key == "Items" and "Quantity" in value):
            yield from _leaves(inner, f"{path}.{key}" if path else key)


def _list_leaves(items: Sequence[Any], path: str) -> Iterator[tuple[str, Leaf]]:
    if not any(isinstance(item, Mapping) for item in items):
        yield path, tuple(sorted(items, key=str))
        return
    named = {identity_of(item) or str(number): item for number, item in enumerate(items)}
    yield path, tuple(sorted(named))
    for name, item in named.items():
        yield from _leaves({key: v for key, v in item.items() if key not in _IDENTITIES}, f"{path}({name})")


def identity_of(item: Mapping[str, Any]) -> str:
    """What an element of a list goes by; '' where it has no id of any kind."""
    return next((str(item[key]) for key in _IDENTITIES if key in item), "")


def merged(now: Any, wanted: Any) -> Any:
    """A configuration with the wanted fields set and all others kept, as an update has to send it whole.

    What is wanted as None is taken out. A wanted list replaces the list; elements keep what else they have.
    """
    if isinstance(wanted, Mapping):
        old = now if isinstance(now, Mapping) else {}
        kept = {key: value for key, value in old.items() if key not in wanted}
        if "Quantity" in wanted and "Items" not in wanted:
            kept.pop("Items", None)
        new = {key: merged(old.get(key), value) for key, value in wanted.items() if value is not None}
        return {**kept, **new}
    if isinstance(wanted, list | tuple):
        known = {identity_of(item): item for item in now or () if isinstance(item, Mapping)}
        return [
            merged(known.get(identity_of(item)), item) if isinstance(item, Mapping) else item
            for item in wanted
        ]
    return wanted


def listed(values: Sequence[Any]) -> State:
    """A list as CloudFront writes it; without ``Items`` where it is empty."""
    return {"Quantity": len(values), **({"Items": list(values)} if values else {})}


def shown(value: Leaf) -> str:
    """A field's value for people."""
    if value is None:
        return "not set"
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) or "empty"


def refuse_what_is_not_ours(steps: Sequence[Step], name_of: Callable[[Step], str]) -> None:
    """Raise where something would be taken over; one line names all of it."""
    foreign = [name_of(step) for step in steps if step.action == "adopt"]
    if foreign:
        raise NotOursError(
            f"{', '.join(foreign)}: {'exists' if len(foreign) == 1 else 'exist'} and "
            f"{'was' if len(foreign) == 1 else 'were'} not made by this project; nothing was changed",
            hint="'infra plan' shows what would become of it; 'infra apply --adopt' takes it over",
            resource=foreign[0],
            names=foreign,
        )
