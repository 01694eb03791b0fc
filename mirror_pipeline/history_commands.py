"""What ``generations``, ``rollback`` and ``gc`` do: look back, go back, and remove what is old.

They work on a directory and on a bucket alike. What belongs here: answers and tables. What does not: options
(``cli``), or the doing (``phases.history``).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

from mirror_pipeline import results
from mirror_pipeline.adapters.documents import as_plain
from mirror_pipeline.commands import Answer, Invocation, alone
from mirror_pipeline.domain.generations import Generation, SiteStatus
from mirror_pipeline.domain.report import megabytes
from mirror_pipeline.phases.history import collect, roll_back
from mirror_pipeline.phases.mirror import Mirror
from mirror_pipeline.sites.site import Collected

_GENERATION = re.compile(r"(?:g|generations)/[0-9]+(?=/|$)")
_PACKAGES, _METADATA, _MOST_NAMES = "packages", ".metadata", 20
_HEADER = ("generation", "", "made", "lock", "packages", "pages", "size", "by")


def generations_command(call: Invocation) -> Answer:
    """Every generation there is or was, and what holds the live one."""
    site = call.mirror.site
    status = site.status()
    if not call.json:
        rows = [_row(one, status) for one in status.generations]
        results.print_table(f"Generations of {site.location}", _HEADER, rows)
        if status.hold:
            print(f"held at {status.hold}")  # noqa: T201
    return {
        "status": "ok",
        "site": site.location,
        "live": status.live,
        "hold": as_plain(status.hold) if status.hold else None,
        "generations": [as_plain(one) for one in status.generations],
    }, results.OK


def _row(one: Generation, status: SiteStatus) -> tuple[object, ...]:
    state = "live" if one.number == status.live else "removed" if one.removed else ""
    lock = one.lock[:12] or "—"
    return one.number, state, one.made, lock, one.packages, one.pages, megabytes(one.size), one.by or "—"


def rollback_command(call: Invocation, *, number: int | None, reason: str) -> Answer:
    """Make a generation live again, at once; then record it as a materialization of ``s3_sync``."""
    mirror = call.mirror
    done = roll_back(mirror, number, reason)
    call.progress.say(f"generation {done.hold.generation} is live (before: {done.before})")
    if done.known:
        _record(call, mirror, reason)
    else:
        call.progress.say("note: nothing was ever published from here: this machine's history stays empty")
    if not call.json:
        print(f"held at {done.hold}")  # noqa: T201
        print("It stays until the requirements change or 'mirror-pipeline refresh --force'.")  # noqa: T201
    return {
        "status": "ok",
        "site": mirror.site.location,
        "generation": done.hold.generation,
        "before": done.before,
        "hold": as_plain(done.hold),
        "recorded": done.known,
    }, results.OK


def _record(call: Invocation, mirror: Mirror, reason: str) -> None:
    from mirror_pipeline.instance import dagster_home, open_instance  # slow to import: the switch came first
    from mirror_pipeline.refresh import record_publication

    with open_instance(dagster_home(call.settings, call.environ)) as instance:
        record_publication(mirror, instance, {"mirror_pipeline/rollback": reason})


def gc_command(call: Invocation, *, yes: bool) -> Answer:
    """Remove what no kept generation needs; without ``yes`` only say what would go."""
    with alone(call.mirror, "gc") if yes else nullcontext(call.mirror) as mirror:
        site, store = collect(mirror, delete=yes)
    if not call.json:
        _print_collected(call, site, store, done=yes)
    return {
        "status": "ok",
        "dry_run": not yes,
        "generations": list(site.generations),
        "bytes": site.size + store.size,
        "site": _object(site),
        "store": _object(store),
    }, results.OK


def _object(found: Collected) -> Mapping[str, Any]:
    return {"keys": list(found.keys), "bytes": found.size}


def _print_collected(call: Invocation, site: Collected, store: Collected, *, done: bool) -> None:
    rows = [("site", *row) for row in _grouped(site.keys)]
    rows += [("wheel store", *row) for row in _named(store.keys)]
    if rows:
        results.print_table("Removed" if done else "Would be removed", ("where", "what", "files"), rows)
    numbers = ", ".join(map(str, site.generations)) or "none"
    size = megabytes(site.size + store.size)
    files = len(site.keys) + len(store.keys)
    print(f"generations: {numbers}; {files} files, {size}{'' if done else ' would be freed'}")  # noqa: T201
    if not done and (rows or site.generations):
        print("'mirror-pipeline gc --yes' removes them.")  # noqa: T201


def _grouped(keys: Sequence[str]) -> Iterator[tuple[str, int]]:
    """A row per generation and per folder of remains; packages by name, each with its metadata."""
    groups: dict[str, list[str]] = {}
    for key in keys:
        groups.setdefault(_group(key), []).append(key)
    packages = groups.pop(_PACKAGES, [])
    for name, held in sorted(groups.items(), key=_by_number):
        yield (f"{name}/" if len(held) > 1 else held[0]), len(held)
    yield from _named(packages)


def _group(key: str) -> str:
    found = _GENERATION.match(key)
    return found[0] if found else key.partition("/")[0] if "/" in key else key


def _by_number(group: tuple[str, list[str]]) -> tuple[str, int]:
    folder, _, number = group[0].partition("/")
    return folder, int(number or 0)


def _named(keys: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Files by name, as many as a person reads; metadata counts with its package."""
    held = Counter(key.removesuffix(_METADATA) for key in keys)
    names = sorted(held)
    yield from ((name, held[name]) for name in names[:_MOST_NAMES])
    if rest := names[_MOST_NAMES:]:
        yield f"… and {len(rest):,} more", sum(held[name] for name in rest)
