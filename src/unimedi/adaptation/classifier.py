"""E_v with a linear head on its [CLS], for radiographs and volumes alike: what learns from labels of studies."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int16
from numpy import ndarray
from torch import Tensor, nn

from unimedi.cohort.image_kind import ImageKind
from unimedi.inputs.augment import Augmentation, apply, draw
from unimedi.inputs.batch_recipe import BatchRecipe
from unimedi.inputs.store import Store
from unimedi.model.unimedi import UniMediModel
from unimedi.model.vision_encoder import Tokens


def image_tokens(model: UniMediModel, stored: Int16[Tensor, "n *size"], selector: str | None = None) -> Tokens:
    """Stored radiographs (n, height, width) or volumes (n, depth, height, width) as the tokens that E_v reads.

    The tokens are those of :meth:`~unimedi.model.unimedi.UniMediModel.encode_images`: a volume with the slices that
    ``selector`` (the model's own by default) takes.
    """
    tokens = model.tokens(model.normalise(stored))
    if ImageKind.of(stored.ndim - 1) is ImageKind.XRAY or not model.config.slices:
        return tokens
    selector = selector or model.config.selector
    scores = torch.zeros(len(stored), 1, device=stored.device)
    if selector == "attentive":
        with torch.no_grad():  # which planes are taken is a choice: nothing to differentiate
            scores, _ = model.score_slabs(tokens)
    return model.with_slices(tokens, model.cut_slices(stored, model.select_planes(scores, selector=selector)))


class Classifier:
    """A model whose E_v learns (or is frozen) and a linear head on its [CLS] that starts at zero: one logit a finding.

    ``selector`` chooses the slices of volumes in place of the model's own; ``precision`` is fp32 or bf16 (mixed).
    ``module`` is what learns.
    """

    def __init__(
        self,
        model: UniMediModel,
        findings: Sequence[str],
        frozen: bool = False,
        selector: str | None = None,
        precision: str = "fp32",
    ) -> None:
        self.model, self.findings, self.frozen, self.selector = model, tuple(findings), frozen, selector
        self.mixed = torch.autocast(model.device.type, torch.bfloat16, enabled=precision == "bf16")
        self.head = nn.Linear(model.config.hidden_size, len(findings)).to(model.device)
        nn.init.zeros_(self.head.weight)  # a linear head needs no random start
        nn.init.zeros_(self.head.bias)
        self.module = nn.ModuleDict({"vision": model.vision, "head": self.head})  # what learns
        model.vision.requires_grad_(not frozen)

    def logits(self, stored: Int16[Tensor, "n *size"]) -> Float[Tensor, "n findings"]:
        """Logits of a batch of one kind, as the store keeps it."""
        with self.mixed, torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            cls = self.model.vision(image_tokens(self.model, stored.to(self.model.device), self.selector)).cls
        logits: Tensor = self.head(cls.float())
        return logits

    @torch.no_grad()
    def scores(self, store: Store, indices: Sequence[int], batch: int = 16) -> dict[str, Float[ndarray, "studies"]]:
        """Finding → logits of stored studies of one kind, in the order of ``indices``."""
        parts = [indices[start : start + batch] for start in range(0, len(indices), batch)]
        rows = [self.logits(stored_batch(store, part)).double().cpu().numpy() for part in parts]
        table = np.concatenate(rows) if rows else np.zeros((0, len(self.findings)))
        return {name: table[:, column] for column, name in enumerate(self.findings)}

    def loss(self, store: Store, batch: Sequence[int], generator: np.random.Generator | None = None) -> Tensor:
        """:func:`finding_loss` of stored studies, varied as pre-training varies them where ``generator`` is given."""
        target = label_matrix(store, batch, self.findings).to(self.model.device)
        return finding_loss(self.logits(stored_batch(store, batch, generator)), target)


def stored_batch(
    store: Store, batch: Sequence[int], generator: np.random.Generator | None = None
) -> Int16[Tensor, "n *size"]:
    """Stored arrays of one kind; with a ``generator`` varied as in pre-training."""
    store.ahead(batch)
    arrays = [store.pixels(index) for index in batch]
    if generator is not None:
        arrays = [apply(array, draw_augmentation(array.shape, generator)) for array in arrays]
    return torch.from_numpy(np.stack(arrays))


def draw_augmentation(shape: tuple[int, ...], generator: np.random.Generator) -> Augmentation:
    """A shift and other intensities for a stored array of this shape, from the ranges that pre-training draws from."""
    recipe = BatchRecipe()
    return draw(recipe.radiograph_augmentation if len(shape) == 2 else recipe.volume_augmentation, shape, generator)


def label_matrix(store: Store, indices: Sequence[int], findings: Sequence[str]) -> Float[Tensor, "n findings"]:
    """1 present, 0 absent, NaN unknown."""
    raw = [[store.studies[index].labels.get(name) for name in findings] for index in indices]
    return torch.tensor([[float("nan") if value is None else float(value) for value in row] for row in raw])


def finding_loss(logits: Float[Tensor, "n findings"], labels: Float[Tensor, "n findings"]) -> Float[Tensor, ""]:
    """Binary cross-entropy, the mean over what is known; 0 where nothing is."""
    known = ~labels.isnan()
    loss = nn.functional.binary_cross_entropy_with_logits(logits, labels.nan_to_num(), reduction="none")
    return (loss * known).sum() / known.sum().clamp(min=1)
