"""PercePiano's own label files, to compare with: `label_2round_mean_reg_19_with0_rm_highstd0.json`, of which two exist.

The one in the root of the repository has 1,202 segments and is the paper's. The one in `labels/` has 1,189: the ratings
of 13 machine renderings (`Score`) were added to those of the other rendering (`Score2`), so 13 values differ too.
Behind the 19 means both may carry a 20th and 21st number (a running number of the player), which say nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from crescendai_assets.labels.dimensions import HIGHEST, LOWEST, NAMES
from crescendai_assets.labels.names import parse_name
from crescendai_assets.labels.percepiano import Labels
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.tables import Row
from crescendai_assets.lake.verify import Outcome, outcome

Edition = Literal["1,202 of the paper", "1,189 with renderings merged", "another selection"]
"""Which of the two files it is."""

_MOST_NUMBERS = len(NAMES) + 2
_SLACK = 1e-9
_WHOLE, _MERGED = 1202, 1189
_MERGED_AWAY = frozenset(  # the Score renderings that the smaller file lacks
    {
        f"Beethoven_WoO80_var{v}_8bars_Score_{n}"
        for n, v in zip(range(5, 17), (6, 8, 9, 10, 12, 15, 17, 18, 23, 25, 27, 28), strict=True)
    }
    | {"Schubert_D935_no.3_4bars_Score_1"}
)


@dataclass(frozen=True)
class PublishedLabels:
    """What a label file holds.

    Attributes:
        path: The file.
        labels: Segment -> 19 means.
        faults: Entries that cannot be used, with the reason.
        notes: What was made of odd spellings.
        edition: Which of the two published files it is, by its keys.
    """

    path: Path
    labels: dict[str, tuple[float, ...]]
    faults: list[Row]
    notes: list[str]
    edition: Edition

    @property
    def message(self) -> str:
        """Which file this is, for people."""
        if self.edition == "1,202 of the paper":
            return f"{self.path.name}: the paper's {len(self.labels):,} segments"
        if self.edition == "1,189 with renderings merged":
            return (
                f"{self.path}: the file of {len(self.labels):,} segments from labels/, where 13 Score renderings are "
                "merged into Score2; use the paper's 1,202, in the file of the same name in the repository's root"
            )
        return f"{self.path}: {len(self.labels):,} segments, neither of PercePiano's two files (1,202 and 1,189)"


def read_published(path: Path) -> PublishedLabels:
    """Read a label file; an entry that cannot be used is a fault and hides no other.

    Raises:
        SetupError: It cannot be read, is no JSON object, or no entry of it can be used.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        pairs = json.loads(text, object_pairs_hook=_Pairs)
    except OSError as error:
        raise SetupError(f"{path}: cannot be read ({error.strerror or error})") from None
    except (ValueError, RecursionError) as error:
        raise SetupError(f"{path}: not JSON ({error}); fetch it again") from None
    if not isinstance(pairs, _Pairs):
        raise SetupError(f"{path}: expected an object {{segment: [numbers]}}, found {type(pairs).__name__}")
    labels: dict[str, tuple[float, ...]] = {}
    faults: list[Row] = []
    notes: list[str] = []
    for key, values in pairs:
        try:
            name = parse_name(key).key
            if name in labels:
                raise ValueError(f"{name} stands twice")
            labels[name] = _means(values)
        except ValueError as error:
            faults.append({"id": key, "fault": str(error)})
            continue
        if name != key:
            notes.append(f"{key!r} is read as {name!r}")
    if not labels:
        first = f": {faults[0]['id']!r}: {faults[0]['fault']}" if faults else ", it is empty"
        raise SetupError(f"{path}: no label can be used{first}")
    return PublishedLabels(path, labels, faults, notes, edition_of(labels))


def edition_of(keys: Iterable[str]) -> Edition:
    """Which of the two published files has these keys."""
    found = set(keys)
    if len(found) == _WHOLE and found >= _MERGED_AWAY:
        return "1,202 of the paper"
    if len(found) == _MERGED and not found & _MERGED_AWAY:
        return "1,189 with renderings merged"
    return "another selection"


def check_against_published(labels: Labels, published: PublishedLabels, tolerance: float = _SLACK) -> Outcome:
    """Our means are the published ones, segment by segment and dimension by dimension."""
    faults: list[Row] = [
        {"id": key, "fault": "published, and not among our labels"} for key in published.labels if key not in labels
    ]
    faults += [{"id": key, "fault": "not published"} for key in labels if key not in published.labels]
    largest = 0.0
    for key, ours in labels.items():
        for name, mine, theirs in zip(NAMES, ours, published.labels.get(key, ours), strict=True):
            largest = max(largest, abs(mine - theirs))
            if abs(mine - theirs) > tolerance:
                faults.append({"id": key, "fault": f"{name} is {mine:.6f}, published as {theirs:.6f}"})
    faults += published.faults
    facts: Mapping[str, Any] = {
        "segments": len(labels),
        "published": len(published.labels),
        "file": published.message,
        "largest_difference": largest,
        "spellings": "; ".join(published.notes[:5]),
    }
    hint = f" ({published.message})" if published.edition == "1,189 with renderings merged" else ""
    return outcome(
        faults,
        f"all {len(labels):,} labels are the published ones",
        f"differences from the published labels{hint}",
        facts,
    )


class _Pairs(list[tuple[str, Any]]):
    """A JSON object with keys that stand twice kept apart."""


def _means(values: Any) -> tuple[float, ...]:
    if not isinstance(values, list) or isinstance(values, _Pairs):
        raise ValueError(f"expected a list of {len(NAMES)} numbers")
    if not len(NAMES) <= len(values) <= _MOST_NUMBERS:
        raise ValueError(f"{len(values)} numbers, expected {len(NAMES)} (or one or two more, which are not used)")
    for name, value in zip(NAMES, values, strict=False):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"{name} is no number")
        if not LOWEST - _SLACK <= value <= HIGHEST + _SLACK:  # NaN, too
            raise ValueError(f"{name} is {value!s:.20}, outside {LOWEST:.4f} to {HIGHEST:g} (a mean of 1..7, over 7)")
    return tuple(float(value) for value in values[: len(NAMES)])
