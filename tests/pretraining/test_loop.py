"""The loop by itself: resuming, accumulation, NaN, clipping, precision, the log."""

import json
import math
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.fabric import Fabric
from torch import Tensor

from tests.pretraining.toy_module import Toy, toy_batch, toy_batches
from tests.pretraining.toy_run import NOT_OF_THE_MATHEMATICS, toy_store
from unimedi.files.json_lines import read_json_lines
from unimedi.inputs.batch_recipe import BatchRecipe
from unimedi.inputs.dataset import TrainingSteps
from unimedi.inputs.store_writer import Record, write_store
from unimedi.optimization.schedule import EpochLength, warmup_cosine
from unimedi.pretraining.engine import reproducible
from unimedi.pretraining.epoch_length import epoch_length_of
from unimedi.pretraining.loop import train
from unimedi.pretraining.monitors import NAN_PATIENCE
from unimedi.pretraining.notices import TrainingError, notices
from unimedi.pretraining.optimizer_step import step_seed
from unimedi.pretraining.recipe import DistillationRecipe, OptimizationRecipe, Recipe, TextRecipe
from unimedi.pretraining.run_folder import RunFolder, RunFolderError, plain

TOTAL = 12
PACE = EpochLength(examples_per_step=8, steps_per_epoch=3)


def recipe(clip: float = 1e9, **changes: Any) -> Recipe:
    return Recipe(
        checkpoint_every="4 steps",
        optimization=OptimizationRecipe(learning_rate=0.05, weight_decay=0.0, warmup="3 steps", max_grad_norm=clip),
        distillation=DistillationRecipe(prototypes=4),
        **changes,
    )


def run(
    folder: Path,
    module: Toy | None = None,
    batches: Callable[[int], Iterator[Tensor]] = toy_batches,
    settings: Recipe | None = None,
    total: int = TOTAL,
    precision: str = "32-true",
    pace: EpochLength = PACE,
) -> Toy:
    module = module or Toy()
    folder.mkdir(exist_ok=True)
    fabric = Fabric(accelerator="cpu", devices=1, precision=precision)  # type: ignore[arg-type]
    train(fabric, settings or recipe(), module, batches, RunFolder(folder), total, pace, lambda step: [f"s{step}"])
    return module


def equal(one: Toy, two: Toy) -> bool:
    return all(torch.equal(value, two.state_dict()[name]) for name, value in one.state_dict().items())


def figures(folder: Path) -> list[dict[str, Any]]:
    lines = read_json_lines(folder / "log.jsonl")
    return [{k: v for k, v in line.items() if k not in NOT_OF_THE_MATHEMATICS} for line in lines]


class PowerCut(BaseException):
    """Nothing in the loop catches this."""


@pytest.mark.parametrize("cut", [0, 3, 4, 6, 11])
def test_a_run_that_broke_off_goes_on_to_the_last_bit(tmp_path: Path, cut: int) -> None:
    whole = run(tmp_path / "whole")

    def batches(step: int) -> Iterator[Tensor]:
        for number in range(step, TOTAL):
            if number == cut and step == 0:
                raise PowerCut
            yield toy_batch(number)

    with pytest.raises(PowerCut):
        run(tmp_path / "cut", batches=batches)
    with (tmp_path / "cut" / "log.jsonl").open("a") as log:
        log.write('{"step": 9, "los')  # the process died while it wrote
    assert equal(run(tmp_path / "cut"), whole)
    assert figures(tmp_path / "cut") == figures(tmp_path / "whole")
    assert [line["step"] for line in figures(tmp_path / "cut")] == list(range(TOTAL))


def test_a_finished_run_stays_as_it_is(tmp_path: Path) -> None:
    whole = run(tmp_path)
    assert equal(run(tmp_path), whole)
    assert len(figures(tmp_path)) == TOTAL


