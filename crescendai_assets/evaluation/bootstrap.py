"""How sure a figure is: percentile bootstrap over groups that hang together (passages, pianists), all draws at once.

Rows of one passage are no independent evidence, so whole groups are drawn with replacement (cluster bootstrap; Davison
& Hinkley, Bootstrap Methods and their Application, 1997, section 3.8). A figure is first told as sums by group; a draw
is how often each group was drawn, and counts times sums give the figure of all draws as one matrix product.
Two models are compared on the same draws, so what is hard for both does not blur their difference.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from crescendai_assets.evaluation.arrays import Floats, Groups, Ints, alike, columns
from crescendai_assets.evaluation.pairs import MARGIN, pairs_within, right_and_compared

DRAWS = 2000
LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A figure with its interval; NaN where the data say nothing."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        if math.isnan(self.value) or math.isnan(self.low):
            return "n/a" if math.isnan(self.value) else f"{self.value:.3f} [n/a]"
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True)
class Difference(Interval):
    """A figure of one model minus that of another, on the same draws.

    Attributes:
        share_above: Share of the draws in which the first is better.
    """

    share_above: float = math.nan

    def __str__(self) -> str:
        if math.isnan(self.value) or math.isnan(self.low):
            return "n/a" if math.isnan(self.value) else f"{self.value:+.3f} [n/a]"
        return f"{self.value:+.3f} [{self.low:+.3f}, {self.high:+.3f}]"

    @property
    def reversed(self) -> Difference:
        """The second model's figure minus the first's."""
        return Difference(-self.value, -self.high, -self.low, 1 - self.share_above)

    @property
    def significant(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low > 0 or self.high < 0


class Drawable(Protocol):
    """A figure that can be had of any draw of groups."""

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups that are drawn, G of them."""

    def of(self, counts: Floats) -> Floats:
        """The figure of each draw, shape (B,), from how often each group was drawn, shape (B, G)."""


@dataclass(frozen=True, eq=False)
class GroupSums:
    """A figure made of sums over rows.

    Attributes:
        groups: As drawn.
        totals: Sums by group, shape (G, K).
        finish: From sums of draws, shape (B, K), to the figure, shape (B,).
    """

    groups: tuple[str, ...]
    totals: Floats
    finish: Callable[[Floats], Floats]

    def of(self, counts: Floats) -> Floats:
        """The figure of each draw, shape (B,)."""
        return self.finish(counts @ self.totals)


@dataclass(frozen=True, eq=False)
class PairSums:
    """A share of pairs. A pair of two groups counts as often as both were drawn, one inside a group as often as it was.

    Attributes:
        groups: As drawn.
        right: Pairs in the right order between each two groups, shape (G, G).
        compared: Pairs that count, shape (G, G).
    """

    groups: tuple[str, ...]
    right: Floats
    compared: Floats

    def of(self, counts: Floats) -> Floats:
        """The figure of each draw, shape (B,)."""
        return _ratio(_drawn_pairs(counts, self.right), _drawn_pairs(counts, self.compared))


@dataclass(frozen=True, eq=False)
class MeanOf:
    """The mean of several figures over the same groups, such as those of several shuffles."""

    parts: tuple[Drawable, ...]

    @property
    def groups(self) -> tuple[str, ...]:
        """As drawn."""
        return self.parts[0].groups

    def of(self, counts: Floats) -> Floats:
        """The figure of each draw, shape (B,)."""
        import numpy as np

        return np.asarray(np.mean([part.of(counts) for part in self.parts], axis=0))


def mean_sums(values: Any, groups: Groups) -> GroupSums:
    """The mean over rows of a value by row.

    Args:
        values: Shape (N,), or (N, D) for the mean over all.
        groups: Group of each row.
    """
    import numpy as np

    rows = columns(values, "values").mean(1)
    names, index = _indexed(groups, len(rows))
    totals = np.stack([np.bincount(index, of_rows, len(names)) for of_rows in (rows, np.ones(len(rows)))], axis=1)
    return GroupSums(names, np.asarray(totals, np.float64), lambda sums: _ratio(sums[:, 0], sums[:, 1]))


def r2_sums(predictions: Any, labels: Any, groups: Groups) -> GroupSums:
    """R² over rows, mean over dimensions; each draw's variance is about its own mean.

    Args:
        predictions: Shape (N, D).
        labels: Shape (N, D).
        groups: Group of each row.
    """
    import numpy as np

    p, y = alike(predictions=predictions, labels=labels)
    names, index = _indexed(groups, len(p))
    dimensions = p.shape[1]
    centred = y - y.mean(0) if len(y) else y  # sums of squares keep their digits
    totals = np.zeros((len(names), 1 + 3 * dimensions))
    np.add.at(totals, index, np.hstack([np.ones((len(y), 1)), centred, centred**2, (y - p) ** 2]))

    def finish(sums: Floats) -> Floats:
        count, (first, second, wrong) = sums[:, :1], np.split(sums[:, 1:], 3, axis=1)
        variance = second - first**2 / count
        with np.errstate(divide="ignore", invalid="ignore"):
            explained = np.where(variance > 1e-12 * count, 1 - wrong / variance, np.nan)
        return _mean_of_known_by_row(explained)

    return GroupSums(names, totals, finish)


