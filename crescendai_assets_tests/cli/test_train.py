"""`crescendai train` trains folds as the assets do, goes on past one that cannot be trained, and compares."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from crescendai_assets.cli import main
from crescendai_assets.labels.folds import fold_of_key
from crescendai_assets.training.checkpoints import files_of, read_report
from crescendai_assets.training.settings import FitSettings
from crescendai_assets.training.t1_plan import T1Place
from crescendai_assets.training.task import is_current, plan_fit
from crescendai_assets_tests.scored_lake import copied
from crescendai_assets_tests.training.rated_lake import make_rated_lake

QUICK = ("--setting", 'sizes={"trees": 10}')


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> T1Place:
    return make_rated_lake(tmp_path_factory.mktemp("made"))


@pytest.fixture
def place(made: T1Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> T1Place:
    """A lake of the test's own, as the environment names it."""
    assert made.midi is not None
    monkeypatch.setenv("PERCEPIANO_DIR", str(made.midi.parent))
    monkeypatch.setenv("CRESCENDAI_DATA", str(tmp_path / "lake"))
    return copied(made, tmp_path)


def run(*arguments: str) -> Result:
    """The command as a user types it."""
    return CliRunner().invoke(main, ["train", *arguments])


def test_folds_are_trained_once_compared_and_are_those_of_the_assets(place):
    first = run("S0", "--folds", "passage-s0f0", "--folds", "passage-s0f3", *QUICK)
    assert first.exit_code == 0, first.output
    assert "passage" in first.stdout
    assert "symbolic_comparison.md" in first.stdout
    assert (place.root / "reports" / "symbolic_comparison.md").exists()
    settings = FitSettings("S0", sizes={"trees": 10})
    folds = [fold_of_key(place.labels, f"passage-s0f{number}") for number in range(4)]
    assert [is_current(plan_fit(place, fold, settings)) for fold in folds] == [True, False, False, True]
    again = run("S0", *QUICK)
    assert again.stderr.count("trained already, nothing to do") == 2
    assert all(is_current(plan_fit(place, fold, settings)) for fold in folds)


def test_a_model_that_cannot_be_trained_is_told_and_the_next_one_is_trained(place):
    (place.symbolic.stage("tokens").table).unlink()
    result = run("S1", "S0", "--folds", "passage-s0f1", *QUICK)
    assert result.exit_code == 1
    assert "S1 of passage-s0f1" in result.stderr
    assert "materialize symbolic/tokens" in result.stderr
    assert "1 of 2 trainings failed" in result.stderr
    assert read_report(files_of(place.root, "S0", fold_of_key(place.labels, "passage-s0f1"), 0))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("S0", "--folds", "nothing", "--folds", "more"), "no fold begins with nothing or more"),
        (("S9",), "there is no model 'S9'"),
        (("S0", "--setting", "epoch=3"), "--setting epoch=3: give NAME=VALUE; the names are allow_cpu"),
        (("S0", "--setting", "epochs=0"), "epochs is 0; it must be 1 or more"),
        (("S0", "--setting", "epochs=many"), "a value is of the wrong kind"),
        (("S0", "--setting", "preset=huge"), "preset is 'huge'"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_trained(place, arguments, message):
    result = run(*arguments)
    assert result.exit_code == 1
    assert message in result.stderr
    assert not (place.root / "checkpoints").exists()
