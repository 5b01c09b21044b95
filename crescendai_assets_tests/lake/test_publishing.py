from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.layout import Lake
from crescendai_assets.lake.publishable import plan_publish
from crescendai_assets.lake.publishing import PublishOptions, PublishReport, check_published, publish
from crescendai_assets_tests.builders import contents
from crescendai_assets_tests.lake.publication import Watched, embed, here, listed, published, small_lake, watch, write

PROJECT = Path(__file__).resolve().parents[2]
AT_ONCE = PublishOptions(backoff=0.0)
PRUNED = PublishOptions(prune=True, backoff=0.0)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return small_lake(tmp_path / "data")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "published"


@pytest.fixture
def watched(target: Path) -> Iterator[str]:
    watch()
    yield f"watched://{target}"
    watch()


def faults(report: PublishReport) -> dict[str, str]:
    return {failure.path: failure.message for failure in report.failures}


def test_what_is_at_the_address_is_what_may_leave_and_the_manifest_lists_it(lake, target):
    write(lake.root / "maestro_cache/2004/audio/x.wav", "AUDIO")
    report = publish(lake, str(target), AT_ONCE)
    plan = plan_publish(lake).files
    assert published(target) == here(lake)
    assert listed(target) == {path: plan[path].sha256 for path in sorted(plan)}
    assert (report.files, report.sent, report.unchanged, report.failures) == (len(plan), len(plan), 0, ())
    assert report.bytes == report.sent_bytes == sum(map(len, here(lake).values()))
    assert report.tiers == {"percepiano": 1, "competition": 7, "maestro": 19, "youtube": 11}
    leaked = b"".join(contents(target).values())
    assert not any(text.encode() in leaked for text in ("AUDIO", str(lake.root), f"{Path.home()}/"))
    assert check_published(lake, str(target), deep=True).passed


def test_a_second_run_sends_nothing_and_of_a_changed_table_only_that_table_and_the_manifest_go(lake, watched):
    first = publish(lake, watched, AT_ONCE)
    watch()
    lines: list[str] = []
    second = publish(lake, watched, AT_ONCE, progress=lines.append)
    assert Watched.arrived == []
    assert (second.sent, second.unchanged, second.digest) == (0, first.files, first.digest)
    assert lines[-1] == f"up to date: {first.files} files at {watched}, nothing sent"
    write(lake.tier("maestro").metadata, '{"segment_id": "maestro_b_seg000"}\n')
    assert publish(lake, watched, AT_ONCE).digest != first.digest
    # the manifest goes twice: it lets go of the table before the table is replaced
    assert Watched.arrived == ["manifest.jsonl", "maestro_cache/metadata.jsonl", "manifest.jsonl"]


def test_embeddings_arrive_before_the_tables_and_the_manifest_last(lake, watched):
    publish(lake, watched, AT_ONCE)
    is_table = ["/muq_embeddings" not in path for path in Watched.arrived]
    assert is_table == sorted(is_table)
    assert Watched.arrived[-1] == "manifest.jsonl"
    assert Watched.arrived.count("manifest.jsonl") == 1


def test_the_manifest_never_claims_a_file_that_is_being_replaced(lake, target, watched):
    publish(lake, watched, AT_ONCE)
    embed(lake.tier("maestro").partition("2011"), "maestro_c", content="new")
    claims: list[bool] = []
    watch(lambda path: claims.append(path.removeprefix(f"{target}/") in listed(target)))
    assert publish(lake, watched, AT_ONCE).sent == 3  # two embeddings and their table
    assert not any(claims)


