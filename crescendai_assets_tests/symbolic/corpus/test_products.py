"""What is kept of a file is what the functions of a file give."""

from __future__ import annotations

import numpy as np
import pytest

from crescendai_assets.bench.symbolic import write_playing
from crescendai_assets.symbolic.corpus.pack import read_pack, write_pack
from crescendai_assets.symbolic.corpus.products import hetero_graph, products, score_graph, windows
from crescendai_assets.symbolic.features import extract_continuous_features
from crescendai_assets.symbolic.graphs import extract_graph, extract_hetero_graph
from crescendai_assets.symbolic.hand_features import extract_hand_features
from crescendai_assets.symbolic.midi import read_midi
from crescendai_assets.symbolic.tokenizer import PianoTokenizer
from crescendai_assets.symbolic.voices import estimated_voices


@pytest.fixture
def played(tmp_path):
    path = tmp_path / "played.mid"
    write_playing(path, 30)
    return path


def kept(path, name, **options):
    """A product of a file after it went through a pack on disk."""
    made = products(**options)[name].make(path)
    write_pack(path.with_suffix(".pt"), {"it": made.arrays})
    return read_pack(path.with_suffix(".pt"))[0], made.facts


def test_token_sequences_are_the_tokenizers_windows(played):
    arrays, facts = kept(played, "tokens", max_seq_len=256)
    expected = PianoTokenizer(256).windows(played)
    assert len(expected) > 1
    assert windows(arrays) == expected
    assert facts == {"tokens": sum(map(len, expected)), "sequences": len(expected)}


def test_a_graph_is_that_of_the_file(played):
    import torch

    arrays, facts = kept(played, "score_graphs")
    found, expected = score_graph(arrays), extract_graph(played, estimated_voices(read_midi(played)))
    for name in ("x", "edge_index", "edge_type"):
        assert torch.equal(found[name], expected[name]), name
        assert found[name].dtype == expected[name].dtype
    counts = {"nodes": expected.num_nodes, "edges": expected.num_edges}
    assert facts == {**counts, "voices": "estimate", "voices_fault": None}


def test_a_graph_by_type_is_that_of_the_file(played):
    import torch

    arrays, _ = kept(played, "hetero_graphs")
    found, expected = hetero_graph(arrays), extract_hetero_graph(played, estimated_voices(read_midi(played)))
    assert found.edge_types == expected.edge_types
    for kind in expected.edge_types:
        assert torch.equal(found[kind].edge_index, expected[kind].edge_index), kind
    assert torch.equal(found["note"].x, expected["note"].x)


def test_curves_and_hand_features_are_those_of_the_file(played):
    arrays, facts = kept(played, "features")
    np.testing.assert_array_equal(arrays["curves"], extract_continuous_features(played))
    np.testing.assert_array_equal(arrays["hand"], np.array([list(extract_hand_features(played).values())], np.float32))
    assert facts == {"frames": len(arrays["curves"])}


def test_another_length_of_sequences_makes_tokens_stale_and_nothing_else():
    bytes_of_a_file = "0" * 64
    short, long = products(256), products(2048)
    same = {
        name: short[name].fingerprints()(bytes_of_a_file) == long[name].fingerprints()(bytes_of_a_file)
        for name in short
    }
    assert same == {"tokens": False, "score_graphs": True, "hetero_graphs": True, "features": True}
