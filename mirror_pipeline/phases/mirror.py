"""What every phase works with: settings and the adapters, built once from the settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timezone

from mirror_pipeline.adapters.documents import Documents
from mirror_pipeline.adapters.fetching import Fetcher
from mirror_pipeline.adapters.progress import Progress, Silent
from mirror_pipeline.adapters.site import DirectorySite
from mirror_pipeline.adapters.store import WheelStore
from mirror_pipeline.settings import Settings


@dataclass(frozen=True, slots=True)
class Mirror:
    """The mirror of one ``MIRROR_HOME``."""

    settings: Settings
    documents: Documents
    store: WheelStore
    site: DirectorySite
    fetcher: Fetcher
    progress: Progress
    today: Callable[[], date]


def build_mirror(settings: Settings, progress: Progress | None = None) -> Mirror:
    """Wire the adapters; makes no directory and no connection."""
    home = settings.home
    return Mirror(
        settings=settings,
        documents=Documents(home / "documents"),
        store=WheelStore(home),
        site=DirectorySite(home),
        fetcher=Fetcher(
            settings.index_url,
            settings.extra_index_urls,
            settings.concurrency,
            file_hosts=settings.file_hosts,
        ),
        progress=progress or Silent(),
        today=lambda: datetime.now(timezone.utc).date(),
    )
