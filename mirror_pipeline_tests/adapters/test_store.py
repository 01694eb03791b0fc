"""The wheel store: what gets in, what is recognized, and the metadata beside wheels."""

from __future__ import annotations

import hashlib
import io
import os
import time
import zipfile
from pathlib import Path

import pytest

from mirror_pipeline.adapters.store import WheelStore
from mirror_pipeline_tests.wheels import Dist, metadata_text, noise, wheel

METADATA = metadata_text("alpha", "1.0", ">=3.9", ())


@pytest.fixture
def store(tmp_path: Path) -> WheelStore:
    store = WheelStore(tmp_path / "home")
    store.prepare()
    return store


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    return tmp_path / "home" / "tmp"


def put(store: WheelStore, dist: Dist) -> Dist:
    with store.incoming(dist.file) as incoming:
        incoming.write(dist.content)
        incoming.commit()
    return dist


def archive(*members: tuple[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as target:
        for name, data in members:
            target.writestr(name, data)
    return buffer.getvalue()


def test_preparing_makes_directories_and_leaves_no_probe(tmp_path: Path) -> None:
    WheelStore(tmp_path / "a" / "home").prepare()

    assert {path.name for path in (tmp_path / "a" / "home").iterdir()} == {"packages", "tmp"}
    assert not list((tmp_path / "a" / "home" / "tmp").iterdir())


def test_making_a_store_touches_nothing(tmp_path: Path) -> None:
    WheelStore(tmp_path / "home")

    assert not list(tmp_path.iterdir())


# Arriving.


def test_a_file_is_not_there_before_it_is_whole(store: WheelStore, temporary: Path) -> None:
    with store.incoming("a.whl") as incoming:
        incoming.write(b"one ")
        incoming.write(b"two")
        assert not list(store.packages.iterdir())
        incoming.commit()

        assert store.path("a.whl").read_bytes() == b"one two"
        assert (incoming.size, incoming.sha256) == (7, hashlib.sha256(b"one two").hexdigest())
    assert not list(temporary.iterdir())


def test_what_is_not_committed_is_gone(store: WheelStore, temporary: Path) -> None:
    with store.incoming("a.whl") as incoming:
        incoming.write(noise("a", 100_000))

    assert not list(store.packages.iterdir())
    assert not list(temporary.iterdir())


def test_starting_over_forgets_what_came_before(store: WheelStore) -> None:
    with store.incoming("a.whl") as incoming:
        incoming.write(noise("a", 100_000))
        incoming.restart()
        assert incoming.size == 0
        incoming.write(b"new")
        incoming.commit()

    assert store.path("a.whl").read_bytes() == b"new"
    assert incoming.sha256 == hashlib.sha256(b"new").hexdigest()


def test_two_of_the_same_name_do_not_meet(store: WheelStore) -> None:
    with store.incoming("a.whl") as one, store.incoming("a.whl") as two:
        one.write(b"one")
        two.write(b"two")
        one.commit()
        two.commit()

    assert store.path("a.whl").read_bytes() == b"two"


# Recognizing.


def test_only_files_with_the_digest_of_the_lock_count(store: WheelStore) -> None:
    good, damaged, shorter = (
        put(store, wheel("good")),
        put(store, wheel("damaged")),
        put(store, wheel("short")),
    )
    missing = wheel("missing")
    content = bytearray(damaged.content)
    content[50] ^= 1
    store.path(damaged.file).write_bytes(content)
    store.path(shorter.file).write_bytes(shorter.content[:-1])
    store.path("folder-1.0-py3-none-any.whl").mkdir()

    found = store.sizes(dist.artifact() for dist in (good, damaged, shorter, missing, wheel("folder")))

    assert found == {good.file: good.size}


# Core metadata (PEP 658).


def test_metadata_is_taken_out_of_the_wheel(store: WheelStore) -> None:
    alpha = put(store, wheel("alpha", requires_python=">=3.9"))

    found = store.core_metadata(alpha.file)

    content = store.path(f"{alpha.file}.metadata").read_bytes()
    assert content == METADATA
    assert found is not None
    assert (found.sha256, found.size) == (hashlib.sha256(content).hexdigest(), len(content))
    assert found.requires_python == ">=3.9"


def test_metadata_that_is_there_is_not_written_again(store: WheelStore) -> None:
    alpha = put(store, wheel("alpha"))
    first = store.core_metadata(alpha.file)
    before = store.path(f"{alpha.file}.metadata").stat()

    assert store.core_metadata(alpha.file) == first
    after = store.path(f"{alpha.file}.metadata").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_damaged_metadata_is_written_anew(store: WheelStore) -> None:
    alpha = put(store, wheel("alpha", requires_python=">=3.9"))
    store.path(f"{alpha.file}.metadata").write_bytes(b"damaged")

    store.core_metadata(alpha.file)

    assert store.path(f"{alpha.file}.metadata").read_bytes() == METADATA


def spoiled(content: bytes, at: bytes, shift: int) -> bytes:
    """The archive with one byte changed, ``shift`` bytes after a landmark."""
    changed = bytearray(content)
    changed[content.index(at) + shift] ^= 0x5A
    return bytes(changed)


PLACE = "alpha-1.0.dist-info/METADATA"
LONG = METADATA + b"\n" + b"a long description " * 500


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(wheel("alpha", metadata=False).content, id="none in it"),
        pytest.param(b"no archive", id="no archive"),
        pytest.param(b"", id="empty"),
        pytest.param(wheel("alpha").content[:-30], id="cut short"),
        pytest.param(archive((f"deeper/{PLACE}", METADATA)), id="deeper"),
        pytest.param(archive((PLACE, METADATA), (f"beta-{PLACE}", METADATA)), id="two of them"),
        pytest.param(spoiled(archive((PLACE, METADATA)), METADATA, 5), id="wrong checksum"),
        pytest.param(
            spoiled(archive((PLACE, LONG), compression=zipfile.ZIP_DEFLATED), PLACE.encode(), len(PLACE)),
            id="damaged compression",
        ),
        pytest.param(archive((PLACE, LONG), compression=zipfile.ZIP_LZMA)[:60], id="stump"),
    ],
)
def test_a_wheel_without_readable_metadata_promises_none(store: WheelStore, content: bytes) -> None:
    store.path("alpha-1.0-py3-none-any.whl").write_bytes(content)

    assert store.core_metadata("alpha-1.0-py3-none-any.whl") is None
    assert not store.path("alpha-1.0-py3-none-any.whl.metadata").exists()


