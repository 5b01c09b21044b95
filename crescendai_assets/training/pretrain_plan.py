"""Which recordings an encoder would be pretrained on, known from tables alone, and marks of all that they are told by.

Never a work that PercePiano rates. Of the corpus the roles of `pretraining` decide, and are looked at once
more here; of the tiers (A2) see `pretrain_tiers`. Reading the recordings is `pretrain_items`' work.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from crescendai_assets.embeddings.folder import CLEAN
from crescendai_assets.embeddings.identity import IDENTITY_FILE
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.files import file_state
from crescendai_assets.lake.fingerprints import fingerprint
from crescendai_assets.lake.layout import Lake, Tier
from crescendai_assets.lake.tables import Row, Table, read_rows
from crescendai_assets.symbolic.corpus.performances import corpus_tier
from crescendai_assets.symbolic.corpus.products import products
from crescendai_assets.training.compiling import compiled_path, digest_on_disk, index_path
from crescendai_assets.training.pretrain_settings import PRODUCTS, PretrainSettings
from crescendai_assets.training.pretraining import check_no_evaluation_work, corpus_path, usable_roles
from crescendai_assets.training.settings import T2, T3, T4
from crescendai_assets.training.t1_plan import T1Place

SIDES = ("train", "validation")

_FILLED = {"type": "string", "minLength": 1}
_COLUMNS = {
    "recording_id": _FILLED,
    "of": _FILLED,  # a product of the corpus; maestro, youtube
    "role": {"enum": list(SIDES)},
    "piece": _FILLED,
    "content": _FILLED,
}
LEARNT_FROM = Table(
    "recordings of a pretraining",
    "recording_id",
    {"type": "object", "required": list(_COLUMNS), "properties": _COLUMNS},
)


@dataclass(frozen=True)
class PretrainPlace:
    """Where pretraining finds what it learns from, and puts what it learns.

    Attributes:
        root: Folder with `checkpoints/`.
        corpus: The symbolic corpus.
        competition: T2, with its embedding set.
        maestro: T3, likewise.
        youtube: T4, likewise.
    """

    root: Path
    corpus: Tier
    competition: Tier
    maestro: Tier
    youtube: Tier

    @staticmethod
    def of(lake: Lake, embedding_set: str = "") -> PretrainPlace:
        """Of a lake."""
        tiers = (lake.tier(name, embedding_set) for name in (T2, T3, T4))
        return PretrainPlace(lake.root, corpus_tier(lake), *tiers)

    @staticmethod
    def beside(place: T1Place) -> PretrainPlace:
        """Of the lake that rated clips lie in."""
        lake = Lake(place.symbolic.tier.folder.parent)
        return replace(PretrainPlace.of(lake, place.embeddings.tier.embedding_set), root=place.root)

    def tier(self, name: str) -> Tier:
        """One of the tiers that are heard."""
        return {T2: self.competition, T3: self.maestro, T4: self.youtube}[name]


@dataclass(frozen=True, eq=False)
class PretrainPlan:
    """What would be learnt from without ratings: an encoder's pretraining, or what stands `beside` ratings.

    Attributes:
        used: Rows of `LEARNT_FROM`, by recording.
        segments: Of the tiers: tier -> recording -> its segments; empty of the corpus.
        left_out: Why -> recordings that are left out for it.
        notes: What a reader should know.
        input_digest: Of all that they are told by.
        encoder: What made the embeddings, in words, and its digest; empty of the corpus.
    """

    used: tuple[Row, ...]
    segments: Mapping[str, Mapping[str, Sequence[str]]]
    left_out: Mapping[str, int]
    notes: tuple[str, ...]
    input_digest: str
    encoder: tuple[str, str] = ("", "")

    def recordings(self, side: str, of: str = "") -> list[str]:
        """Those of one side, by id."""
        return [row["recording_id"] for row in self.used if row["role"] == side and of in ("", row["of"])]

    def segments_of(self, side: str, tier: str) -> list[str]:
        """Those of a tier's recordings of one side."""
        return [key for one in self.recordings(side, tier) for key in self.segments[tier][one]]

    @property
    def counts(self) -> dict[str, int]:
        """Recordings of each side."""
        return {side: len(self.recordings(side)) for side in SIDES}


def plan_pretraining(place: PretrainPlace, settings: PretrainSettings) -> PretrainPlan:
    """What a pretraining would learn from.

    Raises:
        SetupError: Something was not materialized, does not fit together, or is too little.
    """
    if settings.model in PRODUCTS:
        return _of_corpus(place.corpus, settings)
    from crescendai_assets.training.pretrain_tiers import plan_tiers

    return plan_tiers(place, settings)


