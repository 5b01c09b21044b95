"""T1's audio and embeddings: clips -> embeddings, or embeddings that exist already, or what to provide.

What is rated, and how well, is `percepiano`'s. No partitions: it is one folder of clips.
"""

from pathlib import Path
from typing import Any

import dagster as dg

from crescendai_assets.defs import percepiano as ratings
from crescendai_assets.defs.checks import ENCODED, IDEMPOTENT, Subject, asset_check, schema_check
from crescendai_assets.defs.config import EmbedConfig, WorkConfig
from crescendai_assets.defs.metadata import Shown, clear_errors, materialized
from crescendai_assets.defs.resources import EncoderResource, LakeResource, PercePianoResource
from crescendai_assets.defs.tier import durations_picture
from crescendai_assets.embeddings.clip_import import import_clips
from crescendai_assets.embeddings.clips import check_one_per_clip, leave_as_they_are, wanted_of_clips
from crescendai_assets.embeddings.folder import CLEAN, committed_embeddings
from crescendai_assets.embeddings.identity import read_identity
from crescendai_assets.embeddings.importing import imported_identity
from crescendai_assets.embeddings.pipeline import embed_partition
from crescendai_assets.embeddings.verify import check_files, check_finite_and_shaped
from crescendai_assets.labels.clips import key_of, rated_keys
from crescendai_assets.labels.files import label_files
from crescendai_assets.lake.layout import Partition
from crescendai_assets.lake.schemas import CLIPS
from crescendai_assets.lake.stage import StageReport
from crescendai_assets.lake.verify import Outcome, both, check_stage
from crescendai_assets.sources.locate import committed_recordings
from crescendai_assets.sources.percepiano_clips import CLIP_RULE, ClipListing, collect_clips, list_clips, wanted_clips

TIER = "percepiano"

NO_AUDIO = (
    "no audio is given: put a file a rated segment, named as its label, into audio/ of PERCEPIANO_DIR, or set "
    "PERCEPIANO_AUDIO to a folder of them"
)
NOTHING = (
    f"nothing is embedded. Either {NO_AUDIO.removeprefix('no audio is given: ')}, and materialize percepiano/clips and "
    "percepiano/embeddings; or import embeddings that exist by the run config's import_from: a file {key: (frames, "
    "1024)}, such as muq_embeddings.pt, or a folder of <key>.pt"
)

_COMMON: dict[str, Any] = {
    "key_prefix": TIER,
    "group_name": TIER,
    "owners": [f"team:{TIER}"],
    "code_version": "1",
}


@dg.asset(**_COMMON, kinds={"python", "jsonlines"}, deps=[ratings.labels])
def clips(
    context: dg.AssetExecutionContext, config: WorkConfig, lake: LakeResource, percepiano: PercePianoResource
) -> dg.MaterializeResult:
    """Audio of the rated segments, read in place: length, level and hash of each; 4 s to 10 min, others refused.

    Rated segments without a file are counted and named, and so are files of no rated segment.
    """
    with clear_errors():
        partition, options = lake.partition(TIER, ""), config.options()
        listing = _listing(lake, percepiano)
        report = collect_clips(partition, listing, options=options, progress=context.log.info)
        shown = Shown(CLIPS, partition.stage("clips").table, ("segment_id", "audio_path", "duration_seconds", "rms"))
        state = "read in place" if listing.root else NO_AUDIO
        return materialized(report, shown, options, state=state, **durations_picture(partition))


@dg.asset(**_COMMON, kinds={"torch"}, deps=[clips, ratings.labels], pool="gpu")
def embeddings(
    context: dg.AssetExecutionContext,
    config: EmbedConfig,
    lake: LakeResource,
    percepiano: PercePianoResource,
    encoder: EncoderResource,
) -> dg.MaterializeResult:
    """One MuQ embedding a clip, however long: pieces of 30 s, the last one masked, one after another in one file.

    From the clips' audio; `import_from` in the config takes embeddings that exist instead; given neither, it says what
    to provide. Never automated: it wants a device.
    """
    with clear_errors():
        partition, options = lake.partition(TIER, "", encoder.set_name()), config.options()
        report = _embed(context, config, partition, lake, percepiano, encoder)
        shown = Shown(CLEAN.table, partition.stage(CLEAN.asset).table, ("segment_id", "frames", "bytes", "imported"))
        files = dg.MetadataValue.path(str(partition.embedding_folder))
        return materialized(report, shown, options, state=_state(config, report, partition), files=files)


