"""Graphs with the voices of the score: only where a usable one is aligned, and made again when its files change."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from crescendai_assets.lake.layout import Lake
from crescendai_assets.lake.ledger import read_failures
from crescendai_assets.lake.stage import Options, silent
from crescendai_assets.lake.tables import read_rows
from crescendai_assets.symbolic.alignment import by_index, read_alignment
from crescendai_assets.symbolic.corpus.listing import Sources, list_source
from crescendai_assets.symbolic.corpus.pack import read_pack
from crescendai_assets.symbolic.corpus.performances import (
    NAME,
    committed_performances,
    corpus_tier,
    make_product,
    read_performances,
    wanted_of,
)
from crescendai_assets.symbolic.corpus.products import products
from crescendai_assets.symbolic.corpus.schemas import GRAPHS
from crescendai_assets.symbolic.corpus.shards import check_shards, committed_rows, shard_path
from crescendai_assets.symbolic.edges import EDGE_TYPES, note_edges
from crescendai_assets.symbolic.midi import read_midi
from crescendai_assets.symbolic.score_xml import read_score_xml
from crescendai_assets.symbolic.voices import estimated_voices
from crescendai_assets.training.compiling import plan_pack
from crescendai_assets_tests.shared_data import DATA, needs_shared
from crescendai_assets_tests.symbolic.aligned_folder import (
    XML,
    alignment_of,
    expected_voices,
    midi_of,
    write_aligned_folder,
    write_alignment,
    write_score,
)


class Corpus:
    """A folder in ASAP's layout and what is made of it."""

    def __init__(self, folder, lake):
        self.folder = folder
        self.tier = corpus_tier(Lake(lake))
        self.partition = self.tier.partition("asap")

    def listing(self):
        return list_source("asap", Sources(asap=self.folder))

    def read(self):
        return read_performances(self.partition, self.listing())

    def make(self, name="score_graphs", progress=silent, **options):
        product, listing = products()[name], self.listing()
        return make_product(self.partition, product, listing, options=Options(**options), progress=progress)

    def stale(self, name="score_graphs"):
        """What a run would make again, by stem."""
        wanted = wanted_of(self.partition, products()[name], self.listing())
        there = committed_rows(self.partition, name)
        return [stem(i) for i in sorted(wanted) if there.get(i) != wanted[i]]

    def rows(self, name="score_graphs"):
        """By the stem of the performance."""
        return {stem(row["recording_id"]): row for row in read_rows(self.partition.stage(name).table)}

    def arrays(self, stem, name="score_graphs"):
        row = self.rows(name)[stem]
        pack = read_pack(shard_path(self.partition, name, row["shard"]))
        return dict(pack.items())[row["recording_id"]]

    def voices(self, stem, name="score_graphs"):
        return self.arrays(stem, name)["x"][:, 5].astype(int)

    def score_of(self, stem):
        return self.listing().files[self.rows(NAME)[stem]["recording_id"]].score


def stem(recording_id):
    return recording_id.split("_")[-2]


def made_of(midi, score, name="score_graphs"):
    """A graph of a file, made in this process."""
    make = products()[name].make_aligned
    assert make is not None
    return make(midi, score)


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """Ada and Bob are aligned, Eve is not; everything is made."""
    root = tmp_path_factory.mktemp("once")
    write_aligned_folder(root / "asap", "Ada01", "Bob02", "Eve03", aligned=("Ada01", "Bob02"))
    corpus = Corpus(root / "asap", root / "lake")
    corpus.read()
    corpus.make()
    return corpus


@pytest.fixture
def made(once, tmp_path):
    """The same, to be changed."""
    shutil.copytree(once.folder.parent, tmp_path / "copy")
    return Corpus(tmp_path / "copy" / "asap", tmp_path / "copy" / "lake")


