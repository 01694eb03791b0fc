"""Looking at a published directory: its bytes as they lie there, and a server for an installer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from mirror_pipeline.adapters.files import disk_errors, sha256_of
from mirror_pipeline.adapters.progress import Progress
from mirror_pipeline.domain.manifest import Manifest
from mirror_pipeline.domain.serving import is_index_page
from mirror_pipeline.domain.verification import SiteFacts
from mirror_pipeline.sites.looking import LABEL

_HASHING_THREADS = 4


def observe(site: Path, manifest: Manifest | None, progress: Progress) -> SiteFacts:
    """Hash every published file that the manifest names, and read the pages."""
    if manifest is None:
        return SiteFacts(None, {}, {})
    root = site.resolve()
    named = dict.fromkeys((*manifest.files, *_pages_there(root)))
    keys = [key for key in named if (root / key).is_file()]
    sizes = {key: entry.size for key, entry in manifest.files.items()}
    digests = {}
    with (
        disk_errors(root),
        progress.work(LABEL, len(keys), sum(sizes.values())) as advance,
        ThreadPoolExecutor(_HASHING_THREADS) as pool,
    ):
        for key, digest in zip(keys, pool.map(lambda key: sha256_of(root / key), keys), strict=True):
            digests[key] = digest
            advance(key, sizes.get(key, 0))
        pages = {key: (root / key).read_bytes() for key in keys if is_index_page(key)}
    return SiteFacts(manifest, digests, pages)


@contextmanager
def served(site: Path) -> Iterator[str]:
    """The directory at an address of its own, open to this machine only and without a login."""
    from mirror_pipeline.adapters.server import serving  # slow to import, and only needed here

    with serving(site) as url:
        yield url


def _pages_there(root: Path) -> Sequence[str]:
    """Pages that are there though the manifest may not name them."""
    return [path.relative_to(root).as_posix() for path in (root / "simple").rglob("index.*")]
