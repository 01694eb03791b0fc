"""A fetcher as tests want it: a few indexes, no waiting, and what became of it in few words."""

from __future__ import annotations

from collections.abc import Sequence

from mirror_pipeline.adapters.fetching import Fetched, Fetcher
from mirror_pipeline.adapters.pip_config import PipConfig
from mirror_pipeline.adapters.progress import Silent
from mirror_pipeline.adapters.retrying import Retrier
from mirror_pipeline.adapters.store import WheelStore
from mirror_pipeline.domain.artifact import Artifact
from mirror_pipeline_tests.wheels import Dist


class Waits(list[float]):
    """Takes the place of sleeping."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def connect(
    waits: Waits,
    *indexes: str,
    concurrency: int = 4,
    file_hosts: Sequence[str] = (),
    keyring: str = "disabled",
) -> Fetcher:
    """A fetcher with these indexes, the first first. ``keyring`` is pip's keyring-provider."""
    url, *extra = indexes
    config = PipConfig(url, timeout=5.0, keyring_provider=keyring)
    return Fetcher(url, extra, concurrency, config=config, retrier=Retrier(waits), file_hosts=file_hosts)


def fetch(fetcher: Fetcher, store: WheelStore, *wanted: Dist | Artifact) -> Fetched:
    """Fetch files, as a lock that names no index wants them unless they are artifacts already."""
    artifacts = [item.artifact() if isinstance(item, Dist) else item for item in wanted]
    return fetcher.fetch(artifacts, store, Silent())


def reasons(fetched: Fetched) -> dict[str, str]:
    """File name → why it failed."""
    return {failure.file: failure.reason for failure in fetched.failures}
