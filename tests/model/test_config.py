"""The model's description: old names are told the new ones, and what lies on disk is what was described."""

import json
from pathlib import Path

import pytest

from tests.tiny import tiny_config, tiny_model
from unimedi.errors import InputError
from unimedi.model.config import FIELDS, RENAMED, UniMediConfig
from unimedi.representation.embedder import load_model


@pytest.mark.parametrize("old", RENAMED)
def test_an_old_field_of_a_saved_model_is_told_its_new_name(tmp_path: Path, old: str) -> None:
    tiny_model().save_pretrained(tmp_path)
    file, new = tmp_path / "config.json", RENAMED[old].split()[0]
    saved = json.loads(file.read_text())
    saved[old] = saved.pop(new)
    file.write_text(json.dumps(saved))
    with pytest.raises(InputError, match=f"{old} has been renamed: it is {new}"):
        load_model(tmp_path)


def test_a_least_distance_of_slices_that_the_model_was_trained_with_is_refused(tmp_path: Path) -> None:
    tiny_model().save_pretrained(tmp_path)
    file = tmp_path / "config.json"
    saved = json.loads(file.read_text())
    file.write_text(json.dumps(saved | {"slice_gap": 1}))  # what all models of before say
    UniMediConfig.from_pretrained(tmp_path)
    file.write_text(json.dumps(saved | {"slice_gap": 2}))
    with pytest.raises(InputError, match="slice_gap has been taken out, expected 1, got 2"):
        UniMediConfig.from_pretrained(tmp_path)


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
