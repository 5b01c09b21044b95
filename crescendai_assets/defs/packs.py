"""Embeddings of each tier packed into one array for training: `<tier>/pack`.

What a pack holds and when it is stale is decided in `training.packing`. Never automated: a pack is as large as the
embeddings themselves and only training reads it, so it is materialized before a training run.
"""

from collections.abc import Sequence

import dagster as dg
from pydantic import Field

from crescendai_assets.defs import competition, maestro, percepiano_embeddings, youtube
from crescendai_assets.defs.checks import IDEMPOTENT, Subject, asset_check
from crescendai_assets.defs.metadata import Metadata, Shown, clear_errors
from crescendai_assets.defs.resources import EncoderResource, LakeResource
from crescendai_assets.lake.compiled import check_compiled
from crescendai_assets.lake.layout import Tier
from crescendai_assets.lake.tables import read_rows
from crescendai_assets.lake.verify import Outcome, both, check_schema
from crescendai_assets.training.packing import PRODUCTS, PlannedPack, check_pack, pack_facts, plan_pack, write_pack
from crescendai_assets.training.packs import PACKED_EMBEDDINGS, pack_files, pack_on_disk

_COLUMNS = ("segment_id", "start", "frames")


class PackConfig(dg.Config):
    """How a pack is written."""

    dtype: str = Field(
        "", description="float32 or float16, which takes half the room; empty: as the pack is, float32 at first."
    )


def _pack_asset(tier: str, embeddings: Sequence[dg.AssetsDefinition]) -> dg.AssetsDefinition:
    @dg.asset(
        key_prefix=tier,
        name="pack",
        group_name=tier,
        owners=[f"team:{tier}"],
        deps=list(embeddings),
        kinds={"numpy", "jsonlines"},
        code_version="1",
    )
    def pack(
        context: dg.AssetExecutionContext, config: PackConfig, lake: LakeResource, encoder: EncoderResource
    ) -> dg.MaterializeResult:
        """All partitions' embeddings in one array mapped into memory, with an index: what training reads fastest.

        Rewritten only when embeddings changed. Materialize it before training.
        """
        with clear_errors():
            planned = _planned(lake.tier(tier, encoder.set_name()), config.dtype)
            metadata: Metadata = {"dagster/row_count": sum(len(one.rows) for one in planned)}
            for one in planned:
                wrote = write_pack(one, progress=context.log.info)
                files, name = pack_files(one.tier, one.product.asset), one.product.asset
                metadata[f"{name}_state"] = "written" if wrote else "nothing to do: as it was"
                metadata[f"{name}_array"] = dg.MetadataValue.path(str(files.array))
                metadata |= {f"{name}_{fact}": value for fact, value in pack_facts(one).items()}
            first = planned[0]
            shown = Shown(PACKED_EMBEDDINGS, pack_files(first.tier, first.product.asset).index, _COLUMNS)
            return dg.MaterializeResult(
                metadata={**metadata, **shown.metadata()}, data_version=dg.DataVersion(_version(planned))
            )

    made: dg.AssetsDefinition = pack
    return made


def _planned(tier: Tier, dtype: str = "") -> list[PlannedPack]:
    """What each pack of a tier has to hold; in the type that it has where none is asked for."""
    there = {one.asset: pack_on_disk(pack_files(tier, one.asset)).dtype for one in PRODUCTS[tier.name]}
    return [plan_pack(tier, one, dtype or there[one.asset] or "float32") for one in PRODUCTS[tier.name]]


def _version(planned: Sequence[PlannedPack]) -> str:
    return "-".join(one.digest for one in planned)


def _tier(subject: Subject, name: str) -> Tier:
    found: Tier = subject.resources.lake.tier(name, subject.resources.encoder.set_name())
    return found


def _idempotent(subject: Subject, name: str) -> Outcome:
    planned = _planned(_tier(subject, name))
    on_disk = "-".join(pack_on_disk(pack_files(one.tier, one.product.asset)).digest for one in planned)
    found = check_compiled(_version(planned), on_disk, subject.last_run.data_version)
    for one in planned:
        found = both(found, check_pack(one, deep=subject.deep))
    return found


def _schema(subject: Subject, name: str) -> Outcome:
    tier = _tier(subject, name)
    tables = [pack_files(tier, one.asset).index for one in PRODUCTS[name]]
    found = [check_schema(PACKED_EMBEDDINGS, list(read_rows(table))) for table in tables]
    return found[0] if len(found) == 1 else both(*found)


_RESOURCES = frozenset({"lake", "encoder"})


def _checks(name: str, asset: dg.AssetsDefinition) -> list[dg.AssetChecksDefinition]:
    return [
        asset_check(
            asset,
            "idempotent",
            lambda subject: _idempotent(subject, name),
            description=IDEMPOTENT + " The array holds what the files do; a sample, all with deep.",
            resources=_RESOURCES,
        ),
        asset_check(
            asset,
            "schema",
            lambda subject: _schema(subject, name),
            description="Every row of the index fits its schema, ids are in order and none stands twice.",
            resources=_RESOURCES,
            blocking=True,
        ),
    ]


percepiano_pack = _pack_asset("percepiano", [percepiano_embeddings.embeddings])
competition_pack = _pack_asset("competition", [competition.embeddings])
maestro_pack = _pack_asset("maestro", [maestro.embeddings])
youtube_pack = _pack_asset("youtube", [youtube.embeddings, youtube.augmented_pairs])

_PACKS = {
    "percepiano": percepiano_pack,
    "competition": competition_pack,
    "maestro": maestro_pack,
    "youtube": youtube_pack,
}

CHECKS = [check for name, asset in _PACKS.items() for check in _checks(name, asset)]