def test_matched_notes_have_the_voices_of_the_score_and_slips_follow_the_estimate(once):
    facts = once.make().facts
    assert (facts["voices_from_score"], facts["voices_estimated"]) == (2, 1)
    for one, tempo in (("Ada01", 0.4), ("Bob02", 0.45)):
        expected, found = expected_voices(read_midi(midi_of(once.folder, one)), tempo), once.voices(one)
        assert (expected == 0).sum() == 2
        assert np.array_equal(found[expected > 0], expected[expected > 0])
        assert set(found[expected == 0]) <= {1, 5}
        assert once.rows()[one]["voices"] == "score"
    unaligned = estimated_voices(read_midi(midi_of(once.folder, "Eve03")))
    assert np.array_equal(once.voices("Eve03"), unaligned)
    row = once.rows()["Eve03"]
    assert (row["voices"], row["voices_of"], row["voices_fault"]) == ("estimate", None, None)
    assert check_shards(once.partition, "score_graphs", deep=True).passed


def test_voice_edges_follow_the_voices_of_the_score(once):
    read, voice, arrays = read_midi(midi_of(once.folder, "Ada01")), once.voices("Ada01"), once.arrays("Ada01")
    expected = note_edges(read, voice)["voice"].T
    kind = arrays["edge_type"] == EDGE_TYPES.index("voice")
    assert np.array_equal(arrays["edge_index"][kind], expected)
    by_type = made_of(midi_of(once.folder, "Ada01"), once.score_of("Ada01"), "hetero_graphs")
    assert np.array_equal(by_type.arrays["voice"], expected)
    assert (voice[expected[:, 0]] == voice[expected[:, 1]]).all()
    crossing = note_edges(read, estimated_voices(read))["voice"].T
    assert expected.tolist() != crossing.tolist()  # where the voices cross, or this could not fail


def test_a_second_run_makes_nothing_and_looks_into_no_file(made):
    for path in (alignment_of(made.folder, "Ada01"), made.folder / XML):
        status = path.stat()
        path.write_bytes(b"?" * status.st_size)  # nobody may notice: size and time are the same
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert made.read().plan.pending == ()
    assert made.make().plan.pending == ()


def remove_alignment(folder):
    alignment_of(folder, "Ada01").unlink()


def change_alignment(folder):
    path = alignment_of(folder, "Ada01")
    path.write_text("\n".join(line for line in path.read_text().splitlines() if not line.startswith("v1b5-")) + "\n")


def add_alignment(folder):
    write_alignment(folder, "Eve03")


def change_score(folder):
    path = folder / XML
    path.write_text(path.read_text().replace("<voice>5</voice>", "<voice>2</voice>"))


@pytest.mark.parametrize(
    ("change", "stems"),
    [
        (remove_alignment, ["Ada01"]),
        (change_alignment, ["Ada01"]),
        (add_alignment, ["Eve03"]),
        (change_score, ["Ada01", "Bob02"]),
    ],
)
def test_only_the_graphs_whose_alignment_or_score_changed_are_to_be_made_again(made, change, stems):
    before = {name: wanted_of(made.partition, one, made.listing()) for name, one in products().items()}
    change(made.folder)
    assert [stem(i) for i in made.read().plan.stale] == stems
    for name, one in products().items():
        now = wanted_of(made.partition, one, made.listing())
        assert [stem(i) for i in sorted(now) if now[i] != before[name][i]] == (stems if "graphs" in name else []), name
    assert made.stale() == stems


def test_a_graph_made_again_has_the_voices_of_the_score_as_it_is_now(made):
    before = made.rows()
    change_score(made.folder)
    remove_alignment(made.folder)
    made.read()
    assert [stem(i) for i in made.make().plan.stale] == ["Ada01", "Bob02"]
    after = made.rows()
    assert [row["voices"] for row in after.values()] == ["estimate", "score", "estimate"]
    assert set(made.voices("Bob02")) == {1, 2}
    assert after["Eve03"] == before["Eve03"]
    assert made.stale() == []


