"""Much work of the same kind at once, in threads: so many of each sort, and an end to it after an error.

A thread takes what is next when it is through with what it had: a task for each item would cost more than
many a request. What does not belong here: what the work is (``s3_objects``).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def side_by_side(
    work: Callable[[Item], Result], items: Iterable[Item], at_once: Callable[[Item], int]
) -> list[Result]:
    """Results in no order. ``at_once`` sorts: items with the same number share so many threads.

    The first error stops what has not begun, and is raised when what has begun is at an end.
    """
    waiting: dict[int, deque[Item]] = {}
    for item in items:
        waiting.setdefault(at_once(item), deque()).append(item)
    done: list[Result] = []
    errors: list[BaseException] = []

    def one_after_another(queue: deque[Item]) -> None:
        try:
            while True:
                try:
                    item = queue.popleft()
                except IndexError:  # no look before: others take from the same queue
                    return
                done.append(work(item))
        except BaseException as error:
            errors.append(error)
            _stop(waiting.values())

    threads = [queue for most, queue in waiting.items() for _ in range(min(most, len(queue)))]
    with ThreadPoolExecutor(len(threads) or 1, thread_name_prefix="side-by-side") as pool:
        futures = [pool.submit(one_after_another, queue) for queue in threads]
        try:
            wait(futures)
        except BaseException:  # Ctrl-C
            _stop(waiting.values())
            raise
    if errors:
        raise errors[0]
    return done


def _stop(queues: Iterable[deque[Item]]) -> None:
    for queue in queues:
        queue.clear()
