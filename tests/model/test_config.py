"""The model's description: old names are told the new ones, and what lies on disk is what was described."""

from pathlib import Path

import pytest

from tests.tiny import tiny_config
from unimedi.errors import InputError
from unimedi.model.config import FIELDS, UniMediConfig
from unimedi.model.schema import RENAMED


@pytest.mark.parametrize("old", RENAMED)
def test_a_former_name_is_told_its_new_one(old: str) -> None:
    with pytest.raises(InputError, match=f"{old} has been renamed: it is {RENAMED[old]}"):
        tiny_config(**{old: "learned"})


def test_a_configuration_comes_back_from_its_folder(tmp_path: Path) -> None:
    config = tiny_config(cls_init="max_pool", slices=3, report_languages=["es"])
    config.save_pretrained(tmp_path)
    again = UniMediConfig.from_pretrained(tmp_path)
    names = set(FIELDS) - {"text"}  # transformers adds its own fields to that one
    assert {name: getattr(again, name) for name in names} == {name: getattr(config, name) for name in names}


@pytest.mark.parametrize("field", ["cls_init", "projection_norm", "selector", "slab_pooling"])
def test_a_choice_that_is_none_of_its_names(field: str) -> None:
    with pytest.raises(InputError, match=f"{field}: expected one of .*, got 'other'"):
        tiny_config(**{field: "other"})
