"""Checks of the MAESTRO assets: is there still work, do tables fit their schemas, are embeddings sound, do splits hold.

Verdicts come from the domain; here each is bound to its asset.
"""

from collections.abc import Callable
from pathlib import Path

import dagster as dg

from crescendai_assets.defs import maestro
from crescendai_assets.defs.checks import Subject, asset_check
from crescendai_assets.defs.maestro import TIER
from crescendai_assets.embeddings.folder import committed_embeddings, wanted_embeddings
from crescendai_assets.embeddings.identity import EncoderIdentity, read_identity
from crescendai_assets.embeddings.verify import check_files, check_finite_and_shaped, check_one_per_segment
from crescendai_assets.lake.layout import Partition, Tier
from crescendai_assets.lake.schemas import (
    CONTRASTIVE_RECORDINGS,
    EMBEDDINGS,
    MAESTRO_RECORDINGS,
    MAESTRO_SEGMENTS,
)
from crescendai_assets.lake.tables import Table, read_rows
from crescendai_assets.lake.verify import Outcome, both, check_schema, check_stage
from crescendai_assets.sources.maestro import INHERITED, committed_recordings, list_year
from crescendai_assets.sources.segmenting import committed_segments, wanted_segments
from crescendai_assets.training.contrastive import (
    check_compiled,
    check_splits,
    check_two_recordings,
    plan_mapping,
    plan_metadata,
)

_LAKE = frozenset({"lake"})
_ENCODED = frozenset({"lake", "encoder"})
_IDEMPOTENT = "Planning the work again from disk finds nothing to do, and the content is what the run recorded."


def _year(subject: Subject) -> Partition:
    year: Partition = subject.resources.lake.partition(TIER, subject.partition)
    return year


def _embedded_year(subject: Subject) -> Partition:
    encoder = subject.resources.encoder
    year: Partition = subject.resources.lake.partition(TIER, subject.partition, encoder.set_name())
    return year


def _tier(subject: Subject) -> Tier:
    tier: Tier = subject.resources.lake.tier(TIER, subject.resources.encoder.set_name())
    return tier


def _identity(year: Partition, subject: Subject) -> EncoderIdentity:
    """Who made the folder; who would, when nobody has yet."""
    found = read_identity(year.embedding_folder)
    if found is None:
        found = subject.resources.encoder.open().identity
    return found


def _recordings_idempotent(subject: Subject) -> Outcome:
    year, source = _year(subject), subject.resources.maestro
    listing = list_year(year, source.required_source(), source.performers_csv())
    run = subject.last_run
    return check_stage(
        year,
        "recordings",
        MAESTRO_RECORDINGS,
        listing.wanted,
        lambda: committed_recordings(year),
        run.data_version,
        run.limit,
    )


def _segments_idempotent(subject: Subject) -> Outcome:
    year, rule, run = _year(subject), subject.resources.segmenting.rule(), subject.last_run
    return check_stage(
        year,
        "segments",
        MAESTRO_SEGMENTS,
        lambda: wanted_segments(year, INHERITED, rule),
        lambda: committed_segments(year, INHERITED),
        run.data_version,
        run.limit,
    )


def _embeddings_idempotent(subject: Subject) -> Outcome:
    year, run = _embedded_year(subject), subject.last_run
    planned = check_stage(
        year,
        "embeddings",
        EMBEDDINGS,
        lambda: wanted_embeddings(year, _identity(year, subject)),
        lambda: committed_embeddings(year),
        run.data_version,
        run.limit,
    )
    return both(planned, check_files(year, deep=subject.deep))


def _metadata_idempotent(subject: Subject) -> Outcome:
    tier = _tier(subject)
    return check_compiled(
        plan_metadata(tier), MAESTRO_SEGMENTS.digest(read_rows(tier.metadata)), subject.last_run.data_version
    )


def _mapping_idempotent(subject: Subject) -> Outcome:
    tier = _tier(subject)
    planned = plan_mapping(tier)
    return check_compiled(planned.digest, planned.digest_on_disk(tier), subject.last_run.data_version)


def _schema(asset: dg.AssetsDefinition, table: Table, path: Callable[[Subject], Path]) -> dg.AssetChecksDefinition:
    return asset_check(
        asset,
        "schema",
        lambda subject: check_schema(table, list(read_rows(path(subject)))),
        description="Every row fits its schema, ids are in order and none stands twice.",
        resources=_ENCODED,
        blocking=True,
    )


CHECKS = [
    asset_check(
        maestro.recordings,
        "idempotent",
        _recordings_idempotent,
        description=_IDEMPOTENT,
        resources=frozenset({"lake", "maestro"}),
    ),
    asset_check(
        maestro.segments,
        "idempotent",
        _segments_idempotent,
        description=_IDEMPOTENT,
        resources=frozenset({"lake", "segmenting"}),
    ),
    asset_check(
        maestro.embeddings,
        "idempotent",
        _embeddings_idempotent,
        description=_IDEMPOTENT
        + " Files: none missing or astray, sizes as recorded, contents of a sample (all with deep).",
        resources=_ENCODED,
    ),
    asset_check(maestro.metadata, "idempotent", _metadata_idempotent, description=_IDEMPOTENT, resources=_ENCODED),
    asset_check(
        maestro.contrastive_mapping,
        "idempotent",
        _mapping_idempotent,
        description=_IDEMPOTENT,
        resources=_ENCODED,
    ),
    _schema(maestro.recordings, MAESTRO_RECORDINGS, lambda s: _year(s).stage("recordings").table),
    _schema(maestro.segments, MAESTRO_SEGMENTS, lambda s: _year(s).stage("segments").table),
    _schema(maestro.embeddings, EMBEDDINGS, lambda s: _embedded_year(s).stage("embeddings").table),
    _schema(maestro.metadata, MAESTRO_SEGMENTS, lambda s: _tier(s).metadata),
    _schema(maestro.contrastive_mapping, CONTRASTIVE_RECORDINGS, lambda s: _tier(s).contrastive_recordings),
    asset_check(
        maestro.embeddings,
        "finite_and_shaped",
        lambda subject: check_finite_and_shaped(_embedded_year(subject), deep=subject.deep),
        description="Embeddings are finite float32 (frames, 1024), as long as their segment; a sample, all with deep.",
        resources=_ENCODED,
        blocking=True,
    ),
    asset_check(
        maestro.embeddings,
        "one_embedding_per_segment",
        lambda subject: check_one_per_segment(_embedded_year(subject)),
        description="Each segment has exactly one embedding; those of failed recordings are left out and counted.",
        resources=_ENCODED,
    ),
    asset_check(
        maestro.contrastive_mapping,
        "no_split_leak",
        lambda subject: check_splits(_tier(subject)),
        description="No sound stands in two splits; works that MAESTRO itself has in several are counted.",
        resources=_ENCODED,
        blocking=True,
    ),
    asset_check(
        maestro.contrastive_mapping,
        "mapping_has_two_recordings",
        lambda subject: check_two_recordings(_tier(subject)),
        description="Each work has two or more distinct recordings, and each segment named has an embedding.",
        resources=_ENCODED,
        blocking=True,
    ),
]
