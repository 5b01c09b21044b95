"""The `crescendai` command as a user types it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from crescendai_assets import doctor
from crescendai_assets.cli import main
from crescendai_assets.doctor import Finding
from crescendai_assets.embeddings.clip_import import import_clips
from crescendai_assets.embeddings.identity import read_identity
from crescendai_assets.embeddings.importing import imported_identity
from crescendai_assets.labels.clips import key_of
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.journal import open_journal
from crescendai_assets.lake.layout import Lake, Partition
from crescendai_assets.lake.schemas import DISCOVERED, EMBEDDINGS
from crescendai_assets.sample.encoder import write_encoder
from crescendai_assets.sources.citations import bibtex_key, read_sources
from crescendai_assets.sources.percepiano_clips import collect_clips, list_clips
from crescendai_assets_tests.clips_folder import A, B, C, write_clips
from crescendai_assets_tests.labels.rated import tier as rated_tier
from crescendai_assets_tests.maestro_folder import Take, write_catalogue, write_folder
from crescendai_assets_tests.process import cut_year, embed_year
from crescendai_assets_tests.town import PLAYLIST, RESULTS, write_town

TAKES = (Take(2004, "a_01", seconds=35.0), Take(2006, "b_02", seconds=6.0))
COMMAND = Path(sys.executable).with_name("crescendai")


@pytest.fixture(scope="module")
def encoders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two encoders that are not the same."""
    folder = tmp_path_factory.mktemp("encoders")
    return write_encoder(folder / "one"), write_encoder(folder / "two", seed=1)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, encoders: tuple[Path, Path]) -> Path:
    """A source, and a lake in which 2004 is done with the first encoder; copied by the tests, not changed."""
    folder = tmp_path_factory.mktemp("made")
    write_folder(folder / "maestro", TAKES)
    cut_year(folder / "data", folder / "maestro", "2004")
    embed_year(folder / "data", folder / "maestro", encoders[0], "2004")
    return folder


