"""Cached gradients against one graph over everything, in float64: weights, running means, centres and the log."""

import math
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from tests.pretraining.toy_run import RECIPE, result, toy_recipe, toy_store
from tests.tiny import tiny_batch, tiny_model
from unimedi.experiments.alignment import Alignment
from unimedi.experiments.sigmoid_loss import SigmoidLoss
from unimedi.experiments.unpaired_slices import UnpairedSlices
from unimedi.inputs.batch import MixedBatch
from unimedi.inputs.batch_recipe import BatchRecipe
from unimedi.inputs.dataset import TrainingSteps
from unimedi.optimization.schedule import EpochLength
from unimedi.pretraining.epoch_length import epoch_length_of
from unimedi.pretraining.gradient_cache import Pairs, joined, twice
from unimedi.pretraining.loop import caches_gradients, pretrain
from unimedi.pretraining.milestones import Milestones
from unimedi.pretraining.notices import TrainingError
from unimedi.pretraining.optimizer_step import OptimizerStep, step_seed
from unimedi.pretraining.recipe import DistillationRecipe, Recipe, SelectionRecipe
from unimedi.pretraining.recipe_file import load_recipe
from unimedi.pretraining.step import Pretraining, StepOutput

SMALL = DistillationRecipe(prototypes=6, head_hidden_size=8, head_bottleneck_size=4)
SLICES = Recipe(distillation=SMALL, selection=SelectionRecipe(volume_fraction=0.5), contrastive_weight=0.7)
JOINT = Recipe(method="joint")
NOW = Milestones(total=10, selection_warmup=0, ramp_start=0, ramp_end=0)
STEPS, RATE = 3, 0.001
FABRIC = Fabric(accelerator="cpu", devices=1, precision="64-true")


def training(recipe: Recipe, kind: type[Pretraining] = Pretraining, dropout: float = 0.0) -> Pretraining:
    model = tiny_model(slices=0 if recipe.method == "joint" else 2, initializer_range=0.2)
    for module in model.text.modules():
        if isinstance(module, nn.Dropout):
            module.p = dropout
    return kind(model, recipe, NOW).double().train()


def micro_batches(count: int, step: int) -> list[MixedBatch]:
    """Of other studies each, some of which share a report, within a micro-batch and across."""
    batches = [tiny_batch(3, 4, seed=10 * step + place) for place in range(count)]
    keys = torch.randint(0, 9, (count, 7), generator=torch.Generator().manual_seed(step))
    return [replace(batch, report_keys=row) for batch, row in zip(batches, keys, strict=True)]


def together(batches: list[MixedBatch]) -> MixedBatch:
    """One batch of all: first their radiographs, then their volumes."""

    def rows(part: str) -> Tensor:
        parts = [getattr(batch, part) for batch in batches]
        return torch.cat([each[:3] for each in parts] + [each[3:] for each in parts])

    pixels = [torch.cat([getattr(batch, part) for batch in batches]) for part in ("radiographs", "hires_volumes")]
    return MixedBatch(pixels[0], pixels[1], *(rows(part) for part in ("input_ids", "attention_mask", "report_keys")))


def cached(module: Pretraining, count: int) -> tuple[Pretraining, list[dict[str, float]]]:
    """``STEPS`` plain gradient steps as the loop takes them."""
    optimizer = torch.optim.SGD(module.parameters(), lr=RATE)
    updates = OptimizerStep(FABRIC, module, optimizer, module.recipe.seed, count, 1e9, cached=True)
    logs = []
    for step in range(STEPS):
        read: Iterator[MixedBatch] = iter([*micro_batches(count, step)] * 2)
        logs.append(updates.update(read, step, RATE))
    return module, logs


def one_graph(module: Pretraining, count: int) -> tuple[Pretraining, list[dict[str, float]]]:
    """The same with every micro-batch kept until the backward pass: nothing is cached, nothing computed twice."""
    logs = []
    for step in range(STEPS):
        module.before_step()
        pairs: list[Pairs] = []
        losses = []

        def kept(these: Pairs, into: list[Pairs] = pairs) -> StepOutput:
            into.append(these)
            return StepOutput(0 * these.learnt[0])

        module.l_vl = kept  # type: ignore[method-assign]
        for place, batch in enumerate(micro_batches(count, step)):
            torch.manual_seed(step_seed(module.recipe.seed, step, place))
            with FABRIC.autocast():  # float64 by default: what is drawn depends on it
                losses.append(module(batch, step, place).loss)
        del module.l_vl
        l_vl = module.l_vl(joined(pairs))
        loss = module.recipe.contrastive_weight * l_vl.loss + torch.stack(losses).mean()
        for parameter in module.parameters():
            parameter.grad = None
        loss.backward()
        logs.append({**{name: float(value) for name, value in l_vl.logs.items()}, "loss": float(loss.detach())})
        with torch.no_grad():
            for parameter in module.parameters():
                if parameter.grad is not None:
                    parameter -= RATE * parameter.grad
        module.after_step(step)
    return module, logs


def assert_same(
    one: Pretraining, two: Pretraining, logs: list[dict[str, float]], others: list[dict[str, float]]
) -> None:
    states = one.state_dict(), two.state_dict()
    for name, value in states[0].items():
        assert torch.allclose(value, states[1][name], rtol=1e-6, atol=1e-9), name
    for line, other in zip(logs, others, strict=True):
        assert {name: line[name] for name in other} == pytest.approx(other, rel=1e-6)