def pair_sums(scores: Any, labels: Any, pair_groups: Groups, groups: Groups, *, margin: float = MARGIN) -> PairSums:
    """Share of pairs in the right order, pooled over dimensions.

    Args:
        scores: Shape (N, D).
        labels: Shape (N, D).
        pair_groups: Rows of one of these are compared with each other, such as a passage.
        groups: What is drawn: something that holds whole pair groups, or not (pianists).
        margin: Pairs whose labels differ by this or less are ties.
    """
    import numpy as np

    p, y = alike(scores=scores, labels=labels)
    names, index = _indexed(groups, len(p))
    a, b = pairs_within(pair_groups)
    right, compared = right_and_compared(p[a] - p[b], y[a], y[b], margin=margin)
    tables = np.zeros((2, len(names), len(names)))
    for table, by_pair in zip(tables, (right, compared), strict=True):
        np.add.at(table, (index[a], index[b]), by_pair.sum(1))
    return PairSums(names, tables[0], tables[1])


def bootstrap(figure: Drawable, *, draws: int = DRAWS, level: float = LEVEL, seed: int = 0) -> Interval:
    """A figure and its percentile interval.

    Args:
        figure: What is known of it by group.
        draws: How often groups are drawn; 0 for no interval.
        level: Share of the draws inside the interval.
        seed: Of the draws.
    """
    return Interval(_whole(figure), *_percentiles(figure.of(_draws(figure, draws, seed)), level))


def paired_bootstrap(
    first: Drawable, second: Drawable, *, draws: int = DRAWS, level: float = LEVEL, seed: int = 0
) -> Difference:
    """How much better the first model is, with the percentile interval of the difference; arguments as of `bootstrap`.

    Raises:
        ValueError: They were measured on different groups.
    """
    if first.groups != second.groups:
        raise ValueError(
            f"models were judged on different groups ({len(first.groups)} and {len(second.groups)}); "
            "compare predictions of the same rows"
        )
    counts = _draws(first, draws, seed)
    differences = first.of(counts) - second.of(counts)
    known = differences[~_nan(differences)]
    share = float(((known > 0) + (known == 0) / 2).mean()) if len(known) else math.nan
    return Difference(_whole(first) - _whole(second), *_percentiles(differences, level), share)


def _whole(figure: Drawable) -> float:
    import numpy as np

    return float(figure.of(np.ones((1, len(figure.groups))))[0]) if figure.groups else math.nan


def _draws(figure: Drawable, draws: int, seed: int) -> Floats:
    import numpy as np

    size = len(figure.groups)
    if size < 2:  # one group drawn again and again is always the same: no interval, not one of no width
        return np.zeros((0, size))
    return np.random.default_rng(seed).multinomial(size, np.full(size, 1 / size), size=draws).astype(np.float64)


def _percentiles(values: Floats, level: float) -> tuple[float, float]:
    import numpy as np

    known = values[~_nan(values)]
    if not len(known):
        return math.nan, math.nan
    low, high = np.percentile(known, [50 * (1 - level), 50 * (1 + level)])
    return float(low), float(high)


def _indexed(groups: Groups, rows: int) -> tuple[tuple[str, ...], Ints]:
    import numpy as np

    if len(groups) != rows:
        raise ValueError(f"{len(groups)} groups for {rows} rows")
    names, index = np.unique([str(group) for group in groups], return_inverse=True)
    return tuple(names.tolist()), np.asarray(index, np.intp)


def _drawn_pairs(counts: Floats, table: Floats) -> Floats:
    import numpy as np

    inside = np.diag(table)
    between = (counts @ (table - np.diag(inside))) * counts
    return np.asarray(counts @ inside + between.sum(1))


def _ratio(above: Floats, below: Floats) -> Floats:
    import numpy as np

    return np.where(below > 0, above / np.where(below > 0, below, 1), np.nan)


def _mean_of_known_by_row(values: Floats) -> Floats:
    import numpy as np

    known = ~_nan(values)
    return _ratio(np.where(known, values, 0).sum(1), np.asarray(known.sum(1), np.float64))


def _nan(values: Floats) -> Any:
    import numpy as np

    return np.isnan(values)
