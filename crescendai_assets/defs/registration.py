"""Partitions from the catalogue: a sensor that adds keys, and the jobs that do it, and take keys out, by command."""

from collections.abc import Iterable

import dagster as dg
from pydantic import Field

from crescendai_assets.defs.collecting_resources import CatalogueResource
from crescendai_assets.defs.corpus_resources import MidiResource
from crescendai_assets.defs.metadata import clear_errors
from crescendai_assets.defs.partitions import CHANNELS, EDITIONS, FOLDS, MIDI_SOURCES
from crescendai_assets.defs.resources import LakeResource
from crescendai_assets.labels.files import label_files
from crescendai_assets.labels.folds import fold_keys
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.sources.registration import (
    Registration,
    register_channels,
    register_competitions,
    register_folds,
    register_sources,
)
from crescendai_assets.symbolic.corpus.listing import KNOWN

KINDS = {"competition": EDITIONS, "channel": CHANNELS, "midi_source": MIDI_SOURCES, "fold": FOLDS}

EVERY = 30


def registrations(
    instance: dg.DagsterInstance, catalogue: CatalogueResource, midi: MidiResource, lake: LakeResource
) -> list[Registration]:
    """What catalogue, settings and folds on disk ask for, against what the instance knows."""
    known = {kind: instance.get_dynamic_partitions(kind) for kind in KINDS}
    return [
        register_competitions(catalogue.competitions(), known["competition"]),
        register_channels(catalogue.channels(), known["channel"]),
        _sources(midi, known["midi_source"]),
        register_folds(fold_keys(label_files(lake.opened())), known["fold"]),
    ]


def _sources(midi: MidiResource, registered: Iterable[str]) -> Registration:
    try:
        folders = midi.folders_by_name()
    except SetupError as error:  # a slip in the setting may hide any of them: none counts as unlisted
        return Registration("midi_source", tuple(sorted(set(KNOWN) - set(registered))), (), (str(error),), ())
    return register_sources((*KNOWN, *folders), registered)


@dg.sensor(
    name="registered_partitions",
    minimum_interval_seconds=EVERY,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Adds a partition for every valid edition and channel of the catalogue, for every source of MIDI and "
    "for every fold of the rated set, and says what is not valid. "
    "Only reads files; keys whose file is gone stay until the job remove_unlisted_partitions takes them out.",
)
def registered_partitions(
    context: dg.SensorEvaluationContext, catalogue: CatalogueResource, midi: MidiResource, lake: LakeResource
) -> dg.SensorResult:
    """Add what is new."""
    found = registrations(context.instance, catalogue, midi, lake)
    for one in found:
        for line in (*one.faults, *one.notes):
            context.log.warning(line)
    return dg.SensorResult(
        skip_reason=" | ".join(one.summary() for one in found),
        dynamic_partitions_requests=[KINDS[one.kind].build_add_request(list(one.new)) for one in found if one.new],
    )


@dg.op(name="register")
def _register(
    context: dg.OpExecutionContext, catalogue: CatalogueResource, midi: MidiResource, lake: LakeResource
) -> None:
    with clear_errors():
        for one in registrations(context.instance, catalogue, midi, lake):
            context.instance.add_dynamic_partitions(one.kind, list(one.new))
            context.log.info(one.summary())


class RemovalConfig(dg.Config):
    """Which keys to take out."""

    keys: list[str] = Field([], description="Only these; by default every key that the catalogue no longer lists.")


@dg.op(name="remove_unlisted")
def _remove_unlisted(
    context: dg.OpExecutionContext,
    config: RemovalConfig,
    catalogue: CatalogueResource,
    midi: MidiResource,
    lake: LakeResource,
) -> None:
    with clear_errors():
        found = registrations(context.instance, catalogue, midi, lake)
        unlisted = {key for one in found for key in one.unlisted}
        if strange := sorted(set(config.keys) - unlisted):
            raise SetupError(f"{', '.join(strange)}: still in the catalogue, or no partition; nothing was removed")
        for one in found:
            for key in one.unlisted:
                if key in config.keys or not config.keys:
                    context.instance.delete_dynamic_partition(one.kind, key)
                    context.log.info(f"{one.kind} {key}: partition removed; its tables, audio and embeddings are kept")


@dg.job(description="Do what the sensor registered_partitions does, now; for use without the daemon.")
def register_partitions() -> None:
    """Add partitions for what is new in the catalogue."""
    _register()


@dg.job(description="Take partitions out whose edition or channel left the catalogue. Data on disk stay.")
def remove_unlisted_partitions() -> None:
    """Remove keys, never data."""
    _remove_unlisted()
