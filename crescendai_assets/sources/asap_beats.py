"""ASAP's beats: where each beat of a score falls in its MIDI file and in a performance, pair by pair.

Read from the `*_annotations.txt` beside the MIDI files, which hold what the dataset's `asap_annotations.json` does. How
good they are is said in `evaluation.score_alignment`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from crescendai_assets.lake.errors import RecordingError
from crescendai_assets.sources.asap import AsapPerformance

BEAT, DOWNBEAT, UNSURE = "b", "db", "bR"
"""Labels; UNSURE where notation does not say where the beat is (rubato, a pickup in the middle of a score)."""


@dataclass(frozen=True)
class Beats:
    """Beats of one file, in order.

    Attributes:
        seconds: Times, never descending, K.
        labels: BEAT, DOWNBEAT or UNSURE, K.
    """

    seconds: tuple[float, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True)
class PairedBeats:
    """Beats of a performance and of its score: the k-th of one is the k-th of the other.

    Attributes:
        played: Seconds in the performance, K.
        written: Seconds in the score's MIDI file, K.
        labels: Of both, K.
    """

    played: tuple[float, ...]
    written: tuple[float, ...]
    labels: tuple[str, ...]


def read_beats(path: Path) -> Beats:
    """Read an annotation file: time, the same time, label, by tabs; `db,4/4,-3` is a downbeat with its signatures.

    Lines that only change a signature are passed over.

    Raises:
        RecordingError: It cannot be read, holds no beats, or a time is none or goes back; names the line.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RecordingError(f"{path}: cannot be read ({error}); fetch it again", "needs_user") from error
    seconds: list[float] = []
    labels: list[str] = []
    for number, line in enumerate(lines, start=1):
        columns = line.split("\t")
        label = columns[2].split(",")[0].strip() if len(columns) > 2 else ""
        if label not in (BEAT, DOWNBEAT, UNSURE):
            continue
        at = _number(columns[0])
        if not math.isfinite(at) or (seconds and at < seconds[-1]):
            raise RecordingError(
                f"{path}, line {number}: {columns[0]!r} is no time after the beat before; fetch the file again",
                "needs_user",
            )
        seconds.append(at)
        labels.append(label)
    if not labels:
        raise RecordingError(f"{path}: holds no beats; fetch it again", "needs_user")
    return Beats(tuple(seconds), tuple(labels))


def paired_beats(one: AsapPerformance) -> PairedBeats:
    """Beats of a performance with those of its score.

    ASAP marks what cannot be paired as `score_and_performance_aligned: false`, by its own definition where the numbers
    of annotations differ; that is looked at here, and that the labels are the same one by one.

    Raises:
        RecordingError: A file is absent or damaged (`needs_user`), or beats cannot be paired (`permanent`).
    """
    if one.annotations is None or one.score_annotations is None:
        whose = "the beats of its score are" if one.annotations else "its beats are"
        raise RecordingError(
            f"{one.midi}: {whose} absent; add the annotation file that the dataset's table names", "needs_user"
        )
    played, written = read_beats(one.annotations), read_beats(one.score_annotations)
    if played.labels != written.labels:
        raise RecordingError(
            f"{one.annotations}: {len(played.labels)} beats against {len(written.labels)} of the score, or other "
            "labels: ASAP calls such a pair not aligned, as where beats were skipped; it is left out",
            "permanent",
        )
    return PairedBeats(played.seconds, written.seconds, played.labels)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
