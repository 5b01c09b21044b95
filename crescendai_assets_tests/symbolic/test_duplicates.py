"""Which files hold the same performance: copies however they were exported or cut, and nobody else's."""

from __future__ import annotations

import pickle
import random

import numpy as np
import pytest

from crescendai_assets.symbolic import duplicates
from crescendai_assets.symbolic.duplicates import find_duplicates, overlapping_pairs
from crescendai_assets.symbolic.midi import read_midi
from crescendai_assets.symbolic.performance import Performance, performance
from crescendai_assets.symbolic.signatures import FEWEST_NOTES, Signature, same_performance, sequences, signature
from crescendai_assets_tests.shared_data import DATA, needs_shared
from crescendai_assets_tests.symbolic.midi_files import down, midi, random_performance, tempo, track, up, written

PIANIST = random_performance(1, 500)


def changed(read, *, keep=slice(None), later=0.0, tick=1e-6, velocity=None):
    """Notes of a performance, some of them, moved and rounded as another program would write them."""
    onset, end = (np.rint((times[keep] + later) / tick) * tick for times in (read.onset, read.end))
    louder = read.velocity[keep] if velocity is None else np.full(len(onset), velocity)
    return performance(read.pitch[keep], onset, np.maximum(end - onset, tick), louder)


def another_pianist(read, seed, unlike=0.08):
    """The same keys in the same order, each later or earlier by some hundredths than this one plays them."""
    chance = np.random.default_rng(seed)
    steps = np.diff(read.onset, prepend=0) * chance.lognormal(0, unlike, len(read))
    onset = np.cumsum(steps) + np.abs(chance.normal(0, 0.008, len(read)))
    return performance(read.pitch, onset, read.duration, read.velocity)


def exported(read, path, division, later=0.0):
    """A MIDI file at 120 beats a minute; ticks last half a second by `division`."""
    ticks = 2 * division
    events = [(round((t + later) * ticks), 1, down(int(p), 64)) for t, p in zip(read.onset, read.pitch, strict=True)]
    events += [(round((t + later) * ticks), 0, up(int(p))) for t, p in zip(read.end, read.pitch, strict=True)]
    events.sort(key=lambda event: event[:2])
    steps = np.diff([0, *(tick for tick, *_ in events)]).tolist()
    body = [(step, event) for step, (*_, event) in zip(steps, events, strict=True)]
    return written(path.parent, midi(track((0, tempo(500_000)), *body), division=division), path.name)


def named(**performances: Performance) -> dict[str, Signature]:
    return {name: signature(read) for name, read in performances.items()}


def left_out(found):
    return {duplicate.left_out: duplicate.kept for duplicate in found}


@pytest.mark.parametrize("division", [960, 384, 220, 96])
def test_a_file_exported_again_with_other_ticks_and_another_start_is_the_same_performance(tmp_path, division):
    one = read_midi(exported(PIANIST, tmp_path / "one.mid", 480))
    again = read_midi(exported(PIANIST, tmp_path / "again.mid", division, later=37.2))
    overlap = same_performance(signature(one), signature(again))
    assert overlap
    assert overlap.offset == pytest.approx(37.2, abs=0.004)
    assert overlap.of_first > 0.99
    assert overlap.of_second > 0.99
    assert overlap.seconds == pytest.approx(float(np.ptp(PIANIST.onset)), abs=0.02)


def test_an_excerpt_is_found_in_the_recording_it_was_cut_from():
    excerpt = changed(PIANIST, keep=slice(200, 300), later=-float(PIANIST.onset[200]), tick=0.002)
    overlap = same_performance(signature(excerpt), signature(PIANIST))
    assert overlap
    assert overlap.of_first == 1
    assert overlap.of_second == pytest.approx(100 / len(PIANIST))
    assert overlap.offset == pytest.approx(PIANIST.onset[200], abs=0.002)


@pytest.mark.parametrize("unlike", [0.03, 0.08, 0.2])
def test_two_pianists_are_not_joined_however_alike_they_play(unlike):
    files = {f"pianist{i}": another_pianist(PIANIST, i, unlike) for i in range(8)}
    assert find_duplicates(named(mine=PIANIST, **files)) == []
    assert not any(same_performance(signature(PIANIST), signature(other)) for other in files.values())


def test_a_performance_at_another_speed_is_another_one():
    slower = performance(PIANIST.pitch, PIANIST.onset * 1.02, PIANIST.duration, PIANIST.velocity)
    assert same_performance(signature(PIANIST), signature(slower)) is None


def test_how_loud_it_is_does_not_matter():
    quiet = changed(PIANIST, velocity=20)
    assert same_performance(signature(PIANIST), signature(quiet))


