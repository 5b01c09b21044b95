"""The packs of the symbolic corpus as sequences for pretraining, read when asked for.

Performances of one role only: those to train on, or those to validate on. Which these are is decided in `corpus_roles`,
where the packs come from in `compiling`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.layout import Tier
from crescendai_assets.lake.tables import read_rows
from crescendai_assets.symbolic.corpus.pack import Arrays, Pack, read_pack
from crescendai_assets.symbolic.corpus.products import hetero_graph, products, score_graph
from crescendai_assets.training.compiling import compiled_path, digest_on_disk, index_path

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Role = Literal["train", "validation"]


class PackedItems(Sequence[Any]):
    """What is made of each of some performances of a pack; another process opens the file itself."""

    def __init__(self, path: Path, places: NDArray[np.int64], make: Callable[[Arrays], Any]) -> None:
        """Name them.

        Args:
            path: Of the pack.
            places: Of the performances in it.
            make: From a performance's arrays to the item; module-level.
        """
        self._path, self._places, self._make = path, places, make

    def __getstate__(self) -> dict[str, Any]:
        return {"_path": self._path, "_places": self._places, "_make": self._make}

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: Any) -> Any:
        return self._make(self.pack[int(self._places[index])])

    @cached_property
    def pack(self) -> Pack:
        """The open pack."""
        return read_pack(self._path)


class TokenWindows(PackedItems):
    """Token sequences of performances, each as long as the tokenizer cut it."""

    def __init__(self, path: Path, places: NDArray[np.int64]) -> None:
        """Name them; arguments as of `PackedItems`, by performance."""
        import numpy as np

        super().__init__(path, places, dict)
        of_lengths = self.pack.offsets["lengths"]
        cuts = np.concatenate([[0], np.cumsum(self.pack.arrays["lengths"], dtype=np.int64)])
        chosen = [np.arange(of_lengths[place], of_lengths[place + 1]) for place in places]
        windows = np.concatenate([np.zeros(0, np.int64), *chosen])
        self._starts, self._ends = cuts[windows], cuts[windows + 1]

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_starts": self._starts, "_ends": self._ends}

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, index: Any) -> Any:
        return self.pack.arrays["tokens"][self._starts[index] : self._ends[index]]


def token_windows(tier: Tier, role: Role = "train") -> TokenWindows:
    """Token sequences of the corpus, for `MIDIPretrainingDataset`. Raises as `corpus_places` does."""
    return TokenWindows(*corpus_places(tier, "tokens", role))


def score_graphs(tier: Tier, role: Role = "train") -> PackedItems:
    """Graphs of the corpus, for `ScoreGraphPretrainingDataset`. Raises as `corpus_places` does."""
    return PackedItems(*corpus_places(tier, "score_graphs", role), score_graph)


def hetero_graphs(tier: Tier, role: Role = "train") -> PackedItems:
    """Graphs by type of edge, for `HeteroPretrainDataset`. Raises as `corpus_places` does."""
    return PackedItems(*corpus_places(tier, "hetero_graphs", role), hetero_graph)


def performance_curves(tier: Tier, role: Role = "train") -> PackedItems:
    """Curves of the corpus, for `ContinuousPretrainDataset`. Raises as `corpus_places` does."""
    return PackedItems(*corpus_places(tier, "features", role), _curves)


def corpus_places(tier: Tier, name: str, role: Role) -> tuple[Path, NDArray[np.int64]]:
    """The pack of a product, and the places in it of the performances of a role.

    Args:
        tier: The corpus.
        name: `tokens`, `score_graphs`, `hetero_graphs` or `features`.
        role: Which performances.

    Raises:
        SetupError: The pack is not there, or holds nothing of this role.
    """
    import numpy as np

    product = products()[name]
    path = compiled_path(tier, product)
    if not digest_on_disk(tier, product):
        raise SetupError(f"{path}: no whole pack; materialize symbolic/pretraining")
    places = sorted(row["place"] for row in read_rows(index_path(tier, product)) if row["role"] == role)
    if not places:
        raise SetupError(f"{path}: holds nothing to {role.removesuffix('ation')}e on; add sources of MIDI")
    return path, np.array(places, np.int64)


def _curves(arrays: Arrays) -> Any:
    return arrays["curves"]