def state_of_inputs(place: PretrainPlace, settings: PretrainSettings) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Every file that a plan is told by, and its state: while these are the same, the plan is the same.

    These are all tables and notes of the tiers and of their partitions, used or not, and the corpus's pack.
    """
    if (of_corpus := PRODUCTS.get(settings.model)) is None:
        return state_of_tiers(place, (T3, T4))
    found = [*_documents(place.corpus), str(compiled_path(place.corpus, products()[of_corpus]))]
    return tuple((path, file_state(Path(path))) for path in sorted(found))


def state_of_tiers(
    place: PretrainPlace, names: Sequence[str] = (T2, T3, T4)
) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """The same of a plan that is told by tiers, and by the corpus's roles."""
    found = [path for tier in (place.corpus, *map(place.tier, names)) for path in _documents(tier)]
    return tuple((path, file_state(Path(path))) for path in sorted(found))


def _documents(tier: Tier) -> list[str]:
    """JSON in a tier's folder and in the folders in it, which may hold a hundred thousand other files."""
    if not tier.folder.is_dir():
        return []
    folders = [str(tier.folder), *(entry.path for entry in os.scandir(tier.folder) if entry.is_dir())]
    found = [entry.path for one in folders for entry in os.scandir(one) if entry.name.endswith((".json", ".jsonl"))]
    return found + [str(one.embedding_folder / IDENTITY_FILE) for one in tier.partitions(CLEAN.asset)]


def refuse_evaluation_works(place: PretrainPlace, settings: PretrainSettings) -> tuple[str, ...]:
    """Look with fresh eyes, before the first step, whether a rated work is among what is learnt from.

    Tiers are looked at by every plan. Reading all music of a large corpus takes a minute.

    Returns:
        What a reader should know.

    Raises:
        SetupError: One is.
    """
    if settings.model not in PRODUCTS:
        return ()
    found = check_no_evaluation_work(place.corpus)
    if found.passed:
        return ()
    first = found.rows[0]
    if found.warn:
        return ("no rated passage is in the corpus to look for: rated works were told by their names alone",)
    raise SetupError(
        f"{corpus_path(place.corpus)}: {first['id']} {first['fault']}, and is not held out; materialize "
        "symbolic/corpus and symbolic/pretraining again"
    )


def _of_corpus(tier: Tier, settings: PretrainSettings) -> PretrainPlan:
    product = products()[PRODUCTS[settings.model]]
    roles, path = usable_roles(tier), compiled_path(tier, product)
    if not digest_on_disk(tier, product):
        raise SetupError(f"{path}: no whole pack; materialize symbolic/pretraining first")
    packed = sorted(read_rows(index_path(tier, product)), key=lambda row: str(row["recording_id"]))
    for row in packed:
        if roles.get(row["recording_id"]) != row["role"]:
            raise SetupError(
                f"{path}: holds {row['recording_id']} for {row['role']}, which by symbolic/corpus it is not for: it "
                "may be of a rated work; materialize symbolic/pretraining again"
            )
    piece_of = {row["recording_id"]: row["music"] for row in read_rows(corpus_path(tier))}
    role_of = {row["recording_id"]: row["role"] for row in packed}
    notes: list[str] = []
    if "validation" not in role_of.values():
        aside = set_aside({piece_of[one] for one in role_of}, settings.inner_share, fewest=1)
        if not aside:
            raise SetupError(f"{path}: holds one piece of music, so none is left to choose the epoch by; add sources")
        role_of = {one: "validation" if piece_of[one] in aside else "train" for one in role_of}
        notes.append(f"the corpus has nothing for validation: {len(aside)} of its pieces set aside instead")
    used = tuple(
        {
            "recording_id": row["recording_id"],
            "of": product.name,
            "role": role_of[row["recording_id"]],
            "piece": piece_of[row["recording_id"]],
            "content": row["content"],
        }
        for row in packed
    )
    if "train" not in role_of.values():
        raise SetupError(f"{path}: holds nothing to train on; add sources of MIDI")
    every = list(read_rows(corpus_path(tier)))
    left_out = {"of a rated work": sum(row["role"] == "held_out" for row in every)}
    if missing := len(roles) - len(packed):
        notes.append(f"{missing} performances that may be used are not in the pack")
    return PretrainPlan(used, {}, left_out, tuple(notes), fingerprint(product.name, LEARNT_FROM.digest(used)))


def set_aside(pieces: Iterable[str], share: float, *, fewest: int) -> set[str]:
    """Pieces that epochs are chosen by, the same wherever they are asked for.

    Args:
        pieces: All of them.
        share: Of them, about.
        fewest: At least so many, and as many are left to learn from; none where that cannot be.
    """
    every = sorted(set(pieces), key=lambda one: hashlib.blake2b(one.encode(), digest_size=8).digest())
    if len(every) < 2 * fewest:
        return set()
    return set(every[: max(fewest, round(share * len(every)))])
