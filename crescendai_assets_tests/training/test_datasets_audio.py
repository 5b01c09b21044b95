"""Datasets of embeddings: their items, their batches, and what of them goes through the models."""

# ruff: noqa: TID253 - tests of torch datasets

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crescendai_assets.embeddings.store import embedding_path, write_embedding
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.layout import open_lake
from crescendai_assets.models.audio import MuQLoRAModel, MuQStagedModel
from crescendai_assets.training.datasets import (
    AugmentedEmbeddingDataset,
    CompetitionDataset,
    CompetitionPairSampler,
    PairedPerformanceDataset,
    make_loader,
    multi_task_collate_fn,
)
from crescendai_assets.training.packing import embeddings_of, plan_pack, write_pack
from crescendai_assets.training.packs import EmbeddingFiles
from crescendai_assets_tests.training.embedded import embedded_year

LABELS = {key: [0.1 * place] * 19 for place, key in enumerate(("p1", "p2", "p3", "q1", "q2", "alone"))}
PIECES = {"p": ["p1", "p2", "p3"], "q": ["q1", "q2"], "r": ["alone"]}


def values(frames, fill=None):
    return torch.randn(frames, 1024) if fill is None else torch.full((frames, 1024), float(fill))


class TestCollate:
    def test_frames_are_padded_to_the_longest_with_masks(self):
        batch = multi_task_collate_fn(
            [
                {"embeddings_a": values(50, 1), "labels_a": torch.rand(19)},
                {"embeddings_a": values(30, 2), "labels_a": torch.rand(19)},
            ]
        )
        assert batch["embeddings_a"].shape == (2, 50, 1024)
        assert batch["mask_a"].sum(1).tolist() == [50, 30]
        assert batch["mask_a"].dtype == torch.bool
        assert batch["embeddings_a"][1, :30].eq(2).all()
        assert batch["embeddings_a"][1, 30:].eq(0).all()
        assert batch["labels_a"].shape == (2, 19)

    def test_both_sides_are_as_long_so_that_they_go_through_a_model_at_once(self):
        batch = multi_task_collate_fn([{"embeddings_a": values(5), "embeddings_b": values(9), "ids_a": "x"}])
        assert batch["embeddings_a"].shape == batch["embeddings_b"].shape == (1, 9, 1024)
        assert (batch["mask_a"].sum(), batch["mask_b"].sum()) == (5, 9)
        assert batch["ids_a"] == ["x"]

    @given(st.lists(st.integers(1, 12), min_size=1, max_size=6))
    def test_what_is_under_the_mask_is_what_was_given(self, lengths):
        given_ = [torch.randn(n, 4) for n in lengths]
        batch = multi_task_collate_fn([{"embeddings": one} for one in given_])
        assert torch.equal(batch["embeddings"][batch["mask"]], torch.cat(given_))
        assert batch["embeddings"][~batch["mask"]].eq(0).all()

    def test_items_of_different_kinds_are_refused_by_the_fields_that_differ(self):
        with pytest.raises(ValueError, match=r"different fields \(labels\)"):
            multi_task_collate_fn([{"embeddings": values(1), "labels": torch.rand(19)}, {"embeddings": values(1)}])
        with pytest.raises(ValueError, match="no items"):
            multi_task_collate_fn([])


def row(name, placement, **other):
    return {"recording_id": name, "placement": placement, "embeddings": values(4, len(name)), **other}


