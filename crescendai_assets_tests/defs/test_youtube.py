"""T4 through Dagster: channels, whose shared video is whose, pairs, and all channels compiled."""

from __future__ import annotations

import shutil

import dagster as dg
import pytest

from crescendai_assets.embeddings.store import embedding_path, read_embedding
from crescendai_assets.lake.ledger import read_failures
from crescendai_assets.lake.tables import read_rows
from crescendai_assets.sample.encoder import write_encoder
from crescendai_assets_tests.defs.conftest import ALL_OF_A_CHANNEL, told
from crescendai_assets_tests.feeds import write_feed


@pytest.fixture
def channels(platform, site):
    """Two channels that share a video; the first also lists an interview and a short one."""
    shutil.copy(site.folder / "take2.mp3", site.folder / "again.mp3")
    one = [("Nocturne in B", "take0.m4a"), ("An Interview", "take1.webm"), ("Étude (piano)", "take2.mp3")]
    two = [("The same étude", "take2.mp3"), ("Étude, uploaded twice", "again.mp3"), ("Waltz", "take3.opus")]
    write_feed(site.folder / "one.xml", [(title, site.url(name)) for title, name in one])
    write_feed(site.folder / "two.xml", [(title, site.url(name)) for title, name in two])
    platform.add(
        "channels.yaml",
        "defaults: {min_seconds: 5}\n"
        "channels:\n"
        f"  - {{name: Channel One, url: '{site.url('one.xml')}', category: recital}}\n"
        f"  - {{name: Channel Two, url: '{site.url('two.xml')}', category: recital}}\n",
    )
    tier = platform.lake.tier("youtube")
    return tier.partition("channel-one"), tier.partition("channel-two")


def titles(partition) -> set[str]:
    return {row["title"] for row in read_rows(partition.stage("recordings").table)}


def test_a_channel_goes_all_the_way_and_a_second_run_does_nothing(platform, channels):
    one, _ = channels
    done = platform.run(ALL_OF_A_CHANNEL, "channel-one")
    assert all(d.succeeded and all(d.checks.values()) for d in done.values()), done
    assert titles(one) == {"Nocturne in B", "Étude (piano)"}
    assert done["youtube/recordings"].metadata["passed_over"] == 1
    (row, _) = read_rows(one.stage("recordings").table)
    assert {"video_id", "title", "channel", "duration_seconds", "audio_path", "source_url"} <= set(row)
    assert row["recording_id"] == f"yt_{row['video_id']}"
    assert (one.tier.folder / row["audio_path"]).is_file()
    again = platform.run(ALL_OF_A_CHANNEL, "channel-one")
    assert all(d.succeeded and d.metadata["new"] == 0 and all(d.checks.values()) for d in again.values())


def test_pairs_lie_beside_the_clean_ones_and_say_what_was_done(platform, channels):
    one, _ = channels
    platform.run(ALL_OF_A_CHANNEL, "channel-one")
    for row in read_rows(one.stage("augmented_pairs").table):
        clean = read_embedding(embedding_path(one.embedding_folder, row["segment_id"]))
        augmented = read_embedding(embedding_path(one.augmented_folder, row["segment_id"]))
        assert clean.shape == augmented.shape
        assert not clean.equal(augmented)
        assert row["preset"] == "recording_conditions"
        assert row["effects"]
        assert all("effect" in effect for effect in row["effects"])


def test_another_preset_makes_pairs_stale_and_leaves_clean_ones_alone(platform, channels):
    platform.run(ALL_OF_A_CHANNEL, "channel-one")
    platform.preset = "single:gain"
    done = platform.run(ALL_OF_A_CHANNEL, "channel-one")
    assert done["youtube/embeddings"].metadata["stale"] == 0
    assert done["youtube/augmented_pairs"].metadata["stale"] == 2
    assert all(d.succeeded and all(d.checks.values()) for d in done.values()), done
    effects = [row["effects"] for row in read_rows(channels[0].stage("augmented_pairs").table)]
    assert [[e["effect"] for e in drawn] for drawn in effects] == [["gain"], ["gain"]]


def test_a_shared_video_belongs_to_the_first_channel_whichever_runs_first(platform, channels):
    one, two = channels
    platform.run(["youtube/recordings"], "channel-two")
    assert "The same étude" in titles(two), "nobody has listed it before"
    platform.run(["youtube/recordings"], "channel-one")
    assert "Étude (piano)" in titles(one)
    done = platform.run(["youtube/recordings", "youtube/segments"], "channel-two")
    assert titles(two) == {"Étude, uploaded twice", "Waltz"}
    assert all(d.succeeded and all(d.checks.values()) for d in done.values()), done
    path = next(r["audio_path"] for r in read_rows(one.stage("recordings").table) if r["title"] == "Étude (piano)")
    assert (one.tier.folder / path).is_file(), "letting go of a row never takes the owner's file"


def test_a_video_that_changes_hands_is_not_downloaded_again(platform, channels, site):
    platform.run(["youtube/recordings"], "channel-two")
    site.requests.clear()
    platform.run(["youtube/recordings"], "channel-one")
    assert not [r for r in site.requests if r.path == "take2.mp3"]


