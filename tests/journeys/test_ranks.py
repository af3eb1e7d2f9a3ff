"""One, two and four ranks take the same step: float64, every objective, with all that is drawn at random.

The ranks share the micro-batches of a step, so slices, masks, dropout and targets are the same on any number of them.
"""

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.journeys.test_ddp import free_port
from tests.pretraining.toy_run import in_process

STEPS, RATE, MICRO_BATCHES = 2, 0.001, 4
# By name: the recipe's method, experiment, kind of targets and weight of L_vl.
OBJECTIVES = {
    "unimedi, centre": ("unimedi", "none", "centre", 1.0),
    "unimedi, sinkhorn": ("unimedi", "none", "sinkhorn", 0.7),
    "distillation alone": ("unimedi", "none", "centre", 0.0),
    "joint": ("joint", "none", "centre", 1.0),
    "sigmoid_loss": ("unimedi", "sigmoid_loss", "centre", 1.0),
    "alignment": ("unimedi", "alignment", "centre", 1.0),
    "reconstruction": ("unimedi", "reconstruction", "centre", 1.0),
    "top_attended_tokens": ("unimedi", "top_attended_tokens", "centre", 1.0),
    "unpaired_slices": ("unimedi", "unpaired_slices", "centre", 1.0),
    "text_scorer": ("unimedi", "text_scorer", "centre", 1.0),  # of the scorers that which reads reports
}


def train(name: str, rank: int, ranks: int) -> dict[str, torch.Tensor]:
    """Plain gradient steps of the whole model; the micro-batches are dealt out to the ranks in turn."""
    from lightning.fabric import Fabric
    from lightning.fabric.strategies import DDPStrategy

    from tests.tiny import tiny_batch, tiny_model
    from unimedi.experiments.registry import EXPERIMENTS
    from unimedi.pretraining.milestones import Milestones
    from unimedi.pretraining.optimizer_step import OptimizerStep
    from unimedi.pretraining.recipe import DistillationRecipe, Recipe, SelectionRecipe

    method, experiment, targets, weight = OBJECTIVES[name]
    strategy = DDPStrategy(find_unused_parameters=True) if ranks > 1 else "auto"
    fabric = Fabric(accelerator="cpu", devices=ranks, strategy=strategy, precision="64-true")
    fabric.launch()
    recipe = Recipe(
        method=method,
        experiment=experiment,
        contrastive_weight=weight,
        distillation=DistillationRecipe(targets=targets, prototypes=6, head_hidden_size=8, head_bottleneck_size=4),
        selection=SelectionRecipe(volume_fraction=0.75),
    )
    model = tiny_model(slices=0 if method == "joint" else 2, initializer_range=0.2)
    for each in model.text.modules():
        if isinstance(each, nn.Dropout):
            each.p = 0.3
    module = EXPERIMENTS[experiment].step(model, recipe, Milestones(10, 0, 0, 0)).double().train()
    count = MICRO_BATCHES // ranks
    cached = count > 1 and weight > 0
    optimizer = torch.optim.SGD(module.parameters(), lr=RATE)
    updates, figures = OptimizerStep(fabric, module, optimizer, 0, count, 1e9, cached), dict[str, float]()
    for step in range(STEPS):
        batches = [tiny_batch(3, 4, seed=10 * step + place) for place in range(rank, MICRO_BATCHES, ranks)]
        batches = [replace(batch, report_keys=batch.report_keys % 5 + 2 * step) for batch in batches]
        figures = updates.update(iter(batches * (2 if cached else 1)), step, RATE)
    numbers = {
        f"log/{key}": torch.tensor(value, dtype=torch.float64)
        for key, value in figures.items()
        if not key.startswith("gradient/l_")  # a norm over the rows of one rank
    }
    return {key: value.detach().clone() for key, value in module.state_dict().items()} | numbers


def one_rank(rank: int, ports: dict[int, int], folder: str) -> None:
    """As one of four, then, for the first two, as one of two."""
    from safetensors.torch import save_file

    torch.set_num_threads(1)
    for ranks, port in ports.items():
        if rank < ranks:
            os.environ |= {"LOCAL_RANK": str(rank), "NODE_RANK": "0", "MASTER_ADDR": "127.0.0.1"}
            os.environ["MASTER_PORT"] = str(port)
            for name in OBJECTIVES:
                save_file(train(name, rank, ranks), Path(folder) / f"{name}-{rank}-of-{ranks}.safetensors")
            torch.distributed.destroy_process_group()


@pytest.mark.filterwarnings("ignore:.*c10d::allreduce_.*")
def test_the_step_is_the_same_on_one_two_and_four_ranks(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    ports = {4: free_port(), 2: free_port()}
    processes = [in_process(one_rank, rank, ports, str(tmp_path)) for rank in range(4)]
    alone = {name: train(name, 0, 1) for name in OBJECTIVES}
    for process in processes:
        process.join()
        assert process.exitcode == 0
    for name, expected in alone.items():
        for ranks in ports:
            for rank in range(ranks):
                together = load_file(tmp_path / f"{name}-{rank}-of-{ranks}.safetensors")
                assert together.keys() == expected.keys(), name
                for key, value in expected.items():
                    same = torch.allclose(together[key], value, rtol=1e-6, atol=1e-10)
                    assert same, (name, ranks, rank, key, value, together[key])
    states = [alone[name]["student.vision.cls_token"] for name in OBJECTIVES]
    assert len({tuple(state.flatten().tolist()) for state in states}) == len(OBJECTIVES)  # each objective is another
