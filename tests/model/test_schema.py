"""A pretrained folder of every earlier layout opens and embeds as it did; what cannot be read is told by name."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel

from tests.hospital import write_pretrained
from tests.tiny import PREPROCESS, tiny_config
from unimedi.errors import InputError
from unimedi.model.config import UniMediConfig
from unimedi.model.pretrained import PretrainedError
from unimedi.model.processor import UniMediProcessor
from unimedi.model.schema import SCHEMA_VERSION, SchemaError
from unimedi.model.unimedi import UniMediModel
from unimedi.representation.embedder import Embedder

Weights = dict[str, torch.Tensor]
CONFIG, PROCESSOR, WEIGHTS = "config.json", "preprocessor_config.json", "model.safetensors"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of today, with means that are not 0."""
    write_pretrained(tmp_path)

    def fill(weights: Weights) -> Weights:
        means = torch.randn(2, 8, generator=torch.Generator().manual_seed(0)) * 0.01
        for place in range(4):
            weights[f"image_projection.centre.{place}.mean"] = means[min(place, 1)].clone()
            weights[f"image_projection.centre.{place}.weight"] = torch.ones(())
        return weights

    change_weights(tmp_path, fill)
    return tmp_path


def change(file: Path, edit: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    file.write_text(json.dumps(edit(json.loads(file.read_text()))))


def change_weights(folder: Path, edit: Callable[[Weights], Weights]) -> None:
    save_file(edit(load_file(folder / WEIGHTS)), folder / WEIGHTS, {"format": "pt"})


def without(saved: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in saved.items() if name not in names}


def fine(preprocess: dict[str, Any]) -> dict[str, Any]:
    return without(preprocess, "hires_shape") | {"fine_shape": preprocess["hires_shape"]}


def no_number(folder: Path) -> None:
    """As saved from the evening of 2026-11-30 on: today's, without a number."""
    for file in (CONFIG, PROCESSOR):
        change(folder / file, lambda saved: without(saved, "schema_version"))


def one_mean_of_all_cts(folder: Path) -> None:
    """As saved on 2026-11-30, before that."""
    no_number(folder)
    change_weights(folder, lambda saved: without(saved, *(name for name in saved if re.search("centre.[23]", name))))


def former_names(folder: Path) -> None:
    """As saved before 2026-11-30."""
    one_mean_of_all_cts(folder)

    def back(saved: dict[str, Any]) -> dict[str, Any]:
        assert saved["cls_init"] == "learned"
        old = {"cls_start": "learnt", "projection": saved["projection_norm"], "slice_gap": 1}
        return without(saved, "cls_init", "projection_norm") | old | {"preprocess": fine(saved["preprocess"])}

    change(folder / CONFIG, back)
    change(folder / PROCESSOR, lambda saved: saved | {"preprocess": fine(saved["preprocess"])})


def first_names(folder: Path) -> None:
    """As saved on 2026-11-23: before [CLS] could begin otherwise, slices be all, and languages be kept."""
    former_names(folder)
    later = ("cls_start", "volume_tokens", "slice_content", "report_languages")
    change(folder / CONFIG, lambda saved: without(saved, *later))


@pytest.mark.parametrize("as_it_was", [no_number, one_mean_of_all_cts, former_names, first_names])
def test_a_folder_of_an_earlier_layout_embeds_as_todays(folder: Path, as_it_was: Callable[[Path], None]) -> None:
    draws = np.random.default_rng(0)
    images = [draws.integers(0, 4000, PREPROCESS.radiograph_size).astype(np.int16)]
    volumes = [draws.integers(-1000, 1000, PREPROCESS.hires_shape).astype(np.int16)]
    today = Embedder.from_pretrained(folder)
    as_it_was(folder)
    then = Embedder.from_pretrained(folder)
    assert then.fingerprint == today.fingerprint
    for given in (images, volumes):
        np.testing.assert_array_equal(then.rows(given)[0]["embedding"], today.rows(given)[0]["embedding"])
    np.testing.assert_array_equal(then.texts(["The lungs are clear."]), today.texts(["The lungs are clear."]))
    then.model.save_pretrained(folder)
    then.processor.save_pretrained(folder)
    for file in (CONFIG, PROCESSOR):
        assert json.loads((folder / file).read_text())["schema_version"] == SCHEMA_VERSION
    assert Embedder.from_pretrained(folder).fingerprint == today.fingerprint


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [("cls_start", "strongest", "max_pool"), ("slab_pooling", "last_but_one", "penultimate")],
)
def test_former_values_are_read(name: str, old: str, new: str) -> None:
    today = {"cls_start": "cls_init"}.get(name, name)
    saved = without(tiny_config().to_dict(), "schema_version", today) | {name: old}
    assert getattr(UniMediConfig.from_dict(saved), today) == new


def test_a_least_distance_of_slices_that_the_model_was_trained_with_is_refused() -> None:
    saved = without(tiny_config().to_dict(), "schema_version")
    UniMediConfig.from_dict(saved | {"slice_gap": 1})  # what all models of before say
    with pytest.raises(InputError, match="slice_gap has been taken out, expected 1, got 2"):
        UniMediConfig.from_dict(saved | {"slice_gap": 2})


@pytest.mark.parametrize("file", [CONFIG, PROCESSOR])
@pytest.mark.parametrize(
    ("version", "said"),
    [(SCHEMA_VERSION + 1, "install a newer one"), ("2", "a whole number from 1, got '2'"), (0, "from 1, got 0")],
)
def test_a_version_that_is_not_known_is_refused(folder: Path, file: str, version: object, said: str) -> None:
    change(folder / file, lambda saved: saved | {"schema_version": version})
    with pytest.raises(SchemaError, match=said):
        (UniMediModel if file == CONFIG else UniMediProcessor).from_pretrained(folder)


def without_layers(saved: Weights) -> Weights:
    return without(saved, *(name for name in saved if "vision.layers" in name))


def other_stem(saved: Weights) -> Weights:
    name = "vision.embed_2d.layers.0.weight"
    return without(saved, name) | {"vision.embed_2d.layers.9.weight": saved[name]}


def other_shape(saved: Weights) -> Weights:
    return saved | {"logit_scale": torch.zeros(3)}


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (without_layers, r"lacks 32 weights of a UniMedI model: vision\.layers\.0.* and 28 more$"),
        (other_stem, r"lacks 1 weight .*: vision\.embed_2d\.layers\.0.*; has more .*: vision\.embed_2d\.layers\.9"),
        (other_shape, r"has in other shapes 1 weight .*: logit_scale \(3,\) in place of \(\)"),
    ],
)
@pytest.mark.parametrize("door", [Embedder, UniMediModel, AutoModel])
def test_weights_that_do_not_match_are_listed_by_every_door(
    folder: Path, edit: Callable[[Weights], Weights], said: str, door: Any
) -> None:
    change_weights(folder, edit)
    with pytest.raises(PretrainedError, match=said):
        door.from_pretrained(folder)
