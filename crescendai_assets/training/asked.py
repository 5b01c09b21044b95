"""What a finished checkpoint says of one performance that was never rated, part by part.

What a performance is told as is in `one_performance` and `one_sound`. A part that a model cannot be told (too few
notes, a score that does not have it) is NaN. Which checkpoints are asked, and what their answers are worth, is
`evaluation`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.training.batches import in_order
from crescendai_assets.training.checkpoints import (
    CheckpointFiles,
    FitReport,
    checkpoint_files,
    read_report,
    weights_fault,
)
from crescendai_assets.training.one_performance import Part, ReadMidi, Spans
from crescendai_assets.training.one_sound import Sound, parts_sound
from crescendai_assets.training.registry import kind_of, make_inputs, representation, spec_of, wants_hand
from crescendai_assets.training.settings import FitSettings
from crescendai_assets.training.t1_data import T1Data, with_differences
from crescendai_assets.training.t1_plan import Kind
from crescendai_assets.training.trained import as_batches, fused_inputs, load_module, predicted
from crescendai_assets.training.versions import refuse_other_versions

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

Floats: TypeAlias = "NDArray[np.float64]"

_AT_ONCE = 4
"""Parts in a forward pass."""


@dataclass(frozen=True, eq=False)
class Heard:
    """One performance, ready for models.

    Attributes:
        spans: Parts, seconds; the same of sound and symbols. W of them.
        symbols: Of its MIDI; None without.
        sound: Of its audio; None without, or where no model of sound is asked.
    """

    spans: Spans
    symbols: ReadMidi | None = None
    sound: Sound | None = None

    @property
    def parts(self) -> Sequence[Part | None]:
        """Of symbols; all None without MIDI."""
        return self.symbols.parts if self.symbols else [None] * len(self.spans)


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A finished checkpoint.

    Attributes:
        files: Where it lies.
        report: What it is.
        under: Of a fusion: those it stands on, audio first.
    """

    files: CheckpointFiles
    report: FitReport
    under: tuple[Checkpoint, ...] = ()

    @property
    def settings(self) -> FitSettings:
        """How it was trained; where is no matter now, and nothing is kept on disk."""
        settings = FitSettings.of(self.report.settings)
        return replace(settings, device="auto", allow_cpu=True, cache_stem=False)

    @property
    def kinds(self) -> frozenset[Kind]:
        """What it listens to; a fusion listens to what those it stands on do."""
        kind = kind_of(self.settings)
        return frozenset({kind}) if kind else frozenset().union(*(one.kinds for one in self.under))

    @property
    def scored(self) -> bool:
        """Whether scores stand beside performances."""
        return bool(self.report.dims.get("scores"))


def opened(root: Path, files: CheckpointFiles, report: FitReport) -> Checkpoint:
    """A checkpoint with those it stands on.

    Args:
        root: Of the lake.
        files: Where it lies.
        report: What it is.

    Raises:
        SetupError: One that it stands on is gone or was trained again since, its model is not known here, it was told
            of clips by other code, or its weights are damaged.
    """
    refuse_other_versions(report, files)
    settings = FitSettings.of(report.settings)
    under = []
    for key in settings.fused if spec_of(settings.model).kind is None else ():
        beside = checkpoint_files(root, key, report.partition, report.seed)
        told = read_report(beside)
        if told is None:
            raise SetupError(
                f"{beside.folder}: {report.model} stands on this checkpoint and it is gone; train it again"
            )
        if report.stands_on.get(key, told.fingerprint) != told.fingerprint:  # its vectors mean something else now
            raise SetupError(
                f"{beside.folder}: {report.model} stands on this checkpoint and it was trained again since; train "
                f"{report.model} again"
            )
        under.append(opened(root, beside, told))
    if fault := weights_fault(files, report):
        raise SetupError(f"{fault}; train {report.model} of {report.partition} again")
    return Checkpoint(files, report, tuple(under))


def ask(checkpoint: Checkpoint, heard: Heard) -> Floats:
    """Scores of each part, shape (W, D), on the scale of the labels; NaN of parts that the model cannot be told.

    Raises:
        SetupError: The checkpoint does not fit what is heard, or is damaged.
    """
    import numpy as np

    found = np.full((len(heard.spans), checkpoint.report.dims["labels"]), np.nan)
    if spec_of(checkpoint.report.model).of_arrays:
        _by_arrays(checkpoint, heard, found)
    elif chosen := _tellable(checkpoint, heard):
        said = _fused if checkpoint.under else _module
        found[chosen] = _fitting(checkpoint, lambda: said(checkpoint, heard, chosen))
    return found


def _fitting(checkpoint: Checkpoint, say: Callable[[], Any]) -> Any:
    try:
        return say()
    except (ValueError, RuntimeError, KeyError) as error:  # shapes of another version: torch and numpy say it so
        raise SetupError(
            f"{checkpoint.files.folder}: the model does not take what is made of a performance now ({error}). Train it "
            "again"
        ) from error


# ------------------------------------------------------------------------------------------------- models of arrays


def _by_arrays(checkpoint: Checkpoint, heard: Heard, found: Floats) -> None:
    from crescendai_assets.models.hand import HandReference
    from crescendai_assets.models.stack import SymbolicEnsemble

    files = checkpoint.files
    if "notes" in checkpoint.kinds:
        ensemble = SymbolicEnsemble.load(files.arrays)
        told = {place: part for place, part in enumerate(heard.parts) if part is not None and part.aligned}
        rows: Any = [_named(part, ensemble.feature_names, files) for part in told.values()]
        model: Any = ensemble
    else:
        model = HandReference.load(files.arrays)
        told = {place: part for place, part in enumerate(heard.parts) if part is not None}
        rows = _hand(list(told.values()))
    if told:
        found[list(told)] = _fitting(checkpoint, lambda: model.predict(rows))


