"""The model's fields are declared once: recipes and configurations have the same, and each choice can be made."""

from dataclasses import fields
from typing import get_args, get_type_hints

from unimedi.model.config import FIELDS, UniMediConfig
from unimedi.model.settings import ModelSettings
from unimedi.model.slice_selection import BLIND_SELECTORS, SLAB_POOLINGS, SLICE_CONTENTS
from unimedi.optimization.optimizer import OPTIMIZERS
from unimedi.pretraining.recipe import ModelRecipe, OptimizationRecipe


def test_a_recipe_and_a_configuration_have_the_same_fields_and_defaults() -> None:
    config, recipe = UniMediConfig(), ModelRecipe()
    names = [field.name for field in fields(ModelSettings)]
    assert {name: getattr(config, name) for name in names} == {name: getattr(recipe, name) for name in names}
    assert {field.name for field in fields(ModelRecipe)} == {*names, "vision_pretrained"}
    assert set(FIELDS) == {*names, "layer_norm_eps", "report_languages", "preprocess", "text"}


def test_each_choice_is_one_that_the_code_knows() -> None:
    hints = get_type_hints(ModelSettings)
    assert set(get_args(hints["slab_pooling"])) == set(SLAB_POOLINGS)
    assert set(get_args(hints["slice_content"])) == set(SLICE_CONTENTS)
    assert set(get_args(hints["selector"])) == {"attentive", *BLIND_SELECTORS}
    assert set(get_args(get_type_hints(OptimizationRecipe)["algorithm"])) == set(OPTIMIZERS)
