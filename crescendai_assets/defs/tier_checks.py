"""The checks that every tier has alike, of recordings, segments and embeddings; retention makes some of them again.

Assets are `tier`'s; verdicts come from `lake.verify` and `embeddings.verify`.
"""

from collections.abc import Callable, Mapping

import dagster as dg

from crescendai_assets.defs.checks import ENCODED, IDEMPOTENT, SCHEMA, Subject, asset_check, schema_check
from crescendai_assets.defs.tier import TierShape
from crescendai_assets.embeddings.folder import CLEAN, Product, committed_embeddings, wanted_embeddings
from crescendai_assets.embeddings.identity import EncoderIdentity, read_identity
from crescendai_assets.embeddings.verify import check_files, check_finite_and_shaped, check_one_per_segment
from crescendai_assets.lake.layout import Partition
from crescendai_assets.lake.verify import Outcome, both, check_schema, check_stage
from crescendai_assets.sources.locate import committed_recordings
from crescendai_assets.sources.segmenting import committed_segments, wanted_segments


def stage_checks(
    shape: TierShape,
    recordings: dg.AssetsDefinition,
    segments: dg.AssetsDefinition,
    embeddings: dg.AssetsDefinition,
    wanted_recordings: Callable[[Subject], Mapping[str, str]],
) -> list[dg.AssetChecksDefinition]:
    """The checks of a tier's recordings, segments and embeddings.

    Args:
        shape: The tier.
        recordings: Its assets.
        segments: The same.
        embeddings: The same.
        wanted_recordings: Recording id -> fingerprint, planned from disk and catalogue.
    """
    return [
        asset_check(
            recordings,
            "idempotent",
            lambda subject: recordings_idempotent(shape, wanted_recordings, subject),
            description=IDEMPOTENT,
            resources=ENCODED | {shape.source},
        ),
        asset_check(
            segments,
            "idempotent",
            lambda subject: segments_idempotent(shape, subject),
            description=IDEMPOTENT,
            resources=ENCODED | {"segmenting"},
        ),
        schema_check(
            recordings, shape.recordings, lambda s: shape.partition(s).stage("recordings").table, resources=ENCODED
        ),
        schema_check(segments, shape.segments, lambda s: shape.partition(s).stage("segments").table, resources=ENCODED),
        *embedding_checks(shape, embeddings, lambda _subject: CLEAN),
    ]


def embedding_checks(
    shape: TierShape,
    asset: dg.AssetsDefinition,
    product: Callable[[Subject], Product],
    resources: frozenset[str] = frozenset(),
) -> list[dg.AssetChecksDefinition]:
    """The checks of a folder of embeddings.

    Args:
        shape: The tier.
        asset: What fills the folder.
        product: Which embeddings they are.
        resources: What `product` looks at.
    """

    def check(
        name: str, look: Callable[[TierShape, Product, Subject], Outcome], description: str, *, blocking: bool = False
    ) -> dg.AssetChecksDefinition:
        return asset_check(
            asset,
            name,
            lambda subject: look(shape, product(subject), subject),
            description=description,
            resources=ENCODED | resources,
            blocking=blocking,
        )

    return [
        check(
            "idempotent",
            embeddings_idempotent,
            IDEMPOTENT + " Files: none missing or astray, sizes as recorded, contents of a sample (all with deep).",
        ),
        check("schema", embeddings_schema, SCHEMA, blocking=True),
        check(
            "finite_and_shaped",
            embeddings_fit,
            "Embeddings are finite float32 (frames, 1024), as long as their segment; a sample, all with deep.",
            blocking=True,
        ),
        check(
            "one_embedding_per_segment",
            one_per_segment,
            "Each segment has exactly one embedding; those of failed recordings are left out and counted.",
        ),
    ]


def recordings_idempotent(
    shape: TierShape, wanted: Callable[[Subject], Mapping[str, str]], subject: Subject
) -> Outcome:
    """Collecting again would change nothing."""
    partition, run = shape.partition(subject), subject.last_run
    return check_stage(
        partition,
        "recordings",
        shape.recordings,
        lambda: wanted(subject),
        lambda: committed_recordings(partition),
        run.data_version,
        run.limit,
        run.untried,
    )


def segments_idempotent(shape: TierShape, subject: Subject) -> Outcome:
    """Cutting again would change nothing."""
    partition, rule, run = shape.partition(subject), subject.resources.segmenting.rule(), subject.last_run
    return check_stage(
        partition,
        "segments",
        shape.segments,
        lambda: wanted_segments(partition, shape.inherited, rule),
        lambda: committed_segments(partition, shape.inherited),
        run.data_version,
        run.limit,
    )


def embeddings_idempotent(shape: TierShape, product: Product, subject: Subject) -> Outcome:
    """Embedding again would change nothing, and the files are as recorded."""
    partition, run = shape.partition(subject), subject.last_run
    planned = check_stage(
        partition,
        product.asset,
        product.table,
        lambda: wanted_embeddings(partition, _identity(partition, product, subject), product),
        lambda: committed_embeddings(partition, product),
        run.data_version,
        run.limit,
    )
    return both(planned, check_files(partition, product, deep=subject.deep))


def embeddings_fit(shape: TierShape, product: Product, subject: Subject) -> Outcome:
    """Embeddings are of the contract's shape."""
    return check_finite_and_shaped(shape.partition(subject), product, deep=subject.deep)


def one_per_segment(shape: TierShape, product: Product, subject: Subject) -> Outcome:
    """Each segment has one embedding."""
    return check_one_per_segment(shape.partition(subject), product)


def embeddings_schema(shape: TierShape, product: Product, subject: Subject) -> Outcome:
    """Rows of embeddings fit their schema."""
    return check_schema(product.table, list(product.rows(shape.partition(subject))))


def _identity(partition: Partition, product: Product, subject: Subject) -> EncoderIdentity:
    """Who made the folder; who would, when nobody has yet."""
    found = read_identity(product.folder(partition))
    if found is None:
        found = subject.resources.encoder.open().identity
    return found
