from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.symbolic.corpus.pack import content_digest, encoded, read_pack, write_pack

ITEMS: dict[str, dict[str, Any]] = {
    "a": {"tokens": np.array([1, 2, 3], np.int16), "pairs": np.zeros((0, 2), np.int32)},
    "b": {"tokens": np.array([], np.int16), "pairs": np.array([[1, 2]], np.int32)},
    "c": {"tokens": np.array([9], np.int16), "pairs": np.array([[3, 4], [5, 6]], np.int32)},
}


def test_each_performance_comes_back_as_it_was_also_one_with_nothing(tmp_path):
    write_pack(tmp_path / "one.pt", ITEMS, {"of": "three"})
    pack = read_pack(tmp_path / "one.pt")
    assert pack.ids == ("a", "b", "c")
    assert pack.facts == {"of": "three"}
    for recording_id, arrays in pack.items():
        for name, one in arrays.items():
            np.testing.assert_array_equal(one, ITEMS[recording_id][name])
            assert one.dtype == ITEMS[recording_id][name].dtype
            assert one.shape == ITEMS[recording_id][name].shape


def test_a_place_counts_from_either_end_and_none_beyond_is_given(tmp_path):
    write_pack(tmp_path / "one.pt", ITEMS)
    pack = read_pack(tmp_path / "one.pt")
    assert pack[-1]["tokens"].tolist() == pack[2]["tokens"].tolist() == [9]
    for place in (3, -4):
        with pytest.raises(IndexError, match="of a pack of 3"):
            pack[place]


def test_the_bytes_follow_from_the_content_alone():
    again = {name: {k: v.copy() for k, v in arrays.items()} for name, arrays in ITEMS.items()}
    assert encoded(ITEMS) == encoded(again)
    assert encoded(ITEMS) != encoded({**ITEMS, "c": {**ITEMS["c"], "tokens": np.array([8], np.int16)}})


@pytest.mark.parametrize(
    "other",
    [
        {"x": np.array([1, 2], np.int32)},
        {"x": np.array([1, 3], np.int16)},
        {"x": np.array([[1, 2]], np.int16)},
        {"y": np.array([1, 2], np.int16)},
    ],
    ids=["type", "value", "shape", "name"],
)
def test_a_content_hash_tells_values_types_shapes_and_names_apart(other):
    assert content_digest({"x": np.array([1, 2], np.int16)}) != content_digest(other)


def test_a_file_that_is_missing_damaged_or_something_else_is_named_with_what_to_do(tmp_path):
    import torch

    with pytest.raises(SetupError, match=r"none\.pt: no such file; materialize"):
        read_pack(tmp_path / "none.pt")
    (tmp_path / "half.pt").write_bytes(encoded(ITEMS)[:200])
    with pytest.raises(SetupError, match=r"half\.pt: cannot be read .* materialize its asset again"):
        read_pack(tmp_path / "half.pt")
    torch.save({"format": 0}, tmp_path / "old.pt")
    with pytest.raises(SetupError, match=r"old\.pt: no pack of format 1"):
        read_pack(tmp_path / "old.pt")
