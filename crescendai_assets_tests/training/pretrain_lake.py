"""What a pretraining learns from in a lake: a small compiled corpus beside the rated set, and tiers with pieces."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch  # noqa: TID253 - tests of torch modules

from crescendai_assets.embeddings.folder import CLEAN, write_embeddings
from crescendai_assets.embeddings.identity import read_identity
from crescendai_assets.lake.files import write_atomic
from crescendai_assets.lake.layout import Lake
from crescendai_assets.lake.schemas import (
    COMPETITION_SEGMENTS,
    CONTRASTIVE_RECORDINGS,
    EMBEDDINGS,
    MAESTRO_SEGMENTS,
    ORDINAL,
)
from crescendai_assets.lake.tables import Row
from crescendai_assets.sample.asap import write_asap
from crescendai_assets.sample.loose import write_loose_midi
from crescendai_assets.symbolic.corpus.listing import Sources, list_source
from crescendai_assets.symbolic.corpus.performances import corpus_tier, make_product, read_performances
from crescendai_assets.symbolic.corpus.products import products
from crescendai_assets.training.compiling import plan_pack, write_pack_of_all
from crescendai_assets.training.packing import AUGMENTED
from crescendai_assets.training.pretrain_settings import PRODUCTS, PretrainSettings
from crescendai_assets.training.pretraining import usable_roles, write_corpus
from crescendai_assets_tests.builders import segment_row
from crescendai_assets_tests.training.rated_lake import TINY

PIECES = 12
"""Of each tier."""

PERFORMERS = ("ann", "bo", "cy")

LOUD = 3.0
"""How much more is heard of a performer's manner, and of a room, than of the piece: what A2 has to learn to ignore."""


def brief(model: str, **changes: Any) -> PretrainSettings:
    """Settings that pretrain in seconds, of the sizes of `rated_lake.tiny`."""
    sizes = TINY.get(model, {"hidden_dim": 32})
    if model == "A2":  # a contrast wants many others
        changes = {"batch_size": 16, "learning_rate": 1e-3, **changes}
    length = {"S1": 128, "S2": 64, "S2h": 64, "S3": 300}.get(model, 0)
    settings: dict[str, Any] = {"epochs": 2, "batch_size": 4, "device": "cpu", "learning_rate": 3e-3, "sizes": sizes}
    return PretrainSettings(model, **{**settings, "length": length, **changes})


def add_corpus(lake: Lake, sources: Path) -> None:
    """Two sources of MIDI beside the rated one, their roles, and packs."""
    tier = corpus_tier(lake)
    where = Sources(asap=write_asap(sources / "asap").root, folders={"loose": write_loose_midi(sources / "loose").root})
    for key in ("asap", "loose"):
        listing = list_source(key, where)
        read_performances(tier.partition(key), listing)
        for name in PRODUCTS.values():
            make_product(tier.partition(key), products()[name], listing)
    write_corpus(tier)
    compile_packs(lake)


def compile_packs(lake: Lake) -> None:
    """Packs of the roles as they are."""
    tier = corpus_tier(lake)
    for name in PRODUCTS.values():
        write_pack_of_all(tier, plan_pack(tier, products()[name], usable_roles(tier)))


def add_tiers(lake: Lake) -> None:
    """T3: pieces by three performers each. T4: videos and their twins."""
    identity = lake.tier("percepiano").partition().embedding_folder / "encoder.json"
    for tier in ("maestro", "youtube") if identity.exists() else ():
        for augmented in (False, True) if tier == "youtube" else (False,):
            folder = lake.tier(tier).embeddings(augmented=augmented)
            folder.mkdir(parents=True)
            shutil.copy(identity, folder / identity.name)
    chance = np.random.default_rng(0)
    of_piece, (*manners, room) = chance.normal(size=(2, PIECES, 1024)), LOUD * chance.normal(size=(4, 1024))
    takes = {f"maestro_piece{number}_{who}": number for number in range(PIECES) for who in PERFORMERS}
    manner = dict(zip(PERFORMERS, manners, strict=True))
    played = {one: of_piece[0, number] + manner[one.rpartition("_")[2]] for one, number in takes.items()}
    add_maestro(lake, played, {one: f"piece{number}" for one, number in takes.items()})
    sounds = {f"yt_video{number}": of_piece[1, number] for number in range(PIECES)}
    add_youtube(lake, sounds, {one: sound + room for one, sound in sounds.items()})


