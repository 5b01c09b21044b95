"""The 19 dimensions of PercePiano: official names, which pole is which, and the scale.

Park, J., Kim, J., Choi, J., Kim, S., Lee, K. et al.: PercePiano, a benchmark for perceptual evaluation of piano
performance. Scientific Reports 2024, s41598-024-73810-0. Data: JonghoKimSNU/PercePiano at e672299b, MIT.

Every dimension is a 7-point scale between two words. The low pole comes first in the name, 4 is neutral, and higher is
*not* better: it is nearer to the second word. Means are published as rating / 7, so they run from 1/7 to 1.

Dimension 1 is called Long_Short in two scripts of the source and Short_Long in its README. High is long: across
performances of one passage it goes with longer keys (r = +.16), thinner texture (-.28) and more pedal (+.37).
"""

from __future__ import annotations

from dataclasses import dataclass

POINTS = 7
"""Points of the scale."""

LOWEST, NEUTRAL, HIGHEST = 1 / POINTS, 4 / POINTS, 1.0
"""The ends and the middle of the scale as means are published."""


@dataclass(frozen=True)
class Dimension:
    """One scale.

    Attributes:
        index: Its place in a label, from 0.
        name: The official name, `<aspect>_<low pole>_<high pole>`.
        aspect: What is judged.
        low: What 1 stands for.
        high: What 7 stands for.
        question: Its column in the file of raw ratings.
    """

    index: int
    name: str
    aspect: str
    low: str
    high: str
    question: str


_TABLE = (
    ("Timing", "Stable", "Unstable", "1_1_1"),
    ("Articulation", "Short", "Long", "2_1_1"),
    ("Articulation", "Soft_cushioned", "Hard_solid", "2_2_1"),
    ("Pedal", "Sparse/dry", "Saturated/wet", "3_1_1"),
    ("Pedal", "Clean", "Blurred", "3_2_1"),
    ("Timbre", "Even", "Colorful", "4_1_1"),
    ("Timbre", "Shallow", "Rich", "4_2_1"),
    ("Timbre", "Bright", "Dark", "4_3_1"),
    ("Timbre", "Soft", "Loud", "4_4_1_5_2_1"),
    ("Dynamic", "Sophisticated/mellow", "Raw/crude", "5_3_1"),
    ("Dynamic", "Little_dynamic_range", "Large_dynamic_range", "5_5_1"),
    ("Music_Making", "Fast_paced", "Slow_paced", "6_1_1"),
    ("Music_Making", "Flat", "Spacious", "6_4_1"),
    ("Music_Making", "Disproportioned", "Balanced", "6_5_1_5_4_1"),
    ("Music_Making", "Pure", "Dramatic/expressive", "6_6_1_5_1_1"),
    ("Emotion_&_Mood", "Optimistic/pleasant", "Dark", "7_1_1"),
    ("Emotion_&_Mood", "Low_Energy", "High_Energy", "7_2_1"),
    ("Emotion_&_Mood", "Honest", "Imaginative", "8_1_1"),
    ("Interpretation", "Unsatisfactory/doubtful", "Convincing", "9_1_1"),
)

DIMENSIONS: tuple[Dimension, ...] = tuple(
    Dimension(index, f"{aspect}_{low}_{high}", aspect, low, high, f"Question_{question}")
    for index, (aspect, low, high, question) in enumerate(_TABLE)
)
"""The dimensions in the order of a label."""

NAMES: tuple[str, ...] = tuple(dimension.name for dimension in DIMENSIONS)
"""Official names, in the order of a label."""


def mirrored(mean: float) -> float:
    """The same judgement on the scale with its poles exchanged: 1 becomes 7, neutral stays."""
    return LOWEST + HIGHEST - mean
