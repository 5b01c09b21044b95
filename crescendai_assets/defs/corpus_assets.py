"""The symbolic corpus: MIDI of a source -> performances -> tokens, graphs, features; all sources -> pretraining.

A partition is a source. Sources at hand are read in place; what a source is and how its files are told apart is decided
in `symbolic.corpus`, what may be used for pretraining in `training.corpus_roles`.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg

from crescendai_assets.defs.automation import COMPILED, PARTITIONED
from crescendai_assets.defs.checks import IDEMPOTENT, Subject, asset_check, schema_check
from crescendai_assets.defs.config import WorkConfig
from crescendai_assets.defs.corpus_resources import MidiResource
from crescendai_assets.defs.metadata import Shown, clear_errors, materialized, picture, rows_table
from crescendai_assets.defs.partitions import MIDI_SOURCES
from crescendai_assets.defs.resources import LakeResource
from crescendai_assets.lake.errors import RecordingError
from crescendai_assets.lake.layout import Partition
from crescendai_assets.lake.tables import Table, read_rows
from crescendai_assets.lake.verify import Outcome, both, check_stage
from crescendai_assets.symbolic.corpus.listing import Listing, Sources, list_source
from crescendai_assets.symbolic.corpus.performances import (
    NAME,
    committed_performances,
    corpus_tier,
    make_product,
    read_performances,
    wanted_of,
    wanted_performances,
)
from crescendai_assets.symbolic.corpus.products import Product, products
from crescendai_assets.symbolic.corpus.schemas import CORPUS, PERFORMANCES
from crescendai_assets.symbolic.corpus.shards import check_shards, committed_rows
from crescendai_assets.symbolic.midi import read_all
from crescendai_assets.symbolic.pictures import curves_picture, graph_picture, roll_picture
from crescendai_assets.training.compiling import (
    check_packs,
    compiled_path,
    digest_on_disk,
    plan_pack,
    write_pack_of_all,
)
from crescendai_assets.training.corpus_picture import corpus_picture
from crescendai_assets.training.pretraining import (
    check_current,
    check_no_evaluation_work,
    corpus_facts,
    corpus_path,
    usable_roles,
    write_corpus,
)

_COMMON: dict[str, Any] = {
    "key_prefix": "symbolic",
    "group_name": "symbolic",
    "owners": ["team:symbolic"],
    "code_version": "1",
}
_OF_A_SOURCE: dict[str, Any] = {
    **_COMMON,
    "partitions_def": MIDI_SOURCES,
    "required_resource_keys": {"lake", "midi", "asap", "maestro", "percepiano"},
}
_RESOURCES = frozenset({"lake", "midi", "asap", "maestro", "percepiano"})

_PICTURES: dict[str, Callable[..., bytes]] = {
    NAME: roll_picture,
    "tokens": roll_picture,
    "score_graphs": graph_picture,
    "hetero_graphs": graph_picture,
    "features": curves_picture,
}


def _source_of(resources: Any, key: str) -> Sources:
    """Where the MIDI of one source is; what is wrong with the setting of another is none of its business."""
    if key == "asap":
        return Sources(asap=resources.asap.root())
    if key == "atepp":
        return Sources(atepp=resources.midi.atepp_root())
    if key == "maestro":
        return Sources(maestro=resources.maestro.source(), maestro_tier=resources.lake.tier("maestro"))
    if key == "percepiano":
        return Sources(percepiano=resources.percepiano.midi_folder())
    return Sources(folders=resources.midi.folders_by_name())


def _opened(resources: Any, key: str) -> tuple[Partition, Listing]:
    return corpus_tier(resources.lake.opened()).partition(key), list_source(key, _source_of(resources, key))


def _picture_of_first(partition: Partition, listing: Listing, name: str) -> dict[str, Any]:
    """How the first performance looks; nothing when there is none, and words where it cannot be read any more."""
    row = next(read_rows(partition.stage(name).table), None)
    listed = listing.files.get(row["recording_id"]) if row else None
    if listed is None:
        return {}
    ((_, read),) = read_all([Path(listed.path)])
    title = " - ".join(filter(None, (listed.composer, listed.title))) or listed.file
    if isinstance(read, RecordingError):
        return {"picture_of_first": f"no picture: {read}"}
    return {"picture_of_first": picture(_PICTURES[name](read, title), title)}


@dg.asset(**_OF_A_SOURCE, kinds={"jsonlines"})
def performances(context: dg.AssetExecutionContext, config: WorkConfig) -> dg.MaterializeResult:
    """Every MIDI file of the source: read, or refused with a reason; work, performer, length, what was mended."""
    with clear_errors():
        (partition, listing), options = _opened(context.resources, context.partition_key), config.options()
        report = read_performances(partition, listing, options=options, progress=context.log.info)
        columns = ("recording_id", "composer", "title", "work_id", "performer_id", "notes", "seconds")
        shown = Shown(PERFORMANCES, partition.stage(NAME).table, columns)
        return materialized(report, shown, options, **_picture_of_first(partition, listing, NAME))


def _product_asset(name: str, description: str) -> dg.AssetsDefinition:
    @dg.asset(
        **_OF_A_SOURCE,
        name=name,
        deps=[performances],
        kinds={"torch"},
        automation_condition=PARTITIONED,
        description=description,
    )
    def one(context: dg.AssetExecutionContext, config: WorkConfig) -> dg.MaterializeResult:
        with clear_errors():
            (partition, listing), options = _opened(context.resources, context.partition_key), config.options()
            product = _products(context.resources)[name]
            report = make_product(partition, product, listing, options=options, progress=context.log.info)
            shown = Shown(product.table, partition.stage(name).table, tuple(product.table.schema["properties"]))
            return materialized(report, shown, options, **_picture_of_first(partition, listing, name))

    made: dg.AssetsDefinition = one
    return made


def _products(resources: Any) -> dict[str, Product]:
    return products(resources.midi.max_seq_len)


tokens = _product_asset(
    "tokens",
    "Token sequences (REMI, onsets to 6.25 ms, sustain pedal), each at most `max_seq_len` long.",
)
score_graphs = _product_asset(
    "score_graphs",
    "A graph a performance: notes with six features; temporal, harmonic and voice edges in one list with their type. "
    "Voices are the score's where (n)ASAP's alignment is there, else estimated.",
)
hetero_graphs = _product_asset("hetero_graphs", "The same graphs with edges by type, for heterogeneous networks.")
features = _product_asset(
    "features", "Curves at 50 Hz (pitch, velocity, density, pedal, inter-onset) and 81 hand features."
)
OF_PRODUCT = dict(zip(products(), (tokens, score_graphs, hetero_graphs, features), strict=True))
"""Product -> the asset that makes it."""


@dg.asset(**_COMMON, deps=[performances], kinds={"jsonlines"}, automation_condition=COMPILED)
def corpus(lake: LakeResource) -> dg.MaterializeResult:
    """What may be used for pretraining: no work that PercePiano rates, no performance twice; split by work."""
    with clear_errors():
        tier = corpus_tier(lake.opened())
        rows = write_corpus(tier)
        shown = Shown(CORPUS, corpus_path(tier), ("recording_id", "work_id", "music", "role", "why"))
        kept_out = [row for row in rows if row["why"]][:50]
        return dg.MaterializeResult(
            metadata={
                "picture_of_roles": picture(corpus_picture(rows), "what each source gives"),
                "dagster/row_count": len(rows),
                **corpus_facts(rows),
                "kept_out": rows_table([{k: row[k] for k in ("recording_id", "role", "why")} for row in kept_out]),
                **shown.metadata(),
            },
            data_version=dg.DataVersion(CORPUS.digest(rows)),
        )


@dg.asset(**_COMMON, deps=[corpus, *OF_PRODUCT.values()], kinds={"torch"}, automation_condition=COMPILED)
def pretraining(context: dg.AssetExecutionContext, lake: LakeResource, midi: MidiResource) -> dg.MaterializeResult:
    """All sources in one file a product: `tokens/all_tokens.pt`, `graphs/all_graphs.pt` and so on."""
    with clear_errors():
        tier = corpus_tier(lake.opened())
        roles = usable_roles(tier)
        metadata: dict[str, Any] = {}
        for product in products(midi.max_seq_len).values():
            planned = plan_pack(tier, product, roles)
            wrote = write_pack_of_all(tier, planned)
            context.log.info(
                f"{product.compiled}: {len(planned.rows)} performances, {'written' if wrote else 'as it was'}"
            )
            metadata[product.name] = dg.MetadataValue.path(str(compiled_path(tier, product)))
            metadata[f"{product.name}_performances"] = len(planned.rows)
            metadata[f"{product.name}_not_made"] = planned.not_made
        return dg.MaterializeResult(
            metadata={"dagster/row_count": len(roles), **metadata},
            data_version=dg.DataVersion(_packed_digest(tier, midi.max_seq_len)),
        )


def _packed_digest(tier: Any, max_seq_len: int) -> str:
    return "-".join(digest_on_disk(tier, product)[:16] for product in products(max_seq_len).values())


def _performances_idempotent(subject: Subject) -> Outcome:
    partition, listing = _opened(subject.resources, subject.partition)
    planned = check_stage(
        partition,
        NAME,
        PERFORMANCES,
        lambda: wanted_performances(listing),
        lambda: committed_performances(partition),
        subject.last_run.data_version,
        subject.last_run.limit,
    )
    return both(planned, check_shards(partition, NAME, deep=subject.deep))


def _product_idempotent(name: str, subject: Subject) -> Outcome:
    partition, listing = _opened(subject.resources, subject.partition)
    product, run = _products(subject.resources)[name], subject.last_run
    planned = check_stage(
        partition,
        name,
        product.table,
        lambda: wanted_of(partition, product, listing),
        lambda: committed_rows(partition, name),
        run.data_version,
        run.limit,
    )
    return both(planned, check_shards(partition, name, deep=subject.deep))


def _schema(asset: dg.AssetsDefinition, name: str, table: Table) -> dg.AssetChecksDefinition:
    def path(subject: Subject) -> Path:
        return corpus_tier(subject.resources.lake.opened()).partition(subject.partition).stage(name).table

    return schema_check(asset, table, path)


def _packs_idempotent(subject: Subject) -> Outcome:
    tier = corpus_tier(subject.resources.lake.opened())
    roles = usable_roles(tier)
    return check_packs(tier, [plan_pack(tier, product, roles) for product in _products(subject.resources).values()])


_NO_EVALUATION_WORK = (
    "No performance that is used for pretraining is of a work that PercePiano rates, by its name or by what it holds; "
    "none is there twice, none stands on both sides of the split."
)

CHECKS = [
    asset_check(performances, "idempotent", _performances_idempotent, description=IDEMPOTENT, resources=_RESOURCES),
    _schema(performances, NAME, PERFORMANCES),
    *(
        asset_check(
            asset,
            "idempotent",
            partial(_product_idempotent, name),
            description=IDEMPOTENT + " Shards hold what the rows say; a few, all with deep.",
            resources=_RESOURCES,
        )
        for name, asset in OF_PRODUCT.items()
    ),
    *(_schema(asset, name, products()[name].table) for name, asset in OF_PRODUCT.items()),
    asset_check(
        corpus,
        "idempotent",
        lambda subject: check_current(corpus_tier(subject.resources.lake.opened()), subject.last_run.data_version),
        description=IDEMPOTENT,
    ),
    asset_check(
        corpus,
        "no_evaluation_work",
        lambda subject: check_no_evaluation_work(corpus_tier(subject.resources.lake.opened())),
        description=_NO_EVALUATION_WORK,
        blocking=True,
    ),
    asset_check(
        pretraining, "idempotent", _packs_idempotent, description=IDEMPOTENT, resources=frozenset({"lake", "midi"})
    ),
]