def add_competition(
    lake: Lake,
    entrants: int = 16,
    pieces: Mapping[int, str] | None = None,
    titles: Mapping[int, str] | None = None,
) -> None:
    """T2: an edition with one round, `entrants` placed in their order, each with one recording of two segments.

    How well somebody plays is heard along one direction. `pieces` names what an entrant, from 0, plays, `titles` the
    video of it.
    """
    identity = lake.tier("percepiano").partition().embedding_folder / "encoder.json"
    partition = lake.tier("competition").partition("planted2020")
    if identity.exists():  # of an edition, as its embeddings asset writes it
        partition.embedding_folder.mkdir(parents=True)
        shutil.copy(identity, partition.embedding_folder / identity.name)
    better = np.random.default_rng(7).normal(size=1024)
    told: list[Row] = [
        {
            "performer": f"entrant{number:02d}",
            "piece": (pieces or {}).get(number, "Etude"),
            "round": "final",
            "round_index": 0,
            "placement": number + 1,
            "eliminated_in": None,
            "outcome_rank": number + 1,
            "competition": "planted",
            "edition": "planted2020",
            "country": "",
            "source_url": "",
        }
        for number in range(entrants)
    ]
    names = [f"planted2020_final_{row['performer']}_x" for row in told]
    segments = [
        segment_row(name, number, 240_000, **row) for name, row in zip(names, told, strict=True) for number in range(2)
    ]
    COMPETITION_SEGMENTS.write(partition.stage("segments").table, segments)
    sounds = {name: better * (entrants / 2 - number) / entrants for number, name in enumerate(names)}
    EMBEDDINGS.write(partition.stage(CLEAN.asset).table, _embedded(partition, segments, sounds))
    rows: list[Row] = [
        {
            **{column: row[column] for column in ("edition", "round", "performer")},
            "recording_id": name,
            "rank": number,
            "tied_with": 0,
            "segments": 2,
        }
        for number, (name, row) in enumerate(zip(names, told, strict=True), start=1)
    ]
    ORDINAL.write(partition.stage("ordinal").table, rows)
    _write_lines(
        partition.stage("recordings").table,
        [
            {**row, "recording_id": name, "title": (titles or {}).get(at, "")}
            for at, (name, row) in enumerate(zip(names, told, strict=True))
        ],
    )


def add_maestro(
    lake: Lake,
    sounds: Mapping[str, Any],
    pieces: Mapping[str, str],
    titles: Mapping[str, tuple[str, str]] | None = None,
    verified: bool = True,
) -> None:
    """A year with two segments a recording, and its mapping."""
    tier = lake.tier("maestro")
    partition = tier.partition("2004")
    segments: list[Row] = []
    for one in sounds:
        composer, title = (titles or {}).get(one, ("Bach", pieces[one]))
        told = {"canonical_composer": composer, "canonical_title": title}
        segments += [segment_row(one, number, 240_000, **told) for number in range(2)]
    MAESTRO_SEGMENTS.write(partition.stage("segments").table, segments)
    EMBEDDINGS.write(partition.stage(CLEAN.asset).table, _embedded(partition, segments, sounds))
    mapping = {
        piece: [row["segment_id"] for row in segments if pieces[row["recording_id"]] == piece]
        for piece in sorted(set(pieces.values()))
    }
    write_atomic(tier.contrastive_mapping, json.dumps(mapping).encode())
    rows = [
        {
            "recording_id": one,
            "work_id": pieces[one],
            "performer_id": one.rpartition("_")[2],
            "split": "train",
            "segments": 2,
            "verified": verified,
        }
        for one in sorted(sounds)
    ]
    CONTRASTIVE_RECORDINGS.write(tier.contrastive_recordings, rows)


def add_youtube(
    lake: Lake, clean: Mapping[str, Any], twins: Mapping[str, Any], titles: Mapping[str, str] | None = None
) -> None:
    """A channel with two segments a video, each with a twin."""
    partition = lake.tier("youtube").partition("channel")
    segments: list[Row] = [
        {**segment_row(one, number, 240_000), "title": (titles or {}).get(one, one)}
        for one in clean
        for number in range(2)
    ]
    partition.folder.mkdir(parents=True)
    _write_lines(partition.stage("segments").table, segments)
    _write_lines(partition.tier.metadata, [{**row, "duplicate_of": None} for row in segments])
    EMBEDDINGS.write(partition.stage(CLEAN.asset).table, _embedded(partition, segments, clean))
    _write_lines(partition.stage(AUGMENTED.asset).table, _embedded(partition, segments, twins, AUGMENTED))


def _embedded(partition: Any, segments: Sequence[Row], sounds: Mapping[str, Any], product: Any = CLEAN) -> list[Row]:
    """Rows of embeddings: five frames of what a recording sounds like, and noise."""
    chance, identity = np.random.default_rng(1), read_identity(partition.embedding_folder)
    encoder = identity.digest if identity else "none"
    made: list[Row] = []
    for one, sound in sounds.items():
        frames = [torch.tensor(sound + chance.normal(size=(5, 1024)), dtype=torch.float32) for _ in range(2)]
        mine = [row for row in segments if row["recording_id"] == one]
        parts: list[tuple[Row, Any, Row]] = [(row, values, {}) for row, values in zip(mine, frames, strict=True)]
        made += write_embeddings(product.folder(partition), one, parts, encoder, product)
    return made


def _write_lines(path: Path, rows: Sequence[Row]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
