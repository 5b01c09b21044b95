"""Whether a word beside a name belongs to it, so that the whole is somebody else's.

Not here: finding the name (`names`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from crescendai_assets.sources.matching.piece import GENRE
from crescendai_assets.sources.matching.rounds import ROUND_WORDS
from crescendai_assets.sources.matching.words import Word
from crescendai_assets.sources.work_facts import ROMAN

_BESIDE = frozenset(
    re.findall(
        r"\w+",
        """mr ms mrs miss pianist piano winner laureate finalist plays performs day live recital
        in by of the at on with and competition concours konkurs international
        bach beethoven brahms busoni chopin clementi couperin czerny debussy dvorak faure franck granados grieg haydn
        handel janacek kapustin ligeti liszt medtner mendelssohn messiaen mozart mussorgsky paderewski prokofiev
        rachmaninoff rachmaninov rameau ravel scarlatti schubert schumann scriabin shostakovich stravinsky
        szymanowski tchaikovsky weber andante allegro bolero gaspard tarantelle""",
    )
)
"""Words with a capital that may stand beside a name without being part of a longer one."""


def name_before(text: str, words: Sequence[Word], at: int) -> int:
    """How many words before the one at a place belong to the name that it begins: none or one."""
    return int(at > 0 and _of_a_name(text, words[at - 1], words[at - 1].end, words[at].start))


def name_behind(text: str, words: Sequence[Word], at: int) -> int:
    """How many words from a place on belong to the name that ends before it: none or one."""
    return int(at < len(words) and _of_a_name(text, words[at], words[at - 1].end, words[at].start))


def _of_a_name(text: str, word: Word, start: int, end: int) -> bool:
    """Whether a word beside a name may belong to it: "Yu An" is not all of "Yu An Li"."""
    if not re.fullmatch(r"[\s.]*|\.?[-‐‑–]", text[start:end]) or not text[word.start].isupper():
        return False
    known = word.text in _BESIDE or word.text in ROUND_WORDS or word.text in ROMAN or GENRE.fullmatch(word.text)
    return word.text.isalpha() and not known  # not alphabetic when folded: the name again, in another script