def test_another_take_of_the_first_half_is_no_copy_but_a_missing_note_is():
    half = len(PIANIST) // 2
    patched = performance(
        PIANIST.pitch,
        np.concatenate([another_pianist(PIANIST, 5).onset[:half], PIANIST.onset[half:] + 9]),
        PIANIST.duration,
        PIANIST.velocity,
    )
    assert same_performance(signature(PIANIST), signature(patched)) is None
    fewer = changed(PIANIST, keep=np.arange(len(PIANIST)) % 20 != 3)
    assert same_performance(signature(PIANIST), signature(fewer))


def test_too_few_notes_say_nothing():
    short = changed(PIANIST, keep=slice(0, FEWEST_NOTES - 1))
    assert same_performance(signature(short), signature(short)) is None
    assert same_performance(signature(short), signature(PIANIST)) is None
    enough = changed(PIANIST, keep=slice(0, FEWEST_NOTES))
    assert same_performance(signature(enough), signature(PIANIST))


def test_the_end_of_one_rendering_may_begin_another():
    first = changed(PIANIST, keep=slice(0, 260))
    second = changed(PIANIST, keep=slice(160, 420))
    assert same_performance(signature(first), signature(second)) is None
    assert same_performance(signature(first), signature(changed(PIANIST, keep=slice(100, 360))))


def test_a_copy_of_what_repeats_one_figure_all_along_is_found():
    figure = performance(np.tile([60, 64, 67, 64], 100), np.arange(400) * 0.25, np.full(400, 0.2), np.full(400, 64))
    files = named(figure=figure, later=changed(figure, later=2.5), other=PIANIST)
    assert same_performance(files["figure"], files["later"])
    assert left_out(find_duplicates(files)) == {"later": "figure"}


def test_the_file_with_the_most_notes_is_kept_then_the_preferred_source_then_the_first_id():
    cut = changed(PIANIST, keep=slice(0, 300))
    files = named(a_long=PIANIST, b_cut=cut, other=random_performance(2, 500))
    assert left_out(find_duplicates(files)) == {"b_cut": "a_long"}
    files = named(a=PIANIST, b=changed(PIANIST, later=3.0), c=PIANIST)
    assert left_out(find_duplicates(files)) == {"b": "a", "c": "a"}
    sources = {"a": "asap", "b": "maestro", "c": "atepp"}
    preferred = find_duplicates(files, sources=sources, preference=("maestro", "asap"))
    assert left_out(preferred) == {"a": "b", "c": "b"}
    assert preferred[0].overlap.offset == pytest.approx(3.0)


def test_files_that_hang_together_through_others_become_one_group():
    parts = [changed(PIANIST, keep=slice(start, start + 200 + extra)) for start, extra in ((0, 20), (90, 10), (180, 0))]
    files = named(first=parts[0], middle=parts[1], last=parts[2])
    assert same_performance(files["first"], files["last"]) is None
    found = find_duplicates(files)
    assert [(d.left_out, d.through, d.kept) for d in found] == [
        ("last", "middle", "first"),
        ("middle", "first", "first"),
    ]


def test_the_result_does_not_depend_on_the_order_of_the_files_nor_on_how_many_are_in_memory(monkeypatch):
    reads = {f"p{i}": random_performance(i, 150) for i in range(30)}
    reads |= {f"copy{i}": changed(reads[f"p{i}"], keep=slice(0, 80), later=1.5, tick=0.002) for i in range(10)}
    files = named(**reads)
    found = find_duplicates(files)
    assert left_out(found) == {f"copy{i}": f"p{i}" for i in range(10)}
    names = list(files)
    random.Random(0).shuffle(names)
    monkeypatch.setattr(duplicates, "_AT_ONCE", 1000)
    assert find_duplicates({name: files[name] for name in names}) == found


