"""Trained modules put to use: their batches, what they say of rows, and their vectors for a fusion.

How they are trained is in `fit` and `loop`, where they lie in `checkpoints`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from crescendai_assets.embeddings.identity import EncoderSpec, identify
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.training.batches import in_order
from crescendai_assets.training.checkpoints import CheckpointFiles, read_report, refuse_foreign
from crescendai_assets.training.registry import MODELS, Dims, make_inputs, representation, scores_of, spec_of
from crescendai_assets.training.settings import FitSettings, hardware
from crescendai_assets.training.t1_data import T1Data, as_written, load_rows, load_t1
from crescendai_assets.training.t1_plan import T1Place, T1Plan, backbone_spec

if TYPE_CHECKING:
    from torch import Tensor

    from crescendai_assets.training.t1_inputs import Inputs, T1Batches


def as_batches(data: T1Data, inputs: Inputs, *, audio: int = 0, symbolic: int = 0) -> tuple[T1Batches, Dims]:
    """The clips as batches of tensors, and the sizes that follow from them.

    Args:
        data: The clips.
        inputs: What is heard of them.
        audio: See `Dims`.
        symbolic: See `Dims`.
    """
    import torch

    from crescendai_assets.models.losses import rater_weights
    from crescendai_assets.training.t1_inputs import T1Batches

    passages = {passage: number for number, passage in enumerate(sorted({row["passage"] for row in data.rows}))}
    conditions = None if data.hand is None else torch.tensor(data.hand, dtype=torch.float32)
    batches = T1Batches(
        inputs,
        torch.tensor(data.labels, dtype=torch.float32),
        rater_weights(torch.tensor(data.raters)),
        torch.tensor([passages[row["passage"]] for row in data.rows]),
        conditions,
    )
    dims = Dims(
        labels=data.labels.shape[1],
        conditions=0 if conditions is None else conditions.shape[1],
        audio=audio,
        symbolic=symbolic,
        scores=int(getattr(inputs, "scored", False)),
        encoder=getattr(inputs, "encoder", None),
    )
    return batches, dims


def predicted(model: Any, batches: T1Batches, places: Sequence[int], batch_size: int, device: str = "cpu") -> Any:
    """Scores of rows, shape (rows, D), in 32 bits."""
    return _asked(scores_of, model, batches, places, batch_size, device).numpy()


def load_module(files: CheckpointFiles, settings: FitSettings, encoder: EncoderSpec | None = None) -> Any:
    """The model of a finished checkpoint, with its weights.

    Args:
        files: Where it is.
        settings: How it was trained.
        encoder: The MuQ at hand, for one that was trained through MuQ; None for the environment's.

    Raises:
        SetupError: There is none, it is a model of arrays, or it was trained through another MuQ.
    """
    import torch

    report, spec = read_report(files), spec_of(settings.model)
    if report is None:
        raise SetupError(f"{files.folder}: there is no finished checkpoint; train {settings.model} first")
    if spec.of_arrays:
        able = ", ".join(key for key, one in MODELS.items() if one.of_symbols)
        raise SetupError(f"{settings.model} is a model of arrays and has no vectors; fuse one of {able}")
    if settings.use_pretrained_muq:
        refuse_foreign(report, files, report.labels, identify(backbone_spec(encoder)).digest)
    dims: dict[str, Any] = dict(report.dims)
    model = spec.make(settings, Dims(**dims, encoder=encoder))
    model.load_state_dict(torch.load(files.weights, weights_only=True, map_location="cpu"))
    return model.eval()


def vectors_of(
    files: CheckpointFiles,
    place: T1Place,
    plan: T1Plan,
    settings: FitSettings,
    keys: Sequence[str],
    device: str = "auto",
) -> Tensor:
    """What a trained encoder makes of clips, shape (clips, H).

    Args:
        files: Its checkpoint.
        place: Where the clips are.
        plan: Which clips it was trained with.
        settings: How it was trained.
        keys: Segments.
        device: Where to ask one that hears audio, as in settings; where it was trained is no matter.
    """
    anywhere = replace(settings, device=device, allow_cpu=True)
    data, model = load_t1(place, plan), load_module(files, settings, place.encoder)
    batches, _ = as_batches(data, make_inputs(data, anywhere))
    of_key = {key: row for row, key in enumerate(plan.keys)}
    there = hardware(anywhere).torch_device if settings.use_pretrained_muq else "cpu"
    return _asked(representation, model, batches, [of_key[key] for key in keys], settings.batch_size, there)


def score_vectors_of(
    files: CheckpointFiles, place: T1Place, plan: T1Plan, settings: FitSettings, scored: T1Plan
) -> Tensor | None:
    """What a trained encoder makes of clips' scores, each as a performance that deviates from its score in nothing.

    Args:
        files: Its checkpoint.
        place: Where the clips are.
        plan: Which clips it was trained with.
        settings: How it was trained.
        scored: Clips and their scores.

    Returns:
        Shape (clips, H), NaN where a clip has no usable score; None where no clip has one.
    """
    import torch

    data, row_of_key = as_written(load_rows(place, plan), plan, scored)
    if not row_of_key:
        return None
    model = load_module(files, settings, place.encoder)
    batches, _ = as_batches(data, make_inputs(data, settings))
    every = _asked(representation, model, batches, range(len(data.rows)), settings.batch_size, "cpu")
    found = torch.full((len(scored.keys), every.shape[1]), torch.nan)
    for number, key in enumerate(scored.keys):
        if key in row_of_key:
            found[number] = every[row_of_key[key]]
    return found


def fused_inputs(audio: Tensor, symbolic: Tensor, scores: Tensor | None = None) -> Inputs:
    """Vectors of two encoders as what a fusion takes; of scores as well, NaN where there is none."""
    from crescendai_assets.training.t1_inputs import VectorInputs

    if scores is None:
        return VectorInputs(z_audio=audio, z_symbolic=symbolic)
    return VectorInputs(z_audio=audio, z_symbolic=symbolic, z_score_midi=scores)


def _asked(
    ask: Callable[[Any, Any], Any],
    model: Any,
    batches: T1Batches,
    places: Sequence[int],
    batch_size: int,
    device: str,
) -> Tensor:
    import torch
    from lightning.fabric.utilities import move_data_to_device

    model = model.to(device).eval()
    found = []
    with torch.inference_mode():
        for chosen in in_order(places, batch_size):
            batch = move_data_to_device(batches[chosen], torch.device(device))  # typed graphs are mappings
            found.append(ask(model, batch).float().cpu())
    return torch.cat(found).clone()
