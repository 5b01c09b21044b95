"""Encoders learn without ratings, resume after a kill, are not pretrained twice, and never see a rated work."""

# ruff: noqa: TID253 - tests of torch modules

from __future__ import annotations

import errno
import io
import json
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.fingerprints import fingerprint
from crescendai_assets.lake.layout import Lake
from crescendai_assets.lake.tables import read_rows
from crescendai_assets.symbolic.corpus.products import products
from crescendai_assets.symbolic.corpus.schemas import CORPUS, PACKED
from crescendai_assets.training import corpus_roles, pretrained, pretraining
from crescendai_assets.training.compiling import index_path
from crescendai_assets.training.fit import fit_fold
from crescendai_assets.training.pretrain import pretrain
from crescendai_assets.training.pretrain_checks import check_learnt_from, check_pretrained
from crescendai_assets.training.pretrain_items import Only
from crescendai_assets.training.pretrain_plan import (
    LEARNT_FROM,
    PretrainPlace,
    plan_pretraining,
    set_aside,
    state_of_inputs,
)
from crescendai_assets.training.pretrain_settings import HIDDEN, KEYS, LENGTHS, PRODUCTS, PretrainSettings
from crescendai_assets.training.pretrained import NOT_BEGUN_FROM, begin_from, pretrained_files, read_pretrained
from crescendai_assets.training.pretraining import corpus_path, write_corpus
from crescendai_assets.training.registry import MODELS, Dims, spec_of
from crescendai_assets.training.t1_plan import T1Place
from crescendai_assets.training.task import is_current, plan_fit
from crescendai_assets_tests.training.pretrain_lake import add_corpus, add_tiers, brief, compile_packs
from crescendai_assets_tests.training.rated_lake import fold, tiny

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def rated(rated_place, tmp_path_factory) -> T1Place:
    """The rated set with a corpus and tiers beside it; nobody trains into this lake."""
    root = tmp_path_factory.mktemp("pretrain")
    shutil.copytree(rated_place.root, root / "lake")
    lake = Lake(root / "lake")
    add_corpus(lake, root)
    add_tiers(lake)
    return T1Place.of(lake, rated_place.scores, midi=rated_place.midi)


@pytest.fixture
def t1(rated: T1Place, tmp_path: Path) -> T1Place:
    """The same, with a root of the test's own for checkpoints."""
    return replace(rated, root=tmp_path)


@pytest.fixture
def place(t1) -> PretrainPlace:
    return PretrainPlace.beside(t1)


@pytest.fixture
def own(rated, tmp_path) -> Lake:
    """A lake of the test's own, to be changed."""
    shutil.copytree(rated.root, tmp_path / "lake")
    return Lake(tmp_path / "lake")


@pytest.mark.parametrize(("model", "epochs"), [("S1", 20), ("S2", 6), ("S2h", 6), ("S3", 6), ("A2", 6)])
def test_what_is_hidden_is_guessed_better_than_by_an_untrained_encoder(place, model, epochs):
    said: list[str] = []
    report = pretrain(place, brief(model, epochs=epochs, patience=epochs), progress=said.append)
    files = pretrained_files(place.root, model)
    losses = [row["train_loss"] for row in report.history]
    assert losses[-1] < losses[0] * 0.98
    assert report.figures["loss"] < report.figures["untrained_loss"] * 0.95
    assert report.figures["loss"] == min(row["val_loss"] for row in report.history)
    assert files.curves.read_bytes().startswith(b"\x89PNG")
    assert len(files.curves.read_bytes()) <= 40_000
    assert not files.resume.exists()
    assert len([line for line in said if line.startswith("epoch ")]) == epochs
    rows = list(read_rows(files.learnt_from))
    assert {row["role"] for row in rows} == {"train", "validation"}
    of_piece: dict[str, set[str]] = {}
    for row in rows:
        of_piece.setdefault(row["piece"], set()).add(row["role"])
    assert all(len(roles) == 1 for roles in of_piece.values()), "no piece is on both sides"
    assert check_pretrained(place, model, report.weights).passed
    assert check_learnt_from(place, model).passed