@pytest.fixture
def maestro(tmp_path: Path, made: Path) -> Path:
    return Path(shutil.copytree(made / "maestro", tmp_path / "maestro"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, root: Path, maestro: Path) -> None:
    """Only what a test sets: no source, no set, no encoder of the machine it runs on."""
    for name in list(os.environ):
        if name.startswith(("CRESCENDAI_", "MAESTRO_", "PERCEPIANO_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("CRESCENDAI_DATA", str(root))
    monkeypatch.setenv("CRESCENDAI_DEVICE", "cpu")
    monkeypatch.setenv("MAESTRO_DIR", str(maestro))


@pytest.fixture
def embedded(root: Path, made: Path) -> Partition:
    """2004, done."""
    shutil.copytree(made / "data", root)
    return Lake(root).tier("maestro").partition("2004")


def run(*arguments: str, answer: str | None = None) -> Result:
    return CliRunner().invoke(main, arguments, input=answer)


def output(*arguments: str) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result.output


def refused(result: Result) -> str:
    """The message of a command that stopped with one, and with no trace."""
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.output
    assert "Error: " in result.output
    return result.output


# ------------------------------------------------------------------------------------------------ doctor


def say(monkeypatch: pytest.MonkeyPatch, *findings: Finding) -> None:
    monkeypatch.setattr(doctor, "diagnose", lambda root, *, environ, online: list(findings))


def test_the_doctor_says_what_is_missing_and_what_to_do_and_exits_with_1(monkeypatch: pytest.MonkeyPatch):
    say(monkeypatch, Finding("python", "ok", "3.11.7"), Finding("disk", "missing", "2 GB free", "Make [room]."))
    result = run("doctor")
    assert result.exit_code == 1
    assert "ok" in result.output
    assert "2 GB free" in result.output
    assert "-> Make [room]." in result.output


def test_a_doctor_that_only_warns_exits_with_0(monkeypatch: pytest.MonkeyPatch):
    say(monkeypatch, Finding("gpu", "warn", "none", "Be patient."))
    assert "Be patient." in output("doctor")


def test_the_doctor_answers_in_json_with_the_same_exit_status(monkeypatch: pytest.MonkeyPatch):
    say(monkeypatch, Finding("disk", "missing", "2 GB free", "Make room."))
    result = run("doctor", "--json")
    assert result.exit_code == 1
    assert json.loads(result.output) == [
        {"name": "disk", "status": "missing", "found": "2 GB free", "advice": "Make room."}
    ]


def test_the_doctor_speaks_without_rich(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "rich", None)
    say(monkeypatch, Finding("package rich", "missing", "not installed", "Install it."))
    assert "missing  package rich: not installed  Install it." in run("doctor").output


def test_the_doctor_names_a_root_that_is_no_folder_and_goes_on(monkeypatch: pytest.MonkeyPatch):
    say(monkeypatch, Finding("python", "ok", "3.11.7"))
    result = run("doctor", "--root", "s3://bucket/data")
    assert result.exit_code == 1
    assert "work needs a local folder" in result.output
    assert "3.11.7" in result.output


def test_the_real_doctor_looks_at_this_machine(monkeypatch: pytest.MonkeyPatch, encoders: tuple[Path, Path]):
    monkeypatch.setenv("CRESCENDAI_MUQ_CHECKPOINT", str(encoders[0]))
    findings = {one["name"]: one["status"] for one in json.loads(run("doctor", "--json").output)}
    assert findings["python"] == findings["muq checkpoint"] == "ok"


# ------------------------------------------------------------------------------------------------ status


def partitions(*arguments: str) -> dict[str, Any]:
    return {found["partition"]: found for found in json.loads(output("status", "--json", *arguments))["partitions"]}


def test_status_before_anything_says_what_is_to_come_by_year(root: Path):
    text = output("status", "maestro")
    assert "2004" in text
    assert "2006" in text
    assert "embeddings to come: 3 rows" in text
    assert "time assumed: 8.5 s for a segment of 30 s, MuQ-large on 2 CPU cores" in text
    assert not root.exists()


def test_status_answers_in_json_with_every_field(root: Path):
    document = json.loads(output("status", "--json"))
    assert document["root"] == str(root)
    assert {found["tier"] for found in document["partitions"]} == {"competition", "maestro"}
    first = next(found for found in document["partitions"] if found["tier"] == "maestro")
    assert first["partition"] == "2004"
    assert [stage["stage"] for stage in first["stages"]] == ["recordings", "segments", "embeddings"]
    assert first["stages"][2]["rows_to_come"] == 2
    assert first["stages"][0]["seconds_to_come"] is None


def test_status_after_embeddings_says_what_is_done_and_by_which_encoder(embedded: Partition):
    found = partitions()
    assert [stage["done"] for stage in found["2004"]["stages"]] == [1, 1, 1]
    assert found["2006"]["stages"][2]["estimate"].startswith("measured: ")
    text = output("status")
    assert "UNTRAINED" in text
    assert "times real time on cpu in the last run (2004)" in text


def test_status_of_all_done_says_so(embedded: Partition, maestro: Path):
    write_catalogue(maestro, TAKES[:1])
    assert "Nothing is left to do" in output("status", "maestro")


def test_status_shows_failures_by_class(root: Path, maestro: Path):
    path = maestro / "2004" / "a_01.wav"
    path.write_bytes(path.read_bytes()[:2000])
    cut_year(root, maestro, "2004")
    text = output("status")
    assert "1 permanent" in text
    assert "failures/<asset>.jsonl" in text
    assert partitions()["2004"]["stages"][1]["failed"] == {"permanent": 1}


def test_status_takes_another_root_and_another_set(embedded: Partition, root: Path, tmp_path: Path):
    assert partitions("--root", str(tmp_path / "elsewhere"))["2004"]["stages"][0]["done"] == 0
    assert partitions("--root", str(root))["2004"]["stages"][2]["done"] == 1
    assert partitions("--set", "other")["2004"]["stages"][2]["done"] == 0


def test_status_without_a_source_and_without_tables_says_how_to_begin(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("MAESTRO_DIR")
    assert "no source is set; `crescendai doctor`" in output("status")


def test_status_of_rated_clips_says_what_is_embedded_and_what_has_no_file(root: Path, tmp_path: Path, monkeypatch):
    assert "percepiano: nothing in" in output("status", "percepiano")
    rated_tier(root, [A, B, C])
    text = output("status", "percepiano")
    assert "3 rated segments, 0 embedded" in text
    assert "no audio is given: set PERCEPIANO_AUDIO" in text
    folder = write_clips(tmp_path / "clips", {A: 36, B: 5, "Schubert_D960_mv2_8bars_1_05": 4})
    monkeypatch.setenv("PERCEPIANO_AUDIO", str(folder))
    (clips, made) = partitions("percepiano")[""]["stages"]
    assert (clips["stage"], clips["new"], made["rows_to_come"]) == ("clips", 2, 2)
    assert made["seconds_to_come"] > 0
    tier = Lake(root).tier("percepiano").partition()
    collect_clips(tier, list_clips(folder, [A, B, C], key_of))
    (clips, made) = partitions("percepiano")[""]["stages"]
    assert (clips["done"], clips["rows"], made["new"]) == (2, 2, 2)
    assert made["bytes_to_come"] == 4 * 1024 * (93 + 18 + 15)
    text = output("status", "percepiano")
    assert f"2 of them have a file in {folder}, 1 have none" in text
    assert "1 files there are of no rated segment" in text


def test_status_of_imported_clips_says_so(root: Path, tmp_path: Path):
    import torch

    rated_tier(root, [A, B, C])
    torch.save({A: torch.zeros(9, 1024)}, tmp_path / "given.pt")
    tier = Lake(root).tier("percepiano").partition()
    import_clips(tier, tmp_path / "given.pt", [A, B, C], key_of, imported_identity({}))
    text = output("status", "percepiano")
    assert "3 rated segments, 1 embedded, 1 imported" in text
    assert "Nothing is left to do" in text


def test_status_of_channels_never_asked_is_one_line(root: Path):
    text = output("status", "youtube")
    (line,) = [line for line in text.splitlines() if "not asked yet: materialize youtube/recordings" in line]
    assert re.search(r"^(\S+, ){5}\S+ and \d+ more: not asked", line)
    waiting = json.loads(output("status", "youtube", "--json"))["waiting"]["youtube"]
    assert len(waiting["not asked yet: materialize youtube/recordings"]) > 20, "json has every key"
    assert not root.exists()


def test_status_of_competitions_says_what_is_guessed_and_what_has_no_recordings():
    text = output("status", "competition")
    assert "chopin2021" in text
    assert re.search(r"chopin2021: \d+ recordings of unknown length are taken for 30 min each", text)
    assert re.search(r"leeds2021, .*: recordings: none yet", text)


def test_a_tier_whose_source_is_damaged_hides_no_other(maestro: Path):
    (maestro / "maestro-v3.0.0.json").write_text("{")
    text = refused(run("status"))
    assert "chopin2021" in text
    assert "not asked yet: materialize youtube/recordings" in text
    assert "Error: maestro: " in text


def test_a_damaged_catalogue_is_told_without_a_trace(maestro: Path):
    (maestro / "maestro-v3.0.0.json").write_text("{")
    assert "maestro-v3.0.0.json: damaged" in refused(run("status"))


def test_a_root_that_is_an_address_is_told_without_a_trace():
    assert "work needs a local folder" in refused(run("status", "--root", "s3://bucket/data"))


def test_the_installed_command_shows_status_and_loads_no_torch(embedded: Partition):
    done = subprocess.run([COMMAND, "status", "maestro"], capture_output=True, text=True, check=True, timeout=60)
    assert "UNTRAINED" in done.stdout
    assert done.stderr == ""
    code = (
        "import sys; from crescendai_assets.cli import main; main(['status'], standalone_mode=False); "
        "sys.exit(' '.join({'torch', 'dagster', 'muq', 'pandas', 'transformers'} & sys.modules.keys()))"
    )
    quiet = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert quiet.stderr.strip() == ""


def test_the_installed_command_tells_bad_news_on_stderr_with_status_1(maestro: Path):
    (maestro / "maestro-v3.0.0.json").unlink()
    command = (str(COMMAND), "status", "maestro")
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("Error: ")
    assert "point MAESTRO_DIR at MAESTRO's own folder" in done.stderr


# ------------------------------------------------------------------------------------- embeddings reset


def test_reset_says_what_it_removes_and_asks_first(embedded: Partition):
    result = run("embeddings", "reset", "maestro", answer="n\n")
    assert result.exit_code == 1
    assert str(embedded.embedding_folder) in result.output
    assert "2 embeddings" in result.output
    assert "2 rows of 1 partitions (2004)" in result.output
    assert "Remove all of it?" in result.output
    assert len(list(embedded.embedding_folder.glob("*.pt"))) == 2


def test_after_a_reset_another_encoder_can_start(
    embedded: Partition, root: Path, maestro: Path, encoders: tuple[Path, Path]
):
    with pytest.raises(SetupError, match="another encoder"):
        embed_year(root, maestro, encoders[1], "2004")
    before = read_identity(embedded.embedding_folder)
    result = run("embeddings", "reset", "maestro", answer="y\n")
    assert "Removed 2 embeddings" in result.output
    assert not embedded.embedding_folder.exists()
    assert not embedded.stage("embeddings").table.exists()
    assert partitions()["2004"]["stages"][2]["new"] == 1
    report = embed_year(root, maestro, encoders[1], "2004")
    assert (report.rows, report.succeeded) == (2, 1)
    after = read_identity(embedded.embedding_folder)
    assert before
    assert after
    assert before.digest != after.digest


def test_reset_refuses_while_a_run_is_writing(embedded: Partition):
    files = embedded.stage("embeddings")
    with open_journal(files, EMBEDDINGS, "embeddings"):
        assert "another run (process" in refused(run("embeddings", "reset", "maestro", "--yes"))
    assert len(list(embedded.embedding_folder.glob("*.pt"))) == 2
    assert files.table.exists()


def test_reset_removes_the_set_it_is_asked_for(embedded: Partition, root: Path, monkeypatch: pytest.MonkeyPatch):
    other = Lake(root).tier("maestro", "other").embeddings()
    other.mkdir()
    (other / "x_seg000.pt").write_bytes(b"x")
    monkeypatch.setenv("CRESCENDAI_EMBEDDING_SET", "other")
    assert "Removed 1 embeddings" in output("embeddings", "reset", "maestro", "--yes")
    assert not other.exists()
    assert embedded.embedding_folder.exists()


def test_reset_with_nothing_to_remove_says_so_and_does_not_ask():
    assert "Nothing to remove" in output("embeddings", "reset", "maestro")


def test_the_refusal_of_another_encoder_names_the_reset_of_its_own_set(
    embedded: Partition, encoders: tuple[Path, Path]
):
    from crescendai_assets.embeddings.identity import EncoderSpec, claim_folder, identify

    one, two = (identify(EncoderSpec(checkpoint=str(folder), device="cpu")) for folder in encoders)
    folder = Lake(embedded.tier.folder.parent).tier("maestro", "other").embeddings()
    claim_folder(folder, one, "maestro")
    with pytest.raises(SetupError, match="crescendai embeddings reset maestro --set other`"):
        claim_folder(folder, two, "maestro")


def test_reset_of_channels_names_both_assets_to_make_again(root: Path):
    tier = Lake(root).tier("youtube")
    for folder in (tier.embeddings(), tier.embeddings(augmented=True)):
        folder.mkdir(parents=True)
        (folder / "x_seg000.pt").write_bytes(b"x")
    text = output("embeddings", "reset", "youtube", "--yes")
    assert "Removed 2 embeddings" in text
    assert "Materialize youtube/embeddings and youtube/augmented_pairs" in text
    assert not tier.embeddings(augmented=True).exists()


# --------------------------------------------------------------------------------------------- catalog


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    """A catalogue of the user's own: an edition that tells its recordings by titles."""
    write_town(tmp_path / "catalogue")
    return tmp_path / "catalogue"


def test_catalog_check_lists_what_is_shipped_and_ones_own(catalogue: Path, monkeypatch: pytest.MonkeyPatch):
    text = output("catalog", "check", str(catalogue))
    assert re.search(r"chopin2021 +\d+ +4 +\d+ addresses\b.* +shipped", text)
    assert re.search(r"town2031 +2 +2 +on the playlist https://example.org/list", text)
    assert re.search(r"paul-barton +recital +https://\S+ +200 ", text)
    assert ", no faults in " in text
    assert "town2031" not in output("catalog", "check")
    monkeypatch.setenv("CRESCENDAI_CATALOG", str(catalogue))
    assert output("catalog", "check") == text


def test_catalog_check_names_file_and_line_of_every_fault_and_exits_with_1(catalogue: Path):
    write_town(catalogue, "recordings: none yet\n", RESULTS.replace("placement: 2", "placement: second"))
    (catalogue / "channels.yaml").write_text("channels:\n  - {name: A, category: recitals, url: https://a.example}\n")
    result = run("catalog", "check", str(catalogue))
    assert result.exit_code == 1
    assert f"{catalogue / 'competitions' / 'town2031.yaml'}, line 7: " in result.output
    assert f"{catalogue / 'channels.yaml'}, line 2: " in result.output
    assert "Did you mean 'recital'?" in result.output
    assert ", 2 faults in " in result.output
    assert "chopin2021" in result.output


def test_catalog_check_reads_the_taxonomy_and_names_file_line_and_field_of_a_fault(catalogue: Path):
    assert "6 composites, no faults" in output("catalog", "check")
    shipped = Path(doctor.__file__).parents[1] / "catalog" / "taxonomy.yaml"
    own = catalogue / "taxonomy.yaml"
    text = shipped.read_text(encoding="utf-8")
    own.write_text(text.replace("name: timing", "name: tempo"), encoding="utf-8")
    told = output("catalog", "check", str(catalogue))
    assert re.search(r"^tempo +steady +free, unsteady +1 *$", told, re.M)
    assert f"composites are those of {own}, not those shipped" in told
    own.write_text(text.replace("weight: 0.5", "weight: 0", 1), encoding="utf-8")
    result = run("catalog", "check", str(catalogue))
    assert result.exit_code == 1
    line = text[: text.index("weight: 0.5")].count("\n") + 1
    assert f"{own}, line {line}: 'weight' is 0; give a number from -10 to 10 other than 0" in result.output
    assert "no composites, 1 fault in" in result.output
    assert "town2031" in result.output, "the rest is shown"


def test_catalog_check_names_dimensions_that_a_taxonomy_forgets(catalogue: Path):
    part = "{dimension: Timing_Stable_Unstable, weight: 1, reason: As asked.}"
    text = f"version: 1\ncomposites:\n  - {{name: timing, low: steady, high: free, dimensions: [{part}]}}\n"
    (catalogue / "taxonomy.yaml").write_text(text, encoding="utf-8")
    told = output("catalog", "check", str(catalogue))
    assert "1 composite, no faults" in told
    assert told.count("is in no composite, nor left out with a reason") == 18


def test_catalog_check_says_what_replaced_what_and_counts_a_folder(catalogue: Path, tmp_path: Path):
    (tmp_path / "takes").mkdir()
    (tmp_path / "takes" / "a.wav").touch()
    write_town(catalogue, f"recordings: {{folder: '{tmp_path / 'takes'}'}}\n")
    shipped = Path(doctor.__file__).parents[1] / "catalog" / "competitions" / "leeds2021.yaml"
    shutil.copy(shipped, catalogue / "competitions")
    text = output("catalog", "check", str(catalogue))
    assert f"leeds2021: {catalogue / 'competitions' / 'leeds2021.yaml'} is used, not {shipped}" in text
    assert re.search(r"town2031 +2 +2 +1 files in ", text)


def test_catalog_check_of_a_folder_that_is_not_there_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert run("catalog", "check", str(tmp_path / "gone")).exit_code == 2
    monkeypatch.setenv("CRESCENDAI_CATALOG", str(tmp_path / "gone"))
    assert "no such folder" in refused(run("catalog", "check"))


def match(catalogue: Path, *arguments: str) -> Result:
    return run("catalog", "match", "town2031", "--catalog", str(catalogue), *arguments)


def test_catalog_match_says_whose_a_title_is_or_why_not(catalogue: Path, root: Path):
    titles = ("Ana Nunez - Ballade No. 1 [live] - Semi-final", "Bo Lindqvist plays", "Nobody - final round")
    lines = match(catalogue, *(word for title in titles for word in ("--title", title))).output.splitlines()
    assert re.search(r"^Ana Nunez - Ballade No. 1 \[live\] - Semi-final +Ana Núñez +semifinal +Ballade No. 1", lines[1])
    assert re.search(r"^Bo Lindqvist plays +no round$", lines[2].rstrip())
    assert re.search(r"^Nobody - final round +no performer", lines[3])
    assert lines[4] == "1 of 3 titles name a performance"
    assert not root.exists()


def test_catalog_match_reads_the_titles_that_were_listed_last(catalogue: Path, root: Path):
    assert "nobody has asked" in refused(match(catalogue))
    listed = [("v1", "Bo Lindqvist - Final", ""), ("v2", "Ana Núñez - Final", ""), ("v3", "[Private video]", "private")]
    DISCOVERED.write(
        Lake(root).tier("competition").partition("town2031").discovered,
        [
            {"video_id": i, "url": f"https://example.org/{i}", "title": title, "place": -n % 3, "unavailable": why}
            for n, (i, title, why) in enumerate(listed)
        ],
    )
    lines = match(catalogue).output.splitlines()
    assert [line.split(" -")[0] for line in lines[1:3]] == ["Bo Lindqvist", "Ana Núñez"], "as they are listed"
    assert lines[3] == "2 of 2 titles name a performance"


def test_catalog_match_knows_who_stands_on_the_page_that_was_kept(catalogue: Path, root: Path):
    page = "results_page: {url: 'https://example.org/r', columns: {performer: Name, placement: Prize}}\n"
    write_town(catalogue, PLAYLIST + page)
    title = ("--title", "Cy Young - Final")
    assert "no performer" in match(catalogue, *title).output
    partition = Lake(root).tier("competition").partition("town2031")
    partition.folder.mkdir(parents=True)
    table = "<table><tr><th>Name</th><th>Prize</th></tr><tr><td>Cy Young</td><td>3</td></tr></table>"
    (partition.folder / "results_page.html").write_text(table)
    assert "1 of 1 titles" in match(catalogue, *title).output


def test_catalog_match_of_addresses_or_of_no_edition_says_what_to_do(catalogue: Path):
    assert "give some with --title" in refused(run("catalog", "match", "chopin2021"))
    assert "Did you mean 'town2031'?" in refused(run("catalog", "match", "town2032", "--catalog", str(catalogue)))


# -------------------------------------------------------------------------------------------- cite, rest


def test_cite_gives_bibtex_of_every_source_with_balanced_braces():
    text = output("cite")
    assert text.count("{") == text.count("}")
    for source in read_sources():
        assert f"{{{bibtex_key(source)}," in text


def test_cite_gives_the_licences_as_a_table():
    lines = output("cite", "--licences").splitlines()
    assert lines[0].startswith("| licence")
    assert len(lines) == 2 + len(read_sources())


def test_the_version_is_that_of_the_package():
    from importlib.metadata import version

    assert version("crescendai-assets") in output("--version")


def test_an_unknown_tier_is_refused_with_those_there_are():
    result = run("embeddings", "reset", "maestroo")
    assert result.exit_code == 2
    assert "'competition', 'maestro'" in result.output
