"""Working audio is let go only where nothing is left to do with it, and nothing done comes undone by it."""

from __future__ import annotations

import dagster as dg
import pytest

from crescendai_assets.lake.tables import read_rows
from crescendai_assets_tests.defs.conftest import ALL_OF_A_CHANNEL, told
from crescendai_assets_tests.feeds import write_feed


@pytest.fixture
def channel(platform, site):
    write_feed(site.folder / "one.xml", [(name, site.url(name)) for name in ("take0.m4a", "take1.webm")])
    platform.add(
        "channels.yaml",
        "defaults: {min_seconds: 5}\nchannels:\n"
        f"  - {{name: Channel One, url: '{site.url('one.xml')}', category: recital}}\n",
    )
    return platform.lake.tier("youtube").partition("channel-one")


def discard(platform, tier="youtube", partition="channel-one") -> dg.ExecuteInProcessResult:
    job: dg.JobDefinition = platform.definitions.resolve_job_def("discard_raw_audio")
    config = {"ops": {"discard": {"config": {"tier": tier, "partition": partition}}}}
    return job.execute_in_process(instance=platform.instance, raise_on_error=False, run_config=config)


def copies(partition) -> list[str]:
    return sorted(path.name for path in partition.audio.glob("*.wav"))


def observed(platform) -> dict[str, object]:
    (record,) = platform.instance.fetch_observations(dg.AssetKey(["youtube", "recordings"]), limit=1).records
    assert record.asset_observation
    return {name: value.value for name, value in record.asset_observation.metadata.items()}


def test_a_complete_partition_lets_go_of_its_audio_and_stays_done(platform, channel, site):
    platform.run(ALL_OF_A_CHANNEL, "channel-one")
    size = sum(path.stat().st_size for path in channel.audio.iterdir())
    assert discard(platform).success
    assert copies(channel) == []
    assert observed(platform) | {"kept": 0} == {
        "recordings_discarded": 2,
        "bytes_discarded": size,
        "discarded_before": 0,
        "read_in_place": 0,
        "kept": 0,
    }
    assert {row["state"] for row in read_rows(channel.stage("recordings").table)} == {"done, raw discarded"}
    site.requests.clear()
    done = platform.run(ALL_OF_A_CHANNEL, "channel-one")
    assert all(d.succeeded and d.metadata["new"] + d.metadata["stale"] == 0 for d in done.values()), done
    assert all(all(d.checks.values()) for d in done.values())
    assert {request.path for request in site.requests} == {"one.xml"}
    assert discard(platform).success


def test_nothing_goes_before_the_pairs_are_made(platform, channel):
    platform.run(ALL_OF_A_CHANNEL[:3], "channel-one")
    assert not discard(platform).success
    assert len(copies(channel)) == 2


def test_nothing_goes_when_a_check_fails_today_whatever_it_said_before(platform, channel):
    platform.run(ALL_OF_A_CHANNEL, "channel-one")
    next(channel.embedding_folder.glob("*.pt")).write_bytes(b"spoilt")
    assert not discard(platform).success
    assert len(copies(channel)) == 2


def test_a_recording_that_failed_to_embed_keeps_its_audio(platform, channel, monkeypatch):
    platform.run(ALL_OF_A_CHANNEL[:1], "channel-one")
    spoilt = sorted(channel.audio.glob("*.wav"))[0]
    spoilt.write_bytes(spoilt.read_bytes()[:2000])
    platform.run(ALL_OF_A_CHANNEL[1:], "channel-one")
    assert discard(platform).success
    assert copies(channel) == [spoilt.name]
    assert observed(platform)["kept"] == 1


def test_refetching_brings_discarded_audio_back(platform, channel, site):
    platform.run(ALL_OF_A_CHANNEL, "channel-one")
    discard(platform)
    result = platform.definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=platform.instance,
        asset_selection=[dg.AssetKey(["youtube", "recordings"])],
        partition_key="channel-one",
        run_config={"ops": {"youtube__recordings": {"config": {"refetch": True}}}},
    )
    assert result.success
    assert len(copies(channel)) == 2
    assert {row["state"] for row in read_rows(channel.stage("recordings").table)} == {"working copy"}
    assert all(d.metadata["stale"] == 0 for d in platform.run(ALL_OF_A_CHANNEL[1:], "channel-one").values())


def test_an_unknown_tier_is_refused_in_words(platform):
    assert "radio" in told(discard(platform, tier="radio"))


def test_published_holds_tables_and_embeddings_and_no_audio(platform, channel, tmp_path, monkeypatch):
    platform.run(ALL_OF_A_CHANNEL, "channel-one")
    monkeypatch.setenv("CRESCENDAI_PUBLISH", str(tmp_path / "public"))
    done = platform.run(["published"])["published"]
    assert done.succeeded
    assert all(done.checks.values())
    names = {path.relative_to(tmp_path / "public").as_posix() for path in (tmp_path / "public").rglob("*.*")}
    assert "youtube_piano_cache/channel-one/augmented_pairs.jsonl" in names
    assert sum(name.endswith(".pt") for name in names) == 4
    assert not [name for name in names if name.endswith((".wav", ".m4a", ".webm"))]
    assert platform.run(["published"])["published"].metadata["sent"] == 0


def test_publishing_without_an_address_says_what_to_set(platform, monkeypatch):
    monkeypatch.delenv("CRESCENDAI_PUBLISH", raising=False)
    assert "CRESCENDAI_PUBLISH" in platform.run(["published"])["published"].error
