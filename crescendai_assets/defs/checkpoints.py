"""Trained models: an asset a model of the registry, a partition a fold, a run on the device each. Never automated.

How a model is trained, and when it is not trained again, is decided in `training.fit`; which models there are, in
`training.registry`.
"""

from contextlib import suppress
from typing import Any

import dagster as dg
from pydantic import Field

from crescendai_assets.defs import competition, corpus_assets, packs, percepiano, percepiano_embeddings, pretrained
from crescendai_assets.defs.checks import IDEMPOTENT, Subject, asset_check
from crescendai_assets.defs.collecting_resources import CatalogueResource
from crescendai_assets.defs.metadata import Metadata, clear_errors, picture, rows_table
from crescendai_assets.defs.partitions import FOLDS
from crescendai_assets.defs.resources import (
    EncoderResource,
    LakeResource,
    MaestroResource,
    PercePianoResource,
)
from crescendai_assets.defs.run_config import RunConfig
from crescendai_assets.labels.folds import fold_of_key
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.layout import Partition
from crescendai_assets.lake.verify import Outcome
from crescendai_assets.sources.locate import AudioFiles
from crescendai_assets.training.checkpoint_checks import check_learnt_beside, check_split, check_trained
from crescendai_assets.training.checkpoints import CheckpointFiles, FitReport, checkpoint_files, waiting_facts
from crescendai_assets.training.fit import fit_fold
from crescendai_assets.training.hooks import call_hook
from crescendai_assets.training.registry import MODELS, ModelSpec
from crescendai_assets.training.settings import T3, FitSettings
from crescendai_assets.training.t1_plan import PRODUCTS, SOURCE, T1Place

_DEFAULTS = FitSettings("S0")


class FitConfig(RunConfig):
    """Hyper-parameters of one run; written into the checkpoint and shown on its page."""

    hand_features: bool = Field(_DEFAULTS.hand_features, description="Whether symbolic models get hand features too.")
    fused: list[str] = Field(list(_DEFAULTS.fused), description="What a fusion stands on, audio first.")
    use_score: bool = Field(_DEFAULTS.use_score, description="Whether symbolic models hear the score too, if any.")
    use_pretrained_muq: bool = Field(
        _DEFAULTS.use_pretrained_muq, description="Audio models: train through MuQ from the clips' audio."
    )
    cache_stem: bool = Field(_DEFAULTS.cache_stem, description="Keep that MuQ's stem output on disk, 3 MB a minute.")
    tiers: list[str] = Field(
        list(_DEFAULTS.tiers),
        description="What A1, A2 and A3 learn from beside ratings, as far as it is there: competition (its orders), "
        "maestro (pairs of performers), youtube (augmented twins). Empty: ratings alone.",
    )
    l_rank: float = Field(_DEFAULTS.l_rank, description="Weight of ranking beside regression.")
    l_con: float = Field(_DEFAULTS.l_con, description="Weight of the contrast of maestro's pairs.")
    l_inv: float = Field(_DEFAULTS.l_inv, description="Weight of youtube's invariance.")
    start: str = Field(
        _DEFAULTS.start,
        description="auto begins from pretrained/<model> where there are weights of these sizes, else from scratch; "
        "the notes say which, and it fails where they are half done or out of date. scratch; pretrained fails without.",
    )
    on_fold_complete: str = Field("", description="A function to call with the report, as package.module:function.")

    def settings(self, model: str) -> FitSettings:
        """As the domain takes them."""
        values = self.model_dump(exclude={"on_fold_complete"})
        return FitSettings(model, **values)


_OF_EDITIONS: list[Any] = [
    dg.AssetDep(competition.ordinal, partition_mapping=dg.AllPartitionMapping()),
    packs.competition_pack,
]
_OF_SOURCE = dg.SpecificPartitionsPartitionMapping([SOURCE])


def _deps(spec: ModelSpec) -> list[Any]:
    """What a model is made of."""
    rated: list[Any] = [percepiano.labels, percepiano.folds]
    if spec.key in pretrained.ASSETS:
        rated.append(pretrained.ASSETS[spec.key])
    if spec.kind is None:
        return [*rated, dg.AssetKey(["checkpoints", "A0"]), dg.AssetKey(["checkpoints", "S1"])]
    if spec.kind == "notes":
        return [*rated, percepiano.passages]
    if spec.kind == "embeddings":
        beside = [corpus_assets.corpus, *_OF_EDITIONS, *pretrained.OF_TIERS] if spec.beside else []
        return [*rated, percepiano_embeddings.embeddings, *beside]
    listened_to = dict.fromkeys((PRODUCTS[spec.kind], PRODUCTS["hand"]))  # hand features stand beside all symbols
    made = [corpus_assets.OF_PRODUCT[name] for name in listened_to]
    return [*rated, *(dg.AssetDep(one, partition_mapping=_OF_SOURCE) for one in made)]