def test_a_second_run_does_nothing_and_a_changed_setting_pretrains_again(place):
    first = pretrain(place, brief("S2"))
    files = pretrained_files(place.root, "S2")
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in files.folder.glob("*.*")}
    again = pretrain(place, brief("S2"))
    assert (again, again.fresh, first.fresh) == (first, False, True)
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in files.folder.glob("*.*")} == before
    assert not pretrain(place, brief("S2", device="auto")).fresh, "where it runs changes nothing"
    assert pretrain(place, brief("S2", epochs=1)).fresh
    files.weights.write_bytes(files.weights.read_bytes()[:-1])
    assert not check_pretrained(place, "S2", None).passed
    assert pretrain(place, brief("S2", epochs=1)).fresh, "its weights are not what its report says"


def test_roles_for_validation_are_kept_where_the_corpus_has_them(own, monkeypatch):
    place = PretrainPlace.of(own)
    assert "nothing for validation" in plan_pretraining(place, brief("S1")).notes[0]
    monkeypatch.setattr(corpus_roles, "VALIDATION_OF", 2)
    monkeypatch.setattr(pretraining, "VERSION", 2)
    roles = {row["recording_id"]: row["role"] for row in write_corpus(place.corpus)}
    compile_packs(own)
    plan = plan_pretraining(place, brief("S1"))
    assert plan.notes == ()
    assert plan.recordings("validation") == sorted(one for one, role in roles.items() if role == "validation")
    assert not {row["recording_id"] for row in plan.used} & {i for i, role in roles.items() if role == "held_out"}
    assert plan.left_out["of a rated work"] > 70


def test_a_pack_with_a_performance_that_is_held_out_is_refused(own):
    place = PretrainPlace.of(own)
    rows = list(read_rows(corpus_path(place.corpus)))
    used = [row for row in rows if row["role"] == "train"]
    used[0]["role"] = "held_out"
    CORPUS.write(corpus_path(place.corpus), rows)
    with pytest.raises(SetupError, match=f"holds {used[0]['recording_id']} for train, which by symbolic/corpus"):
        pretrain(place, brief("S1"))
    assert not (own.root / "checkpoints").exists()


def test_a_corpus_whose_roles_let_a_rated_work_in_is_refused_before_the_first_step(own):
    place = PretrainPlace.of(own)
    rows = list(read_rows(corpus_path(place.corpus)))
    leaking = next(row for row in rows if row["source"] == "loose" and row["role"] == "held_out")
    leaking["role"] = "train"
    CORPUS.write(corpus_path(place.corpus), rows)
    compile_packs(own)  # roles and packs agree: only a look at the music itself tells
    said: list[str] = []
    with pytest.raises(SetupError, match=f"{leaking['recording_id']} holds percepiano_.*, and is not held out"):
        pretrain(place, brief("S1"), progress=said.append)
    assert not any(line.startswith("epoch") for line in said)
    assert read_pretrained(pretrained_files(place.root, "S1")) is None


def test_weights_that_saw_a_work_that_is_rated_since_do_not_pass(own):
    place = PretrainPlace.of(own)
    pretrain(place, brief("S2", epochs=1))
    rows = list(read_rows(corpus_path(place.corpus)))
    seen = next(row for row in rows if row["role"] == "train")
    seen |= {"role": "held_out", "why": "it is rated now"}
    CORPUS.write(corpus_path(place.corpus), rows)
    found = check_learnt_from(place, "S2")
    assert not found.passed
    assert found.rows == ({"id": seen["recording_id"], "fault": "seed0 learnt from it: it is rated now"},)


def test_a_corpus_without_rated_passages_is_said_to_be_told_by_names_alone(own):
    shutil.rmtree(own.root / "pretrain_cache" / "percepiano")
    place = PretrainPlace.of(own)
    write_corpus(place.corpus)
    compile_packs(own)
    report = pretrain(place, brief("S2", epochs=1))
    assert report.notes[-1].endswith("rated works were told by their names alone")


class Poison(pl.Callback):  # type: ignore[misc]  # Lightning says nothing to a type checker
    """Makes weights NaN in the second epoch."""

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        if trainer.current_epoch == 1:
            for parameter in pl_module.parameters():
                parameter.data.fill_(torch.nan)


class Full(pl.Callback):  # type: ignore[misc]  # likewise
    """Memory for two sequences and no more."""

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        if len(batch["labels"]) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 3.00 GiB")


