"""One step of the paper: which parts run, what they log, that a step is a function of weights and batch."""

from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.tiny import tiny_batch, tiny_model
from unimedi.objectives.contrastive import contrastive_loss
from unimedi.pretraining.milestones import Milestones
from unimedi.pretraining.recipe import DistillationRecipe, Recipe, SelectionRecipe
from unimedi.pretraining.recipe_file import load_recipe
from unimedi.pretraining.step import Pretraining

SMALL = DistillationRecipe(prototypes=6, head_hidden_size=8, head_bottleneck_size=4)
NOW = Milestones(total=10, selection_warmup=0, ramp_start=0, ramp_end=0)


def pretraining(recipe: Recipe | None = None, milestones: Milestones = NOW, **model: object) -> Pretraining:
    return Pretraining(tiny_model(**model), recipe or Recipe(distillation=SMALL), milestones).train()


def test_the_same_weights_and_batch_give_the_same_step() -> None:
    batch = tiny_batch()
    first, second = (pretraining()(batch, step=3).logs for _ in range(2))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(pretraining()(batch, step=4).logs["l_pcl"], first["l_pcl"])  # other masks


def test_the_loss_is_the_sum_of_its_parts() -> None:
    logs = pretraining()(tiny_batch(), step=0).logs
    torch.testing.assert_close(logs["loss"], logs["l_vl"] + logs["l_icl"] + logs["l_pcl"])
    weighted = Recipe(distillation=replace(SMALL, icl_weight=0.5, pcl_weight=0.0))
    logs = pretraining(weighted)(tiny_batch(4, 4), step=0).logs
    torch.testing.assert_close(logs["loss"], logs["l_vl"] + 0.5 * logs["l_icl"])
    assert set(logs) >= {"xray/l_icl", "ct/l_icl", "xray/prototype_use", "ct/teacher_entropy", "effective_rank"}


def test_l_vl_is_over_both_dimensions_together() -> None:
    training, batch = pretraining(Recipe(method="joint"), slices=0).eval(), tiny_batch()
    logs, student = training(batch, step=0).logs, training.student
    images = torch.cat(
        [
            student.get_image_features(batch.radiographs),
            student.get_image_features(batch.hires_volumes),
        ]
    )
    reports = student.get_text_features(batch.input_ids, batch.attention_mask)
    torch.testing.assert_close(logs["l_vl"], contrastive_loss(images, reports, batch.report_keys, logs["scale"]))
    assert float(logs["ln_batch"]) == pytest.approx(float(torch.tensor(5.0).log()))


@pytest.mark.parametrize(("radiographs", "volumes"), [(4, 0), (0, 4)])
def test_one_modality_alone_trains(radiographs: int, volumes: int) -> None:
    output = pretraining(Recipe(distillation=SMALL))(tiny_batch(radiographs, volumes), step=0)
    output.loss.backward()
    assert torch.isfinite(output.loss)
    assert ("ct/l_icl" in output.logs) == bool(volumes)


def test_few_images_are_not_asked_whether_they_collapsed() -> None:
    """Two images have a rank of 2 at most and share two prototypes at most: a warning at every step of a sound run."""
    logs = pretraining()(tiny_batch(1, 1), step=0).logs
    assert not {"effective_rank", "xray/prototype_use", "ct/prototype_use"} & set(logs)
    logs = pretraining()(tiny_batch(4, 1), step=0).logs
    assert {"effective_rank", "xray/prototype_use"} <= set(logs)
    assert "ct/prototype_use" not in logs


def test_joint_neither_distils_nor_keeps_a_head_busy() -> None:
    training = pretraining(Recipe(method="joint", distillation=SMALL), slices=0)
    output = training(tiny_batch(), step=0)
    assert "l_icl" not in output.logs
    output.loss.backward()
    assert all(p.grad is None for p in training.student_head.parameters())


def test_distillation_is_ramped_in() -> None:
    milestones = Milestones(total=10, selection_warmup=0, ramp_start=2, ramp_end=6)
    training = pretraining(milestones=milestones)
    assert "l_icl" not in training(tiny_batch(), step=2).logs
    logs = training(tiny_batch(), step=4).logs
    torch.testing.assert_close(logs["loss"], logs["l_vl"] + 0.5 * (logs["l_icl"] + logs["l_pcl"]))