def test_accumulation_is_one_large_batch(tmp_path: Path) -> None:
    def halves(step: int) -> Iterator[Tensor]:
        for number in range(step, TOTAL):
            yield from toy_batch(number).chunk(2)

    whole = run(tmp_path / "whole", Toy(noise=0.0))
    parts = run(
        tmp_path / "parts", Toy(noise=0.0), halves, recipe(contrastive_weight=0.0), pace=replace(PACE, micro_batches=2)
    )
    torch.testing.assert_close(parts.student.weight, whole.student.weight)
    for one, two in zip(figures(tmp_path / "whole"), figures(tmp_path / "parts"), strict=True):
        assert one["loss"] == pytest.approx(two["loss"], rel=1e-5)
        assert one["gradient_norm"] == pytest.approx(two["gradient_norm"], rel=1e-4)


def poisoned(*steps: int) -> Callable[[int], Iterator[Tensor]]:
    def batches(step: int) -> Iterator[Tensor]:
        for number in range(step, TOTAL):
            yield toy_batch(number) * (math.nan if number in steps else 1.0)

    return batches


def test_a_batch_with_nan_leaves_no_trace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class Watched(Toy):
        seen: dict[int, dict[str, Tensor]]

        def forward(self, batch: Tensor, step: int, part: int) -> Any:
            self.seen = {**getattr(self, "seen", {}), step: {k: v.clone() for k, v in self.state_dict().items()}}
            return super().forward(batch, step, part)

    module = run(tmp_path, Watched(), poisoned(5))
    assert isinstance(module, Watched)
    for name, value in module.seen[5].items():
        assert torch.equal(value, module.seen[6][name]), name
        assert torch.isfinite(module.state_dict()[name]).all()
    line = figures(tmp_path)[5]
    assert line["skipped"] is True
    assert line["loss"] is None
    assert line["warnings"] == ["nan"]
    assert "skipped" not in figures(tmp_path)[6]
    assert "Warning nan: step 5" in capsys.readouterr().err


def test_too_many_in_a_row_stop_the_run(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=rf"{NAN_PATIENCE} steps in a row, up to step {4 + NAN_PATIENCE}.*learning"):
        run(tmp_path, batches=poisoned(*range(5, TOTAL)))
    assert sorted(p.name for p in (tmp_path / "checkpoints").iterdir()) == ["step-000004", "step-000008"]
    assert [line.get("studies") for line in figures(tmp_path)] == [None] * 5 + [[f"s{n}"] for n in range(5, 10)]


def test_the_gradient_is_clipped_and_its_norm_is_logged(tmp_path: Path) -> None:
    module = Toy(noise=0.0)
    loss = module(toy_batch(0), 0, 0).loss
    gradients = torch.autograd.grad(loss, list(module.student.parameters()))
    norm = math.sqrt(sum(float(g.pow(2).sum()) for g in gradients))
    run(tmp_path / "free", Toy(noise=0.0), total=1)
    assert figures(tmp_path / "free")[0]["gradient_norm"] == pytest.approx(norm, rel=1e-6)
    run(tmp_path / "clipped", Toy(noise=0.0), settings=recipe(clip=1e-3), total=1)
    assert figures(tmp_path / "clipped")[0]["gradient_norm"] == pytest.approx(norm, rel=1e-6)


def test_the_rate_follows_the_schedule(tmp_path: Path) -> None:
    run(tmp_path)
    for step, line in enumerate(figures(tmp_path)):
        assert line["learning_rate"] == 0.05 * warmup_cosine(step, warmup=3, total=TOTAL, min_lr_ratio=0.0)


def test_bf16_computes_in_bf16_and_keeps_its_weights_in_fp32(tmp_path: Path) -> None:
    exact, rough = run(tmp_path / "fp32"), run(tmp_path / "bf16", precision="bf16-mixed")
    assert rough.student.weight.dtype == torch.float32
    assert not equal(exact, rough)
    assert figures(tmp_path / "bf16")[0]["loss"] == pytest.approx(figures(tmp_path / "fp32")[0]["loss"], rel=0.02)


