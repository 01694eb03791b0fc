"""Looking files up in the live generation; what is served of it is in ``test_server``."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mirror_pipeline.adapters.site_files import LiveGeneration, Site
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


def published(root: Path, pages: dict[str, bytes]) -> Path:
    for key, content in pages.items():
        (root / key).parent.mkdir(parents=True, exist_ok=True)
        (root / key).write_bytes(content)
    (root / "manifest.json").write_bytes(make_manifest("v", [], pages, []).to_bytes())
    return root


def test_what_was_looked_up_is_known_until_another_generation_is_live(tmp_path: Path) -> None:
    key = "simple/x/index.html"
    for number in ("1", "2"):
        published(tmp_path / number, {key: f"page {number}".encode()})
    (tmp_path / "site").symlink_to("1")
    site = Site(tmp_path / "site")
    assert site.known(key) is None
    assert site.find(key) == site.known(key)
    (tmp_path / "next").symlink_to("2")
    (tmp_path / "next").replace(tmp_path / "site")
    assert site.known(key) is None
    found = site.find(key)
    assert found is not None
    assert (found.data, site.known(key)) == (b"page 2", found)


def test_memory_has_a_limit(tmp_path: Path) -> None:
    keys = [f"simple/member-{number}/index.html" for number in range(20)]
    site = Site(published(tmp_path, {key: key.encode() * 500 for key in keys}), memory=100_000)
    found = [site.find(key) for key in keys]
    assert all(one is not None and one.data for one in found)
    kept = [key for key in keys if site.known(key)]
    assert kept
    assert kept == keys[-len(kept) :]
    assert sum(len(key) * 500 for key in kept) < 100_000


def test_a_page_that_is_not_what_the_manifest_says_is_not_kept(tmp_path: Path) -> None:
    key, page = "simple/x/index.html", b"as it should be"
    site = Site(published(tmp_path, {key: page}))
    (tmp_path / key).write_bytes(page.upper())
    damaged = site.find(key)
    assert damaged is not None
    assert (damaged.data, site.known(key)) == (page.upper(), None)
    (tmp_path / key).write_bytes(page)
    mended = site.find(key)
    assert mended is not None
    assert (mended.data, site.known(key)) == (page, mended)
