"""Masked tokens and masked curves: rates, what is never masked, epochs, and that the encoders take the batches."""

# ruff: noqa: TID253 - tests of torch datasets

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crescendai_assets.models import symbolic_transformer
from crescendai_assets.symbolic.tokenizer import PianoTokenizer
from crescendai_assets.training.datasets import ContinuousPretrainDataset, MIDIPretrainingDataset, make_loader
from crescendai_assets.training.datasets_symbolic import MASKED, NOT_MASKED, RANDOM, SPECIAL, span_mask
from crescendai_assets_tests.models.symbolic_examples import continuous, curves_of, planted, tokens_of, transformer

VOCAB = 500


def tokens_dataset(sequences, **changes):
    return MIDIPretrainingDataset(sequences, **{"max_seq_len": 64, "mask_prob": 0.15, "vocab_size": VOCAB, **changes})


class TestTokens:
    def test_special_tokens_are_those_of_the_tokenizer(self):
        tokenizer = PianoTokenizer()
        assert (tokenizer.pad_token_id, tokenizer.mask_token_id) == (SPECIAL["pad"], SPECIAL["mask"])
        named = {name: int(tokenizer._remi[f"{name.upper()}_None"]) for name in SPECIAL}
        assert named == SPECIAL
        assert NOT_MASKED == symbolic_transformer.NOT_MASKED

    def test_an_item_says_what_is_shown_what_to_guess_and_where_tokens_are(self):
        item = tokens_dataset([list(range(100))], max_seq_len=512)[0]
        assert {name: (one.shape, one.dtype) for name, one in item.items()} == {
            "input_ids": ((512,), torch.int64),
            "labels": ((512,), torch.int64),
            "attention_mask": ((512,), torch.bool),
        }
        assert item["input_ids"][100:].eq(0).all()
        assert item["labels"][100:].eq(-100).all()
        guessed = item["labels"] != -100
        assert item["labels"][guessed].equal(torch.arange(512)[guessed])
        untouched = ~guessed[:100]
        assert item["input_ids"][:100][untouched].equal(torch.arange(100)[untouched])

    @given(st.lists(st.integers(0, 30), min_size=1, max_size=60), st.integers(0, 5))
    def test_special_tokens_are_never_guessed_and_never_shown_for_others(self, tokens, seed):
        item = tokens_dataset([tokens], mask_prob=0.5, vocab_size=31, seed=seed)[0]
        given_ = torch.tensor(tokens)
        guessed = item["labels"][: len(tokens)] != -100
        assert not (guessed & (given_ < 4)).any()
        assert guessed.any() == bool((given_ >= 4).any()), "something is guessed wherever there is music"
        shown = item["input_ids"][: len(tokens)]
        assert shown[guessed].ge(3).all()
        assert shown[~guessed].equal(given_[~guessed])
        assert not (item["attention_mask"][: len(tokens)] & (given_ == 0)).any()

    def test_rates_are_fifteen_percent_and_of_those_eighty_ten_ten(self):
        sequence = np.random.default_rng(0).integers(4, VOCAB, 60_000)
        item = tokens_dataset([sequence], max_seq_len=60_000)[0]
        guessed = item["labels"] != -100
        assert guessed.float().mean() == pytest.approx(0.15, abs=0.006)
        shown, truth = item["input_ids"][guessed], item["labels"][guessed]
        assert (shown == 3).float().mean() == pytest.approx(MASKED, abs=0.02)
        assert ((shown != 3) & (shown != truth)).float().mean() == pytest.approx(RANDOM, abs=0.015)
        assert (shown == truth).float().mean() == pytest.approx(1 - MASKED - RANDOM, abs=0.015)

    def test_epochs_mask_otherwise_and_a_long_sequence_shows_another_part(self):
        dataset, again = (tokens_dataset([range(4, 404)], max_seq_len=50) for _ in range(2))
        first = dataset[0]
        assert all(first[name].equal(again[0][name]) for name in first)
        dataset.set_epoch(1)
        assert not first["input_ids"].equal(dataset[0]["input_ids"])
        starts = set()
        for epoch in range(20):
            dataset.set_epoch(epoch)
            item = dataset[0]
            assert item["attention_mask"].all()
            whole = torch.where(item["labels"] != -100, item["labels"], item["input_ids"])
            assert whole.diff().eq(1).all(), "tokens that follow each other"
            starts.add(int(whole[0]))
        assert len(starts) > 10

    def test_a_token_beyond_the_vocabulary_is_refused(self):
        with pytest.raises(ValueError, match="sequence 0 holds token 500, the vocabulary has 500"):
            tokens_dataset([[4, 500]])[0]
        with pytest.raises(ValueError, match="mask_prob is 0"):
            tokens_dataset([[4]], mask_prob=0)

    def test_the_encoder_is_pretrained_on_batches_cut_to_the_longest(self):
        sequences = [tokens_of(one) for one in planted(6, 0)[0]]
        tokenizer = PianoTokenizer()
        dataset = MIDIPretrainingDataset(sequences, 2048, 0.15, tokenizer.vocab_size)
        (batch,) = make_loader(dataset, 6)
        assert batch["input_ids"].shape == (6, max(map(len, sequences)))
        assert transformer().training_step(batch, 0) > 0

    def test_validation_sees_the_same_each_time(self):
        loader = make_loader(tokens_dataset([range(4, 44), range(50, 90)]), 2, shuffle=False)
        first, second = next(iter(loader)), next(iter(loader))
        assert first["input_ids"].equal(second["input_ids"])

    def test_workers_draw_the_same_and_hear_of_the_next_epoch(self):
        dataset = tokens_dataset([range(4, 44), range(50, 90), range(100, 140)])
        alone, helped = (make_loader(dataset, 2, workers=workers) for workers in (0, 2))
        epochs = []
        for loader in (alone, helped):
            loader.sampler.set_epoch(0)  # type: ignore[attr-defined]
            epochs.append([torch.cat([batch["input_ids"] for batch in loader]) for _ in range(2)])
        assert epochs[0][0].equal(epochs[1][0])
        assert epochs[0][1].equal(epochs[1][1])
        assert not epochs[0][0].sort(0).values.equal(epochs[0][1].sort(0).values)