class TestCompetition:
    def test_items_hold_embeddings_and_placement(self, tmp_path):
        write_embedding(tmp_path, "on_disk", values(7, 3))
        path = embedding_path(tmp_path, "on_disk")
        dataset = CompetitionDataset([row("a", 1), row("b", None), row("c", 2, embeddings=str(path))], max_frames=5)
        assert len(dataset) == 3
        assert dataset[0]["embeddings"].shape == (4, 1024)
        assert dataset[0]["placement"] == 1
        assert math.isnan(dataset[1]["placement"])
        assert dataset[2]["embeddings"].shape == (5, 1024), "the beginning is kept"
        assert dataset[2]["embeddings"].eq(3).all()

    def test_pairs_that_the_sampler_draws_train_a_model(self):
        rows = [
            row(f"r{n}", n % 3 + 1, edition="e", round=f"round{n % 2}", performer=f"p{n}", embeddings=values(3 + n % 4))
            for n in range(12)
        ]
        dataset = CompetitionDataset(rows)
        loader = make_loader(dataset, 4, sampler=CompetitionPairSampler(dataset))
        model = MuQLoRAModel(hidden_dim=16, rank=2)
        batches = list(loader)
        assert sum(len(batch["embeddings_a"]) for batch in batches) == 12
        for batch in batches:
            assert batch["placement_a"].ne(batch["placement_b"]).all()
            assert model.training_step(batch, 0) > 0

    def test_rated_rows_are_batches_of_regression_and_their_pairs_too(self):
        rows = [
            {
                "segment_id": f"{passage}_{n}",
                "passage": passage,
                "performer_group": f"x_{n}",
                "labels": torch.rand(19).tolist(),
                "weights": 1.5,
                "embeddings": values(3),
            }
            for passage in ("one", "two")
            for n in range(3)
        ]
        dataset = CompetitionDataset(rows)
        batch = next(iter(make_loader(dataset, 6, shuffle=False)))
        assert batch["labels"].shape == (6, 19)
        assert batch["piece_ids"].tolist() == [0, 0, 0, 1, 1, 1]
        assert batch["weights"].tolist() == [1.5] * 6
        assert batch["ids"][4] == "two_1"
        model = MuQLoRAModel(hidden_dim=16, rank=2)
        assert set(model.parts(batch)) == {"regression", "ranking"}
        pairs = next(iter(make_loader(dataset, 6, sampler=CompetitionPairSampler(dataset))))
        assert pairs["piece_ids_a"].equal(pairs["piece_ids_b"])
        assert {"regression", "ranking"} <= set(model.parts(pairs))

    def test_rows_that_make_no_batch_together_are_refused(self):
        with pytest.raises(ValueError, match="row a has no labels, others have"):
            CompetitionDataset([row("a", 1), {"recording_id": "b", "labels": [0.5] * 19}])

    @pytest.mark.parametrize("given_", [None, torch.zeros(1024), torch.zeros(0, 1024)])
    def test_what_is_no_embedding_is_named(self, given_):
        dataset = CompetitionDataset([{"recording_id": "odd", "placement": 1, "embeddings": given_}])
        with pytest.raises(SetupError, match=r"odd: embedding is .*; expected a tensor"):
            dataset[0]


class TestPaired:
    def test_pairs_are_of_one_piece_with_labels_and_number_of_the_piece(self):
        embeddings = {key: values(2 + place, place) for place, key in enumerate(LABELS)}
        dataset = PairedPerformanceDataset("unused", LABELS, PIECES, list(LABELS), embeddings=embeddings)
        assert [dataset.pair(n) for n in range(len(dataset))] == [
            ("p1", "p2"),
            ("p1", "p3"),
            ("p2", "p3"),
            ("q1", "q2"),
        ]
        batch = multi_task_collate_fn([dataset[n] for n in range(len(dataset))])
        assert batch["embeddings_a"].shape == batch["embeddings_b"].shape == (4, 6, 1024)
        assert batch["labels_b"].shape == (4, 19)
        assert batch["piece_ids_a"].tolist() == batch["piece_ids_b"].tolist() == [0, 0, 0, 1]
        assert batch["embeddings_b"][3, 0, 0] == 4
        assert torch.allclose(batch["labels_b"][3], torch.full((19,), 0.4))
        assert MuQLoRAModel(hidden_dim=16, rank=2).training_step(batch, 0) > 0

    def test_nothing_is_read_before_it_is_asked_for_and_a_lost_file_is_named(self, tmp_path):
        dataset = PairedPerformanceDataset(
            tmp_path, {"k1": [0.5] * 19, "k2": [0.3] * 19}, {"p": ["k1", "k2"]}, ["k1", "k2"]
        )
        assert len(dataset) == 1
        with pytest.raises(SetupError, match=r"k1.pt: no such file"):
            dataset[0]
        for key in ("k1", "k2"):
            write_embedding(tmp_path / "muq_embeddings", key, values(3))
        assert dataset[0]["embeddings_a"].shape == (3, 1024)
        with pytest.raises(IndexError):
            dataset[1]

    def test_only_keys_that_may_be_used_and_have_a_label_are_paired(self):
        dataset = PairedPerformanceDataset("unused", LABELS, {**PIECES, "s": ["p9"]}, ["p1", "p3", "q1", "p9"])
        assert [dataset.pair(n) for n in range(len(dataset))] == [("p1", "p3")]

    KEYS = st.lists(
        st.tuples(
            st.sampled_from(["p", "q"]),
            st.sampled_from(["rec1", "rec2", "rec3"]),
            st.integers(0, 3),
            st.sampled_from(["ann", "bo", None]),
            st.sampled_from(["train", "validation", None]),
        ),
        max_size=14,
        unique_by=lambda one: one[1:3],
    )

    @given(KEYS, st.booleans(), st.integers(0, 2))
    def test_positives_are_never_of_one_performer_one_recording_or_two_splits(self, drawn, every, epoch):
        key_of = {f"{recording}_seg{number:03d}": (piece, who, split) for piece, recording, number, who, split in drawn}
        pieces = {name: [key for key, (piece, _, _) in key_of.items() if piece == name] for name in ("p", "q")}
        performers = {key: who for key, (_, who, _) in key_of.items() if who}
        splits = {key: split for key, (_, _, split) in key_of.items() if split}
        dataset = PairedPerformanceDataset(
            "unused", None, pieces, key_of, performers=performers, splits=splits, every=every
        )
        dataset.set_epoch(epoch)

        def may(a, b):
            return (
                key_of[a][0] == key_of[b][0]
                and a.split("_seg")[0] != b.split("_seg")[0]
                and (a not in performers or b not in performers or performers[a] != performers[b])
                and (a not in splits or b not in splits or splits[a] == splits[b])
            )

        found = [dataset.pair(n) for n in range(len(dataset))]
        assert all(may(a, b) for a, b in found)
        keys = sorted(key_of)
        if every:
            assert set(found) == {(a, b) for a in keys for b in keys if a < b and may(a, b)}
        else:
            assert [a for a, _ in found] == [a for a in keys if any(may(a, b) for b in keys if b != a)]

    def test_partners_are_drawn_anew_in_each_epoch_and_alike_for_a_seed(self):
        keys = [f"rec{n}_seg000" for n in range(9)]

        def made(epoch, seed=0):
            dataset = PairedPerformanceDataset("unused", None, {"p": keys}, keys, seed=seed)
            dataset.set_epoch(epoch)
            return [dataset.pair(n) for n in range(len(dataset))]

        assert made(0) == made(0) != made(1) == made(1)
        assert made(0) != made(0, seed=1)


