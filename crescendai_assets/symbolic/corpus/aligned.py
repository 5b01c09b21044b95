"""The score that a performance of the corpus is aligned with: its files, what they hold, the voices it gives.

Which performances have one is for their source to say, in `listing`. An alignment that cannot be used is no reason to
lose a performance: its voices are estimated as everyone else's, and its row says why.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeVar

from crescendai_assets.lake.errors import RecordingError
from crescendai_assets.lake.files import sha256_file
from crescendai_assets.lake.fingerprints import fingerprint
from crescendai_assets.symbolic.alignment import by_index, read_alignment
from crescendai_assets.symbolic.score_xml import read_score_xml
from crescendai_assets.symbolic.voices import estimated_voices, score_voices

if TYPE_CHECKING:
    from crescendai_assets.symbolic.performance import Ints, Performance

MIN_MATCHED = 0.5
"""Share of the performed notes that an alignment must match; those of (n)ASAP at hand match .96 and more."""

Result = TypeVar("Result")


class AlignedScore(NamedTuple):
    """Published files that go with a performance.

    Attributes:
        alignment: A `note_alignment.tsv`.
        xml: The MusicXML it speaks of, None where that is absent.
        version: Sizes and times of the last change of both, so that a listing tells that one changed.
    """

    alignment: str
    xml: str | None
    version: str


class Voices(NamedTuple):
    """Voices of a performance of N notes.

    Attributes:
        voice: Of each note, shape (N,).
        source: Where they come from; from the score, notes without a partner in it follow the estimate.
        fault: Why the score that is there was not used, with the name of the file.
    """

    voice: Ints
    source: Literal["score", "estimate"]
    fault: str | None = None


def score_digest(score: AlignedScore | None) -> str | None:
    """Hash of what the files hold, None without any.

    Raises:
        OSError: One cannot be read.
    """
    if score is None:
        return None
    return fingerprint(*(sha256_file(Path(path)) if path else None for path in (score.alignment, score.xml)))


def voices_of(read: Performance, score: AlignedScore | None) -> Voices:
    """From the score that a performance is aligned with, else estimated.

    Parses MusicXML of unknown origin: call it in a guarded process.
    """
    estimate = estimated_voices(read)
    if score is None:
        return Voices(estimate, "estimate")
    try:
        return Voices(_written(read, score, estimate), "score")
    except RecordingError as error:
        return Voices(estimate, "estimate", str(error))


def given_scores(
    make: Callable[[Path, AlignedScore | None], Result], scores: Mapping[Path, AlignedScore]
) -> Callable[[Path], Result]:
    """A function of a path that knows the scores of the files it will be asked for; it can be sent to a process."""
    return partial(_given, make, scores)


def _given(
    make: Callable[[Path, AlignedScore | None], Result], scores: Mapping[Path, AlignedScore], path: Path
) -> Result:
    return make(path, scores.get(path))


def _written(read: Performance, score: AlignedScore, estimate: Ints) -> Ints:
    """The score's voices.

    Raises:
        RecordingError: Alignment or score cannot be read, belong to other files, or say too little.
    """
    if score.xml is None:
        raise RecordingError(f"{score.alignment}: the MusicXML it speaks of is absent; complete the dataset's folder")
    file, written = read_alignment(score.alignment), read_score_xml(score.xml)
    if (written.voice == written.voice[0]).all():  # without any, partitura puts all notes into one
        raise RecordingError(f"{score.xml}: has no voices; take the score that was published with the alignment")
    found = by_index(file, read, written, score.alignment)
    if len(found.matched) < MIN_MATCHED * len(read):
        raise RecordingError(
            f"{score.alignment}: matches only {len(found.matched)} of the {len(read)} performed notes; "
            "fetch it again, or remove it"
        )
    return score_voices(read, written, found, estimate)
