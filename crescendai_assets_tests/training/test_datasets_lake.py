"""What a lake gives to train on: the corpus's packs by role, and the tiers' rows, mappings and embeddings."""

# ruff: noqa: TID253 - tests of torch datasets

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
import torch

from crescendai_assets.embeddings.folder import CLEAN, write_embeddings
from crescendai_assets.labels.piece_mapping import write_piece_mapping
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.files import write_atomic
from crescendai_assets.lake.layout import Lake, open_lake
from crescendai_assets.lake.schemas import CONTRASTIVE_RECORDINGS, EMBEDDINGS
from crescendai_assets.lake.tables import Row, read_rows
from crescendai_assets.models.losses import rater_weights
from crescendai_assets.sample.loose import write_loose_midi
from crescendai_assets.symbolic.corpus.listing import Sources, list_source
from crescendai_assets.symbolic.corpus.pack import read_pack
from crescendai_assets.symbolic.corpus.performances import corpus_tier, make_product, read_performances
from crescendai_assets.symbolic.corpus.products import products, windows
from crescendai_assets.training.compiling import compiled_path, plan_pack, write_pack_of_all
from crescendai_assets.training.datasets import (
    CompetitionDataset,
    CompetitionPairSampler,
    ContinuousPretrainDataset,
    HeteroPretrainDataset,
    MIDIPretrainingDataset,
    ScoreGraphPretrainingDataset,
    make_loader,
)
from crescendai_assets.training.datasets_corpus import hetero_graphs, performance_curves, score_graphs, token_windows
from crescendai_assets.training.datasets_tiers import (
    augmented_twins,
    contrastive_pairs,
    rated_pairs,
    rated_rows,
)
from crescendai_assets.training.ordinal import competition_rows
from crescendai_assets.training.packing import AUGMENTED
from crescendai_assets_tests.labels.rated import score_of
from crescendai_assets_tests.labels.rated import tier as rated_tier
from crescendai_assets_tests.training.embedded import embedded_year
from crescendai_assets_tests.training.test_ordinal import ROUNDS, edition_of, recording

MAX_SEQ_LEN = 256


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """A compiled corpus of one source; the roles are the test's own."""
    root = tmp_path_factory.mktemp("corpus")
    tier = corpus_tier(Lake(root / "lake"))
    listing = list_source("loose", Sources(folders={"loose": write_loose_midi(root / "loose").root}))
    partition = tier.partition("loose")
    read_performances(partition, listing)
    ids = [row["recording_id"] for row in read_rows(partition.stage("performances").table)]
    roles = {one: "validation" if place == 1 else "train" for place, one in enumerate(ids)}
    for product in products(MAX_SEQ_LEN).values():
        make_product(partition, product, listing)
        write_pack_of_all(tier, plan_pack(tier, product, roles))
    return tier, roles


def performances(corpus, name, role):
    """Arrays of the performances of a role, straight from the pack."""
    tier, roles = corpus
    pack = read_pack(compiled_path(tier, products(MAX_SEQ_LEN)[name]))
    return [arrays for one, arrays in pack.items() if roles[one] == role]


@pytest.mark.parametrize("role", ["train", "validation"])
class TestCorpus:
    def test_windows_are_those_of_the_role_and_of_no_other(self, corpus, role):
        found = token_windows(corpus[0], role)
        wanted = [one for arrays in performances(corpus, "tokens", role) for one in windows(arrays)]
        assert len(wanted) > len(performances(corpus, "tokens", role)), "some performances have several"
        assert [one.tolist() for one in found] == wanted
        item = MIDIPretrainingDataset(found, MAX_SEQ_LEN, 0.15, 1000)[len(found) - 1]
        assert int(item["attention_mask"].sum()) == len(wanted[-1])

    def test_graphs_and_curves_are_those_of_the_role(self, corpus, role):
        graphs, typed, curves = (make(corpus[0], role) for make in (score_graphs, hetero_graphs, performance_curves))
        assert [len(one.x) for one in graphs] == [len(one["x"]) for one in performances(corpus, "score_graphs", role)]
        assert [len(one["note"].x) for one in typed] == [len(one.x) for one in graphs]
        drawn = performances(corpus, "features", role)
        assert all(np.array_equal(one, two["curves"]) for one, two in zip(curves, drawn, strict=True))
        for dataset in (
            ScoreGraphPretrainingDataset(graphs),
            HeteroPretrainDataset(typed),
            ContinuousPretrainDataset(curves),
        ):
            assert next(iter(make_loader(dataset, 2)))

    def test_another_process_reads_the_pack_itself(self, corpus, role):
        found = token_windows(corpus[0], role)
        found[0]
        sent = pickle.dumps(found)
        assert len(sent) < 20_000
        assert [one.tolist() for one in pickle.loads(sent)] == [one.tolist() for one in found]


def test_a_corpus_that_was_not_compiled_says_so(tmp_path):
    with pytest.raises(SetupError, match=r"all_tokens.pt: no whole pack; materialize symbolic/pretraining"):
        token_windows(corpus_tier(Lake(tmp_path)))


