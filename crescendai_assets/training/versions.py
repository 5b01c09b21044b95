"""Which code made what a model was told: a checkpoint notes it, and is not asked about what other code makes.

What is made of clips and of one performance is the same code in both cases; stored embeddings are told by their
encoder instead.
"""

from __future__ import annotations

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.symbolic.corpus.products import products
from crescendai_assets.symbolic.hand_features import VERSION as HAND_VERSION
from crescendai_assets.symbolic.note_features import VERSION as NOTES_VERSION
from crescendai_assets.training.checkpoints import CheckpointFiles, FitReport
from crescendai_assets.training.registry import kind_of, wants_hand
from crescendai_assets.training.settings import FitSettings
from crescendai_assets.training.t1_plan import PRODUCTS


def made_by(settings: FitSettings) -> dict[str, str]:
    """What a model is told of symbols -> version or recipe of the code that makes it; empty of sound and of fusions."""
    kind, found = kind_of(settings), dict[str, str]()
    if wants_hand(settings) or kind == "notes":
        found["hand features"] = str(HAND_VERSION)
    if kind == "notes":
        found["features of aligned notes"] = str(NOTES_VERSION)
    if kind is not None and kind != "hand" and (name := PRODUCTS.get(kind)):
        found[name] = products()[name].fingerprints()("")
    return found


def refuse_other_versions(report: FitReport, files: CheckpointFiles) -> None:
    """Refuse a checkpoint that was told of clips by other code than is here; of one that notes nothing it is not known.

    Raises:
        SetupError: It was.
    """
    now = made_by(FitSettings.of(report.settings))
    for what, was in report.versions.items():
        if now.get(what) != was:
            raise SetupError(
                f"{files.folder}: was trained with {what} of version {was[:8]}, here they are of "
                f"{now.get(what, 'none')[:8]}, and would not mean the same to it. Train {report.model} of "
                f"{report.partition} again"
            )
