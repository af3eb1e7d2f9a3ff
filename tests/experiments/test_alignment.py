"""Local alignment against its definition in plain loops, and where sentences begin and end."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from tests.tiny import tiny_batch, tiny_model
from unimedi.cohort.image_kind import ImageKind
from unimedi.experiments.alignment import (
    SCALE,
    Alignment,
    alignment_loss,
    report_fit,
    sentence_means,
    sentence_numbers,
)
from unimedi.inputs.batch import MixedBatch
from unimedi.model.vision_encoder import EncoderOutput
from unimedi.pretraining.image_batch import ImageBatch
from unimedi.pretraining.milestones import Milestones
from unimedi.pretraining.recipe import DistillationRecipe, Recipe
from unimedi.pretraining.step import Pretraining

PAD, CLS, SEP, STOP = 0, 1, 2, 9


def test_sentences_end_with_their_full_stop() -> None:
    ids = torch.tensor([[CLS, 5, 6, STOP, 7, STOP, SEP], [CLS, 5, STOP, 8, SEP, PAD, PAD]])
    numbers = sentence_numbers(ids, (ids != PAD).long(), STOP)
    assert numbers.tolist() == [[-1, 0, 0, 0, 1, 1, -1], [-1, 2, 2, 3, -1, -1, -1]]
    whole = sentence_numbers(
        ids, (ids != PAD).long(), sentence_end_id=-1
    )  # a vocabulary without one: a report, a sentence
    assert whole.tolist() == [[-1, 0, 0, 0, 0, 0, -1], [-1, 1, 1, 1, -1, -1, -1]]
    states = torch.arange(14.0).reshape(2, 7, 1)
    means, owners = sentence_means(states, numbers)
    assert means.flatten().tolist() == [2.0, 4.5, 8.5, 10.0]
    assert owners.tolist() == [0, 0, 1, 1]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 4), st.integers(1, 5))
def test_fit_equals_the_loops(seed: int, images: int, places: int) -> None:
    draws = torch.Generator().manual_seed(seed)
    patches = torch.randn(images, places, 3, generator=draws, dtype=torch.float64)
    owners = torch.tensor([0, 0, 1, 2, 2, 2])
    sentences = torch.randn(6, 3, generator=draws, dtype=torch.float64)
    expected = [
        [
            sum(
                max(float(normalize(p, dim=0) @ normalize(sentences[s], dim=0)) for p in image)
                for s in range(6)
                if owners[s] == report
            )
            / int((owners == report).sum())
            for report in range(3)
        ]
        for image in patches
    ]
    fit = report_fit([patches], sentences, owners, 3)
    torch.testing.assert_close(fit, torch.tensor(expected, dtype=torch.float64))
    torch.testing.assert_close(report_fit([patches.roll(1, dims=1)], sentences, owners, 3), fit)  # places have no order


def test_loss_is_l_vl_on_the_fit() -> None:
    """Two images, one patch each, that show their own report's only sentence."""
    patches = torch.eye(2, dtype=torch.float64)[:, None]
    loss = alignment_loss(
        [patches[:1], patches[1:]], torch.eye(2, dtype=torch.float64), torch.arange(2), torch.arange(2)
    )
    assert float(loss) == pytest.approx(math.log(1 + math.exp(-SCALE)))


def test_a_recipe_may_add_it_to_the_step() -> None:
    recipe = Recipe(distillation=DistillationRecipe(prototypes=6, head_hidden_size=8, head_bottleneck_size=4))
    batch = tiny_batch()
    training = Alignment(
        tiny_model(), recipe, Milestones(10, 0, 0, 0), sentence_end_id=int(batch.input_ids[0, 2])
    ).train()
    output = training(batch, step=0)
    assert output.logs["l_local"] > 0
    logs = output.logs
    torch.testing.assert_close(logs["loss"], logs["l_vl"] + logs["l_local"] + logs["l_icl"] + logs["l_pcl"])
    (full,) = torch.autograd.grad(output.loss, training.student.vision.embed_3d.layers[0].weight)
    without = Pretraining(training.student, recipe, Milestones(10, 0, 0, 0)).train()
    (plain,) = torch.autograd.grad(without(batch, step=0).loss, training.student.vision.embed_3d.layers[0].weight)
    assert full.isfinite().all()
    assert not torch.allclose(full, plain)


def aligning() -> tuple[Alignment, MixedBatch, list[ImageBatch], list[EncoderOutput]]:
    """A model, a batch, its images by kind and their states."""
    batch = tiny_batch()
    stop = int(batch.input_ids[0, 2])
    training = Alignment(tiny_model(), Recipe(), Milestones(10, 0, 0, 0), sentence_end_id=stop)
    student = training.student
    assert batch.radiographs is not None
    assert batch.hires_volumes is not None
    images = [
        ImageBatch(ImageKind.XRAY, student.normalise(batch.radiographs)),
        ImageBatch(ImageKind.CT, student.normalise(batch.hires_volumes)),
    ]
    return training, batch, images, [student.vision(each.tokens(student)) for each in images]


def test_it_teaches_both_encoders_and_both_tokenizers() -> None:
    training, batch, images, outputs = aligning()
    training.align(images, outputs, batch).backward()
    student = training.student
    for weights in (student.vision.embed_2d, student.vision.embed_3d, student.text.bert.embeddings):
        gradients = [parameter.grad for parameter in weights.parameters() if parameter.grad is not None]
        assert sum(float(gradient.abs().sum()) for gradient in gradients) > 0


def test_what_all_patches_of_a_kind_share_says_nothing() -> None:
    """Centred by kind: a constant on every patch of the volumes changes no loss, on those of one volume it does."""
    training, batch, images, (flat, volumes) = aligning()
    loss = training.align(images, [flat, volumes], batch)
    shifted = replace(volumes, patches=volumes.patches + 1.5)
    torch.testing.assert_close(training.align(images, [flat, shifted], batch), loss)
    one = volumes.patches.clone()
    one[0] += torch.linspace(-3, 3, one.shape[-1])
    assert not torch.isclose(training.align(images, [flat, replace(volumes, patches=one)], batch), loss)


def test_images_of_one_report_answer_for_each_other() -> None:
    """Equal keys: to fit the other image's copy of the report is right, not wrong."""
    patches = torch.eye(3, dtype=torch.float64)[:, None]
    sentences = torch.eye(3, dtype=torch.float64)[[1, 0, 2]]  # the first two reports are swapped
    owners = torch.arange(3)
    same, apart = (alignment_loss([patches], sentences, owners, torch.tensor(keys)) for keys in ([0, 0, 1], [0, 1, 2]))
    assert same < apart
