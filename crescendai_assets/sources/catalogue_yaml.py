"""One YAML file of the catalogue: read safely, checked by a model, every complaint at its line.

Here: where catalogue files lie, a reader that no file can make run code or fill the memory, pydantic's findings in
words, and checks of names and addresses that editions and channels share. Not here: what an edition or a channel is
(`competitions`, `channels`).
"""

from __future__ import annotations

import difflib
import os
import re
import types
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin
from urllib.parse import urlsplit

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.text import folded
from crescendai_assets.sources.web_ids import is_youtube, youtube_id

CATALOGUE_VARIABLE = "CRESCENDAI_CATALOG"
MAX_BYTES = 2 * 2**20
MAX_ALIASES = 8  # enough to name a list twice; too few to multiply one into gigabytes
MAX_DEPTH = 20

_SHIPPED = Path(__file__).resolve().parents[1] / "catalog"
_PROBLEMS_SHOWN = 8
_LONGEST_TEXT = 300
_TAG = "tag:yaml.org,2002:"
_PLAIN = {_TAG + kind for kind in ("null", "bool", "int", "float", "str", "seq", "map")}
_TEXT_TO_US = {_TAG + "timestamp", _TAG + "value"}  # a date and '=' are special to YAML, not here
_MARKUP = re.compile(r"</?[a-z!][^<>]*>|&(#\d+|#x[0-9a-f]+|[a-z][a-z0-9]*);", re.IGNORECASE)
_JOINERS = "\u200c\u200d"  # spelled in names of some scripts

Loc = tuple[str | int, ...]
"""Where in a file: keys and positions from the top, such as `("results", 3, "placement")`."""

Problem = tuple[Loc, str]
"""What is wrong and where."""


@dataclass(frozen=True)
class Fault:
    """A file, or an entry of one, that could not be used; the message names line, fault and cure."""

    path: Path
    message: str


@dataclass(frozen=True)
class Document:
    """A file's plain values, and the line that each of them starts on."""

    path: Path
    value: Any
    lines: Mapping[Loc, int]

    def at(self, loc: Loc) -> str:
        """File and line of a place; of what holds it where the place itself is not in the file."""
        while loc not in self.lines:
            loc = loc[:-1]
        return f"{self.path}, line {self.lines[loc]}"

    def refusal(self, problems: Sequence[Problem]) -> SetupError:
        """The error that names the problems, one a line, in the order of the file."""

        def line(problem: Problem) -> int:
            return int(self.at(problem[0]).rpartition(" ")[2])

        shown = [f"{self.at(loc)}: {message}" for loc, message in sorted(problems, key=line)]
        more = len(shown) - _PROBLEMS_SHOWN
        return SetupError("\n".join(shown[:_PROBLEMS_SHOWN] + [f"... and {more} more"] * (more > 0)))

    def read_as(self, model: type[Model], loc: Loc = ()) -> Model:
        """What stands at a place, checked.

        Raises:
            SetupError: It does not fit the model; every misfit is named with its line.
        """
        value = self.value
        for part in loc:
            value = value[part]
        try:
            return model.model_validate(value)
        except ValidationError as error:
            found = error.errors(include_url=False)
            problems = [(loc + tuple(e["loc"]), _in_words(model, tuple(e["loc"]), e)) for e in found]
            raise self.refusal(problems) from None


class CatalogueModel(BaseModel):
    """What every model of a catalogue file starts from: no unknown keys, no guessing of types."""

    model_config = ConfigDict(extra="forbid", strict=True)


Model = TypeVar("Model", bound=BaseModel)


# ------------------------------------------------------------------------------------------------------ where and what


def catalogue_folders(environ: Mapping[str, str] = os.environ) -> tuple[Path, ...]:
    """Folders of catalogue files: the package's own, then `$CRESCENDAI_CATALOG` when it is set.

    Each holds `channels.yaml` and `competitions/<edition>.yaml`, or one of them.

    Raises:
        SetupError: The variable names no folder.
    """
    text = environ.get(CATALOGUE_VARIABLE, "").strip()
    if not text:
        return (_SHIPPED,)
    folder = Path(text).expanduser().absolute()
    if not folder.is_dir():
        raise SetupError(
            f"{CATALOGUE_VARIABLE} is {text}: no such folder. Make it, with channels.yaml or competitions/ in it, "
            "or unset the variable"
        )
    return (_SHIPPED,) if folder.resolve() == _SHIPPED else (_SHIPPED, folder)


