"""Arithmetic counted from sizes against torch's counter over a real step."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

from tests.tiny import WORDS, tiny_batch, tiny_model
from unimedi.inputs.batch_recipe import BatchRecipe
from unimedi.pretraining.milestones import Milestones
from unimedi.pretraining.recipe import DistillationRecipe, Recipe, SelectionRecipe
from unimedi.pretraining.step import Pretraining
from unimedi.pretraining.step_flops import Flops, step_flops, total

SMALL = DistillationRecipe(prototypes=32, head_hidden_size=24, head_bottleneck_size=8, image_fraction=0.5)
RECIPE = Recipe(
    batch=BatchRecipe(radiographs=5, volumes=4), selection=SelectionRecipe(volume_fraction=0.5), distillation=SMALL
)
# torch's counter knows the fused attention of GPUs; this is the CPU's.
ATTENTION: dict[Any, Any] = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: lambda q, k, v, *_, **__: sdpa_flop_count(q, k, v),
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: lambda g, q, k, v, *_, **__: int(
        sdpa_backward_flop_count(g, q, k, v)
    ),
}


@pytest.mark.parametrize(
    ("recipe", "changes"),
    [
        (RECIPE, {"hidden_size": 64, "intermediate_size": 128}),
        (RECIPE, {"hidden_size": 64, "patch_tokenizer": "linear"}),
        (replace(RECIPE, method="joint"), {"hidden_size": 64, "slices": 0}),
        (replace(RECIPE, contrastive_weight=0.0), {"hidden_size": 64}),
        (RECIPE, {"hidden_size": 64, "slices": 0}),  # a volume has as many tokens as a radiograph
        (replace(RECIPE, batch=BatchRecipe(radiographs=5, volumes=0)), {"hidden_size": 64}),
        (replace(RECIPE, batch=BatchRecipe(radiographs=0, volumes=4)), {"hidden_size": 64}),
    ],
)
def test_flops_are_those_that_torch_counts(recipe: Recipe, changes: dict[str, Any]) -> None:
    """Within .07: a fused attention computes its scores twice, and tokens that no loss reads have no way back."""
    model = tiny_model(**{"patch_tokenizer": "stem", "stem_channels": 8, **changes})
    module = Pretraining(model, recipe, Milestones(10, 0, 0, 0)).train()
    with FlopCounterMode(display=False, custom_mapping=ATTENTION) as counter:
        module(tiny_batch(recipe.batch.radiographs, recipe.batch.volumes), 1).loss.backward()
    counted = step_flops(recipe, model.config, float(WORDS))
    assert total(counted.values()) == pytest.approx(counter.get_total_flops(), rel=0.07)


def test_cached_gradients_cost_one_more_forward_pass() -> None:
    model = tiny_model()
    one, four = (step_flops(RECIPE, model.config, float(WORDS), count) for count in (1, 4))
    assert {name: part * 4 for name, part in one.items()} == {
        name: part for name, part in four.items() if name != "first pass"
    }
    towers = ("T_2D and T_3D", "E_v for L_vl", "E_l")
    assert four["first pass"] == Flops(4 * sum(one[name].forward for name in towers))