def test_pairs_are_told_in_order_with_what_each_has_of_the_other():
    half = changed(PIANIST, keep=slice(0, len(PIANIST) // 2), later=2.0)
    files = named(whole=PIANIST, other=random_performance(2, 500), half=half)
    ((one, other, overlap),) = overlapping_pairs(files)
    assert (one, other) == ("half", "whole")
    assert (overlap.of_first, overlap.of_second) == pytest.approx((1, 0.5), abs=0.01)
    assert overlap == same_performance(files["half"], files["whole"])
    assert overlapping_pairs({}) == []


def test_of_many_copies_one_is_kept():
    files = named(**{f"copy{i:02d}": changed(PIANIST, later=i / 7) for i in range(40)})
    assert set(left_out(find_duplicates(files)).values()) == {"copy00"}
    assert len(find_duplicates(files)) == 39


def test_no_files_and_files_of_a_few_notes_are_no_trouble():
    assert find_duplicates({}) == []
    one = performance([60], [0.0], [1.0], [64])
    assert find_duplicates(named(a=one, b=one)) == []
    assert same_performance(signature(one), signature(one)) is None


def test_a_signature_is_small_and_its_sequences_have_the_same_numbers_everywhere():
    scale = signature(
        performance(np.arange(6000) % 88 + 21, np.arange(6000) / 8, np.full(6000, 0.1), np.full(6000, 64))
    )
    assert len(pickle.dumps(scale)) < 32_000
    assert sequences(scale)[:2].tolist() == [3405506359861227705, 14820409662445754453]


# ---------------------------------------------------------------- real performances


def real_files():
    asap = [path for path in sorted((DATA / "asap").rglob("*.mid")) if path.name != "midi_score.mid"]
    return asap, sorted((DATA / "percepiano/midi").glob("*.mid")), sorted((DATA / "maestro_mini").rglob("*.midi"))


def struck_alike(reads):
    """Pairs that share half of the shorter one's sequences of three (key, velocity): what a signature does not know."""
    from scipy import sparse

    places: dict[object, int] = {}
    rows, columns = [], []
    for row, read in enumerate(reads):
        struck = list(zip(read.pitch.tolist(), read.velocity.tolist(), strict=True))
        for three in set(zip(struck, struck[1:], struck[2:], strict=False)):
            rows.append(row)
            columns.append(places.setdefault(three, len(places)))
    held = sparse.csr_matrix((np.ones(len(rows), np.int32), (rows, columns)))
    size = np.asarray(held.sum(axis=1)).ravel()
    common = (held @ held.T).tocoo()
    enough = common.data >= 0.5 * np.minimum(size[common.row], size[common.col])
    return {(i, j) for i, j in zip(common.row[enough].tolist(), common.col[enough].tolist(), strict=True) if i < j}


@needs_shared
def test_of_all_pairs_of_real_performances_exactly_those_are_joined_that_were_struck_alike():
    asap, percepiano, mini = real_files()
    paths = [*asap, *percepiano, *mini]
    assert len(paths) == 125 + 1202 + 8
    reads = [read_midi(path) for path in paths]
    signatures = [signature(read) for read in reads]
    joined = {(i, j) for i, j in duplicates._candidates(signatures) if same_performance(signatures[i], signatures[j])}

    def by_people(pairs):
        return {pair for pair in pairs if not all("_Score" in paths[i].name for i in pair)}

    expected = by_people(struck_alike(reads))
    assert by_people(joined) == expected  # precision and recall 1 over 890,000 pairs
    assert len(expected) == 254
    assert len(joined) == 361  # the rest are machine renderings of the same notes
    assert sum(j >= len(asap) + len(percepiano) for _, j in joined) == 8  # each of maestro_mini in ASAP


@needs_shared
def test_asap_holds_no_performance_twice_and_every_re_export_of_it_is_found():
    reads = {str(path): read_midi(path) for path in real_files()[0]}
    own = named(**reads)
    assert find_duplicates(own) == []
    files = dict(own)
    for name, read in reads.items():
        files[f"{name}#again"] = signature(changed(read, later=37.2, tick=1 / 440))
        files[f"{name}#third"] = signature(changed(read, keep=slice(0, len(read) // 3), later=37.2, tick=1 / 192))
    expected = {f"{name}#{kind}": name for name in own for kind in ("again", "third")}
    assert left_out(find_duplicates(files)) == expected


@needs_shared
def test_the_8_bar_passages_in_a_16_bar_one_are_the_same_with_every_performer_of_percepiano():
    from crescendai_assets.labels.names import SegmentName, parse_name

    files = {parse_name(path.name): signature(read_midi(path)) for path in real_files()[1]}
    by_take: dict[tuple[str, str], list[SegmentName]] = {}
    for name in files:
        by_take.setdefault((name.piece, name.performer), []).append(name)
    inside: dict[tuple[str, int], dict[str, tuple[int, ...]]] = {}
    for (piece, performer), names in by_take.items():
        if performer.startswith("Score"):
            continue  # a machine plays repeats alike
        for long in (name for name in names if name.bars == 16):
            held = (n.number for n in names if n.bars == 8 and same_performance(files[n], files[long]))
            inside.setdefault((piece, long.number), {})[performer] = tuple(sorted(held))
    assert all(len(set(found.values())) == 1 for found in inside.values())
    movement = {number: set(found.values()).pop() for (piece, number), found in inside.items() if piece.endswith("mv2")}
    # not 2k-1 and 2k from the fourth on: the third 16-bar passage is 8 bars long
    assert movement == {
        1: (1, 2), 2: (3, 4), 3: (5,), 4: (6, 7), 5: (8, 9), 6: (10, 11), 7: (12, 13), 8: (14, 15), 9: (16, 17),
    }  # fmt: skip
