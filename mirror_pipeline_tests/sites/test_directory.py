"""Generations of the published directory: switched whole, numbered upwards, never half there."""

from __future__ import annotations

import hashlib
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mirror_pipeline.adapters.progress import Silent
from mirror_pipeline.adapters.store import WheelStore
from mirror_pipeline.domain.generations import Provenance
from mirror_pipeline.domain.manifest import MANIFEST, Manifest, make_manifest
from mirror_pipeline.domain.wheelset import Held
from mirror_pipeline.errors import DocumentError, StorageError
from mirror_pipeline.sites.directory import DirectorySite
from mirror_pipeline.sites.site import Publication
from mirror_pipeline_tests.wheels import wheel

ALPHA = wheel("alpha")
PROVENANCE = Provenance("2026-11-01T00:00:00+00:00", "ann@example", "lock-1")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    store = WheelStore(tmp_path / "home")
    store.prepare()
    store.path(ALPHA.file).write_bytes(ALPHA.content)
    return tmp_path / "home"


@pytest.fixture
def site(home: Path) -> DirectorySite:
    return DirectorySite(home)


def pages(text: str) -> Mapping[str, bytes]:
    return {"simple/index.html": text.encode(), "simple/alpha/index.html": f"alpha {text}".encode()}


def manifest(text: str) -> Manifest:
    return make_manifest(text, ["noarch"], pages(text), [Held(ALPHA.artifact(), ALPHA.size)])


def publication(text: str, pages: Mapping[str, bytes], packages: Path = Path("unused")) -> Publication:
    return Publication(pages, manifest(text), packages, PROVENANCE)


def publish(site: DirectorySite, text: str) -> int:
    return site.publish(publication(text, pages(text)), Silent()).generation


def generations(home: Path) -> set[str]:
    return {path.name for path in (home / "generations").iterdir() if path.is_dir()}


def test_before_the_first_publication(site: DirectorySite, home: Path) -> None:
    assert site.live is None
    assert site.manifest() is None
    assert not site.link.exists()


def test_what_is_published_is_what_was_given(site: DirectorySite, home: Path) -> None:
    assert publish(site, "one") == 1

    assert site.live == 1
    assert site.manifest() == manifest("one")
    assert {key: (site.link / key).read_bytes() for key in pages("one")} == pages("one")
    assert (site.link / "packages" / ALPHA.file).read_bytes() == ALPHA.content
    assert (site.link / MANIFEST).read_bytes() == manifest("one").to_bytes()
    assert site.page_digests(manifest("one")) == {
        key: hashlib.sha256(content).hexdigest() for key, content in pages("one").items()
    }


def test_the_home_may_be_moved(site: DirectorySite, home: Path, tmp_path: Path) -> None:
    publish(site, "one")
    home.rename(tmp_path / "elsewhere")

    moved = tmp_path / "elsewhere" / "site"
    assert (moved / "simple/index.html").read_bytes() == b"one"
    assert (moved / "packages" / ALPHA.file).read_bytes() == ALPHA.content


def test_numbers_only_grow(site: DirectorySite, home: Path) -> None:
    assert [publish(site, text) for text in ("one", "two", "three")] == [1, 2, 3]
    for number in ("1", "2", "3"):
        (home / "generations" / number).rename(home / f"removed-{number}")

    assert publish(site, "four") == 4


def test_a_gap_in_the_numbers_is_not_filled(site: DirectorySite, home: Path) -> None:
    publish(site, "one")
    (home / "generations" / "7").mkdir()

    assert publish(site, "two") == 8


def test_a_generation_is_not_changed_by_the_next(site: DirectorySite, home: Path) -> None:
    publish(site, "one")
    first = site.link.resolve()
    publish(site, "two")

    assert (first / "simple/index.html").read_bytes() == b"one"
    assert (site.link / "simple/index.html").read_bytes() == b"two"


def test_what_an_interrupted_run_left_does_not_matter(site: DirectorySite, home: Path) -> None:
    publish(site, "one")
    stale = home / "generations" / ".new-0badcafe"
    (stale / "simple").mkdir(parents=True)
    (stale / "simple" / "index.html").write_text("half")
    (home / ".site-0badcafe").symlink_to("generations/99")

    assert publish(site, "two") == 2
    assert site.live == 2
    assert (site.link / "simple/index.html").read_bytes() == b"two"


