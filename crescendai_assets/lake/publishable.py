"""What may leave the lake: embeddings and tables do, audio stays, because only its owner may give it away.

What leaves is allowed by name and place, never merely "not forbidden": tables and documents directly in a cache, in a
partition or among composite labels, the `.pt` files that their rows name, and the identity of their encoder. Failure
ledgers stay, because their messages quote folders of this machine; a document that names such a folder, or holds
cookies, stays too.

Here: the plan, and the manifest that lists it at the address. Not here: sending and comparing (`publishing`).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.files import MAX_ID_BYTES, checked_id
from crescendai_assets.lake.layout import CACHES, COMPOSITE_LABELS, Lake, Partition, Tier
from crescendai_assets.lake.tables import Table, read_rows

MANIFEST_FILE = "manifest.jsonl"

_FOLDERS = (*CACHES.values(), COMPOSITE_LABELS)

MANIFEST = Table(
    "published files",
    "path",
    {
        "type": "object",
        "required": ["path", "bytes", "sha256"],
        "properties": {
            # in a cache or beside them, and no part begins with a dot: pruning removes what stands here
            "path": {"type": "string", "pattern": rf"^(?:{'|'.join(_FOLDERS)})(?:/[^/.][^/]*)+$"},
            "bytes": {"type": "integer", "minimum": 0},
            "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        },
    },
)

# lower-case names as the contract has them, with an embedding set or a version behind a hyphen; what a source listed
# when it was asked last is a note of work, not a table for readers
_DOCUMENT = re.compile(
    r"(?!.*(?i:cookie|credential|password|secret))(?!.*\.info\.|discovered\.)[a-z0-9][a-z0-9_]*(-.+)?\.(jsonl|json|yaml)"
)
_NAMES_FILES = re.compile(r"(embeddings|augmented_pairs)(?:-(.+))?\.jsonl")
_NO_PARTITION = {"", "audio", "partial", "journal", "failures"}


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """Contents of a file; for an embedding also the table, below the root, whose row says so."""

    bytes: int
    sha256: str
    table: str = field(default="", compare=False)


# what a site or a user's catalogue wrote for people to read; a title may hold "/home/" and mean nothing by it
_SAID_BY_OTHERS = re.compile(rb'"(?:title|piece|uploader|channel|performer|canonical_title)": "(?:[^"\\]|\\.)*"')


@dataclass(frozen=True)
class Plan:
    """What should be published, by path below the root, and documents that would be: path -> what must leave them."""

    files: dict[str, PublishedFile]
    refused: dict[str, str]

    def size(self, paths: Iterable[str]) -> int:
        """Bytes of these files."""
        return sum(self.files[path].bytes for path in paths)


def plan_publish(lake: Lake) -> Plan:
    """What should be published, from names, tables and the contents of documents.

    The hashes of embeddings are those of their rows; that a file still has them is checked when it is sent.

    Raises:
        SetupError: The root is not there, or a table cannot be read or names a file outside its folder.
    """
    if not lake.root.is_dir():
        raise SetupError(f"{lake.root}: no such folder, so there is nothing to publish; set CRESCENDAI_DATA")
    plan = Plan({}, {})
    for tier in map(lake.tier, CACHES):
        for partition in (None, *_partitions(tier)):
            folder = partition.folder if partition else tier.folder
            for path in sorted(folder.glob("*")):
                if not (_DOCUMENT.fullmatch(path.name) and path.is_file() and _add_document(plan, lake, path)):
                    continue
                if naming := _NAMES_FILES.fullmatch(path.name):
                    of_set = Tier(tier.name, tier.folder, naming[2] or "")
                    named = of_set.embeddings(partition, augmented=naming[1] == "augmented_pairs")
                    _add_named(plan, lake, path, named)
    for path in sorted((lake.root / COMPOSITE_LABELS).glob("*")):
        if _DOCUMENT.fullmatch(path.name) and path.is_file():
            _add_document(plan, lake, path)
    return plan


def encode_manifest(files: Mapping[str, PublishedFile]) -> bytes:
    """The manifest that lists these files, the same bytes for the same contents."""
    rows = ({"path": path, "bytes": file.bytes, "sha256": file.sha256} for path, file in sorted(files.items()))
    return b"".join(MANIFEST.encoded(Path(MANIFEST_FILE), row) for row in rows)


def decode_manifest(data: bytes, where: str) -> dict[str, PublishedFile]:
    """The files that a manifest lists.

    Raises:
        SetupError: It is none of ours; it would be written over.
    """
    files: dict[str, PublishedFile] = {}
    for number, line in enumerate(data.splitlines(), start=1):
        try:
            row = json.loads(line)
            fault = MANIFEST.fault(row)
        except ValueError as error:
            fault = str(error)
        if fault:
            raise SetupError(
                f"{where}/{MANIFEST_FILE}, line {number}: not from a manifest of published files ({fault}). Publish to "
                "a folder of its own; or, if the file is ours and damaged, remove it, and everything is sent again"
            )
        files[row["path"]] = PublishedFile(row["bytes"], row["sha256"])
    return files


def _partitions(tier: Tier) -> list[Partition]:
    keys = {p.key for asset in ("recordings", "segments", "embeddings") for p in tier.partitions(asset)}
    return [tier.partition(key) for key in sorted(keys - _NO_PARTITION)]


def _add_document(plan: Plan, lake: Lake, path: Path, table: str = "") -> bool:
    """Plan a document, or refuse it for a line of it that must not leave."""
    relative = path.relative_to(lake.root).as_posix()
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if found := _private_text().search(_SAID_BY_OTHERS.sub(b"{}", line)):
                what = found["what"].decode(errors="replace")
                plan.refused[relative] = (
                    f"{path}, line {number}: holds {what!r}, which looks like a path of this machine or like cookies; "
                    "take it out of the file, which stays here until then"
                )
                return False
            digest.update(line)
            size += len(line)
    plan.files[relative] = PublishedFile(size, digest.hexdigest(), table)
    return True


def _add_named(plan: Plan, lake: Lake, table: Path, folder: Path) -> None:
    """Plan the embeddings in `folder` that the rows of a table name with their hashes, and their encoder's identity."""
    owner, inside = (path.relative_to(lake.root).as_posix() for path in (table, folder))
    named: dict[str, PublishedFile] = {}
    for row in read_rows(table):
        if not (row.get("sha256") and row.get("bytes")):
            continue  # nothing says what the file should hold, so it is not known to be an embedding
        try:
            segment_id = checked_id(str(row.get("segment_id", "")), MAX_ID_BYTES + len("_seg00000"))
        except SetupError as error:
            raise SetupError(f"{table}: {error}") from None
        named[f"{inside}/{segment_id}.pt"] = PublishedFile(row["bytes"], row["sha256"], owner)
    plan.files.update(named)
    if named and (folder / "encoder.json").is_file():
        _add_document(plan, lake, folder / "encoder.json", owner)


@cache
def _private_text() -> re.Pattern[bytes]:
    """What no line of a published document may hold: file addresses, absolute paths, cookies.

    A text that begins with a slash may also be part of a web address; a path begins with a folder that this machine
    has, or with one under which machines keep people's files.
    """
    folders = {path.name for path in Path("/").iterdir() if path.is_dir()} | {"home", "Users", "mnt", "Volumes"}
    roots = b"|".join(re.escape(os.fsencode(name)) for name in sorted(folders))
    before = rb"(?:^|[\s\"'`=(\[{<>,;:|]|\\[nrt])"  # also a line break inside a JSON text
    path = rb"file:/|~/|\\?/(?:" + roots + rb")\\?/|[A-Za-z]:\\\\"
    cookies = rb'"(?:httpOnly|expirationDate|http_headers|cookies)"\s*:'
    return re.compile(before + rb"(?P<what>" + path + rb"|" + cookies + rb")")
