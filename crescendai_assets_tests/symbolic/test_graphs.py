from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crescendai_assets.bench.symbolic import plain_edges
from crescendai_assets.lake.errors import RecordingError
from crescendai_assets.symbolic import edges
from crescendai_assets.symbolic.edges import EDGE_TYPES, note_edges
from crescendai_assets.symbolic.graphs import NODE_FEATURES, extract_graph, extract_hetero_graph, graph, hetero_graph
from crescendai_assets.symbolic.midi import read_midi
from crescendai_assets.symbolic.performance import performance
from crescendai_assets_tests.shared_data import DATA, needs_shared
from crescendai_assets_tests.symbolic import midi_files as mf


def pairs(found):
    return {name: set(map(tuple, array.T.tolist())) for name, array in found.items()}


@st.composite
def playing(draw):
    """Performances whose times fall on, just before and just after the tolerance of each other."""
    step = draw(st.sampled_from([0.005, 0.0175, 0.035, 0.07]))
    notes = draw(
        st.lists(st.tuples(st.integers(0, 40), st.integers(1, 30), st.integers(40, 60)), min_size=1, max_size=40)
    )
    onset, held, pitch = np.array(notes).T
    nudge = draw(st.sampled_from([0.0, 1e-6, -1e-6]))
    return performance(pitch, onset * step, held * step + nudge, np.full(len(pitch), 64))


@settings(max_examples=150, deadline=None)
@given(playing(), st.integers(0, 3), st.sampled_from([0.0, 0.01, 0.035, 0.07]))
def test_edges_are_those_of_plain_loops(read, voices, tolerance):
    voice = np.arange(len(read)) * 7 % voices if voices else None
    assert pairs(note_edges(read, voice, tolerance)) == plain_edges(read, voice, tolerance)


@needs_shared
def test_edges_of_real_playing_are_those_of_plain_loops():
    for path in sorted((DATA / "percepiano" / "midi").glob("*.mid"))[::300]:
        read = read_midi(path)
        assert pairs(note_edges(read, read.pitch > 60)) == plain_edges(read, read.pitch > 60)


def test_each_kind_of_edge_is_what_its_definition_says():
    # a chord of two, a note inside it, one right after it, one after a rest
    read = performance([48, 60, 64, 67, 71], [0, 0.01, 0.5, 1.0, 2.0], [1.0, 1.0, 0.2, 0.3, 0.1], [64] * 5)
    found = pairs(note_edges(read))
    assert found["onset"] == {(0, 1), (1, 0)}
    assert found["during"] == {(0, 2), (1, 2)}
    assert found["consecutive"] == {(0, 3), (1, 3), (2, 3)}
    assert found["silence"] == {(3, 4)}
    assert found["harmonic"] == {(0, 1), (1, 0), (0, 2), (1, 2)}
    assert found["voice"] == set()


@pytest.mark.parametrize(("held", "kind"), [(0.165, "consecutive"), (0.164999, "silence"), (0.235, "consecutive")])
def test_an_end_within_the_tolerance_of_the_next_onset_is_legato(held, kind):
    found = pairs(note_edges(performance([60, 62], [0, 0.2], [held, 1], [64, 64])))
    assert [name for name in EDGE_TYPES if found[name]] == [kind]


def test_voices_lead_from_note_to_note_of_their_own():
    read = performance([40, 60, 62, 64, 43], [0, 0, 0.5, 1.0, 1.0], [0.4] * 5, [64] * 5)
    found = pairs(note_edges(read, [1, 0, 0, 1, 0]))  # in the order of (onset, pitch): the last two are 43, 64
    assert found["voice"] == {(0, 3), (1, 2), (2, 4)}
    with pytest.raises(ValueError, match="2 voices for 5 notes"):
        note_edges(read, [0, 1])


def test_every_note_but_the_last_leads_on():
    for seed in range(20):
        read = mf.random_performance(seed)
        found = note_edges(read)
        leading = set(np.concatenate([found[name][0] for name in ("consecutive", "silence", "during")]).tolist())
        final = read.onset[-1] - 0.036
        assert {i for i in range(len(read)) if read.end[i] < final} <= leading


def test_temporal_edges_do_not_say_two_things_of_one_pair():
    found = pairs(note_edges(mf.random_performance(5, 200)))
    temporal = [found[name] for name in ("onset", "consecutive", "during", "silence")]
    assert sum(map(len, temporal)) == len(set.union(*temporal))


def test_both_forms_hold_the_same_nodes_and_edges():
    read = mf.random_performance(2)
    voice = read.pitch > 60
    one, many = graph(read, voice), hetero_graph(read, voice)
    assert one.num_nodes == many["note"].num_nodes == len(read)
    assert one.validate()
    assert many.validate()
    assert np.array_equal(one.x, many["note"].x)
    for number, name in enumerate(EDGE_TYPES):
        assert np.array_equal(one.edge_index[:, one.edge_type == number], many["note", name, "note"].edge_index)
    assert len(many.edge_types) == len(EDGE_TYPES)


def test_a_single_note_is_a_graph_without_edges(tmp_path):
    path = mf.written(tmp_path, mf.midi(mf.ONE_NOTE))
    one, many = extract_graph(path), extract_hetero_graph(path)
    assert tuple(one.x.shape) == (1, 6)
    assert tuple(one.edge_index.shape) == (2, 0)
    assert all(many[kind].edge_index.shape == (2, 0) for kind in many.edge_types)


def test_nodes_know_their_notes():
    read = performance([60, 72], [1.0, 4.0], [1.0, 2.0], [127, 64], sustain=[(2.0, 127)])
    x = graph(read, [0, 3]).x.numpy()
    assert x.dtype == np.float32
    column = dict(zip(NODE_FEATURES, x.T, strict=True))
    assert column["pitch"] == pytest.approx([60 / 127, 72 / 127])
    assert column["velocity"] == pytest.approx([1, 64 / 127])
    assert column["onset"] == pytest.approx([0, 0.1])
    assert column["duration"] == pytest.approx(np.log([2, 3]))
    assert column["pedal"].tolist() == [0, 1]
    assert column["voice"].tolist() == [0, 3]


def test_graphs_go_into_a_batch():
    from torch_geometric.data import Batch

    graphs = [graph(mf.random_performance(seed)) for seed in (1, 2)]
    batch = Batch.from_data_list(graphs)
    assert batch.num_nodes == sum(g.num_nodes for g in graphs)
    first = graphs[0].edge_index.shape[1]
    assert np.array_equal(batch.edge_index[:, first:] - graphs[0].num_nodes, graphs[1].edge_index)
    assert np.array_equal(batch.edge_type[:first], graphs[0].edge_type)


def test_too_many_keys_at_once_are_refused_before_memory_is_taken(tmp_path, monkeypatch):
    monkeypatch.setattr(edges, "MAX_EDGES", 100)
    read = performance(np.arange(20, 60), np.zeros(40), np.ones(40), [64] * 40)
    path = mf.save_performance(read, tmp_path / "all.mid")
    with pytest.raises(RecordingError, match=r"all\.mid: 780 pairs among 40 notes, more than 100; .*take it out"):
        extract_graph(path)
