"""The comparison: one row a model, the right winner, and what must be said with it."""

from __future__ import annotations

from crescendai_assets.evaluation import format_comparison_table
from crescendai_assets.evaluation.bootstrap import Difference
from crescendai_assets.evaluation.table import ModelResult, as_results, pick_winner


def row_of(table: str, model: str) -> list[str]:
    line = next(line for line in table.splitlines() if line.startswith(f"| {model} "))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_row_a_model_with_all_columns():
    table = format_comparison_table(
        {
            "A1": {
                "r2": 0.41234, "pairwise": 0.78, "difficulty_rho": 0.55,
                "robustness": {"pearson_r": 0.95, "score_drop_pct": 3.21}, "gpu_hours": 1.5,
            },
            "S0": {"r2": 0.5, "pairwise": 0.75},
        }
    )  # fmt: skip
    assert row_of(table, "A1") == ["A1", "0.412", "0.780", "0.550", "r 0.950, drop 3.2 %", "1.50", "winner"]
    assert row_of(table, "S0") == ["S0", "0.500", "0.750", "n/a", "n/a", "n/a", ""]
    header = [cell.strip() for cell in table.splitlines()[0].strip("|").split("|")]
    assert header[:6] == ["model", "R2", "pairwise", "difficulty rho", "robustness", "GPU hours"]
    assert table.splitlines()[-1] == "Winner: A1 (pairwise 0.780, R2 0.412)."


def test_figures_of_a_full_report_are_understood():
    (row,) = as_results(
        {
            "M": {
                "regression_r2": 0.4,
                "pairwise": {"overall": 0.7},
                "difficulty": {"overall_rho": 0.2},
                "robustness": {"pearson_r": 0.9, "score_drop_pct": 1.0},
                "leaky": True,
            }
        }
    )
    assert row == ModelResult("M", 0.4, 0.7, 0.2, 0.9, 1.0, None, True)
    (flat,) = as_results({"M": {"robustness": 0.9, "score_drop_pct": 16, "pairwise_accuracy": 0.7}})
    assert (flat.pearson_r, flat.vetoed, flat.pairwise) == (0.9, True, 0.7)
    (nothing,) = as_results({"M": {"difficulty": None, "robustness": None}})
    assert nothing == ModelResult("M")


def test_equal_pairs_are_decided_by_r2():
    rows = [ModelResult("a", 0.4, 0.75), ModelResult("b", 0.5, 0.75), ModelResult("c", 0.9, 0.7)]
    assert pick_winner(rows) == "b"


def test_a_model_whose_scores_drop_cannot_win():
    rows = [ModelResult("best", 0.6, 0.9, score_drop_pct=15.1), ModelResult("held", 0.5, 0.8, score_drop_pct=15.0)]
    assert pick_winner(rows) == "held"
    table = format_comparison_table(rows)
    assert "vetoed" in row_of(table, "best")[-1]
    alone = format_comparison_table(rows[:1])
    assert "No winner" in alone


def test_a_worst_effect_without_a_figure_is_not_shown_as_one():
    table = format_comparison_table([ModelResult("a", 0.5, 0.7, worst=("noise", float("nan")))])
    assert row_of(table, "a")[4] == "n/a"


def test_no_figure_wins_nothing():
    assert pick_winner([ModelResult("a"), ModelResult("b", 0.9, float("nan"))]) is None
    assert pick_winner({}) is None
    assert "No winner" in format_comparison_table([])
    assert row_of(format_comparison_table([ModelResult("b", float("nan"))]), "b")[1] == "n/a"


def test_no_significant_difference_is_said_where_it_is_so():
    rows = [ModelResult("a", 0.5, 0.76), ModelResult("b", 0.5, 0.75), ModelResult("c", 0.5, 0.6)]
    table = format_comparison_table(
        rows, {"b": Difference(0.01, -0.01, 0.03, 0.8), "c": Difference(0.16, 0.1, 0.2, 1.0)}
    )
    assert row_of(table, "b")[-1] == "no significant difference, -0.010 [-0.030, +0.010]"
    assert row_of(table, "c")[-1] == "-0.160 [-0.200, -0.100]"
    assert table.endswith("no significant difference from b.")


def test_a_leaky_row_is_marked_and_beats_no_sound_one():
    rows = [ModelResult("leaky", 0.9, 0.9, leaky=True), ModelResult("sound", 0.4, 0.7)]
    assert pick_winner(rows) == "sound"
    assert row_of(format_comparison_table(rows), "leaky")[-1] == "leaky protocol"
    alone = format_comparison_table(rows[:1])
    assert pick_winner(rows[:1]) == "leaky"
    assert "leaky protocol: a figure to compare with others of its kind alone" in alone
