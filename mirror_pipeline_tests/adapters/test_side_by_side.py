"""Much work at once: each sort in its own threads, all of it done, and an end to it after the first error."""

from __future__ import annotations

import threading

import pytest

from mirror_pipeline.adapters.side_by_side import side_by_side

PATIENCE = 10.0


def test_everything_is_done_once() -> None:
    done = side_by_side(lambda number: number * 2, range(1000), lambda number: number % 3 + 1)
    assert sorted(done) == list(range(0, 2000, 2))


def test_of_nothing_is_nothing() -> None:
    assert side_by_side(lambda number: number, [], lambda _: 4) == []


@pytest.mark.parametrize("most", [1, 3])
def test_no_more_than_so_many_are_under_way(most: int) -> None:
    lock = threading.Lock()
    now, highest = 0, 0
    met = threading.Barrier(most)

    def work(_number: int) -> None:
        nonlocal now, highest
        with lock:
            now += 1
            highest = max(highest, now)
        met.wait(PATIENCE)  # nobody goes on before there are so many
        with lock:
            now -= 1

    side_by_side(work, range(12), lambda _: most)
    assert highest == most


def test_what_waits_for_its_turn_keeps_no_other_sort_from_working() -> None:
    """One slow folder at a time, while pages go by."""
    pages_done = threading.Event()
    left = [30]
    lock = threading.Lock()

    def work(key: str) -> bool:
        if key.endswith("/"):
            return pages_done.wait(PATIENCE)
        with lock:
            left[0] -= 1
            if not left[0]:
                pages_done.set()
        return True

    keys = [*(f"folder-{number}/" for number in range(30)), *(f"page-{number}" for number in range(30))]
    assert all(side_by_side(work, keys, lambda key: 1 if key.endswith("/") else 4))


def test_the_first_error_ends_what_has_not_begun() -> None:
    begun: list[int] = []
    failed = threading.Event()

    def work(number: int) -> None:
        begun.append(number)
        if number == 1:
            failed.set()
            raise ValueError("one")
        if number > 1:
            raise AssertionError(number)
        assert failed.wait(PATIENCE)

    with pytest.raises(ValueError, match="one"):
        side_by_side(work, range(2), lambda _: 2)
    begun.clear()
    with pytest.raises(ValueError, match="one"):
        side_by_side(work, [1, *range(100)], lambda _: 1)
    assert begun == [1]
