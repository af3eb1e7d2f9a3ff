"""What labels could do: the same encoder, from scratch, trained with labels for a number of steps.

The ceiling that the table is read against, not a rival: it needs the labels that pre-training does without.
"""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from unimedi.adaptation.classifier import Classifier
from unimedi.adaptation.training import train
from unimedi.evaluation.task import EvaluationOptions, View
from unimedi.inputs.labels import labelled
from unimedi.inputs.store import Store
from unimedi.metrics.auroc import macro_auroc
from unimedi.metrics.bootstrap import Estimate
from unimedi.metrics.checks import NotComputable
from unimedi.model.untrained import untrained
from unimedi.optimization.optimizer import muon
from unimedi.optimization.schedule import warmup_cosine
from unimedi.representation.embedder import Embedder

BATCH = {"xray": 32, "ct": 24}  # studies a step, optimiser and schedule: as the tiny recipe has them
PEAK_RATE, WEIGHT_DECAY, BETAS, WARM_UP = 1e-3, 0.05, (0.9, 0.95), 0.05


def supervised_figures(
    views: Mapping[str, View], store: Store, embedder: Embedder, options: EvaluationOptions
) -> dict[str, Estimate]:
    """``supervised/<kind>/auroc`` on the studies of ``views``; the model is thrown away."""
    findings = sorted({name for seen in views.values() for name in seen.labels})
    known = {kind: labelled(store, "train", kind, options.classes) for kind in views}
    studies = {kind: indices for kind, indices in known.items() if indices}
    if not findings or not studies:
        raise NotComputable("no labelled training study")
    # Evenly spaced planes: an encoder that has learnt nothing yet has no opinion on slices.
    learner = Classifier(untrained(embedder.model, options.seed + 1).train(), findings, selector="uniform")
    _train(learner, store, studies, options)
    encoder = Embedder(learner.model, embedder.processor, options.batch_size)
    figures = {}
    for kind, seen in views.items():
        cls = encoder.images(store, seen.indices).cls
        if kind not in studies or cls is None:
            continue
        with torch.inference_mode():
            logits = learner.head(torch.from_numpy(cls).to(learner.model.device)).cpu().numpy()
        scores = {name: logits[:, findings.index(name)] for name in seen.labels}
        figures[f"supervised/{kind}/auroc"] = macro_auroc(scores, seen.labels, seen.bootstrap).mean
    return figures


def _train(learner: Classifier, store: Store, studies: Mapping[str, list[int]], options: EvaluationOptions) -> None:
    steps, generator = options.supervised_steps, np.random.default_rng(options.seed)

    def loss_of(step: int) -> Tensor:
        losses = []
        for kind, indices in studies.items():
            batch = [int(i) for i in generator.choice(indices, min(BATCH[kind], len(indices)), replace=False)]
            losses.append(learner.loss(store, batch))
        return torch.stack(losses).sum()

    def rate(step: int) -> float:
        return PEAK_RATE * warmup_cosine(step, warmup=round(WARM_UP * steps), total=steps)

    train(learner.module, muon(learner.module, PEAK_RATE, WEIGHT_DECAY, BETAS), loss_of, rate, steps)
