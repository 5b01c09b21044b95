"""S0, the reference model: hand features to ratings, by the mean of extra trees and RBF kernel ridge. No GPU.

It trains in about a second and is what a neural model has to beat to be worth its GPU. What goes in is made in
`training.hand_dataset`; how it is judged is in `evaluation.protocols`. Nothing here knows of folds or files of a tier.

Geurts, Ernst & Wehenkel, Extremely randomized trees, Machine Learning 63, 2006, grown by scikit-learn. Kernel ridge:
with K_ij = exp(-γ |x_i - x_j|²), weights w and the weighted mean m of the labels,

    c = (K + α diag(1 / w))⁻¹ (Y - m)        prediction(x) = k(x) c + m

A fitted model is plain arrays, trees too, and stored as such (`array_files`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from crescendai_assets.lake.files import write_atomic
from crescendai_assets.models import array_files

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Floats: TypeAlias = "NDArray[np.float64]"

FORMAT = 1
"""Of stored models; raise it when their arrays change."""

_ROWS_AT_ONCE = 256  # rows that go through all trees together: a few MB each


@dataclass(frozen=True)
class HandSettings:
    """How S0 is trained.

    Attributes:
        ridge: α of kernel ridge.
        width: γ of the kernel, times the number of features.
        clip: Standardised features are cut here before the kernel sees them.
        trees: Number of trees.
        smallest_leaf: Fewest rows in a leaf.
        share_a_split: Share of the features that a split chooses from.
        seed: Of the trees; nothing else is left to chance.
        workers: Cores that grow trees; the result does not depend on it.
    """

    ridge: float = 0.3
    width: float = 0.25
    clip: float = 4.0
    trees: int = 300
    smallest_leaf: int = 2
    share_a_split: float = 0.3
    seed: int = 0
    workers: int = 2


class HandReference:
    """S0: `fit`, then `predict`."""

    def __init__(self, settings: HandSettings | None = None) -> None:
        """Take settings; the default ones are what the figures of S0 are told of."""
        self.settings = settings or HandSettings()
        self.feature_names: tuple[str, ...] = ()
        self._fitted: _Fitted | None = None

    def fit(
        self, features: Any, labels: Any, weights: Any = None, *, feature_names: Sequence[str] = ()
    ) -> HandReference:
        """Learn from rated performances.

        Args:
            features: Shape (N, F); NaN is unknown and taken as the mean of what is known.
            labels: Shape (N, D).
            weights: How much each row counts, shape (N,), above 0; all the same by default. Weighting PercePiano's rows
                by the reliability of their mean, n / (n + 3) of n raters, moved R² by .0002: it is not done.
            feature_names: Names of the columns, kept with the model.

        Returns:
            Itself.

        Raises:
            ValueError: Shapes do not go together, or a number is not finite.
        """
        import numpy as np

        x, y = np.asarray(features, np.float64), np.asarray(labels, np.float64)
        w = np.ones(len(x)) if weights is None else np.asarray(weights, np.float64)
        _refuse_training(x, y, w, feature_names)
        settings, w = self.settings, w / w.mean()
        mean, scale = known_mean_and_scale(x)
        filled = np.where(np.isnan(x), mean, x)
        anchors = standardised(filled, mean, scale, settings.clip)
        offset, width = np.average(y, axis=0, weights=w), settings.width / x.shape[1]
        gram = rbf_kernel(anchors, anchors, width) + np.diag(settings.ridge / w)
        dual = np.asarray(np.linalg.solve(gram, y - offset), np.float64)
        trees = _grown(filled, y, w, settings)
        self._fitted = _Fitted(mean, scale, anchors, dual, offset, *trees)
        self.feature_names = tuple(feature_names)
        return self

    def predict(self, features: Any) -> Floats:
        """Ratings of performances.

        Args:
            features: Shape (N, F), columns as in training; NaN is unknown.

        Returns:
            Shape (N, D), on the scale of the labels; not cut to its ends.

        Raises:
            ValueError: There are not as many columns as in training, or a number is infinite.
            RuntimeError: It was not trained.
        """
        import numpy as np

        fitted = self._trained
        x = columns(features, len(fitted.mean))
        filled = np.where(np.isnan(x), fitted.mean, x)
        near = rbf_kernel(
            standardised(filled, fitted.mean, fitted.scale, self.settings.clip),
            fitted.anchors,
            self.settings.width / x.shape[1],
        )
        return np.asarray((near @ fitted.dual + fitted.offset + fitted.by_trees(filled)) / 2)

    def save(self, path: Path) -> None:
        """Write the trained model, `.npz`."""
        write_atomic(path, self.to_bytes())

    def to_bytes(self) -> bytes:
        """The trained model as `save` writes it."""
        return array_files.to_bytes(FORMAT, self.settings, self.feature_names, self._trained)

    @staticmethod
    def load(path: Path, inside: bytes | None = None) -> HandReference:
        """Read a trained model; it predicts bit for bit what the one that was written does.

        Args:
            path: The file.
            inside: The model's bytes, where it is stored within the file.

        Raises:
            SetupError: There is none, or the file holds something else.
        """
        with array_files.opened(path, FORMAT, "model of hand features", inside) as (about, stored):
            model = HandReference(HandSettings(**about["settings"]))
            model.feature_names = tuple(about["feature_names"])
            model._fitted = array_files.fitted_from(_Fitted, stored)
        return model

    @property
    def _trained(self) -> _Fitted:
        if self._fitted is None:
            raise RuntimeError("the model was not trained; call fit first")
        return self._fitted


@dataclass(frozen=True, eq=False)
class _Fitted:
    """What was learnt. The nodes of all trees stand in one row; a leaf has itself as both children.

    Attributes:
        mean: Of the known features, shape (F,).
        scale: Their standard deviation, 1 where there is none, shape (F,).
        anchors: Standardised rows of training, shape (N, F).
        dual: c above, shape (N, D).
        offset: m above, shape (D,).
        roots: First node of each tree, shape (T,).
        feature: Column that a node asks, shape (nodes,).
        threshold: Up to here it goes left, shape (nodes,).
        left: Left child, shape (nodes,).
        right: Right child, shape (nodes,).
        leaf: Row of `value` that a leaf stands for, shape (nodes,).
        value: Labels in each leaf, shape (leaves, D), float32.
    """

    mean: Floats
    scale: Floats
    anchors: Floats
    dual: Floats
    offset: Floats
    roots: Any
    feature: Any
    threshold: Any
    left: Any
    right: Any
    leaf: Any
    value: Any

    def by_trees(self, x: Floats) -> Floats:
        """Mean of what the trees say, shape (N, D)."""
        import numpy as np

        found = np.zeros((len(x), self.value.shape[1]))
        for start in range(0, len(x), _ROWS_AT_ONCE):
            rows = x[start : start + _ROWS_AT_ONCE].astype(np.float32)  # as scikit-learn compares
            node, before = np.tile(self.roots, (len(rows), 1)), None
            while before is None or not np.array_equal(node, before):
                before = node
                asked = np.take_along_axis(rows, self.feature[node], axis=1)
                node = np.where(asked <= self.threshold[node], self.left[node], self.right[node])
            found[start : start + len(rows)] = self.value[self.leaf[node]].mean(axis=1, dtype=np.float64)
        return found


def _grown(x: Floats, y: Floats, weights: Floats, settings: HandSettings) -> tuple[Any, ...]:
    """Grow the trees; what they are in the order of `_Fitted`, from `roots` on."""
    import numpy as np
    from sklearn.ensemble import ExtraTreesRegressor

    forest = ExtraTreesRegressor(
        n_estimators=settings.trees,
        min_samples_leaf=settings.smallest_leaf,
        max_features=settings.share_a_split,
        random_state=settings.seed,
        n_jobs=settings.workers,
    ).fit(x, y, sample_weight=weights)
    trees = [estimator.tree_ for estimator in forest.estimators_]
    sizes = np.array([tree.node_count for tree in trees])
    roots = np.cumsum(sizes) - sizes
    is_leaf = np.concatenate([tree.children_left < 0 for tree in trees])
    itself = np.arange(len(is_leaf))

    def joined(name: str) -> Any:
        return np.concatenate([getattr(tree, name) for tree in trees])

    def child(name: str) -> Any:
        return np.where(is_leaf, itself, joined(name) + np.repeat(roots, sizes))

    value = np.concatenate([tree.value[tree.children_left < 0, :, 0] for tree in trees]).astype(np.float32)
    feature = np.where(is_leaf, 0, joined("feature"))
    leaf = np.where(is_leaf, np.cumsum(is_leaf) - 1, 0)
    return roots, feature, joined("threshold"), child("children_left"), child("children_right"), leaf, value


def columns(features: Any, count: int) -> Floats:
    """Features, shape (N, F), as a trained model takes them; NaN is unknown.

    Raises:
        ValueError: There are not `count` columns, or a number is infinite.
    """
    import numpy as np

    x = np.asarray(features, np.float64)
    if x.ndim != 2 or x.shape[1] != count:
        raise ValueError(f"features have the shape {x.shape}; the model wants (N, {count})")
    if np.isinf(x).any():
        raise ValueError("features hold infinite numbers; leave NaN where something is unknown")
    return x


def known_mean_and_scale(x: Floats) -> tuple[Floats, Floats]:
    """By column, of what is not NaN; 0 and 1 where nothing is known, scale 1 where nothing varies."""
    import numpy as np

    known = ~np.isnan(x)
    count = np.maximum(known.sum(0), 1)
    mean = np.where(known, x, 0).sum(0) / count
    scale = np.sqrt(np.where(known, (x - mean) ** 2, 0).sum(0) / count)
    # what is constant but for rounding has no scale
    return mean, np.where(scale > 1e-12 * np.maximum(np.abs(mean), 1), scale, 1.0)


def standardised(x: Floats, mean: Floats, scale: Floats, clip: float) -> Floats:
    """Columns of mean 0 and spread 1, cut at `clip`."""
    import numpy as np

    return np.clip((x - mean) / scale, -clip, clip)


def rbf_kernel(a: Floats, b: Floats, width: float) -> Floats:
    """exp(-width |a_i - b_j|²), shape (len(a), len(b))."""
    import numpy as np

    apart = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T
    return np.asarray(np.exp(-width * np.maximum(apart, 0)))


def _refuse_training(x: Floats, y: Floats, weights: Floats, names: Sequence[str]) -> None:
    import numpy as np

    if x.ndim != 2 or y.ndim != 2 or len(x) != len(y) or len(x) < 2 or not x.shape[1]:
        raise ValueError(f"features {x.shape} and labels {y.shape} make no rows; (N, F) and (N, D) are wanted, N > 1")
    if weights.shape != (len(x),) or not (np.isfinite(weights).all() and (weights > 0).all()):
        raise ValueError(f"weights have to be {len(x)} numbers above 0")
    if np.isinf(x).any() or not np.isfinite(y).all():
        raise ValueError("labels hold NaN, or something holds infinite numbers; leave such rows out")
    if names and len(names) != x.shape[1]:
        raise ValueError(f"{len(names)} names for {x.shape[1]} features")
