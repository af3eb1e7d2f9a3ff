"""How hard a hospital's details are: what the same encoder learns of them from labels, by what it is shown.

    python benchmarks/references.py STORE [--config focal] [--shown own_slices] [--reader encoder] [--steps 600]

``--shown``: a lesion's own planes by the mask (``own_slices``), random planes (``random_slices``), or the volume input
alone (``volume``). ``--reader``: E_v's [CLS] (``encoder``), or the maximum over the tokenizer's tokens without any
transformer (``tokenizer``), which says whether the pixels can be read at all. Training masks are needed for
``own_slices``: ``unimedi phantom OUT --preset focal`` writes them. A ceiling to compare with, never a method.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from unimedi.adaptation.classifier import finding_loss, label_matrix
from unimedi.adaptation.training import train
from unimedi.evaluation.options import EvaluationOptions
from unimedi.evaluation.slices.lesions import Lesions, connected_lesions
from unimedi.inputs.augment import apply, draw
from unimedi.inputs.labels import label_columns
from unimedi.inputs.store import Store
from unimedi.metrics.auroc import macro_auroc
from unimedi.metrics.bootstrap import PatientBootstrap
from unimedi.model.unimedi import UniMediModel
from unimedi.optimization.optimizer import adamw, muon
from unimedi.optimization.schedule import EpochLength, warmup_cosine
from unimedi.pretraining.build import build
from unimedi.pretraining.recipe_file import load_recipe

BATCH, WARM_UP, WEIGHT_DECAY, BETAS = 32, 0.05, 0.05, (0.9, 0.95)


class Reader(nn.Module):
    """Stored volumes and planes of them to a logit for each detail."""

    def __init__(self, model: UniMediModel, reader: str, details: int) -> None:
        super().__init__()
        self.vision, self.reader = model.vision, reader
        self.model = (model,)  # not a part of this module: E_l does not learn
        self.head = nn.Linear(model.config.hidden_size, details)
        nn.init.zeros_(self.head.weight)

    def forward(self, stored: Tensor, planes: Tensor | None) -> Tensor:
        (model,) = self.model
        slices = None if planes is None else model.cut_slices(stored, planes)
        tokens = model.tokens(model.normalise(stored), slices)
        if planes is not None and self.reader == "tokenizer":  # the slices alone: their maximum, not the volume's
            assert slices is not None
            tokens = model.vision.slices(slices.pixels, slices.depth)
        state = tokens.content.amax(1) if self.reader == "tokenizer" else self.vision(tokens).cls
        logits: Tensor = self.head(state.float())
        return logits


def own_planes(lesions: Lesions, row: int, count: int, depth: int, generator: np.random.Generator) -> list[int]:
    """A plane of each of ``count`` lesions of a volume, from its middle half; random ones where it has fewer."""
    mine = generator.permutation(np.flatnonzero(lesions.volume == row))[:count]
    inside = generator.uniform(0.25, 0.75, len(mine))
    planes = (lesions.first[mine] + inside * (lesions.last[mine] - lesions.first[mine])).round().astype(int).tolist()
    return sorted([*planes, *generator.integers(depth, size=count - len(planes)).tolist()])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path)
    parser.add_argument("--config", default="focal")
    parser.add_argument("--shown", choices=("own_slices", "random_slices", "volume"), default="own_slices")
    parser.add_argument("--reader", choices=("encoder", "tokenizer"), default="encoder")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--rate", type=float, default=1e-3, help="the peak of the learning rate")
    parser.add_argument("--seed", type=int, default=0)
    given, overrides = parser.parse_known_args()
    recipe = load_recipe(given.config, [*overrides, "--seed", str(given.seed)])
    store = Store.open(given.store)
    studies = {split: store.select(split, "ct") for split in ("train", "test")}
    details = [name for name in EvaluationOptions().details if name in store.findings]
    if not details:
        parser.error(f"{given.store} has none of the labels {', '.join(EvaluationOptions().details)}")
    pretraining, _ = build(recipe, store, given.steps, EpochLength(len(studies["train"]), 1))
    model = pretraining.student
    lesions = {split: connected_lesions(store, indices) for split, indices in studies.items()}
    if given.shown == "own_slices" and not len(lesions["train"]):
        parser.error(f"{given.store} has no training masks: prepare a hospital with --share_train_masks 1")
    learner, depth = Reader(model, given.reader, len(details)), store.preprocess.hires_shape[0]
    mixed = torch.autocast("cpu", torch.bfloat16, enabled=recipe.precision == "bf16")

    def planes(split: str, rows: np.ndarray, generator: np.random.Generator) -> Tensor | None:
        if given.shown == "volume":
            return None
        count = model.config.slices
        if given.shown == "random_slices":
            return torch.from_numpy(np.sort(np.stack([generator.permutation(depth)[:count] for _ in rows])))
        return torch.tensor([own_planes(lesions[split], row, count, depth, generator) for row in rows])

    def logits(split: str, rows: np.ndarray, generator: np.random.Generator, vary: bool) -> Tensor:
        arrays = [store.pixels(studies[split][row]) for row in rows]
        if vary:
            arrays = [apply(array, draw(recipe.batch.volume_augmentation, array.shape, generator)) for array in arrays]
        stored = torch.from_numpy(np.stack(arrays))
        with mixed:
            answer: Tensor = learner(stored, planes(split, rows, generator))
        return answer

    draws = np.random.default_rng(given.seed)

    def loss_of(step: int) -> Tensor:
        rows = draws.choice(len(studies["train"]), BATCH, replace=False)
        wanted = label_matrix(store, [studies["train"][row] for row in rows], details)
        return finding_loss(logits("train", rows, draws, vary=True), wanted)

    def rate(step: int) -> float:
        return given.rate * warmup_cosine(step, warmup=round(WARM_UP * given.steps), total=given.steps)

    started = time.monotonic()
    make = adamw if given.reader == "tokenizer" else muon
    train(learner, make(learner, given.rate, WEIGHT_DECAY, BETAS), loss_of, rate, given.steps)
    learner.eval()
    parts = np.array_split(np.arange(len(studies["test"])), max(1, len(studies["test"]) // BATCH))
    with torch.inference_mode():
        table = torch.cat([logits("test", rows, np.random.default_rng(1), vary=False) for rows in parts]).numpy()
    labels = label_columns(store, studies["test"], details)
    bootstrap = PatientBootstrap([store.studies[i].patient_id for i in studies["test"]], 1000, 0)
    found = macro_auroc({name: table[:, at].astype(np.float64) for at, name in enumerate(details)}, labels, bootstrap)
    print(f"{given.shown}, {given.reader}: {given.steps} steps of {BATCH} CTs in {time.monotonic() - started:.0f} s")
    for name, one in {"mean": found.mean, **found.by_finding}.items():
        print(f"  {name:<12} {one.value:.3f}  {one.low:.3f}-{one.high:.3f}  (n = {one.n})")


if __name__ == "__main__":
    main()