def _named(part: Part, names: Sequence[str], files: CheckpointFiles) -> list[float]:
    if missing := sorted(set(names) - set(part.aligned)):
        raise SetupError(f"{files.folder}: was trained with a feature that is no more ({missing[0]}); train it again")
    return [part.aligned[name] for name in names]


def _hand(parts: Sequence[Part]) -> Floats:
    """Hand features and their differences from the score's, NaN where they are unknown."""
    own = [list(part.hand.values()) for part in parts]
    return with_differences(own, [list(part.score.values()) or None for part in parts])


# ---------------------------------------------------------------------------------------------------------- modules


def _tellable(checkpoint: Checkpoint, heard: Heard) -> list[int]:
    """Parts that a module can be told of."""
    chosen = set(range(len(heard.spans)))
    if "embeddings" in checkpoint.kinds:
        there = heard.sound.embeddings if heard.sound else ()
        chosen &= {place for place, one in enumerate(there) if one is not None}
    if checkpoint.kinds - {"embeddings", "audio"}:
        chosen &= {place for place, part in enumerate(heard.parts) if part is not None}
    return sorted(chosen)


def _module(checkpoint: Checkpoint, heard: Heard, chosen: Sequence[int]) -> Any:
    data, settings = _data(checkpoint, heard, chosen), checkpoint.settings
    batches, _ = as_batches(data, make_inputs(data, settings))
    return predicted(_loaded(checkpoint, heard), batches, range(len(chosen)), _AT_ONCE)


def _loaded(checkpoint: Checkpoint, heard: Heard) -> Any:
    spec = heard.sound.spec if heard.sound and "audio" in checkpoint.kinds else None
    return load_module(checkpoint.files, checkpoint.settings, spec)


def _data(checkpoint: Checkpoint, heard: Heard, chosen: Sequence[int], *, written: bool = False) -> T1Data:
    """The parts as if they were rated clips; their labels are not looked at.

    Args:
        checkpoint: Of one model, not of a fusion.
        heard: The performance.
        chosen: Places of the parts.
        written: Whether the score stands in the place of the performance: it deviates from itself in nothing.
    """
    import numpy as np

    (kind,) = checkpoint.kinds
    rows = tuple({"segment_id": f"part{place}", "passage": "one"} for place in chosen)
    keys = [row["segment_id"] for row in rows]
    data = T1Data(rows=rows, labels=np.zeros((len(rows), 1)), raters=np.ones(len(rows)))
    if heard.sound is not None and kind == "audio":
        samples = {key: heard.sound.samples[place] for key, place in zip(keys, chosen, strict=True)}
        return replace(data, sound=parts_sound(samples, heard.sound.spec))
    if heard.sound is not None and kind == "embeddings":
        made = [one for place in chosen if (one := heard.sound.embeddings[place]) is not None]
        return replace(data, embeddings=dict(zip(keys, made, strict=True)))
    parts = [part for place in chosen if (part := heard.parts[place]) is not None]
    told = replace(data, arrays=tuple((part.written if written else part.arrays)[kind] for part in parts))
    if wants_hand(checkpoint.settings):
        as_written = [list(part.score.values()) for part in parts] if written else []
        told = replace(told, hand=with_differences(as_written, as_written) if written else _hand(parts))
    if checkpoint.scored and any(part.written for part in parts):
        told = replace(told, scores=tuple(part.written.get(kind) for part in parts))
    return told


# ---------------------------------------------------------------------------------------------------------- fusions


def _fused(checkpoint: Checkpoint, heard: Heard, chosen: Sequence[int]) -> Any:
    audio, symbolic = checkpoint.under
    scores = _score_vectors(symbolic, heard, chosen) if checkpoint.scored else None
    vectors = fused_inputs(_vectors(audio, heard, chosen), _vectors(symbolic, heard, chosen), scores)
    data = replace(_data(symbolic, heard, chosen), hand=None)
    batches, _ = as_batches(data, vectors)
    return predicted(load_module(checkpoint.files, checkpoint.settings), batches, range(len(chosen)), _AT_ONCE)


def _vectors(checkpoint: Checkpoint, heard: Heard, chosen: Sequence[int], *, written: bool = False) -> Tensor:
    """What an encoder makes of parts, shape (parts, H)."""
    import torch

    data, model = _data(checkpoint, heard, chosen, written=written), _loaded(checkpoint, heard)
    batches, _ = as_batches(data, make_inputs(data, checkpoint.settings))
    with torch.inference_mode():
        found = [representation(model, batches[some]).float() for some in in_order(range(len(chosen)), _AT_ONCE)]
    return torch.cat(found).clone()


def _score_vectors(symbolic: Checkpoint, heard: Heard, chosen: Sequence[int]) -> Tensor | None:
    """The same of their scores, NaN where a part has none; None where no part has one."""
    import torch

    there = [row for row, place in enumerate(chosen) if (part := heard.parts[place]) and part.written]
    if not there:
        return None
    made = _vectors(symbolic, heard, [chosen[row] for row in there], written=True)
    found = torch.full((len(chosen), made.shape[1]), torch.nan)
    found[there] = made
    return found