def test_what_a_run_leaves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(tmp_path, total=40)
    lines = read_json_lines(tmp_path / "log.jsonl")
    figures = {"step", "loss", "l_vl", "learning_rate", "gradient_norm", "warnings"}
    assert {*lines[0]} == {*figures, *NOT_OF_THE_MATHEMATICS} - {"mfu"}  # nobody has counted the toy's arithmetic
    assert all(0 <= line["data_share"] < 1 for line in lines)
    assert [line["seconds"] for line in lines] == sorted(line["seconds"] for line in lines)
    assert list((tmp_path / "tensorboard").iterdir())
    shown = [line for line in capsys.readouterr().err.splitlines() if line.startswith("step")]
    assert len(shown) == 20  # every 5 percent, where there is no terminal
    assert shown[9].startswith("step 20/40 (50%), ")
    assert "left" in shown[9]
    assert "studies/s" in shown[9]


def test_a_run_that_waits_for_its_data_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def slow(step: int) -> Iterator[Tensor]:
        for number in range(step, TOTAL):
            time.sleep(0.05)
            yield toy_batch(number)

    run(tmp_path, batches=slow, total=2)
    assert all(line["data_share"] > 0.1 for line in read_json_lines(tmp_path / "log.jsonl"))
    assert "% of the time waiting for data), loss" in capsys.readouterr().err


def test_seeds_of_steps_and_micro_batches_are_distinct() -> None:
    counts = range(3), range(25), range(8)
    seeds = {step_seed(*numbers) for numbers in product(*counts)}
    assert len(seeds) == 600
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_reproducible_puts_everything_back() -> None:
    before = torch.are_deterministic_algorithms_enabled(), torch.get_num_threads()
    with reproducible(2):
        assert torch.are_deterministic_algorithms_enabled()
        assert torch.get_num_threads() == 2
    assert (torch.are_deterministic_algorithms_enabled(), torch.get_num_threads()) == before


def test_an_epoch_is_as_long_as_the_kind_that_needs_longer(tmp_path: Path) -> None:
    store = toy_store(tmp_path / "both", radiographs=12, volumes=8)
    batch = BatchRecipe(radiographs=4, volumes=2)
    assert epoch_length_of(Recipe(batch=batch), store, devices=1) == EpochLength(6, 4)
    assert epoch_length_of(Recipe(batch=batch), store, devices=2) == EpochLength(12, 2)
    assert epoch_length_of(Recipe(batch=BatchRecipe(radiographs=4, volumes=2, effective=18)), store, 1) == EpochLength(
        18, 2, 3
    )
    assert notices(Recipe(batch=batch), store) == []


def test_a_store_with_nothing_to_train_on_says_so(tmp_path: Path) -> None:
    whole = toy_store(tmp_path / "whole", radiographs=12, volumes=8)
    silent = [Record(replace(study, report=""), whole.pixels(place)) for place, study in enumerate(whole.studies)]
    store = write_store(tmp_path / "store", silent, whole.preprocess)
    with pytest.raises(TrainingError, match=r"with a report in the training split.* found none among its 20 .*, 20 of"):
        epoch_length_of(Recipe(batch=BatchRecipe(radiographs=4, volumes=2)), store, devices=1)
    with pytest.raises(TrainingError, match="of a kind that the recipe takes"):
        epoch_length_of(
            Recipe(batch=BatchRecipe(radiographs=4, volumes=0)), toy_store(tmp_path / "ct", radiographs=0, volumes=4), 1
        )


def test_one_modality_only_says_what_is_off(tmp_path: Path) -> None:
    store = toy_store(tmp_path / "flat", radiographs=12, volumes=0)
    batch = BatchRecipe(radiographs=4, volumes=2)
    assert epoch_length_of(Recipe(batch=batch), store, devices=1) == EpochLength(4, 3)
    (notice,) = notices(Recipe(batch=batch), store)
    assert "no volumes" in notice
    assert "slice selection" in notice
    assert notices(Recipe(method="convirt", batch=BatchRecipe(radiographs=4, volumes=0)), store) == []


