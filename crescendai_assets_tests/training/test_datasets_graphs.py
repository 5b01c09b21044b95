"""Link prediction: what is asked is an edge, what stands for no edge is none, in graphs of every size."""

# ruff: noqa: TID253 - tests of torch datasets

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crescendai_assets.symbolic.graphs import NODE_FEATURES
from crescendai_assets.training.datasets import HeteroPretrainDataset, ScoreGraphPretrainingDataset, make_loader
from crescendai_assets.training.datasets_graphs import NEAR, not_joined
from crescendai_assets_tests.models.symbolic_examples import gnn, graph_of, hetero, hetero_graph_of, planted, played

LONG = played(0.5, 7, notes=45)


def pairs(edges) -> set[tuple[int, int]]:
    return {(min(a, b), max(a, b)) for a, b in edges.T.tolist()}


@given(
    st.integers(0, 90).flatmap(
        lambda notes: st.tuples(
            st.just(notes),
            st.lists(st.tuples(st.integers(0, max(notes - 1, 0)), st.integers(0, max(notes - 1, 0))), max_size=40)
            if notes
            else st.just([]),
        )
    ),
    st.integers(0, 30),
    st.integers(0, 5),
)
def test_pairs_that_are_not_joined_are_no_edges_in_either_direction(graph, count, seed):
    notes, listed = graph
    edges = np.array(listed, np.int64).reshape(-1, 2).T
    found = not_joined(notes, edges, count, np.random.default_rng(seed))
    assert len(pairs(found)) == found.shape[1], "none stands twice"
    assert not pairs(found) & pairs(edges)
    assert (found[0] < found[1]).all()
    assert found.size == 0 or found.max() < notes
    free = notes * (notes - 1) // 2 - len({pair for pair in pairs(edges) if pair[0] != pair[1]})
    assert found.shape[1] == min(count, free)


def test_half_of_the_pairs_that_are_not_joined_are_near():
    found = not_joined(1000, np.zeros((2, 0), np.int64), 4000, np.random.default_rng(0))
    near = (found[1] - found[0] <= NEAR).mean()
    assert 0.5 < near < 0.75  # of the far half some fall beyond the end


class TestScoreGraph:
    def test_what_is_asked_is_there_and_what_is_not_joined_is_not(self):
        graph = graph_of(LONG)
        dataset = ScoreGraphPretrainingDataset([graph], mask_fraction=0.2)
        item = dataset[0]
        assert item["x"].equal(graph.x)
        assert item["edge_index"].equal(graph.edge_index)
        assert item["edge_type"].equal(graph.edge_type)
        joined, asked = pairs(graph.edge_index), pairs(item["pos_edges"])
        assert asked <= joined
        assert len(asked) == item["pos_edges"].shape[1] == round(0.2 * len(joined))
        assert not pairs(item["neg_edges"]) & joined
        assert item["neg_edges"].shape == item["pos_edges"].shape
        again = dataset[0]
        assert all(item[name].equal(again[name]) for name in item)
        dataset.set_epoch(1)
        assert not dataset[0]["pos_edges"].equal(item["pos_edges"])

    def test_an_excerpt_begins_at_its_own_first_note_and_keeps_the_edges_within(self):
        graph = graph_of(LONG)
        onset = NODE_FEATURES.index("onset")
        dataset = ScoreGraphPretrainingDataset([graph], max_notes=20)
        firsts = set()
        for epoch in range(12):
            dataset.set_epoch(epoch)
            item = dataset[0]
            assert len(item["x"]) == 20
            assert item["x"][0, onset] == 0
            first = next(
                n for n in range(26) if torch.equal(graph.x[n : n + 20][:, [0, 1, 3]], item["x"][:, [0, 1, 3]])
            )
            within = [(a, b) for a, b in graph.edge_index.T.tolist() if first <= min(a, b) <= max(a, b) < first + 20]
            assert item["edge_index"].T.tolist() == [[a - first, b - first] for a, b in within]
            assert len(item["edge_type"]) == len(within)
            firsts.add(first)
        assert len(firsts) > 3

    def test_ratio_of_pairs_that_are_not_joined(self):
        item = ScoreGraphPretrainingDataset([graph_of(LONG)], neg_ratio=2.0)[0]
        assert item["neg_edges"].shape[1] == 2 * item["pos_edges"].shape[1]
        with pytest.raises(ValueError, match="mask_fraction is 1"):
            ScoreGraphPretrainingDataset([], mask_fraction=1)

    def test_batches_are_one_graph_and_pretrain_the_encoder(self):
        dataset = ScoreGraphPretrainingDataset([graph_of(one) for one in planted(3, 0)[0]])
        (batch,) = make_loader(dataset, 3, shuffle=False)
        sizes = [len(dataset[n]["x"]) for n in range(3)]
        assert batch["batch"].tolist() == [n for n, size in enumerate(sizes) for _ in range(size)]
        for name in ("edge_index", "pos_edges", "neg_edges"):
            assert batch["batch"][batch[name][0]].equal(batch["batch"][batch[name][1]]), "no edge between graphs"
        assert not pairs(batch["neg_edges"]) & pairs(batch["edge_index"])
        assert pairs(batch["pos_edges"]) <= pairs(batch["edge_index"])
        assert gnn().training_step(batch, 0) > 0

    def test_a_single_note_is_asked_nothing(self):
        item = ScoreGraphPretrainingDataset([graph_of(played(0.5, 0, notes=1))])[0]
        assert item["pos_edges"].shape == item["neg_edges"].shape == (2, 0)


class TestHetero:
    def test_each_type_is_asked_by_itself_and_no_pair_is_joined_in_another_way(self):
        graph = hetero_graph_of(LONG)
        item = HeteroPretrainDataset([graph])[0]
        assert item["x_dict"]["note"].equal(graph["note"].x)
        joined = set().union(*(pairs(edges) for edges in graph.edge_index_dict.values()))
        assert item["pos_edges"].keys() == item["neg_edges"].keys() == graph.edge_index_dict.keys()
        for kind, edges in graph.edge_index_dict.items():
            assert item["edge_index_dict"][kind].equal(edges)
            assert pairs(item["pos_edges"][kind]) <= pairs(edges)
            assert bool(item["pos_edges"][kind].shape[1]) == bool(edges.shape[1])
            assert not pairs(item["neg_edges"][kind]) & joined

    def test_batches_are_one_graph_and_pretrain_the_encoder(self):
        dataset = HeteroPretrainDataset([hetero_graph_of(one) for one in planted(3, 0)[0]], max_notes=16)
        (batch,) = make_loader(dataset, 3)
        assert batch["x_dict"]["note"].shape == (48, 6)
        for fields in ("edge_index_dict", "pos_edges", "neg_edges"):
            for edges in batch[fields].values():
                assert batch["batch"][edges[0]].equal(batch["batch"][edges[1]])
        assert hetero().training_step(batch, 0) > 0
