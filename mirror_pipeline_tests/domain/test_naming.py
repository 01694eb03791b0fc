"""Names for files that are locked by hash only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from mirror_pipeline.domain.lock import Pin, Source
from mirror_pipeline.domain.naming import (
    UnknownHashes,
    named,
    needs_names,
    refuse_unhashed,
    release_of,
    told,
    unknown_hashes,
    with_names,
)
from mirror_pipeline.domain.wheelset import UpstreamFile
from mirror_pipeline.errors import LockError
from mirror_pipeline_tests.locks import digest_of, lock_of, pin

WHEEL, SDIST, OTHER = "a-1.0-py3-none-any.whl", "a-1.0.tar.gz", "a-2.0.tar.gz"


def hash_only(*files: str, source: Source = Source(), unhashed: bool = False) -> Pin:  # noqa: B008
    return replace(pin("a", source=source), files=(), hashes=tuple(map(digest_of, files)), unhashed=unhashed)


def listed(*files: str, spoiled: Iterable[str] = ()) -> list[UpstreamFile]:
    return [
        UpstreamFile(file, f"https://files.example/{file}", digest_of(file + "!" * (file in spoiled)), 7)
        for file in files
    ]


def names(found: Pin) -> list[str]:
    return [file.name for file in found.files]


def test_files_are_found_by_their_hash() -> None:
    asked = hash_only(WHEEL, SDIST)
    found = named(asked, [(None, listed(WHEEL, SDIST, OTHER))])
    assert names(found.answer) == [WHEEL, SDIST]
    assert [file.sha256 for file in found.answer.files] == [digest_of(WHEEL), digest_of(SDIST)]
    assert [file.size for file in found.answer.files] == [7, 7]
    assert found.complete
    assert found.asked == asked


def test_a_name_with_other_bytes_is_not_taken() -> None:
    found = named(hash_only(WHEEL), [(None, listed(WHEEL, spoiled=[WHEEL]))])
    assert names(found.answer) == []
    assert found.answer.hashes == (digest_of(WHEEL),)
    assert not found.complete


def test_a_pin_comes_from_the_first_index_that_knows_any_of_its_files_and_from_no_other() -> None:
    indexes = [
        (None, listed(OTHER)),
        ("https://first.example/simple", listed(WHEEL)),
        ("https://second.example/simple", listed(WHEEL, SDIST)),
    ]
    found = named(hash_only(WHEEL, SDIST), indexes)
    assert names(found.answer) == [WHEEL]
    assert found.answer.source == Source("registry", "https://first.example/simple")
    assert found.answer.hashes == (digest_of(SDIST),)


def test_a_configured_index_leaves_no_name_of_an_index_behind() -> None:
    asked = hash_only(WHEEL, source=Source("registry", None, ("https://extra.example/simple",)))
    assert named(asked, [(None, listed(WHEEL))]).answer.source == Source()


def test_without_any_hash_the_files_of_the_version_are_believed() -> None:
    found = named(hash_only(unhashed=True), [(None, listed(WHEEL, SDIST, OTHER))])
    assert names(found.answer) == [WHEEL, SDIST]
    assert not found.answer.unhashed
    assert found.complete


def test_an_empty_list_of_files_is_filled_where_upstream_is_believed() -> None:
    empty = hash_only()
    assert not needs_names(empty)
    assert needs_names(empty, believing=True)
    found = named(empty, [(None, listed(WHEEL, OTHER))])
    assert names(found.answer) == [WHEEL]
    assert found.asked == empty


def test_what_has_a_hash_stays_beside_what_has_none() -> None:
    found = named(replace(pin("a"), unhashed=True), [(None, listed(WHEEL, SDIST))])
    assert names(found.answer) == [WHEEL, SDIST]


def test_files_that_no_page_states_a_hash_of_are_left_out() -> None:
    files = [replace(file, sha256=None) for file in listed(WHEEL)]
    assert names(named(hash_only(unhashed=True), [(None, files)]).answer) == []


def test_an_unsafe_name_is_never_taken() -> None:
    unsafe = [replace(file, file=f"../{WHEEL}") for file in listed(WHEEL)]
    assert names(named(hash_only(WHEEL), [(None, unsafe)]).answer) == []


def test_a_wheel_that_a_page_gives_the_name_of_another_project_is_not_taken() -> None:
    renamed = [replace(file, file="b-1.0-py3-none-any.whl") for file in listed(WHEEL)]
    assert names(named(hash_only(WHEEL), [(None, renamed)]).answer) == []


@pytest.mark.parametrize(
    ("found", "needed"),
    [
        (pin("a"), False),
        (hash_only(WHEEL), True),
        (hash_only(unhashed=True), True),
        (hash_only(WHEEL, source=Source("git", "https://code.example/a")), False),
        (hash_only(WHEEL, source=Source("url", "https://files.example/a")), False),
    ],
)
def test_only_registry_pins_without_names_are_asked_about(found: Pin, needed: bool) -> None:
    assert needs_names(found) is needed


@pytest.mark.parametrize(
    ("file", "version"),
    [
        (WHEEL, "1.0"),
        (OTHER, "2.0"),
        ("a-1.0+cpu-py3-none-any.whl", "1.0+cpu"),
        ("a-b-1.0.tar.gz", "1.0"),
        ("a-1.0.zip", "1.0"),
        ("a-1.0-py3.9.egg", None),
        ("a-1.0.exe", None),
        ("a-next.tar.gz", None),
    ],
)
def test_a_release_is_told_by_its_file_name(file: str, version: str | None) -> None:
    assert release_of(file) == (Version(version) if version else None)


def test_hashes_shared_by_several_versions_are_sorted_out_by_the_names() -> None:
    local = "a-1.0+cpu-py3-none-any.whl"
    found = named(hash_only(WHEEL, OTHER, local), [(None, listed(WHEEL, OTHER, local))])
    assert names(found.answer) == [local, WHEEL]
    assert found.answer.hashes == ()
    assert found.complete


def test_a_lock_takes_the_answers_and_keeps_its_order() -> None:
    asked, other = hash_only(WHEEL), pin("b")
    found = named(asked, [(None, listed(WHEEL))]).answer
    assert with_names(lock_of(other, asked), {asked: found}).pins == (other, found)


def test_hashes_that_no_upstream_knows_are_listed_and_told_in_one_line() -> None:
    left = hash_only(WHEEL, SDIST)
    outside = hash_only(WHEEL, source=Source("git", "https://code.example/a"))
    unknown = unknown_hashes([lock_of(left, pin("b")), lock_of(outside)])
    assert unknown == (UnknownHashes(left.name, "1.0", left.hashes),)
    assert told(unknown) == ("2 locked hashes are of files that no upstream lists: a==1.0 (2)",)
    assert told(()) == ()
    assert told(unknown * 5)[0].endswith("and 2 more")


def test_a_pin_without_a_hash_is_refused_with_its_name_and_what_can_be_done() -> None:
    with pytest.raises(LockError) as caught:
        refuse_unhashed(lock_of(hash_only(unhashed=True), pin("b")), "shop/requirements.txt")
    assert str(caught.value).startswith("shop/requirements.txt: no hash is locked for a==1.0")
    assert "MIRROR_ALLOW_UNHASHED" in caught.value.hint
    assert caught.value.facts["packages"] == ["a==1.0"]


def test_a_source_outside_the_mirror_needs_no_hash() -> None:
    outside = hash_only(source=Source("git", "https://code.example/a"), unhashed=True)
    refuse_unhashed(lock_of(outside), "shop/uv.lock")
    assert unknown_hashes([lock_of(outside)]) == ()


FILES = [f"a-1.0-{number}-py3-none-any.whl" for number in range(1, 6)]


@given(st.sets(st.sampled_from(FILES), min_size=1), st.lists(st.sets(st.sampled_from(FILES)), max_size=3))
def test_every_hash_is_either_named_or_left_and_none_is_made_up(
    wanted: set[str], pages: list[set[str]]
) -> None:
    asked = hash_only(*sorted(wanted))
    found = named(asked, [(None, listed(*sorted(page))) for page in pages]).answer
    assert {file.sha256 for file in found.files} | set(found.hashes) == set(asked.hashes)
    assert {file.sha256 for file in found.files} & set(found.hashes) == set()
    serving = next((page for page in pages if page & wanted), set())
    assert {file.name for file in found.files} == serving & wanted
