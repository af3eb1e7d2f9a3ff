"""A step over four micro-batches on two ranks is the step of one rank over all of it: float64, both kinds of L_vl."""

import os
from pathlib import Path

import torch

from tests.journeys.test_ddp import free_port
from tests.pretraining.toy_run import in_process

STEPS, RATE, MICRO_BATCHES = 3, 0.001, 4
LOSSES = ("none", "sigmoid_loss")


def train(loss: str, rank: int, ranks: int) -> dict[str, torch.Tensor]:
    """Plain gradient steps of the whole model without what is drawn per rank; every second micro-batch is a rank's."""
    from lightning.fabric import Fabric
    from lightning.fabric.strategies import DDPStrategy

    from tests.tiny import tiny_batch, tiny_model
    from unimedi.experiments.registry import EXPERIMENTS
    from unimedi.pretraining.milestones import Milestones
    from unimedi.pretraining.optimizer_step import OptimizerStep
    from unimedi.pretraining.recipe import Recipe

    strategy = DDPStrategy(find_unused_parameters=True) if ranks > 1 else "auto"
    fabric = Fabric(accelerator="cpu", devices=ranks, strategy=strategy, precision="64-true")
    fabric.launch()
    model = tiny_model(slices=0, initializer_range=0.2)
    module = EXPERIMENTS[loss].step(model, Recipe(method="joint"), Milestones(10, 0, 0, 0)).double().train()
    count = MICRO_BATCHES // ranks
    optimizer = torch.optim.SGD(module.parameters(), lr=RATE)
    updates = OptimizerStep(fabric, module, optimizer, 0, count, 1e9, cached=count > 1)
    for step in range(STEPS):
        batches = [tiny_batch(3, 2, seed=10 * step + place) for place in range(rank, MICRO_BATCHES, ranks)]
        updates.update(iter([*batches, *batches]), step, RATE)
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


def one_rank(rank: int, port: int, folder: str) -> None:
    from safetensors.torch import save_file

    os.environ |= {"LOCAL_RANK": str(rank), "NODE_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    for loss in LOSSES:
        save_file(train(loss, rank, 2), Path(folder) / f"{loss}-{rank}.safetensors")


def test_two_ranks_cache_the_gradient_of_one(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    port = free_port()
    processes = [in_process(one_rank, rank, port, str(tmp_path)) for rank in range(2)]
    alone = {loss: train(loss, 0, 1) for loss in LOSSES}
    for process in processes:
        process.join()
        assert process.exitcode == 0
    for loss, expected in alone.items():
        for rank in range(2):
            together = load_file(tmp_path / f"{loss}-{rank}.safetensors")
            for name, value in expected.items():
                if name.startswith("gradient_centring") and name.endswith("mean"):
                    value = 2 * value  # a gathered row has the gradient of each rank's loss; DDP takes their mean later
                assert torch.allclose(together[name], value, rtol=1e-6, atol=1e-10), (loss, name)
    assert not torch.equal(alone["none"]["student.logit_scale"], alone["sigmoid_loss"]["student.logit_scale"])