class TestAugmented:
    def test_twins_are_of_one_id_and_train_the_stage_without_labels(self, tmp_path):
        for folder, fill in (("clean", 1), ("augmented", 2)):
            for place, key in enumerate(("a", "b", f"only_{folder}")):
                write_embedding(tmp_path / folder, key, values(3 + place, fill + 10 * place))
        dataset = AugmentedEmbeddingDataset(tmp_path / "clean", tmp_path / "augmented", pieces={"a": "x"})
        assert dataset.ids == ["a", "b"]
        for item in (dataset[0], dataset[1]):
            assert item["embeddings_augmented"].sub(item["embeddings_clean"]).eq(1).all()
        batch = next(iter(make_loader(dataset, 2, shuffle=False)))
        assert batch["embeddings_clean"].shape == (2, 4, 1024)
        assert batch["mask_clean"].equal(batch["mask_augmented"])
        assert batch["mask_clean"].sum(1).tolist() == [3, 4]
        assert batch["piece_ids"].tolist() == [0, -1]
        model = MuQStagedModel(hidden_dim=16, rank=2, stage="self_supervised")
        assert {"contrastive", "invariance"} <= set(model.parts({**batch, "piece_ids": torch.tensor([0, 1])}))

    def test_ids_can_be_chosen(self):
        given_ = {key: values(2) for key in "abc"}
        assert AugmentedEmbeddingDataset(given_, given_, ids=["c", "a", "zz"]).ids == ["a", "c"]


class TestSources:
    @pytest.fixture
    def tier(self, tmp_path):
        embedded_year(tmp_path, "2004", {"rec1": [30.0, 10.0], "rec2": [30.0], "rec3": [10.0, 10.0, 30.0]})
        tier = open_lake(tmp_path).tier("maestro")
        write_pack(plan_pack(tier))
        return tier

    def test_batches_of_a_pack_and_of_files_are_equal_with_and_without_workers(self, tier):
        sources = {
            "pack": embeddings_of(tier, packed=True),
            "files": embeddings_of(tier, packed=False),
            "folder": EmbeddingFiles(tier.embeddings()),
        }
        batches = {}
        for name, found in sources.items():
            dataset = CompetitionDataset([{"recording_id": key, "placement": 1} for key in found], embeddings=found)
            for workers in (0, 2) if name == "pack" else (0,):
                loader = make_loader(dataset, 4, seed=5, workers=workers)
                batches[name, workers] = [list(loader), list(loader)]
        first = batches.pop(("pack", 0))
        assert [batch["ids"] for batch in first[0]] != [batch["ids"] for batch in first[1]]
        for other in batches.values():
            for epoch, theirs in zip(first, other, strict=True):
                for one, two in zip(epoch, theirs, strict=True):
                    assert one["ids"] == two["ids"]
                    assert torch.equal(one["embeddings"], two["embeddings"])
                    assert torch.equal(one["mask"], two["mask"])

    def test_a_batch_can_be_changed_without_changing_the_pack(self, tier):
        pack = embeddings_of(tier, packed=True)
        before = pack["rec1_seg000"].clone()
        batch = multi_task_collate_fn([{"embeddings": pack["rec1_seg000"]}])
        batch["embeddings"].add_(1)
        assert torch.equal(pack["rec1_seg000"], before)
