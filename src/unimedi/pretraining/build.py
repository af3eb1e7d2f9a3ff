"""From a recipe and a store to the thing that trains: tokenizer, input means, model, milestones."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from unimedi.cohort.image_kind import ImageKind
from unimedi.inputs.dataset import TrainingSteps
from unimedi.inputs.preprocess import Preprocess
from unimedi.inputs.sampling import drawn
from unimedi.inputs.store import Store
from unimedi.model.config import UniMediConfig
from unimedi.model.pretrained_vit import load_vit
from unimedi.model.processor import UniMediProcessor
from unimedi.model.text_encoder import learn_tokenizer, load_tokenizer, pretrained_text_config, scratch_text_config
from unimedi.model.unimedi import UniMediModel
from unimedi.optimization.schedule import EpochLength
from unimedi.pretraining.milestones import Milestones
from unimedi.pretraining.recipe import Recipe
from unimedi.pretraining.step import Pretraining

MEAN_STUDIES = 256  # studies a mean image is taken over: its noise is then a sixteenth of a pixel's spread


@dataclass(frozen=True)
class Variant:
    """What an experiment puts in the place of the paper's step, and of the order in which studies are read.

    ``name`` is that of the recipe's ``experiment`` (:mod:`unimedi.experiments`).
    """

    name: str = "none"
    step: type[Pretraining] = Pretraining
    data: type[TrainingSteps] = TrainingSteps


PAPER: Final = Variant()


def build(
    recipe: Recipe, store: Store, total: int, epoch_length: EpochLength, variant: Variant = PAPER
) -> tuple[Pretraining, UniMediProcessor]:
    """A fresh run of ``total`` steps: everything random comes from the recipe's seed."""
    torch.manual_seed(recipe.seed)
    tokenizer = _tokenizer(recipe, store)
    spoken = {store.studies[i].language for i in store.select(split="train", reported=True)}
    model = UniMediModel(model_config(recipe, text_config(recipe, len(tokenizer)), sorted(spoken)))
    if recipe.text.pretrained:
        model.text.load_pretrained(recipe.text.pretrained)
    else:
        model.text.spread_word_embeddings()
    if recipe.model.vision_pretrained:
        load_vit(model.vision, recipe.model.vision_pretrained)
    else:
        model.vision.embed_3d.inflate_from(model.vision.embed_2d)
    if recipe.model.centre_inputs:
        set_input_means(model, store, recipe.seed)
    if recipe.optimization.activation_checkpointing:
        model.text.bert.config.use_cache = False  # decoders' keys: transformers warns of the two together
        model.activation_checkpointing_enable({"use_reentrant": False})
    processor = UniMediProcessor(Preprocess.of(recipe.preprocess), tokenizer, recipe.model.text_length)
    return variant.step.create(model, recipe, Milestones.of(recipe, total, epoch_length), tokenizer), processor


def _tokenizer(recipe: Recipe, store: Store) -> PreTrainedTokenizerBase:
    if recipe.text.pretrained:
        return load_tokenizer(recipe.text.pretrained, recipe.model.text_length)
    reports = [store.studies[i].report for i in store.select(split="train", reported=True)]
    return learn_tokenizer(reports, recipe.text.vocab_size, recipe.model.text_length)


def text_config(recipe: Recipe, words: int) -> dict[str, Any]:
    """Of E_l with a vocabulary of ``words``; PretrainedError where a pretrained folder is not there or does not fit."""
    if recipe.text.pretrained:
        return pretrained_text_config(recipe.text.pretrained, words, recipe.model.text_length)
    sizes = recipe.text
    return scratch_text_config(
        words,
        recipe.model.text_length,
        hidden_size=sizes.hidden_size,
        num_hidden_layers=sizes.num_hidden_layers,
        num_attention_heads=sizes.num_attention_heads,
        intermediate_size=4 * sizes.hidden_size,
    )


def model_config(recipe: Recipe, text: dict[str, Any], spoken: Sequence[str] = ()) -> UniMediConfig:
    """Of the model that a recipe trains; ``text``: of E_l; ``spoken``: languages of the reports."""
    fields = asdict(recipe.model)
    del fields["vision_pretrained"]
    if recipe.method != "unimedi":
        fields["slices"] = 0  # the baselines see the volume through T_3D alone
    fields |= {"preprocess": recipe.preprocess.to_dict(), "text": text, "report_languages": list(spoken)}
    return UniMediConfig(**fields)


@torch.no_grad()
def set_input_means(model: UniMediModel, store: Store, seed: int) -> None:
    """The mean radiograph and the mean volume of (up to ``MEAN_STUDIES``, drawn at random, of) what trains."""
    radiographs, volumes = (
        drawn(store.select(split="train", image_kind=kind, reported=True), MEAN_STUDIES, seed) for kind in ImageKind
    )
    store.ahead([*radiographs, *volumes])
    if radiographs:
        pixels = torch.from_numpy(np.stack([store.pixels(i) for i in radiographs]))
        model.vision.mean_radiograph.copy_(model.normalise(pixels).mean(0))
    if volumes:
        total = torch.zeros_like(model.vision.mean_volume)
        for index in volumes:
            total += model.normalise(torch.from_numpy(store.pixels(index))[None])[0]
        model.vision.mean_volume.copy_(total / len(volumes))