def test_one_image_of_a_kind_is_no_notice_and_sinkhorn_over_one_is(tmp_path: Path) -> None:
    store = toy_store(tmp_path / "store")
    one, two = BatchRecipe(4, 1), BatchRecipe(4, 2)
    assert notices(Recipe(batch=one), store) == []
    shared = DistillationRecipe(targets="sinkhorn")
    assert notices(Recipe(batch=two, distillation=shared), store) == []
    (notice,) = notices(Recipe(batch=one, distillation=shared), store)
    assert notice.startswith("Of volumes one a step and device is distilled: Sinkhorn's targets")
    (notice,) = notices(Recipe(batch=two, distillation=replace(shared, image_fraction=0.5)), store)
    assert "volumes" in notice
    assert notices(Recipe(batch=one, method="joint", distillation=shared), store) == []
    assert notices(Recipe(batch=one, experiment="reconstruction", distillation=shared), store) == []
    assert notices(Recipe(batch=one, distillation=replace(shared, icl_weight=0.0)), store) == []


def test_studies_without_a_report_do_not_train_and_are_counted(tmp_path: Path) -> None:
    whole = toy_store(tmp_path / "whole", radiographs=12, volumes=8)
    records = [
        Record(replace(study, report="" if place % 4 == 0 else study.report), whole.pixels(place))
        for place, study in enumerate(whole.studies)
    ]
    store = write_store(tmp_path / "store", records, whole.preprocess)
    batch = BatchRecipe(radiographs=4, volumes=2)
    assert notices(Recipe(batch=batch), store) == ["5 studies of the training split have no report and are left out."]
    assert epoch_length_of(Recipe(batch=batch), store, devices=1).steps_per_epoch == 3
    words = ("input_ids", "attention_mask")
    steps = TrainingSteps(store, batch, lambda texts: dict.fromkeys(words, torch.ones(len(texts), 2).long()), 0, 6)
    drawn = {name for step in range(6) for name in steps[step].study_ids}
    assert drawn == {study.study_id for study in store.studies if study.report}
    for step in range(6):  # named without a look at the pixels
        assert steps.study_ids(step) == list(steps[step].study_ids)


