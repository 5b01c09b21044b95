"""The form of `taxonomy.yaml` (explained at its head), and what is refused in one. What it means is in `taxonomy`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator, Field

from crescendai_assets.labels.dimensions import NAMES
from crescendai_assets.sources.catalogue_fields import CatalogueModel, Text
from crescendai_assets.sources.catalogue_words import Problem, not_one_of


def _word(text: str) -> str:
    if not re.fullmatch("[a-z][a-z_]{0,39}", text):
        raise ValueError(f"is '{text}'; write one word in lower-case letters, it names a column")
    return text


def _some_weight(weight: float) -> float:
    if not 0 < abs(weight) <= 10:
        raise ValueError(f"is {weight:g}; give a number from -10 to 10 other than 0, or drop the dimension")
    return weight


class _Part(CatalogueModel):
    dimension: str
    weight: Annotated[float, Field(allow_inf_nan=False), AfterValidator(_some_weight)]
    reason: Text


class _Composite(CatalogueModel):
    name: Annotated[str, AfterValidator(_word)]
    low: Text
    high: Text
    dimensions: Annotated[list[_Part], Field(min_length=1)]


class _LeftOut(CatalogueModel):
    dimension: str
    reason: Text


class TaxonomyFile(CatalogueModel):
    """The whole file."""

    version: Annotated[int, Field(ge=1)]
    composites: Annotated[list[_Composite], Field(min_length=1)]
    left_out: list[_LeftOut] = Field(default_factory=list)


def problems(file: TaxonomyFile) -> list[Problem]:
    """What only shows side by side: unknown dimensions, names given twice, a dimension used and left out."""
    return [*_repeated(file), *_unknown(file), *_contradictions(file)]


def _unknown(file: TaxonomyFile) -> Iterator[Problem]:
    for c, composite in enumerate(file.composites):
        for p, part in enumerate(composite.dimensions):
            if part.dimension not in NAMES:
                message = not_one_of("the dimension", part.dimension, NAMES)
                yield ("composites", c, "dimensions", p, "dimension"), message
    for number, one in enumerate(file.left_out):
        if one.dimension not in NAMES:
            yield ("left_out", number, "dimension"), not_one_of("the dimension", one.dimension, NAMES)


def _repeated(file: TaxonomyFile) -> Iterator[Problem]:
    names: set[str] = set()
    for c, composite in enumerate(file.composites):
        if composite.name in names:
            yield ("composites", c, "name"), f"'{composite.name}' stands above already; give it another name"
        names.add(composite.name)
        seen: set[str] = set()
        for p, part in enumerate(composite.dimensions):
            if part.dimension in seen:
                message = f"'{part.dimension}' is in '{composite.name}' already; add up the weights"
                yield ("composites", c, "dimensions", p, "dimension"), message
            seen.add(part.dimension)


def _contradictions(file: TaxonomyFile) -> Iterator[Problem]:
    used = {part.dimension: composite.name for composite in file.composites for part in composite.dimensions}
    seen: set[str] = set()
    for number, one in enumerate(file.left_out):
        if one.dimension in used:
            message = f"'{one.dimension}' is left out here and used in '{used[one.dimension]}'; drop one of the two"
            yield ("left_out", number, "dimension"), message
        elif one.dimension in seen:
            yield ("left_out", number, "dimension"), f"'{one.dimension}' is left out above already; drop one"
        seen.add(one.dimension)
