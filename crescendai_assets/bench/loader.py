"""The training loader, from a warm cache: from a pack against a `.pt` file a segment; what training waits for it."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crescendai_assets.bench.corpus import YEAR, segment_rows
from crescendai_assets.bench.measure import Figure, Target, interleaved, pair_ratios, seconds
from crescendai_assets.embeddings.folder import CLEAN, write_embeddings
from crescendai_assets.labels.dimensions import DIMENSIONS
from crescendai_assets.lake.layout import Tier, open_lake
from crescendai_assets.lake.schemas import EMBEDDINGS, MAESTRO_SEGMENTS
from crescendai_assets.lake.stage import silent
from crescendai_assets.lake.tables import Row

if TYPE_CHECKING:
    from torch import Tensor

    from crescendai_assets.training.beside_items import Beside

_FRAMES = 93
_BATCH = 32
_PER_RECORDING = 16
_PER_WORK = 4
"""Recordings that are taken for performances of one work."""


def measure(folder: Path, *, quick: bool) -> Iterator[Figure]:
    """Segments a second of an epoch of shuffled batches; share of training's time that is waiting for them."""
    from crescendai_assets.training.packing import embeddings_of, plan_pack, write_pack

    count = 128 if quick else 1024
    for name, what, shortest in (
        ("equal", f"of {_FRAMES} frames", _FRAMES),
        ("mixed", f"of 15 to {_FRAMES} frames", 15),
    ):
        tier = _tier(folder / name, count, shortest)
        write_pack(plan_pack(tier))
        sources = {"pack": embeddings_of(tier, packed=True), "files": embeddings_of(tier, packed=False)}
        runs = {source: partial(seconds, epoch, found) for source, found in sources.items()}
        interleaved(runs, 1)  # file cache
        taken = interleaved(runs, 3 if quick else 9)
        ratio, facts = pair_ratios(taken["files"], taken["pack"])
        rates = {f"{source}_per_second": round(count / min(times)) for source, times in taken.items()}
        yield Figure(
            f"loader.{name}",
            f"segments a second of the training loader, {count} segments {what} in batches of {_BATCH}: from a pack, "
            "times from a file each",
            ratio,
            Target("at least", 4),
            facts={**facts, **rates},
        )
    for name, model, all_tiers in (("A0", "A0", False), ("A1", "A1", False), ("A1_all_tiers", "A1", True)):
        yield _waiting(tier, name, model, folder / name, epochs=2 if quick else 4, all_tiers=all_tiers)


def _waiting(tier: Tier, name: str, model: str, folder: Path, *, epochs: int, all_tiers: bool) -> Figure:
    from crescendai_assets.training.checkpoints import waiting_facts

    steps, machine, history = trained_over(tier, model, folder, epochs, all_tiers=all_tiers)
    beside = ", with pairs of T2, T3 and T4 beside them" if all_tiers else ""
    return Figure(
        f"loader.waiting.{name}",
        f"share of training's time that {model} (small) waits for batches of {_BATCH} from a pack{beside}, {epochs} "
        f"epochs of {steps} steps, the first one too; on {machine}",
        100 * waiting_facts(history)["waiting"],
        Target("at most", 5),
        "%",
        {"by_epoch": [round(100 * row["waiting"], 2) for row in history]},
    )