def _place(
    lake: LakeResource,
    rated: PercePianoResource,
    encoder: EncoderResource,
    maestro: MaestroResource,
    catalogue: CatalogueResource,
) -> T1Place:
    """Where T1 is. What is not there is missed by the models that listen to it; the others go on."""

    def beside(partition: Partition) -> AudioFiles:
        """Where the audio of another tier is."""
        return (maestro if partition.tier.name == T3 else catalogue).audio(partition)

    try:
        midi = rated.midi_folder()
    except SetupError:
        midi = None
    scores = midi.parent / "score_midi" if midi else None
    there = scores if scores and scores.is_dir() else None
    audio = None
    with suppress(SetupError):
        audio = rated.clips(lake.partition("percepiano", ""))
    return T1Place.of(
        lake.opened(), there, encoder.set_name(), midi=midi, audio=audio, encoder=encoder.spec(), beside=beside
    )


def _checkpoint(spec: ModelSpec) -> dg.AssetsDefinition:
    @dg.asset(
        key=["checkpoints", spec.key],
        group_name="checkpoints",
        owners=["team:models"],
        kinds={"scikitlearn" if spec.of_arrays else "torch"},
        code_version="1",
        partitions_def=FOLDS,
        deps=_deps(spec),
        pool="gpu",
        description=f"{spec.key}: {spec.title}. Trained in one fold and judged by what it never saw.",
    )
    def one(
        context: dg.AssetExecutionContext,
        config: FitConfig,
        lake: LakeResource,
        percepiano: PercePianoResource,
        encoder: EncoderResource,
        maestro: MaestroResource,
        catalogue: CatalogueResource,
    ) -> dg.MaterializeResult:
        with clear_errors():
            place = _place(lake, percepiano, encoder, maestro, catalogue)
            fold = fold_of_key(place.labels, context.partition_key)
            report = fit_fold(place, fold, config.settings(spec.key), progress=context.log.info)
            files = checkpoint_files(place.root, spec.key, context.partition_key, report.seed)
            call_hook(config.on_fold_complete, report, files)
            return dg.MaterializeResult(
                metadata=_shown(report, files), data_version=dg.DataVersion(report.scores_digest)
            )

    made: dg.AssetsDefinition = one
    return made


def _shown(report: FitReport, files: CheckpointFiles) -> Metadata:
    """What a person sees of a checkpoint."""
    curves = {"picture_of_losses": picture(files.curves.read_bytes(), "losses by epoch")} if report.history else {}
    settings = [{"setting": name, "value": str(value)} for name, value in report.settings.items()]
    return {
        "summary": _summary(report),
        "newly_trained": report.fresh,
        **curves,
        **report.figures,
        **({"leaky": "declared leaky: to be compared with figures of the same folds alone"} if report.leaky else {}),
        "device": report.device,
        "precision": report.precision,
        "seconds": report.seconds,
        **waiting_facts(report.history),
        "trained_parameters": report.parameters,
        **{f"rows_{side}": count for side, count in report.rows.items()},
        **report.beside,
        **({"encoder": report.encoder[0]} if report.encoder[0] else {}),
        **({"notes": "; ".join(report.notes)} if report.notes else {}),
        "settings": rows_table(settings),
        "checkpoint": dg.MetadataValue.path(str(files.folder)),
        "dagster/partition_row_count": report.rows["val"],
    }


def _summary(report: FitReport) -> str:
    what = "trained" if report.fresh else "was trained already, nothing to do"
    figures = ", ".join(f"{name} {value:.3f}" for name, value in report.figures.items())
    return f"{report.model} of {report.partition}, seed {report.seed}: {what} on {report.device}; held out: {figures}"


_RESOURCES = frozenset({"lake", "percepiano", "encoder", "maestro", "catalogue"})


def _placed(subject: Subject) -> T1Place:
    use = subject.resources
    return _place(use.lake, use.percepiano, use.encoder, use.maestro, use.catalogue)


def _checks(spec: ModelSpec, asset: dg.AssetsDefinition) -> list[dg.AssetChecksDefinition]:
    def trained(subject: Subject) -> Outcome:
        return check_trained(_placed(subject), spec.key, subject.partition, subject.last_run.data_version)

    def sound(subject: Subject) -> Outcome:
        return check_split(_placed(subject), spec.key, subject.partition)

    def beside(subject: Subject) -> Outcome:
        return check_learnt_beside(_placed(subject), spec.key, subject.partition)

    of_tiers = asset_check(
        asset,
        "no_evaluation_work",
        beside,
        description="No recording that was learnt from beside ratings is of a work that PercePiano rates.",
        resources=_RESOURCES,
        blocking=True,
    )
    return [
        *([of_tiers] if spec.beside else []),
        asset_check(asset, "idempotent", trained, description=IDEMPOTENT, resources=_RESOURCES),
        asset_check(
            asset,
            "split_is_sound",
            sound,
            description="The fold does not leak, or is declared leaky; what was scored is what it holds out.",
            resources=_RESOURCES,
            blocking=True,
        ),
    ]


ASSETS = {spec.key: _checkpoint(spec) for spec in MODELS.values()}
CHECKS = [check for key, asset in ASSETS.items() for check in _checks(MODELS[key], asset)]
