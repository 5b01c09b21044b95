"""Encoders that learnt without ratings, which finetuning begins from: one run on the device each. Never automated.

What is learnt from, and when it is not learnt again, is decided in `training.pretrain`; finetuning is in `checkpoints`.
"""

from typing import Any

import dagster as dg
from pydantic import Field

from crescendai_assets.defs import corpus_assets, maestro, packs, youtube
from crescendai_assets.defs.checks import IDEMPOTENT, Subject, asset_check
from crescendai_assets.defs.metadata import Metadata, clear_errors, picture, rows_table
from crescendai_assets.defs.resources import EncoderResource, LakeResource
from crescendai_assets.defs.run_config import RunConfig
from crescendai_assets.lake.verify import Outcome
from crescendai_assets.training.checkpoints import waiting_facts
from crescendai_assets.training.pretrain import pretrain
from crescendai_assets.training.pretrain_checks import check_learnt_from, check_pretrained
from crescendai_assets.training.pretrain_plan import PretrainPlace
from crescendai_assets.training.pretrain_settings import KEYS, PRODUCTS, PretrainSettings
from crescendai_assets.training.pretrained import PretrainReport, pretrained_files

_DEFAULTS = PretrainSettings("S1")


class PretrainConfig(RunConfig):
    """Hyper-parameters of one run; written beside the weights and shown on their page."""

    batch_size: int = Field(_DEFAULTS.batch_size, description="Items a step; halved once when memory runs out.")
    weight_decay: float = Field(_DEFAULTS.weight_decay, description="Of weights, not of biases and norms.")
    dropout: float = Field(_DEFAULTS.dropout, description="Share left out in training.")
    seed: int = Field(_DEFAULTS.seed, description="Finetuning of any seed begins from seed 0.")
    inner_share: float = Field(_DEFAULTS.inner_share, description="Share of the pieces that epochs are chosen by.")
    length: int = Field(_DEFAULTS.length, description="Tokens, notes or frames of an item; 0: by model and preset.")
    hidden_share: float = Field(_DEFAULTS.hidden_share, description="Share that is to be guessed; 0: as published.")
    verified: bool = Field(_DEFAULTS.verified, description="A2: only pairs of T3 that MIDI verified.")

    def settings(self, model: str) -> PretrainSettings:
        """As the domain takes them."""
        return PretrainSettings(model, **self.model_dump())


OF_TIERS: list[Any] = [maestro.contrastive_mapping, packs.maestro_pack, youtube.metadata, packs.youtube_pack]


def _place(lake: LakeResource, encoder: EncoderResource) -> PretrainPlace:
    return PretrainPlace.of(lake.opened(), encoder.set_name())


def _pretrained(key: str) -> dg.AssetsDefinition:
    @dg.asset(
        key=["pretrained", key],
        group_name="checkpoints",
        owners=["team:models"],
        kinds={"torch"},
        code_version="1",
        deps=[corpus_assets.corpus, corpus_assets.pretraining] if key in PRODUCTS else OF_TIERS,
        pool="gpu",
        description=f"{key} without ratings: {KEYS[key]}. No work that PercePiano rates is among what it sees.",
    )
    def one(
        context: dg.AssetExecutionContext, config: PretrainConfig, lake: LakeResource, encoder: EncoderResource
    ) -> dg.MaterializeResult:
        with clear_errors():
            place = _place(lake, encoder)
            report = pretrain(place, config.settings(key), progress=context.log.info)
            return dg.MaterializeResult(metadata=_shown(report, place), data_version=dg.DataVersion(report.weights))

    made: dg.AssetsDefinition = one
    return made


def _shown(report: PretrainReport, place: PretrainPlace) -> Metadata:
    """What a person sees of pretrained weights."""
    files = pretrained_files(place.root, report.model, report.seed)
    settings = [{"setting": name, "value": str(value)} for name, value in report.settings.items()]
    left_out = [{"why": why, "recordings": count} for why, count in report.left_out.items()]
    return {
        "summary": _summary(report),
        "newly_trained": report.fresh,
        "picture_of_losses": picture(files.curves.read_bytes(), "losses by epoch"),
        **report.figures,
        "device": report.device,
        "precision": report.precision,
        "seconds": report.seconds,
        **waiting_facts(report.history),
        "trained_parameters": report.parameters,
        **{f"recordings_{side}": count for side, count in report.recordings.items()},
        **{f"items_{side}": count for side, count in report.items.items()},
        **({"left_out": rows_table(left_out)} if left_out else {}),
        **({"encoder": report.encoder[0]} if report.encoder[0] else {}),
        **({"notes": "; ".join(report.notes)} if report.notes else {}),
        "settings": rows_table(settings),
        "checkpoint": dg.MetadataValue.path(str(files.folder)),
        "dagster/row_count": sum(report.recordings.values()),
    }


def _summary(report: PretrainReport) -> str:
    what = "pretrained" if report.fresh else "was pretrained already, nothing to do"
    loss, untrained = report.figures["loss"], report.figures["untrained_loss"]
    return f"{report.model}, seed {report.seed}: {what} on {report.device}; loss {loss:.3f}, untrained {untrained:.3f}"


_RESOURCES = frozenset({"lake", "encoder"})


def _checks(key: str, asset: dg.AssetsDefinition) -> list[dg.AssetChecksDefinition]:
    def done(subject: Subject) -> Outcome:
        place = _place(subject.resources.lake, subject.resources.encoder)
        return check_pretrained(place, key, subject.last_run.data_version)

    def sound(subject: Subject) -> Outcome:
        return check_learnt_from(_place(subject.resources.lake, subject.resources.encoder), key)

    return [
        asset_check(asset, "idempotent", done, description=IDEMPOTENT, resources=_RESOURCES),
        asset_check(
            asset,
            "no_evaluation_work",
            sound,
            description="No recording that the weights learnt from is of a work that PercePiano rates.",
            resources=_RESOURCES,
            blocking=True,
        ),
    ]


ASSETS = {key: _pretrained(key) for key in KEYS}
CHECKS = [check for key, asset in ASSETS.items() for check in _checks(key, asset)]