@pytest.fixture
def _threads_take_turns_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("_threads_take_turns_often")
def test_readers_see_one_generation_whole_or_the_other(site: DirectorySite, home: Path) -> None:
    """A reader that resolved the link reads what belongs together; and the link is never missing."""
    publish(site, "0")
    torn: list[object] = []
    rounds = 0
    done = threading.Event()

    def read() -> None:
        nonlocal rounds
        while not done.is_set():
            root = site.link.resolve(strict=True)
            seen = {key: (root / key).read_bytes() for key in pages("")}
            if seen != pages(seen["simple/index.html"].decode()) or site.manifest() is None:
                torn.append(seen)
            rounds += 1

    def look() -> None:
        while not done.is_set():
            os.stat(site.link)  # noqa: PTH116 - as quick as can be

    with ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(read), pool.submit(look)]
        try:
            for number in range(1, 41):
                publish(site, str(number))
        finally:
            done.set()
        for reader in readers:
            reader.result()  # FileNotFoundError where the link was missing for a moment

    assert rounds > 10
    assert not torn


@pytest.mark.parametrize("trouble", ["missing", "shorter", "a directory"])
def test_a_package_that_is_not_there_refuses_the_publication(
    site: DirectorySite, home: Path, trouble: str
) -> None:
    publish(site, "one")
    package = home / "packages" / ALPHA.file
    package.unlink()
    if trouble == "shorter":
        package.write_bytes(ALPHA.content[:-1])
    if trouble == "a directory":
        package.mkdir()

    with pytest.raises(StorageError, match="not in the store") as caught:
        publish(site, "two")

    assert caught.value.facts == {"path": f"packages/{ALPHA.file}", "reason": "missing"}
    assert site.missing_packages(manifest("two")) == (f"packages/{ALPHA.file}",)
    assert site.live == 1
    assert (site.link / "simple/index.html").read_bytes() == b"one"
    assert generations(home) == {"1"}


@pytest.mark.parametrize("kind", ["directory", "file"])
def test_something_of_others_in_the_way_is_left_alone(site: DirectorySite, home: Path, kind: str) -> None:
    if kind == "directory":
        site.link.mkdir()
        (site.link / "precious.txt").write_text("precious")
    else:
        site.link.write_text("precious")

    with pytest.raises(StorageError, match="not a link of ours") as caught:
        publish(site, "one")

    assert "move it away" in caught.value.hint
    assert "precious" in (site.link / "precious.txt" if kind == "directory" else site.link).read_text()
    assert site.live is None
    assert not (home / "generations").exists() or not generations(home)


def test_a_file_where_generations_should_be(site: DirectorySite, home: Path) -> None:
    (home / "generations").write_text("in the way")

    with pytest.raises(StorageError, match="a file is where a directory should be"):
        publish(site, "one")

    assert not os.path.lexists(site.link)


def test_a_page_that_cannot_be_written_leaves_the_old_generation(site: DirectorySite, home: Path) -> None:
    publish(site, "one")

    with pytest.raises(StorageError):
        site.publish(publication("two", {"simple": b"", "simple/index.html": b""}), Silent())

    assert site.live == 1
    assert generations(home) == {"1"}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"version": 99}', b'{"version": 1}'])
def test_a_manifest_that_cannot_be_read_counts_as_none(
    site: DirectorySite, home: Path, content: bytes
) -> None:
    publish(site, "one")
    (site.link / MANIFEST).write_bytes(content)

    assert site.manifest() is None
    assert site.live == 1


def test_pages_that_are_gone_have_no_digest(site: DirectorySite, home: Path) -> None:
    publish(site, "one")
    (site.link / "simple/index.html").unlink()

    assert set(site.page_digests(manifest("one"))) == {"simple/alpha/index.html"}


@pytest.mark.parametrize("name", ["1.json", "hold.json"])
def test_a_damaged_record_is_named_with_what_helps(site: DirectorySite, name: str) -> None:
    site.publish(publication("one", pages("one")), Silent())
    record = site.generations / name
    record.write_text("{")
    with pytest.raises(DocumentError, match="remove it") as caught:
        site.status()
    assert str(record) in str(caught.value)
    record.unlink()
    assert [one.number for one in site.status().generations] == [1]