def test_a_loss_that_is_not_finite_names_its_batch_and_full_memory_halves_it(place):
    with pytest.raises(SetupError, match=r"A2: the loss is nan in epoch 1, batch 0 of \d+ \w+ \(.*(maestro|yt)_"):
        pretrain(place, brief("A2"), callbacks=[Poison()])
    assert read_pretrained(pretrained_files(place.root, "A2")) is None
    report = pretrain(place, brief("S1", epochs=1), callbacks=[Full()])
    assert report.batch_size == 2
    assert report.notes[-1] == "out of memory: the batch was halved to 2"


def run(lake: Path, root: Path, model: str, epochs: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            *(sys.executable, "-W", "ignore", "-m", "crescendai_assets_tests.training.pretrain_process"),
            *(str(lake), str(root), model, str(epochs)),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=Path(__file__).parents[2],
    )


@pytest.mark.slow
@pytest.mark.parametrize("model", ["S3", "A2"])
def test_killed_in_the_middle_it_goes_on_to_the_weights_of_an_undisturbed_pretraining(rated, place, tmp_path, model):
    epochs = 5
    undisturbed = pretrain(place, brief(model, epochs=epochs, patience=epochs))
    killed = tmp_path / "killed"
    process = run(rated.root, killed, model, epochs)
    assert process.stdout is not None
    assert any(line.startswith("epoch 1 ") for line in iter(process.stdout.readline, ""))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert read_pretrained(pretrained_files(killed, model)) is None
    output, _ = run(rated.root, killed, model, epochs).communicate(timeout=120)
    assert "goes on after epoch" in output, output
    report = read_pretrained(pretrained_files(killed, model))
    assert report is not None
    assert report.best_epoch == undisturbed.best_epoch
    for before, after in zip(undisturbed.history, report.history, strict=True):
        clock = {"seconds": 0, "waiting": 0}
        assert {**after, **clock} == pytest.approx({**before, **clock}, abs=1e-6)
    one, two = (torch.load(pretrained_files(root, model).weights, weights_only=True) for root in (place.root, killed))
    assert all(torch.allclose(one[name], two[name], atol=1e-6) for name in one)


@pytest.mark.parametrize(
    "model", ["S2", "S2h", "A2", *(pytest.param(one, marks=pytest.mark.slow) for one in ("S1", "S3"))]
)
def test_finetuning_begins_from_the_encoder_and_not_from_the_head(t1, place, model):
    pretrain(place, brief(model))
    begun: list[dict[str, torch.Tensor]] = []

    class First(pl.Callback):  # type: ignore[misc]  # likewise
        def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
            begun.append({name: value.clone() for name, value in pl_module.state_dict().items()})

    scratch = fit_fold(t1, fold(t1), tiny(model, epochs=1, start="scratch"), callbacks=[First()])
    tuned = fit_fold(t1, fold(t1), tiny(model, epochs=1), callbacks=[First()])
    assert tuned.fresh, "what it begins from is part of what it is"
    assert "begins from pretrained weights" in " ".join(tuned.notes)
    assert not any("first stage" in note for note in tuned.notes)
    assert not any("begins" in note for note in scratch.notes)
    weights = torch.load(pretrained_files(t1.root, model).weights, weights_only=True)
    for name, value in weights.items():
        if not name.startswith(NOT_BEGUN_FROM[model]):
            assert torch.equal(begun[1][name], value), name
    heads = [name for name in begun[1] if name.startswith(("head.", "mlp.second.", "pairs."))]
    assert heads
    assert all(torch.equal(begun[0][name], begun[1][name]) for name in heads)
    changed = [name for name, value in weights.items() if name in begun[0] and not torch.equal(begun[0][name], value)]
    assert len(changed) > 5


def test_what_a_finetuning_begins_from_decides_whether_it_is_done_again(t1, place):
    assert "from scratch: there are no pretrained weights" in fit_fold(t1, fold(t1), tiny("A2")).notes
    assert not fit_fold(t1, fold(t1), tiny("A2", start="scratch")).fresh, "it comes to the same"
    pretrain(place, brief("A2"))
    assert not is_current(plan_fit(t1, fold(t1), tiny("A2")))
    assert is_current(plan_fit(t1, fold(t1), tiny("A2", start="scratch")))
    assert fit_fold(t1, fold(t1), tiny("A2")).fresh
    assert not fit_fold(t1, fold(t1), tiny("A2", start="pretrained")).fresh
    pretrain(place, brief("A2", epochs=3))
    assert not is_current(plan_fit(t1, fold(t1), tiny("A2"))), "other weights"


