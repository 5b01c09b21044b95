"""Complaints about a catalogue file, in words: pydantic's findings, unknown words and the nearest known ones.

Not here: where in the file a complaint stands (`catalogue_yaml`), and what the fields refuse (`catalogue_fields`).
"""

from __future__ import annotations

import difflib
import re
import types
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from crescendai_assets.lake.text import folded

Loc = tuple[str | int, ...]
"""Where in a file: keys and positions from the top, such as `("results", 3, "placement")`."""

Problem = tuple[Loc, str]
"""What is wrong and where."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A question that names the nearest known word, or nothing when none is near."""
    plain = {folded(name): name for name in known}
    near = difflib.get_close_matches(folded(word), plain, n=1)
    return f" Did you mean '{plain[near[0]]}'?" if near else ""


def not_one_of(what: str, word: str, known: Sequence[str]) -> str:
    """The complaint about an unknown word: the known ones, and the nearest of them."""
    listed = ", ".join(known) if known else "none"
    return f"{what} '{word}' is not one of {listed}.{did_you_mean(word, known)}"


def code_point(character: str | int) -> str:
    """How a character that cannot be shown is called."""
    code = character if isinstance(character, int) else ord(character)
    return f"U+{code:04X}"


def in_words(model: type[BaseModel], loc: Loc, error: Mapping[str, Any]) -> str:
    """What one of pydantic's findings about a model says, for the person who wrote the file."""
    kind, given = str(error["type"]), error.get("input")
    label = _label(loc)
    if kind == "missing":
        return f"{label} is missing; add it"
    if kind == "extra_forbidden":
        return not_one_of("the key", str(loc[-1]), _keys_at(model, loc[:-1]))
    if kind == "value_error":
        return f"{label} {error['ctx']['error']}"
    if kind == "literal_error":
        return not_one_of(str(loc[-1]), str(given), _literals(error))
    if given is None:
        return f"{label} is empty; fill it in"
    if kind == "too_short":
        return f"{label} is empty; fill it in"
    ctx = error.get("ctx", {})
    wanted = {
        "string_type": "text",
        "int_type": "a whole number",
        "float_type": "a number",
        "list_type": "a list",
        "dict_type": "a mapping (key: value)",
        "model_type": "a mapping (key: value)",
        "greater_than_equal": f"{ctx.get('ge')} or more",
        "less_than_equal": f"{ctx.get('le')} or less",
    }.get(kind)
    if wanted is None:
        return f"{label} is {given!r}: {error['msg']}"
    shown = "a list" if isinstance(given, list) else "a mapping" if isinstance(given, dict) else repr(given)
    quotes = "; put it in quotes" if wanted == "text" and not isinstance(given, list | dict) else ""
    return f"{label} must be {wanted}, not {shown}{quotes}"


def _label(loc: Loc) -> str:
    """How a place is called: by its key, or by its number in the list of that key."""
    if not loc:
        return "what stands here"
    if isinstance(loc[-1], str):
        return f"'{loc[-1]}'"
    return f"entry {loc[-1] + 1} of {_label(loc[:-1])}"


def _literals(error: Mapping[str, Any]) -> list[str]:
    return re.findall(r"'([^']*)'", str(error["ctx"]["expected"]))


def _keys_at(model: type[BaseModel], loc: Loc) -> list[str]:
    """Keys that the model knows at a place."""
    found: Any = model
    for part in loc:
        if isinstance(found, type) and issubclass(found, BaseModel):
            found = _unwrapped(found.model_fields[str(part)].annotation)
        else:
            found = _unwrapped(get_args(found)[-1])  # what a list or mapping holds
    return list(found.model_fields) if isinstance(found, type) and issubclass(found, BaseModel) else []


def _unwrapped(annotation: Any) -> Any:
    """The type inside `Annotated` and `... | None`."""
    if get_origin(annotation) is Annotated:
        return _unwrapped(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return _unwrapped(next(part for part in get_args(annotation) if part is not type(None)))
    return annotation
