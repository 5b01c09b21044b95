"""A new performance scored: what the folds of a model say of it, how sure that is, and what must be said with it.

The score is the mean of the folds' predictions, the interval is `scoring_intervals`'. Of a performance in parts it is
the mean over the parts; an interval is that of one passage, which is what listeners rated. What is shown of it is in
`scoring_page`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from crescendai_assets.audio.decode import SAMPLE_RATE, Audio
from crescendai_assets.embeddings.identity import EncoderSpec, read_identity
from crescendai_assets.evaluation.arrays import Floats
from crescendai_assets.evaluation.comparison import Judges, read_judges
from crescendai_assets.evaluation.scoring_choice import Choice, choose
from crescendai_assets.evaluation.scoring_intervals import COVERAGE, checked_coverage, cross_conformal, too_few_rows
from crescendai_assets.evaluation.scoring_models import Ensemble
from crescendai_assets.evaluation.scoring_notes import banners, remarks
from crescendai_assets.labels.dimensions import DIMENSIONS, HIGHEST, LOWEST, POINTS
from crescendai_assets.lake.errors import RecordingError, SetupError
from crescendai_assets.lake.stage import Progress, silent
from crescendai_assets.symbolic.performance import Performance
from crescendai_assets.training.asked import Heard, ask
from crescendai_assets.training.one_performance import ReadMidi, Spans, read_performance, spans_of
from crescendai_assets.training.one_sound import SOUND_KINDS, Sound, heard_sound, matching_encoder, read_sound
from crescendai_assets.training.t1_plan import T1Place

_APART_SECONDS, _APART_SHARE = 3.0, 0.05
_ENVELOPE = 1200


@dataclass(frozen=True)
class Asked:
    """What is to be scored, and by what.

    Attributes:
        audio: The performance's sound; None without.
        midi: Its MIDI; None without.
        score: MIDI or MusicXML of the same bars; None without.
        model: Key; empty for the best that takes what is given.
        protocol: Of the folds whose models are asked.
        seed: Of their training.
        coverage: Share of ratings that intervals are to hold.
    """

    audio: Path | None = None
    midi: Path | None = None
    score: Path | None = None
    model: str = ""
    protocol: str = "passage"
    seed: int = 0
    coverage: float = COVERAGE

    def __post_init__(self) -> None:
        """Refuse what cannot be scored.

        Raises:
            SetupError: There is no performance, or the coverage is no share.
        """
        if self.audio is None and self.midi is None:
            raise SetupError("give a performance: its sound, its MIDI, or both")
        if not 0.5 <= self.coverage < 1:
            raise SetupError(f"coverage {self.coverage:g}: give a share from 0.5 to below 1, such as 0.8")

    @property
    def name(self) -> str:
        """Of the performance, for people."""
        return (self.audio or self.midi or Path("performance")).name

    @property
    def given(self) -> dict[str, Path | None]:
        """By what it is."""
        return {"audio": self.audio, "midi": self.midi, "score": self.score}


@dataclass(frozen=True, eq=False)
class ScoreSheet:
    """A performance's scores; D dimensions, W parts, N rated performances. All on the scale of labels, 1/7 to 1.

    Attributes:
        asked: What was asked.
        choice: The model.
        spans: Parts, seconds.
        scores: Mean over the parts, shape (D,).
        low: Lower ends of the intervals, shape (D,).
        high: Upper ends, shape (D,).
        percentile: Where each score would stand among the rated performances, 0 to 100, shape (D,).
        parts: Scores of each part, shape (W, D); NaN of one that could not be scored.
        spread: Standard deviation of what the folds' models say, shape (D,).
        rated: Labels of the rated performances, shape (N, D).
        reliability: ICC of the mean rating by dimension, NaN where it is not known, shape (D,).
        measured: Share of each fold's held-out ratings that such intervals held, shape (folds, D).
        works: Whose performances were rated.
        performance: Of the MIDI; None without.
        envelope: Loudest sample of each stretch of the sound, shape (n,); None where it was not decoded.
        banners: What must not be overlooked.
        remarks: What else a reader should know.
    """

    asked: Asked
    choice: Choice
    spans: Spans
    scores: Floats
    low: Floats
    high: Floats
    percentile: Floats
    parts: Floats
    spread: Floats
    rated: Floats
    reliability: Floats
    measured: Floats
    works: tuple[str, ...]
    performance: Performance | None
    envelope: Floats | None
    banners: tuple[str, ...]
    remarks: tuple[str, ...]

    @property
    def ensemble(self) -> Ensemble:
        """The model."""
        return self.choice.ensemble

    @property
    def seconds(self) -> float:
        """Length of the performance."""
        return self.spans[-1][1]

    def rows(self) -> list[dict[str, Any]]:
        """A row a dimension: score, rating on 1 to 7, interval, percentile."""
        columns = zip(DIMENSIONS, self.scores, self.low, self.high, self.percentile, strict=True)
        return [
            {
                "dimension": dimension.name,
                "low_pole": dimension.low,
                "high_pole": dimension.high,
                "score": round(float(score), 4),
                "low": round(float(low), 4),
                "high": round(float(high), 4),
                "rating": round(float(score) * POINTS, 2),
                "rating_low": round(float(low) * POINTS, 2),
                "rating_high": round(float(high) * POINTS, 2),
                "percentile": round(float(percentile), 1),
            }
            for dimension, score, low, high, percentile in columns
        ]


def score_performance(
    place: T1Place, asked: Asked, encoder: EncoderSpec | None = None, *, progress: Progress = silent
) -> ScoreSheet:
    """Score a performance by the finished folds of a model.

    Args:
        place: Where labels and checkpoints are.
        asked: What, and by what.
        encoder: Which encoder is configured; looked at by models of sound alone.
        progress: Gets lines for people.

    Raises:
        SetupError: Nothing that could score it is trained, something it needs is not given, or the encoder is another.
        RecordingError: A file cannot be used, or nothing of it can be scored.
    """
    import numpy as np

    judges = read_judges(place.labels)
    choice = choose(place, judges, asked.given, model=asked.model, protocol=asked.protocol, seed=asked.seed)
    choice, symbols = _read(asked, choice, judges, progress)
    ensemble = choice.ensemble
    heard, samples = _heard(place, asked, ensemble, symbols, encoder or EncoderSpec(), progress)
    progress(f"asking {ensemble.spec.key} of {len(ensemble.members)} folds about {len(heard.spans)} part(s)")
    said = np.stack([ask(one.checkpoint, heard) for one in ensemble.members])
    tellable = ~np.isnan(said).any(axis=(0, 2))
    if not tellable.any():
        raise RecordingError(_nothing(asked, heard.symbols))
    told = said[:, tellable]
    held_out = [one.held_out for one in ensemble.members]
    low, high = cross_conformal(told, held_out, asked.coverage)
    centre = told.mean(0)
    parts = np.full(said.shape[1:], np.nan)
    parts[tellable] = centre
    scores = _on_scale(centre).mean(0)
    return ScoreSheet(
        asked=asked,
        choice=choice,
        spans=heard.spans,
        scores=scores,
        low=_on_scale(np.minimum(low, centre)).mean(0),
        high=_on_scale(np.maximum(high, centre)).mean(0),
        percentile=_percentile(scores, judges.labels),
        parts=_on_scale(parts),
        spread=told.mean(1).std(0),
        rated=judges.labels,
        reliability=np.array([judges.ceiling.get(dimension.name, np.nan) for dimension in DIMENSIONS]),
        measured=checked_coverage(held_out, asked.coverage),
        works=tuple(sorted({row["work"] for row in judges.rows})),
        performance=heard.symbols.whole if heard.symbols else None,
        envelope=None if samples is None else _envelope(samples),
        banners=banners(choice, judges, heard),
        remarks=(
            *too_few_rows(held_out, asked.coverage),
            *remarks(place, choice, judges, asked.given, heard, int((~tellable).sum())),
        ),
    )


def _read(asked: Asked, choice: Choice, judges: Judges, progress: Progress) -> tuple[Choice, ReadMidi | None]:
    """The MIDI as the model is told it; beside a score that does not fit, without it, by another model if need be."""
    if asked.midi is None:
        return choice, None
    score = asked.score if "midi" in choice.ensemble.needs else None
    found = _symbols(asked.midi, score, choice.ensemble)
    if found.fits or score is None:
        return choice, found
    if "score" in choice.ensemble.needs:
        other = None if asked.model else choice.without_score(judges)
        if other is None:
            return choice, found
        choice = other
    choice = replace(choice, unheard=f"only {found.matched:.0%} of the notes played are in {score.name}")
    progress(f"the score is not used: {choice.unheard}")
    return choice, _symbols(asked.midi, None, choice.ensemble)


def _symbols(midi: Path, score: Path | None, ensemble: Ensemble) -> ReadMidi:
    return read_performance(midi, score, ensemble.kinds - SOUND_KINDS)


def _heard(
    place: T1Place,
    asked: Asked,
    ensemble: Ensemble,
    symbols: ReadMidi | None,
    spec: EncoderSpec,
    progress: Progress,
) -> tuple[Heard, Audio | None]:
    """What the model listens to, and the samples where sound was decoded."""
    kind = next(iter(ensemble.kinds & SOUND_KINDS), None)
    encoder = None
    if kind is not None:  # before sound takes time
        stored = read_identity(place.embeddings.embedding_folder)
        encoder = matching_encoder(kind, ensemble.encoder, spec, stored)
    samples = read_sound(asked.audio) if asked.audio is not None and (encoder or symbols is None) else None
    spans = symbols.spans if symbols else spans_of(0.0, _seconds(samples))
    sound: Sound | None = None
    if encoder is not None and samples is not None:
        if symbols is not None:
            _refuse_unlike(asked, _seconds(samples), symbols.whole.seconds)
        progress(f"hearing {_seconds(samples):.0f} s of sound with {encoder[1].describe()}")
        sound = heard_sound(samples, spans, *encoder, embed=kind == "embeddings")
    return Heard(spans, symbols, sound), samples


def _seconds(samples: Audio | None) -> float:
    return 0.0 if samples is None else len(samples) / SAMPLE_RATE


def _refuse_unlike(asked: Asked, sound: float, midi: float) -> None:
    if abs(sound - midi) > max(_APART_SECONDS, _APART_SHARE * max(sound, midi)):
        raise RecordingError(
            f"{asked.audio} lasts {sound:.0f} s and {asked.midi} {midi:.0f} s: they are not of one performance; give "
            "the MIDI of this recording, beginning where it begins"
        )


def _nothing(asked: Asked, symbols: ReadMidi | None) -> str:
    why = next((part.why_not for part in symbols.parts if part and part.why_not), "") if symbols else ""
    reason = f"its notes cannot be laid over {asked.score}: {why}" if why else "it has too few notes, or is too short"
    cure = "Give the score of the same bars, or --model S0, which does without" if why else "Give a longer passage"
    return f"{asked.name}: nothing of it can be scored ({reason}). {cure}"


def _on_scale(values: Floats) -> Floats:
    import numpy as np

    return np.clip(values, LOWEST, HIGHEST)


def _percentile(scores: Floats, rated: Floats) -> Floats:
    """Share of the rated performances below each score, equal ones half, in percent."""
    import numpy as np

    return np.asarray(100 * ((rated < scores).mean(0) + (rated == scores).mean(0) / 2))


def _envelope(samples: Audio) -> Floats:
    import numpy as np

    stretches: Sequence[Any] = np.array_split(np.abs(samples), min(_ENVELOPE, max(1, len(samples))))
    return np.array([float(one.max(initial=0.0)) for one in stretches])
