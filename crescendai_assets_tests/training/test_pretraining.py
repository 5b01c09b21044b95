"""What may be used for pretraining, decided over sample sources with planted copies and rated works."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.layout import Lake, Tier
from crescendai_assets.lake.tables import read_rows
from crescendai_assets.sample.asap import write_asap
from crescendai_assets.sample.corpus import write_maestro
from crescendai_assets.sample.loose import DRUMS, PIECE, PIECE_AGAIN, RATED, SCALES, write_loose_midi
from crescendai_assets.sample.rated_set import write_rated_set
from crescendai_assets.sources.maestro_sources import FolderSource
from crescendai_assets.symbolic.corpus.listing import Listing, Sources, list_source
from crescendai_assets.symbolic.corpus.pack import read_pack
from crescendai_assets.symbolic.corpus.performances import corpus_tier, make_product, read_performances
from crescendai_assets.symbolic.corpus.products import products, windows
from crescendai_assets.symbolic.corpus.schemas import CORPUS, PERFORMANCES
from crescendai_assets.symbolic.signatures import Signature
from crescendai_assets.symbolic.tokenizer import PianoTokenizer
from crescendai_assets.training.compiling import (
    check_packs,
    compiled_path,
    digest_on_disk,
    index_path,
    plan_pack,
    write_pack_of_all,
)
from crescendai_assets.training.corpus_roles import Music, plan_corpus
from crescendai_assets.training.pretraining import (
    check_current,
    check_no_evaluation_work,
    corpus_path,
    usable_roles,
    write_corpus,
)

SOURCES = ("asap", "loose", "maestro", "percepiano")


@dataclass
class Corpus:
    tier: Tier
    sources: Sources

    def read(self, *keys):
        for key in keys:
            read_performances(self.tier.partition(key), list_source(key, self.sources))

    def listing(self, key) -> Listing:
        return list_source(key, self.sources)

    def decided(self):
        """Role by file, for files whose names say what they are."""
        files = {
            row["recording_id"]: row["file"]
            for key in SOURCES
            for row in read_rows(self.tier.partition(key).stage("performances").table)
        }
        return {files[row["recording_id"]]: row for row in write_corpus(self.tier)}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("sources")
    write_asap(root / "asap")
    write_loose_midi(root / "loose")
    write_maestro(root / "maestro")
    write_rated_set(root / "percepiano", audio=False)
    return root


@pytest.fixture
def corpus(folders, tmp_path) -> Corpus:
    return Corpus(
        corpus_tier(Lake(tmp_path)),
        Sources(
            asap=folders / "asap",
            maestro=FolderSource(folders / "maestro"),
            percepiano=folders / "percepiano" / "midi",
            folders={"loose": folders / "loose"},
        ),
    )


def test_rated_works_are_held_out_wherever_they_are_and_copies_are_used_once(corpus):
    corpus.read(*SOURCES)
    found = corpus.decided()
    assert DRUMS not in found  # refused when it was read
    assert {row["role"] for row in found.values() if row["source"] == "percepiano"} == {"held_out"}
    assert found[RATED]["role"] == "held_out"
    assert "holds percepiano_" in found[RATED]["why"]
    assert sorted((found[PIECE]["role"], found[PIECE_AGAIN]["role"]))[0] == "duplicate"
    assert found[SCALES]["role"] in ("train", "validation")
    rated_by_others = [row for row in found.values() if row["source"] == "asap" and "265" in str(row["work_id"])]
    assert rated_by_others
    assert {row["role"] for row in rated_by_others} == {"held_out"}
    copies = [row for row in found.values() if row["source"] == "asap" and row["role"] == "duplicate"]
    assert len(copies) == 2  # one that ASAP names as MAESTRO's, and one that only its notes give away
    assert all("maestro_" in row["why"] for row in copies)


def test_nothing_of_one_music_is_on_both_sides_of_the_split(corpus):
    corpus.read(*SOURCES)
    sides: dict[str, set[str]] = {}
    for row in corpus.decided().values():
        if row["role"] in ("train", "validation"):
            sides.setdefault(row["music"], set()).add(row["role"])
    assert sides
    assert all(len(roles) == 1 for roles in sides.values())
    assert check_no_evaluation_work(corpus.tier).passed


@pytest.mark.parametrize(
    ("planted", "fault"),
    [
        (RATED, "holds percepiano_"),
        ("percepiano", "is rated itself"),
        (PIECE_AGAIN, "the same performance as"),
    ],
)
def test_the_check_finds_what_was_let_in_wrongly(corpus, planted, fault):
    corpus.read(*SOURCES)
    found = corpus.decided()
    rows = list(read_rows(corpus_path(corpus.tier)))
    twins = {found[PIECE]["recording_id"], found[PIECE_AGAIN]["recording_id"]}
    target = (
        found[planted]["recording_id"]
        if planted in found
        else next(row["recording_id"] for row in rows if row["source"] == planted)
    )
    for row in rows:
        if row["recording_id"] == target or (planted == PIECE_AGAIN and row["recording_id"] in twins):
            row["role"] = "train"
    CORPUS.write(corpus_path(corpus.tier), rows)
    outcome = check_no_evaluation_work(corpus.tier)
    assert not outcome.passed
    assert any(fault in row["fault"] for row in outcome.rows), outcome.rows


def test_without_the_rated_source_a_rated_work_is_told_by_its_name_alone(corpus, folders, tmp_path):
    midi = next((folders / "maestro").rglob("*.midi"))
    odd = tmp_path / "asap"
    (odd / "Schubert").mkdir(parents=True)
    (odd / "Schubert" / "Some01.mid").write_bytes(midi.read_bytes())
    (odd / "metadata.csv").write_text(
        "composer,title,folder,midi_score,midi_performance\nSchubert,Impromptu_D.935_No.3,Schubert,,Schubert/Some01.mid\n"
    )
    named = Corpus(corpus.tier, Sources(asap=odd))
    named.read("asap")
    (row,) = write_corpus(named.tier)
    assert row["role"] == "held_out"
    assert "Schubert D 935 no. 3, by the name of" in row["why"]


def test_deciding_again_reads_nothing_until_a_source_changes(corpus):
    corpus.read("loose", "maestro")
    first = write_corpus(corpus.tier)
    assert check_current(corpus.tier, CORPUS.digest(first)).passed
    for path in corpus.tier.folder.rglob("performances/*.pt"):
        path.rename(path.with_suffix(".away"))  # nothing can be read
    assert write_corpus(corpus.tier) == first
    for path in corpus.tier.folder.rglob("performances/*.away"):
        path.rename(path.with_suffix(".pt"))
    corpus.read("asap")
    assert not check_current(corpus.tier, CORPUS.digest(first)).passed
    assert len(write_corpus(corpus.tier)) > len(first)


def test_compiled_packs_hold_what_may_be_used_and_what_the_files_give(corpus):
    corpus.read(*SOURCES)
    write_corpus(corpus.tier)
    every = products(512)
    for key in SOURCES:
        for product in every.values():
            make_product(corpus.tier.partition(key), product, corpus.listing(key))
    roles = usable_roles(corpus.tier)
    for product in every.values():
        planned = plan_pack(corpus.tier, product, roles)
        assert planned.not_made == 0
        assert write_pack_of_all(corpus.tier, planned)
        assert not write_pack_of_all(corpus.tier, planned)  # it is there
        pack = read_pack(compiled_path(corpus.tier, product))
        assert set(pack.ids) == set(roles)
        index = {row["recording_id"]: row for row in read_rows(index_path(corpus.tier, product))}
        assert {i: row["role"] for i, row in index.items()} == roles
        assert [index[i]["place"] for i in pack.ids] == list(range(len(pack)))
    tokens = read_pack(compiled_path(corpus.tier, every["tokens"]))
    one = next(one for one in corpus.listing("loose").files.values() if one.file == SCALES)
    assert windows(tokens[tokens.ids.index(one.recording_id)]) == PianoTokenizer(512).windows(one.path)
    assert not list(corpus.tier.folder.rglob("*.laid"))


def test_a_pack_that_was_cut_short_or_lost_its_index_is_written_again(corpus):
    corpus.read("loose")
    product = products()["tokens"]
    make_product(corpus.tier.partition("loose"), product, corpus.listing("loose"))
    write_corpus(corpus.tier)
    planned = plan_pack(corpus.tier, product, usable_roles(corpus.tier))
    write_pack_of_all(corpus.tier, planned)
    whole = compiled_path(corpus.tier, product).read_bytes()
    index_path(corpus.tier, product).unlink()
    assert digest_on_disk(corpus.tier, product) == ""
    assert not check_packs(corpus.tier, [planned]).passed
    assert write_pack_of_all(corpus.tier, planned)
    assert compiled_path(corpus.tier, product).read_bytes() == whole
    assert check_packs(corpus.tier, [planned]).passed


def test_packs_wait_for_the_roles(corpus):
    with pytest.raises(SetupError, match="materialize symbolic/corpus first"):
        usable_roles(corpus.tier)


def write_over(corpus, source, target):
    """Give a file of the loose folder another content, as a user may."""
    Path(corpus.sources.folders["loose"] / target).write_bytes((corpus.sources.folders["loose"] / source).read_bytes())


@pytest.fixture
def own_loose(corpus, tmp_path) -> Corpus:
    """The corpus with a loose folder that may be changed."""
    copied = shutil.copytree(corpus.sources.folders["loose"], tmp_path / "own")
    return Corpus(corpus.tier, replace(corpus.sources, folders={"loose": copied}))


def test_what_was_made_of_a_file_before_it_changed_is_not_compiled(own_loose):
    corpus = own_loose
    rated, plain = (corpus.sources.folders["loose"] / name for name in (RATED, SCALES))
    kept = plain.read_bytes()
    plain.write_bytes(rated.read_bytes())  # a rated work, told by its notes
    corpus.read(*SOURCES)
    product = products()["tokens"]
    make_product(corpus.tier.partition("loose"), product, corpus.listing("loose"))
    plain.write_bytes(kept)  # the file is put right; its tokens are still of the rated work
    corpus.read("loose")
    found = corpus.decided()[SCALES]
    assert found["role"] in ("train", "validation")
    planned = plan_pack(corpus.tier, product, usable_roles(corpus.tier))
    assert found["recording_id"] not in {row["recording_id"] for row in planned.rows}
    assert planned.not_made >= 1
    make_product(corpus.tier.partition("loose"), product, corpus.listing("loose"))
    planned = plan_pack(corpus.tier, product, usable_roles(corpus.tier))
    assert found["recording_id"] in {row["recording_id"] for row in planned.rows}


def test_packs_are_not_made_by_roles_that_were_decided_before_a_source_changed(own_loose):
    corpus = own_loose
    corpus.read(*SOURCES)
    write_corpus(corpus.tier)
    write_over(corpus, RATED, SCALES)
    corpus.read("loose")
    with pytest.raises(SetupError, match="materialize symbolic/corpus again"):
        usable_roles(corpus.tier)


def test_a_copy_stays_where_the_file_it_is_a_copy_of_gives_way_to_it():
    row = {"composer": "", "title": "", "work_id": None, "performer_id": None, "usable": True, "notes": 1, "seconds": 1}
    rows = {
        "asap_x": {**row, "source": "asap", "file": "x.mid", "copy_of": "2004/x.midi"},
        "maestro_x": {**row, "source": "maestro", "file": "2004/x.midi", "copy_of": None},
    }
    pitch = np.random.default_rng(0).integers(30, 90, 200).astype(np.uint8)
    onset = np.cumsum(np.random.default_rng(1).integers(500, 9000, 200)).astype(np.int32)
    whole, cut = Signature(pitch, onset), Signature(pitch[:150], onset[:150])
    shingle = np.arange(50, dtype=np.uint64)
    music = Music(rows, dict.fromkeys(rows, shingle), {"asap_x": whole, "maestro_x": cut})
    roles = {row["recording_id"]: row["role"] for row in plan_corpus(music)}
    assert roles["maestro_x"] == "duplicate"
    assert roles["asap_x"] in ("train", "validation")


def test_a_performer_that_a_source_corrects_is_corrected_in_the_corpus(corpus):
    corpus.read("asap")
    write_corpus(corpus.tier)
    table = corpus.tier.partition("asap").stage("performances").table
    rows = list(read_rows(table))
    rows[0]["performer_id"] = "Somebody05"
    PERFORMANCES.write(table, rows)
    found = {row["recording_id"]: row["performer_id"] for row in write_corpus(corpus.tier)}
    assert found[rows[0]["recording_id"]] == "Somebody05"


def test_a_full_disk_stops_compiling_with_words_and_leaves_nothing_half_done(corpus, small_disk):
    corpus.read("loose", "asap")
    product = products()["features"]
    make_product(corpus.tier.partition("asap"), product, corpus.listing("asap"))
    write_corpus(corpus.tier)
    planned = plan_pack(corpus.tier, product, usable_roles(corpus.tier))
    there = small_disk / "features"
    there.mkdir()
    (corpus.tier.folder / "features").symlink_to(there)
    with pytest.raises(SetupError, match="make room and run again"):
        write_pack_of_all(corpus.tier, planned)
    assert list(there.iterdir()) == []


def test_a_file_of_a_folder_is_told_by_its_path_where_nothing_else_names_it(own_loose):
    corpus = own_loose
    folder = corpus.sources.folders["loose"]
    (folder / "Schubert").mkdir()
    (folder / SCALES).rename(folder / "Schubert" / "D960_mv1.mid")  # a movement of it that was not rated
    corpus.read(*SOURCES)
    found = corpus.decided()["Schubert/D960_mv1.mid"]
    assert found["role"] == "held_out"
    assert "Schubert D 960, by the name of" in found["why"]
    rows = [{**row, "role": "train"} if row == found else row for row in read_rows(corpus_path(corpus.tier))]
    CORPUS.write(corpus_path(corpus.tier), rows)
    assert any("is called a performance of" in row["fault"] for row in check_no_evaluation_work(corpus.tier).rows)


def test_that_no_rated_passage_was_there_to_look_for_is_a_warning(corpus):
    corpus.read("loose")
    write_corpus(corpus.tier)
    found = check_no_evaluation_work(corpus.tier)
    assert (found.passed, found.warn) == (False, True)
    assert "materialize symbolic/performances of percepiano" in found.rows[0]["fault"]
    corpus.read("percepiano")
    write_corpus(corpus.tier)
    assert check_no_evaluation_work(corpus.tier).passed
