"""One YAML file of the catalogue: read safely, checked by a model, every complaint at its line.

Here: where catalogue files lie, and a reader that no file can make run code or fill the memory. Not here: what fields
may hold (`catalogue_fields`), complaints in words (`catalogue_words`), what an edition or a channel is
(`competitions`, `channels`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.sources.catalogue_words import Loc, Problem, code_point, in_words

CATALOGUE_VARIABLE = "CRESCENDAI_CATALOG"
MAX_BYTES = 2 * 2**20
MAX_ALIASES = 8  # enough to name a list twice; too few to multiply one into gigabytes
MAX_DEPTH = 20

_SHIPPED = Path(__file__).resolve().parents[1] / "catalog"
_PROBLEMS_SHOWN = 8
_TAG = "tag:yaml.org,2002:"
_PLAIN = {_TAG + kind for kind in ("null", "bool", "int", "float", "str", "seq", "map")}
_TEXT_TO_US = {_TAG + "timestamp", _TAG + "value"}  # a date and '=' are special to YAML, not here

Model = TypeVar("Model", bound=BaseModel)


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
            problems = [(loc + tuple(e["loc"]), in_words(model, tuple(e["loc"]), e)) for e in found]
            raise self.refusal(problems) from None


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
            f"{path}, line {line}: holds the control character {code_point(error.character)}; remove it"
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
