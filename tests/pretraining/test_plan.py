"""A plan against what a run then does: the steps, the weights, and the time that its own MFU stands for."""

from pathlib import Path

import pytest

from tests.pretraining.toy_run import result, toy_recipe, toy_store
from unimedi.cohort.image_kind import ImageKind
from unimedi.files.json_lines import read_json_lines
from unimedi.pretraining.build import build
from unimedi.pretraining.epoch_length import epoch_length_of
from unimedi.pretraining.loop import pretrain
from unimedi.pretraining.notices import TrainingError
from unimedi.pretraining.plan import as_text, cpu_mfu, plan, speed_of
from unimedi.pretraining.recipe_file import load_recipe

STUDIES = {ImageKind.XRAY: 12, ImageKind.CT: 8}


def test_a_plan_is_what_the_run_does(tmp_path: Path) -> None:
    store = toy_store(tmp_path / "store")
    recipe = load_recipe(toy_recipe(tmp_path / "recipe.yaml", duration="2 epochs"))
    planned = plan(recipe, STUDIES, devices=1, nodes=1, speed=1e12, mfu=0.5, words=14.0)
    pretrain(recipe, store.path, tmp_path / "run")
    assert planned.steps == len(result(tmp_path / "run")["log"]) == 8
    assert planned.images_a_step == 6
    module, _ = build(recipe, store, planned.steps, epoch_length_of(recipe, store, 1))
    learnt = [*module.student.parameters(), *module.student_head.parameters()]
    vocabulary = recipe.text.vocab_size - module.student.text.bert.config.vocab_size  # of a full one
    words = vocabulary * recipe.text.hidden_size
    assert planned.parameters == sum(weight.numel() for weight in learnt) + words
    assert planned.seconds_a_step == pytest.approx(planned.flops_a_step / 0.5e12)
    # What the run logs is the same arithmetic, by its own speed and time.
    for line in read_json_lines(tmp_path / "run" / "log.jsonl"):
        assert 0 < line["mfu"] < 1.5


def test_more_devices_share_the_studies(tmp_path: Path) -> None:
    recipe = load_recipe(toy_recipe(tmp_path / "recipe.yaml", duration="60 epochs"))
    one, four = (plan(recipe, STUDIES, 2, nodes, 1e12, 0.5) for nodes in (1, 2))
    assert (one.steps, four.steps) == (120, 60)
    assert four.flops_a_step == 2 * one.flops_a_step
    assert four.seconds == pytest.approx(one.seconds / 2)
    assert four.reading == pytest.approx(one.reading)  # of each machine
    cached = load_recipe(toy_recipe(tmp_path / "cached.yaml", batch={"radiographs": 4, "volumes": 2, "effective": 24}))
    assert plan(cached, STUDIES, 1, 1, 1e12, 0.5).flops_a_step > 4 * plan(recipe, STUDIES, 1, 1, 1e12, 0.5).flops_a_step
    flat = plan(recipe, {ImageKind.XRAY: 12, ImageKind.CT: 0}, 1, 1, 1e12, 0.5)  # batches hold X-rays alone
    assert flat.images_a_step == 4
    assert flat.flops_a_step < one.flops_a_step / 4
    with pytest.raises(TrainingError, match="found none"):
        plan(recipe, {ImageKind.XRAY: 0, ImageKind.CT: 0}, 1, 1, 1e12, 0.5)


def test_the_papers_size_on_a_cluster() -> None:
    recipe = load_recipe("base")
    speed, mfu, what = speed_of(recipe, "h100")
    planned = plan(recipe, {ImageKind.XRAY: 700_000, ImageKind.CT: 300_000}, 8, 8, speed, mfu)
    text = as_text(planned, 64, what, speed, mfu)
    assert "700,000 X-rays, 300,000 CTs" in text
    assert "64 x H100, bf16: 989 TFLOP/s" in text
    assert "assumed, nothing was measured on one" in text
    assert planned.parameters == pytest.approx(205e6, rel=0.01)
    assert planned.store == pytest.approx(2.28e12, rel=0.01)


def test_wide_layers_come_closer_to_a_large_product() -> None:
    assert [cpu_mfu(width) for width in (16, 128, 384, 768)] == [0.41, 0.41, 0.55, 0.55]
    assert cpu_mfu(222) == pytest.approx(0.48, abs=0.001)  # the geometric mean of 128 and 384
