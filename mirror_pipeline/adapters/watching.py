"""What indexes say now of files that are pinned already: each page is asked for anew.

An index is asked as ``upstream`` asks it when the file is fetched: the one that the lock names, or the
configured ones in their order until one lists a file of the pin as it is locked. No other hears of the pin.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from mirror_pipeline.adapters.index_pages import Pages
from mirror_pipeline.adapters.upstream import Sources
from mirror_pipeline.domain.artifact import Artifact
from mirror_pipeline.domain.drift import Heard, Page, is_source
from mirror_pipeline.errors import UpstreamError


class Watch:
    """One look at the indexes. ``pages`` must be new: what was heard earlier is not what is there now."""

    def __init__(self, pages: Pages, sources: Sources) -> None:
        self._pages, self._sources = pages, sources

    def look(self, artifacts: Sequence[Artifact]) -> tuple[Heard, ...]:
        """What there is to hear of the artifacts of one project, pin by pin."""
        names = frozenset(artifact.file for artifact in artifacts)
        pins = groupby(sorted(artifacts, key=_pin), key=_pin)
        return tuple(self._heard(tuple(pin), names) for _, pin in pins)

    def _heard(self, pin: tuple[Artifact, ...], names: frozenset[str]) -> Heard:
        pages: list[Page] = []
        try:
            for index in self._sources.of(pin[0].index):
                pages.append(self._pages.look(index, pin[0].project, names))
                if is_source(pages[-1], pin):
                    break
        except UpstreamError as error:
            return Heard(pin, tuple(pages), str(error))
        return Heard(pin, tuple(pages))


def _pin(artifact: Artifact) -> tuple[str, str]:
    return artifact.version, artifact.index or ""
