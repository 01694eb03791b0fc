"""What every phase works with: settings and the adapters, built once from the settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timezone

from mirror_pipeline.adapters.documents import Documents
from mirror_pipeline.adapters.fetching import Fetcher
from mirror_pipeline.adapters.progress import Progress, Silent
from mirror_pipeline.adapters.reports import Reports
from mirror_pipeline.adapters.store import Store
from mirror_pipeline.adapters.turns import Turns
from mirror_pipeline.phases.keeping import kept
from mirror_pipeline.settings import Settings
from mirror_pipeline.sites.choosing import site_for
from mirror_pipeline.sites.site import Site


@dataclass(frozen=True, slots=True)
class Mirror:
    """The mirror of one ``MIRROR_HOME``."""

    settings: Settings
    documents: Documents
    store: Store
    reports: Reports
    site: Site
    fetcher: Fetcher
    progress: Progress
    today: Callable[[], date]
    turns: Turns
    """Who may work on the home."""
    force: bool = False
    """Whether a rollback that holds the site ends with the next publication."""
    repair: bool = False
    """Whether the next publication looks behind the books, and writes again what was changed."""
    now: Callable[[], datetime] = lambda: datetime.now(timezone.utc)
    """The clock of pages for people, in UTC."""


def build_mirror(settings: Settings, progress: Progress | None = None) -> Mirror:
    """Wire the adapters; makes no directory and no connection."""
    home = settings.home
    documents, store, reports = kept(settings)
    return Mirror(
        settings=settings,
        documents=documents,
        store=store,
        reports=reports,
        site=site_for(settings.cloud, settings.retention, home, settings.concurrency),
        fetcher=Fetcher(
            settings.index_url,
            settings.extra_index_urls,
            settings.concurrency,
            file_hosts=settings.file_hosts,
        ),
        progress=progress or Silent(),
        today=lambda: datetime.now(timezone.utc).date(),
        turns=Turns(home),
    )
