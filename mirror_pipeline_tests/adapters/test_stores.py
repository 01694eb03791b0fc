"""One suite for every wheel store, a folder and buckets; then what only a bucket's can get wrong."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from mirror_pipeline.adapters.objects import ObjectStore
from mirror_pipeline.adapters.remote_store import RemoteWheelStore
from mirror_pipeline.adapters.store import Store, WheelStore
from mirror_pipeline.domain.about import About
from mirror_pipeline.domain.wheelset import CoreMetadata
from mirror_pipeline.errors import StorageError
from mirror_pipeline_tests.adapters.conftest import BUCKETS, bucket_of
from mirror_pipeline_tests.fakes import Bucket, MemoryObjects, upload_of
from mirror_pipeline_tests.wheels import Dist, metadata_text, noise, sdist, wheel

ALPHA = wheel("alpha", "1.0", requires_python=">=3.9")
EPOCH = wheel("epoch", "1!2.0+cpu", "cp312-cp312-manylinux_2_17_x86_64")
SOURCE = sdist("source")
BARE = wheel("bare", metadata=False)
METADATA = metadata_text("alpha", "1.0", ">=3.9", ())
TOLD = CoreMetadata(hashlib.sha256(METADATA).hexdigest(), len(METADATA), ">=3.9", About())
PREFIX = "shop/packages/"

Machine = Callable[[str], Store]
"""The store as the machine of that name has it."""


def put(store: Store, *dists: Dist) -> None:
    store.prepare()
    for dist in dists:
        with store.incoming(dist.file) as incoming:
            incoming.write(dist.content)
            incoming.commit()


def digests_of(*dists: Dist) -> Mapping[str, str]:
    """What a manifest of these says."""
    wheels = {f"packages/{dist.file}": dist.sha256 for dist in dists}
    return {**wheels, f"packages/{ALPHA.file}.metadata": TOLD.sha256}


@pytest.fixture(params=["directory", *BUCKETS])
def machine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    """Machines share what they must: a disk where the store is a folder, nothing but the bucket otherwise."""
    if request.param == "directory":
        return lambda _name: WheelStore(tmp_path / "home")
    objects = bucket_of(request.param, request, monkeypatch)
    return lambda name: RemoteWheelStore(tmp_path / name, objects, PREFIX, folder_is_site=False)


def test_what_one_puts_another_finds(machine: Machine) -> None:
    put(machine("one"), ALPHA, EPOCH, SOURCE)
    other = wheel("alpha", "1.0", requires_python=">=3.10")
    assert other.file == ALPHA.file

    found = machine("two").sizes(dist.artifact() for dist in (ALPHA, EPOCH, SOURCE, wheel("missing")))

    assert found == {dist.file: dist.size for dist in (ALPHA, EPOCH, SOURCE)}
    assert machine("two").sizes([other.artifact()]) == {}
    assert machine("two").sizes([]) == {}


def test_of_many_all_are_found(machine: Machine) -> None:
    dists = [wheel(f"project-{number}") for number in range(30)]
    put(machine("one"), *dists)
    found = machine("two").sizes([*(dist.artifact() for dist in dists), wheel("missing").artifact()])
    assert found == {dist.file: dist.size for dist in dists}


def test_what_is_not_committed_is_not_there(machine: Machine, tmp_path: Path) -> None:
    store = machine("one")
    store.prepare()
    with store.incoming(ALPHA.file) as incoming:
        incoming.write(ALPHA.content)
    assert store.sizes([ALPHA.artifact()]) == {}
    assert not list(tmp_path.rglob("*.part"))


def test_wheels_are_described_by_whoever_asks(machine: Machine) -> None:
    put(machine("one"), ALPHA, BARE)
    wheels = [ALPHA.artifact(), BARE.artifact()]
    for name in ("one", "two"):
        for thoroughly in (False, True):
            found = machine(name).described(wheels, {}, thoroughly=thoroughly)
            assert found == {ALPHA.file: TOLD, BARE.file: None}


def test_files_are_brought_to_who_publishes(machine: Machine) -> None:
    one, two = machine("one"), machine("two")
    put(one, ALPHA, EPOCH)
    one.described([ALPHA.artifact()], {})
    digests = digests_of(ALPHA, EPOCH)

    assert two.bring(digests, digests) == {}

    assert (two.packages / ALPHA.file).read_bytes() == ALPHA.content
    assert (two.packages / f"{ALPHA.file}.metadata").read_bytes() == METADATA
    assert (two.packages / EPOCH.file).read_bytes() == EPOCH.content


def test_what_is_old_and_unwanted_can_be_removed_and_nothing_else(machine: Machine) -> None:
    one, two = machine("one"), machine("two")
    put(one, ALPHA, EPOCH, SOURCE)
    one.described([ALPHA.artifact(), EPOCH.artifact()], {})

    assert two.others({ALPHA.file}, older_than_days=1) == {}
    unneeded = two.others({ALPHA.file, SOURCE.file}, older_than_days=-1)
    assert {name.rpartition("/")[2] for name in unneeded} == {EPOCH.file, f"{EPOCH.file}.metadata"}
    two.remove(unneeded)

    artifacts = [dist.artifact() for dist in (ALPHA, EPOCH, SOURCE)]
    assert machine("three").sizes(artifacts).keys() == {ALPHA.file, SOURCE.file}
    assert two.others({ALPHA.file, SOURCE.file}, older_than_days=-1) == {}


# What only a bucket's store can get wrong. Who looks again is another machine, which knows nothing.


@dataclass
class Shop:
    """A store in memory and its machines."""

    root: Path
    bucket: Bucket = field(default_factory=Bucket)

    def machine(self, name: str, objects: MemoryObjects | None = None) -> RemoteWheelStore:
        """The store as one machine has it."""
        chosen = objects or MemoryObjects(self.bucket)
        return RemoteWheelStore(self.root / name, chosen, PREFIX, folder_is_site=False)

    def key(self, dist: Dist, more: str = "") -> str:
        """Where a file lies in the bucket."""
        return f"{PREFIX}{dist.sha256}/{dist.file}{more}"


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_keys_name_the_digest_of_the_wheel(shop: Shop) -> None:
    put(shop.machine("one"), ALPHA, SOURCE)
    assert shop.bucket.objects.keys() == {shop.key(ALPHA), shop.key(ALPHA, ".metadata"), shop.key(SOURCE)}
    assert {kept.cache_control for kept in shop.bucket.objects.values()} == {"private, no-store"}


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("write", [0, 1], ids=["metadata", "wheel"])
def test_whoever_dies_while_writing_leaves_a_wheel_with_its_metadata_or_none(
    shop: Shop, moment: str, write: int
) -> None:
    class Killed(BaseException):
        """What no code of ours catches."""

    writes: list[str] = []

    def die(operation: str, key: str) -> None:
        if operation == "put":
            writes.append(key)
            if len(writes) == write + 1:
                raise Killed

    objects = MemoryObjects(shop.bucket, **{moment: die})
    with pytest.raises(Killed):
        put(shop.machine("one", objects), ALPHA)

    found = shop.machine("two").sizes([ALPHA.artifact()])
    whole = (moment, write) == ("after", 1)
    assert found == ({ALPHA.file: ALPHA.size} if whole else {})
    assert shop.key(ALPHA) not in shop.bucket.objects or shop.key(ALPHA, ".metadata") in shop.bucket.objects
    assert not list(shop.root.rglob("*.part"))

    put(shop.machine("three"), ALPHA)
    assert shop.machine("four").described([ALPHA.artifact()], {}) == {ALPHA.file: TOLD}


def test_looking_for_files_asks_for_no_file(shop: Shop) -> None:
    dists = [wheel(f"project-{number}") for number in range(300)]
    put(shop.machine("one"), *dists)
    asked: list[str] = []
    objects = MemoryObjects(shop.bucket, before=lambda operation, _key: asked.append(operation))

    store = shop.machine("two", objects)
    assert len(store.sizes(dist.artifact() for dist in dists)) == 300
    assert set(asked) == {"list"}
    assert len(asked) <= 16


def test_what_an_earlier_set_says_of_metadata_is_believed(shop: Shop) -> None:
    put(shop.machine("one"), ALPHA, BARE)
    objects = MemoryObjects(shop.bucket)
    known = {ALPHA.sha256: TOLD, BARE.sha256: None}
    found = shop.machine("two", objects).described([ALPHA.artifact(), BARE.artifact()], known)
    assert found == {ALPHA.file: TOLD, BARE.file: None}
    assert objects.requests == 0


def test_what_a_set_of_an_earlier_release_left_unsaid_is_read_again(shop: Shop) -> None:
    put(shop.machine("one"), ALPHA)
    objects = MemoryObjects(shop.bucket)
    known = {ALPHA.sha256: replace(TOLD, about=None)}
    found = shop.machine("two", objects).described([ALPHA.artifact()], known)
    assert found == {ALPHA.file: TOLD}
    assert objects.requests == 1


def test_metadata_that_is_gone_is_taken_from_the_wheel_and_written_again(shop: Shop) -> None:
    put(shop.machine("one"), ALPHA)
    del shop.bucket.objects[shop.key(ALPHA, ".metadata")]
    assert shop.machine("two").described([ALPHA.artifact()], {}) == {ALPHA.file: TOLD}
    assert shop.bucket.objects[shop.key(ALPHA, ".metadata")].content == METADATA


def test_metadata_with_other_bytes_is_found_by_a_thorough_look(shop: Shop) -> None:
    put(shop.machine("one"), ALPHA)
    MemoryObjects(shop.bucket).spoil(shop.key(ALPHA, ".metadata"), b"Name: other\n")
    found = shop.machine("two").described([ALPHA.artifact()], {ALPHA.sha256: TOLD}, thoroughly=True)
    assert found == {ALPHA.file: TOLD}
    assert shop.bucket.objects[shop.key(ALPHA, ".metadata")].content == METADATA


def test_a_wheel_with_other_bytes_is_found_by_a_thorough_look_and_by_who_brings_it(shop: Shop) -> None:
    put(shop.machine("one"), ALPHA, EPOCH)
    MemoryObjects(shop.bucket).spoil(shop.key(ALPHA), noise("damage", ALPHA.size))
    two = shop.machine("two")
    artifacts = [ALPHA.artifact(), EPOCH.artifact()]

    assert two.sizes(artifacts).keys() == {ALPHA.file, EPOCH.file}
    assert two.sizes(artifacts, thoroughly=True) == {EPOCH.file: EPOCH.size}
    (problem,) = two.bring([f"packages/{ALPHA.file}"], digests_of(ALPHA)).items()
    assert problem[0] == f"packages/{ALPHA.file}"
    assert problem[1].startswith(f"the store has other bytes: expected {ALPHA.sha256}")
    assert not (two.packages / ALPHA.file).exists()
    assert not list(shop.root.rglob("*.part"))


def test_a_wheel_that_cannot_be_read_says_so_where_its_metadata_is_wanted(shop: Shop) -> None:
    put(shop.machine("one"), ALPHA)
    del shop.bucket.objects[shop.key(ALPHA, ".metadata")]
    MemoryObjects(shop.bucket).spoil(shop.key(ALPHA), b"damage")
    with pytest.raises(StorageError, match="other bytes") as caught:
        shop.machine("two").described([ALPHA.artifact()], {})
    assert "--repair" in str(caught.value)


def test_what_cannot_be_brought_is_named_and_the_rest_is_brought(shop: Shop) -> None:
    put(shop.machine("one"), ALPHA, EPOCH)
    digests = {**digests_of(ALPHA, EPOCH), "packages/gone.whl": "0" * 64, "packages/x.whl.metadata": "1" * 64}
    two = shop.machine("two")
    assert two.bring(digests, digests) == {
        "packages/gone.whl": "not in the store", "packages/x.whl.metadata": "not in the store"
    }  # fmt: skip
    assert (two.packages / EPOCH.file).is_file()


def test_what_lies_in_the_folder_is_brought_by_nobody_if_it_is_whole(shop: Shop) -> None:
    put(shop.machine("one"), ALPHA, EPOCH)
    digests = digests_of(ALPHA, EPOCH)
    shop.machine("two").bring(digests, digests)
    (shop.root / "two" / "packages" / EPOCH.file).write_bytes(b"damage")

    objects = MemoryObjects(shop.bucket)
    assert shop.machine("two", objects).bring(digests, digests) == {}
    assert objects.requests == 1
    assert (shop.root / "two" / "packages" / EPOCH.file).read_bytes() == EPOCH.content


def test_the_folder_of_a_published_directory_is_left_to_the_site(shop: Shop) -> None:
    objects = MemoryObjects(shop.bucket)
    put(shop.machine("one"), ALPHA)
    for folder_is_site, count in ((True, 2), (False, 4)):
        store = RemoteWheelStore(shop.root / "one", objects, PREFIX, folder_is_site=folder_is_site)
        assert len(store.others((), older_than_days=-1)) == count


def test_stores_of_several_mirrors_do_not_meet(objects: ObjectStore, tmp_path: Path) -> None:
    objects.put(upload_of("shop2/packages/x", b"of another"))
    store = RemoteWheelStore(tmp_path, objects, PREFIX, folder_is_site=False)
    put(store, ALPHA)
    assert all(name.startswith(ALPHA.sha256) for name in store.others((), older_than_days=-1) if "/" in name)
