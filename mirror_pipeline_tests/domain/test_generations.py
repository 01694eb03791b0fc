"""What is told of generations, and what a rollback holds."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirror_pipeline.domain.generations import (
    Generation,
    Hold,
    Provenance,
    SiteStatus,
    record_of,
    went_live,
)
from mirror_pipeline.domain.manifest import Entry, Manifest
from mirror_pipeline_tests.locks import digest_of

NOW, LATER = "2026-11-20T00:00:00+00:00", "2026-12-20T00:00:00+00:00"
PROVENANCE = Provenance(NOW, "ann@example", "lock-1")


def entry(size: int) -> Entry:
    return Entry(digest_of(str(size)), size, "t", "c")


def generation(number: int, left: str = "") -> Generation:
    return Generation(number, NOW, "ann@example", f"m{number}", "r", "l", 1, 2, 3, left)


def test_a_record_counts_what_the_manifest_names() -> None:
    files = {
        "packages/a-1.0-py3-none-any.whl": entry(1000),
        "packages/a-1.0-py3-none-any.whl.metadata": entry(100),
        "packages/b-1.0.tar.gz": entry(5000),
        "simple/index.html": entry(10),
        "requirements-prod.txt": entry(1),
    }
    manifest = Manifest("r1", ("noarch",), files)
    assert record_of(4, manifest, PROVENANCE) == Generation(
        number=4,
        made=NOW,
        by="ann@example",
        manifest=manifest.digest,
        requirements="r1",
        lock="lock-1",
        packages=2,
        pages=2,
        size=6111,
        left="",
        removed="",
    )


def test_of_nothing_there_is_a_record_too() -> None:
    made = record_of(1, Manifest("", (), {}), PROVENANCE)
    assert (made.packages, made.pages, made.size) == (0, 0, 0)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 9), st.sampled_from(["", NOW])), unique_by=lambda pair: pair[0]),
    st.integers(1, 9),
    st.sets(st.integers(1, 9)),
)
def test_what_is_live_now_is_not_left_and_what_was_is(
    pairs: list[tuple[int, str]], number: int, before: set[int]
) -> None:
    records = tuple(generation(*pair) for pair in pairs)
    after = {one.number: one for one in went_live(records, number, before, LATER)}
    assert list(after) == [one.number for one in records]
    for one in records:
        left = "" if one.number == number else LATER if one.number in before else one.left
        assert after[one.number] == replace(one, left=left)


class TestHold:
    hold = Hold(1, "r2", "it broke the build", "ann@example", NOW)

    def test_counts_as_long_as_the_same_would_be_published(self) -> None:
        status = SiteStatus(live=1, hold=self.hold)
        assert status.held_by("r2") == self.hold
        assert status.held_by("r3") is None
        assert status.held_by("") is None

    def test_there_need_be_none(self) -> None:
        assert SiteStatus(live=1).held_by("r2") is None

    @pytest.mark.parametrize("part", ["generation 1", NOW, "ann@example", "it broke the build"])
    def test_says_what_why_who_and_when(self, part: str) -> None:
        assert part in str(self.hold)
