"""Written whole or not at all; read back to the last bit; damage is noticed; no pickle."""

import errno
import json
import os
import resource
import shutil
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.pretraining.toy_module import Toy, toy_batch
from unimedi.optimization.optimizer import adamw
from unimedi.pretraining import checkpoint
from unimedi.pretraining.checkpoint import CheckpointError


def trained(steps: int = 3) -> tuple[Toy, torch.optim.AdamW]:
    module = Toy()
    optimizer = adamw(module, 1e-2, 0.1)
    for step in range(steps):
        train_one(module, optimizer, step)
    return module, optimizer


def train_one(module: Toy, optimizer: torch.optim.AdamW, step: int) -> None:
    module(toy_batch(step), step, 0).loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    module.after_step(step)


def test_training_goes_on_to_the_last_bit(tmp_path: Path) -> None:
    module, optimizer = trained()
    path = checkpoint.save(tmp_path, 3, module, optimizer)
    again = Toy()
    with torch.no_grad():
        for value in again.state_dict().values():
            value.fill_(7)
    other = adamw(again, 1.0, 0.9)
    assert checkpoint.newest(tmp_path) == path
    torch.manual_seed(99)
    assert checkpoint.load(path, again, other) == 3
    drawn = torch.rand(3)
    checkpoint.load(path, again, other)
    assert torch.equal(torch.rand(3), drawn)  # torch's generator comes back too
    for run in ((module, optimizer), (again, other)):
        torch.manual_seed(5)
        for step in range(3, 6):
            train_one(*run, step)
    for name, value in module.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    for mine, theirs in zip(optimizer.param_groups, other.param_groups, strict=True):
        assert {k: list(v) if k == "betas" else v for k, v in mine.items() if k != "params"} == {
            k: list(v) if k == "betas" else v for k, v in theirs.items() if k != "params"
        }
        for a, b in zip(mine["params"], theirs["params"], strict=True):
            for moment, value in optimizer.state[a].items():
                assert torch.equal(value, other.state[b][moment]), moment


def test_only_safetensors_and_json_and_only_the_last_two(tmp_path: Path) -> None:
    module, optimizer = trained()
    for step in (3, 6, 9):
        checkpoint.save(tmp_path, step, module, optimizer)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-000006", "step-000009"]
    assert sorted(path.name for path in (tmp_path / "step-000009").iterdir()) == [
        "manifest.json", "state.json", "tensors.safetensors",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["tensors.safetensors", "state.json", "manifest.json"])
@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_a_damaged_checkpoint_is_passed_over(tmp_path: Path, name: str, damage: str) -> None:
    module, optimizer = trained()
    older = checkpoint.save(tmp_path, 3, module, optimizer)
    newer = checkpoint.save(tmp_path, 6, module, optimizer)
    file = newer / name
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    if damage == "remove":
        file.unlink()
    else:
        file.write_bytes(content if damage == "flip" else content[: len(content) // 2])
    with pytest.warns(UserWarning, match="step-000006"):
        assert checkpoint.newest(tmp_path) == older
    assert (tmp_path / "damaged-step-000006").exists()  # set aside, not destroyed
    checkpoint.save(tmp_path, 6, module, optimizer)
    assert checkpoint.newest(tmp_path) == newer


def test_all_damaged_is_an_error_and_none_is_not(tmp_path: Path) -> None:
    assert checkpoint.newest(tmp_path) is None
    (tmp_path / "step-000003").mkdir()
    with pytest.warns(UserWarning, match="not complete"), pytest.raises(CheckpointError, match="every checkpoint"):
        checkpoint.newest(tmp_path)


def test_a_half_written_one_is_never_taken(tmp_path: Path) -> None:
    module, optimizer = trained()
    path = checkpoint.save(tmp_path, 3, module, optimizer)
    shutil.copytree(path, tmp_path / ".step-000006.partial")
    assert checkpoint.newest(tmp_path) == path
    assert not (tmp_path / ".step-000006.partial").exists()


def test_a_full_disk_leaves_the_old_one_intact(tmp_path: Path) -> None:
    """A process may write no file beyond 300 bytes: the kernel refuses as it does when the disk is full."""
    module, optimizer = trained()
    older = checkpoint.save(tmp_path, 3, module, optimizer)
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))
        try:
            checkpoint.save(tmp_path, 6, module, optimizer)
        except CheckpointError as error:
            os._exit(0 if "step-000003 is intact" in str(error) else 2)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["step-000003"]
    checkpoint.verify(older)


def test_the_error_of_a_full_disk_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module, optimizer = trained()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match=r"No space left on device.*there is none yet"):
        checkpoint.save(tmp_path, 3, module, optimizer)
    assert list(tmp_path.iterdir()) == []


def test_another_model_is_refused(tmp_path: Path) -> None:
    module, optimizer = trained()
    path = checkpoint.save(tmp_path, 3, module, optimizer)
    other = Toy()
    other.student = nn.Linear(5, 1)
    with pytest.raises(CheckpointError, match="does not fit this model"):
        checkpoint.load(path, other, adamw(other, 1e-2, 0.1))


def test_tied_weights_are_kept(tmp_path: Path) -> None:
    module = nn.Module()
    module.one = nn.Linear(2, 2)
    module.two = module.one
    optimizer = adamw(module, 1e-2, 0.1)
    path = checkpoint.save(tmp_path, 1, module, optimizer)
    assert checkpoint.load(path, module, optimizer) == 1
    assert json.loads((path / "state.json").read_text())["step"] == 1