def yaml_files(folder: Path) -> list[Path]:
    """YAML files right in a folder, by name; none where there is no folder.

    Raises:
        SetupError: The folder cannot be listed.
    """
    if not folder.is_dir():
        return []
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        raise SetupError(f"{folder}: cannot be listed ({error.strerror or error}). Correct its permissions") from error
    return [p for p in paths if p.suffix.lower() in {".yaml", ".yml"} and not p.name.startswith(".")]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A question that names the nearest known word, or nothing when none is near."""
    plain = {folded(name): name for name in known}
    near = difflib.get_close_matches(folded(word), plain, n=1)
    return f" Did you mean '{plain[near[0]]}'?" if near else ""


def not_one_of(what: str, word: str, known: Sequence[str]) -> str:
    """The complaint about an unknown word: the known ones, and the nearest of them."""
    listed = ", ".join(known) if known else "none"
    return f"{what} '{word}' is not one of {listed}.{did_you_mean(word, known)}"


# ------------------------------------------------------------------------------------------------------------- reading


def read_document(path: Path) -> Document:
    """Read one YAML file as plain values: mappings, lists, texts, numbers, true and false, nothing.

    Dates stay text. Tags, merges, keys given twice, keys that are no text, and nesting or repetition beyond what a
    person writes are refused.

    Raises:
        SetupError: The file cannot be read or is not such YAML; names file, line, fault and cure.
    """
    text = _text_of(path)
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                raise SetupError(f"{path}, line 1: the file is empty; fill it or remove it")
            lines: dict[Loc, int] = {(): 1}
            value = _Plain(loader, lines).value(node, ())
        finally:
            loader.dispose()
    except _RefusedError as refused:
        raise SetupError(f"{path}, line {refused.line}: {refused}") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = ", ".join(part for part in (error.context, error.problem) if part)
        at = f"{path}, line {mark.line + 1}" if mark else str(path)
        cure = "put the address in quotes" if "'?'" in said else "look at this line and the one before"
        raise SetupError(f"{at}: not valid YAML ({said}); {cure}") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise SetupError(
            f"{path}, line {line}: holds the control character {_named(error.character)}; remove it"
        ) from None
    return Document(path, value, lines)


def _text_of(path: Path) -> str:
    try:
        if not path.is_file():  # a pipe or a device would be read for ever
            raise SetupError(f"{path}: no such file, or not a plain one; correct the path or remove it")
        if path.stat().st_size > MAX_BYTES:
            raise SetupError(f"{path}: larger than {MAX_BYTES // 2**20} MB, which no catalogue file is; split it")
        data = path.read_bytes()
    except OSError as error:
        raise SetupError(f"{path}: cannot be read ({error.strerror or error}). Correct its permissions") from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SetupError(f"{path}, line {line}: not UTF-8. Save the file again as UTF-8") from None


class _RefusedError(Exception):
    """YAML that is valid and not wanted."""

    def __init__(self, node: Any, message: str) -> None:
        super().__init__(message)
        self.line: int = node.start_mark.line + 1


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """PyYAML's safe loader with bounds on nesting and repetition, which stop it before it has read on."""

    depth = 0
    aliases = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            self.aliases += 1
            if self.aliases > MAX_ALIASES:
                raise _RefusedError(event, f"more than {MAX_ALIASES} aliases (*{event.anchor}); write the values out")
        tag = getattr(event, "tag", None)
        if tag is not None and tag not in _PLAIN and tag != "!":
            shown = tag.replace(_TAG, "!!")
            raise _RefusedError(event, f"the tag '{shown}' is not read here; write a plain value")
        if self.depth >= MAX_DEPTH:
            raise _RefusedError(event, f"nested more than {MAX_DEPTH} deep; is a bracket too many?")
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


