"""What there is to do: the difference between what is wanted and what is committed, by recording.

Dagster never skips work that is up to date, so this does. Pure: reads no file and starts no work.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from crescendai_assets.lake.ledger import Failure


@dataclass(frozen=True)
class Plan:
    """Recordings by what is to be done with them, each list sorted by id.

    Attributes:
        new: Wanted and never committed.
        stale: Committed with another fingerprint.
        done: Committed as wanted.
        removed: Committed or failed before, but no longer wanted: the recording left the source.
        waiting: Failed before and not due again by the rules of its error class.
        beyond_limit: Wanted, but past the limit of this run; neither touched nor removed.
        retried: Of the new and stale ones, those that failed before.
    """

    new: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    done: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    beyond_limit: tuple[str, ...] = ()
    retried: tuple[str, ...] = ()

    @property
    def pending(self) -> tuple[str, ...]:
        """What this run has to do, in order of id."""
        return tuple(sorted((*self.new, *self.stale)))


def resolve(
    wanted: Mapping[str, str],
    committed: Mapping[str, str],
    failures: Mapping[str, Failure],
    *,
    now: datetime,
    limit: int | None = None,
    retry_failed: bool = False,
) -> Plan:
    """Compare fingerprints by recording.

    Args:
        wanted: Recording id -> fingerprint it should have.
        committed: Recording id -> fingerprint it has.
        failures: The ledger; a failure that is not due keeps its recording out of the work.
        now: The time against which retries are due.
        limit: Only the first so many wanted recordings, by id, are considered.
        retry_failed: Try failed recordings again whatever their class.
    """
    ids = sorted(wanted)
    considered, beyond = (ids, []) if limit is None else (ids[:limit], ids[limit:])
    new, stale, done, waiting = [], [], [], []
    for recording_id in considered:
        want, have, failure = wanted[recording_id], committed.get(recording_id), failures.get(recording_id)
        if have == want:
            done.append(recording_id)
        elif failure and not retry_failed and not failure.is_due(want, now):
            waiting.append(recording_id)
        elif have is None:
            new.append(recording_id)
        else:
            stale.append(recording_id)
    removed = sorted((set(committed) | set(failures)) - set(wanted))
    retried = tuple(i for i in (*new, *stale) if i in failures)
    return Plan(tuple(new), tuple(stale), tuple(done), tuple(removed), tuple(waiting), tuple(beyond), retried)
