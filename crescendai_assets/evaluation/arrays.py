"""Numbers from wherever they come (numpy, torch, lists) as arrays that metrics can trust: right shape, no NaN."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Floats: TypeAlias = "NDArray[np.float64]"
Ints: TypeAlias = "NDArray[np.intp]"
Groups: TypeAlias = "Sequence[object] | NDArray[Any]"
"""Group of each row, by any name."""


def numbers(values: Any, name: str) -> Floats:
    """Values as float64, of any shape.

    Args:
        values: An array, a tensor on any device and of any precision, or a sequence.
        name: What they are, for the message.

    Raises:
        ValueError: They hold NaN or infinity; says how many and where the first is.
    """
    import numpy as np

    if hasattr(values, "detach"):  # torch is not loaded for this
        values = values.detach().cpu().double().numpy()
    array = np.asarray(values, np.float64)
    if not np.isfinite(array).all():
        odd = np.argwhere(~np.isfinite(array))
        where = ", ".join(map(str, odd[0]))
        raise ValueError(
            f"{name}: {len(odd)} of {array.size} numbers are NaN or infinite, the first at [{where}]; "
            "leave such rows out, or find the batch that made them"
        )
    return array


def columns(values: Any, name: str) -> Floats:
    """Values as rows and dimensions, shape (N, D); a single dimension may be given as (N,).

    Raises:
        ValueError: They have another shape, or hold NaN or infinity.
    """
    array = numbers(values, name)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2:
        raise ValueError(f"{name}: the shape is {array.shape}; rows and dimensions (N, D) are wanted")
    return array


def alike(**named: Any) -> tuple[Floats, ...]:
    """Several as `columns`, all of one shape.

    Raises:
        ValueError: Their shapes differ, or one of them cannot be used.
    """
    found = [columns(values, name) for name, values in named.items()]
    if len({array.shape for array in found}) > 1:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in zip(named, found, strict=True))
        raise ValueError(f"shapes differ: {shapes}")
    return tuple(found)


def mean_of_known(values: Any) -> float:
    """Mean of what is not NaN; NaN of nothing, without a warning."""
    import numpy as np

    known = np.asarray(values, np.float64)
    known = known[~np.isnan(known)]
    return float(known.mean()) if known.size else float("nan")
