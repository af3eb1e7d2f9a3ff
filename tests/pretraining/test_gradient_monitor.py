"""A branch without a gradient is found, whatever the batch; one that is left out by design is not looked for."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.pretraining.toy_run import RECIPE, toy_recipe, toy_store
from tests.tiny import tiny_batch, tiny_model
from unimedi.files.json_lines import read_json_lines
from unimedi.inputs.batch_recipe import BatchRecipe
from unimedi.pretraining.build import build
from unimedi.pretraining.gradient_monitor import GradientMonitor
from unimedi.pretraining.loop import pretrain
from unimedi.pretraining.milestones import Milestones
from unimedi.pretraining.monitors import GRADIENT_PATIENCE, unmoved
from unimedi.pretraining.notices import TrainingError
from unimedi.pretraining.recipe import DistillationRecipe, Recipe, SelectionRecipe
from unimedi.pretraining.recipe_file import load_recipe
from unimedi.pretraining.step import Pretraining

NOW = Milestones(total=10, selection_warmup=0, ramp_start=0, ramp_end=0)
SMALL = DistillationRecipe(prototypes=6, head_hidden_size=8, head_bottleneck_size=4)
IMAGES = ("E_v", "image_projection", "l_vl/report", "E_l", "text_projection")
DISTILLED = ("l_icl", "l_pcl")


def felt(training: Pretraining, radiographs: int, volumes: int, seed: int = 0) -> dict[str, float]:
    training.zero_grad()
    training(tiny_batch(radiographs, volumes, seed), step=seed).loss.backward()
    return {name.removeprefix("gradient/"): float(norm) for name, norm in training.gradients().items()}


@pytest.mark.parametrize(
    ("radiographs", "volumes", "method", "there"),
    [
        (4, 1, "joint", {*IMAGES, "T_2D", "T_3D", "l_vl/xray", "l_vl/ct"}),
        (1, 1, "joint", {*IMAGES, "T_2D", "T_3D", "l_vl/xray", "l_vl/ct"}),
        (1, 4, "joint", {*IMAGES, "T_2D", "T_3D", "l_vl/xray", "l_vl/ct"}),
        (0, 2, "joint", {*IMAGES, "T_3D", "l_vl/ct"}),
        (2, 0, "convirt", {*IMAGES, "T_2D", "l_vl/xray"}),
        (0, 2, "unimedi", {*IMAGES, "T_2D", "T_3D", "l_vl/ct", "l_icl/ct", "l_pcl/ct"}),
        (
            4, 1, "unimedi",
            {*IMAGES, "T_2D", "T_3D", "l_vl/xray", "l_vl/ct", *(f"{x}/{k}" for x in DISTILLED for k in ("xray", "ct"))},
        ),
    ],
)  # fmt: skip
def test_every_branch_that_takes_part_learns_at_any_batch(
    radiographs: int, volumes: int, method: str, there: set[str]
) -> None:
    recipe = Recipe(method=method, batch=BatchRecipe(radiographs, volumes), distillation=SMALL)
    training = Pretraining(tiny_model(slices=2 if method == "unimedi" else 0), recipe, NOW).train()
    for seed in range(3):
        norms = felt(training, radiographs, volumes, seed)
        assert set(norms) == there
        assert min(norms.values()) > 1e-6 * max(norms.values()), norms


def test_a_recipe_leaves_parts_out_without_a_word() -> None:
    without = Recipe(contrastive_weight=0.0, distillation=SMALL)
    assert set(felt(Pretraining(tiny_model(), without, NOW).train(), 3, 2)) == {
        "T_2D", "T_3D", "E_v", *(f"{loss}/{kind}" for loss in DISTILLED for kind in ("xray", "ct"))
    }  # fmt: skip
    frozen = Pretraining(tiny_model(), Recipe(distillation=SMALL), NOW).train()
    frozen.student.text.requires_grad_(False)
    assert "E_l" not in felt(frozen, 3, 2)
    slices = Pretraining(tiny_model(volume_tokens=False), Recipe(distillation=SMALL), NOW).train()
    assert "T_3D" not in felt(slices, 3, 2)
    half = Recipe(distillation=SMALL, selection=SelectionRecipe(volume_fraction=0.5))
    assert felt(Pretraining(tiny_model(volume_tokens=False), half, NOW).train(), 3, 2)["T_3D"] > 0
    later = Pretraining(tiny_model(), Recipe(distillation=SMALL), Milestones(10, 0, ramp_start=5, ramp_end=8)).train()
    assert "l_icl/ct" not in felt(later, 3, 2)


class Cut(torch.nn.Module):
    """Stands in a branch and lets no gradient through: times nothing, or not at all."""

    def __init__(self, branch: torch.nn.Module, detach: bool) -> None:
        super().__init__()
        self.branch, self.detach = branch, detach

    def forward(self, *words: Any, **named: Any) -> Tensor:
        states: Tensor = self.branch(*words, **named)
        return states.detach() if self.detach else states.detach() + 0.0 * states


@pytest.mark.parametrize("detach", [True, False])
@pytest.mark.parametrize("branch", ["T_2D", "T_3D"])
def test_a_branch_that_is_cut_off_is_found(branch: str, detach: bool) -> None:
    training = Pretraining(tiny_model(slices=0), Recipe(method="joint"), NOW).train()
    vision, name = training.student.vision, {"T_2D": "embed_2d", "T_3D": "embed_3d"}[branch]
    setattr(vision, name, Cut(getattr(vision, name), detach))
    records = [
        {"step": n, **{f"gradient/{key}": norm for key, norm in felt(training, 3, 2, n).items()}}
        for n in range(GRADIENT_PATIENCE)
    ]
    assert unmoved(records) == [branch]
    assert unmoved(records[1:]) == []


def test_the_loss_of_one_kind_may_be_cut_off_while_its_branch_learns_from_another() -> None:
    """The fault that was: L_vl sent nothing to the volumes, L_icl and L_pcl went on teaching T_3D."""
    training = Pretraining(tiny_model(), Recipe(distillation=SMALL), NOW).train()
    for kind in ("pair", "volume"):
        training.gradient_centring[kind].without_common = lambda gradient: 0.0 * gradient  # type: ignore[assignment, method-assign]
    records = [
        {"step": n, **{f"gradient/{key}": norm for key, norm in felt(training, 3, 2, n).items()}}
        for n in range(GRADIENT_PATIENCE)
    ]
    assert unmoved(records) == ["l_vl/ct"]


def test_norms_are_those_of_the_parameters() -> None:
    training = Pretraining(tiny_model(), Recipe(distillation=SMALL), NOW).train()
    norms = felt(training, 3, 2)
    squares = 0.0
    for parameter in training.student.vision.embed_3d.parameters():
        assert parameter.grad is not None
        squares += float(parameter.grad.double().pow(2).sum())
    assert norms["T_3D"] == pytest.approx(squares**0.5, rel=1e-5)


SIZES = {"radiographs": 4, "volumes": 1}


def test_a_run_with_one_volume_a_step_learns_and_says_so_in_its_log(tmp_path: Path) -> None:
    toy_store(tmp_path / "store")
    path = toy_recipe(tmp_path / "recipe.yaml", duration="12 steps", batch=SIZES)
    pretrain(load_recipe(path), tmp_path / "store", tmp_path / "run")
    lines = read_json_lines(tmp_path / "run" / "log.jsonl")
    assert len(lines) == 12
    for line in lines:
        assert line["gradient/T_3D"] > 0
        assert line["gradient/l_vl/ct"] > 1e-3 * line["gradient/l_vl/xray"]


def test_a_run_in_which_a_branch_is_at_rest_stops_and_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from unimedi.pretraining import loop

    def cut(*words: Any) -> Any:
        module, processor = build(*words)
        module.student.vision.embed_3d = Cut(module.student.vision.embed_3d, detach=False)
        return module, processor

    monkeypatch.setattr(loop, "build", cut)
    toy_store(tmp_path / "store")
    recipe = load_recipe(toy_recipe(tmp_path / "recipe.yaml", batch=SIZES))
    with pytest.raises(
        TrainingError, match=rf"no gradient has reached T_3D for {GRADIENT_PATIENCE} steps, up to step 9"
    ):
        pretrain(recipe, tmp_path / "store", tmp_path / "run")
    assert len(read_json_lines(tmp_path / "run" / "log.jsonl")) == GRADIENT_PATIENCE


@pytest.mark.parametrize(
    ("batch", "changes", "sentence"),
    [
        ({"radiographs": 0, "volumes": 1}, {}, "no other report to tell it from"),
        ({"radiographs": 1, "volumes": 0}, {}, "or a larger batch.effective"),
    ],
)
def test_one_pair_in_all_is_refused(
    tmp_path: Path, batch: dict[str, int], changes: dict[str, Any], sentence: str
) -> None:
    toy_store(tmp_path / "store")
    recipe = load_recipe(toy_recipe(tmp_path / "recipe.yaml", **{**RECIPE, **changes, "batch": batch}))
    with pytest.raises(TrainingError, match=sentence):
        pretrain(recipe, tmp_path / "store", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_without_reports_one_image_is_enough(tmp_path: Path) -> None:
    toy_store(tmp_path / "store")
    changes = {"batch": {"radiographs": 0, "volumes": 1}, "contrastive_weight": 0.0, "duration": "2 steps"}
    pretrain(load_recipe(toy_recipe(tmp_path / "recipe.yaml", **changes)), tmp_path / "store", tmp_path / "run")


def test_norms_are_those_of_the_gradients_and_a_report_begins_anew() -> None:
    model, monitor = tiny_model(), GradientMonitor()
    states = torch.ones(2, 3, requires_grad=True)
    monitor.watch("l_vl/ct", states)
    monitor.watch("l_vl/xray", torch.ones(2))  # nothing can come back to it
    monitor.expect("E_l", "T_2D")
    for factor in (3.0, 4.0):  # two backward passes: the norms of a branch's states add up
        (factor * states).sum().backward()
    for parameter in model.text.parameters():
        parameter.grad = torch.ones_like(parameter)
    count = sum(parameter.numel() for parameter in model.text.parameters())
    found = {name: value.item() for name, value in monitor.report(model).items()}
    assert found == pytest.approx(
        {
            "gradient/l_vl/ct": 7 * 6**0.5,
            "gradient/l_vl/xray": 0.0,
            "gradient/E_l": count**0.5,
            "gradient/T_2D": 0.0,
        }
    )
    assert monitor.report(model) == {}
