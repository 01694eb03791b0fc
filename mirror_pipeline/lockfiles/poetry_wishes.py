"""A project's wishes, completed with what only its lock or the project as a whole tells.

A project may ask for extras of itself (``all = ["shop[fast,slow]"]``), and may name the source that a
dependency is to come from, of which the lock knows the address.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from mirror_pipeline.domain.lock import Root
from mirror_pipeline.lockfiles.poetry_dependency import DEFAULT_SOURCE, Wanted
from mirror_pipeline.lockfiles.poetry_project import Declared
from mirror_pipeline.lockfiles.table import Table


def completed(declared: Declared, packages: Sequence[Table]) -> Declared:
    """The wishes with those of the extras that they ask of the project itself, and with known sources."""
    addresses = dict(_addresses(packages))
    return replace(
        declared,
        wishes={
            root: tuple(_located(want, addresses) for want in _followed(wishes, declared))
            for root, wishes in declared.wishes.items()
        },
    )


def _followed(wishes: Iterable[Wanted], declared: Declared) -> Iterator[Wanted]:
    """Wishes and, for each of the project itself, those of its extras, wherever all their markers hold."""
    waiting: list[tuple[Wanted, frozenset[str]]] = [(want, frozenset()) for want in wishes]
    met: set[tuple[str, str]] = set()
    while waiting:
        want, asked = waiting.pop(0)
        yield want
        for extra in sorted(set(want.extras) - asked) if want.name == declared.name else ():
            if (extra, want.marker) in met:  # many ways may lead to one extra
                continue
            met.add((extra, want.marker))
            inner = declared.wishes.get(Root("extra", extra), ())
            waiting.extend(
                (replace(one, marker=_both(want.marker, one.marker)), asked | {extra}) for one in inner
            )


def _both(one: str, other: str) -> str:
    if not one or not other or one == other:
        return one or other
    return f"({one}) and ({other})"


def _located(want: Wanted, addresses: Mapping[str, str]) -> Wanted:
    """The wish with its source's address; a source that the lock took nothing from decides nothing."""
    return replace(want, source=addresses.get(want.source.lower(), "")) if want.source else want


def _addresses(packages: Iterable[Table]) -> Iterator[tuple[str, str]]:
    """Sources by name: packages that name none come from poetry's own default."""
    yield DEFAULT_SOURCE, DEFAULT_SOURCE
    for package in packages:
        source = package.table("source")
        if source.text("type", "legacy") == "legacy" and "reference" in source:
            yield source.text("reference").lower(), source.text("url")
