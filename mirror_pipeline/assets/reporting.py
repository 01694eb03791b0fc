"""How outcomes of phases are shown in the UI: metadata values, differences, and errors as failures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import dagster as dg

from mirror_pipeline.adapters.progress import Lines, Progress, Silent
from mirror_pipeline.domain.report import megabytes
from mirror_pipeline.errors import FetchFailedError, MirrorError
from mirror_pipeline.phases.mirror import Mirror

_MOST_NAMED = 20


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
    shown = "\n".join(f"- `{name}`" for name in sorted(names)[:_MOST_NAMED])
    more = f"\n- … and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"**{len(names)} {what}**\n\n{shown}{more}"


def size(number: int) -> dg.TextMetadataValue:
    """Bytes, for people."""
    return dg.MetadataValue.text(megabytes(number))


def markdown_list(lines: Iterable[str], otherwise: str) -> dg.MarkdownMetadataValue:
    """Lines as a list, or what to say when there are none."""
    return dg.MetadataValue.md("\n".join(f"- {line}" for line in lines) or otherwise)
