"""Masks are learnt from those of the training split, chosen on validation, measured on the held-out ones."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hospital import FINDINGS, write_hospital, write_pretrained
from tests.tiny import tiny_model
from unimedi.adaptation.segmentation.masks import (
    class_masks,
    mask_labels,
    masked_batch,
    masked_splits,
    stored_mask,
    windows,
)
from unimedi.adaptation.segmentation.segment import MissingExtraError, mask_task, segment
from unimedi.adaptation.settings import SegmentSettings
from unimedi.adaptation.tuning import train_best
from unimedi.inputs.store import Store
from unimedi.inputs.store_writer import Record, write_store
from unimedi.metrics.checks import NotComputable
from unimedi.metrics.measurement import Measurements
from unimedi.settings import SettingsError, read_settings

QUICK = SegmentSettings(
    fractions=(0.5,), seeds=(0, 1), steps=2, batch=3, learning_rates=(1e-3,), checks=1, resamples=20
)


def silent(_: str) -> None:
    """Nobody listens."""


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("segment")
    write_hospital(folder / "store", masked_ndims=(2, 3))
    return write_pretrained(folder / "run" / "pretrained").parent, folder / "store"


@pytest.fixture(scope="module")
def figures(ground: tuple[Path, Path]) -> Measurements:
    return segment(*ground, QUICK, silent)


def test_every_row_is_there(figures: Measurements) -> None:
    for where in ("xray/linear", "xray/setr_pup", "ct/unetr"):
        for arm in ("", "random_init/"):
            for name in ("dice_positive", "dice_all", "found"):
                one = figures[f"segmentation/{where}/{arm}50%/{name}"]
                assert 0 <= one.low <= one.value <= one.high <= 1
                assert {f"segmentation/{where}/{arm}50%/{name}/{finding}" for finding in FINDINGS} <= set(figures)
        assert f"segmentation/{where}/50%/minus_random_init/dice_positive" in figures
    for kind in ("xray", "ct"):
        assert {f"segmentation/{kind}/trivial/dice_all/{finding}" for finding in FINDINGS} <= set(figures)


def test_the_trivial_row_is_the_share_without(ground: tuple[Path, Path], figures: Measurements) -> None:
    store = Store.open(ground[1])
    test = store.select(split="test", image_kind="ct")
    healthy = np.mean([not store.studies[i].labels["nodule"] for i in test])
    assert figures["segmentation/ct/trivial/dice_all/nodule"].value == pytest.approx(healthy)


def test_what_has_no_masks_is_said_with_the_counts(ground: tuple[Path, Path], tmp_path: Path) -> None:
    write_hospital(tmp_path / "store", masked=False)
    with pytest.raises(NotComputable, match="masks in 0 training, 0 validation and 0 test studies"):
        segment(ground[0], tmp_path / "store", QUICK, silent)


def test_without_monai_the_extra_is_named(ground: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "monai", None)
    with pytest.raises(MissingExtraError, match=r"unimedi\[segmentation\]"):
        segment(*ground, QUICK, silent)


def test_the_test_split_has_no_part_in_the_choice(ground: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store.open(ground[1])
    task = mask_task("ct", "linear", store, masked_splits("ct", store, QUICK), QUICK)
    seen: set[int] = set()
    real = Store.pixels
    monkeypatch.setattr(Store, "pixels", lambda self, index: seen.add(index) or real(self, index))
    train_best(task, tiny_model(), task.train, QUICK, 0, silent)
    assert {str(store.studies[i].split) for i in seen} == {"train", "validation"}


def test_masks_are_learnt(ground: tuple[Path, Path]) -> None:
    """The lesions of the tiny hospital are bright squares in places of their own.

    After 60 steps the dice is what the last bits of a CPU make of it (.39 to .66), after 240 .52 to .62 with every seed
    and rate that was tried.
    """
    store = Store.open(ground[1])
    dice = {}
    for steps, rate in ((1, 1e-6), (240, 3e-3)):
        setup = SegmentSettings(steps=steps, batch=12, learning_rates=(rate,), checks=1)
        task = mask_task("xray", "setr_pup", store, masked_splits("xray", store, setup), setup)
        result = train_best(task, tiny_model(), task.train, setup, 0, silent)[1].test()
        dice[steps] = result.dice[result.present].mean()
    assert dice[240] > dice[1] + 0.3, dice


def test_labels_and_layers_by_hand(ground: tuple[Path, Path]) -> None:
    store = Store.open(ground[1])
    splits = masked_splits("ct", store, QUICK)
    assert (splits.train, splits.classes) == (store.select(split="train", image_kind="ct"), FINDINGS)
    for row, index in enumerate(splits.train):
        planes = class_masks(stored_mask(store, index), range(3))
        for number, name in enumerate(FINDINGS):
            assert splits.labels[row, number] == store.studies[index].labels[name] == planes[number].any()


def annotated(path: Path, store: Store, keep: dict[str, tuple[bool, bool]]) -> Store:
    """A store of which, by finding, only (masks, labels) are there that ``keep`` says; no study has an empty mask."""
    records = []
    for index, study in enumerate(store.studies):
        bits = stored_mask(store, index)
        for number, name in enumerate(FINDINGS):
            bits = bits if keep[name][0] else bits & ~np.uint16(1 << number)
        labels = {name: study.labels[name] if keep[name][1] else None for name in FINDINGS}
        study = replace(study, labels=labels, has_mask=bool(bits.any()))
        records.append(Record(study, store.pixels(index), bits if bits.any() else None))
    return write_store(path, records, store.preprocess, FINDINGS)


@pytest.fixture(scope="module")
def nodules(ground: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Nodules are labelled and outlined, effusions outlined where somebody did, large hearts neither."""
    keep = {"nodule": (True, True), "pleural_effusion": (True, False), "cardiomegaly": (False, False)}
    return annotated(tmp_path_factory.mktemp("nodules") / "store", Store.open(ground[1]), keep)


