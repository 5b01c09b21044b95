"""What the name of a PercePiano segment says: `<composer>_<work>_<movement>_<N>bars_<PERFORMER>_<NUMBER>`.

The performer comes before the number of the passage. The source's README has them the other way round; code written to
it pairs different passages by one performer and calls them one piece.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_FORM = re.compile(
    r"(?P<composer>[A-Za-z0-9-]+)_(?P<work>[^_\s/\\]+)_(?P<movement>[^\s/\\]+)_(?P<bars>[1-9][0-9]{0,2})bars"
    r"_(?P<performer>[0-9]{1,4}|Score2?)_(?P<digits>[0-9]{1,4})",
    re.ASCII,
)
_SUFFIX = re.compile(r"\.(wav|mid|midi|npy|pt)$", re.IGNORECASE)
_MACHINE_SPELLED = re.compile(r"_score(2?)_(?=[0-9]+$)", re.IGNORECASE)
_VARIATION = re.compile(r"thema|var[0-9]+")

MACHINE = "machine"
"""Who plays the renderings of a score, `Score` and `Score2`: no pianist."""


@dataclass(frozen=True, order=True)
class SegmentName:
    """A parsed name.

    Attributes:
        composer: `Schubert`.
        work: `D960`.
        movement: `mv2`, `no.3`, or a variation such as `var27`.
        bars: Length of the passage.
        performer: A number within the work (not known to be the same pianist in another one), `Score` or `Score2`.
        digits: Number of the passage as spelled, `05`; what it counts differs by work.
    """

    composer: str
    work: str
    movement: str
    bars: int
    performer: str
    digits: str

    @property
    def key(self) -> str:
        """The name: the segment's id, the key of its label and the stem of its MIDI file."""
        return f"{self.piece}_{self.bars}bars_{self.performer}_{self.digits}"

    @property
    def number(self) -> int:
        """Number of the passage."""
        return int(self.digits)

    @property
    def piece(self) -> str:
        """`Schubert_D960_mv2`; each variation is a piece of its own."""
        return f"{self.composer}_{self.work}_{self.movement}"

    @property
    def passage(self) -> str:
        """These bars, whoever plays them."""
        return f"{self.piece}_{self.bars}bars_{self.digits}"

    @property
    def is_machine(self) -> bool:
        """Whether a score was rendered; it was rated like the others."""
        return self.performer.startswith("Score")

    @property
    def performer_group(self) -> str:
        """Who plays, within the work; both renderings of a score count as one, since some are the same file."""
        return f"{self.work}_{MACHINE if self.is_machine else self.performer}"

    @property
    def recording(self) -> str:
        """One performer in one movement, a theme and its variations being one: most likely one sitting."""
        movement = "variations" if _VARIATION.fullmatch(self.movement) else self.movement
        return f"{self.work}_{movement}_{self.performer}"


def parse_name(text: str) -> SegmentName:
    """Read a name; the ending of a file, spaces around it and `score` in small letters do not matter.

    Raises:
        ValueError: It has not the form; says what was expected.
    """
    spelled = _MACHINE_SPELLED.sub(r"_Score\1_", _SUFFIX.sub("", text.strip()))
    found = _FORM.fullmatch(spelled)
    if not found:
        raise ValueError(f"{text[:80]!r} is not <piece>_<N>bars_<performer>_<passage>, as Schubert_D960_mv2_8bars_1_05")
    composer, work, movement, bars, performer, digits = found.groups()
    return SegmentName(composer, work, movement, int(bars), performer, digits)


def inner_passages(name: SegmentName, known: Iterable[str]) -> list[str]:
    """Passages inside this one by the rule of numbers: 16-bar passage k holds the 8-bar ones 2k-1 and 2k of its piece.

    PercePiano's own rule, which 9 of its 15 long passages do not follow; what their takes hold tells `passage_content`.

    Args:
        name: Any segment.
        known: Passages there are.
    """
    if name.bars != LONG:
        return []
    wanted = {f"{name.piece}_{SHORT}bars_{n}" for n in (2 * name.number - 1, 2 * name.number)}
    return sorted(passage for passage in known if unpadded(passage) in wanted)


LONG, SHORT = 16, 8
"""Bars of the two lengths that lie inside each other."""


def unpadded(passage: str) -> str:
    """A passage with its number spelled without leading zeros."""
    head, _, digits = passage.rpartition("_")
    return f"{head}_{int(digits)}"
