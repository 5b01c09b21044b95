"""What a check answers. Belongs here: the shape of an answer, nothing that looks at the machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warn", "missing"]
"""`ok`: nothing to do. `warn`: works, with a limit that the advice names, or only some tiers need it.
`missing`: something needed is not there, or is there in a form known to fail."""


@dataclass(frozen=True)
class Finding:
    """One matter of the machine: how it stands and what to do.

    Attributes:
        name: The matter, in a few words; unique within a diagnosis.
        status: How it stands.
        found: What was seen.
        advice: What to do; empty where there is nothing to do.
    """

    name: str
    status: Status
    found: str
    advice: str = ""
