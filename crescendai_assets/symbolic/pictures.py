"""Pictures of a performance for a page: keys and pedal, its graph, its curves."""

from __future__ import annotations

from typing import Any

from crescendai_assets.lake.figures import BLUE, GREEN, GREY, ORANGE, RED, empty_figure, figure, plain, png
from crescendai_assets.symbolic.edges import note_edges
from crescendai_assets.symbolic.features import CHANNELS, FRAME_RATE, curves
from crescendai_assets.symbolic.performance import Performance, pedal_at
from crescendai_assets.symbolic.voices import estimated_voices

SHOWN_SECONDS = 30.0
_GRAPH_SECONDS = 4.0

_COLOURS = (GREY, BLUE, ORANGE, GREEN, RED, "#b279a2", "#9d755d", "#72b7b2")


def roll_picture(read: Performance, title: str, seconds: float = SHOWN_SECONDS) -> bytes:
    """Piano roll of the beginning, darker where louder, and the sustain pedal below it."""
    import numpy as np

    drawn = empty_figure(6.4, 2.8)
    notes, pedal = drawn.subplots(2, 1, sharex=True, height_ratios=(5, 1))
    first = read.onset < seconds
    plain(notes).hlines(
        read.pitch[first],
        read.onset[first],
        read.end[first],
        linewidth=2.5,
        colors=[(0.1, 0.2, 0.45, 0.25 + 0.75 * v / 127) for v in read.velocity[first]],
    )
    times = np.arange(0, min(seconds, read.seconds), 0.02)
    plain(pedal).fill_between(times, pedal_at(read.sustain, times), color=ORANGE, linewidth=0)
    pedal.set(ylim=(0, 127), yticks=[], xlabel="s", ylabel="pedal", xlim=(0, min(seconds, read.seconds)))
    notes.set(ylabel="MIDI pitch")
    notes.set_title(title, fontsize=8)
    return png(drawn)


def graph_picture(read: Performance, title: str, seconds: float = _GRAPH_SECONDS) -> bytes:
    """Notes of the densest moments as nodes, edges between them coloured by type."""
    import numpy as np

    until = np.searchsorted(read.onset, read.onset + seconds, "left")
    first = int(np.argmax(until - np.arange(len(read))))
    shown = slice(first, int(until[first]))
    drawn, axes = figure(6.4, 3.0)
    for (name, pairs), colour in zip(note_edges(read, estimated_voices(read)).items(), _COLOURS, strict=False):
        inside = pairs[:, ((pairs >= shown.start) & (pairs < shown.stop)).all(axis=0)]
        if inside.shape[1]:
            axes.add_collection(_lines(np.stack([read.onset[inside], read.pitch[inside]], axis=2), colour))
            axes.plot([], [], color=colour, label=f"{name} ({inside.shape[1]})")
    axes.scatter(read.onset[shown], read.pitch[shown], s=read.velocity[shown] / 4, color="black", zorder=3)
    axes.set(xlabel="s", ylabel="MIDI pitch")
    axes.set_title(title, fontsize=8)
    drawn.legend(fontsize=7, frameon=False, loc="outside right upper")
    return png(drawn)


def curves_picture(read: Performance, title: str, seconds: float = SHOWN_SECONDS) -> bytes:
    """The curves of the beginning, one above the other."""
    import numpy as np

    drawn = empty_figure(6.4, 3.6)
    shown = curves(read)[: int(seconds * FRAME_RATE)]
    times = np.arange(len(shown)) / FRAME_RATE
    for axes, name, values in zip(drawn.subplots(len(CHANNELS), 1, sharex=True), CHANNELS, shown.T, strict=True):
        plain(axes).plot(times, values, color=BLUE, linewidth=0.8)
        axes.set_ylabel(name.replace("_", "\n"), fontsize=7)
        axes.set(yticks=[])
    axes.set(xlabel="s")
    drawn.suptitle(title, fontsize=8)
    return png(drawn)


def _lines(places: Any, colour: str) -> Any:
    """Edges from shape (2, edges, 2): ends, edges, (time, pitch)."""
    from matplotlib.collections import LineCollection

    return LineCollection(list(places.transpose(1, 0, 2)), colors=colour, linewidths=0.8, alpha=0.7)
