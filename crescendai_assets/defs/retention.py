"""Letting go of working audio, and publishing what may leave: a job by partition, and an asset for the whole lake."""

import os
from typing import Any

import dagster as dg
from pydantic import Field

from crescendai_assets.defs import competition, composite_labels, maestro, percepiano_embeddings, youtube
from crescendai_assets.defs.checks import LastRun, Subject, asset_check
from crescendai_assets.defs.metadata import clear_errors, rows_table
from crescendai_assets.defs.resources import LakeResource
from crescendai_assets.defs.tier import TierShape
from crescendai_assets.defs.tier_checks import (
    embeddings_fit,
    embeddings_idempotent,
    embeddings_schema,
    one_per_segment,
    segments_idempotent,
)
from crescendai_assets.embeddings.augmented import check_pairs
from crescendai_assets.embeddings.folder import CLEAN, Product
from crescendai_assets.embeddings.retention import DiscardReport, discard_raw_audio
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.publishing import PublishOptions, check_published, publish
from crescendai_assets.lake.verify import Outcome

SHAPES = {shape.name: shape for shape in (competition.SHAPE, maestro.SHAPE, youtube.SHAPE)}

PUBLISH_VARIABLE = "CRESCENDAI_PUBLISH"


class DiscardConfig(dg.Config):
    """Whose working audio is let go."""

    tier: str = Field(description="competition, maestro or youtube.")
    partition: str = Field(description="Its key, such as chopin2021.")


@dg.op(
    name="discard",
    required_resource_keys={"lake", "segmenting", "encoder", "augmentation"},
)
def _discard(context: dg.OpExecutionContext, config: DiscardConfig) -> None:
    with clear_errors():
        if config.tier not in SHAPES:
            raise SetupError(f"tier {config.tier!r} is not one of {', '.join(SHAPES)}")
        shape, use = SHAPES[config.tier], context.resources
        subject = Subject(config.partition, LastRun(None), use, deep=False)
        products = (CLEAN, use.augmentation.chosen().product) if shape is youtube.SHAPE else (CLEAN,)
        refuse_unsound(shape, subject, products)
        report = discard_raw_audio(
            shape.partition(subject),
            shape.recordings,
            shape.inherited,
            use.segmenting.rule(),
            products,
            progress=context.log.info,
        )
        context.log_event(
            dg.AssetObservation(
                asset_key=dg.AssetKey([shape.name, "recordings"]),
                partition=config.partition,
                description="working audio discarded",
                metadata=_shown(report),
            )
        )


@dg.job(
    name="discard_raw_audio",
    description="Remove the working copies of a partition's recordings that are cut and embedded (T4: in pairs, too), "
    "after its checks have been made again and passed. Their rows say so, and nothing done becomes undone.",
)
def discard_raw_audio_job() -> None:
    """Let go of working audio."""
    _discard()


def refuse_unsound(shape: TierShape, subject: Subject, products: tuple[Product, ...]) -> None:
    """Make the partition's checks again, now: that they passed once says little of the files today.

    Raises:
        SetupError: One does not pass; nothing was removed.
    """
    verdicts: list[tuple[str, Outcome]] = [("segments: idempotent", segments_idempotent(shape, subject))]
    for product in products:
        verdicts += [
            (f"{product.asset}: {name}", look(shape, product, subject))
            for name, look in (
                ("idempotent", embeddings_idempotent),
                ("finite_and_shaped", embeddings_fit),
                ("one_embedding_per_segment", one_per_segment),
            )
        ]
        verdicts.append((f"{product.asset}: schema", embeddings_schema(shape, product, subject)))
        if product is not CLEAN:
            verdicts.append((f"{product.asset}: pairs", check_pairs(shape.partition(subject), product)))
    failed = [f"{name}: {verdict.summary}" for name, verdict in verdicts if not verdict.passed]
    if failed:
        raise SetupError(f"{shape.name} {subject.partition}: nothing was removed, for checks fail: {'; '.join(failed)}")


def _shown(report: DiscardReport) -> dict[str, Any]:
    kept = [{"recording_id": i, "why": why} for i, why in sorted(report.kept.items())]
    return {
        "recordings_discarded": len(report.discarded),
        "bytes_discarded": report.bytes,
        "discarded_before": report.before,
        "read_in_place": report.in_place,
        "kept": len(kept),
        **({"kept_recordings": rows_table(kept[:50])} if kept else {}),
    }


class PublishConfig(dg.Config):
    """Settings of one publication."""

    prune: bool = Field(False, description="Remove from the address what is no longer here.")


@dg.asset(
    name="published",
    group_name="publishing",
    owners=["team:publishing"],
    kinds={"fsspec"},
    code_version="1",
    deps=[
        maestro.metadata,
        maestro.contrastive_mapping,
        youtube.metadata,
        youtube.augmented_pairs,
        competition.ordinal,
        competition.embeddings,
        maestro.embeddings,
        youtube.embeddings,
        percepiano_embeddings.embeddings,
        composite_labels.labels,
    ],
)
def published(context: dg.AssetExecutionContext, config: PublishConfig, lake: LakeResource) -> dg.MaterializeResult:
    """Embeddings and tables at `$CRESCENDAI_PUBLISH`, any fsspec URL; audio never leaves.

    Only what differs is sent. Started by a person.
    """
    with clear_errors():
        report = publish(lake.opened(), _address(), PublishOptions(prune=config.prune), progress=context.log.info)
        failures = [{"path": failure.path, "why": failure.message} for failure in report.failures]
        metadata = {
            "summary": report.summary(),
            "address": report.address,
            "dagster/row_count": report.files,
            "sent": report.sent,
            "sent_bytes": report.sent_bytes,
            "unchanged": report.unchanged,
            "no_longer_here": report.removed,
            "pruned": report.pruned,
            **({"failures": rows_table(failures[:50])} if failures else {}),
        }
        if report.hopeless:
            raise dg.Failure(f"nothing could be published: {failures[0]['why']}", metadata, allow_retries=False)
        return dg.MaterializeResult(metadata=metadata, data_version=dg.DataVersion(report.digest))


def _address() -> str:
    address = os.environ.get(PUBLISH_VARIABLE, "")
    if not address:
        raise SetupError(f"{PUBLISH_VARIABLE} is not set: give it a folder or any fsspec URL, such as s3://bucket/name")
    return address


CHECKS = [
    asset_check(
        published,
        "as_published",
        lambda subject: check_published(subject.resources.lake.opened(), _address(), deep=subject.deep),
        description="What is at the address is what is here: by manifest and sizes; with deep, by contents.",
    )
]
