"""Composite labels: the taxonomy's words as numbers, and whether each can be trusted and says something of its own.

    value = Σ |w| · x' / Σ |w|,   x' = x for w > 0, and x mirrored on its scale (8 - rating) for w < 0,

so that a value lies between 1/7 and 1 as the labels do and 4/7 stays neutral. Reliability is that of the composite
itself, formed of each listener's own answers, not a mean of reliabilities.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from crescendai_assets.labels.dimensions import HIGHEST, LOWEST, NAMES
from crescendai_assets.labels.files import CompositeFiles, LabelFiles
from crescendai_assets.labels.icc import Floats, Icc, icc
from crescendai_assets.labels.percepiano import Labels, read_labels
from crescendai_assets.labels.reliability import Counting, judgements, or_none
from crescendai_assets.labels.schemas import COMPOSITES
from crescendai_assets.labels.taxonomy import Taxonomy
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.files import write_atomic
from crescendai_assets.lake.fingerprints import fingerprint
from crescendai_assets.lake.tables import Row, read_document, read_rows
from crescendai_assets.lake.verify import Outcome, outcome

REDUNDANT, UNRELIABLE = 0.9, 0.6
"""Above this |r| two composites say the same; below this reliability one says little."""

_TAXONOMY, _LABELS = "composite_labels/taxonomy", "composite_labels/labels"
_DIGITS = 12
_ROOM = 1e-9  # what rounding may add to the ends of the scale


@dataclass(frozen=True)
class PlannedComposites:
    """What `composite_labels/` has to hold.

    Attributes:
        taxonomy: What they are made of.
        labels: Segment -> a value a composite, in the taxonomy's order.
        validation: Rows of `validation.jsonl`, by composite.
    """

    taxonomy: Taxonomy
    labels: dict[str, list[float]]
    validation: list[Row]

    @property
    def digest(self) -> str:
        """Content hash."""
        return fingerprint(self.taxonomy.document, self.labels, COMPOSITES.digest(self.validation))

    @staticmethod
    def digest_on_disk(files: CompositeFiles) -> str:
        """The same hash of what is on disk."""
        taxonomy, labels = read_document(files.taxonomy, _TAXONOMY), read_document(files.labels, _LABELS)
        return fingerprint(taxonomy, labels, COMPOSITES.digest(read_rows(files.validation)))

    @property
    def facts(self) -> Mapping[str, object]:
        """How many, and how much of the 19 dimensions they cover."""
        return {"segments": len(self.labels), **taxonomy_facts(self.taxonomy)}


def taxonomy_facts(taxonomy: Taxonomy) -> Mapping[str, object]:
    """Which composites there are, and how much of the 19 dimensions they cover."""
    return {
        "composites": ", ".join(taxonomy.names),
        "dimensions_used": len(taxonomy.used),
        "coverage": round(len(taxonomy.used) / len(NAMES), 3),
        "dimensions_left_out": len(taxonomy.left_out),
        "dimensions_forgotten": ", ".join(taxonomy.forgotten),
        "taxonomy_version": taxonomy.version,
        "taxonomy": str(taxonomy.path),
    }


def polarity(taxonomy: Taxonomy) -> list[Row]:
    """What a high value of each composite means, in words, and what makes it high; a row a part."""
    return [
        {
            "composite": composite.name,
            "low_means": composite.low,
            "high_means": composite.high,
            "made_higher_by": f"{part.dimension.aspect}: {part.high}",
            "dimension": part.dimension.name,
            "weight": part.weight,
            "reason": part.reason,
        }
        for composite in taxonomy.composites
        for part in composite.parts
    ]


def composite_values(values: Floats, taxonomy: Taxonomy) -> Floats:
    """Composites of labels or of single ratings.

    Args:
        values: Shape (n, 19), between 1/7 and 1.
        taxonomy: What to make of them.

    Returns:
        Shape (n, composites); NaN where an answer that is needed is missing.
    """
    import numpy as np

    weights = np.zeros((len(NAMES), len(taxonomy.composites)))
    for column, composite in enumerate(taxonomy.composites):
        for part in composite.parts:
            weights[part.dimension.index, column] = part.weight
    shares = weights / np.abs(weights).sum(0)
    turned = np.where(shares < 0, -shares, 0).sum(0) * (LOWEST + HIGHEST)
    out = np.empty((len(values), len(taxonomy.composites)))
    for column in range(out.shape[1]):  # 0 · NaN is NaN: only what a composite uses may be missing
        used = shares[:, column] != 0
        out[:, column] = values[:, used] @ shares[used, column] + turned[column]
    return out


def plan_composites(files: LabelFiles, taxonomy: Taxonomy) -> PlannedComposites:
    """What `composite_labels/` has to hold, from labels and ratings on disk."""
    import numpy as np

    labels = read_labels(files)
    values = composite_values(np.array(list(labels.values())), taxonomy)
    rounded = {key: [round(float(v), _DIGITS) for v in row] for key, row in zip(labels, values, strict=True)}
    return PlannedComposites(taxonomy, rounded, validate(rounded, list(read_rows(files.ratings)), taxonomy))


def taxonomy_digest(taxonomy: Taxonomy | CompositeFiles) -> str:
    """Content hash of a taxonomy, or of the `taxonomy.json` that is on disk."""
    if isinstance(taxonomy, CompositeFiles):
        return fingerprint(read_document(taxonomy.taxonomy, _TAXONOMY))
    return fingerprint(taxonomy.document)


def write_taxonomy(out: CompositeFiles, taxonomy: Taxonomy) -> None:
    """Write `taxonomy.json`."""
    write_atomic(out.taxonomy, taxonomy.encoded)


def write_composites(files: LabelFiles, out: CompositeFiles, taxonomy: Taxonomy) -> PlannedComposites:
    """Write `labels.json` and `validation.jsonl`.

    Raises:
        SetupError: `taxonomy.json` is of another taxonomy, so that it would tell other columns than there are.
    """
    if not out.taxonomy.exists() or out.taxonomy.read_bytes() != taxonomy.encoded:
        raise SetupError(f"{out.taxonomy}: is not of {taxonomy.path} as it is now; materialize {_TAXONOMY} first")
    planned = plan_composites(files, taxonomy)
    COMPOSITES.write(out.validation, planned.validation)
    lines = (f"{json.dumps(key, ensure_ascii=False)}: {json.dumps(row)}" for key, row in planned.labels.items())
    write_atomic(out.labels, ("{\n" + ",\n".join(lines) + "\n}\n").encode())
    return planned


def validate(labels: Labels, ratings: list[Row], taxonomy: Taxonomy) -> list[Row]:
    """A row a composite: reliability, spread, and the composite it goes with most.

    Args:
        labels: Composite labels.
        ratings: Rows of `ratings.jsonl`.
        taxonomy: What they are made of.
    """
    import numpy as np

    values = np.array(list(labels.values()))
    published, by_rater = (_agreement(ratings, counting, taxonomy) for counting in ("published", "by rater"))
    correlation = np.atleast_2d(np.corrcoef(values.T))
    rows: list[Row] = []
    for column, composite in enumerate(taxonomy.composites):
        others = [(abs(r), taxonomy.names[i], r) for i, r in enumerate(correlation[column]) if i != column]
        _, nearest, r = max(others, default=(0.0, None, float("nan")))
        rows.append(
            {
                "composite": composite.name,
                "low": composite.low,
                "high": composite.high,
                "dimensions": [part.dimension.name for part in composite.parts],
                "segments": len(values),
                "icc_one": or_none(by_rater[column].one),
                "icc_mean": or_none(published[column].mean),
                "icc_mean_by_rater": or_none(by_rater[column].mean),
                "nearest": nearest,
                "nearest_r": or_none(float(r)),
                "mean": or_none(float(values[:, column].mean())),
                "sd": or_none(float(values[:, column].std())),
            }
        )
    return sorted(rows, key=lambda row: str(row["composite"]))


def check_composites(planned: PlannedComposites) -> Outcome:
    """A warning when a dimension was forgotten, two composites say the same, or one is mostly noise."""
    faults: list[Row] = [{"id": name, "fault": "in no composite, nor left out"} for name in planned.taxonomy.forgotten]
    for row in planned.validation:
        if row["nearest_r"] is not None and abs(row["nearest_r"]) > REDUNDANT:
            faults.append({"id": row["composite"], "fault": f"r = {row['nearest_r']:.2f} with {row['nearest']}"})
        if row["icc_mean_by_rater"] is None or row["icc_mean_by_rater"] < UNRELIABLE:
            faults.append(
                {"id": row["composite"], "fault": f"reliability {row['icc_mean_by_rater'] or float('nan'):.2f}"}
            )
    good = f"{len(planned.validation)} composites, each reliable and none another's double"
    return outcome(faults, good, "doubts about composites", planned.facts, warn=True)


def check_values(files: LabelFiles, out: CompositeFiles) -> Outcome:
    """Every rated segment has as many composites as the taxonomy names, each on the scale.

    Args:
        files: The labels that composites are made of.
        out: Composites as they are on disk.
    """
    names = [one["name"] for one in read_document(out.taxonomy, _TAXONOMY)["composites"]]
    labels: Labels = read_document(out.labels, _LABELS)
    rated = read_labels(files)
    faults: list[Row] = [{"id": key, "fault": "has no composites"} for key in sorted(rated.keys() - labels.keys())]
    faults += [{"id": key, "fault": "is not rated"} for key in sorted(labels.keys() - rated.keys())]
    for key, values in labels.items():
        if len(values) != len(names):
            faults.append({"id": key, "fault": f"{len(values)} values, the taxonomy names {len(names)} composites"})
            continue
        off = [name for name, v in zip(names, values, strict=True) if not LOWEST - _ROOM <= v <= HIGHEST + _ROOM]
        faults += [{"id": key, "fault": f"{name} is not on the scale"} for name in off]  # nor is NaN
    facts = {"segments": len(labels), "composites": len(names)}
    return outcome(faults, f"{len(labels)} segments, {len(names)} composites each", "composites are not sound", facts)


def redundancy(planned: PlannedComposites) -> list[Row]:
    """How far composites say the same: |r| of each with each, a row a composite."""
    import numpy as np

    names = planned.taxonomy.names
    correlation = np.abs(np.atleast_2d(np.corrcoef(np.array(list(planned.labels.values())).T)))
    return [
        {"composite": name, **{other: or_none(float(r)) for other, r in zip(names, row, strict=True)}}
        for name, row in zip(names, correlation, strict=True)
    ]


def in_words(planned: PlannedComposites) -> list[Row]:
    """What each composite means, what it is made of, and how far it can be trusted; a row a composite."""
    measured = {row["composite"]: row for row in planned.validation}
    return [
        {
            "composite": composite.name,
            "low_means": composite.low,
            "high_means": composite.high,
            "made_of": "; ".join(f"{p.dimension.name} {p.weight:+g}, high is {p.high}" for p in composite.parts),
            "reliability_by_rater": measured[composite.name]["icc_mean_by_rater"],
            "reliability_as_published": measured[composite.name]["icc_mean"],
            "one_rater": measured[composite.name]["icc_one"],
            "goes_most_with": measured[composite.name]["nearest"],
            "r": measured[composite.name]["nearest_r"],
        }
        for composite in planned.taxonomy.composites
    ]


def _agreement(ratings: list[Row], counting: Counting, taxonomy: Taxonomy) -> list[Icc]:
    found = judgements(ratings, counting)
    values = composite_values(found.values, taxonomy)
    return [icc(values[:, column], found.segments) for column in range(values.shape[1])]
