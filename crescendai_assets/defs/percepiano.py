"""T1, PercePiano: raw ratings -> labels, passages, pairs and folds, with how far all of it can be trusted.

No partitions: it is 1,202 segments, rated once. What the numbers mean is decided in `labels`.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Protocol

import dagster as dg

from crescendai_assets.defs.checks import IDEMPOTENT, Subject, asset_check
from crescendai_assets.defs.metadata import Shown, clear_errors, picture, rows_table
from crescendai_assets.defs.resources import LakeResource, PercePianoResource
from crescendai_assets.labels.baselines_in_folds import plan_baselines, write_baselines
from crescendai_assets.labels.files import LabelFiles, label_files
from crescendai_assets.labels.fold_checks import check_folds, takes_on_both_sides
from crescendai_assets.labels.folds import PlannedFolds, fold_sizes, plan_folds, read_folds, write_folds
from crescendai_assets.labels.passages import PlannedPassages, plan_passages, read_passages, write_passages
from crescendai_assets.labels.percepiano import PlannedLabels, plan_labels, read_labels, write_labels
from crescendai_assets.labels.pictures import baselines_picture, reliability_picture
from crescendai_assets.labels.piece_mapping import (
    PlannedMapping,
    check_piece_mapping,
    plan_piece_mapping,
    write_piece_mapping,
)
from crescendai_assets.labels.protocols import PROTOCOLS
from crescendai_assets.labels.ratings import PlannedRatings, plan_ratings, write_ratings
from crescendai_assets.labels.reliability import plan_reliability, reliability_facts, write_reliability
from crescendai_assets.labels.schemas import BASELINES, LABEL_STATISTICS, PASSAGES, RATINGS, RELIABILITY
from crescendai_assets.lake.compiled import check_compiled
from crescendai_assets.lake.tables import read_rows
from crescendai_assets.lake.verify import Outcome

_COMMON: dict[str, Any] = {
    "key_prefix": "percepiano",
    "group_name": "percepiano",
    "owners": ["team:percepiano"],
    "kinds": {"jsonlines"},
    "code_version": "1",
}

_NOT_MADE = {
    "published": "no file of them was given",
    "passage_by_content": "there is no MIDI to compare takes by",
    "work": "there is but one work",
}
"""Why a protocol may have no folds."""


class _Planned(Protocol):
    @property
    def digest(self) -> str: ...


def _made(planned: _Planned, rows: int, facts: Mapping[str, Any], **more: Any) -> dg.MaterializeResult:
    metadata = {"dagster/row_count": rows, **facts, **more}
    return dg.MaterializeResult(metadata=metadata, data_version=dg.DataVersion(planned.digest))


@dg.asset(**_COMMON)
def ratings(lake: LakeResource, percepiano: PercePianoResource) -> dg.MaterializeResult:
    """Every answer of every listener, cleaned: values above the scale drop the row, blanks and zeros are missing."""
    with clear_errors():
        files = label_files(lake.opened())
        planned = write_ratings(files, percepiano.ratings_csv())
        refused = [asdict(one) for one in planned.refused[:50]]
        shown = Shown(RATINGS, files.ratings, ("rating_id", "segment_id", "user", "copy_of"))
        return _made(planned, len(planned.rows), planned.facts, refused=rows_table(refused), **shown.metadata())


@dg.asset(**_COMMON, deps=[ratings])
def labels(lake: LakeResource) -> dg.MaterializeResult:
    """19 means a segment on a scale of 1/7 to 1, with the number of raters and the standard error of each.

    The scales are bipolar: higher is the second pole, not better.
    """
    with clear_errors():
        files = label_files(lake.opened())
        planned = write_labels(files)
        shown = Shown(LABEL_STATISTICS, files.statistics, ("segment_id", "raters", "mean", "standard_error"))
        here = dg.MetadataValue.path(str(files.labels))
        return _made(planned, len(planned.labels), planned.facts, labels=here, **shown.metadata())


@dg.asset(**_COMMON | {"code_version": "2"}, deps=[labels])
def passages(lake: LakeResource, percepiano: PercePianoResource) -> dg.MaterializeResult:
    """What each segment's name says, and what it hangs together with; with MIDI at hand, what its take shows of that.

    `findings` lists where the MIDI speaks against the names, and files that cannot be read.
    """
    with clear_errors():
        files = label_files(lake.opened())
        planned = write_passages(files, percepiano.midi_folder())
        columns = ("segment_id", "work", "passage", "performer", "passage_group", "content_group", "machine")
        findings = rows_table(planned.findings[:50])
        shown = Shown(PASSAGES, files.metadata, columns)
        return _made(planned, len(planned.rows), planned.facts, findings=findings, **shown.metadata())


@dg.asset(**_COMMON, deps=[passages])
def piece_mapping(lake: LakeResource) -> dg.MaterializeResult:
    """Performances of one passage: what may be compared with each other."""
    with clear_errors():
        files = label_files(lake.opened())
        planned = write_piece_mapping(files)
        here = dg.MetadataValue.path(str(files.piece_mapping))
        return _made(planned, len(planned.mapping), planned.facts, mapping=here)


@dg.asset(**_COMMON | {"code_version": "2"}, deps=[passages])
def folds(lake: LakeResource, percepiano: PercePianoResource) -> dg.MaterializeResult:
    """Splits by passage, performer and work, three shuffles each where there is chance, and published ones if given.

    By passage twice: as figures have been told, and with what shares a take joined, where MIDI is at hand.
    Each protocol has its own leak check; published folds leak, and theirs only warns and says how.
    """
    with clear_errors():
        files = label_files(lake.opened())
        planned = write_folds(files, percepiano.published_folds())
        sizes = rows_table(fold_sizes(planned.folds, read_passages(files)))
        here = dg.MetadataValue.path(str(files.folds))
        return _made(planned, len(planned.folds), {}, sizes=sizes, folds=here)


@dg.asset(**_COMMON, deps=[ratings])
def reliability(lake: LakeResource) -> dg.MaterializeResult:
    """How far raters agree, ICC(1,k) by dimension: the ceiling of what any model can explain."""
    with clear_errors():
        files = label_files(lake.opened())
        rows = write_reliability(files)
        shown = Shown(RELIABILITY, files.reliability, ("dimension", "counting", "icc_mean", "icc_one", "k"))
        return dg.MaterializeResult(
            metadata={
                "picture_of_reliability": picture(reliability_picture(rows), "reliability by dimension"),
                "dagster/row_count": len(rows),
                **reliability_facts(rows),
                **shown.metadata(),
            },
            data_version=dg.DataVersion(RELIABILITY.digest(rows)),
        )


@dg.asset(**_COMMON, deps=[labels, passages, folds])
def baselines(lake: LakeResource) -> dg.MaterializeResult:
    """What is explained without listening, by knowing the piece, the passage or the performer: what a leak is worth."""
    with clear_errors():
        files = label_files(lake.opened())
        rows = write_baselines(files)
        shown = Shown(BASELINES, files.baselines, ("id", "r2", "segments", "groups"))
        return dg.MaterializeResult(
            metadata={
                "picture_of_baselines": picture(baselines_picture(rows), "explained without listening"),
                "dagster/row_count": len(rows),
                "table_of_all": rows_table(rows),
                **shown.metadata(),
            },
            data_version=dg.DataVersion(BASELINES.digest(rows)),
        )


def _idempotent(
    asset: dg.AssetsDefinition,
    planned: Callable[[LabelFiles, PercePianoResource], str],
    on_disk: Callable[[LabelFiles], str],
) -> dg.AssetChecksDefinition:
    def look(subject: Subject) -> Outcome:
        files, source = label_files(subject.resources.lake.opened()), subject.resources.percepiano
        return check_compiled(planned(files, source), on_disk(files), subject.last_run.data_version)

    return asset_check(asset, "idempotent", look, description=IDEMPOTENT, resources=frozenset({"lake", "percepiano"}))


def _takes_shared(subject: Subject) -> Outcome:
    files = label_files(subject.resources.lake.opened())
    return takes_on_both_sides("passage", read_folds(files, "passage"), read_passages(files))


def _no_leak(protocol: Any) -> dg.AssetChecksDefinition:
    def look(subject: Subject) -> Outcome:
        files = label_files(subject.resources.lake.opened())
        found = [fold for fold in read_folds(files) if fold.protocol == protocol]
        if not found:
            return Outcome(True, f"no folds of the protocol '{protocol}': {_NOT_MADE.get(protocol, 'none were made')}")
        return check_folds(protocol, found, read_passages(files))

    return asset_check(
        folds,
        f"no_leak_{protocol}",
        look,
        description="What the protocol keeps apart is apart in every fold; names the rows where it is not.",
        blocking=protocol != "published",
    )


CHECKS = [
    _idempotent(ratings, lambda _files, s: plan_ratings(s.ratings_csv()).digest, PlannedRatings.digest_on_disk),
    _idempotent(labels, lambda files, _s: plan_labels(files).digest, PlannedLabels.digest_on_disk),
    _idempotent(
        passages,
        lambda files, s: plan_passages(read_labels(files), s.midi_folder()).digest,
        PlannedPassages.digest_on_disk,
    ),
    _idempotent(piece_mapping, lambda files, _s: plan_piece_mapping(files).digest, PlannedMapping.digest_on_disk),
    _idempotent(folds, lambda files, s: plan_folds(files, s.published_folds()).digest, PlannedFolds.digest_on_disk),
    _idempotent(
        reliability,
        lambda files, _s: RELIABILITY.digest(plan_reliability(files)),
        lambda files: RELIABILITY.digest(read_rows(files.reliability)),
    ),
    _idempotent(
        baselines,
        lambda files, _s: BASELINES.digest(plan_baselines(files)),
        lambda files: BASELINES.digest(read_rows(files.baselines)),
    ),
    asset_check(
        piece_mapping,
        "one_passage_each",
        lambda subject: check_piece_mapping(label_files(subject.resources.lake.opened())),
        description="Every group holds performances of one passage, not passages of one performer.",
        blocking=True,
    ),
    *(_no_leak(protocol) for protocol in PROTOCOLS),
    asset_check(
        folds,
        "takes_shared_passage",
        _takes_shared,
        description="Warns of takes that folds by passage have on both sides: 16 bars, and 8 bars cut out of them.",
    ),
]
