"""Looking files up in the live generation; what is served of it is in ``test_server``."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mirror_pipeline.adapters.site_files import LiveGeneration
from mirror_pipeline.domain.manifest import make_manifest

AT_ONCE, PAGES = 8, 30_000


def test_many_that_ask_at_once_have_the_manifest_read_once(tmp_path: Path) -> None:
    pages = {f"simple/member-{number}/index.html": b"page" for number in range(PAGES)}
    (tmp_path / "manifest.json").write_bytes(make_manifest("v", [], pages, []).to_bytes())
    together = threading.Barrier(AT_ONCE)

    def look(_number: int) -> LiveGeneration:
        together.wait()
        return LiveGeneration.live(tmp_path)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(look, range(AT_ONCE)))

    assert len(found[0].digests) == PAGES
    assert all(generation.digests is found[0].digests for generation in found)