class TestCurves:
    def test_a_performance_is_cut_into_parts_that_cover_it(self):
        curves = [np.random.default_rng(n).random((length, 5), np.float32) for n, length in enumerate((250, 40, 101))]
        dataset = ContinuousPretrainDataset(curves, max_len=100, span=10)
        assert len(dataset) == 3 + 1 + 2
        for place, curve in enumerate(curves):
            parts = [dataset[n] for n, part in enumerate(dataset.parts) if part[0] == place]
            assert all(item["features"].shape == (100, 5) for item in parts)
            joined = torch.cat([item["features"][item["mask"]] for item in parts])
            assert joined.equal(torch.from_numpy(curve))
            assert all(item["features"][~item["mask"]].eq(0).all() for item in parts)

    def test_what_is_masked_is_zero_and_the_rest_is_as_it_was(self):
        item = ContinuousPretrainDataset([np.ones((90, 5))], max_len=100, span=10)[0]
        hidden = item["masked_positions"]
        assert hidden.any()
        assert not hidden[90:].any()
        assert item["masked_features"][hidden].eq(0).all()
        assert item["masked_features"][~hidden].equal(item["features"][~hidden])

    @given(st.sampled_from([0.15, 0.4, 0.6]), st.sampled_from([5, 20]))
    def test_on_average_the_share_asked_for_is_masked_everywhere_alike(self, share, span):
        chance = np.random.default_rng(0)
        hidden = np.mean([span_mask(400, share, span, chance) for _ in range(300)], axis=0)
        assert hidden.mean() == pytest.approx(share, abs=0.03)
        for part in np.split(hidden, 4):
            assert part.mean() == pytest.approx(share, abs=0.07)

    @given(st.integers(1, 60), st.integers(1, 50))
    def test_some_frames_are_masked_and_some_not_however_short_it_is(self, length, span):
        hidden = span_mask(length, 0.4, span, np.random.default_rng(length))
        assert hidden.shape == (length,)
        assert hidden.any() == (length > 1)
        if 1 < length < 2 * span:
            assert not hidden.all()

    def test_masks_are_spans(self):
        hidden = span_mask(1000, 0.2, 25, np.random.default_rng(0)).astype(int)
        edges = np.flatnonzero(np.diff(np.concatenate([[0], hidden, [0]])))
        lengths = edges[1::2] - edges[::2]
        inner = lengths[1:-1]
        assert (inner >= 25).all()

    def test_epochs_mask_other_frames(self):
        dataset = ContinuousPretrainDataset([np.ones((500, 5))])
        first = dataset[0]["masked_positions"]
        assert first.equal(dataset[0]["masked_positions"])
        dataset.set_epoch(1)
        assert not first.equal(dataset[0]["masked_positions"])

    def test_the_encoder_is_pretrained_on_batches_cut_to_the_longest(self):
        curves = [curves_of(one) for one in planted(4, 0)[0]]
        (batch,) = make_loader(ContinuousPretrainDataset(curves, 6000, lengths=[len(one) for one in curves]), 4)
        assert batch["features"].shape == (4, max(map(len, curves)), 5)
        assert continuous().training_step(batch, 0) > 0