def test_compiled_channels_mark_the_same_sound_and_what_nobody_owns(platform, channels):
    one, two = channels
    for key in ("channel-one", "channel-two"):
        platform.run(ALL_OF_A_CHANNEL, key)
    (one.audio / "yt_leftover.wav").write_bytes(b"-")
    done = platform.run(["youtube/metadata"])["youtube/metadata"]
    assert done.succeeded
    assert all(done.checks.values())
    rows = {row["title"]: row for row in read_rows(one.tier.recordings)}
    assert rows["Étude, uploaded twice"]["duplicate_of"] == rows["Étude (piano)"]["recording_id"]
    assert [row["duplicate_of"] for title, row in rows.items() if title != "Étude, uploaded twice"] == [None] * 3
    assert (done.metadata["duplicates_by_sound"], done.metadata["orphaned_files"]) == (1, 1)
    assert "yt_leftover.wav" in done.metadata["orphans"]
    assert (one.tier.folder / "channels.yaml").is_file()
    segments = list(read_rows(one.tier.metadata))
    assert len(segments) == len(list(read_rows(one.stage("segments").table))) + len(
        list(read_rows(two.stage("segments").table))
    )


def test_one_owner_fails_while_two_channels_hold_a_recording(platform, channels):
    platform.run(["youtube/recordings"], "channel-two")
    platform.run(["youtube/recordings"], "channel-one")
    done = platform.run(["youtube/metadata"])["youtube/metadata"]
    assert done.checks["one_owner"] is False


def test_an_address_that_serves_no_audio_stands_in_the_ledger(platform, channels, site):
    (site.folder / "take2.mp3").write_text("no audio")
    done = platform.run(ALL_OF_A_CHANNEL, "channel-one")
    assert all(d.succeeded and all(d.checks.values()) for d in done.values()), done
    (failure,) = read_failures(channels[0].stage("recordings").ledger).values()
    assert failure.error_class == "permanent"
    assert "take2.mp3" in failure.message


def test_a_list_that_cannot_be_read_fails_in_words_and_keeps_what_there_is(platform, channels, site):
    platform.run(["youtube/recordings"], "channel-one")
    (site.folder / "one.xml").unlink()
    done = platform.run(["youtube/recordings"], "channel-one")["youtube/recordings"]
    assert not done.succeeded
    assert "one.xml" in done.error
    assert len(titles(channels[0])) == 2


def test_what_leaves_a_channel_stays_until_it_is_pruned(platform, channels, site):
    one, _ = channels
    platform.run(ALL_OF_A_CHANNEL, "channel-one")
    write_feed(site.folder / "one.xml", [("Nocturne in B", site.url("take0.m4a"))])
    done = platform.run(["youtube/recordings"], "channel-one")["youtube/recordings"]
    assert done.metadata["removed_from_source"] == 1
    assert len(titles(one)) == 2


def test_a_channel_may_be_a_folder(platform, media):
    platform.add("channels.yaml", f"channels:\n  - {{name: Mine, folder: {media}, category: other, min_seconds: 1}}\n")
    done = platform.run(ALL_OF_A_CHANNEL, "mine")
    assert all(d.succeeded and all(d.checks.values()) for d in done.values()), done
    partition = platform.lake.tier("youtube").partition("mine")
    rows = list(read_rows(partition.stage("recordings").table))
    assert [(row["audio_in"], row["channel"]) for row in rows] == [("source", "Mine")] * 4
    assert not partition.audio.exists()


def test_what_slid_out_of_the_window_stays_with_its_channel(platform, channels, site):
    one, two = channels
    text = (platform.catalog / "channels.yaml").read_text()
    platform.add("channels.yaml", text.replace("category: recital}", "category: recital, max_videos: 3}", 1))
    platform.run(["youtube/recordings"], "channel-one")
    newer = [("A Waltz", "take3.opus"), ("Nocturne in B", "take0.m4a"), ("An Interview", "take1.webm")]
    write_feed(site.folder / "one.xml", [(title, site.url(name)) for title, name in newer])
    done = platform.run(["youtube/recordings"], "channel-one")["youtube/recordings"]
    assert done.metadata["removed_from_source"] == 0
    assert titles(one) == {"A Waltz", "Nocturne in B", "Étude (piano)"}
    platform.run(["youtube/recordings"], "channel-two")
    assert "The same étude" not in titles(two)


def test_pruning_a_channel_that_lists_nothing_is_refused(platform, channels, site):
    platform.run(["youtube/recordings"], "channel-one")
    write_feed(site.folder / "one.xml", [("An Interview", site.url("take1.webm"))])
    result = platform.definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=platform.instance,
        asset_selection=[dg.AssetKey(["youtube", "recordings"])],
        partition_key="channel-one",
        run_config={"ops": {"youtube__recordings": {"config": {"prune": True}}}},
        raise_on_error=False,
    )
    assert "nothing is listed any more" in told(result)
    assert len(titles(channels[0])) == 2


def test_a_length_that_no_listing_told_is_judged_when_it_is_known(platform, channels):
    text = (platform.catalog / "channels.yaml").read_text()
    platform.add("channels.yaml", text.replace("min_seconds: 5", "min_seconds: 9"))
    done = platform.run(["youtube/recordings"], "channel-one")["youtube/recordings"]
    assert done.succeeded
    assert titles(channels[0]) == {"Étude (piano)"}  # 10 s; the other lasts 8
    (failure,) = read_failures(channels[0].stage("recordings").ledger).values()
    assert failure.error_class == "needs_user"
    assert "lasts 8 s" in failure.message


def test_pairs_of_two_encoders_are_refused(platform, channels, tmp_path):
    platform.run(ALL_OF_A_CHANNEL[:3], "channel-one")
    platform.encoder = write_encoder(tmp_path / "other", depth=2, ffn=16, conv_dim=2)
    done = platform.run(ALL_OF_A_CHANNEL[3:], "channel-one")["youtube/augmented_pairs"]
    assert "a pair of two encoders means nothing" in done.error