def trained_over(
    tier: Tier, model: str, folder: Path, epochs: int, *, all_tiers: bool = False
) -> tuple[int, str, Sequence[Mapping[str, float]]]:
    """Train an audio model on labels by lot, as a fold is trained; steps an epoch, the machine, a row an epoch.

    Args:
        tier: Whose pack it learns from.
        model: Key of the registry.
        folder: For its state.
        epochs: How many.
        all_tiers: Whether it learns from T2's, T3's and T4's pairs as well, for which the same segments stand.
    """
    import torch

    from crescendai_assets.training.batches import PassageBatches, in_order
    from crescendai_assets.training.beside_items import Together, TogetherOrder
    from crescendai_assets.training.checkpoints import CheckpointFiles
    from crescendai_assets.training.loop import Course, train
    from crescendai_assets.training.packing import embeddings_of
    from crescendai_assets.training.registry import Dims, spec_of
    from crescendai_assets.training.settings import FitSettings, hardware
    from crescendai_assets.training.t1_inputs import EmbeddingInputs, T1Batches

    settings = FitSettings(model, epochs=epochs, patience=epochs, batch_size=_BATCH)
    embeddings = embeddings_of(tier, packed=True)
    keys, chance = list(embeddings), torch.Generator().manual_seed(0)
    labels = torch.rand(len(keys), len(DIMENSIONS), generator=chance)
    pieces = torch.arange(len(keys)) // _PER_RECORDING
    batches = T1Batches(EmbeddingInputs(embeddings, keys), labels, torch.ones(len(keys)), pieces, None)
    order = PassageBatches(range(len(keys)), [str(piece) for piece in pieces.tolist()], _BATCH, settings.seed)
    turns = in_order(range(_BATCH), _BATCH)
    course = Course(batches, order, batches, turns, keys.__getitem__)
    if all_tiers:
        beside = _beside(embeddings, keys, settings.seed)
        together = Together(batches, beside, keys)
        course = Course(together, TogetherOrder(order, beside), batches, turns, together.name)
    machine = hardware(settings)

    def build() -> Any:
        torch.manual_seed(settings.seed)
        return spec_of(model).make(settings, Dims(len(DIMENSIONS)))

    found = train(build, lambda _size: course, settings, machine, CheckpointFiles(folder), model, progress=silent)
    return len(order), machine.name, found.history


def _beside(embeddings: Mapping[str, Tensor], keys: Sequence[str], seed: int) -> Beside:
    """Pairs of T2, T3 and T4 of the same segments: what they hold does not change how long they take."""
    from crescendai_assets.training.beside_items import Beside
    from crescendai_assets.training.datasets import (
        AugmentedEmbeddingDataset,
        CompetitionDataset,
        CompetitionPairSampler,
        PairedPerformanceDataset,
    )
    from crescendai_assets.training.pretrain_items import Batches, Items
    from crescendai_assets.training.settings import T3, T4

    works: dict[str, list[str]] = defaultdict(list)
    rows: list[Row] = []
    for number, key in enumerate(keys):
        recording = number // _PER_RECORDING
        works[f"work {recording // _PER_WORK}"].append(key)
        rows.append({"segment_id": key, "placement": recording % _PER_WORK, "round": recording // _PER_WORK})
    orders = CompetitionDataset(rows, embeddings=embeddings)
    pairs = PairedPerformanceDataset("", None, works, keys, embeddings=embeddings, seed=seed)
    twins = AugmentedEmbeddingDataset(embeddings, embeddings)
    kinds = {T3: Items(pairs, [pairs.pair(place)[0] for place in range(len(pairs))]), T4: Items(twins, twins.ids)}
    return Beside(orders, CompetitionPairSampler(orders, seed=seed), Batches(kinds), seed)


def epoch(embeddings: Mapping[str, Tensor]) -> None:
    """Make all batches of an epoch.

    Raises:
        RuntimeError: Some segments were not in any, so that the time would mean nothing.
    """
    from crescendai_assets.training.datasets import CompetitionDataset, make_loader

    rows: list[dict[str, Any]] = [{"recording_id": key, "placement": 1} for key in embeddings]
    loader = make_loader(CompetitionDataset(rows, embeddings=embeddings), _BATCH)
    seen = sum(len(batch["embeddings"]) for batch in loader)
    if seen != len(rows):
        raise RuntimeError(f"{seen} of {len(rows)} segments were read")


def _tier(root: Path, count: int, shortest: int) -> Tier:
    """A year of random embeddings with its tables."""
    import torch

    partition = open_lake(root).tier("maestro").partition(YEAR)
    chance = torch.Generator().manual_seed(0)
    segments, embedded = [], []
    for number in range(count // _PER_RECORDING):
        recording_id = f"maestro_{number:05d}"
        rows = list(segment_rows(recording_id, _PER_RECORDING))
        lengths = torch.randint(shortest, _FRAMES + 1, (len(rows),), generator=chance).tolist()
        made: list[tuple[Row, Tensor, Row]] = [
            (row, torch.randn(n, 1024, generator=chance), {}) for row, n in zip(rows, lengths, strict=True)
        ]
        encoder = hashlib.blake2b(b"none", digest_size=16).hexdigest()
        embedded += write_embeddings(partition.embedding_folder, recording_id, made, encoder)
        segments += rows
    MAESTRO_SEGMENTS.write(partition.stage("segments").table, segments)
    EMBEDDINGS.write(partition.stage(CLEAN.asset).table, embedded)
    return partition.tier
