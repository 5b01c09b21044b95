"""From a domain report to what a person sees on an asset's page: counts, tables, pictures, links, data version."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from crescendai_assets.lake.errors import RecordingError, SetupError
from crescendai_assets.lake.ledger import Failure
from crescendai_assets.lake.stage import Options, StageReport
from crescendai_assets.lake.tables import Table

SHOWN_ROWS = 5
SHOWN_FAILURES = 50

Metadata = dict[str, Any]


@dataclass(frozen=True)
class Shown:
    """A table as an asset's page shows it: link, columns of the contract, and a sample of a few telling columns."""

    table: Table
    path: Path
    columns: tuple[str, ...]

    def metadata(self) -> Metadata:
        """What to record."""
        sample = [{c: row.get(c) for c in self.columns} for row in self.table.head(self.path, SHOWN_ROWS)]
        return {
            "table": dg.MetadataValue.path(str(self.path)),
            "dagster/uri": self.path.as_uri(),
            "dagster/column_schema": column_schema(self.table),
            "sample": rows_table(sample),
        }


def materialized(report: StageReport, table: Shown, options: Options, **more: Any) -> dg.MaterializeResult:
    """The result of a per-recording asset; `more` comes first on its page.

    Raises:
        dagster.Failure: There was work and none of it succeeded.
    """
    metadata = {**more, **stage_metadata(report, options), **table.metadata()}
    if report.hopeless:
        first = next((f.message for f in report.failures if f.recording_id in report.plan.pending), "see the log")
        of = f" of {report.partition}" if report.partition else ""
        raise dg.Failure(
            f"{report.asset}{of}: all {len(report.plan.pending)} recordings failed; the first: {first}",
            metadata=metadata,
            allow_retries=False,
        )
    return dg.MaterializeResult(metadata=metadata, data_version=dg.DataVersion(report.digest))


def stage_metadata(report: StageReport, options: Options) -> Metadata:
    """Counts of a run: what was new, skipped, stale, failed; how fast."""
    plan = report.plan
    metadata: Metadata = {
        "summary": report.summary(),
        **({"failures": failure_table(report.failures)} if report.failures else {}),
        f"dagster/{'partition_' if report.partition else ''}row_count": report.rows,
        "new": len(plan.new),
        "stale": len(plan.stale),
        "skipped_up_to_date": len(plan.done),
        "succeeded": report.succeeded,
        "failed": report.failed_now,
        **({"untried": report.untried} if report.untried else {}),
        "failed_before_and_waiting": len(plan.waiting),
        "removed_from_source": len(plan.removed),
        "pruned": report.pruned,
        "seconds": round(report.seconds, 2),
        **report.facts,
    }
    if options.limit is not None:
        metadata |= {"limit": options.limit, "beyond_limit": len(plan.beyond_limit)}
    if report.audio_seconds:
        metadata["times_real_time"] = round(report.audio_seconds / report.seconds, 1)
    if plan.removed:
        metadata["removed_recordings"] = dg.MetadataValue.json(list(plan.removed[:SHOWN_FAILURES]))
    return metadata


def column_schema(table: Table) -> dg.TableSchema:
    """Columns of the contract."""
    kinds = {name: spec.get("type", "string") for name, spec in table.schema["properties"].items()}
    named = {name: kind if isinstance(kind, str) else " or ".join(kind) for name, kind in kinds.items()}
    return dg.TableSchema(columns=[dg.TableColumn(name, kind) for name, kind in named.items()])


def failure_table(failures: Sequence[Failure]) -> Any:
    """The failure ledger, worst first to be read."""
    keys = ("error_class", "message", "recording_id", "attempts", "retry_at")
    return rows_table([{k: getattr(f, k) for k in keys} for f in failures[:SHOWN_FAILURES]])


def rows_table(rows: Sequence[Mapping[str, Any]]) -> Any:
    """Rows as a table; an empty one says so."""
    if not rows:
        return dg.MetadataValue.text("no rows")
    columns = list(dict.fromkeys(key for row in rows for key in row))
    records = [dg.TableRecord({c: _cell(row.get(c)) for c in columns}) for row in rows]
    return dg.MetadataValue.table(records, dg.TableSchema([dg.TableColumn(c) for c in columns]))


def picture(png: bytes, alt: str) -> Any:
    """A PNG, shown in place."""
    return dg.MetadataValue.md(f"![{alt}](data:image/png;base64,{base64.b64encode(png).decode()})")


@contextmanager
def clear_errors() -> Iterator[None]:
    """Show what a person has to change instead of a stack trace, and do not retry it."""
    try:
        yield
    except (SetupError, RecordingError) as error:
        raise dg.Failure(str(error), allow_retries=False) from error


def _cell(value: Any) -> str | int | float | bool | None:
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, Mapping):
        return " ".join(f"{name}={one:.4g}" if isinstance(one, float) else f"{one}" for name, one in value.items())
    return ", ".join(str(_cell(one)) for one in value) if isinstance(value, list | tuple) else str(value)
