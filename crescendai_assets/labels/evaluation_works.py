"""Which works listeners rated, and whether a title names one of them: what pretraining must never see.

PercePiano rates Beethoven's 32 Variations WoO 80, Schubert's Impromptu D 935 no. 3, and of his sonata D 960 movements
ii and iii. The whole sonata counts: most titles name no movement ("Sonata in B-flat Major, D960"), one recording often
holds all four, and a split by work has to keep a work together. Of D 935 only no. 3 counts, since the four impromptus
are pieces of their own, with titles of their own; a title that covers several, or does not say which, counts too.

In doubt a title counts ("Impromptus", "Sonata in B-flat"): a recording less in pretraining costs little, a leak spoils
every figure. What is surely another work is told by `sources.works.work_id`, which knows catalogues, keys and the slips
of MAESTRO's sheet ("Sonata in A D960" is a track of D 959). What a file holds under a wrong title is not known here.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from crescendai_assets.lake.text import folded
from crescendai_assets.sources.works import work_id


@dataclass(frozen=True)
class EvaluationWork:
    """A rated work, and how to know it.

    Attributes:
        name: For people: `Schubert D 960`.
        composer: Surname, folded (`lake.text`).
        titles: Pattern of what may be this work, for the words of a folded title: `sonata in b flat major d 960`.
        others: Pattern of what is surely another one, for the `work_id` without its composer: `sonata_d959_track2`.
    """

    name: str
    composer: str
    titles: str
    others: str = r"(?!)"


_B_FLAT = r"\b(?:b ?flat|bb|b dur|si b(?:emol)?)\b"
_COUNT = r"(?:\d|two|three|four|eight|complete|the|all|late|last)"

PERCEPIANO_WORKS = (
    EvaluationWork(
        "Beethoven WoO 80",
        "beethoven",
        titles=r"\bwo[o0] ?80\b|\b(?:32|thirty ?two|zweiunddreissig|trente deux)\b.*\bvar|"
        r"^(?:piano )?varia\w+ (?:in )?c (?:min|moll)|\bc (?:min\w*|moll) varia|^varia\w+$|\bvaria\w+ .*\bc moll\b",
        others=r"^(?!.*woo80(?!\d)).*_(?:op|woo)\d",
    ),
    EvaluationWork(
        "Schubert D 935 no. 3",
        "schubert",
        titles=rf"\bd ?935\b|\bop(?:us)? ?142\b|\bimpromptus?\b.*{_B_FLAT}|{_B_FLAT}.*\bimpromptu|"
        r"\brosamunde\b.*\b(?:impromptu|var)|\b(?:impromptu|varia)\w*\b.*\brosamunde\b|"
        rf"^(?:{_COUNT} )*impromptus?(?: (?:no )?[37])?(?: complete)?$",
        # other pieces of the set, or other sets alone
        others=r"d935_nos?[124](?:-[124])*(?:_|$)|^(?!.*d935).*_d\d",
    ),
    EvaluationWork(
        "Schubert D 960",
        "schubert",
        titles=rf"\b960\b|\bd960\b|\b(?:klavier)?son(?:at\w*)?\b.*(?:{_B_FLAT}|\b(?:n[or]? ?)?21\b)|"
        rf"\blast sonata|{_B_FLAT}.*\bsonat|"
        rf"^(?:{_COUNT} )*(?:piano |klavier)?sonat(?:a|as|e|en|es)(?: complete)?$",
        others=r"^sonata_d(?!960)\d+(?!.*d960)",  # several sonatas ("sonatas_d958") may go up to it
    ),
)
"""What PercePiano rates."""

_SPELLED = (
    (re.compile(r"[_\s]+"), " "),
    (re.compile(r"/(?=\D)"), ", "),  # a folder and the piece in it
    (re.compile(r"\bop(\w*\W+)posth?\w*\W+", re.IGNORECASE), r"op\1"),
    # ASAP's pieces of a set: `Impromptu_op142_3`, in folders `Impromptu_op142/3_no_repeat`
    (re.compile(r"(\d)[ /](\d)(?=$| (?:no )?repeat)", re.IGNORECASE), r"\1 no \2"),
    # tracks of a set: `4 Impromptus, D. 935: 3. Andante`
    (re.compile(r"([:;,]) ?(\d)\. "), r"\1 no \2 "),
)
"""Ways to write a title that `work_id` does not read, and what it reads instead, in this order."""

_COMPOSERS = {
    "beethoven": re.compile(
        r"\bbe+t+h?o+[vw]+en(?:as?|s|u)?\b|бетховен\w*|贝多芬|貝多芬|ベートー(?:ヴェン|ベン)|베토벤", re.IGNORECASE
    ),
    "schubert": re.compile(
        r"\b(?:sch|sh|sz|ch|š)ub+erth?(?:as?|s|u)?\b|шуберт\w*|舒[伯柏]特|シューベルト|슈베르트", re.IGNORECASE
    ),
}
"""Other ways to write rated composers: slips, endings of other languages, other scripts."""

_NUMBERS = re.compile(r"\bd ?9(?:35|60)\b|\bwo[o0] ?80\b")
"""Of catalogues, that mean a rated work whoever is named, or in whatever script."""

_OTHER_SCRIPT = re.compile(r"[^\W\d_a-zÀ-ɏªº]", re.IGNORECASE)
"""A letter that is not Latin."""


def may_hold_evaluation_work(text: str, about: str = "") -> bool:
    """Whether a text that names a composer, several, or none may stand for a rated work.

    Of a sheet whose composers have a column of their own `is_evaluation_work` tells more. Here a catalogue number alone
    counts, a rated composer in a list without a work ("Handel, Hough, Beethoven"), and one in another script, unless
    the number is surely another work's: what else stands there is not read.

    Args:
        text: A video's title, or what is said to be played.
        about: What may name the composer besides, such as the competition's name.
    """
    text, about = _latin(text), _latin(about)
    if is_evaluation_work("", text) or is_evaluation_work(about, text) or _NUMBERS.search(_words(text)):
        return True
    if _OTHER_SCRIPT.search(text) and any(
        work.composer in _words(f"{about} {text}") and not re.search(work.others, f"_{_work_told(work, text)}")
        for work in PERCEPIANO_WORKS
    ):
        return True
    entries = {
        " ".join(words[-1:]) for words in map(str.split, map(_words, re.split(r"[,;/&+]|\band\b", text))) if words
    }
    composers = {work.composer for work in PERCEPIANO_WORKS}
    return bool(composers & entries)


def is_evaluation_work(composer: str, title: str, works: Sequence[EvaluationWork] = PERCEPIANO_WORKS) -> str | None:
    """The rated work that a title names or may hold.

    Args:
        composer: As published, with or without first names; may be empty if the title names the composer.
        title: A title, or the name or path of a folder.
        works: Rated works.

    Returns:
        The first such work's name, or None.
    """
    heard = _words(f"{composer} {title}")
    for pattern, said in _SPELLED:
        title = pattern.sub(said, title)
    for work in works:
        if not re.search(rf"\b{work.composer}\b", heard):
            continue
        plain = re.sub(rf"^(?:\w+ )?{work.composer} ", "", _words(title))
        if re.search(work.titles, plain) and not re.search(work.others, _work_told(work, title)):
            return work.name
    return None


def _work_told(work: EvaluationWork, title: str) -> str:
    """The `work_id` of a title of a rated work's composer, without the composer."""
    return work_id(work.composer, title).removeprefix(f"{work.composer}_")


def _latin(text: str) -> str:
    """The text, rated composers in it as they are usually written."""
    text = unicodedata.normalize("NFKC", text)
    for name, written in _COMPOSERS.items():
        text = written.sub(f" {name} ", text)
    return text


def _words(text: str) -> str:
    """Folded words with one space between them."""
    return " ".join(re.findall(r"[a-z0-9]+", folded(text.replace("♭", " flat ").replace("_", " "))))