def test_a_run_folder_takes_one_run(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    facts = {"store": "abc", "devices": 1}
    folder.begin({"seed": 0, "model": {"slices": 2}}, facts, resume=False)
    folder.begin({"seed": 1, "model": {"slices": 2}}, facts, resume=False)  # nothing was done yet: begin anew
    (folder.checkpoints / "step-000001").mkdir(parents=True)
    with pytest.raises(RunFolderError, match=r"already holds a run.*--resume"):
        folder.begin({"seed": 1, "model": {"slices": 2}}, facts, resume=False)
    folder.begin({"seed": 1, "model": {"slices": 2}}, facts, resume=True)
    with pytest.raises(RunFolderError, match=r"model\.slices was 2, now 3; store was 'abc', now 'xyz'"):
        folder.begin({"seed": 1, "model": {"slices": 3}}, {"store": "xyz", "devices": 1}, resume=True)
    with pytest.raises(RunFolderError, match=r"devices was 1, now 2; with batch\.effective a run may go on"):
        folder.begin({"seed": 1, "model": {"slices": 2}}, {"store": "abc", "devices": 2}, resume=True)
    assert folder.begun() == json.loads(folder.environment.read_text())
    assert folder.begun()["store"] == "abc"
    assert RunFolder(tmp_path / "another").begun() == {}


def test_a_fixed_batch_may_go_on_with_another_number_of_devices(tmp_path: Path) -> None:
    folder, fixed = RunFolder(tmp_path), {"batch": {"effective": 24}}
    folder.begin(fixed, {"store": "abc", "devices": 1}, resume=False)
    (folder.checkpoints / "step-000001").mkdir(parents=True)
    (said,) = folder.begin(fixed, {"store": "abc", "devices": 2}, resume=True)
    assert said.startswith("devices was 1, now 2: the same studies and draws a step")
    with pytest.raises(RunFolderError, match=r"with this: store was 'abc', now 'xyz'$"):
        folder.begin(fixed, {"store": "xyz", "devices": 2}, resume=True)


def test_a_run_of_an_earlier_version_goes_on_with_the_defaults_of_what_it_lacks(tmp_path: Path) -> None:
    folder, facts = RunFolder(tmp_path / "run"), {"store": "abc", "devices": 1}
    whole = plain(Recipe())
    older = {key: value for key, value in whole.items() if key != "experiment"}
    older["batch"] = {key: value for key, value in whole["batch"].items() if key != "full_report_fraction"}
    folder.begin(older, facts, resume=False)
    default = BatchRecipe().full_report_fraction
    assert folder.begin(whole, facts, resume=True) == [
        f"{folder.recipe} is of an earlier version: not in it, and so at its default, is experiment 'none', "
        f"batch.full_report_fraction {default!r}"
    ]
    assert folder.begin(older, facts, resume=True) == []
    with pytest.raises(RunFolderError, match=r"another run .*: experiment was 'none', now 'alignment'$"):
        folder.begin({**whole, "experiment": "alignment"}, facts, resume=True)
    folder.begin({**whole, "unheard_of": 3}, facts, resume=False)
    with pytest.raises(RunFolderError, match="unheard_of was 3, now there is no such key"):
        folder.begin(whole, facts, resume=True)


@pytest.mark.parametrize("lost", ["recipe.yaml", "environment.json"])
def test_weights_that_nobody_knows_are_not_gone_on_with(tmp_path: Path, lost: str) -> None:
    folder, facts = RunFolder(tmp_path / "run"), {"store": "abc", "devices": 1}
    folder.begin(plain(Recipe()), facts, resume=False)
    (folder.checkpoints / "step-000001").mkdir(parents=True)
    (folder.path / lost).unlink()
    for resume in (False, True):
        with pytest.raises(RunFolderError, match=rf"the weights of a run without its {re.escape(lost)}; choose"):
            folder.begin(plain(Recipe()), facts, resume)
    for damaged in ("recipe.yaml", "environment.json"):
        folder.recipe.write_text("seed: 0")
        folder.environment.write_text("{}")
        (folder.path / damaged).write_text("[1, ")
        with pytest.raises(RunFolderError, match=rf"{re.escape(damaged)} is damaged"):
            folder.begin(plain(Recipe()), facts, resume=True)


def test_an_export_replaces_the_folder_as_a_whole(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.export(lambda path: (path / "one").write_text("1"))
    folder.export(lambda path: (path / "two").write_text("2"), lambda path: (path / "three").write_text("3"))
    assert sorted(path.name for path in folder.pretrained.iterdir()) == ["three", "two"]
    with pytest.raises(ZeroDivisionError):
        folder.export(lambda path: 1 // 0)
    assert sorted(path.name for path in folder.pretrained.iterdir()) == ["three", "two"]


def test_spanish_for_an_encoder_that_may_not_read_it_is_said_with_the_count(tmp_path: Path) -> None:
    whole = toy_store(tmp_path / "whole", radiographs=4, volumes=0)
    records = [
        Record(replace(study, language="es" if place < 3 else "en"), whole.pixels(place))
        for place, study in enumerate(whole.studies)
    ]
    store = write_store(tmp_path / "store", records, whole.preprocess)
    batch = BatchRecipe(radiographs=4, volumes=0)
    (notice,) = notices(Recipe(batch=batch, text=TextRecipe(pretrained="a/folder")), store)
    assert notice.startswith("3 training reports are not in English (3 in 'es'): a/folder must")
    assert notices(Recipe(batch=batch), store) == []  # its vocabulary is learnt from these reports
