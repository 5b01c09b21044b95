"""Symbolic: reading MIDI against pretty_midi, edges against plain loops, how fast all products of a file are made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from crescendai_assets.audio.guarded import GuardedProcess
from crescendai_assets.bench.measure import Figure, Target, interleaved, pair_ratios, seconds
from crescendai_assets.symbolic.edges import CONSONANT, EDGE_TYPES, TOLERANCE_SECONDS, note_edges
from crescendai_assets.symbolic.features import curves
from crescendai_assets.symbolic.graphs import graph, hetero_graph
from crescendai_assets.symbolic.midi import map_batch, read_midi
from crescendai_assets.symbolic.performance import Performance
from crescendai_assets.symbolic.tokenizer import PianoTokenizer


def measure(folder: Path, *, quick: bool) -> Iterator[Figure]:
    """Reading, edges, and all products of a file."""
    files, length = (4, 10.0) if quick else (40, 60.0)
    paths = [folder / f"{number}.mid" for number in range(files)]
    for number, path in enumerate(paths):
        write_playing(path, length, seed=number)
    yield _reading(paths, quick=quick)
    yield _edges(paths[: 2 if quick else 8], quick=quick)
    yield _products(paths, quick=quick)


def write_playing(path: Path, length: float, *, seed: int = 0) -> None:
    """Write a performance of so many seconds: chords and runs, some ten notes a second, a pedal that is never still."""
    import symusic

    chance = np.random.default_rng(seed)
    score = symusic.Score(480)
    score.tempos.append(symusic.Tempo(0, 120))
    track = symusic.Track("piano", 0, False)
    moments = np.cumsum(chance.gamma(4, 0.05, round(length * 5))) * 960
    for moment in moments:
        for pitch in chance.choice(np.arange(30, 96), chance.integers(1, 4), replace=False):
            held = int(chance.gamma(3, 0.12) * 960) + 20
            start = int(moment) + int(chance.integers(0, 12))
            track.notes.append(symusic.Note(start, held, int(pitch), int(chance.integers(20, 110))))
    for time in range(0, int(moments[-1]), 60):
        track.controls.append(symusic.ControlChange(time, 64, int(chance.integers(0, 128))))
    score.tracks.append(track)
    path.write_bytes(score.dumps_midi())


def plain_edges(
    read: Performance, voice: Any = None, tolerance: float = TOLERANCE_SECONDS
) -> dict[str, set[tuple[int, int]]]:
    """The definitions of `edges` spelt out, one pair after the other; the tests' oracle too."""
    onset, end = _micro(read.onset), _micro(read.end)
    (within,) = _micro([tolerance])
    notes, never = range(len(onset)), max(onset) + 1
    found: dict[str, set[tuple[int, int]]] = {name: set() for name in EDGE_TYPES}
    for i in notes:
        late_enough = (onset[k] for k in notes if onset[k] >= end[i] - within and onset[k] > onset[i] + within)
        following = min(late_enough, default=never)
        quiet = all(end[k] < following - within for k in notes if onset[k] < following)
        same_voice = [] if voice is None else [k for k in notes if voice[k] == voice[i]]
        next_in_voice = min((onset[k] for k in same_voice if onset[k] > onset[i] + within), default=never)
        for j in notes:
            together = i != j and abs(onset[i] - onset[j]) <= within
            during = onset[i] + within < onset[j] < end[i] - within
            if together:
                found["onset"].add((i, j))
            if during:
                found["during"].add((i, j))
            if (together or during) and abs(int(read.pitch[i]) - int(read.pitch[j])) % 12 in CONSONANT:
                found["harmonic"].add((i, j))
            if following <= onset[j] <= following + within:
                found["silence" if quiet else "consecutive"].add((i, j))
        found["voice"] |= {(i, j) for j in same_voice if next_in_voice <= onset[j] <= next_in_voice + within}
    return found


def _micro(times: Any) -> list[int]:
    return [int(time) for time in np.rint(np.asarray(times) * 1e6)]


def _reading(paths: list[Path], *, quick: bool) -> Figure:
    what = "reading MIDI in a guarded process, its start left out: times faster than pretty_midi, same files"
    if find_spec("pretty_midi") is None:
        return Figure("symbolic.read", what, None, skipped="pretty_midi is not installed; `pip install pretty_midi`")
    with GuardedProcess() as process:
        runs = {
            "theirs": partial(seconds, _with_pretty_midi, paths),
            "ours": partial(seconds, map_batch, read_midi, process, paths),
        }
        interleaved(runs, 1)  # imports, file cache, the process
        taken = interleaved(runs, 2 if quick else 5)
    ratio, facts = pair_ratios(taken["theirs"], taken["ours"])
    rate = round(len(paths) / min(taken["ours"]), 1)
    return Figure("symbolic.read", what, ratio, Target("at least", 10), facts={**facts, "files_per_second": rate})


def _edges(paths: list[Path], *, quick: bool) -> Figure:
    performances = [read_midi(path) for path in paths]
    runs = {
        "loops": partial(seconds, _for_each, plain_edges, performances),
        "arrays": partial(seconds, _for_each, note_edges, performances),
    }
    _for_each(note_edges, performances)  # imports
    taken = interleaved(runs, 1 if quick else 3)
    ratio, facts = pair_ratios(taken["loops"], taken["arrays"])
    notes = sum(map(len, performances))
    return Figure(
        "symbolic.edges",
        "all edges of a performance: times faster than nested loops over notes, same edges",
        ratio,
        Target("at least", 20),
        facts={**facts, "notes": notes, "files": len(paths)},
    )


def _products(paths: list[Path], *, quick: bool) -> Figure:
    with GuardedProcess() as process:
        map_batch(all_products, process, paths[:1])  # imports, which take longer than the files
        taken = [seconds(map_batch, all_products, process, paths) for _ in range(1 if quick else 3)]
    music = sum(read_midi(path).seconds for path in paths)
    ratio, facts = pair_ratios([music] * len(taken), taken)
    return Figure(
        "symbolic.products",
        "tokens, both graphs and curves, made in one guarded process, its start left out: times faster than played",
        ratio,
        facts={**facts, "files": len(paths), "files_per_second": round(len(paths) / min(taken), 1)},
    )


def all_products(path: Path) -> int:
    """Make everything of a file; answers how many tokens."""
    read = read_midi(path)
    tokens = PianoTokenizer().encode_performance(read)
    graph(read)
    hetero_graph(read)
    curves(read)
    return sum(map(len, tokens))


def _with_pretty_midi(paths: list[Path]) -> None:
    import pretty_midi

    for path in paths:
        pretty_midi.PrettyMIDI(str(path))


def _for_each(function: Callable[[Performance], object], performances: list[Performance]) -> None:
    for read in performances:
        function(read)
