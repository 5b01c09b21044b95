"""How far numbers agree, by dimension: R², concordance, correlations of values and of ranks.

All take predictions and targets of shape (N, D) or (N,), numpy or torch, and give shape (D,). A dimension in which a
figure says nothing (fewer than two rows, or no variance where it is divided by one) is NaN, never 0.
"""

from __future__ import annotations

from typing import Any

from crescendai_assets.evaluation.arrays import Floats, alike


def r2(predictions: Any, targets: Any) -> Floats:
    """Share of the variance explained, 1 - Σ (y - p)² / Σ (y - mean y)², shape (D,); NaN for constant targets."""
    import numpy as np

    p, y = alike(predictions=predictions, targets=targets)
    total = ((y - y.mean(0)) ** 2).sum(0) if len(y) else np.zeros(y.shape[1])
    return _where(_varies(y), 1 - ((y - p) ** 2).sum(0) / np.where(total > 0, total, 1))


def ccc(predictions: Any, targets: Any) -> Floats:
    """Concordance, 2 cov / (var p + var y + (mean p - mean y)²), shape (D,); 0 where only one of them is constant.

    Lin, A concordance correlation coefficient to evaluate reproducibility, Biometrics 45, 1989 (with 1/N variances).
    """
    import numpy as np

    p, y = alike(predictions=predictions, targets=targets)
    if len(p) < 2:
        return np.full(p.shape[1], np.nan)
    shared = ((p - p.mean(0)) * (y - y.mean(0))).mean(0)
    apart = p.var(0) + y.var(0) + (p.mean(0) - y.mean(0)) ** 2
    return _where(_varies(p) | _varies(y), 2 * shared / np.where(apart > 0, apart, 1))


def pearson(a: Any, b: Any) -> Floats:
    """Pearson's r, shape (D,); NaN where one of them is constant."""
    import numpy as np

    a, b = alike(a=a, b=b)
    if len(a) < 2:
        return np.full(a.shape[1], np.nan)
    a0, b0 = a - a.mean(0), b - b.mean(0)
    spread = np.sqrt((a0**2).sum(0) * (b0**2).sum(0))
    return _where(_varies(a) & _varies(b), np.clip((a0 * b0).sum(0) / np.where(spread > 0, spread, 1), -1, 1))


def spearman(a: Any, b: Any) -> Floats:
    """Spearman's ρ (ties get mean ranks), shape (D,); NaN where one of them is constant."""
    from scipy.stats import rankdata

    a, b = alike(a=a, b=b)
    return pearson(rankdata(a, axis=0), rankdata(b, axis=0))


def kendall(a: Any, b: Any) -> Floats:
    """Kendall's τ-b (corrected for ties), shape (D,); NaN where one of them is constant."""
    import numpy as np
    from scipy.stats import kendalltau

    a, b = alike(a=a, b=b)
    known = _varies(a) & _varies(b)
    return np.array([kendalltau(a[:, d], b[:, d]).statistic if known[d] else np.nan for d in range(a.shape[1])])


def _varies(values: Floats) -> Any:
    import numpy as np

    return np.ptp(values, axis=0) > 0 if len(values) > 1 else np.zeros(values.shape[1], bool)


def _where(known: Any, values: Any) -> Floats:
    import numpy as np

    return np.asarray(np.where(known, values, np.nan), np.float64)
