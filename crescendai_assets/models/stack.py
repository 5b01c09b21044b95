"""The best symbolic model that needs no GPU: S0 on more features beside a kernel ridge that weighs features by use.

Half of what it says is `HandReference` (trees and kernel ridge) on all summaries, half is kernel ridge with a kernel of
its own for each dimension, in which a column counts by how closely it goes with the labels of that dimension in
training. The kernel also sees the contexts of notes; trees would drown in them. Both halves weigh
the same; no weight is fitted.

What goes in is made in `training.note_dataset`. A fitted model is plain arrays and stored as such (`array_files`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from crescendai_assets.lake.files import write_atomic
from crescendai_assets.models import array_files
from crescendai_assets.models.hand import (
    HandReference,
    HandSettings,
    columns,
    known_mean_and_scale,
    rbf_kernel,
    standardised,
)
from crescendai_assets.symbolic.note_features import OF_CONTEXTS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Floats: TypeAlias = "NDArray[np.float64]"

FORMAT = 1
"""Of stored models; raise it when their arrays change."""


@dataclass(frozen=True)
class EnsembleSettings:
    """How it is trained.

    Attributes:
        hand: Of the half that is `HandReference`. Splits choose from fewer features than in S0: there are more.
        ridge: α of the other half.
        width: γ of its kernels, times the sum of a kernel's weights.
        clip: Standardised features are cut here.
        relevance: A column's weight in a distance is |r| to this power, of its correlation r with the labels; 0 asks
            nothing of the labels.
    """

    hand: HandSettings = field(default_factory=lambda: HandSettings(trees=200, share_a_split=0.1))
    ridge: float = 0.3
    width: float = 0.25
    clip: float = 4.0
    relevance: float = 1.0


class SymbolicEnsemble:
    """`fit`, then `predict`."""

    def __init__(self, feature_names: Sequence[str], settings: EnsembleSettings | None = None) -> None:
        """Take the names of the columns, which say what is a context, and settings."""
        self.feature_names = tuple(feature_names)
        self.settings = settings or EnsembleSettings()
        self._hand: HandReference | None = None
        self._ridge: _Ridge | None = None

    def fit(self, features: Any, labels: Any) -> SymbolicEnsemble:
        """Learn from rated performances.

        Args:
            features: Shape (N, F), columns as named; NaN is unknown and taken as the mean of what is known.
            labels: Shape (N, D).

        Raises:
            ValueError: Shapes do not go together, or a number is not finite.
        """
        import numpy as np

        x, y = columns(features, len(self.feature_names)), np.asarray(labels, np.float64)
        summaries = ~self._of_contexts
        names = [name for name, kept in zip(self.feature_names, summaries, strict=True) if kept]
        self._hand = HandReference(self.settings.hand).fit(x[:, summaries], y, feature_names=names)
        self._ridge = _fitted_ridge(x, y, self._of_contexts, self.settings)
        return self

    def predict(self, features: Any) -> Floats:
        """Ratings of performances, shape (N, D), on the scale of the labels; not cut to its ends.

        Raises:
            ValueError: There are not as many columns as names, or a number is infinite.
            RuntimeError: It was not trained.
        """
        import numpy as np

        hand, ridge = self._trained
        x = columns(features, len(self.feature_names))
        return np.asarray((hand.predict(x[:, ~self._of_contexts]) + ridge.predict(x, self.settings)) / 2)

    def save(self, path: Path) -> None:
        """Write the trained model, `.npz`."""
        import numpy as np

        hand, ridge = self._trained
        inside = np.frombuffer(hand.to_bytes(), np.uint8)
        write_atomic(path, array_files.to_bytes(FORMAT, self.settings, self.feature_names, ridge, hand=inside))

    @staticmethod
    def load(path: Path) -> SymbolicEnsemble:
        """Read a trained model; it predicts bit for bit what the one that was written does.

        Raises:
            SetupError: There is none, or the file holds something else.
        """
        with array_files.opened(path, FORMAT, "ensemble of note features") as (about, stored):
            told = about["settings"]
            settings = EnsembleSettings(**told | {"hand": HandSettings(**told["hand"])})
            model = SymbolicEnsemble(about["feature_names"], settings)
            model._ridge = array_files.fitted_from(_Ridge, stored)
            model._hand = HandReference.load(path, stored["hand"].tobytes())
        return model

    @property
    def _of_contexts(self) -> Any:
        import numpy as np

        return np.array([name.startswith(OF_CONTEXTS) for name in self.feature_names], bool)

    @property
    def _trained(self) -> tuple[HandReference, _Ridge]:
        if self._hand is None or self._ridge is None:
            raise RuntimeError("the model was not trained; call fit first")
        return self._hand, self._ridge


@dataclass(frozen=True, eq=False)
class _Ridge:
    r"""Kernel ridge by dimension: \( k_d(x, z) = \exp(-\gamma \sum_f w_{fd} (x_f - z_f)^2 / \sum_f w_{fd}) \).

    Attributes:
        mean: Of the known features, shape (F,).
        scale: Their standard deviation, shape (F,).
        anchors: Standardised rows of training, shape (N, F), float32.
        weights: w above, shape (F, D); the sum over features is 1.
        dual: Shape (N, D).
        offset: Mean of the labels, shape (D,).
    """

    mean: Floats
    scale: Floats
    anchors: Any
    weights: Floats
    dual: Floats
    offset: Floats

    def predict(self, x: Floats, settings: EnsembleSettings) -> Floats:
        """Ratings, shape (N, D), of features (N, F), NaN where unknown."""
        import numpy as np

        rows = _rows(x, self.mean, self.scale, settings.clip).astype(np.float64)
        anchors, found = self.anchors.astype(np.float64), np.empty((len(x), len(self.offset)))
        for dimension, weights in enumerate(self.weights.T):
            used = np.flatnonzero(weights)
            root = np.sqrt(weights[used])
            near = rbf_kernel(rows[:, used] * root, anchors[:, used] * root, settings.width)
            found[:, dimension] = near @ self.dual[:, dimension] + self.offset[dimension]
        return found


def _fitted_ridge(x: Floats, y: Floats, of_contexts: Any, settings: EnsembleSettings) -> _Ridge:
    import numpy as np

    mean, scale = known_mean_and_scale(x)
    stored = _rows(x, mean, scale, settings.clip)
    anchors, offset = stored.astype(np.float64), y.mean(0)
    weights = _relevance(anchors, y, of_contexts, settings.relevance)
    dual = np.empty_like(y)
    for dimension in range(y.shape[1]):
        scaled = anchors * np.sqrt(weights[:, dimension])
        gram = rbf_kernel(scaled, scaled, settings.width) + settings.ridge * np.eye(len(y))
        dual[:, dimension] = np.linalg.solve(gram, y[:, dimension] - offset[dimension])
    return _Ridge(mean, scale, stored, weights, dual, offset)


def _relevance(x: Floats, y: Floats, of_contexts: Any, power: float) -> Floats:
    """How much each column counts for each dimension, shape (F, D), sum 1.

    By correlation in training; summaries together count about as much as contexts, however many of either there are.
    """
    import numpy as np

    centred, spread = y - y.mean(0), y.std(0)
    correlation = np.abs(x.T @ (centred / np.where(spread > 0, spread, 1))) / len(x)
    varies = (x.std(0) > 0)[:, None]
    alone = np.where(of_contexts, of_contexts.sum(), (~of_contexts).sum())[:, None]
    weights = varies * correlation**power / alone
    total = weights.sum(0)
    return np.asarray(np.where(total > 0, weights / np.where(total > 0, total, 1), varies / max(varies.sum(), 1)))


def _rows(x: Floats, mean: Floats, scale: Floats, clip: float) -> Any:
    """Standardised, as anchors are stored."""
    import numpy as np

    return standardised(np.where(np.isnan(x), mean, x), mean, scale, clip).astype(np.float32)
