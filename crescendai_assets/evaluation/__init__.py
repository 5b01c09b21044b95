"""How well a model judges: metrics, intervals, comparisons, whole protocols. Trains no model of its own.

Numbers and groups are enough for all but `protocols`, which knows what folds and held-out rows are.
"""

from crescendai_assets.evaluation.metrics import MetricsSuite
from crescendai_assets.evaluation.robustness import compute_robustness_metrics
from crescendai_assets.evaluation.table import format_comparison_table

__all__ = ["MetricsSuite", "compute_robustness_metrics", "format_comparison_table"]