def test_slices_are_uniform_in_the_warm_up_and_attentive_after() -> None:
    training = pretraining(milestones=Milestones(10, selection_warmup=5, ramp_start=0, ramp_end=0))
    batch = tiny_batch()
    volumes = training.student.normalise(batch.hires_volumes)
    planes, logs = training.select(batch, volumes, 4, torch.Generator().manual_seed(0))
    assert (planes // 4).tolist() == [[1, 3], [1, 3]]  # slabs of four planes: the middles of two halves
    assert logs == {}
    planes, logs = training.select(batch, volumes, 5, torch.Generator().manual_seed(0))
    scores, _ = training.teacher.score_slabs(training.teacher.tokens(volumes))
    assert (planes // 4).tolist() == scores.topk(2, dim=1).indices.sort(dim=1).values.tolist()
    assert float(logs["slab_contrast"]) > 1


def test_centres_move_only_where_they_are_used() -> None:
    centred = pretraining(Recipe(distillation=SMALL))
    centred(tiny_batch(), step=0)
    assert float(centred.targets.cls_centre.abs().sum()) == 0
    centred.after_step(0)
    assert float(centred.targets.cls_centre.abs().sum()) > 0
    sinkhorn = pretraining(Recipe(distillation=replace(SMALL, targets="sinkhorn")))
    sinkhorn(tiny_batch(), step=0)
    sinkhorn.after_step(0)
    assert float(sinkhorn.targets.cls_centre.abs().sum()) == 0


@pytest.mark.parametrize("start", ["learned", "max_pool", "max_pool_2d"])
def test_a_masked_patch_is_predicted_without_seeing_it(start: str) -> None:
    """With every token masked, two different radiographs give the student the same states, [CLS] included."""
    training = pretraining(cls_init=start)
    everything = torch.ones(3, 16, dtype=torch.bool)
    first, second = (
        training.student.tokens(training.student.normalise(tiny_batch(seed=s).radiographs)) for s in (0, 1)
    )
    states = [training.student.vision(tokens, mask=everything) for tokens in (first, second)]
    torch.testing.assert_close(states[0].patches, states[1].patches)
    torch.testing.assert_close(states[0].cls, states[1].cls)


@pytest.mark.parametrize("name", ["xray", "ct"])
def test_a_share_of_the_batch_is_distilled_and_no_more(name: str) -> None:
    """Half of four images: L_icl and L_pcl do not change with the last two, and do with the second."""
    training, images = (
        pretraining(Recipe(distillation=replace(SMALL, image_fraction=0.5))),
        {"xray": "radiographs", "ct": "hires_volumes"},
    )

    def losses(*replaced: int) -> list[Tensor]:
        batch, other = tiny_batch(4, 4), tiny_batch(4, 4, seed=1)
        pixels = getattr(batch, images[name]).clone()
        for row in replaced:
            pixels[row] = getattr(other, images[name])[row]
        logs = deepcopy(training)(replace(batch, **{images[name]: pixels}), step=0).logs
        return [logs[f"{name}/l_icl"], logs[f"{name}/l_pcl"]]

    assert all(loss > 0 for loss in losses())
    torch.testing.assert_close(losses(2, 3), losses())
    assert all(abs(changed - loss) > 1e-3 for changed, loss in zip(losses(1), losses(), strict=True))


def test_recipes_refuse_what_they_do_not_know() -> None:
    with pytest.raises(ValueError, match="method: expected one of unimedi, joint, convirt, got 'clip'"):
        load_recipe("tiny", ["--method", "clip"])
    with pytest.raises(ValueError, match="one modality"):
        Recipe(method="convirt")


def test_volumes_that_meet_no_slices_train_l_vl_alone() -> None:
    """Half of four volumes are pseudo-pairs; the embeddings keep the order of the reports; distillation sees pairs."""
    training = pretraining(Recipe(distillation=SMALL, selection=SelectionRecipe(volume_fraction=0.5)))
    batch = tiny_batch(2, 4)
    images, _ = training.volume_batches(batch, 0, torch.Generator().manual_seed(0))
    assert [(len(each.pixels), each.slices is None, each.contrastive_only) for each in images] == [
        (2, False, False),
        (2, True, True),
    ]
    assert torch.equal(torch.cat([each.pixels for each in images]), training.student.normalise(batch.hires_volumes))
    logs = training(batch, step=0).logs
    assert "ct/l_icl" in logs


def test_the_first_volumes_keep_their_reports() -> None:
    batch = tiny_batch(2, 4)
    part = batch.first_volumes(3)
    assert part.radiographs is None
    assert part.study_ids == batch.study_ids[2:5]
    assert torch.equal(part.input_ids, batch.input_ids[2:5])
    assert torch.equal(part.hires_volumes, batch.hires_volumes[:3])


def test_without_reports_distillation_alone_trains_from_the_first_step() -> None:
    milestones = Milestones(10, selection_warmup=0, ramp_start=5, ramp_end=8)
    training = pretraining(Recipe(contrastive_weight=0.0, distillation=SMALL), milestones=milestones)
    output = training(tiny_batch(), step=0)
    assert "l_vl" not in output.logs
    torch.testing.assert_close(output.loss, output.logs["l_icl"] + output.logs["l_pcl"])
    output.loss.backward()
    assert all(parameter.grad is None for parameter in training.student.text.parameters())


def test_the_weight_of_l_vl() -> None:
    batch = tiny_batch()
    logs = pretraining(Recipe(contrastive_weight=0.5, method="joint"), slices=0)(batch, step=0).logs
    torch.testing.assert_close(logs["loss"], 0.5 * logs["l_vl"])


def test_a_pseudo_pair_can_be_its_slices_alone() -> None:
    training, batch = pretraining(volume_tokens=False), tiny_batch()
    (images,), _ = training.volume_batches(batch, 0, torch.Generator().manual_seed(0))
    whole, alone = pretraining().student, training.student
    assert images.tokens(whole).content.shape[1] - images.tokens(alone).content.shape[1] == 16
    assert images.tokens(alone).content.shape[1] == 2 * 4


def test_the_distilled_share_is_of_all_images_of_a_kind_not_of_those_with_slices(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """8 volumes, 4 of them with slices: a quarter is 2 (of two, not of one, Sinkhorn can tell them apart)."""
    distillation = replace(SMALL, image_fraction=0.25)
    training = pretraining(Recipe(distillation=distillation, selection=SelectionRecipe(volume_fraction=0.5)))
    rows: list[int] = []
    head = training.teacher_head.cls
    monkeypatch.setattr(training.teacher_head, "cls", lambda cls: rows.append(len(cls)) or head(cls))
    training(tiny_batch(12, 8), step=0)
    assert rows == [3, 2]
