"""The robustness report as figures by protocol, model and effect, from rows on disk; and what a comparison reads of it.

How rows come about is in `robustness_scores`, how the report is written down in `robustness_text`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from crescendai_assets.audio.augmentation import EFFECTS
from crescendai_assets.embeddings.pipeline import Encoder
from crescendai_assets.evaluation.comparison import read_judges
from crescendai_assets.evaluation.robustness import Held, Robustness, over_effects, weighted_mean
from crescendai_assets.evaluation.robustness_about import (
    AUDIO_MODELS,
    THROUGH_MUQ,
    Checkpoint,
    Listened,
    checkpoint_name,
    listened,
)
from crescendai_assets.evaluation.robustness_scores import STAGE, committed_scores, score_degraded, wanted_scores
from crescendai_assets.evaluation.robustness_sound import Degrading, cache_of, degraded_id, embed_degraded
from crescendai_assets.labels.protocols import PROTOCOLS, Protocol
from crescendai_assets.lake.layout import Partition
from crescendai_assets.lake.ledger import read_failures
from crescendai_assets.lake.stage import Options, Progress, StageReport, silent
from crescendai_assets.lake.tables import Row, read_rows
from crescendai_assets.sources.locate import AudioFiles
from crescendai_assets.training.checkpoints import FitReport
from crescendai_assets.training.registry import MODELS, spec_of
from crescendai_assets.training.t1_plan import T1Place

_HEARS = {
    "symbolic": "hears no sound",
    "fusion": "its symbols are read from MIDI, which no effect touches: half of what it is told would stay clean",
}
"""Track -> why robustness says nothing of its models."""


@dataclass(frozen=True, eq=False)
class Measured:
    """A model in a protocol.

    Attributes:
        protocol: Which.
        name: Its key, with the seed where it is not 0.
        checkpoints: How many were asked.
        held: Figures.
        rows: That these are of.
    """

    protocol: Protocol
    name: str
    checkpoints: int
    held: Robustness
    rows: tuple[Row, ...]


@dataclass(frozen=True, eq=False)
class RobustnessReport:
    """The report before it is written.

    Attributes:
        measured: Models with figures, by protocol.
        clips: Clips that were degraded.
        passages: Of how many passages they are.
        effects: By which.
        seed: Of the choice of clips.
        missing: Model, tier or effect -> why there is no figure of it.
        refused: Checkpoints that could not be used, or that failed, and why.
        lost: Degraded clips that could not be embedded.
        notes: What must be said with the figures.
    """

    measured: tuple[Measured, ...]
    clips: int
    passages: int
    effects: tuple[str, ...]
    seed: int
    missing: Mapping[str, str]
    refused: Mapping[str, str]
    lost: int = 0
    notes: tuple[str, ...] = ()


def measure_robustness(
    place: T1Place,
    degrading: Degrading,
    audio: AudioFiles,
    open_encoder: Callable[[], Encoder],
    *,
    options: Options = Options(),
    decoders: int | None = None,
    progress: Progress = silent,
) -> tuple[StageReport, StageReport] | None:
    """Degrade, embed and score what is missing or stale; arguments as of `robustness_sound.embed_degraded`.

    Returns:
        What embedding and scoring did; None where there is nothing to degrade or nobody to ask.

    Raises:
        SetupError: As `embed_degraded` does, or labels or folds were not materialized.
    """
    about = listened(place, read_judges(place.labels), degrading)
    if not about.clips:
        progress(f"nothing to measure: {_nothing(about)}")
        return None
    embedded = embed_degraded(
        place, about.clips, degrading, audio, open_encoder, options=options, decoders=decoders, progress=progress
    )
    return embedded, score_degraded(about, options=options, progress=progress)


def read_robustness(place: T1Place, degrading: Degrading) -> RobustnessReport:
    """The report from what was measured; rows that are not current are left out and said to be.

    Raises:
        SetupError: Labels or folds were not materialized.
    """
    about = listened(place, read_judges(place.labels), degrading)
    refused, lost = dict(about.refused), 0
    rows: list[Row] = []
    if cache := about.cache:
        have, ledger = committed_scores(cache), read_failures(cache.stage(STAGE).ledger)
        wanted = wanted_scores(about)
        current = {name for name, of in wanted.items() if have.get(name) == of}
        rows = [row for row in read_rows(cache.stage(STAGE).table) if row["recording_id"] in current]
        for one in about.checkpoints:
            if one.name not in current:
                failure = ledger.get(one.name)
                known = failure is not None and failure.fingerprint == wanted[one.name]
                refused[one.name] = failure.message if failure and known else "was not measured yet"
        lost = _lost(about, cache)
    measured = _measured(rows)
    told = {one.name.split(" ")[0] for one in measured}
    return RobustnessReport(
        measured=measured,
        clips=len(about.clips),
        passages=len({clip["passage"] for clip in about.clips}),
        effects=degrading.effects,
        seed=degrading.seed,
        missing={**_missing(about, told), **_unheard(about, rows)},
        refused=refused,
        lost=lost,
        notes=tuple(sorted({f"over {one.report.encoder[0]}" for one in about.checkpoints if _untrained(one)})),
    )


def robustness_rows(place: T1Place) -> dict[str, list[Row]]:
    """Checkpoint -> its rows, as they were measured last; empty where nothing was."""
    found: defaultdict[str, list[Row]] = defaultdict(list)
    if cache := cache_of(place):
        for row in read_rows(cache.stage(STAGE).table):
            found[row["recording_id"]].append(row)
    return found


def robustness_of(reports: Sequence[FitReport], measured: Mapping[str, Sequence[Row]]) -> tuple[Robustness | None, str]:
    """Of a model's checkpoints; None and the reason where not all of them were measured as they are.

    Args:
        reports: Of the checkpoints of one model in one protocol.
        measured: From `robustness_rows`.
    """
    spec = spec_of(reports[0].model)
    if spec.kind != "embeddings":
        return None, _HEARS.get(spec.track, "takes no sound")
    if any(report.settings.get("use_pretrained_muq") for report in reports):
        return None, THROUGH_MUQ
    of = {report.partition: measured.get(checkpoint_name(report), ()) for report in reports}
    if not any(of.values()):
        return None, "not measured: materialize reports/robustness (it needs the clips' audio)"
    old = [
        report.partition
        for report in reports
        if any(row["checkpoint"] != report.scores_digest for row in of[report.partition]) or not of[report.partition]
    ]
    if old:
        return None, f"not measured of {', '.join(old)} as trained now: materialize reports/robustness again"
    found = sum_up(row for rows in of.values() for row in rows)
    return found, "" if found else "none of the degraded clips is held out there"


def sum_up(rows: Iterable[Row]) -> Robustness | None:
    """Figures of several checkpoints; None where they judged nothing.

    Correlation and drop are of each checkpoint alone, so that checkpoints that differ in level do not look alike; their
    mean weighs by segments. Pairs of all checkpoints count alike.
    """
    by_effect: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_effect[row["effect"]].append(row)
    return over_effects({effect: _held(by_effect[effect]) for effect in EFFECTS if effect in by_effect})


def _held(rows: Sequence[Row]) -> Held:
    judged, compared = ([float(number) for number in of] for of in zip(*map(_weights, rows), strict=True))
    return Held(
        judged=int(sum(judged)),
        pearson_r=weighted_mean([row.get("pearson_r") for row in rows], judged),
        score_drop_pct=weighted_mean([row.get("score_drop_pct") for row in rows], judged),
        compared=int(sum(compared)),
        pairs=weighted_mean([row.get("pairs") for row in rows], compared),
        pairs_degraded=weighted_mean([row.get("pairs_degraded") for row in rows], compared),
    )


def _weights(row: Row) -> tuple[int, int]:
    return len(row["segments"]), row["compared"]


def _measured(rows: Sequence[Row]) -> tuple[Measured, ...]:
    groups: defaultdict[tuple[Protocol, str, int], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row["protocol"], row["model"], row["seed"]].append(row)
    found = []
    for protocol in PROTOCOLS:
        for (of, model, seed), own in sorted(groups.items()):
            if of == protocol and (held := sum_up(own)):
                name = model if seed == 0 else f"{model} seed {seed}"
                asked = len({row["recording_id"] for row in own})
                found.append(Measured(protocol, name, asked, held, tuple(own)))
    return tuple(found)


def _untrained(one: Checkpoint) -> bool:
    return "UNTRAINED" in one.report.encoder[0]


def _missing(about: Listened, told: set[str]) -> dict[str, str]:
    """What there is no figure of, and why."""
    missing = {}
    for spec in MODELS.values():
        if spec.key in told:
            continue
        if spec.key not in AUDIO_MODELS:
            missing[spec.key] = _HEARS.get(spec.track, "takes no sound")
        elif not any(one.report.model == spec.key for one in about.checkpoints):
            missing[spec.key] = "no finished checkpoint that can be used"
        else:
            missing[spec.key] = "T1: " + (_nothing(about) or "not measured yet")
    if "room_response" not in about.degrading.effects:
        missing["room_response"] = "no recorded responses of rooms are given (CRESCENDAI_ROOM_RESPONSES)"
    missing["T2, T3, T4"] = "not measured: their segments have no ratings, so that there is no accuracy to lose"
    return missing


def _lost(about: Listened, cache: Partition) -> int:
    """Degraded clips of this choice that could not be embedded."""
    product = about.degrading.product
    made = {row["segment_id"] for row in product.rows(cache)}
    chosen = {degraded_id(clip["segment_id"], effect) for clip in about.clips for effect in about.degrading.effects}
    return len((chosen - made) & read_failures(cache.stage(product.asset).ledger).keys())


def _unheard(about: Listened, rows: Sequence[Row]) -> dict[str, str]:
    """Effects that nothing is known of though checkpoints were asked: the mean over effects is without them."""
    known = {row["effect"] for row in rows if row["segments"]}
    why = "none of its clips could be embedded, so that it is not in the mean over effects"
    return {effect: why for effect in about.degrading.effects if known and effect not in known}


def _nothing(about: Listened) -> str:
    """Why nothing is degraded; empty where something is."""
    if about.clips:
        return ""
    if not about.checkpoints:
        return "no checkpoint of a model of sound is finished and can be used"
    if not about.with_sound:
        return (
            "no rated clip has both audio and an embedding made of it here: give the clips' audio (PERCEPIANO_AUDIO) "
            "and materialize percepiano/clips and percepiano/embeddings"
        )
    return "no clip with audio is held out by a finished checkpoint"
