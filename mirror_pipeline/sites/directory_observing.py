"""Looking at a published directory: its bytes as they lie there, and a server for an installer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from mirror_pipeline.adapters.files import disk_errors, sha256_of
from mirror_pipeline.domain.manifest import Manifest
from mirror_pipeline.domain.verification import SiteFacts

_HASHING_THREADS = 4


def observe(site: Path, manifest: Manifest | None) -> SiteFacts:
    """Hash every published file that the manifest names, and read the pages."""
    if manifest is None:
        return SiteFacts(None, {}, {})
    root = site.resolve()
    keys = [key for key in (*manifest.files, *_pages_there(root)) if (root / key).is_file()]
    with disk_errors(root), ThreadPoolExecutor(_HASHING_THREADS) as pool:
        digests = dict(zip(keys, pool.map(lambda key: sha256_of(root / key), keys), strict=True))
        pages = {key: (root / key).read_bytes() for key in keys if key.startswith("simple/")}
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
