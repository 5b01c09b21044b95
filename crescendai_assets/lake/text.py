"""Names as they are compared and as they stand in ids: accents, case and odd letters folded away."""

from __future__ import annotations

import re
import unicodedata

_LETTERS = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ħ": "h", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d", "ı": "i"})
"""Letters that no Unicode decomposition takes apart, after casefolding (which makes ß to ss)."""


def folded(text: str) -> str:
    """Lower case without accents, compatibility forms resolved: `Łukasz Krupiński` -> `lukasz krupinski`."""
    # decomposed before, too: bold and superscript capitals have no small ones of their own
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return "".join(c for c in decomposed if not unicodedata.combining(c)).translate(_LETTERS)


def slug(text: str, longest: int = 60, joint: str = "-") -> str:
    """ASCII letters and digits, words joined: `Eva Gevorgyan` -> `eva-gevorgyan`; may be empty."""
    words = re.findall(r"[a-z0-9]+", folded(text))
    return joint.join(words)[:longest].strip(joint)
