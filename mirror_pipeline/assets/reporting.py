"""How outcomes of phases are shown in the UI: metadata values, differences, and errors as failures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import dagster as dg

from mirror_pipeline.adapters.progress import Lines, Progress, Silent
from mirror_pipeline.domain.charts import INLINE, Bar, chart
from mirror_pipeline.domain.report import megabytes
from mirror_pipeline.errors import FetchFailedError, MirrorError
from mirror_pipeline.phases.mirror import Mirror

_MOST_BARS = 12
_MOST_NAMED = 20
_ROOM = INLINE // 2 - 50
"""Characters for each of two lists, so that both are shown in place."""


@contextmanager
def failures_explained() -> Iterator[None]:
    """Raise a phase's error as a failure of the step: one line, its facts, and whether retrying may help."""
    try:
        yield
    except MirrorError as error:
        retry = error.retryable if isinstance(error, FetchFailedError) else not error.permanent
        facts = {key: dg.MetadataValue.text(str(value)) for key, value in error.facts.items()}
        raise dg.Failure(str(error), metadata=facts, allow_retries=retry) from error


def progress_of(context: dg.AssetExecutionContext, mirror: Mirror) -> Progress:
    """The command line's progress where it runs the asset; the run's log otherwise."""
    return Lines(context.log.info) if isinstance(mirror.progress, Silent) else mirror.progress


def changes(before: Iterable[str] | None, now: Iterable[str]) -> dict[str, dg.MetadataValue[Any]]:
    """What came and went since the previous materialization: numbers to plot, and the names."""
    old, new = set(before or ()), set(now)
    return {
        "added": dg.MetadataValue.int(len(new - old)),
        "removed": dg.MetadataValue.int(len(old - new)),
        "changed": difference(before, new),
    }


def difference(before: Iterable[str] | None, now: Iterable[str]) -> dg.MarkdownMetadataValue:
    """What came and went since the previous materialization, as Markdown."""
    if before is None:
        return dg.MetadataValue.md("first materialization")
    old, new = set(before), set(now)
    parts = [_named("added", new - old), _named("removed", old - new)]
    return dg.MetadataValue.md("\n\n".join(part for part in parts if part) or "no difference")


def _named(what: str, names: set[str]) -> str:
    if not names:
        return ""
    return f"**{len(names)} {what}**\n\n{named(sorted(names))}"


def named(names: Sequence[str]) -> str:
    """The first names as a Markdown list, as many as are shown in place, and how many follow."""
    shown: list[str] = []
    for name in names:
        if len(shown) == _MOST_NAMED or sum(map(len, shown)) + len(name) > _ROOM:
            shown.append(f"- … and {len(names) - len(shown)} more")
            break
        shown.append(f"- `{name}`")
    return "\n".join(shown)


def size_chart(sizes: Mapping[str, int], alt: str) -> dg.MarkdownMetadataValue:
    """Bars for the biggest sizes, as many as are shown in place."""
    biggest = sorted(sizes.items(), key=lambda item: (-item[1], item[0]))[:_MOST_BARS]
    bars = [Bar(name, megabytes(size), size) for name, size in biggest]
    return dg.MetadataValue.md(chart(bars, alt) or "nothing")


def link(location: str) -> dg.MetadataValue[Any]:
    """A URL to click, or a path to copy."""
    is_url = location.startswith(("http://", "https://"))
    return dg.MetadataValue.url(location) if is_url else dg.MetadataValue.path(location)


def size(number: int) -> dg.TextMetadataValue:
    """Bytes, for people."""
    return dg.MetadataValue.text(megabytes(number))


def markdown_list(lines: Iterable[str], otherwise: str) -> dg.MarkdownMetadataValue:
    """Lines as a list, or what to say when there are none."""
    return dg.MetadataValue.md("\n".join(f"- {line}" for line in lines) or otherwise)