def test_a_table_waits_while_an_embedding_it_may_name_is_not_there(lake, target):
    embedding = "maestro_cache/muq_embeddings/maestro_a_seg001.pt"
    (lake.root / embedding).unlink()
    report = publish(lake, str(target), AT_ONCE)
    held = "held back: 1 of the files it may name could not be sent"
    assert faults(report) == {
        embedding: "cannot be read here (No such file or directory); make it again, then publish",
        **{f"maestro_cache/2004/{name}.jsonl": held for name in ("embeddings", "metadata", "recordings")},
        **{f"maestro_cache/{name}": held for name in ("maestro-v3.0.0.json", "metadata.jsonl")},
    }
    assert "maestro_cache/2011/embeddings.jsonl" in published(target)
    assert {row["id"] for row in check_published(lake, str(target)).rows} == set(faults(report))
    embed(lake.tier("maestro").partition("2004"), "maestro_a", "maestro_b")
    assert publish(lake, str(target), AT_ONCE).failures == ()
    assert published(target) == here(lake)


@pytest.mark.parametrize("address", ["memory://damaged", "{}"])
def test_a_damaged_file_here_never_appears_at_the_address(lake, target, address):
    damaged = lake.root / "maestro_cache/muq_embeddings/maestro_a_seg000.pt"
    damaged.write_bytes(bytes(damaged.stat().st_size))
    report = publish(lake, address.format(target), AT_ONCE)
    path = str(damaged.relative_to(lake.root))
    assert faults(report)[path].startswith("its contents are not what maestro_cache/2004/embeddings.jsonl says")
    assert {"id": path, "fault": "not published"} in check_published(lake, address.format(target)).rows


def test_a_file_that_changes_while_the_run_is_under_way_is_a_failure_and_goes_next_time(lake, target, watched):
    watch(lambda _: lake.tier("maestro").metadata.write_text('{"segment_id": "/home/jane/x"}\n'))
    report = publish(lake, watched, AT_ONCE)
    path = "maestro_cache/metadata.jsonl"
    assert faults(report) == {path: "its contents are not what it was a moment ago; publish again"}
    assert path not in published(target)
    watch()
    write(lake.root / path, "{}\n")
    assert publish(lake, watched, AT_ONCE).sent == 1
    assert check_published(lake, watched, deep=True).passed


def test_what_was_removed_here_stays_until_pruned_which_waits_while_a_table_there_may_still_name_it(lake, target):
    publish(lake, str(target), AT_ONCE)
    embed(lake.tier("maestro").partition("2004"), "maestro_a", content="new")
    (target / "foreign.txt").write_text("x")
    missing = lake.root / "maestro_cache/muq_embeddings/maestro_a_seg000.pt"
    data = missing.read_bytes()
    missing.unlink()
    waiting = publish(lake, str(target), PRUNED)
    missing.write_bytes(data)
    kept, pruned = (publish(lake, str(target), options) for options in (AT_ONCE, PRUNED))
    assert waiting.failures
    assert [(report.removed, report.pruned) for report in (waiting, kept, pruned)] == [(2, 0), (2, 0), (2, 2)]
    assert published(target) == {**here(lake), "foreign.txt": b"x"}
    assert set(listed(target)) == set(here(lake))


def test_an_empty_lake_publishes_nothing_and_prunes_nothing(tmp_path, target):
    (tmp_path / "empty").mkdir()
    report = publish(Lake(tmp_path / "empty"), str(target), AT_ONCE)
    assert (report.files, report.sent, report.hopeless) == (0, 0, False)
    with pytest.raises(SetupError, match="pruning would empty"):
        publish(Lake(tmp_path / "empty"), str(target), PRUNED)


def test_what_differs_at_the_address_is_told_by_a_check_and_sent_again(lake, target):
    publish(lake, str(target), AT_ONCE)
    lost, cut = "maestro_cache/2004/recordings.jsonl", "maestro_cache/muq_embeddings/maestro_a_seg000.pt"
    (target / lost).unlink()
    (target / cut).write_bytes(b"cut")
    write(lake.tier("maestro").metadata, "{}\n")
    new = write(lake.tier("maestro").folder / "new.json", '{"audio_path": "/home/jane/x.wav"}\n')
    size = plan_publish(lake).files[cut].bytes
    (private,) = plan_publish(lake).refused.values()
    assert check_published(lake, str(target)).rows == (
        {"id": lost, "fault": "listed, but not there"},
        {"id": "maestro_cache/metadata.jsonl", "fault": "has changed here since it was published"},
        {"id": cut, "fault": f"3 bytes, {size} were sent"},
        {"id": "maestro_cache/new.json", "fault": private},
    )
    report = publish(lake, str(target), AT_ONCE)
    assert (report.sent, faults(report)) == (3, {"maestro_cache/new.json": private})
    assert not (target / "maestro_cache/new.json").exists()
    write(new, "{}\n")
    assert [row["fault"] for row in check_published(lake, str(target)).rows] == ["not published"]
    assert publish(lake, str(target), AT_ONCE).sent == 1
    (target / cut).write_bytes(bytes(size))  # damage that keeps the size is found by reading all
    assert check_published(lake, str(target)).passed
    assert [row["id"] for row in check_published(lake, str(target), deep=True).rows] == [cut]