@pytest.mark.parametrize("kind", ["xray", "ct"])
def test_a_study_labelled_without_the_class_is_known_whatever_else_is_not(nodules: Store, kind: str) -> None:
    splits = masked_splits(kind, nodules, replace(QUICK, classes=("nodule",)))
    assert splits.train == nodules.select("train", kind)
    assert splits.labels[:, 0].tolist() == [nodules.studies[i].labels["nodule"] for i in splits.train]


def test_a_mask_of_another_class_says_nothing_of_this_one(nodules: Store) -> None:
    splits = masked_splits("ct", nodules, QUICK)
    assert splits.classes == ("nodule", "pleural_effusion")
    for row, index in enumerate(splits.train):
        drawn = (stored_mask(nodules, index) >> 1 & 1).any()
        assert splits.labels[row, 1] == 1 if drawn else np.isnan(splits.labels[row, 1])
    only = masked_splits("ct", nodules, replace(QUICK, classes=("pleural_effusion",)))
    assert only.train == [i for i in splits.train if (stored_mask(nodules, i) >> 1 & 1).any()]


def test_masks_that_were_not_asked_for_do_not_count(nodules: Store) -> None:
    with pytest.raises(NotComputable, match="masks of cardiomegaly in 0 training, 0 validation and 0 test"):
        masked_splits("ct", nodules, replace(QUICK, classes=("cardiomegaly",)))


def test_what_is_not_known_is_in_no_figure_and_in_no_gradient(ground: tuple[Path, Path], nodules: Store) -> None:
    said: list[str] = []
    setup = replace(QUICK, kinds=("xray",), xray_decoders=("linear",))
    figures = segment(ground[0], nodules.path, setup, said.append)
    present = {name: mask_labels(nodules, nodules.select("test", "xray"), [name])[:, 0] == 1 for name in FINDINGS}
    for row in ("segmentation/xray/linear/50%", "segmentation/xray/trivial"):
        assert figures[f"{row}/dice_all/nodule"].n == len(nodules.select("test", "xray"))
        assert figures[f"{row}/dice_all/pleural_effusion"].n == present["pleural_effusion"].sum()
    assert figures["segmentation/xray/trivial/dice_all/pleural_effusion"].value == 0
    only = replace(setup, classes=("pleural_effusion",), seeds=(0,))
    segment(ground[0], nodules.path, only, said.append)
    left = sum(~present["pleural_effusion"])
    assert any(f"segmentation, xray: {left} test studies left out" in line for line in said)
    splits = masked_splits("xray", nodules, setup)
    model = mask_task("xray", "linear", nodules, splits, setup).model(tiny_model())
    unknown = [i for i, row in zip(splits.train, splits.labels, strict=True) if np.isnan(row[1])]
    model.loss(unknown[:2], np.random.default_rng(0)).backward()
    gradient = model.module.decoder.read.weight.grad  # type: ignore[union-attr]
    assert gradient[0].any()  # type: ignore[index]
    assert not gradient[1].any()  # type: ignore[index]


