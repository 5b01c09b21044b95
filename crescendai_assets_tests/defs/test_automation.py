"""Real ticks of the automation conditions on an ephemeral instance."""

from __future__ import annotations

from typing import Any

import dagster as dg
import pytest

from crescendai_assets.defs.assembly import build_definitions
from crescendai_assets.defs.sensors import local_work, network_work
from crescendai_assets_tests.defs.conftest import ALL_OF_A_YEAR
from crescendai_assets_tests.maestro_folder import Take, write_audio

TAKES = [Take(2011, "MIDI-Unprocessed_02_R1_2011_a"), Take(2011, "MIDI-Unprocessed_05_R1_2011_b")]


class Ticks:
    """Evaluate all conditions again and again, as the daemon does."""

    def __init__(self, platform) -> None:
        self._platform = platform
        self._cursor: Any = None

    def tick(self) -> dict[str, Any]:
        """What would be requested now: asset -> partition keys."""
        result = dg.evaluate_automation_conditions(
            defs=self._platform.definitions, instance=self._platform.instance, cursor=self._cursor
        )
        self._cursor = result.cursor
        requested: dict[str, Any] = {}
        for key in self._platform.definitions.resolve_asset_graph().get_all_asset_keys():
            if keys := result.get_requested_partitions(key):
                requested[key.to_user_string()] = keys
        return requested


@pytest.fixture
def ticks(platform) -> Ticks:
    return Ticks(platform)


def test_a_root_without_a_source_requests_nothing(ticks, monkeypatch):
    monkeypatch.delenv("MAESTRO_DIR", raising=False)
    monkeypatch.delenv("MAESTRO_ZIP", raising=False)
    assert [ticks.tick() for _ in range(3)] == [{}, {}, {}]


def test_the_years_a_source_has_are_listed_once(platform, ticks, monkeypatch):
    platform.write(*TAKES)
    monkeypatch.setenv("MAESTRO_DIR", str(platform.maestro))
    ticks.tick()  # the first one only takes note of what there is
    assert ticks.tick()["maestro/recordings"] == {"2011"}
    platform.run(["maestro/recordings"], "2011")
    assert "maestro/recordings" not in ticks.tick()


def test_segments_follow_their_recordings_and_embeddings_wait_for_a_person(platform, ticks):
    platform.write(*TAKES)
    ticks.tick()
    platform.run(["maestro/recordings"], "2011")
    assert ticks.tick() == {"maestro/segments": {"2011"}}
    platform.run(["maestro/segments"], "2011")
    requested = ticks.tick()
    assert requested.pop("maestro/metadata") == {None}
    assert "maestro/embeddings" not in requested


def test_the_mapping_follows_the_embeddings_of_one_year_and_waits_for_no_other(platform, ticks):
    platform.write(*TAKES)
    ticks.tick()
    platform.run(ALL_OF_A_YEAR, "2011")
    assert ticks.tick() == {"maestro/metadata": {None}}, "what it depends on comes first"
    platform.run(["maestro/metadata"])
    assert ticks.tick() == {"maestro/contrastive_mapping": {None}}


def test_unchanged_inputs_request_nothing(platform, ticks):
    platform.write(*TAKES)
    ticks.tick()
    platform.run_all("2011")
    ticks.tick()
    platform.run_all("2011")
    assert [ticks.tick(), ticks.tick()] == [{}, {}]


def test_changed_sound_is_cut_again(platform, ticks):
    platform.write(*TAKES)
    ticks.tick()
    platform.run_all("2011")
    ticks.tick()
    write_audio(platform.maestro, TAKES[0], seed=1)
    platform.run(["maestro/recordings"], "2011")
    assert ticks.tick()["maestro/segments"] == {"2011"}


def test_local_work_runs_by_itself_and_network_work_waits_to_be_switched_on():
    graph = build_definitions().resolve_asset_graph()
    assert local_work.default_status is dg.DefaultSensorStatus.RUNNING
    assert network_work.default_status is dg.DefaultSensorStatus.STOPPED
    network = {k.to_user_string() for k in network_work.asset_selection.resolve(graph)}
    assert network == {"competition/recordings", "maestro/recordings", "youtube/recordings"}
    assert graph.get(dg.AssetKey(["maestro", "embeddings"])).automation_condition is None


def test_compiled_channels_follow_the_segments_of_a_channel_that_was_just_collected(platform, ticks, media):
    """A tick that sees recordings change must not swallow the change of the segments that follow."""
    platform.add("channels.yaml", f"channels:\n  - {{name: Mine, folder: {media}, category: other, min_seconds: 1}}\n")
    ticks.tick()
    platform.run(["youtube/recordings"], "mine")
    for _ in range(6):
        requested = ticks.tick()
        for asset in ("youtube/segments", "youtube/metadata"):  # what is requested together runs before the next tick
            if asset in requested:
                platform.run([asset], "mine" if asset == "youtube/segments" else None)
    rows = platform.lake.tier("youtube").metadata.read_text().splitlines()
    assert len(rows) == 4
