"""Embeddings of T1's rated clips that exist already, taken into the lake: `{key: tensor}` in a file, or a folder.

An import names no audio to compare with, so how long a clip is cannot be told from it: any number of frames is taken,
and only another import makes it stale.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crescendai_assets.embeddings.clips import clip_embedding_facts
from crescendai_assets.embeddings.folder import (
    clear_way,
    committed_embeddings,
    drop_orphans,
    imported_clips,
    pruner,
    segments_of,
)
from crescendai_assets.embeddings.identity import EncoderIdentity, claim_folder
from crescendai_assets.embeddings.importing import Tensors
from crescendai_assets.embeddings.store import WIDTH, refuse_unfit, write_embedding
from crescendai_assets.lake.errors import RecordingError, SetupError
from crescendai_assets.lake.fingerprints import digest_lines, fingerprint
from crescendai_assets.lake.layout import Partition
from crescendai_assets.lake.schemas import EMBEDDINGS
from crescendai_assets.lake.stage import Options, Progress, StageReport, StageRun, run_stage, silent

if TYPE_CHECKING:
    from torch import Tensor

NAMED = 50
"""Names that a report shows."""


@dataclass(frozen=True)
class ClipImport:
    """What a source of imported embeddings holds of the rated clips.

    Attributes:
        tensors: The source.
        names: Clip -> its name in the source.
        doubled: Clip -> names, where several are of one.
        unknown: Names of no rated clip.
        absent: Rated clips that the source lacks.
    """

    tensors: Tensors
    names: Mapping[str, str]
    doubled: Mapping[str, tuple[str, ...]]
    unknown: tuple[str, ...]
    absent: tuple[str, ...]

    def contents(self) -> tuple[dict[str, str], dict[str, RecordingError]]:
        """Clip -> hash of what stands for it; and what nobody can work on, with the reason."""
        found: dict[str, str] = {}
        faults = {
            key: RecordingError(f"{key}: {' and '.join(map(repr, names))} are both of it; keep one", "needs_user")
            for key, names in self.doubled.items()
        }
        for key, name in self.names.items():
            try:
                found[key] = self.tensors.content(name)
            except RecordingError as error:
                faults[key] = error
        return found, faults

    def get(self, key: str) -> Tensor:
        """The embedding of a clip, float32, shape (frames, 1024).

        Raises:
            RecordingError: It has another shape, or a value that is not finite.
        """
        tensor = self.tensors.get(self.names[key]).float()
        if tensor.ndim != 2 or tensor.shape[1] != WIDTH or not len(tensor):
            raise RecordingError(f"{key}: embedding of shape {tuple(tensor.shape)}, expected (frames, {WIDTH})")
        refuse_unfit(tensor, len(tensor), key)
        return tensor

    @property
    def facts(self) -> dict[str, Any]:
        """Counts, and the first names of what does not match."""
        facts: dict[str, Any] = {}
        for what, names in (("rated_and_not_in_the_import", self.absent), ("imported_keys_of_no_rated", self.unknown)):
            facts[what] = len(names)
            if names:
                facts[f"names_of_{what}"] = ", ".join(names[:NAMED]) + (" ..." if len(names) > NAMED else "")
        return facts


def open_import(source: Path, rated: Collection[str], key_of: Callable[[str], str]) -> ClipImport:
    """Match a source's names with the rated clips.

    Args:
        source: Folder of `<key>.pt`, or one file `{key: tensor}`.
        rated: Clips that have a label.
        key_of: The clip that a name means.

    Raises:
        SetupError: The source is neither, or holds nothing of a rated clip.
    """
    tensors, known = Tensors(source), set(rated)
    found: defaultdict[str, list[str]] = defaultdict(list)
    for name in tensors.names():
        found[key_of(name)].append(name)
    if not known & found.keys():
        some = ", ".join(sorted(found)[:3]) or "nothing"
        raise SetupError(f"{source}: holds no embedding of a rated clip (it holds {some}); keys are as in labels.json")
    return ClipImport(
        tensors,
        {key: names[0] for key, names in found.items() if key in known and len(names) == 1},
        {key: tuple(names) for key, names in found.items() if key in known and len(names) > 1},
        tuple(sorted(name for key, names in found.items() if key not in known for name in names)),
        tuple(sorted(known - found.keys())),
    )


def import_clips(
    partition: Partition,
    source: Path,
    rated: Collection[str],
    key_of: Callable[[str], str],
    identity: EncoderIdentity,
    *,
    options: Options = Options(),
    progress: Progress = silent,
) -> StageReport:
    """Take the embeddings of rated clips from `source`; those made from audio and not in it stay.

    Args:
        partition: The tier as a whole.
        source: Folder of `<key>.pt`, or one file `{key: tensor}`.
        rated: Clips that have a label.
        key_of: The clip that a name means.
        identity: Who made them.
        options: Limit, retries, pruning.
        progress: Gets lines for the log.

    Raises:
        SetupError: The source is neither, or the folder belongs to another encoder.
    """
    given, folder = open_import(source, rated, key_of), partition.embedding_folder
    contents, faults = given.contents()
    marks = {key: fingerprint("imported", content, identity.digest) for key, content in contents.items()}

    def wanted() -> dict[str, str]:
        claim_folder(folder, identity, partition.tier.name)  # under the lock, or a reset could come between
        of_audio = {
            i: mark for i, mark in committed_embeddings(partition).items() if i not in imported_clips(partition)
        }
        return of_audio | {key: digest_lines([f"{key} {mark}"]) for key, mark in marks.items()}

    def work(run: StageRun) -> None:
        before = segments_of(partition, run.plan.stale)
        for key in run.plan.pending:
            try:
                embedding = given.get(key)
            except RecordingError as error:
                run.fail(key, error)
                continue
            clear_way(run, folder, key, before, {key})
            size, sha256 = write_embedding(folder, key, embedding)
            row = {"segment_id": key, "recording_id": key, "fingerprint": marks[key], "sha256": sha256, "bytes": size}
            more = {"frames": len(embedding), "imported": True, "source_sha256": contents[key]}
            run.commit(key, [{**row, **more}])

    return run_stage(
        partition,
        "embeddings",
        EMBEDDINGS,
        wanted=wanted,
        committed=lambda: committed_embeddings(partition),
        work=work,
        options=options,
        progress=progress,
        unusable=lambda: faults,
        on_prune=pruner(partition),
        sweep=lambda: drop_orphans(partition),
        facts=lambda: {"imported_from": str(source), **given.facts, **clip_embedding_facts(partition)},
    )