def test_pretrained_weights_that_are_asked_for_and_do_not_fit_are_refused(own, rated):
    t1 = T1Place.of(own, rated.scores, midi=rated.midi)
    place = PretrainPlace.of(own)
    with pytest.raises(SetupError, match="S2: start is pretrained, and there are no pretrained weights; materialize"):
        plan_fit(t1, fold(t1), tiny("S2", start="pretrained"))
    with pytest.raises(SetupError, match="S0 is never pretrained"):
        plan_fit(t1, fold(t1), tiny("S0", start="pretrained"))
    pretrain(place, brief("S2", epochs=1))
    wider = {"hidden_dim": 48, "num_heads": 2, "num_layers": 1}
    with pytest.raises(SetupError, match=r"are of other sizes .*32.*48"):
        plan_fit(t1, fold(t1), tiny("S2", start="pretrained", sizes=wider))
    assert "other sizes" in plan_fit(t1, fold(t1), tiny("S2", sizes=wider)).start.said
    like = {**tiny("S2").sizes, "l_squared": 30}
    assert plan_fit(t1, fold(t1), tiny("S2", sizes=like)).start.digest, "what is no size may differ"
    loose = own.root / "pretrain_cache" / "loose" / "performances.jsonl"
    loose.write_text(loose.read_text().replace('"notes": ', '"notes": 1'))
    with pytest.raises(SetupError, match="learnt from is not as it was"):
        plan_fit(t1, fold(t1), tiny("S2", start="pretrained"))
    pretrain(place, brief("A2", epochs=1))
    identity = t1.embeddings.embedding_folder / "encoder.json"
    identity.write_text(identity.read_text().replace('"planted"', '"another"'))
    assert "over other embeddings" in plan_fit(t1, fold(t1), tiny("A2", tiers=())).start.said


def test_weights_that_were_made_again_since_it_was_planned_are_not_begun_from(t1, place):
    pretrain(place, brief("A2"))
    task = plan_fit(t1, fold(t1), tiny("A2"))
    pretrain(place, brief("A2", epochs=1))
    model = spec_of("A2").make(tiny("A2"), Dims(19))
    with pytest.raises(SetupError, match="A2 was pretrained again meanwhile; run it again"):
        begin_from(model, task.start, "A2")


def test_a_pretraining_that_fails_leaves_what_was_there_to_be_begun_from(t1, place):
    before = pretrain(place, brief("A2"))
    with pytest.raises(SetupError, match="the loss is nan"):
        pretrain(place, brief("A2", epochs=5), callbacks=[Poison()])
    assert read_pretrained(pretrained_files(place.root, "A2")) == before
    assert plan_fit(t1, fold(t1), tiny("A2")).start.digest == before.weights
    assert check_pretrained(place, "A2", before.weights).passed


def test_no_fold_begins_from_scratch_while_its_pretraining_is_half_done_or_out_of_date(own, rated):
    t1 = T1Place.of(own, rated.scores, midi=rated.midi)
    place = PretrainPlace.of(own)
    with pytest.raises(SetupError, match="the loss is nan"):
        pretrain(place, brief("A2", epochs=5), callbacks=[Poison()])
    cure = r"materialize pretrained/A2 first, or set start to scratch"
    with pytest.raises(SetupError, match=rf"A2: its pretraining was begun and is not finished, .*{cure}"):
        fit_fold(t1, fold(t1), tiny("A2"))
    scratch = fit_fold(t1, fold(t1), tiny("A2", start="scratch", epochs=1, tiers=()))
    assert not fit_fold(t1, fold(t1), tiny("A2", epochs=1, tiers=())).fresh, "what is done is asked about all the same"
    pretrain(place, brief("A2", epochs=1))
    table = own.tier("maestro").partition("2004").stage("segments").table
    table.write_text(table.read_text().replace('"piece0"', '"Schubert Sonata D 960"').replace("Bach", "Schubert"))
    with pytest.raises(SetupError, match=rf"A2: its pretrained weights are out of date, .*{cure}"):
        fit_fold(t1, fold(t1), tiny("A2"))
    assert fit_fold(t1, fold(t1), tiny("A2", start="scratch", epochs=1, tiers=())) == scratch


