"""Composite labels: the 19 dimensions in the words of a piano lesson, and whether each word can be trusted.

What they are made of is the catalogue's `taxonomy.yaml`; what the numbers mean is decided in `labels.composite`.
"""

from typing import Any

import dagster as dg

from crescendai_assets.defs import percepiano
from crescendai_assets.defs.checks import IDEMPOTENT, Subject, asset_check, schema_check
from crescendai_assets.defs.collecting_resources import CatalogueResource
from crescendai_assets.defs.metadata import Shown, clear_errors, picture, rows_table
from crescendai_assets.defs.resources import LakeResource
from crescendai_assets.labels.composite import (
    PlannedComposites,
    check_composites,
    check_values,
    in_words,
    plan_composites,
    polarity,
    redundancy,
    taxonomy_digest,
    taxonomy_facts,
    write_composites,
    write_taxonomy,
)
from crescendai_assets.labels.files import composite_files, label_files
from crescendai_assets.labels.pictures import redundancy_picture
from crescendai_assets.labels.schemas import COMPOSITES
from crescendai_assets.lake.compiled import check_compiled
from crescendai_assets.lake.verify import Outcome

_COMMON: dict[str, Any] = {
    "key_prefix": "composite_labels",
    "group_name": "composite_labels",
    "owners": ["team:percepiano"],
    "kinds": {"json"},
    "code_version": "1",
}


@dg.asset(**_COMMON)
def taxonomy(lake: LakeResource, catalogue: CatalogueResource) -> dg.MaterializeResult:
    """Which dimensions make up each composite, with which sign, and why; read from the catalogue's `taxonomy.yaml`."""
    with clear_errors():
        chosen, out = catalogue.taxonomy(), composite_files(lake.opened())
        write_taxonomy(out, chosen)
        metadata = {
            "dagster/row_count": len(chosen.composites),
            **taxonomy_facts(chosen),
            "polarity": rows_table(polarity(chosen)),
            "left_out": rows_table([{"dimension": d, "reason": why} for d, why in chosen.left_out.items()]),
            "written": dg.MetadataValue.path(str(out.taxonomy)),
        }
        return dg.MaterializeResult(metadata=metadata, data_version=dg.DataVersion(taxonomy_digest(chosen)))


@dg.asset(**_COMMON, deps=[taxonomy, percepiano.ratings, percepiano.labels])
def labels(lake: LakeResource, catalogue: CatalogueResource) -> dg.MaterializeResult:
    """A value a composite and segment between 1/7 and 1, with a report: coverage, redundancy, reliability, polarity.

    Higher is nearer to a composite's second word, not better.
    """
    with clear_errors():
        out = composite_files(lake.opened())
        planned = write_composites(label_files(lake.opened()), out, catalogue.taxonomy())
        between = redundancy(planned)
        shown = Shown(COMPOSITES, out.validation, ("composite", "low", "high", "icc_mean_by_rater", "nearest_r"))
        metadata = {
            "picture_of_redundancy": picture(redundancy_picture(between), "|r| between composites"),
            "dagster/row_count": len(planned.labels),
            **planned.facts,
            "composites_in_words": rows_table(in_words(planned)),
            "redundancy": rows_table(between),
            "labels": dg.MetadataValue.path(str(out.labels)),
            **shown.metadata(),
        }
        return dg.MaterializeResult(metadata=metadata, data_version=dg.DataVersion(planned.digest))


def _planned(subject: Subject) -> PlannedComposites:
    return plan_composites(label_files(subject.resources.lake.opened()), subject.resources.catalogue.taxonomy())


def _taxonomy_idempotent(subject: Subject) -> Outcome:
    use = subject.resources
    on_disk = taxonomy_digest(composite_files(use.lake.opened()))
    return check_compiled(taxonomy_digest(use.catalogue.taxonomy()), on_disk, subject.last_run.data_version)


def _labels_idempotent(subject: Subject) -> Outcome:
    on_disk = PlannedComposites.digest_on_disk(composite_files(subject.resources.lake.opened()))
    return check_compiled(_planned(subject).digest, on_disk, subject.last_run.data_version)


def _valid(subject: Subject) -> Outcome:
    lake = subject.resources.lake.opened()
    return check_values(label_files(lake), composite_files(lake))


_USED = frozenset({"lake", "catalogue"})

CHECKS = [
    asset_check(taxonomy, "idempotent", _taxonomy_idempotent, description=IDEMPOTENT, resources=_USED),
    asset_check(labels, "idempotent", _labels_idempotent, description=IDEMPOTENT, resources=_USED),
    schema_check(labels, COMPOSITES, lambda s: composite_files(s.resources.lake.opened()).validation),
    asset_check(
        labels,
        "valid",
        _valid,
        description="Every rated segment has a value a composite of the taxonomy, each on the scale of 1/7 to 1.",
        blocking=True,
    ),
    asset_check(
        labels,
        "distinct_and_reliable",
        lambda subject: check_composites(_planned(subject)),
        description="No dimension is forgotten, no two composites say the same (|r| up to .9), and raters agree (ICC "
        "from .6); only a warning.",
        resources=_USED,
    ),
]
