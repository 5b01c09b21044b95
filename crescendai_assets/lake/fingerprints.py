"""Fingerprints: short content hashes that decide what is stale.

A fingerprint is made of values, never of names or times. What goes into one is decided by the stage it guards.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, is_dataclass
from typing import Any


def fingerprint(*parts: Any) -> str:
    """BLAKE2b-128 of the parts as canonical JSON: equal for equal values on every machine.

    Dataclasses count as the mapping of their fields; key order does not matter, list order does.
    """
    return hashlib.blake2b(_canonical(parts).encode(), digest_size=16).hexdigest()


def digest_lines(lines: Iterable[str]) -> str:
    """BLAKE2b-128 over lines in their order, for contents too large to hold at once."""
    digest = hashlib.blake2b(digest_size=16)
    for line in lines:
        digest.update(line.encode())
        digest.update(b"\n")
    return digest.hexdigest()


def canonical_row(row: Mapping[str, Any]) -> str:
    """One row as canonical JSON: sorted keys, no spaces, UTF-8."""
    return _canonical(row)


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=_plain)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"a fingerprint takes JSON values and dataclasses, not {type(value).__name__}")