def test_embeddings_of_a_gpu_and_of_a_cpu_are_of_one_encoder(own, rated):
    t1 = T1Place.of(own, rated.scores, midi=rated.midi)
    identity = own.tier("maestro").embeddings() / "encoder.json"
    assert '"float32"' in identity.read_text()
    identity.write_text(identity.read_text().replace('"float32"', '"bf16"'))
    pretrain(PretrainPlace.of(own), brief("A2", epochs=1))
    assert plan_fit(t1, fold(t1), tiny("A2")).start.digest


@pytest.mark.parametrize("model", ["S2", "A2"])
def test_a_pretraining_is_planned_once_for_all_folds_and_again_when_any_table_changes(model, own, rated, monkeypatch):
    t1 = T1Place.of(own, rated.scores, midi=rated.midi)
    place = PretrainPlace.of(own)
    report = pretrain(place, brief(model, epochs=1))
    planned: list[str] = []

    def counted(where: PretrainPlace, settings: PretrainSettings) -> Any:
        planned.append(settings.model)
        return plan_pretraining(where, settings)

    monkeypatch.setattr(pretrained, "plan_pretraining", counted)
    for key in ("passage-s0f0", "passage-s0f1", "passage-s0f2"):
        assert plan_fit(t1, fold(t1, key), tiny(model)).start.digest == report.weights
    assert planned == [model]
    for number, (path, _) in enumerate(state_of_inputs(place, brief(model)), start=2):
        Path(path).touch()
        assert plan_fit(t1, fold(t1), tiny(model)).start.digest == report.weights
        assert len(planned) == number, path
    weights = pretrained_files(own.root, model).weights
    weights.write_bytes(weights.read_bytes()[:-1])
    assert "out of date" in plan_fit(t1, fold(t1), tiny(model)).start.said


@pytest.mark.parametrize("model", KEYS)
def test_every_file_that_a_plan_reads_is_looked_at_before_a_plan_is_kept(model, place, monkeypatch):
    read: set[str] = set()

    def listening(path: Any, *more: Any, **options: Any) -> Any:
        read.add(str(path))
        return really(path, *more, **options)

    really = io.open
    monkeypatch.setattr(io, "open", listening)  # what `Path.open` and `Path.read_text` call
    plan_pretraining(place, brief(model))
    of_lake = {path for path in read if path.startswith(str(place.corpus.folder.parent))}
    assert len(of_lake) >= 4
    assert of_lake <= {path for path, _ in state_of_inputs(place, brief(model))}


def test_a_corpus_that_is_made_again_while_it_is_read_is_told(own, monkeypatch):
    place = PretrainPlace.of(own)

    def meanwhile(*_: Any) -> tuple[str, ...]:
        monkeypatch.setattr(corpus_roles, "VALIDATION_OF", 2)
        monkeypatch.setattr(pretraining, "VERSION", 2)
        write_corpus(place.corpus)
        compile_packs(own)
        return ()

    monkeypatch.setattr("crescendai_assets.training.pretrain.refuse_evaluation_works", meanwhile)
    with pytest.raises(SetupError, match="S2: what it learns from was made again while it was read; run it again"):
        pretrain(place, brief("S2", epochs=1))


def test_weights_that_do_not_say_what_they_learnt_from_do_not_pass(place):
    pretrain(place, brief("S2", epochs=1))
    files = pretrained_files(place.root, "S2")
    rows = list(read_rows(files.learnt_from))
    LEARNT_FROM.write(files.learnt_from, rows[1:])
    assert "remove the folder" in check_learnt_from(place, "S2").rows[0]["fault"]
    files.learnt_from.unlink()
    assert not check_learnt_from(place, "S2").passed


def test_a_leak_is_no_mere_warning_where_there_are_no_rated_passages_to_look_for(own):
    shutil.rmtree(own.root / "pretrain_cache" / "percepiano")
    place = PretrainPlace.of(own)
    write_corpus(place.corpus)
    compile_packs(own)
    pretrain(place, brief("S2", epochs=1))
    assert check_learnt_from(place, "S2").warn
    rows = list(read_rows(corpus_path(place.corpus)))
    next(row for row in rows if row["role"] == "train").update(role="held_out", why="it is rated now")
    CORPUS.write(corpus_path(place.corpus), rows)
    found = check_learnt_from(place, "S2")
    assert (found.passed, found.warn) == (False, False)


