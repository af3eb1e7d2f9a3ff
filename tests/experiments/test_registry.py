"""Baselines and experiments: each changes one box of the step, and what it changes is what it says."""

from pathlib import Path

import pytest
import torch

from tests.pretraining.toy_run import toy_recipe, toy_store
from tests.tiny import tiny_batch, tiny_model
from unimedi.cohort.image_kind import ImageKind
from unimedi.errors import InputError
from unimedi.experiments.reconstruction import Reconstruction
from unimedi.experiments.registry import EXPERIMENTS, pretrain
from unimedi.experiments.scorers import OtherScorer, StudentScorer
from unimedi.experiments.top_attended_tokens import KEEP_RATIO, TopAttendedTokens
from unimedi.experiments.unpaired_slices import UnpairedSlices
from unimedi.inputs.dataset import TrainingSteps
from unimedi.model.scoring import SCORERS
from unimedi.pretraining.image_batch import ImageBatch
from unimedi.pretraining.loop import pretrain as pretrain_the_papers
from unimedi.pretraining.milestones import Milestones
from unimedi.pretraining.notices import TrainingError
from unimedi.pretraining.recipe import EXPERIMENTS as NAMES
from unimedi.pretraining.recipe import DistillationRecipe, Recipe, SelectionRecipe
from unimedi.pretraining.recipe_file import load_recipe
from unimedi.pretraining.step import Pretraining

SMALL = DistillationRecipe(prototypes=6, head_hidden_size=8, head_bottleneck_size=4)
NOW = Milestones(total=10, selection_warmup=0, ramp_start=0, ramp_end=0)


def step_of(name: str, recipe: Recipe | None = None, **model: object) -> Pretraining:
    return EXPERIMENTS[name].step(tiny_model(**model), recipe or Recipe(distillation=SMALL), NOW).train()


def test_recipes_name_the_experiments_that_there_are() -> None:
    assert tuple(EXPERIMENTS) == NAMES
    with pytest.raises(ValueError, match="experiment: expected one of none, alignment"):
        load_recipe("tiny", ["--experiment", "clip"])


@pytest.mark.parametrize("name", [name for name in NAMES if name != "none"])
def test_an_experiment_changes_the_step_or_what_it_reads(name: str) -> None:
    variant = EXPERIMENTS[name]
    assert (variant.step is Pretraining) != (variant.data is TrainingSteps)
    if variant.step is not Pretraining:
        output = step_of(name)(tiny_batch(4, 4), step=0)
        output.loss.backward()
        assert output.loss.isfinite()


def test_the_papers_step_does_not_run_in_the_name_of_an_experiment(tmp_path: Path) -> None:
    recipe = load_recipe(toy_recipe(tmp_path / "recipe.yaml", experiment="student_scorer", duration="1 steps"))
    toy_store(tmp_path / "store")
    with pytest.raises(TrainingError, match="asks for experiment student_scorer"):
        pretrain_the_papers(recipe, tmp_path / "store", tmp_path / "run")
    assert (pretrain(recipe, tmp_path / "store", tmp_path / "run") / "model.safetensors").is_file()


