"""A channel collected, cut and paired in a real process that is killed: while downloading, decoding, augmenting."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pytest

from crescendai_assets.lake.tables import read_rows
from crescendai_assets_tests.builders import noise, tone, write_by_ffmpeg
from crescendai_assets_tests.feeds import write_feed
from crescendai_assets_tests.killable import finish, kill_after, results_of, start
from crescendai_assets_tests.nursery import Module
from crescendai_assets_tests.web import Server, serve

STAGES = ("downloading", "cutting", "augmenting")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    kinds = [("m4a", "aac", 44_100), ("webm", "libopus", 48_000), ("mp3", "libmp3lame", 44_100)]
    names = []
    for number in range(6):
        suffix, codec, rate = kinds[number % 3]
        names.append(f"take{number}.{suffix}")
        sound = 0.5 * tone(12, rate, 110 * 2 ** (number / 3)) + noise(12, rate, 0.05, seed=number)
        write_by_ffmpeg(folder / names[-1], sound, rate, codec)
    with serve(folder) as running:
        write_feed(folder / "feed.xml", [(name, running.url(name)) for name in names])
        yield running


@pytest.fixture(scope="module")
def catalog(tmp_path_factory, server: Server) -> Path:
    folder: Path = tmp_path_factory.mktemp("catalog")
    (folder / "channels.yaml").write_text(
        f"channels:\n  - {{name: Piano, url: '{server.url('feed.xml')}', category: recital, min_seconds: 5}}\n"
    )
    return folder


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, catalog, tiny_encoder) -> dict[str, str]:
    """Hashes of everything an undisturbed run leaves."""
    lake = tmp_path_factory.mktemp("undisturbed")
    finish_well(begin(lake, catalog, tiny_encoder))
    return results_of(lake)


def begin(lake: Path, catalog: Path, encoder: Path) -> Module:
    return start("web_process", lake, catalog, encoder, "piano")


def finish_well(process: Module) -> None:
    output = finish(process)
    assert "failed" not in output.replace("0 failed", ""), output


def killed_and_resumed(lake: Path, catalog: Path, encoder: Path, stage: str, after: float) -> dict[str, str]:
    kill_after(begin(lake, catalog, encoder), stage, after)
    for path in lake.rglob("*.wav"):
        assert not path.name.startswith("."), path
    finish_well(begin(lake, catalog, encoder))
    return results_of(lake)


@pytest.mark.parametrize(
    ("stage", "after"),
    [
        ("downloading", 0.4),
        pytest.param("cutting", 0.1, marks=pytest.mark.slow),
        pytest.param("augmenting", 1.5, marks=pytest.mark.slow),
    ],
)
def test_a_run_killed_in_any_stage_ends_as_if_never_killed(tmp_path, catalog, tiny_encoder, undisturbed, stage, after):
    assert killed_and_resumed(tmp_path, catalog, tiny_encoder, stage, after) == undisturbed


@pytest.mark.slow
@pytest.mark.parametrize("number", range(30))
def test_thirty_runs_killed_at_random_moments_end_as_if_never_killed(
    tmp_path, catalog, tiny_encoder, undisturbed, number
):
    choice = random.Random(number)
    stage = STAGES[number % 3]
    after = choice.uniform(0, {"downloading": 3.0, "cutting": 0.5, "augmenting": 3.0}[stage])
    assert killed_and_resumed(tmp_path, catalog, tiny_encoder, stage, after) == undisturbed


def test_a_download_killed_in_the_middle_of_a_file_goes_on_where_it_was(tmp_path, server, catalog, tiny_encoder):
    server.slow = 0.15
    try:
        process = begin(tmp_path, catalog, tiny_encoder)
        until = time.monotonic() + 60
        while time.monotonic() < until and not list(tmp_path.rglob("*.part")):
            time.sleep(0.02)
        time.sleep(0.3)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        (part,) = tmp_path.rglob("*.part")
        had = part.stat().st_size
    finally:
        server.slow = 0.0
    server.requests.clear()
    finish_well(begin(tmp_path, catalog, tiny_encoder))
    assert any(first >= had > 0 for first, _ in server.ranges()), "the first bytes are not asked for again"
    assert not list(tmp_path.rglob("*.part"))
    rows = list(read_rows(tmp_path / "youtube_piano_cache/piano/recordings.jsonl"))
    assert len(rows) == len({row["recording_id"] for row in rows}) == 6