def test_a_training_is_chosen_by_studies_that_have_a_class(ground: tuple[Path, Path]) -> None:
    store = Store.open(ground[1])
    for name in FINDINGS:
        for cap in (1, 3, 120):
            splits = masked_splits("ct", store, replace(QUICK, classes=(name,), validation_cap=cap))
            assert 1 <= len(splits.validation) <= cap
            assert all(store.studies[i].labels[name] for i in splits.validation)
    task = mask_task("ct", "linear", store, splits, QUICK)
    assert 0 <= task.model(tiny_model()).validate() <= 1


def test_without_any_such_study_nothing_can_be_chosen(ground: tuple[Path, Path], tmp_path: Path) -> None:
    """Hearts are outlined in validation alone, everything else in the other splits alone."""
    whole, records = Store.open(ground[1]), []
    for index in whole.select(image_kind="ct"):
        bits = stored_mask(whole, index) & np.uint16(4 if whole.studies[index].split == "validation" else 3)
        records.append(Record(whole.studies[index], whole.pixels(index), bits))
    store = write_store(tmp_path / "store", records, whole.preprocess, FINDINGS)
    with pytest.raises(NotComputable, match="no validation study has nodule or pleural_effusion in its mask"):
        masked_splits("ct", store, QUICK)


def test_windows_lie_around_the_classes_that_were_asked_for() -> None:
    fields = np.zeros((1, 8, 32, 32), np.uint16)
    fields[0, :, 2, 2], fields[0, :, :, 20:] = 1, 2
    images = torch.zeros(1, 1, 8, 32, 32)
    for seed in range(5):
        assert windows(images, fields, [0], (4, 4, 4), np.random.default_rng(seed))[1].any()


def test_image_and_mask_move_together(ground: tuple[Path, Path]) -> None:
    store = Store.open(ground[1])
    for kind in ("xray", "ct"):
        studies = masked_splits(kind, store, QUICK).train
        stored, fields, known = masked_batch(store, studies, FINDINGS, np.random.default_rng(3))
        assert known.all()
        lesion = torch.from_numpy(fields.astype(np.int32)) > 0
        assert stored[lesion].min() > stored[~lesion].max()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 2))
def test_a_window_holds_image_and_mask_of_one_place(seed: int, scale: int) -> None:
    draws = np.random.default_rng(seed)
    fields = (draws.random((3, 8, 10, 12)) < 0.02).astype(np.uint16) * draws.integers(1, 4, (3, 8, 10, 12), np.uint16)
    grid = (8 // scale, 10 // scale, 12 // scale)
    size = (3, 4, 5) if scale == 1 else grid
    whole = torch.from_numpy(class_masks(fields.reshape(-1, 10, 12), [0, 1]).astype(np.float32)).reshape(
        2, 3, 8, 10, 12
    )
    images = torch.nn.functional.interpolate(whole.transpose(0, 1)[:, :1], grid, mode="area")  # the first class
    seen, wanted = windows(images, fields, [0, 1], size, draws)
    assert seen.shape == (3, 1, *size)
    assert wanted.shape == (3, 2, *size)
    torch.testing.assert_close(seen[:, 0], wanted[:, 0])
    for place in (0, 2):  # every second one has a lesion in its window, if there is one
        assert wanted[place].any() or not fields[place].any()


@pytest.mark.parametrize(
    ("cli_args", "said"),
    [
        (["--resolution", "coarse"], "resolution: expected one of volume, hires, got 'coarse'"),
        (["--ct_decoders", "[unet]"], "ct_decoders: expected one of linear, setr_pup, unetr, got 'unet'"),
        (["--learning_rates", "[]"], "learning_rates: expected at least one value, got none"),
    ],
)
def test_settings_say_what_there_is(cli_args: list[str], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        read_settings(SegmentSettings, cli_args)