def test_files_that_cannot_be_sent_are_failures_and_the_others_go_while_not_three_fail_in_a_row(lake, target, watched):
    def fail(path: str) -> None:
        if path.endswith("_seg001.pt"):
            raise TimeoutError("no answer")

    watch(fail)
    report = publish(lake, watched, AT_ONCE)
    assert "TimeoutError: no answer (4 tries)" in faults(report)["youtube_piano_cache/muq_embeddings/yt_v_seg001.pt"]
    assert len(published(target)) == report.sent == report.files - len(report.failures)
    watch()
    assert publish(lake, watched, AT_ONCE).unchanged == report.sent
    assert published(target) == here(lake)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(28, "No space left on device"), r"3 files in a row could not be sent.*No space left on device"),
        (PermissionError(13, "Permission denied"), "PermissionError.*check the address"),
        (KeyboardInterrupt(), "^$"),
    ],
)
def test_a_run_that_is_stopped_keeps_what_was_sent(lake, target, watched, error, told):
    def stop(path: str) -> None:
        if len(Watched.arrived) >= 8 and not path.endswith("manifest.jsonl"):
            raise error

    watch(stop)
    with pytest.raises((SetupError, KeyboardInterrupt), match=told):
        publish(lake, watched, AT_ONCE)
    assert len(listed(target)) == 8
    assert set(published(target)) == set(listed(target))
    watch()
    assert publish(lake, watched, AT_ONCE).unchanged == 8
    assert published(target) == here(lake)


def test_a_manifest_that_is_none_of_ours_is_not_written_over(lake, target):
    write(target / "manifest.jsonl", '{"package": "another program\'s"}\n')
    before = contents(target)
    with pytest.raises(SetupError, match=r"manifest\.jsonl, line 1: not from a manifest of published files"):
        publish(lake, str(target), PRUNED)
    assert contents(target) == before


def test_one_process_publishes_a_lake_at_a_time(lake, watched):
    words: list[str] = []

    def again(_: str) -> None:
        watch()
        with pytest.raises(SetupError, match=rf"another run \(process {os.getpid()} .*the publication of") as caught:
            publish(lake, f"{watched}-too", AT_ONCE)
        words.append(str(caught.value))

    watch(again)
    assert publish(lake, watched, AT_ONCE).failures == ()
    assert len(words) == 1


def test_a_killed_run_leaves_no_half_file_and_resumes_from_its_checkpoint(lake, target):
    command = [sys.executable, "-m", "crescendai_assets_tests.lake.publication", str(lake.root), str(target)]
    process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "hangs\n"
    process.kill()
    process.wait()
    process.stdout.close()

    there, sure = published(target), listed(target)
    (half,) = [path for path in there if path.endswith(".part")]
    assert there.pop(half) == b"half"
    assert there.items() <= here(lake).items()
    assert set(sure) == set(there)
    assert len(sure) == 11
    times = {path: (target / path).stat().st_mtime_ns for path in sure}

    resumed = publish(lake, str(target), AT_ONCE)
    assert (resumed.unchanged, resumed.failures) == (len(sure), ())
    assert published(target) == here(lake)
    assert times == {path: (target / path).stat().st_mtime_ns for path in sure}
    assert check_published(lake, str(target), deep=True).passed
