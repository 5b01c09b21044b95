"""Packs: arrays of many performances in one file, by performance.

A pack holds, for each name such as `tokens`, the arrays of all its performances end to end, and where each begins. One
file of a hundred performances is read a hundred times faster than a hundred files, and `mmap` reads only what is asked
for. Shards of a source and the compiled files of pretraining are both packs.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.files import write_atomic

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FORMAT = 1
"""Raise it when what a pack's file holds changes."""

Array: TypeAlias = "NDArray[Any]"
Arrays: TypeAlias = "Mapping[str, Array]"
"""Arrays of one performance by name; each may have any length along its first axis."""


@dataclass(frozen=True, eq=False)
class Pack:
    """An open pack.

    Attributes:
        ids: Its performances, in their order.
        arrays: Name -> arrays of all performances along the first axis.
        offsets: Name -> where each performance begins, and the end; shape (len(ids) + 1,).
        facts: What else the file says, plain values.
    """

    ids: tuple[str, ...]
    arrays: Arrays
    offsets: Mapping[str, NDArray[np.int64]]
    facts: Mapping[str, Any]

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, place: int) -> dict[str, Array]:
        """The arrays of one performance; views into the file, not to be written to."""
        if not -len(self) <= place < len(self):
            raise IndexError(f"performance {place} of a pack of {len(self)}")
        place %= len(self)
        return {
            name: one[self.offsets[name][place] : self.offsets[name][place + 1]] for name, one in self.arrays.items()
        }

    def items(self) -> Iterator[tuple[str, dict[str, Array]]]:
        """Each performance with its arrays."""
        return ((recording_id, self[place]) for place, recording_id in enumerate(self.ids))


def encoded(items: Mapping[str, Arrays], facts: Mapping[str, Any] | None = None) -> bytes:
    """A pack as the bytes of its file: the same for the same content, whatever it is called on disk.

    Args:
        items: Performance -> its arrays; all have the same names, types and shapes but for the first axis.
        facts: Plain values to keep with it.
    """
    import numpy as np
    import torch

    names = list(next(iter(items.values()), {}))
    joined = {name: np.concatenate([one[name] for one in items.values()]) for name in names}
    starts = {name: offsets([len(one[name]) for one in items.values()]) for name in names}
    buffer = io.BytesIO()
    torch.save(document(list(items), joined, starts, facts or {}), buffer)
    return buffer.getvalue()


def write_pack(path: Path, items: Mapping[str, Arrays], facts: Mapping[str, Any] | None = None) -> None:
    """Write a pack, whole or not at all.

    Raises:
        SetupError: The disk is full, or the folder cannot be written.
    """
    write_atomic(path, encoded(items, facts))


def read_pack(path: Path) -> Pack:
    """Open a pack; its arrays stay on disk until they are used.

    Raises:
        SetupError: There is no such file, or it is no pack; says what to do.
    """
    import torch

    try:
        found = torch.load(path, mmap=True, weights_only=True)
    except FileNotFoundError:
        raise SetupError(f"{path}: no such file; materialize the asset that makes it") from None
    except Exception as error:  # torch raises a dozen kinds for a damaged file
        raise SetupError(f"{path}: cannot be read ({error}); remove it and materialize its asset again") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise SetupError(f"{path}: no pack of format {FORMAT}; remove it and materialize its asset again")
    return Pack(
        ids=tuple(found["ids"]),
        arrays={name: one.numpy() for name, one in found["arrays"].items()},
        offsets={name: one.numpy() for name, one in found["offsets"].items()},
        facts=found["facts"],
    )


def offsets(lengths: Sequence[int]) -> NDArray[np.int64]:
    """Where each of these begins when they stand end to end, and the end; shape (len(lengths) + 1,)."""
    import numpy as np

    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)


def document(ids: list[str], arrays: Mapping[str, Any], starts: Mapping[str, Array], facts: Mapping[str, Any]) -> Any:
    """What is stored; arrays may be torch's own already, as files mapped into memory are."""
    import torch

    return {
        "format": FORMAT,
        "ids": ids,
        "arrays": {
            name: one if isinstance(one, torch.Tensor) else torch.from_numpy(one) for name, one in arrays.items()
        },
        "offsets": {name: torch.from_numpy(one) for name, one in starts.items()},
        "facts": dict(facts),
    }


def content_digest(arrays: Arrays) -> str:
    """Hash of a performance's arrays: names, types, shapes and bytes."""
    import hashlib

    import numpy as np

    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(arrays):
        one = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {one.dtype.str} {one.shape};".encode())
        digest.update(one.tobytes())
    return digest.hexdigest()
