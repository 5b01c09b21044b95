"""Checks of the MAESTRO assets: is there still work, do tables fit their schemas, are embeddings sound, do splits hold.

Verdicts come from the domain; here each is bound to its asset.
"""

from collections.abc import Mapping
from pathlib import Path

from crescendai_assets.defs import maestro
from crescendai_assets.defs.checks import ENCODED, IDEMPOTENT, Subject, asset_check, schema_check
from crescendai_assets.defs.maestro import SHAPE
from crescendai_assets.defs.tier_checks import stage_checks
from crescendai_assets.lake.compiled import check_compiled
from crescendai_assets.lake.layout import Tier
from crescendai_assets.lake.schemas import CONTRASTIVE_RECORDINGS, MAESTRO_SEGMENTS
from crescendai_assets.lake.tables import read_rows
from crescendai_assets.lake.verify import Outcome
from crescendai_assets.sources.maestro import list_year
from crescendai_assets.training.contrastive import (
    check_same_music,
    check_splits,
    check_two_recordings,
    plan_mapping,
    plan_metadata,
)

_WITH_MIDI = ENCODED | {"maestro"}


def _tier(subject: Subject) -> Tier:
    tier: Tier = subject.resources.lake.tier(SHAPE.name, subject.resources.encoder.set_name())
    return tier


def _source_folder(subject: Subject) -> Path | None:
    source = subject.resources.maestro.source()
    return source.folder if source else None


def _wanted_recordings(subject: Subject) -> Mapping[str, str]:
    source = subject.resources.maestro
    return list_year(SHAPE.partition(subject), source.required_source(), source.performers_csv()).wanted()


def _metadata_idempotent(subject: Subject) -> Outcome:
    tier = _tier(subject)
    return check_compiled(
        plan_metadata(tier), MAESTRO_SEGMENTS.digest(read_rows(tier.metadata)), subject.last_run.data_version
    )


def _mapping_idempotent(subject: Subject) -> Outcome:
    tier = _tier(subject)
    planned = plan_mapping(tier, _source_folder(subject))
    return check_compiled(planned.digest, planned.digest_on_disk(tier), subject.last_run.data_version)


CHECKS = [
    *stage_checks(SHAPE, maestro.recordings, maestro.segments, maestro.embeddings, _wanted_recordings),
    asset_check(maestro.metadata, "idempotent", _metadata_idempotent, description=IDEMPOTENT, resources=ENCODED),
    asset_check(
        maestro.contrastive_mapping,
        "idempotent",
        _mapping_idempotent,
        description=IDEMPOTENT,
        resources=_WITH_MIDI,
    ),
    schema_check(maestro.metadata, MAESTRO_SEGMENTS, lambda s: _tier(s).metadata, resources=ENCODED),
    schema_check(
        maestro.contrastive_mapping,
        CONTRASTIVE_RECORDINGS,
        lambda s: _tier(s).contrastive_recordings,
        resources=ENCODED,
    ),
    asset_check(
        maestro.contrastive_mapping,
        "no_split_leak",
        lambda subject: check_splits(_tier(subject)),
        description="No sound stands in two splits; works that MAESTRO itself has in several are counted.",
        resources=ENCODED,
        blocking=True,
    ),
    asset_check(
        maestro.contrastive_mapping,
        "mapping_has_two_recordings",
        lambda subject: check_two_recordings(_tier(subject)),
        description="Each work has two or more distinct recordings, and each segment named has an embedding.",
        resources=ENCODED,
        blocking=True,
    ),
    asset_check(
        maestro.contrastive_mapping,
        "verified_hold_the_same_music",
        lambda subject: check_same_music(_tier(subject), _source_folder(subject)),
        description="Any two verified recordings of a group hold the same music, by their MIDI.",
        resources=_WITH_MIDI,
        blocking=True,
    ),
]
