"""The failure ledger: every recording that could not be used, why, and when it is tried again.

One row a recording and stage. A success removes the row; nothing else does.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path

from crescendai_assets.lake.errors import ErrorClass, RecordingError
from crescendai_assets.lake.tables import Row, read_rows

FIRST_WAIT = timedelta(minutes=5)
LONGEST_WAIT = timedelta(days=1)


@dataclass(frozen=True)
class Failure:
    """One row of the ledger. Times are ISO 8601 in UTC."""

    recording_id: str
    stage: str
    error_class: ErrorClass
    message: str
    fingerprint: str
    attempts: int
    first_failed_at: str
    last_failed_at: str
    retry_at: str | None

    def is_due(self, fingerprint: str, now: datetime) -> bool:
        """Whether the rules of its class let it be tried now, against what is wanted now.

        A changed source or changed parameters always give another try.
        """
        if fingerprint != self.fingerprint or self.error_class == "blocked":
            return True
        return self.error_class == "retry" and (self.retry_at is None or now >= datetime.fromisoformat(self.retry_at))

    def to_row(self) -> Row:
        """As stored."""
        return asdict(self)


def failed(
    recording_id: str,
    stage: str,
    fingerprint: str,
    error: RecordingError,
    before: Failure | None,
    now: datetime,
) -> Failure:
    """The ledger row after one more failure; `before` is the row that stood there for the same recording.

    A `retry` is due at once after the first failure, then after 5 minutes, 20, 80, ... up to a day.
    """
    same = before is not None and before.fingerprint == fingerprint and before.error_class == error.error_class
    attempts = before.attempts + 1 if before and same else 1
    wait = min(FIRST_WAIT * 4 ** min(attempts - 2, 8), LONGEST_WAIT) if attempts > 1 else None
    return Failure(
        recording_id=recording_id,
        stage=stage,
        error_class=error.error_class,
        message=str(error).encode(errors="backslashreplace").decode(),  # it may quote an unreadable file name
        fingerprint=fingerprint,
        attempts=attempts,
        first_failed_at=before.first_failed_at if before and same else now.isoformat(timespec="seconds"),
        last_failed_at=now.isoformat(timespec="seconds"),
        retry_at=(now + wait).isoformat(timespec="seconds") if error.error_class == "retry" and wait else None,
    )


def read_failures(path: Path) -> dict[str, Failure]:
    """The ledger by recording id."""
    known = {f.name for f in fields(Failure)}
    rows = read_rows(path)
    return {row["recording_id"]: Failure(**{k: v for k, v in row.items() if k in known}) for row in rows}


def now_utc() -> datetime:
    """The time a failure is written with."""
    return datetime.now(UTC)