@dataclass
class _Plain:
    """Turns nodes into values, and notes where each stood."""

    loader: _Loader
    lines: dict[Loc, int]

    def value(self, node: Any, loc: Loc) -> Any:
        if len(loc) > MAX_DEPTH:  # an anchor inside itself
            raise _RefusedError(node, "an anchor holds an alias of itself; write the value out")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, loc)
        if isinstance(node, yaml.SequenceNode):
            return [self._item(item, (*loc, number)) for number, item in enumerate(node.value)]
        if node.tag in _TEXT_TO_US:
            return node.value
        try:
            return self.loader.construct_object(node)
        except (ValueError, OverflowError):
            raise _RefusedError(node, f"'{node.value[:40]}' is not a number that can be read; correct it") from None

    def _item(self, node: Any, loc: Loc) -> Any:
        self.lines[loc] = node.start_mark.line + 1
        return self.value(node, loc)

    def _mapping(self, node: Any, loc: Loc) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value
            if key_node.tag == _TAG + "merge":
                raise _RefusedError(key_node, "'<<' is not read here; write the keys out")
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag not in _TEXT_TO_US | {_TAG + "str"}:
                shown = key if isinstance(key, str) else "a list or mapping"
                raise _RefusedError(key_node, f"the key {shown} is not text to YAML; put it in quotes")
            if key in found:
                first = self.lines[(*loc, key)]
                raise _RefusedError(key_node, f"the key '{key}' stands on line {first} already; keep one of the two")
            self.lines[(*loc, key)] = key_node.start_mark.line + 1
            found[key] = self.value(value_node, (*loc, key))
        return found


# --------------------------------------------------------------------------------------------- pydantic's findings


def _in_words(model: type[BaseModel], loc: Loc, error: Mapping[str, Any]) -> str:
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


# ------------------------------------------------------------------------------------------------ names and addresses


def clean_text(text: str) -> str:
    """A name or title with single spaces and composed accents.

    Raises:
        ValueError: It is empty or overlong, or holds markup, control or invisible characters; says so in words.
    """
    text = unicodedata.normalize("NFC", " ".join(text.split()))
    if not text:
        raise ValueError("is empty; fill it in")
    if len(text) > _LONGEST_TEXT:
        raise ValueError(f"is longer than {_LONGEST_TEXT} characters; shorten it")
    if odd := next((c for c in text if unicodedata.category(c) in {"Cc", "Cf", "Cs"} and c not in _JOINERS), None):
        raise ValueError(f"holds the invisible character {_named(odd)}; remove it")
    if markup := _MARKUP.search(text):
        raise ValueError(f"holds the markup '{markup[0]}'; write the plain text")
    return text


def clean_name(text: str) -> str:
    """As `clean_text`, and it holds a letter."""
    text = clean_text(text)
    if not any(c.isalpha() for c in text):
        raise ValueError(f"is '{text}', which holds no letter; write the name")
    return text


def checked_address(text: str) -> str:
    """An http(s) address with a host and no password.

    Raises:
        ValueError: It is none; says why in words.
    """
    text = text.strip()
    if any(c.isspace() or unicodedata.category(c) in {"Cc", "Cf", "Cs"} for c in text):
        raise ValueError(f"is {text!r}, which holds a space or invisible character; copy the address again")
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"is '{text}', which is no address ({error})") from None
    if parts.scheme not in {"http", "https"} or not host:
        raise ValueError(f"is '{text}', which is no address on the web; start it with https://")
    if parts.username is not None or parts.password is not None:
        raise ValueError("holds a user name or password, which would end up in tables and logs; leave them out")
    return text


def _listing_address(text: str) -> str:
    text = checked_address(text)
    if youtube_id(text) and "list=" not in text:
        raise ValueError(f"is '{text}', which is one video; give the address of a channel or playlist")
    return text


def _one_recording(text: str) -> str:
    text = checked_address(text)
    if is_youtube(text) and not youtube_id(text):
        raise ValueError(f"is '{text}', which is no single video; give 'channel' or 'playlist' instead of 'addresses'")
    return text


def _path_text(text: str) -> str:
    if not text.strip() or any(unicodedata.category(c) == "Cc" for c in text):
        raise ValueError("is empty or holds a control character; write the folder's path")
    return text


def _blank_is_none(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _named(character: str | int) -> str:
    code = character if isinstance(character, int) else ord(character)
    return f"U+{code:04X}"


Text = Annotated[str, AfterValidator(clean_text)]
"""One line of text."""

OptionalText = Annotated[Text | None, BeforeValidator(_blank_is_none)]
"""One line of text that may be left out or blank."""

PathText = Annotated[str, AfterValidator(_path_text)]
"""A path, with its spaces as they are."""

Name = Annotated[str, AfterValidator(clean_name)]
"""A name of a person or thing."""

Texts = Annotated[list[Text], BeforeValidator(_as_list)]
"""Several texts; one alone needs no brackets."""

Address = Annotated[str, AfterValidator(checked_address)]
"""A page on the web."""

ListingAddress = Annotated[str, AfterValidator(_listing_address)]
"""A channel or playlist."""

RecordingAddress = Annotated[str, AfterValidator(_one_recording)]
"""One recording."""
