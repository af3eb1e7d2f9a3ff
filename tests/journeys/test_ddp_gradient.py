"""Centring, gathered negatives and averaged gradients over two ranks, exactly: float64, where rounding hides nothing.

``test_ddp.py`` holds whole runs in float32 against each other and has to leave room for rounding; this holds the
mathematics to ten digits, after several steps, so that a wrong share of a rank cannot pass for noise.
"""

import os
from pathlib import Path

import pytest
import torch

from tests.journeys.test_ddp import free_port
from tests.pretraining.toy_run import in_process

STEPS, RATE = 5, 0.05


def train(rank: int, ranks: int, count: int) -> dict[str, torch.Tensor]:
    """Projections of two kinds of image and of reports, trained by plain gradient steps on this rank's rows."""
    from torch.nn.parallel import DistributedDataParallel

    from unimedi.model.projection import Projection
    from unimedi.model.sequence_kind import SequenceKind
    from unimedi.objectives.contrastive import contrastive_loss
    from unimedi.pretraining.gather import gather, gather_with_gradient
    from unimedi.pretraining.gradient_centring import GradientCentring

    class Both(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.image, self.text = Projection(4, 3, "running_mean", 2), Projection(4, 3, "running_mean", 1)
            self.centring = torch.nn.ModuleDict(
                {name: GradientCentring(3) for name in (*map(str, SequenceKind), "report")}
            )

        def embed(self, rows: torch.Tensor, kind: SequenceKind | None = None) -> torch.Tensor:
            projection = self.image if kind else self.text
            return projection.onto_sphere(self.centring[str(kind or "report")](projection.linear(rows)), kind)

        def forward(self, images: list[torch.Tensor], reports: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            embedded = [
                self.embed(rows, kind)
                for kind, rows in zip((SequenceKind.RADIOGRAPH, SequenceKind.VOLUME), images, strict=True)
            ]
            return torch.cat(embedded), self.embed(reports)

    torch.manual_seed(0)
    module = Both().double().train()
    wrapped = DistributedDataParallel(module) if ranks > 1 else module
    share, draws = slice(rank * count // ranks, (rank + 1) * count // ranks), torch.Generator().manual_seed(1)
    for _ in range(STEPS):
        kinds = torch.randn(2, count, 4, generator=draws, dtype=torch.float64) + 3.0  # a large common part
        reports = torch.randn(2, count, 4, generator=draws, dtype=torch.float64)
        keys = torch.arange(2 * count).reshape(2, count)
        images, texts = wrapped(list(kinds[:, share]), reports[:, share].flatten(0, 1))
        loss = contrastive_loss(
            gather_with_gradient(images),
            gather_with_gradient(texts),
            gather(keys[:, share].flatten()),
            torch.tensor(5.0, dtype=torch.float64),
        )
        module.zero_grad()
        loss.backward()
        with torch.no_grad():
            for parameter in module.parameters():
                parameter -= RATE * parameter.grad
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


def one_rank(rank: int, port: int, count: int, folder: str) -> None:
    from safetensors.torch import save_file

    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", rank=rank, world_size=2)
    save_file(train(rank, 2, count), Path(folder) / f"{rank}.safetensors")
    torch.distributed.destroy_process_group()


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("count", [8, 2])  # of each kind; of 2 each rank has one row
def test_two_ranks_take_the_steps_of_one(tmp_path: Path, count: int) -> None:
    from safetensors.torch import load_file

    port = free_port()
    processes = [in_process(one_rank, rank, port, count, str(tmp_path)) for rank in range(2)]
    alone = train(0, 1, count)
    for process in processes:
        process.join()
        assert process.exitcode == 0
    for rank in range(2):
        together = load_file(tmp_path / f"{rank}.safetensors")
        for name, value in alone.items():
            torch.testing.assert_close(together[name], value, rtol=1e-10, atol=1e-12, msg=lambda m, n=name: f"{n}: {m}")