@pytest.mark.parametrize(("count", "kind"), [(1, Pretraining), (2, Pretraining), (3, Pretraining), (3, SigmoidLoss)])
def test_the_gradient_is_that_of_the_whole_batch(count: int, kind: type[Pretraining]) -> None:
    """Against the ordinary step on all images at once: nothing here knows of micro-batches."""
    parts, logs = cached(training(JOINT, kind), count)
    whole, others = training(JOINT, kind), list[dict[str, float]]()
    updates = OptimizerStep(FABRIC, whole, torch.optim.SGD(whole.parameters(), lr=RATE), 0, 1, 1e9)
    for step in range(STEPS):
        others.append(updates.update(iter([together(micro_batches(count, step))]), step, RATE))
    assert_same(parts, whole, logs, others)
    assert logs[0]["ln_batch"] == pytest.approx(float(torch.tensor(7.0 * count).log()))
    start = training(JOINT, kind).state_dict()
    for learnt in (name for name in start if "logit_" in name):
        assert not torch.equal(whole.state_dict()[learnt], start[learnt]), learnt
    assert any(float(value.norm()) > 0 for name, value in whole.state_dict().items() if name.endswith("before.mean"))


@pytest.mark.parametrize("kind", [Pretraining, UnpairedSlices, Alignment])
def test_slices_masks_and_dropout_are_drawn_as_before(kind: type[Pretraining]) -> None:
    """Pseudo-pairs, distillation and a text encoder with dropout; and what experiments put in the place of a box."""
    module = training(SLICES, kind, dropout=0.3)
    scored, score = [], module.slab_scores
    module.slab_scores = lambda *given: scored.append(given) or score(*given)  # type: ignore[assignment, func-returns-value]
    parts, logs = cached(module, 2)
    assert len(scored) == 2 * STEPS  # in the first pass over a micro-batch and not in the second
    del module.slab_scores
    whole, others = one_graph(training(SLICES, kind, dropout=0.3), 2)
    assert_same(parts, whole, logs, others)
    assert logs[0]["l_icl"] > 0
    assert logs[0]["slab_contrast"] > 1


def test_a_step_that_is_not_finite_leaves_no_trace() -> None:
    module = training(SLICES)
    with torch.no_grad():
        module.student.logit_scale.fill_(torch.nan)
    before = deepcopy(module.state_dict())
    _, logs = cached(module, 2)
    assert [line.get("skipped") for line in logs] == [True] * STEPS
    for name, value in module.state_dict().items():
        torch.testing.assert_close(value, before[name], equal_nan=True)


def test_each_step_is_read_twice() -> None:
    assert list(twice(range(2, 6), 2)) == [2, 3, 2, 3, 4, 5, 4, 5]


def test_the_batch_is_the_same_on_any_number_of_devices(tmp_path: Path) -> None:
    store = toy_store(tmp_path / "store")
    recipe = Recipe(batch=BatchRecipe(radiographs=4, volumes=2, effective=24))
    assert epoch_length_of(recipe, store, devices=1) == EpochLength(24, 1, micro_batches=4)
    assert epoch_length_of(recipe, store, devices=2) == EpochLength(24, 1, micro_batches=2)
    assert caches_gradients(recipe, EpochLength(24, 1, 2))
    assert not caches_gradients(recipe, EpochLength(24, 1, 1))
    assert not caches_gradients(replace(recipe, contrastive_weight=0.0), EpochLength(24, 1, 2))
    with pytest.raises(TrainingError, match=r"multiple of the 18 .* 3 device\(s\) .* \(such as 18, 36\), got 24"):
        epoch_length_of(recipe, store, devices=3)
    with pytest.raises(TrainingError, match=r"\(such as 48\), got 24"):
        epoch_length_of(recipe, store, devices=8)
    flat = toy_store(tmp_path / "flat", volumes=0)  # a kind that is not there takes no part
    assert epoch_length_of(recipe, flat, devices=1) == EpochLength(24, 1, micro_batches=6)


class PowerCut(BaseException):
    """Nothing in the loop catches this."""


@pytest.mark.parametrize("cut", [1, 8, 14])  # in the first pass of step 0, of step 2, and in the second pass of step 3
def test_a_run_of_large_batches_that_broke_off_goes_on_to_the_last_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: int
) -> None:
    """Three micro-batches a step, each read twice: the order of studies does not depend on where the run was cut."""
    store = toy_store(tmp_path / "store")
    changes = {"duration": "4 steps", "checkpoint_every": "1 steps", "batch": {**RECIPE["batch"], "effective": 18}}
    recipe = load_recipe(toy_recipe(tmp_path / "recipe.yaml", **changes))
    read, item = list[int](), TrainingSteps.__getitem__

    def counted(self: TrainingSteps, number: int) -> MixedBatch:
        read.append(number)
        if len(read) == cut:
            raise PowerCut
        return item(self, number)

    pretrain(recipe, store.path, tmp_path / "whole")
    monkeypatch.setattr(TrainingSteps, "__getitem__", counted)
    with pytest.raises(PowerCut):
        pretrain(recipe, store.path, tmp_path / "cut")
    begun = len(read)
    pretrain(recipe, store.path, tmp_path / "cut", resume=True)
    assert result(tmp_path / "cut") == result(tmp_path / "whole")
    assert read[begun:] == list(twice(range(read[begun], 12), 3))
    assert all(line["ln_batch"] == pytest.approx(math.log(18)) for line in result(tmp_path / "cut")["log"])
