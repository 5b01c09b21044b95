"""How well a model judges: metrics, intervals, comparisons. Knows numbers and groups, no model and no tier's files."""
