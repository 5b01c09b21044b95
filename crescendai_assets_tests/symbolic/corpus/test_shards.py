"""A product of a source, file by file: what is done, left, lost and found again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crescendai_assets.lake.errors import RecordingError
from crescendai_assets.lake.fingerprints import fingerprint
from crescendai_assets.lake.layout import Tier
from crescendai_assets.lake.ledger import read_failures
from crescendai_assets.lake.stage import Options
from crescendai_assets.lake.tables import read_rows
from crescendai_assets.symbolic.corpus.pack import read_pack
from crescendai_assets.symbolic.corpus.products import Made, made
from crescendai_assets.symbolic.corpus.schemas import TOKENS
from crescendai_assets.symbolic.corpus.shards import (
    check_shards,
    committed_rows,
    run_product,
    shard_of,
    shard_path,
)


def numbers(path: Path) -> Made:
    """A file of numbers as its product; the word `bad` breaks it."""
    text = path.read_text()
    if "bad" in text:
        raise RecordingError(f"{path}: holds no numbers; take it out")
    values = np.array([int(word) for word in text.split()], np.int16)
    return made({"tokens": values}, {"tokens": len(values), "sequences": 1})


@pytest.fixture
def source(tmp_path):
    return Source(tmp_path)


class Source:
    def __init__(self, root):
        self.folder = root / "midi"
        self.folder.mkdir()
        self.partition = Tier("symbolic", root / "lake").partition("mine")

    def put(self, **texts):
        for name, text in texts.items():
            (self.folder / name).write_text(text)

    def wanted(self):
        return {path.name: fingerprint(path.read_text()) for path in self.folder.iterdir()}

    def run(self, **options):
        want = self.wanted()
        return run_product(
            self.partition,
            "tokens",
            TOKENS,
            make_for=lambda _ids: numbers,
            wanted=lambda: want,
            path_of=lambda i: self.folder / i,
            describe=lambda i, one: {"recording_id": i, **one.facts, "fingerprint": want[i]},
            options=Options(**options),
        )

    def values(self):
        return {
            row["recording_id"]: dict(read_pack(shard_path(self.partition, "tokens", row["shard"])).items())[
                row["recording_id"]
            ]["tokens"].tolist()
            for row in read_rows(self.partition.stage("tokens").table)
        }

    def files(self):
        folder = self.partition.folder / "tokens"
        return {path.name: path.read_bytes() for path in folder.glob("*.pt")}


def sharing(count):
    """So many names that fall into one shard."""
    names: list[str] = []
    number = 0
    while len(names) < count:
        if shard_of(f"n{number}") == "00":
            names.append(f"n{number}")
        number += 1
    return names


def test_what_is_made_is_found_again_and_a_second_run_does_nothing(source):
    source.put(a="1 2", b="3", c="4 5 6")
    assert source.run().succeeded == 3
    assert source.values() == {"a": [1, 2], "b": [3], "c": [4, 5, 6]}
    before = source.files()
    again = source.run()
    assert (again.succeeded, again.plan.pending) == (0, ())
    assert source.files() == before
    assert check_shards(source.partition, "tokens", deep=True).passed


def test_only_the_shard_of_a_changed_file_is_written_again_and_the_others_in_it_stay(source):
    first, second = sharing(2)
    source.put(**{first: "1", second: "2", "elsewhere": "3"})
    source.run()
    before = source.files()
    source.put(**{first: "7 7"})
    report = source.run()
    assert (report.plan.new, report.plan.stale) == ((), (first,))
    assert source.values() == {first: [7, 7], second: [2], "elsewhere": [3]}
    assert {name for name, data in source.files().items() if before[name] != data} == {"00.pt"}


def test_files_in_another_order_of_runs_give_the_same_bytes(source, tmp_path):
    names = [*sharing(3), "x", "y"]
    source.put(**{name: str(i) for i, name in enumerate(names)})
    source.run(limit=2)
    source.run()
    (tmp_path / "other").mkdir()
    other = Source(tmp_path / "other")
    other.put(**{name: str(i) for i, name in enumerate(names)})
    other.run()
    assert source.files() == other.files()
    assert list(read_rows(source.partition.stage("tokens").table)) == list(
        read_rows(other.partition.stage("tokens").table)
    )


def test_a_bad_file_goes_to_the_ledger_and_its_shard_keeps_what_it_had(source):
    good, bad = sharing(2)
    source.put(**{good: "1", bad: "2"})
    source.run()
    source.put(**{bad: "bad"})
    report = source.run()
    assert report.failed_now == 1
    assert "holds no numbers" in read_failures(source.partition.stage("tokens").ledger)[bad].message
    assert source.values() == {good: [1], bad: [2]}  # committed earlier, until it is mended or pruned


def test_a_shard_that_was_lost_is_made_again(source):
    source.put(a="1", b="2")
    source.run()
    shard_path(source.partition, "tokens", shard_of("a")).unlink()
    assert not check_shards(source.partition, "tokens").passed
    assert "a" not in committed_rows(source.partition, "tokens")
    assert source.run().succeeded == 1
    assert source.values() == {"a": [1], "b": [2]}


def test_a_shard_that_was_changed_is_found_by_the_deep_check(source, tmp_path):
    source.put(a="1")
    source.run()
    path = shard_path(source.partition, "tokens", shard_of("a"))
    (tmp_path / "again").mkdir()
    other = Source(tmp_path / "again")
    other.put(a="2")
    other.run()
    path.write_bytes(shard_path(other.partition, "tokens", shard_of("a")).read_bytes())
    found = check_shards(source.partition, "tokens", deep=True)
    assert not found.passed
    assert found.rows[0]["id"] == "a"


def test_pruning_takes_what_left_the_source_out_of_its_shard(source):
    kept, gone = sharing(2)
    source.put(**{kept: "1", gone: "2", "alone": "3"})
    source.run()
    (source.folder / gone).unlink()
    (source.folder / "alone").unlink()
    assert source.run().plan.removed == ("alone", gone)
    assert source.values().keys() == {kept, gone, "alone"}
    source.run(prune=True)
    assert source.values() == {kept: [1]}
    assert check_shards(source.partition, "tokens", deep=True).passed
    assert source.files().keys() == {"00.pt"}


def test_a_lost_shard_is_made_again_in_full_after_a_run_that_made_only_some_of_it(source):
    first, second = sorted(sharing(2))
    source.put(**{first: "1", second: "2"})
    source.run()
    shard_path(source.partition, "tokens", "00").unlink()
    source.run(limit=1)
    assert committed_rows(source.partition, "tokens").keys() == {first}  # the other's arrays are not there
    assert source.run().succeeded == 1
    assert source.values() == {first: [1], second: [2]}


def test_what_was_lost_with_its_shard_and_has_left_the_source_has_no_row_any_more(source):
    (first,) = sharing(1)
    source.put(**{first: "1", "elsewhere": "2"})
    source.run()
    shard_path(source.partition, "tokens", "00").unlink()
    (source.folder / first).unlink()
    source.run()
    assert source.values() == {"elsewhere": [2]}
    assert check_shards(source.partition, "tokens", deep=True).passed
    assert source.run().plan.removed == ()


def test_pruning_takes_out_of_a_shard_what_a_killed_run_wrote_and_did_not_commit(source):
    kept, uncommitted = sharing(2)
    source.put(**{kept: "1", uncommitted: "2"})
    source.run()
    table = source.partition.stage("tokens").table
    TOKENS.write(table, [row for row in read_rows(table) if row["recording_id"] == kept])
    (source.folder / uncommitted).unlink()  # before a next run could make it again
    source.run()
    found = check_shards(source.partition, "tokens", deep=True)
    assert [row["id"] for row in found.rows] == [uncommitted]
    assert "prune" in found.rows[0]["fault"]
    source.run(prune=True)
    assert check_shards(source.partition, "tokens", deep=True).passed
    assert source.values() == {kept: [1]}


def test_a_run_that_prunes_keeps_what_it_made_itself(source):
    source.put(a="1", b="2")
    source.run(prune=True)
    assert source.values() == {"a": [1], "b": [2]}
    (source.folder / "a").unlink()
    source.put(b="3 3", c="4")
    source.run(prune=True)
    assert source.values() == {"b": [3, 3], "c": [4]}
    assert check_shards(source.partition, "tokens", deep=True).passed
