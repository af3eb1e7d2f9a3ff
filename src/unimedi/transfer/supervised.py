"""What labels could do: the same encoder, from scratch, trained with labels for a number of steps.

The ceiling that the table is read against, not a rival: it needs the labels that pre-training does without.
"""

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from unimedi.inputs.store import Store
from unimedi.model.unimedi import UniMediModel
from unimedi.optimization.optimizer import muon, set_learning_rate
from unimedi.optimization.schedule import warmup_cosine
from unimedi.representation.embedder import Embedder
from unimedi.transfer.metrics import Figure, NotComputable, macro_auroc
from unimedi.transfer.references import untrained
from unimedi.transfer.task import KINDS, EvaluationOptions, View

BATCH = {"xray": 32, "ct": 24}  # studies a step, optimiser and schedule: as the tiny recipe has them
PEAK_RATE, WEIGHT_DECAY, BETAS, WARM_UP = 1e-3, 0.05, (0.9, 0.95), 0.05


def supervised_figures(
    views: Mapping[str, View], store: Store, embedder: Embedder, options: EvaluationOptions
) -> dict[str, Figure]:
    """``supervised/<kind>/auroc`` on the studies of ``views``; the model is thrown away."""
    findings = sorted({name for seen in views.values() for name in seen.labels})
    train = {kind: store.select(split="train", ndim=KINDS[kind]) for kind in views}
    train = {kind: [i for i in indices if store.studies[i].labels] for kind, indices in train.items()}
    train = {kind: indices for kind, indices in train.items() if indices}
    if not findings or not train:
        raise NotComputable("no labelled training study")
    model = untrained(embedder.model, options.seed + 1).train()
    head = nn.Linear(model.config.hidden_size, len(findings)).to(model.device)
    nn.init.zeros_(head.weight)  # a linear reader needs no random start
    nn.init.zeros_(head.bias)
    _train(model, head, store, train, findings, options)
    encoder = Embedder(model, embedder.processor, options.batch_size)
    figures = {}
    for kind, seen in views.items():
        cls = encoder.images(store, seen.indices).cls
        if kind not in train or cls is None:
            continue
        with torch.inference_mode():
            logits = head(torch.from_numpy(cls).to(model.device)).cpu().numpy()
        scores = {name: logits[:, findings.index(name)] for name in seen.labels}
        figures[f"supervised/{kind}/auroc"] = macro_auroc(scores, seen.labels, seen.bootstrap).figure
    return figures


def _train(
    model: UniMediModel,
    head: nn.Linear,
    store: Store,
    train: Mapping[str, list[int]],
    findings: list[str],
    options: EvaluationOptions,
) -> None:
    steps = options.supervised_steps
    learner = nn.ModuleDict({"vision": model.vision, "head": head})
    optimiser = muon(learner, PEAK_RATE, WEIGHT_DECAY, BETAS)
    generator = np.random.default_rng(options.seed)
    for step in range(steps):
        set_learning_rate(optimiser, PEAK_RATE * warmup_cosine(step, warmup=round(WARM_UP * steps), total=steps))
        losses = []
        for kind, indices in train.items():
            batch = [int(i) for i in generator.choice(indices, min(BATCH[kind], len(indices)), replace=False)]
            losses.append(_loss(head(_cls(model, store, batch)), store, batch, findings))
        optimiser.zero_grad()
        torch.stack(losses).sum().backward()
        nn.utils.clip_grad_norm_(learner.parameters(), 1.0)
        optimiser.step()


def _cls(model: UniMediModel, store: Store, batch: list[int]) -> Float[Tensor, "n hidden"]:
    """[CLS] with gradient, by the route that training takes: a volume with evenly spaced planes."""
    stored = torch.from_numpy(np.stack([store.pixels(i) for i in batch])).to(model.device)
    if stored.ndim == 3:
        radiographs: Tensor = model.vision(model.radiograph_tokens(model.preprocess.radiographs(stored))).cls
        return radiographs
    slices = None
    if model.config.slices:
        planes = model.choose_planes(torch.zeros(len(batch), 1), selector="uniform")
        slices = model.cut_slices(stored, planes.to(model.device))
    volumes: Tensor = model.vision(model.volume_tokens(model.preprocess.volumes(stored), slices)).cls
    return volumes


def _loss(logits: Float[Tensor, "n findings"], store: Store, batch: list[int], findings: list[str]) -> Tensor:
    raw = [[store.studies[i].labels.get(name) for name in findings] for i in batch]
    known = torch.tensor([[value is not None for value in row] for row in raw], device=logits.device)
    target = torch.tensor([[float(bool(value)) for value in row] for row in raw], device=logits.device)
    loss = nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return (loss * known).sum() / known.sum().clamp(min=1)
