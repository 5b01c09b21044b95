"""What is to be done with each recording until its tier is done, counted on through all assets."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from crescendai_assets.audio.decode import SAMPLE_RATE
from crescendai_assets.status.look import RULE, Look
from crescendai_assets.status.model import SourceView


@dataclass(frozen=True)
class Work:
    """What is to be done until the tier is.

    Attributes:
        seconds: Length of each recording, those of the source and those of the table.
        guessed: Recordings still to list whose length nobody knows.
        to_list: Recordings whose row is to be written.
        to_hear: Those of them whose audio is fetched or read for it.
        to_cut: Recordings that are decoded to be cut.
        lengths: Samples of each segment, by recording: as cut, or as `to_cut` will be.
    """

    seconds: Mapping[str, float]
    guessed: Collection[str]
    to_list: Collection[str]
    to_hear: set[str]
    to_cut: set[str]
    lengths: Mapping[str, list[int]]


def plan_work(source: SourceView | None, listed: Look, cut: Look, inherited: tuple[str, ...]) -> Work:
    """What is to be done.

    Args:
        source: What should be there; None when that is what is listed.
        listed: Recordings against it.
        cut: Segments against recordings.
        inherited: Columns that a segment takes from its recording.
    """
    changed = {i for i in listed.plan.stale if i in listed.rows and source and source.changed(i, listed.rows[i][0])}
    here = source.here if source else ()
    seconds, guessed = _lengths(source, listed, changed)
    to_cut = _to_cut(seconds, listed, cut, changed, inherited)
    samples = {
        i: [stop - start for start, stop in RULE.bounds(round(seconds[i] * SAMPLE_RATE))]
        if i in to_cut
        else [int(row["n_valid"]) for row in cut.rows[i]]
        for i in to_cut | cut.rows.keys()
    }
    return Work(
        seconds=seconds,
        guessed=guessed & set(listed.plan.pending),
        to_list=listed.plan.pending,
        to_hear=changed | (set(listed.plan.new) - set(here)),
        to_cut=to_cut,
        lengths=samples,
    )


def to_embed(look: Look, work: Work) -> set[str]:
    """Recordings that a product still has to embed, once they are cut."""
    return work.lengths.keys() - ({*look.plan.done, *look.plan.waiting} - work.to_cut)


def _lengths(source: SourceView | None, listed: Look, changed: set[str]) -> tuple[dict[str, float], set[str]]:
    """Seconds of each recording, and which of them are guessed. The table goes before the source, but what changed."""
    known = {i: float(rows[0]["duration_seconds"]) for i, rows in listed.rows.items()}
    if source is None:
        return known, set()
    known |= {i: seconds for i, seconds in source.seconds.items() if i in changed or i not in known}
    guessed = source.wanted.keys() - known.keys()
    return known | dict.fromkeys(guessed, source.assumed[0]), set(guessed)


def _to_cut(ids: Collection[str], listed: Look, cut: Look, changed: set[str], inherited: tuple[str, ...]) -> set[str]:
    """Recordings that are decoded before the tier is done; one that only changes its labels is not."""
    failed = {*listed.plan.waiting, *cut.plan.waiting} - changed

    def cut_again(recording_id: str) -> bool:
        if not (recording_id in cut.rows and recording_id in listed.rows):
            return False  # a run under way is removing it
        segment, recording = cut.rows[recording_id][0], listed.rows[recording_id][0]
        relabelled = any(segment.get(column) != recording.get(column) for column in inherited)
        return bool(segment["source_sha256"] != recording["sha256"] or not relabelled)

    again = changed | {i for i in cut.plan.stale if cut_again(i)}
    return {i for i in ids if i in again or (i not in cut.rows and i not in failed)}