def test_an_alignment_that_was_only_touched_makes_no_graph_again(made):
    os.utime(alignment_of(made.folder, "Ada01"), ns=(1, 1))
    assert [stem(i) for i in made.read().plan.stale] == ["Ada01"]
    assert made.stale() == []


def test_a_graph_waits_for_the_performances_when_its_alignment_changed_since(made):
    (made.partition.folder / "score_graphs").rename(made.folder.parent / "away")
    change_alignment(made.folder)
    add_alignment(made.folder)
    report = made.make()
    assert (report.succeeded, report.failed_now) == (1, 2)
    failures = read_failures(made.partition.stage("score_graphs").ledger)
    assert [stem(i) for i in failures] == ["Ada01", "Eve03"]
    said = "its alignment or score changed since it was read; materialize symbolic/performances of this source first"
    assert all(said in one.message and one.error_class == "retry" for one in failures.values())
    made.read()
    assert made.stale() == ["Ada01", "Eve03"]


def no_alignment_at_all(folder):
    alignment_of(folder, "Ada01").write_text("a page that says 404\n")


def of_another_performance(folder):
    write_alignment(folder, "Ada01", later=0.1)


def of_few_notes(folder):
    path = alignment_of(folder, "Ada01")
    path.write_text("\n".join(path.read_text().splitlines()[:12]) + "\n")


def broken_score(folder):
    (folder / XML).write_text("no score at all")


def score_without_voices(folder):
    write_score(folder / XML, voices=False)


def absent_score(folder):
    (folder / XML).unlink()


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (no_alignment_at_all, "note_alignment.tsv: has no column 'xml_id'"),
        (of_another_performance, "note_alignment.tsv: only 0 of its 48 matches are found"),
        (of_few_notes, "note_alignment.tsv: matches only 10 of the 50 performed notes"),
        (broken_score, "xml_score.musicxml: partitura cannot read it"),
        (score_without_voices, "xml_score.musicxml: has no voices"),
        (absent_score, "note_alignment.tsv: the MusicXML it speaks of is absent"),
    ],
)
def test_what_cannot_be_used_is_told_by_name_and_the_voices_are_estimated(made, fault, says):
    fault(made.folder)
    midi = midi_of(made.folder, "Ada01")
    graph = made_of(midi, made.score_of("Ada01"))
    assert graph.facts["voices"] == "estimate"
    assert says in graph.facts["voices_fault"]
    assert str(made.folder) in graph.facts["voices_fault"]
    assert np.array_equal(graph.arrays["x"][:, 5], estimated_voices(read_midi(midi)))


def test_a_performance_with_a_broken_alignment_keeps_a_graph_and_says_so_until_it_is_mended(made):
    alignment = alignment_of(made.folder, "Ada01")
    kept = alignment.read_bytes()
    no_alignment_at_all(made.folder)
    made.read()
    told: list[str] = []
    report = made.make(progress=told.append)
    row, says = made.rows()["Ada01"], f"{alignment}: has no column 'xml_id'"
    assert (row["voices"], report.succeeded, report.failed_now) == ("estimate", 1, 0)
    assert says in row["voices_fault"]
    assert any("Ada01" in line and says in line for line in told)
    assert report.facts["aligned_scores_not_used"] == 1
    assert any("Ada01" in line and says in line for line in report.facts["why_not_used"])
    assert made.stale() == []  # it is not tried again and again
    alignment.write_bytes(kept)
    made.read()
    assert "why_not_used" not in made.make().facts
    assert made.rows()["Ada01"]["voices"] == "score"


def test_compiling_takes_graphs_with_voices_of_the_score(once):
    product = products()["score_graphs"]
    roles = dict.fromkeys(committed_performances(once.partition), "train")
    planned = plan_pack(once.tier, product, roles)
    assert (planned.not_made, len(planned.rows)) == (0, 3)


