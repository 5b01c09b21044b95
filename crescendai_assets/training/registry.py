"""Models by key: what each listens to, how it is built in which size, and how it is prepared for a fold.

`S0` and `S4` are models of arrays; all others are Lightning modules. One more model is one more entry here. How they
are trained is in `fit`; what they are is in `models`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.stage import silent
from crescendai_assets.training.settings import FitSettings, hardware

if TYPE_CHECKING:
    from crescendai_assets.embeddings.identity import EncoderSpec
    from crescendai_assets.lake.stage import Progress
    from crescendai_assets.symbolic.corpus.pack import Arrays
    from crescendai_assets.training.t1_data import T1Data
    from crescendai_assets.training.t1_inputs import Inputs
    from crescendai_assets.training.t1_plan import Kind

Track = Literal["symbolic", "audio", "fusion"]

SMALL_AUDIO: Mapping[str, Any] = {"hidden_dim": 128}
"""Sizes over stored embeddings that train a fold in minutes on two cores."""


@dataclass(frozen=True)
class Dims:
    """Sizes that follow from the data.

    Attributes:
        labels: D.
        conditions: K, numbers beside the music; 0 for none.
        audio: Size of a fusion's `z_audio`; 0 for other models.
        symbolic: Size of its `z_symbolic`.
        scores: 1 where scores stand beside performances, else 0.
        names: Of the columns, of a model of arrays; not written down, its file has them.
        encoder: The MuQ that the model stands on; not written down, its digest is. None for the environment's.
    """

    labels: int
    conditions: int = 0
    audio: int = 0
    symbolic: int = 0
    scores: int = 0
    names: tuple[str, ...] = field(default=(), compare=False)
    encoder: EncoderSpec | None = field(default=None, compare=False)

    @property
    def plain(self) -> dict[str, int]:
        """As they are written beside a checkpoint."""
        return {name: value for name, value in asdict(self).items() if name not in ("names", "encoder")}


@dataclass(frozen=True)
class ModelSpec:
    """A model of the registry.

    Attributes:
        key: Its name.
        title: What it is, in a few words.
        track: Which report it stands in.
        kind: What it listens to; None for a fusion, which listens to two other checkpoints.
        make: Builds it.
        note: What must be said with its figures.
        beside: Whether it learns from other tiers beside ratings.
    """

    key: str
    title: str
    track: Track
    kind: Kind | None
    make: Callable[[FitSettings, Dims], Any]
    note: str = ""
    beside: bool = False

    @property
    def of_arrays(self) -> bool:
        """Whether it is trained at once, from arrays of features, without a GPU."""
        return self.kind in ("hand", "notes")

    @property
    def of_symbols(self) -> bool:
        """Whether it is an encoder of symbols: the corpus can pretrain it, and a fusion can stand on it."""
        return self.track == "symbolic" and not self.of_arrays


REFERENCES: Mapping[Track, str] = {"symbolic": "S0", "audio": "A0", "fusion": "A0"}
"""What others of the track are compared with."""


def spec_of(key: str) -> ModelSpec:
    """The model of that key.

    Raises:
        SetupError: There is none.
    """
    if key not in MODELS:
        raise SetupError(f"there is no model {key!r}; the models are {', '.join(MODELS)}")
    return MODELS[key]


def wants_hand(settings: FitSettings) -> bool:
    """Whether hand features are needed."""
    spec = spec_of(settings.model)
    return spec.kind == "hand" or (spec.of_symbols and settings.hand_features)


def kind_of(settings: FitSettings) -> Kind | None:
    """What the model listens to, as it is set.

    Raises:
        SetupError: It is to hear audio through MuQ and is no audio model.
    """
    spec = spec_of(settings.model)
    if not settings.use_pretrained_muq:
        return spec.kind
    if spec.track != "audio":
        heard = ", ".join(key for key, one in MODELS.items() if one.track == "audio")
        raise SetupError(f"{settings.model}: use_pretrained_muq is for models of sound ({heard}); leave it away")
    return "audio"


def wants_score(settings: FitSettings) -> bool:
    """Whether scores are heard beside performances; by a model of arrays they are known as differences alone."""
    spec = spec_of(settings.model)
    return settings.use_score and not spec.of_arrays and spec.track != "audio"


def make_inputs(data: T1Data, settings: FitSettings, progress: Progress = silent) -> Inputs:
    """What a model takes of each clip; of a model that hears audio, once its MuQ's stem has heard what it has not yet.

    Args:
        data: The clips.
        settings: Which model, and how.
        progress: Gets lines for the log.
    """
    from crescendai_assets.training import t1_inputs
    from crescendai_assets.training.t1_sound import keep_stems

    segments = [row["segment_id"] for row in data.rows]
    if data.sound is not None:
        device = hardware(settings).torch_device
        if settings.cache_stem:
            keep_stems(data.sound, device, progress)
        return t1_inputs.AudioInputs(data.sound, segments, stems=settings.cache_stem, device=device)
    if settings.use_pretrained_muq:
        raise SetupError(
            f"{settings.model}: was trained through MuQ and hears audio, not stored embeddings; give audio"
        )
    if data.embeddings is not None:
        return t1_inputs.EmbeddingInputs(data.embeddings, segments)

    def read(arrays: Sequence[Arrays]) -> Inputs:
        kind = spec_of(settings.model).kind
        if kind == "tokens":
            return t1_inputs.TokenInputs(arrays, _size(settings, "max_seq_len", 1024, 2048))
        if kind == "score_graphs":
            return t1_inputs.GraphInputs(arrays)
        if kind == "hetero_graphs":
            return t1_inputs.HeteroGraphInputs(arrays)
        return t1_inputs.CurveInputs(arrays, _size(settings, "max_frames", 6000, 15_000))

    return t1_inputs.with_scores(read, data.arrays, data.scores) if data.scores else read(data.arrays)


def prepare(model: Any, inputs: Inputs, labels: Any, conditions: Any, train: Sequence[int]) -> None:
    """Tell a new model the means and deviations of what it will see, from the rows to learn from alone.

    Args:
        model: As `make` built it.
        inputs: Of all rows.
        labels: Shape (N, D).
        conditions: Shape (N, K) or None.
        train: Places of the rows to learn from.
    """
    chosen = list(train)
    if hasattr(model, "start_at"):
        model.start_at(labels[chosen])
    if conditions is not None:
        model.fit_conditions(conditions[chosen])
    if hasattr(model, "fit_inputs"):
        model.fit_inputs(inputs.sample(chosen))
    if hasattr(model, "scale"):
        from crescendai_assets.training.t1_inputs import frames_through

        of_clips = inputs.sample(chosen) if model.backbone is None else frames_through(model.backbone, inputs, chosen)
        model.scale.fit(of_clips)


def scores_of(model: Any, batch: Mapping[str, Any]) -> Any:
    """Scores (B, D) in 0 to 1 of a batch of rows."""
    if hasattr(model, "logits_of"):
        return model.logits_of(batch, "").sigmoid()
    return model.logits(model.encode(batch["embeddings"], batch["mask"])).sigmoid()


def representation(model: Any, batch: Mapping[str, Any]) -> Any:
    """Representations z (B, H) of a batch of rows, as a fusion takes them."""
    if "embeddings" in batch:
        return model.encode(batch["embeddings"], batch["mask"])
    return model.heard(batch)["z_symbolic"]


def _size(settings: FitSettings, name: str, small: int, full: int) -> int:
    return int(settings.sizes.get(name, small if settings.preset == "small" else full))


def _training(settings: FitSettings) -> dict[str, Any]:
    return {
        "learning_rate": settings.learning_rate,
        "weight_decay": settings.weight_decay,
        "dropout": settings.dropout,
        "l_rank": settings.l_rank,
    }


def _hand(settings: FitSettings, _dims: Dims) -> Any:
    from crescendai_assets.models.hand import HandReference, HandSettings

    return HandReference(HandSettings(**{"seed": settings.seed, **settings.sizes}))


def _notes(settings: FitSettings, dims: Dims) -> Any:
    from dataclasses import replace

    from crescendai_assets.models.stack import EnsembleSettings, SymbolicEnsemble

    usual = EnsembleSettings()
    hand = replace(usual.hand, **{"seed": settings.seed, **settings.sizes})
    return SymbolicEnsemble(dims.names, replace(usual, hand=hand))


def _symbolic(name: str) -> Callable[[FitSettings, Dims], Any]:
    def make(settings: FitSettings, dims: Dims) -> Any:
        from crescendai_assets.models import symbolic
        from crescendai_assets.symbolic.tokenizer import PianoTokenizer

        kind: Any = getattr(symbolic, name)
        first = (PianoTokenizer().vocab_size,) if name == "TransformerSymbolicEncoder" else ()
        options = {
            **_training(settings),
            "stage": "finetune",
            "num_labels": dims.labels,
            "conditions_dim": dims.conditions,
            "use_score": bool(dims.scores),
            **settings.sizes,
        }
        return (kind.small if settings.preset == "small" else kind)(*first, **options)

    return make


def _audio(name: str, **own: Any) -> Callable[[FitSettings, Dims], Any]:
    def make(settings: FitSettings, dims: Dims) -> Any:
        from crescendai_assets.models import audio
        from crescendai_assets.training.t1_sound import on_muq

        small = SMALL_AUDIO if settings.preset == "small" else {}
        muq = on_muq(dims.encoder) if settings.use_pretrained_muq else {}
        weights = {"l_con": settings.l_con, "l_inv": settings.l_inv}
        options = {**_training(settings), **weights, "num_labels": dims.labels, **small, **own, **muq, **settings.sizes}
        return getattr(audio, name)(**options)

    return make


def _fusion(fusion_type: Any) -> Callable[[FitSettings, Dims], Any]:
    def make(settings: FitSettings, dims: Dims) -> Any:
        from crescendai_assets.models.fusion import FusedPerformanceModel

        small = {"fused_dim": 128} if settings.preset == "small" else {}
        sizes = {"num_labels": dims.labels, "audio_dim": dims.audio, "symbolic_dim": dims.symbolic}
        sizes["use_score_conditioning"] = bool(dims.scores)
        options = {**_training(settings), **sizes, **small, **settings.sizes}
        return FusedPerformanceModel(fusion_type=fusion_type, **options)

    return make


MODELS: Mapping[str, ModelSpec] = {
    spec.key: spec
    for spec in (
        ModelSpec("S0", "hand features, trees and kernel ridge", "symbolic", "hand", _hand),
        ModelSpec("S1", "tokens, Transformer", "symbolic", "tokens", _symbolic("TransformerSymbolicEncoder")),
        ModelSpec("S2", "graph of notes, attention", "symbolic", "score_graphs", _symbolic("GNNSymbolicEncoder")),
        ModelSpec(
            "S2h",
            "graph of notes, weights by kind of edge",
            "symbolic",
            "hetero_graphs",
            _symbolic("HeteroGNNSymbolicEncoder"),
        ),
        ModelSpec("S3", "curves, CNN + Transformer", "symbolic", "features", _symbolic("ContinuousSymbolicEncoder")),
        ModelSpec("S4", "aligned notes, trees and weighed kernel ridge", "symbolic", "notes", _notes),
        ModelSpec("A0", "frozen MuQ, attention pooling, MLP", "audio", "embeddings", _audio("AudioReference")),
        ModelSpec("A1", "low-rank adapters", "audio", "embeddings", _audio("MuQLoRAModel"), beside=True),
        ModelSpec(
            "A2",
            "adapters, in two stages",
            "audio",
            "embeddings",
            _audio("MuQStagedModel", stage="supervised"),
            "without its first stage, which needs T3 and T4",
            beside=True,
        ),
        ModelSpec("A3", "unfrozen layer by layer", "audio", "embeddings", _audio("MuQFullUnfreezeModel"), beside=True),
        ModelSpec("F1", "cross-attention of sound and symbols", "fusion", None, _fusion("cross_attention")),
        ModelSpec("F2", "sound and symbols side by side", "fusion", None, _fusion("concat")),
        ModelSpec("F3", "sound and symbols by gates", "fusion", None, _fusion("gated")),
    )
}
"""All models."""
