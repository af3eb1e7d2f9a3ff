"""A supervised reference: the same encoder, from scratch, trained with labels for a number of steps.

It is a ceiling to compare with, not a competitor, as it needs the labels that pre-training does without.
"""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from unimedi.adaptation.classifier import Classifier
from unimedi.adaptation.training import train
from unimedi.evaluation.options import EvaluationOptions
from unimedi.evaluation.result import TaskResult
from unimedi.evaluation.split import EvalSplit
from unimedi.inputs.labels import labelled
from unimedi.inputs.store import Store
from unimedi.metrics.auroc import macro_auroc
from unimedi.metrics.checks import NotComputable
from unimedi.metrics.measurement import Measurements, named
from unimedi.model.untrained import untrained
from unimedi.optimization.optimizer import muon
from unimedi.optimization.schedule import warmup_cosine
from unimedi.representation.embedder import Embedder

BATCH = {"xray": 32, "ct": 24}  # studies a step, optimiser and schedule: as the tiny recipe has them
PEAK_RATE, WEIGHT_DECAY, BETAS, WARM_UP = 1e-3, 0.05, (0.9, 0.95), 0.05


def supervised(
    splits: Mapping[str, EvalSplit], store: Store, embedder: Embedder, options: EvaluationOptions
) -> TaskResult:
    """Macro ``auroc`` of the same encoder, trained from nothing with labels; the trained model is thrown away."""
    findings = sorted({name for split in splits.values() for name in split.labels})
    known = {kind: labelled(store, "train", kind, options.classes) for kind in splits}
    studies = {kind: indices for kind, indices in known.items() if indices}
    if not findings or not studies:
        raise NotComputable("no labelled training study")
    # Evenly spaced planes: an encoder that has learnt nothing yet cannot choose slices.
    learner = Classifier(untrained(embedder.model, options.seed + 1).train(), findings, selector="uniform")
    _train(learner, store, studies, options)
    encoder = Embedder(learner.model, embedder.processor, options.batch_size, embedder.devices)
    rows = []
    for kind, split in splits.items():
        cls = encoder.images(store, split.indices).cls
        if kind not in studies or cls is None:
            continue
        with torch.inference_mode():
            logits = learner.head(torch.from_numpy(cls).to(learner.model.device)).cpu().numpy()
        scores = {name: logits[:, findings.index(name)] for name in split.labels}
        mean = macro_auroc(scores, split.labels, split.bootstrap).mean
        rows.append(named(mean, task="supervised", modality=kind, metric="auroc"))
    return TaskResult(Measurements(rows))


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
