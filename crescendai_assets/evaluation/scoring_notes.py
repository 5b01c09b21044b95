"""What must be said with a performance's scores: what to beware of, and what the model was or was not given."""

from __future__ import annotations

from collections.abc import Iterator

from crescendai_assets.evaluation.comparison import Judges
from crescendai_assets.evaluation.robustness import MOST_DROP_PCT
from crescendai_assets.evaluation.scoring_choice import Choice
from crescendai_assets.evaluation.scoring_models import Ensemble, Wanted
from crescendai_assets.lake.files import sha256_file
from crescendai_assets.lake.tables import read_rows
from crescendai_assets.symbolic.corpus.performances import NAME as PERFORMANCES
from crescendai_assets.training.asked import Heard
from crescendai_assets.training.one_performance import XML_SUFFIXES, ReadMidi
from crescendai_assets.training.t1_plan import T1Place

PERCEPIANO_WORKS = frozenset({"WoO80", "D935", "D960"})
"""What PercePiano's listeners rated; labels of other works are the sample's, or somebody's own."""

_FEW_MATCHED = 0.85


def banners(choice: Choice, judges: Judges, heard: Heard) -> tuple[str, ...]:
    """What must not be overlooked; empty where all is as it should be."""
    return tuple(_banners(choice.ensemble, {row["work"] for row in judges.rows}, heard))


def remarks(
    place: T1Place, choice: Choice, judges: Judges, given: Wanted, heard: Heard, unscored: int
) -> tuple[str, ...]:
    """What else a reader should know."""
    return (
        *_of_rated(given, judges),
        *_of_parts(heard, unscored),
        *_of_model(choice),
        *_of_given(choice, given, heard.symbols),
        *(_of_range(place, heard.symbols) if heard.symbols else ()),
    )


def _banners(ensemble: Ensemble, works: set[str], heard: Heard) -> Iterator[str]:
    trained = heard.sound.encoder.trained if heard.sound else True
    if trained is False:
        yield (
            f"The encoder was never trained ({heard.sound.encoder.describe() if heard.sound else ''}). These figures "
            "show that the pipeline runs; as a judgement of playing they mean nothing."
        )
    elif trained is None:
        yield "It is not known whether the encoder of the embeddings was trained; do not rely on these figures."
    if works != PERCEPIANO_WORKS:
        yield (
            f"The model learnt from ratings of {', '.join(sorted(works))}, which are not PercePiano's. If this is the "
            "sample corpus, its ratings are made up: as a judgement of playing these figures mean nothing."
        )
    if ensemble.vetoed:
        yield (
            f"{ensemble.spec.key} is vetoed: {ensemble.fall}, more than the {MOST_DROP_PCT:g} % that a winner's may. "
            "Rely on these figures for clean studio sound at most; a model of symbols (--midi) is not concerned."
        )
    if ensemble.leaky:
        yield f"The held-out figures are of the protocol {ensemble.protocol}, which is known to leak: they flatter."


def _of_rated(given: Wanted, judges: Judges) -> Iterator[str]:
    midi = given.get("midi")
    mark = "" if midi is None else sha256_file(midi)
    for row in judges.rows:
        if mark and mark == row["midi_sha256"]:
            yield (
                f"This MIDI is that of the rated performance {row['segment_id']}: most folds learnt from its rating, "
                "so its scores look surer than they would be of a new performance."
            )
            return


def _of_parts(heard: Heard, unscored: int) -> Iterator[str]:
    if len(heard.spans) > 1:
        start, stop = heard.spans[0]
        yield (
            f"Listeners rated passages of 8 to 16 bars, half of them 8 to 20 seconds long. This performance is longer: "
            f"it was scored in {len(heard.spans)} parts of {stop - start:.0f} s, cut by the clock and not by phrases, "
            "and the scores above are means over them. Nobody rated whole pieces; an interval is that of one part."
        )
    if unscored:
        yield f"{unscored} of {len(heard.spans)} parts could not be scored (too few notes, or not in the score)."


def _of_model(choice: Choice) -> Iterator[str]:
    ensemble = choice.ensemble
    if ensemble.missing:
        yield (
            f"Only {len(ensemble.members)} of {len(ensemble.members) + len(ensemble.missing)} folds of "
            f"{ensemble.spec.key} are trained (missing: {', '.join(ensemble.missing)}); intervals are of these alone."
        )
    yield from (f"{one[0].upper()}{one[1:]}." for one in choice.passed_over)
    yield from (f"Of the model: {note}." for note in dict.fromkeys(n for m in ensemble.members for n in m.report.notes))


def _of_given(choice: Choice, given: Wanted, symbols: ReadMidi | None) -> Iterator[str]:
    ensemble, score = choice.ensemble, given.get("score")
    if "midi" in ensemble.needs:
        if choice.unheard:
            yield (
                f"The score was not used: {choice.unheard}. What the pianist did beyond the text is not known to the "
                "model. Give the score of the same bars, with repeats as they were played."
            )
        elif score is None:
            yield (
                "No score was given: what the pianist did beyond the text is not known to the model, which learnt with "
                "scores beside it. Expect it to do worse than its held-out figures; give --score."
            )
        elif score.suffix.lower() in XML_SUFFIXES:
            yield (
                "The score is MusicXML, read at 120 quarter notes a minute and even loudness; the model learnt with "
                "scores rendered as MIDI, tempo and dynamics written in. Pace and loudness are less sure."
            )
        yield (
            "The model learnt from MIDI that was recorded on an instrument. MIDI transcribed from sound has other "
            "errors in loudness and pedal, and scores follow them."
        )
    elif given.get("midi") is not None:
        yield f"{ensemble.spec.key} listens to the sound alone; the MIDI is only shown."
    if given.get("audio") is not None and "audio" not in ensemble.needs:
        yield f"{ensemble.spec.key} reads the MIDI alone; the sound was not listened to."
    if symbols and symbols.matched is not None and symbols.matched < _FEW_MATCHED:
        yield (
            f"Only {symbols.matched:.0%} of the notes played are in the score: give the score of the same bars, with "
            "repeats as they were played."
        )


def _of_range(place: T1Place, symbols: ReadMidi) -> Iterator[str]:
    """Length and density of the parts against those of the rated passages, where the corpus knows them."""
    import numpy as np

    rows = list(read_rows(place.symbolic.stage(PERFORMANCES).table))
    if len(rows) < 2:
        return
    seconds = np.array([row["seconds"] for row in rows])
    density = np.array([row["notes"] for row in rows]) / np.maximum(seconds, 0.1)
    told = {
        "lasts {:.1f} s": ([stop - start for start, stop in symbols.spans], seconds, "{:.1f} to {:.1f} s"),
        "has {:.1f} notes a second": (
            [
                part.notes / (stop - start)
                for part, (start, stop) in zip(symbols.parts, symbols.spans, strict=True)
                if part
            ],
            density,
            "{:.1f} to {:.1f}",
        ),
    }
    for words, (values, of_rated, usual) in told.items():
        low, high = np.percentile(of_rated, [1, 99])
        odd = [value for value in values if not low <= value <= high]
        if odd:
            which = "It" if len(values) == 1 else f"{len(odd)} of {len(values)} parts are unusual: one"
            yield f"{which} {words.format(odd[0])}; of the rated passages 98 in 100 have {usual.format(low, high)}."
