"""Composites as data: which dimensions a word of the piano lesson is made of, with which sign, and why.

Here: what a taxonomy is, reading it from the catalogue, and `taxonomy.json`. The form of `taxonomy.yaml` is in
`taxonomy_file`, values and their validation in `composite`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crescendai_assets.labels.dimensions import DIMENSIONS, HIGHEST, LOWEST, NAMES, NEUTRAL, Dimension
from crescendai_assets.labels.taxonomy_file import TaxonomyFile, problems
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.sources.catalogue_yaml import Document, catalogue_folders, read_document

FILE = "taxonomy.yaml"

_BY_NAME = {dimension.name: dimension for dimension in DIMENSIONS}


@dataclass(frozen=True)
class Part:
    """A dimension in a composite; a negative weight turns it round."""

    dimension: Dimension
    weight: float
    reason: str

    @property
    def high(self) -> str:
        """The pole that counts as high."""
        return self.dimension.high if self.weight > 0 else self.dimension.low


@dataclass(frozen=True)
class Composite:
    """A weighted mean of dimensions, between two ends of which neither is the good one."""

    name: str
    low: str
    high: str
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Taxonomy:
    """The composites in order, and what none of them uses.

    Attributes:
        version: As given in the file.
        composites: In the order of composite labels.
        left_out: Dimension -> why no composite uses it.
        path: Where it was read.
    """

    version: int
    composites: tuple[Composite, ...]
    left_out: dict[str, str]
    path: Path

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the composites."""
        return tuple(composite.name for composite in self.composites)

    @property
    def used(self) -> set[str]:
        """Dimensions that a composite uses."""
        return {part.dimension.name for composite in self.composites for part in composite.parts}

    @property
    def forgotten(self) -> list[str]:
        """Dimensions that are neither used nor left out for a reason."""
        return [name for name in NAMES if name not in self.used and name not in self.left_out]

    @property
    def document(self) -> dict[str, Any]:
        """The contents of `taxonomy.json`."""
        return {
            "version": self.version,
            "scale": {"lowest": LOWEST, "neutral": NEUTRAL, "highest": HIGHEST, "higher_is_better": False},
            "composites": [
                {
                    "name": composite.name,
                    "low": composite.low,
                    "high": composite.high,
                    "dimensions": [
                        {
                            "index": part.dimension.index,
                            "dimension": part.dimension.name,
                            "weight": part.weight,
                            "counts_as_high": part.high,
                            "reason": part.reason,
                        }
                        for part in composite.parts
                    ],
                }
                for composite in self.composites
            ],
            "left_out": self.left_out,
            "forgotten": self.forgotten,
        }

    @property
    def encoded(self) -> bytes:
        """`taxonomy.json` as it is stored."""
        return (json.dumps(self.document, ensure_ascii=False, indent=1) + "\n").encode()


def read_taxonomy(folders: Sequence[Path] | None = None) -> Taxonomy:
    """Read the taxonomy of the last of the catalogue's folders that has one.

    Args:
        folders: As from `catalogue_folders`, which is the default.

    Raises:
        SetupError: There is none, or it has faults; each is named with its line.
    """
    folders = catalogue_folders() if folders is None else folders
    paths = [path for folder in folders if (path := folder / FILE).exists() or path.is_symlink()]
    if not paths:
        raise SetupError(
            f"there is no {FILE} in {' or '.join(map(str, folders))}; write one, or unset CRESCENDAI_CATALOG"
        )
    document = read_document(paths[-1])
    file = document.read_as(TaxonomyFile)
    if found := problems(file):
        raise document.refusal(found)
    return _built(document, file)


def _built(document: Document, file: TaxonomyFile) -> Taxonomy:
    return Taxonomy(
        version=file.version,
        composites=tuple(
            Composite(
                name=composite.name,
                low=composite.low,
                high=composite.high,
                parts=tuple(Part(_BY_NAME[p.dimension], p.weight, p.reason) for p in composite.dimensions),
            )
            for composite in file.composites
        ),
        left_out={one.dimension: one.reason for one in file.left_out},
        path=document.path,
    )