def test_compressed_metadata(store: WheelStore) -> None:
    store.path("alpha-1.0-py3-none-any.whl").write_bytes(
        archive((PLACE, LONG), compression=zipfile.ZIP_DEFLATED)
    )

    found = store.core_metadata("alpha-1.0-py3-none-any.whl")

    assert found is not None
    assert (found.size, found.requires_python) == (len(LONG), ">=3.9")


class TestOthers:
    DAY = 86_400

    @pytest.fixture
    def old(self, store: WheelStore) -> WheelStore:
        """A store whose files have all been there for ten days."""
        for name in (
            "alpha.whl",
            "alpha.whl.metadata",
            "beta.tar.gz",
            "gamma.whl.metadata",
            ".beta.0badcafe.tmp",
        ):
            store.path(name).write_bytes(name.encode())
            long_ago = time.time() - 10 * self.DAY
            os.utime(store.path(name), (long_ago, long_ago))
        (store.packages / "folder").mkdir()
        return store

    def test_are_what_is_neither_wanted_nor_beside_what_is(self, old: WheelStore) -> None:
        assert old.others({"alpha.whl"}, older_than_days=7) == {
            "beta.tar.gz": 11,
            "gamma.whl.metadata": 18,
            ".beta.0badcafe.tmp": 18,
        }
        assert old.others({"beta.tar.gz", "gamma.whl.metadata"}, older_than_days=7).keys() == {
            "alpha.whl", "alpha.whl.metadata", ".beta.0badcafe.tmp"
        }  # fmt: skip

    def test_are_not_what_arrived_lately(self, old: WheelStore) -> None:
        assert old.others((), older_than_days=11) == {}
        os.utime(old.path("beta.tar.gz"))
        assert "beta.tar.gz" not in old.others((), older_than_days=7)

    def test_can_be_removed_and_nothing_else(self, old: WheelStore) -> None:
        old.remove(["beta.tar.gz", "never-there.whl"])
        assert {path.name for path in old.packages.iterdir()} == {
            "alpha.whl", "alpha.whl.metadata", "gamma.whl.metadata", ".beta.0badcafe.tmp", "folder"
        }  # fmt: skip

    def test_of_a_store_that_is_not_there_are_none(self, tmp_path: Path) -> None:
        assert WheelStore(tmp_path / "never").others((), older_than_days=0) == {}
