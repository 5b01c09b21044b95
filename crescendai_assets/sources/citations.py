"""Licence and citation of everything the project uses, read from `catalog/sources.yaml`.

Belongs here: reading and checking that file, BibTeX for a paper, a table of licences for a report or the
command line. Does not belong here: where recordings are fetched from (the other modules of this package) and
what is installed on this machine (`crescendai_assets.doctor`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Literal, cast, get_args

import yaml

from crescendai_assets.lake.errors import SetupError

Kind = Literal["dataset", "weights", "software", "paper"]
"""What a source is; decides which of its terms matter (using data, loading weights, passing on a program)."""

_REQUIRED = ("key", "name", "kind", "used_for", "licence", "url", "bibtex")
_KEY = re.compile(r"[a-z0-9][a-z0-9._-]*")
_SPDX = re.compile(r"[A-Za-z0-9.+-]+( (AND|OR|WITH) [A-Za-z0-9.+-]+)*")
_BIBTEX_HEAD = re.compile(r"@(\w+)\{\s*([^\s,{}]+)\s*,")


@dataclass(frozen=True)
class Source:
    """One thing the project stands on, with the terms it comes under.

    Attributes:
        key: Unique short name.
        name: Name as its authors write it.
        kind: Data set, weights, software or paper.
        used_for: What this project does with it.
        licence: SPDX expression; `NOASSERTION` where nothing of it is copied.
        url: The project's own page or a DOI.
        bibtex: One BibTeX entry.
        licence_note: What the SPDX name does not say.
    """

    key: str
    name: str
    kind: Kind
    used_for: str
    licence: str
    url: str
    bibtex: str
    licence_note: str = ""

    @property
    def non_commercial(self) -> bool:
        """Whether the licence forbids commercial use."""
        return "-NC" in self.licence

    @property
    def copyleft(self) -> bool:
        """Whether passing on a program with it binds the whole program (GPL, not LGPL)."""
        return "GPL-" in self.licence and "LGPL-" not in self.licence


def catalogue() -> Traversable:
    """The file of the package that lists the sources."""
    return files("crescendai_assets") / "catalog" / "sources.yaml"


def read_sources(file: Traversable | None = None) -> list[Source]:
    """Every source, in the order of the file.

    Args:
        file: Another file than the package's own.

    Raises:
        SetupError: The file or an entry is not as it must be; the message names both.
    """
    file = catalogue() if file is None else file
    try:
        entries: Any = yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise SetupError(f"{file}: not valid YAML: {error}") from error
    except OSError as error:
        raise SetupError(f"{file}: cannot be read: {error}. Install the package again.") from error
    if not isinstance(entries, list) or not entries:
        raise SetupError(f"{file}: must be a list of sources, one mapping each.")
    sources = [_source(entry, f"{file}, entry {number}") for number, entry in enumerate(entries, start=1)]
    _refuse_doubles(file, "key", [source.key for source in sources])
    _refuse_doubles(file, "BibTeX key", [bibtex_key(source) for source in sources])
    return sources


def bibtex_key(source: Source) -> str:
    """The name under which a paper cites the source."""
    head = _BIBTEX_HEAD.match(source.bibtex)
    if head is None:
        raise SetupError(f"source '{source.key}': its BibTeX does not start like '@article{{name,'.")
    return head[2]


def bibtex(sources: Iterable[Source]) -> str:
    """A .bib file with one entry a source, ready to be written."""
    return "\n\n".join(source.bibtex.strip() for source in sources) + "\n"


def licence_table(sources: Iterable[Source]) -> str:
    """The sources and their terms as a Markdown table; data and weights first, as they bind users most.

    The short columns come first and are padded, so that the table can be read unrendered in a terminal too.
    """
    order = get_args(Kind)
    rows = [
        (source.licence, source.kind, source.name, source.licence_note)
        for source in sorted(sources, key=lambda source: order.index(source.kind))
    ]
    head = ("licence", "kind", "name", "note")
    cells = [[text.replace("|", r"\|") for text in row] for row in (head, *rows)]
    first, second = (max(len(row[column]) for row in cells) for column in (0, 1))
    cells.insert(1, ["-" * first, "-" * second, "---", "---"])
    lines = (" | ".join((a.ljust(first), b.ljust(second), *rest)) for a, b, *rest in cells)
    return "\n".join(f"| {line} |" for line in lines) + "\n"


def _source(entry: object, where: str) -> Source:
    """One checked entry; every complaint says which entry, which field and what it should be."""
    if not isinstance(entry, Mapping):
        raise SetupError(f"{where}: must be a mapping with the fields {', '.join(_REQUIRED)}.")
    if isinstance(entry.get("key"), str):
        where = f"{where} ('{entry['key']}')"
    known = {field.name for field in fields(Source)}
    for name in entry:
        if name not in known:
            raise SetupError(f"{where}: unknown field '{name}'; known are {', '.join(sorted(known))}.")
    for name in _REQUIRED:
        if name not in entry:
            raise SetupError(f"{where}: field '{name}' is missing.")
    texts: dict[str, str] = {}
    for name, value in entry.items():
        # a licence of `no` or a title of `2023` is not text to YAML
        if not isinstance(value, str) or not value.strip():
            raise SetupError(f"{where}: field '{name}' must be text and not empty, not {value!r}.")
        texts[str(name)] = value.strip()
    _check_texts(texts, where)
    return Source(
        key=texts["key"],
        name=texts["name"],
        kind=cast(Kind, texts["kind"]),
        used_for=texts["used_for"],
        licence=texts["licence"],
        url=texts["url"],
        bibtex=texts["bibtex"],
        licence_note=texts.get("licence_note", ""),
    )


def _check_texts(texts: Mapping[str, str], where: str) -> None:
    """Refuse what is text but not text of the right form."""
    if not _KEY.fullmatch(texts["key"]):
        raise SetupError(f"{where}: key '{texts['key']}' must be lower-case letters, digits, '.', '_' and '-'.")
    if texts["kind"] not in get_args(Kind):
        raise SetupError(f"{where}: kind '{texts['kind']}' is not one of {', '.join(get_args(Kind))}.")
    if not _SPDX.fullmatch(texts["licence"]):
        raise SetupError(
            f"{where}: licence '{texts['licence']}' is not an SPDX expression such as 'CC-BY-NC-4.0'; "
            "put explanations into licence_note."
        )
    if not texts["url"].startswith("https://"):
        raise SetupError(f"{where}: url '{texts['url']}' must start with https://.")
    if not _BIBTEX_HEAD.match(texts["bibtex"]):
        raise SetupError(f"{where}: bibtex must start like '@article{{name,'.")
    if not _is_one_entry(texts["bibtex"]):
        raise SetupError(f"{where}: bibtex must be one entry whose braces balance.")


def _is_one_entry(text: str) -> bool:
    """Whether the first brace is closed by the last character and by none before it."""
    depth = 0
    for position, character in enumerate(text):
        depth += {"{": 1, "}": -1}.get(character, 0)
        if depth == 0 and character == "}":
            return position == len(text) - 1
    return False


def _refuse_doubles(file: Traversable, what: str, names: list[str]) -> None:
    doubles = sorted({name for name in names if names.count(name) > 1})
    if doubles:
        raise SetupError(f"{file}: {what} used twice: {', '.join(doubles)}. Rename one of each.")