@pytest.mark.parametrize("scorer", ["none", "student_scorer"])
def test_the_slices_are_those_of_the_scorer(scorer: str) -> None:
    training = step_of(scorer)
    training.teacher.load_state_dict(tiny_model(seed=1).state_dict())  # looks elsewhere than the student
    batch = tiny_batch(volumes=6)
    volumes = training.student.normalise(batch.hires_volumes)
    best = {
        name: model.score_slabs(model.tokens(volumes))[0].topk(2, dim=1).indices.sort(dim=1).values.tolist()
        for name, model in (("none", training.teacher), ("student_scorer", training.student))
    }
    planes, _ = training.select(batch, volumes, 0, torch.Generator().manual_seed(0))
    assert (planes // 4).tolist() == best[scorer]  # slabs of four planes
    assert best["none"] != best["student_scorer"]
    assert isinstance(training, StudentScorer) == (scorer == "student_scorer")


@pytest.mark.parametrize("name", ["joint", "coarse_to_fine", "text"])
def test_slabs_can_be_scored_in_other_ways(name: str) -> None:
    training, batch = step_of(f"{name}_scorer"), tiny_batch()
    assert isinstance(training, OtherScorer)
    teacher = training.teacher
    scores = training.slab_scores(batch.first_volumes(2), teacher.normalise(batch.hires_volumes))
    reports = teacher.get_text_features(batch.input_ids, batch.attention_mask)[3:]  # after three radiographs
    torch.testing.assert_close(scores, SCORERS[name](teacher, batch.hires_volumes, reports))


def test_slices_may_stand_without_their_volume_for_l_vl() -> None:
    """Of four volumes the first is its slices, the next two pseudo-pairs, the last T_3D alone; in their order."""
    with pytest.raises(InputError, match=r"expected selection.volume_fraction above 0.25, .* got 0.2"):
        step_of("unpaired_slices", Recipe(distillation=SMALL, selection=SelectionRecipe(volume_fraction=0.2)))
    training = step_of("unpaired_slices", Recipe(distillation=SMALL, selection=SelectionRecipe(volume_fraction=0.75)))
    assert isinstance(training, UnpairedSlices)
    batch = tiny_batch(2, 4)
    images, _ = training.volume_batches(batch, 0, torch.Generator().manual_seed(0))
    assert [(len(each.pixels), each.contrastive_only) for each in images] == [(1, True), (2, False), (1, True)]
    assert [each.sequence(training.student) for each in images] == ["slices", "pair", "volume"]
    assert torch.equal(torch.cat([each.pixels for each in images]), training.student.normalise(batch.hires_volumes))
    unpaired, pair = (each.tokens(training.student).content for each in images[:2])
    assert pair.shape[1] == unpaired.shape[1] + 16  # T_3D's tokens
    cut = images[0].slices
    assert cut is not None
    torch.testing.assert_close(unpaired, training.student.vision.slices(cut.pixels, cut.depth).content)


def test_l_vl_on_the_tokens_that_the_teacher_attends_to() -> None:
    training, batch = step_of("top_attended_tokens", Recipe(method="joint"), slices=0).eval(), tiny_batch()
    assert isinstance(training, TopAttendedTokens)
    images = ImageBatch(ImageKind.XRAY, training.student.normalise(batch.radiographs))
    places = training.top_attended(images)
    rows = training.teacher.vision(images.tokens(training.teacher), attention_rows=True).cls_attention
    for place, row in zip(places, rows.mean((1, 2)), strict=True):
        count = round(KEEP_RATIO * len(row))
        assert place.tolist() == sorted(row.argsort(descending=True)[:count].tolist())
    seen = images.tokens(training.student)
    part = seen.at(places)
    assert torch.equal(part.content[1, 2], seen.content[1, places[1, 2]])
    assert torch.equal(part.position[1, 2], seen.position[0, places[1, 2]])


@pytest.mark.parametrize(
    "model", [{}, {"slices": 0}, {"volume_tokens": False, "selector": "random"}, {"patch_tokenizer": "stem"}]
)
def test_masked_pixels_can_be_what_is_learnt(model: dict[str, object]) -> None:
    training = step_of("reconstruction", Recipe(contrastive_weight=0.0, distillation=SMALL), **model)
    assert isinstance(training, Reconstruction)
    output = training(tiny_batch(), step=0)
    assert 0.5 < float(output.logs["l_rec"]) < 3  # normalised pixels have variance 1
    torch.testing.assert_close(output.loss, output.logs["l_rec"])
    output.loss.backward()
    assert all(head.weight.grad is not None for head in training.pixel_heads) == ("volume_tokens" not in model)
