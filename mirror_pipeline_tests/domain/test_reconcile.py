"""Books against a listing: exactly what was changed or removed behind their back is found."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirror_pipeline.domain.objects import Listed, Stored
from mirror_pipeline.domain.reconcile import CHANGED, MISSING, compare
from mirror_pipeline.domain.verification import Finding

stored = st.builds(Stored, st.text("ab", max_size=2), st.integers(0, 3), st.sampled_from(["e1", "e2"]))
books = st.dictionaries(st.sampled_from("abcdef"), stored)


def listing(known: dict[str, Stored]) -> list[Listed]:
    return [Listed(key, one.size, one.etag, modified=5.0) for key, one in known.items()]


@settings(deadline=None)
@given(books)
def test_what_is_as_it_was_stored_is_no_finding(known: dict[str, Stored]) -> None:
    assert compare(known, listing(known)) == ()


@settings(deadline=None)
@given(books, books)
def test_what_differs_in_size_or_etag_or_is_not_there_is_named(
    known: dict[str, Stored], there: dict[str, Stored]
) -> None:
    findings = compare(known, listing(there))
    expected = dict.fromkeys(known.keys() - there.keys(), MISSING)
    for key in known.keys() & there.keys():
        if (known[key].size, known[key].etag) != (there[key].size, there[key].etag):
            expected[key] = CHANGED
    assert {found.subject: found.problem for found in findings} == expected
    assert [found.subject for found in findings] == sorted(expected)
    assert all(found.layer == "bucket" for found in findings)


@settings(deadline=None)
@given(books)
def test_what_the_books_do_not_know_is_no_finding(there: dict[str, Stored]) -> None:
    assert compare({}, listing(there)) == ()


@pytest.mark.parametrize("change", [{"size": 8}, {"etag": "e2"}])
def test_a_change_says_what_was_expected_and_what_is_there(change: dict[str, object]) -> None:
    was = Stored("d" * 64, 7, "e1")
    now = replace(Listed("key", 7, "e1", 5.0), **change)  # type: ignore[arg-type]
    (found,) = compare({"key": was}, [now])
    assert found == Finding("bucket", "key", CHANGED, "e1, 7 bytes", f"{now.etag}, {now.size} bytes")


def test_a_removal_says_which_bytes_were_there() -> None:
    assert compare({"key": Stored("d" * 64, 7, "e")}, []) == (Finding("bucket", "key", MISSING, "d" * 64),)


def test_when_it_was_written_does_not_matter() -> None:
    known = {"key": Stored("d", 7, "e")}
    assert compare(known, [Listed("key", 7, "e", 0.0)]) == compare(known, [Listed("key", 7, "e", 1e12)]) == ()
