"""The linear probe as MGCA trains it: minibatches, an early stop, the weights of the best validation loss.

MGCA (Wang et al. 2022), its public code: one linear layer on the raw [CLS], AdamW 5e-4, weight decay 1e-6, batches of
48, at most 50 epochs, patience 10. Two differences: features are computed once, so images are not varied, and the layer
starts at zero. The order of the studies is the same in every fit, so that what differs between the seeds of a probe is
the draw of the studies and nothing else.
"""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from unimedi.adaptation.classifier import finding_loss
from unimedi.adaptation.subset import Scores
from unimedi.adaptation.training import BestWeights, train
from unimedi.evaluation.probes.linear import Features
from unimedi.optimization.optimizer import adamw

RATE, WEIGHT_DECAY, BATCH, EPOCHS, PATIENCE = 5e-4, 1e-6, 48, 50, 10
ORDER = 0  # seed of the order of the studies


def fit_and_score_by_gradient(train_part: Features, validation: Features, test: Features) -> Scores:
    """One linear layer for all findings; test logits at the weights of the lowest validation loss."""
    names = list(train_part.labels)
    parts = [(torch.from_numpy(part.x).float(), _targets(part, names)) for part in (train_part, validation)]
    (x, y), (held_x, held_y) = parts
    head = nn.Linear(x.shape[1], len(names))
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    batches = -(-len(x) // BATCH)  # of an epoch; the last may be smaller
    generator, best, order = np.random.default_rng(ORDER), BestWeights(head), np.arange(len(x))

    def loss_of(step: int) -> Tensor:
        nonlocal order
        place = step % batches
        order = generator.permutation(len(x)) if place == 0 else order
        rows = torch.from_numpy(order[place * BATCH : (place + 1) * BATCH])
        return finding_loss(head(x[rows]), y[rows])

    def check(done: int) -> bool:
        if done % batches:
            return False
        with torch.no_grad():
            best.offer(-finding_loss(head(held_x), held_y).item(), done)
        return done - best.when >= PATIENCE * batches

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # a step is microseconds of arithmetic: several threads would only wait for each other
    try:
        train(head, adamw(head, RATE, WEIGHT_DECAY), loss_of, lambda _: RATE, EPOCHS * batches, check)
    finally:
        torch.set_num_threads(threads)
    best.restore()
    with torch.no_grad():
        logits = head(torch.from_numpy(test.x).float()).double().numpy()
    return {name: logits[:, column] for column, name in enumerate(names)}


def _targets(part: Features, names: list[str]) -> Float[Tensor, "studies findings"]:
    return torch.from_numpy(np.stack([part.labels[name] for name in names], axis=1)).float()