def _embed(
    context: dg.AssetExecutionContext,
    config: EmbedConfig,
    partition: Partition,
    lake: LakeResource,
    percepiano: PercePianoResource,
    encoder: EncoderResource,
) -> StageReport:
    options, log = config.options(), context.log.info
    if config.import_from:
        made_by, source = imported_identity(config.import_identity), Path(config.import_from).expanduser()
        rated = rated_keys(label_files(lake.opened()))
        return import_clips(partition, source, rated, key_of, made_by, options=options, progress=log)
    if not any(committed_recordings(partition)):
        return leave_as_they_are(partition, options=options, progress=log)
    audio = percepiano.clips(partition)
    return embed_partition(
        partition, encoder.open(), audio, CLIP_RULE, options=options, decoders=config.decoders, progress=log
    )


def _state(config: EmbedConfig, report: StageReport, partition: Partition) -> str:
    """Where the embeddings are from, in words."""
    if config.import_from:
        return f"imported from {config.import_from}"
    if any(committed_recordings(partition)):
        return "made from the clips' audio"
    return f"as they were: {report.rows} embeddings, and {NO_AUDIO}" if report.rows else NOTHING


def _listing(lake: LakeResource, percepiano: PercePianoResource) -> ClipListing:
    return list_clips(percepiano.audio_folder(), rated_keys(label_files(lake.opened())), key_of)


def _partition(subject: Subject) -> Partition:
    found: Partition = subject.resources.lake.partition(TIER, "", subject.resources.encoder.set_name())
    return found


def _clips_idempotent(subject: Subject) -> Outcome:
    partition, run, use = _partition(subject), subject.last_run, subject.resources
    listing = _listing(use.lake, use.percepiano)
    return check_stage(
        partition,
        "clips",
        CLIPS,
        lambda: wanted_clips(partition, listing),
        lambda: committed_recordings(partition),
        run.data_version,
        run.limit,
    )


def _embeddings_idempotent(subject: Subject) -> Outcome:
    partition, run = _partition(subject), subject.last_run

    def wanted() -> dict[str, str]:
        identity = read_identity(partition.embedding_folder)
        if identity is None and any(committed_recordings(partition)):
            identity = subject.resources.encoder.open().identity
        return wanted_of_clips(partition, identity) if identity else {}

    planned = check_stage(
        partition,
        CLEAN.asset,
        CLEAN.table,
        wanted,
        lambda: committed_embeddings(partition),
        run.data_version,
        run.limit,
    )
    return both(planned, check_files(partition, deep=subject.deep))


CHECKS = [
    asset_check(clips, "idempotent", _clips_idempotent, description=IDEMPOTENT, resources=ENCODED | {"percepiano"}),
    schema_check(clips, CLIPS, lambda s: _partition(s).stage("clips").table, resources=ENCODED),
    asset_check(
        embeddings,
        "idempotent",
        _embeddings_idempotent,
        description=IDEMPOTENT
        + " Files: none missing or astray, sizes as recorded, contents of a sample (all with deep).",
        resources=ENCODED,
    ),
    schema_check(embeddings, CLEAN.table, lambda s: _partition(s).stage(CLEAN.asset).table, resources=ENCODED),
    asset_check(
        embeddings,
        "finite_and_shaped",
        lambda s: check_finite_and_shaped(_partition(s), deep=s.deep),
        description="Embeddings are finite float32 (frames, 1024), as long as their clip; a sample, all with deep.",
        resources=ENCODED,
        blocking=True,
    ),
    asset_check(
        embeddings,
        "one_embedding_per_clip",
        lambda s: check_one_per_clip(_partition(s), rated_keys(label_files(s.resources.lake.opened()))),
        description="Each clip that has audio has exactly one embedding, and each embedding is of a rated clip.",
        resources=ENCODED,
    ),
]
