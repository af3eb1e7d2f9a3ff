"""Masks are learnt from those of the training split, chosen on validation, measured on the held-out ones."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tiny import tiny_model
from tests.transfer.hospital import FINDINGS, write_hospital, write_pretrained
from unimedi.inputs.store import Store
from unimedi.transfer.metrics import Figure, NotComputable
from unimedi.transfer.segmentation.masks import layers, masked, masked_batch, presence, stored_mask, windows
from unimedi.transfer.segmentation.segment import (
    MissingExtraError,
    SegmentSettings,
    mask_problem,
    masked_splits,
    segment,
)
from unimedi.transfer.tuning import best_learner

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
def figures(ground: tuple[Path, Path]) -> dict[str, Figure]:
    return segment(*ground, QUICK, silent)


def test_every_row_is_there(figures: dict[str, Figure]) -> None:
    for where in ("xray/linear", "xray/setr_pup", "ct/unetr"):
        for row in ("segmentation", "segmentation_random_init"):
            for name in ("dice_positive", "dice_all", "found"):
                one = figures[f"{row}/{where}/50%/{name}"]
                assert 0 <= one.low <= one.value <= one.high <= 1
                assert {f"{row}/{where}/50%/{name}/{finding}" for finding in FINDINGS} <= set(figures)
        assert f"segmentation/{where}/50%/gain_over_random_init" in figures
    for kind in ("xray", "ct"):
        assert {f"segmentation_trivial/{kind}/dice_all/{finding}" for finding in FINDINGS} <= set(figures)


def test_the_trivial_row_is_the_share_without(ground: tuple[Path, Path], figures: dict[str, Figure]) -> None:
    store = Store.open(ground[1])
    test = store.select(split="test", ndim=3)
    healthy = np.mean([not store.studies[i].labels["nodule"] for i in test])
    assert figures["segmentation_trivial/ct/dice_all/nodule"].value == pytest.approx(healthy)


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
    problem = mask_problem("ct", "linear", store, masked_splits("ct", store, QUICK), QUICK)
    seen: set[int] = set()
    real = Store.pixels
    monkeypatch.setattr(Store, "pixels", lambda self, index: seen.add(index) or real(self, index))
    best_learner(problem, tiny_model(), problem.train, QUICK, 0, silent)
    assert {str(store.studies[i].split) for i in seen} == {"train", "validation"}


def test_masks_are_learnt(ground: tuple[Path, Path]) -> None:
    """The lesions of the tiny hospital are bright squares in places of their own."""
    store = Store.open(ground[1])
    changes = {"steps": 60, "batch": 12, "learning_rates": (1e-2,), "checks": 2}
    setup = SegmentSettings(**changes)  # type: ignore[arg-type]
    problem = mask_problem("xray", "setr_pup", store, masked_splits("xray", store, setup), setup)
    result = best_learner(problem, tiny_model(), problem.train, setup, 0, silent).test()
    assert result.dice[result.present].mean() > 0.5


def test_presence_and_layers_by_hand(ground: tuple[Path, Path]) -> None:
    store = Store.open(ground[1])
    studies = masked(store, "train", "ct")
    assert studies == store.select(split="train", ndim=3)
    there = presence(store, studies)
    for row, index in enumerate(studies):
        planes = layers(stored_mask(store, index), range(3))
        for number, name in enumerate(FINDINGS):
            assert there[name][row] == store.studies[index].labels[name] == planes[number].any()


def test_a_healthy_study_needs_no_mask_and_an_unknown_one_is_left_out(tmp_path: Path) -> None:
    """As the phantom has it: what shows nothing has no mask file; what shows something and has none is not known."""
    whole = write_hospital(tmp_path / "whole")
    store = write_hospital(tmp_path / "bare", masked=False)
    clear = [i for i, study in enumerate(store.studies) if not any(study.labels.values())]
    found = [i for split in ("train", "validation", "test") for i in masked(store, split, "ct")]
    assert set(found) == {i for i in clear if store.studies[i].ndim == 3}
    assert not stored_mask(store, found[0]).any()
    assert stored_mask(store, found[0]).shape == whole.pixels(found[0]).shape
    ill = next(i for i in store.select(ndim=3) if i not in clear)
    with pytest.raises(ValueError, match="has no mask, and its labels do not say"):
        stored_mask(store, ill)


def test_image_and_mask_move_together(ground: tuple[Path, Path]) -> None:
    store = Store.open(ground[1])
    for kind in ("xray", "ct"):
        stored, fields = masked_batch(store, masked(store, "train", kind), np.random.default_rng(3))
        lesion = torch.from_numpy(fields.astype(np.int32)) > 0
        assert stored[lesion].min() > stored[~lesion].max()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 2))
def test_a_window_holds_image_and_mask_of_one_place(seed: int, scale: int) -> None:
    draws = np.random.default_rng(seed)
    fields = (draws.random((3, 8, 10, 12)) < 0.02).astype(np.uint16) * draws.integers(1, 4, (3, 8, 10, 12), np.uint16)
    grid = (8 // scale, 10 // scale, 12 // scale)
    size = (3, 4, 5) if scale == 1 else grid
    whole = torch.from_numpy(layers(fields.reshape(-1, 10, 12), [0, 1]).astype(np.float32)).reshape(2, 3, 8, 10, 12)
    images = torch.nn.functional.interpolate(whole.transpose(0, 1)[:, :1], grid, mode="area")  # the first class
    seen, wanted = windows(images, fields, [0, 1], size, draws)
    assert seen.shape == (3, 1, *size)
    assert wanted.shape == (3, 2, *size)
    torch.testing.assert_close(seen[:, 0], wanted[:, 0])
    for place in (0, 2):  # every second one has a lesion in its window, if there is one
        assert wanted[place].any() or not fields[place].any()


def test_settings_say_what_there_is() -> None:
    for changes, said in (
        ({"resolution": "coarse"}, "resolution: expected one of volume, fine"),
        ({"ct_decoders": ("unet",)}, "decoder: expected one of linear, setr_pup, unetr, got 'unet'"),
        ({"learning_rates": ()}, "learning_rates: expected at least one"),
    ):
        with pytest.raises(ValueError, match=said):
            SegmentSettings(**changes)  # type: ignore[arg-type]