def test_rows_of_a_competition_are_its_embedded_segments_in_the_order_of_the_jury(tmp_path):
    heard = [recording(name, round_) for round_ in ROUNDS for name in ("Zoe", "Bo", "Cy", "Dee", "Ida")]
    edition = edition_of(tmp_path, heard)
    edition.embedded["mini2019_final_cy_0"] = 1
    edition.ordered()
    rows = competition_rows(edition.partition.tier)
    assert {row["performer"] for row in rows} == {"Zoe", "Bo", "Cy", "Dee"}, "nobody knows how Ida fared"
    assert {row["performer"]: row["placement"] for row in rows} == {"Zoe": 1, "Bo": 2, "Cy": 2, "Dee": 4}
    assert len(rows) == 3 * 4 * 2 - 1
    assert competition_rows(edition.partition.tier, editions=["another"]) == []
    dataset = CompetitionDataset(rows, embeddings={row["segment_id"]: torch.ones(2, 1024) for row in rows})
    drawn = [dataset[pair] for pair in CompetitionPairSampler(dataset, every=True)]
    assert all(item["placement_a"] != item["placement_b"] for item in drawn)
    assert len(drawn) < len(list(CompetitionPairSampler(dataset, every=True, cross_round=True)))


def contrastive(tmp_path):
    takes = {"m1": ("ann", "train"), "m2": ("bo", "train"), "m3": ("ann", "train"), "m4": ("cy", "test")}
    embedded_year(tmp_path, "2004", {one: [10.0, 10.0] for one in takes})
    tier = open_lake(tmp_path).tier("maestro")
    mapping = {"work": [f"{one}_seg{number:03d}" for one in takes for number in range(2)]}
    write_atomic(tier.contrastive_mapping, json.dumps(mapping).encode())
    rows = [
        {
            "recording_id": one,
            "work_id": "work",
            "performer_id": who,
            "split": split,
            "segments": 2,
            "verified": one != "m3",
        }
        for one, (who, split) in takes.items()
    ]
    CONTRASTIVE_RECORDINGS.write(tier.contrastive_recordings, rows)
    return tier


def test_positives_of_maestro_are_other_performers_of_the_work_in_the_split(tmp_path):
    tier = contrastive(tmp_path)
    found = contrastive_pairs(tier, "train")
    assert len(found) == 6
    recordings = {tuple(sorted(key.split("_seg")[0] for key in found.pair(n))) for n in range(len(found))}
    assert recordings <= {("m1", "m2"), ("m2", "m3")}
    assert len(contrastive_pairs(tier)) == 6, "the only recording of another split has no partner"
    assert len(contrastive_pairs(tier, "train", verified=True)) == 4
    batch = next(iter(make_loader(found, 6)))
    assert batch["embeddings_a"].shape == (6, 31, 1024)
    assert "labels_a" not in batch
    tier.contrastive_mapping.unlink()
    with pytest.raises(SetupError, match="materialize maestro/contrastive_mapping"):
        contrastive_pairs(tier)


def test_rated_segments_come_with_passage_labels_and_weights(tmp_path):
    keys = sorted(score_of("D960", "mv2", ["1", "2", "Score"], [1, 2]))
    files = rated_tier(tmp_path, keys)
    raters = {key: 4 + place for place, key in enumerate(keys)}
    write_lines(files.statistics, [{"segment_id": key, "raters": count} for key, count in raters.items()])
    write_piece_mapping(files)
    embeddings = {key: torch.ones(2, 1024) for key in keys[:-1]}
    pairs = rated_pairs(open_lake(tmp_path).tier("percepiano"), files, keys, embeddings)
    passage = {row["segment_id"]: row["passage"] for row in read_rows(files.metadata)}
    group = {row["segment_id"]: row["performer_group"] for row in read_rows(files.metadata)}
    assert len(pairs) == 3 + 1, "one has no embedding"
    for place in range(len(pairs)):
        a, b = pairs.pair(place)
        assert passage[a] == passage[b]
        assert group[a] != group[b]
        assert keys[-1] not in (a, b), "it has no embedding"
    rows = rated_rows(files, keys[:5])
    assert [row["segment_id"] for row in rows] == sorted(keys[:5])
    everyone = rater_weights(torch.tensor(list(raters.values())))
    assert rows[0]["weights"] == pytest.approx(float(everyone[list(raters).index(rows[0]["segment_id"])]))
    batch = next(iter(make_loader(CompetitionDataset(rows, embeddings=embeddings), 5)))
    assert {"embeddings", "mask", "labels", "weights", "piece_ids", "ids"} == set(batch)


def test_twins_leave_doubled_sounds_out(tmp_path):
    partition = open_lake(tmp_path).tier("youtube").partition("channel")
    rows: list[Row] = [
        {"segment_id": f"yt_{video}_seg000", "recording_id": f"yt_{video}", "source_sha256": "", "segment_start": 0.0}
        for video in ("one", "two", "copy")
    ]
    partition.folder.mkdir(parents=True)
    write_lines(partition.stage("segments").table, [{**row, "n_valid": 1} for row in rows])
    for product, fill, table in ((CLEAN, 1.0, EMBEDDINGS), (AUGMENTED, 2.0, None)):
        made = []
        for row in rows:
            embedded: list[tuple[Row, torch.Tensor, Row]] = [({**row, "n_valid": 1}, torch.full((3, 1024), fill), {})]
            made += write_embeddings(product.folder(partition), row["recording_id"], embedded, "none", product)
        if table:
            table.write(partition.stage(product.asset).table, made)
        else:
            write_lines(partition.stage(product.asset).table, made)
    write_lines(
        partition.tier.metadata,
        [{**row, "duplicate_of": "yt_one" if "copy" in row["segment_id"] else None} for row in rows],
    )
    found = augmented_twins(partition.tier)
    assert found.ids == ["yt_one_seg000", "yt_two_seg000"]
    item = found[1]
    assert item["embeddings_augmented"].sub(item["embeddings_clean"]).eq(1).all()
    assert [int(found[n]["piece_ids"]) for n in range(2)] == [0, 1]


def write_lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
