"""A loader that makes the next batches while a step is under way, in a thread: for machines without a GPU.

Reading and padding leave Python's lock free most of the time, and a thread hands a batch over without a copy. Beside a
GPU there are cores to spare, and processes of torch's own loader do it. Datasets draw by generators of their own, so
that batches are the same however they are made.
"""

# ruff: noqa: TID253 - a loader of torch; nothing that definitions reach imports this

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from torch.utils.data import DataLoader

T = TypeVar("T")

AHEAD = 2
"""Batches that are made before they are asked for."""

_OVER: Any = object()


class AheadLoader(DataLoader[Any]):
    """A `DataLoader` without worker processes whose batches are made ahead."""

    def __iter__(self) -> Any:
        return ahead(super().__iter__(), AHEAD)


def ahead(items: Iterator[T], count: int) -> Iterator[T]:
    """The same items in the same order, up to `count` of them taken in a thread before they are asked for.

    Raises:
        Exception: What taking an item raises, when that item is asked for.
    """
    pool = ThreadPoolExecutor(1, "ahead")
    taken = deque(pool.submit(next, items, _OVER) for _ in range(count))
    return _handed_over(items, pool, taken)


def _handed_over(items: Iterator[T], pool: ThreadPoolExecutor, taken: deque[Future[T]]) -> Iterator[T]:
    try:
        while (item := taken.popleft().result()) is not _OVER:
            taken.append(pool.submit(next, items, _OVER))
            yield item
    finally:
        pool.shutdown(cancel_futures=True)
