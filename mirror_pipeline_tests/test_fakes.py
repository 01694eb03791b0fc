"""The bucket in memory behaves as the tests that build on it believe."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import pytest

from mirror_pipeline.adapters.objects import ObjectStore
from mirror_pipeline.domain.objects import IfAbsent, IfMatch, Stored, Upload
from mirror_pipeline.errors import CloudError, PreconditionError
from mirror_pipeline_tests.fakes import BATCH, MemoryObjects, upload_of

ONE, TWO = upload_of("a/1", b"one", "text/plain", "public", "gzip"), upload_of("a/1", b"two")
MD5_OF_ONE = "f97c5d29941bfb1b2fdab0874906ab82"


def as_store(store: ObjectStore) -> ObjectStore:
    return store


def ignore(_upload: Upload) -> None:
    """Nobody watches."""


def test_what_is_written_is_read_back_with_its_headers() -> None:
    memory = MemoryObjects()
    store = as_store(memory)
    assert store.put(ONE) == Stored(hashlib.sha256(b"one").hexdigest(), 3, MD5_OF_ONE)
    found = store.get("a/1")
    assert found is not None
    assert (found.content, found.etag) == (b"one", MD5_OF_ONE)
    assert store.inspect("a/1") == Stored(ONE.sha256, 3, MD5_OF_ONE)
    kept = memory.objects["a/1"]
    assert (kept.content_type, kept.cache_control, kept.content_encoding) == ("text/plain", "public", "gzip")
    assert (store.get("a/2"), store.inspect("a/2"), store.requests) == (None, None, 5)


def test_files_are_written_too(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"one")
    memory = MemoryObjects()
    memory.put(Upload("a", tmp_path / "file", ONE.sha256, 3, "text/plain", "public"))
    assert memory.objects["a"].content == b"one"


def test_bytes_that_were_not_announced_are_refused() -> None:
    memory = MemoryObjects()
    with pytest.raises(CloudError, match="BadDigest"):
        memory.put(Upload("a", b"one", TWO.sha256, 3, "text/plain", "public"))
    assert not memory.objects


def test_conditions_hold_or_nothing_is_written() -> None:
    memory = MemoryObjects()
    with pytest.raises(PreconditionError):
        memory.put(ONE, IfMatch(MD5_OF_ONE))
    memory.put(ONE, IfAbsent())
    for condition in (IfAbsent(), IfMatch("0" * 32)):
        with pytest.raises(PreconditionError):
            memory.put(TWO, condition)
    assert memory.objects["a/1"].content == b"one"
    memory.put(TWO, IfMatch(MD5_OF_ONE))
    assert memory.objects["a/1"].content == b"two"


def test_a_server_that_ignores_conditions() -> None:
    memory = MemoryObjects()
    memory.bucket.conditional = False
    memory.put(ONE, IfMatch("0" * 32))
    memory.put(TWO, IfAbsent())
    assert memory.objects["a/1"].content == b"two"


def test_what_is_changed_behind_everybody_s_back_has_another_etag() -> None:
    memory = MemoryObjects()
    etag = memory.put(ONE).etag
    memory.spoil("a/1", b"spoilt")
    found = memory.get("a/1")
    assert found is not None
    assert found.content == b"spoilt"
    assert found.etag != etag
    assert memory.objects["a/1"].content_type == "text/plain"


def test_one_of_many_wins() -> None:
    memory = MemoryObjects()
    etag = memory.put(ONE).etag
    won: list[int] = []

    def write(number: int) -> None:
        try:
            memory.beside().put(upload_of("a/1", str(number).encode()), IfMatch(etag))
        except PreconditionError:
            return
        won.append(number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert memory.objects["a/1"].content == str(*won).encode()


def test_many_at_once_tell_which_were_there() -> None:
    memory, heard = MemoryObjects(), list[str]()
    memory.put(ONE)
    many = [TWO, *(upload_of(f"b/{number}", b"x") for number in range(5))]
    stored = memory.put_all(many, lambda upload: heard.append(upload.key), IfAbsent())
    assert stored.keys() == {upload.key for upload in many}
    assert [key for key, one in stored.items() if one is None] == ["a/1"]
    assert sorted(heard) == sorted(f"b/{number}" for number in range(5))
    assert memory.requests == 7


def test_the_first_error_stops_many() -> None:
    def refuse_the_third(_operation: str, _key: str) -> None:
        if memory.requests == 3:
            raise CloudError("refused")

    memory = MemoryObjects(before=refuse_the_third)
    with pytest.raises(CloudError, match="refused"):
        memory.put_all([upload_of(str(number), b"x") for number in range(9)], ignore)
    assert len(memory.objects) == 2


def test_listing_and_deleting_go_by_batches() -> None:
    memory = MemoryObjects()
    memory.put_all([upload_of(f"a/{number}", b"x") for number in range(BATCH + 1)], ignore)
    memory.put(upload_of("b", b"yy"))
    before = memory.requests
    assert {one.key for one in memory.list("a/")} == {f"a/{number}" for number in range(BATCH + 1)}
    assert memory.requests == before + 2
    assert [(one.key, one.size) for one in memory.list("b")] == [("b", 2)]
    assert list(memory.list("c")) == []
    assert memory.requests == before + 4
    memory.delete([*(f"a/{number}" for number in range(BATCH + 1)), "absent"])
    assert memory.requests == before + 6
    memory.delete([])
    assert memory.requests == before + 6
    assert set(memory.objects) == {"b"}


def test_hooks_come_before_and_after_the_effect() -> None:
    heard: list[tuple[str, str, str, bool]] = []

    def before(operation: str, key: str) -> None:
        heard.append(("before", operation, key, "a/1" in memory.objects))

    def after(operation: str, key: str) -> None:
        heard.append(("after", operation, key, "a/1" in memory.objects))

    memory = MemoryObjects(before=before, after=after)
    memory.put(ONE)
    memory.delete(["a/1"])
    list(memory.list("a"))
    assert heard == [
        ("before", "put", "a/1", False),
        ("after", "put", "a/1", True),
        ("before", "delete", "a/1", True),
        ("after", "delete", "a/1", False),
        ("before", "list", "a", False),
        ("after", "list", "a", False),
    ]


def test_somebody_else_comes_first_by_a_hook() -> None:
    memory = MemoryObjects()
    etag = memory.put(ONE).etag

    def write_it_too(_operation: str, key: str) -> None:
        memory.put(upload_of(key, b"other"))

    memory.before = write_it_too
    with pytest.raises(PreconditionError):
        memory.put(ONE, IfMatch(etag))
    assert memory.objects["a/1"].content == b"other"


def test_a_killed_request_has_no_effect_and_a_lost_answer_has() -> None:
    class Killed(BaseException):
        pass

    def kill(_operation: str, _key: str) -> None:
        raise Killed

    memory = MemoryObjects(before=kill)
    with pytest.raises(Killed):
        memory.put(ONE)
    assert not memory.objects
    with pytest.raises(Killed):
        memory.beside(after=kill).put(ONE)
    assert memory.objects["a/1"].content == b"one"


def test_a_batch_of_deletions_may_end_half_way() -> None:
    memory = MemoryObjects()
    for key in "abc":
        memory.put(upload_of(key, b"x"))

    def stop_at_c(_operation: str, key: str) -> None:
        if key == "c":
            raise CloudError("no answer")

    memory.before = stop_at_c
    with pytest.raises(CloudError):
        memory.delete("abc")
    assert set(memory.objects) == {"c"}
