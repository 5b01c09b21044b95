"""Takes of an invented movement as MIDI files, whose long passages do not hold what their numbers say.

Sections 1 to 6 are the 8-bar passages. The 16-bar ones hold 1 and 2, then 3 alone, then 4 and 5. Beside it D 935, whose
four passages share nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from crescendai_assets.symbolic.performance import Performance, performance
from crescendai_assets_tests.symbolic.midi_files import save_performance

PIANISTS = ("1", "2", "3")
NOTES = 40
HELD = {"8bars_01": [1], "8bars_02": [2], "8bars_03": [3], "8bars_04": [4], "8bars_05": [5], "8bars_06": [6]}
HELD |= {"16bars_01": [1, 2], "16bars_02": [3], "16bars_03": [4, 5]}
MOVEMENT = "Schubert_D960_mv2"
OTHER = "Schubert_D935_no.3"
REPEAT = 6
"""This section repeats the first; the machine plays it the same, only louder."""


def key(passage: str, performer: str, piece: str = MOVEMENT) -> str:
    """`8bars_01` -> the segment's name."""
    bars, number = passage.split("_")
    return f"{piece}_{bars}_{performer}_{number}"


def section(number: int, performer: str) -> Performance:
    """A section as somebody plays it; a machine plays evenly."""
    pitch = np.random.default_rng(1 if number == REPEAT else number).integers(40, 84, NOTES)
    machine, loudness = performer.startswith("Score"), 80 if number == REPEAT else 64
    own = np.random.default_rng([number, int(performer, 36)]).lognormal(0, 0.1, NOTES)
    onset = np.cumsum(0.25 * (np.ones(NOTES) if machine else own))
    return performance(pitch, onset - onset[0], np.full(NOTES, 0.2), np.full(NOTES, loudness))


def played_on(sections: Sequence[int], performer: str) -> Performance:
    """Sections one after the other, each as it is played alone."""
    parts, onsets, start = [section(number, performer) for number in sections], [], 0.0
    for part in parts:
        onsets.append(part.onset + start)
        start = float(onsets[-1][-1]) + 0.25
    one, many = np.concatenate(onsets), len(onsets) * NOTES
    struck, loud = (np.concatenate([getattr(part, name) for part in parts]) for name in ("pitch", "velocity"))
    return performance(struck, one, np.full(many, 0.2), loud)


def write_takes(
    folder: Path,
    performers: Sequence[str] = (*PIANISTS, "Score"),
    other_music: Sequence[str] = (),
    broken: Mapping[str, bytes] | None = None,
) -> list[str]:
    """Write everybody's takes of everything; returns the segments.

    Args:
        folder: Made here.
        performers: Who plays.
        other_music: Segments whose file holds music that is nobody's.
        broken: Segments whose file holds these bytes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {key(passage, who): (held, who) for passage, held in HELD.items() for who in performers}
    wanted |= {key(f"4bars_{n}", who, OTHER): ([n * 10], who) for n in (1, 2, 3, 4) for who in performers}
    for place, (name, (held, who)) in enumerate(wanted.items()):
        held = [1000 + place] if name in other_music else held
        save_performance(played_on(held, who), folder / f"{name}.mid")
    for name, data in (broken or {}).items():
        (folder / f"{name}.mid").write_bytes(data)
    return sorted(wanted)
