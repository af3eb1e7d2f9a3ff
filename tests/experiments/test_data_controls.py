"""Controls: another study's report for good, slabs in another order each time; nothing else changes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.inputs.test_dataset import records, tokenize
from tests.tiny import PREPROCESS
from unimedi.experiments.data_controls import PIECES, ShuffledDepth, ShuffledReports
from unimedi.inputs.batch_recipe import AugmentationRange, BatchRecipe
from unimedi.inputs.store_writer import write_store


def test_shuffled_reports_are_another_studys_of_the_same_kind_for_good(tmp_path: Path) -> None:
    reports: list[str] = []

    def remember(sentences: list[str]) -> dict[str, torch.Tensor]:
        reports.extend(sentences)
        return tokenize(sentences)

    store = write_store(tmp_path / "store", records(7, 4), PREPROCESS)
    recipe = BatchRecipe(radiographs=7, volumes=4, sentence_keep_prob=1.0)
    steps = ShuffledReports(store, recipe, remember, seed=0, count=3)
    seen: dict[str, set[str]] = {}
    for step in range(3):
        del reports[:]
        for study, report in zip(steps[step].study_ids, reports, strict=True):
            seen.setdefault(study, set()).add(report)
    assert all(len(texts) == 1 for texts in seen.values())
    numbers = {study: int(next(iter(texts)).split()[1].rstrip(".")) for study, texts in seen.items()}
    assert sorted(numbers[f"s{i}"] for i in range(7)) == list(range(7))
    assert sorted(numbers[f"s{i}"] for i in range(7, 11)) == list(range(7, 11))
    assert any(f"s{number}" != study for study, number in numbers.items())


def test_pieces_along_depth_change_places_and_nothing_else(tmp_path: Path) -> None:
    store = write_store(tmp_path / "store", records(7, 4), PREPROCESS)
    still = AugmentationRange(0.0, 0.0, 0.0)
    recipe = BatchRecipe(radiographs=0, volumes=2, volume_augmentation=still)
    steps = ShuffledDepth(store, recipe, tokenize, seed=0, count=6)
    orders = set()
    for step in range(6):
        batch = steps[step]
        assert batch.hires_volumes is not None
        for study, shown in zip(batch.study_ids, batch.hires_volumes.numpy(), strict=True):
            index = [one.study_id for one in store.studies].index(study)
            whole = list(store.pixels(index).reshape(PIECES, -1, *shown.shape[1:]))
            found = [[np.array_equal(piece, own) for own in whole].index(True) for piece in np.split(shown, PIECES)]
            assert sorted(found) == list(range(PIECES))
            orders.add(tuple(found))
    assert len(orders) > 3


def test_planes_that_do_not_divide_into_pieces_are_refused(tmp_path: Path) -> None:
    preprocess = replace(PREPROCESS, hires_shape=(12, 32, 32))
    study = records(0, 1)[0]
    store = write_store(tmp_path / "store", [replace(study, pixels=study.pixels[:12])], preprocess)
    with pytest.raises(ValueError, match="expected stored planes in 8 equal pieces, got 12"):
        ShuffledDepth(store, BatchRecipe(radiographs=0), tokenize, seed=0, count=1)
