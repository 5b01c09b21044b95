"""crescendai_assets: piano recordings to models that judge a performance, as Dagster assets.

In a notebook: `table, embeddings = crescendai_assets.load("maestro")`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from crescendai_assets.embeddings.read import Loaded


def load(tier: str, partition: str | None = None, *, root: str | Path | None = None, embedding_set: str = "") -> Loaded:
    """Segments of a tier that have an embedding, and their embeddings, read when they are asked for.

    Args:
        tier: `maestro`, `competition`, `youtube` or `percepiano`.
        partition: One year, edition or channel; None for all. `percepiano` has none.
        root: Root of the data; `$CRESCENDAI_DATA`, else `./data`.
        embedding_set: Another set than the default one.

    Returns:
        A table (pandas DataFrame, one row a segment) and a lazily read array in the same order.

    Raises:
        SetupError: There is no such tier, or nothing of it is embedded.
    """
    from crescendai_assets.embeddings.read import load_tier

    return load_tier(tier, partition, root=root, embedding_set=embedding_set)
