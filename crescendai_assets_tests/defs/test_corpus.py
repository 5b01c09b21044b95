"""The symbolic corpus through Dagster: sample sources, and the real ones where they are."""

from __future__ import annotations

import os

import pytest

from crescendai_assets.lake.ledger import read_failures
from crescendai_assets.lake.tables import read_rows
from crescendai_assets.sample.asap import write_asap
from crescendai_assets.sample.loose import DRUMS, write_loose_midi
from crescendai_assets.sample.rated_set import write_rated_set
from crescendai_assets.symbolic.corpus.pack import read_pack
from crescendai_assets.symbolic.corpus.performances import corpus_tier
from crescendai_assets_tests.shared_data import DATA, needs_shared
from crescendai_assets_tests.symbolic.aligned_folder import alignment_of, write_aligned_folder

OF_A_SOURCE = [f"symbolic/{n}" for n in ("performances", "tokens", "score_graphs", "hetero_graphs", "features")]
OF_ALL = ["symbolic/corpus", "symbolic/pretraining"]


@pytest.fixture
def sources(platform):
    write_asap(platform.root / "asap")
    write_loose_midi(platform.root / "loose")
    write_rated_set(platform.root / "percepiano", audio=False)
    platform.tick()
    return platform


def all_well(done):
    return all(one.succeeded and all(one.checks.values()) for one in done.values())


def test_every_source_is_a_partition_and_all_of_it_materializes_twice_to_the_same(sources):
    keys = sources.instance.get_dynamic_partitions("midi_source")
    assert sorted(keys) == ["asap", "atepp", "loose", "maestro", "percepiano"]
    for key in ("asap", "loose", "percepiano"):
        done = sources.run(OF_A_SOURCE, key)
        assert all_well(done), done["symbolic/performances"].error
    first = sources.run(OF_ALL)
    assert all_well(first), first
    tier = corpus_tier(sources.lake)
    before = {path: path.read_bytes() for path in tier.folder.rglob("*.pt")}
    assert {"all_tokens.pt", "all_graphs.pt", "all_hetero_graphs.pt", "all_features.pt"} <= {p.name for p in before}
    for key in ("asap", "loose", "percepiano"):
        again = sources.run(OF_A_SOURCE, key)
        assert all_well(again)
        assert {one.metadata["succeeded"] for one in again.values()} == {0}
    assert all_well(sources.run(OF_ALL))
    assert {path: path.read_bytes() for path in tier.folder.rglob("*.pt")} == before
    assert first["symbolic/corpus"].metadata["held_out"] > 0
    assert first["symbolic/corpus"].metadata["picture_of_roles"].startswith("![")


def test_bad_midi_is_told_on_the_page_with_what_is_wrong_and_the_rest_is_there(sources):
    done = sources.run(OF_A_SOURCE[:1], "loose")["symbolic/performances"]
    assert (done.metadata["failed"], done.metadata["succeeded"]) == (1, 4)
    (failure,) = read_failures(corpus_tier(sources.lake).partition("loose").stage("performances").ledger).values()
    assert DRUMS in failure.message
    assert failure.error_class == "permanent"


def test_a_file_that_changed_after_it_was_read_waits_for_the_performances(sources):
    sources.run(OF_A_SOURCE[:1], "loose")
    path = next(path for path in (sources.root / "loose").iterdir() if path.name.startswith("take"))
    os.utime(path, ns=(1, 1))
    tokens = sources.run(["symbolic/tokens"], "loose")["symbolic/tokens"]
    assert (tokens.metadata["succeeded"], tokens.metadata["failed"]) == (3, 1)
    (failure,) = read_failures(corpus_tier(sources.lake).partition("loose").stage("tokens").ledger).values()
    assert "materialize symbolic/performances of this source first" in failure.message
    both = sources.run(OF_A_SOURCE[:2], "loose")
    assert all_well(both)
    assert both["symbolic/performances"].metadata["stale"] == 1
    assert both["symbolic/tokens"].metadata["succeeded"] == 1
    assert "failures" not in both["symbolic/tokens"].metadata


def test_a_file_that_was_only_touched_is_not_made_again(sources):
    sources.run(OF_A_SOURCE, "loose")
    path = next(path for path in (sources.root / "loose").iterdir() if path.name.startswith("take"))
    os.utime(path, ns=(1, 1))
    again = sources.run(OF_A_SOURCE, "loose")
    assert all_well(again)
    assert [one.metadata["succeeded"] for one in again.values()] == [1, 0, 0, 0, 0]


def test_graphs_say_on_their_page_where_their_voices_come_from_and_what_could_not_be_used(platform):
    folder = write_aligned_folder(platform.root / "asap", "Ada01", "Bob02", "Eve03", aligned=("Ada01", "Bob02"))
    alignment_of(folder, "Bob02").write_text("a page that says 404")
    platform.tick()
    done = platform.run(["symbolic/performances", "symbolic/score_graphs"], "asap")
    assert all_well(done), done
    shown = done["symbolic/score_graphs"].metadata
    assert (shown["voices_from_score"], shown["voices_estimated"], shown["aligned_scores_not_used"]) == (1, 2, 1)
    assert "Bob02_note_alignments/note_alignment.tsv: has no column" in str(shown["why_not_used"])


def test_a_source_that_is_not_at_hand_says_what_to_set(sources, monkeypatch):
    monkeypatch.delenv("ATEPP_DIR", raising=False)
    (done,) = sources.run(OF_A_SOURCE[:1], "atepp").values()
    assert "set ATEPP_DIR" in done.error


def test_a_slip_in_the_setting_is_told_by_the_sensor_and_takes_no_key_out(sources, monkeypatch):
    monkeypatch.setenv("CRESCENDAI_MIDI_FOLDERS", "no equals sign")
    (sources.root / "loose").rename(sources.root / "gone")
    assert "is not <name>=<folder>" in sources.tick()
    assert "loose" in sources.instance.get_dynamic_partitions("midi_source")


@needs_shared
@pytest.mark.slow
def test_every_odd_midi_file_is_read_or_stands_in_the_ledger(platform, monkeypatch):
    monkeypatch.setenv("CRESCENDAI_MIDI_FOLDERS", f"odd={DATA / 'midi_odd'}")
    platform.tick()
    done = platform.run(OF_A_SOURCE, "odd")
    assert all_well(done)
    partition = corpus_tier(platform.lake).partition("odd")
    read = {row["recording_id"] for row in read_rows(partition.stage("performances").table)}
    refused = read_failures(partition.stage("performances").ledger)
    assert (len(read), len(refused)) == (34, 5)
    assert all(str(DATA / "midi_odd") in failure.message for failure in refused.values())
    assert done["symbolic/tokens"].metadata["succeeded"] == 34


@needs_shared
@pytest.mark.slow
def test_the_real_sources_materialize_with_green_checks_and_asap_gives_way_to_maestro(platform):
    for name, folder in (("percepiano", "percepiano"), ("asap", "asap"), ("maestro", "maestro_mini")):
        (platform.root / name).symlink_to(DATA / folder)
    platform.tick()
    for key in ("percepiano", "asap", "maestro"):
        done = platform.run(OF_A_SOURCE, key)
        assert all_well(done), done
    done = platform.run(OF_ALL)
    assert all_well(done), done
    roles = done["symbolic/corpus"].metadata
    assert (roles["held_out"], roles["duplicate"], roles["train"] + roles["validation"]) == (1202, 8, 125)
    pack = read_pack(corpus_tier(platform.lake).folder / "tokens" / "all_tokens.pt")
    assert not any(one.startswith("percepiano_") for one in pack.ids)
