"""Batches made ahead are those that a plain loader gives, in its order, and made while the step before is under way."""

# ruff: noqa: TID253 - tests of torch modules

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from crescendai_assets.training.ahead import AheadLoader, ahead


def test_it_gives_what_a_plain_loader_gives_epoch_after_epoch():
    data = TensorDataset(torch.arange(10).float())
    plain, made = (kind(data, sampler=[[3, 1], [0], [9, 8]], batch_size=None) for kind in (DataLoader, AheadLoader))
    assert len(made) == len(plain) == 3
    for _ in range(2):
        assert [batch[0].tolist() for batch in made] == [batch[0].tolist() for batch in plain] == [[3, 1], [0], [9, 8]]


def test_so_many_are_made_before_they_are_asked_for_and_no_more():
    begun: list[int] = []

    def items() -> Iterator[int]:
        for number in range(6):
            begun.append(number)
            yield number

    found = ahead(items(), 2)
    for asked in range(4):
        until = time.monotonic() + 5
        while len(begun) < asked + 2 and time.monotonic() < until:
            time.sleep(0.001)
        time.sleep(0.02)
        assert len(begun) == asked + 2
        assert next(found) == asked


def test_what_fails_is_raised_where_it_is_asked_for():
    def items() -> Iterator[int]:
        yield 0
        yield 1
        raise ValueError("segment 2 is gone")

    found = ahead(items(), 2)
    assert [next(found), next(found)] == [0, 1]
    with pytest.raises(ValueError, match="segment 2 is gone"):
        next(found)


def test_an_epoch_that_is_left_early_leaves_no_thread():
    import threading

    before = threading.active_count()
    found = ahead(iter(range(100)), 2)
    assert next(found) == 0
    found.close()  # type: ignore[attr-defined]  # a generator
    assert threading.active_count() == before
    assert list(ahead(iter(()), 2)) == []
