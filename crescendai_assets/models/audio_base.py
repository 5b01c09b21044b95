"""What all audio models share: from frames to scores, parts of the objective by kind of batch, checkpoints.

A model says what is trained below its pooling (`make_front`); from there on they are alike, so that a comparison of
models compares that. The models are in `audio`, their options and batches' fields in `audio_options`, how they are
trained is in `rating_module`.
"""

# ruff: noqa: TID253 - modules are classes of torch; nothing that definitions reach imports this

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.models import losses
from crescendai_assets.models.audio_backbone import backbone_for
from crescendai_assets.models.audio_options import AudioOptions
from crescendai_assets.models.figures import ValidationFigures
from crescendai_assets.models.heads import AttentionPooling, PairwiseHead, Standardise, TwoLayerMLP, start_at_mean
from crescendai_assets.models.lora import check_trainable_state, trainable_state
from crescendai_assets.models.objective_parts import Batch, Parts, compared, merged, rated
from crescendai_assets.models.rating_module import RatingModule, only_asked

MuQ: TypeAlias = nn.Module | str | Path | None


class AudioModel(RatingModule):
    """A performance as sound to z and scores: front, attention pooling, two-layer MLP; pairs by difference of scores.

    Inputs are stored embeddings (B, T, input_dim); with a backbone audio (B, n) at 24 kHz or its stem's stored output
    (B, T, input_dim). Batches are described in `audio_options`.
    """

    def __init__(
        self,
        input_dim: int = 1024,
        hidden_dim: int = 512,
        num_labels: int = 19,
        use_pretrained_muq: bool = False,
        *,
        muq: MuQ = None,
        own: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        """Build the model.

        Args:
            input_dim: Values a frame, C.
            hidden_dim: Size of z, H.
            num_labels: D.
            use_pretrained_muq: Whether the model stands on MuQ itself instead of stored embeddings.
            muq: That MuQ: a loaded `muq.MuQ`, which is changed in place, or a checkpoint (folder or hub id); None for
                the published one.
            own: Arguments of a subclass's own, for `make_front` and checkpoints.
            **options: See `AudioOptions`.

        Raises:
            SetupError: The MuQ cannot be had or does not fit.
            TypeError: There is no such option.
        """
        if muq is not None and not use_pretrained_muq:
            raise SetupError("a MuQ is given and use_pretrained_muq is False; set it, or leave the MuQ away")
        chosen = AudioOptions(**options)
        super().__init__(
            weights=chosen.weights,
            ambiguous_threshold=chosen.ambiguous_threshold,
            learning_rate=chosen.learning_rate,
            weight_decay=chosen.weight_decay,
            warmup_steps=chosen.warmup_steps,
        )
        self.options = chosen
        sizes = {"input_dim": input_dim, "hidden_dim": hidden_dim, "num_labels": num_labels}
        path = str(muq) if isinstance(muq, str | Path) else None
        origin = {"use_pretrained_muq": use_pretrained_muq, "muq": path}
        self.save_hyperparameters({**sizes, **origin, **(own or {}), **self.options.plain()})
        self.backbone = None
        if use_pretrained_muq:
            self.backbone = backbone_for(input_dim, muq, self.options.layers, self.options.temporal_pool)
        # MuQ's features have large constant offsets beside which the differences between performances are small
        self.scale = Standardise(input_dim, clip=None, stored_as="spread")
        self.front: nn.Module = self.make_front(**(own or {}))
        self.pool = AttentionPooling(input_dim)
        self.mlp = TwoLayerMLP(input_dim, hidden_dim, num_labels, self.options.dropout)
        self.pairs = PairwiseHead()
        self.quality = nn.Linear(hidden_dim, 1)
        self.project = nn.Linear(hidden_dim, min(hidden_dim, 128))

    def make_front(self, **own: Any) -> nn.Module:
        """What is trained below the pooling, features (B, T, C) in and out; or adapters on `self.backbone`."""
        return nn.Identity()

    def start_at(self, labels: Tensor) -> None:
        """Begin from the mean rating of the rows of training, shape (N, D)."""
        start_at_mean(self.mlp.second, labels)

    def features(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Frames before pooling, shape (B, T, C), and which of them are there."""
        if self.backbone is not None:
            x, mask = self.backbone(x, mask)
        elif x.ndim != 3:
            raise ValueError(f"input of shape {tuple(x.shape)}; stored embeddings are (B, T, C)")
        return self.scale(x.float()), mask

    def encode(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Representation z of performances, shape (B, H).

        Args:
            x: See the class.
            mask: Which frames (B, T), or samples (B, n), are there; None for all.
        """
        frames, there = self.features(x, mask)
        return self.mlp.represent(self.pool(self.front(frames), there))

    def logits(self, z: Tensor) -> Tensor:
        """Scores before the sigmoid, shape (B, D)."""
        out: Tensor = self.mlp.second(z).float()
        return out

    def forward(
        self, x_a: Tensor, x_b: Tensor, mask_a: Tensor | None = None, mask_b: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Compare performances.

        Returns:
            `ranking_logits` (B, D), above 0 where a is higher; `quality_logits` (B,), the same of the whole, learned
            from placements; `scores_a`, `scores_b` (B, D) in 0 to 1; `z_a`, `z_b` (B, H).
        """
        z_a, z_b = self._encode_both(x_a, x_b, mask_a, mask_b)
        logits_a, logits_b = self.logits(z_a), self.logits(z_b)
        quality = (self.quality(z_a) - self.quality(z_b)).squeeze(-1).float()
        return {
            "ranking_logits": self.pairs(logits_a, logits_b),
            "quality_logits": quality,
            "scores_a": logits_a.sigmoid(),
            "scores_b": logits_b.sigmoid(),
            "z_a": z_a,
            "z_b": z_b,
        }

    def predict_scores(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Scores of performances, shape (B, D), in 0 to 1; without dropout and gradients. Arguments as of `encode`."""
        with only_asked(self):
            return self.logits(self.encode(x, mask)).sigmoid()

    def parts(self, batch: Batch, figures: ValidationFigures | None = None) -> Parts:
        """Parts of the objective that a batch has; `figures` gathers what a validation is told by.

        Raises:
            ValueError: The batch has none.
        """
        if batch and all(isinstance(one, Mapping) for one in batch.values()):
            return merged([self.parts(one, figures) for one in batch.values()])
        found: Parts = {}
        if "embeddings_a" in batch:
            found = self._parts_of_pairs(batch, figures)
        elif "embeddings_clean" in batch:
            found = self._parts_of_views(batch)
        elif "embeddings" in batch and "labels" in batch:
            found = self._parts_of_rows(batch, figures)
        if not found:
            raise ValueError(
                "a batch holds embeddings_a/b with labels_a/b, placement_a/b or piece_ids_a/b, or embeddings with "
                "labels, or embeddings_clean and embeddings_augmented; this one holds "
                f"{', '.join(map(str, batch)) or 'nothing'}"
            )
        return found

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what was trained, and which backbone it goes with."""
        if self.backbone is not None:
            checkpoint["state_dict"] = trainable_state(self)
            checkpoint["backbone"] = self.backbone.mark

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse what was trained as another model or on another backbone.

        Raises:
            SetupError: It was.
        """
        mine, theirs = "" if self.backbone is None else self.backbone.mark, checkpoint.get("backbone", "")
        if mine != theirs:
            raise SetupError(
                f"this checkpoint was trained on {'another MuQ' if theirs else 'stored embeddings'} (mark "
                f"{theirs or 'none'}, here {mine or 'none'}); give `muq` and `use_pretrained_muq` as in its training"
            )
        check_trainable_state(self, checkpoint["state_dict"])

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Load a state with or without the frozen part of the backbone, which otherwise stays as it is."""
        if self.backbone is not None:
            own = self.state_dict()
            kept = own.keys() - trainable_state(self).keys() - state_dict.keys()
            state_dict = {**state_dict, **{name: own[name] for name in kept}}
        return super().load_state_dict(state_dict, strict=strict, assign=assign)

    def _parts_of_pairs(self, batch: Batch, figures: ValidationFigures | None) -> Parts:
        out = self(batch["embeddings_a"], batch["embeddings_b"], batch.get("mask_a"), batch.get("mask_b"))
        found = compared(out, batch, self.ambiguous_threshold)
        if "piece_ids_a" in batch:
            pieces = (batch["piece_ids_a"], batch["piece_ids_b"])
            found["contrastive"] = self.contrast(out["z_a"], out["z_b"], *pieces, self.options.same_piece)
        if figures is not None and "labels_a" in batch:
            figures.add_pairs(out["ranking_logits"].detach(), batch["labels_a"], batch["labels_b"])
        return found

    def _parts_of_rows(self, batch: Batch, figures: ValidationFigures | None) -> Parts:
        logits = self.logits(self.encode(batch["embeddings"], batch.get("mask")))
        if figures is not None:
            figures.add_rows(logits.sigmoid(), batch["labels"], batch.get("piece_ids"))
        return rated(logits, self.pairs, batch, self.ambiguous_threshold)

    def _parts_of_views(self, batch: Batch) -> Parts:
        z_clean, z_augmented = self.views(batch)
        scores = (self.logits(z_clean).sigmoid(), self.logits(z_augmented).sigmoid())
        return {"invariance": losses.invariance_loss(z_clean, z_augmented) + losses.invariance_loss(*scores)}

    def views(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Representations z of recordings and of their augmented copies, shape (B, H) each."""
        masks = (batch.get(f"mask_{one}", batch.get("mask")) for one in ("clean", "augmented"))
        return self._encode_both(batch["embeddings_clean"], batch["embeddings_augmented"], *masks)

    def contrast(
        self, z_a: Tensor, z_b: Tensor, pieces_a: Tensor | None, pieces_b: Tensor | None, same_piece: losses.SamePiece
    ) -> Tensor:
        """InfoNCE of projections, which spares z what only the contrast needs."""
        projected = (self.project(z_a).float(), self.project(z_b).float())
        temperature = self.options.temperature
        return losses.info_nce_loss(*projected, pieces_a, pieces_b, same_piece=same_piece, temperature=temperature)

    def _encode_both(
        self, x_a: Tensor, x_b: Tensor, mask_a: Tensor | None, mask_b: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        if x_a.shape != x_b.shape:
            return self.encode(x_a, mask_a), self.encode(x_b, mask_b)
        mask = None
        if mask_a is not None or mask_b is not None:
            whole = torch.ones(x_a.shape[:2], dtype=torch.bool, device=x_a.device)
            mask = torch.cat([whole if one is None else one.bool() for one in (mask_a, mask_b)])
        z_a, z_b = self.encode(torch.cat([x_a, x_b]), mask).chunk(2)  # one pass is faster than two
        return z_a, z_b