def test_asking_whether_a_segment_is_there_reads_nothing():
    class Unread(dict[str, torch.Tensor]):
        def __getitem__(self, key: str) -> torch.Tensor:
            raise AssertionError(key)

    some: Any = Unread(a=torch.zeros(1, 1), b=torch.zeros(1, 1))
    only = Only(some, ["a"])
    assert "a" in only
    assert "b" not in only


class NoRoom(pl.Callback):  # type: ignore[misc]  # likewise
    """The disk is full when the state of an epoch is to be kept."""

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        def full(path: Path) -> None:
            path.write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")

        trainer.save_checkpoint = full


def test_a_full_disk_says_what_to_do_and_a_torn_state_costs_epochs_and_no_more(place):
    files, five = pretrained_files(place.root, "A2"), brief("A2", epochs=5)
    with pytest.raises(SetupError, match="make room and run again"):
        pretrain(place, five, callbacks=[NoRoom()])
    assert {path.name for path in files.resume.iterdir()} == {"begun.json", "best.pt"}
    with pytest.raises(SetupError, match="the loss is nan"):
        pretrain(place, five, callbacks=[Poison()])
    files.last.write_bytes(files.last.read_bytes()[:1000])  # a power cut
    said: list[str] = []
    report = pretrain(place, five, progress=said.append)
    assert any("last.ckpt: cannot be read" in line and "begins from the first epoch" in line for line in said)
    assert [row["epoch"] for row in report.history] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "A1"}, "'A1' is not pretrained; S1, S2, S2h, S3, A2 are"),
        ({"preset": "large"}, "preset is 'large'"),
        ({"hidden_share": 1.0}, "hidden_share 1.0"),
        ({"epochs": 0}, "epochs is 0"),
    ],
)
def test_settings_that_nothing_can_be_pretrained_by_are_refused(changes, message):
    with pytest.raises(SetupError, match=message):
        PretrainSettings(**{"model": "S1", **changes})


def test_every_encoder_of_symbols_is_pretrained_and_has_a_task_a_length_and_a_share():
    assert set(PRODUCTS) == {key for key, spec in MODELS.items() if spec.track == "symbolic"} - {"S0", "S4"}
    assert set(KEYS) == set(LENGTHS) == set(NOT_BEGUN_FROM) == {*PRODUCTS, "A2"}
    assert set(HIDDEN) == set(PRODUCTS)


SETTINGS = {
    "S1": "54bcffb946050287b90f5c11c06261d7",
    "S2": "0edb361c96844e5df55e32782d5b25dd",
    "S3": "87760cdcbafa343d3b982a04bd61eb3f",
    "A2": "97242d32a50d7f64c8e3673d7df29776",
}


def test_the_usual_settings_are_told_as_they_were_when_encoders_were_pretrained_by_them():
    assert {model: fingerprint(PretrainSettings(model).identity) for model in SETTINGS} == SETTINGS


def test_nothing_to_learn_from_is_told_with_what_to_do(tmp_path):
    place = PretrainPlace.of(Lake(tmp_path))
    with pytest.raises(SetupError, match="materialize symbolic/corpus first"):
        pretrain(place, brief("S1"))
    with pytest.raises(SetupError, match="nothing to pretrain A2 on; materialize maestro/contrastive_mapping"):
        pretrain(place, brief("A2"))


def test_a_report_that_cannot_be_read_says_what_to_do(place):
    files = pretrained_files(place.root, "S1")
    files.folder.mkdir(parents=True)
    files.report.write_text("{")
    with pytest.raises(SetupError, match="remove the folder and train it again"):
        pretrain(place, brief("S1"))
    files.report.write_text(json.dumps({"format": 0}))
    assert read_pretrained(files) is None


def test_a_product_that_is_not_whole_is_told(own):
    place = PretrainPlace.of(own)
    index = index_path(place.corpus, products()["features"])
    PACKED.write(index, [])
    with pytest.raises(SetupError, match=r"all_features.pt: no whole pack; materialize symbolic/pretraining"):
        pretrain(place, brief("S3"))


def test_what_is_set_aside_is_the_same_in_any_order_and_leaves_enough():
    pieces = [f"piece {number}" for number in range(40)]
    assert set_aside(pieces, 0.1, fewest=2) == set_aside(reversed(pieces), 0.1, fewest=2)
    assert len(set_aside(pieces, 0.1, fewest=2)) == 4
    assert len(set_aside(pieces[:4], 0.1, fewest=2)) == 2
    assert set_aside(pieces[:3], 0.1, fewest=2) == set()