def test_tables_from_before_there_were_such_columns_stand_until_their_graphs_are_made_again(made):
    table = made.partition.stage("score_graphs").table
    new = ("voices", "voices_of", "voices_fault")
    GRAPHS.write(table, [{k: v for k, v in row.items() if k not in new} for row in read_rows(table)])
    remove_alignment(made.folder)
    made.read()
    assert made.make(limit=1).plan.pending == ()  # Ada's row says the same as before: no score
    (made.partition.folder / "score_graphs" / f"{made.rows()['Ada01']['shard']}.pt").unlink()
    report = made.make(limit=1)
    assert (report.succeeded, report.rows, report.facts["voices_estimated"]) == (1, 3, 3)
    assert made.rows()["Ada01"]["voices"] == "estimate"
    assert made.stale() == ["Bob02"]


def test_a_source_without_alignments_has_no_trace_of_them(tmp_path):
    corpus = Corpus(write_aligned_folder(tmp_path / "asap", "Ada01"), tmp_path / "lake")
    assert "with_aligned_score" not in corpus.read().facts
    assert "aligned_score" not in corpus.rows(NAME)["Ada01"]
    assert corpus.score_of("Ada01") is None


def link_nasap(folder):
    """The performances of the four pieces with nASAP's alignments and scores beside them; how many are aligned."""
    nasap, count = DATA / "asap" / "nasap", 0
    for alignment in sorted(nasap.rglob("note_alignment.tsv")):
        piece = alignment.parents[1].relative_to(nasap)
        for path in [
            alignment.parent,
            alignment.parents[1] / "xml_score.musicxml",
            *(DATA / "asap" / piece).glob("*.mid"),
        ]:
            link = folder / piece / path.name
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.exists():
                link.symlink_to(path)
        count += 1
    shutil.copy(nasap / "metadata.csv", folder)
    return count


def assert_voices_are_the_scores(x, one):
    read, score = read_midi(one.path), read_score_xml(one.score.xml)
    played, partner = by_index(read_alignment(one.score.alignment), read, score).matched.T
    assert len(played) > 0.9 * len(read)
    assert np.array_equal(x[played, 5], score.voice[partner])


@needs_shared
def test_on_a_real_performance_matched_notes_have_the_voices_of_its_score(tmp_path):
    link_nasap(tmp_path)
    one = list_source("asap", Sources(asap=tmp_path)).files["asap_Bach_Prelude_bwv_860_Ko04M_mid"]
    found = made_of(Path(one.path), one.score)
    assert (found.facts["voices"], found.facts["voices_fault"]) == ("score", None)
    assert_voices_are_the_scores(found.arrays["x"], one)


@needs_shared
@pytest.mark.slow
def test_on_real_nasap_all_with_an_alignment_take_the_voices_of_their_scores(tmp_path):
    assert link_nasap(tmp_path / "asap") == 22
    corpus = Corpus(tmp_path / "asap", tmp_path / "lake")
    assert corpus.read().facts["with_aligned_score"] == 22
    report, listing = corpus.make(), corpus.listing()
    assert (report.failed_now, report.facts["voices_from_score"]) == (0, 22)
    assert report.facts["voices_estimated"] == len(listing.files) - 22
    assert "why_not_used" not in report.facts
    assert corpus.stale() == []
    for row in read_rows(corpus.partition.stage("score_graphs").table):
        one = listing.files[row["recording_id"]]
        assert (one.score is not None) == (row["voices"] == "score")
        if one.score:
            pack = read_pack(shard_path(corpus.partition, "score_graphs", row["shard"]))
            assert_voices_are_the_scores(dict(pack.items())[one.recording_id]["x"], one)
    removed = next(one for one in listing.files.values() if one.score)
    Path(removed.score.alignment).parent.unlink()  # a link
    assert corpus.read().plan.stale == (removed.recording_id,)
    assert corpus.make().plan.pending == (removed.recording_id,)
