"""Mixed batches from a store: a function of (seed, step), whatever the workers and wherever the run starts."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.tiny import PREPROCESS
from unimedi.cohort.study import Modality, Split
from unimedi.inputs.batch import MixedBatch, report_key
from unimedi.inputs.batch_recipe import BatchRecipe
from unimedi.inputs.dataset import TrainingSteps, training_loader
from unimedi.inputs.store import Store, StoredStudy
from unimedi.inputs.store_writer import Record, write_store
from unimedi.pretraining.gradient_cache import twice


def tokenize(sentences: list[str]) -> dict[str, torch.Tensor]:
    lengths = torch.tensor([[len(sentence)] for sentence in sentences])
    return {"input_ids": lengths, "attention_mask": torch.ones_like(lengths)}


def records(radiographs: int, volumes: int) -> list[Record]:
    draws = np.random.default_rng(0)
    made = []
    for i in range(radiographs + volumes):
        modality = Modality.DX if i < radiographs else Modality.CT
        shape = PREPROCESS.radiograph_size if modality.ndim == 2 else PREPROCESS.hires_shape
        study = StoredStudy(f"s{i}", f"p{i}", modality, Split.TRAIN, f"Report {i}. Clear lungs.")
        made.append(Record(study, draws.integers(0, 1000, shape).astype(np.int16)))
    return made


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return write_store(tmp_path / "store", records(7, 4), PREPROCESS)


def same(first: MixedBatch, second: MixedBatch) -> bool:
    assert first.radiographs is not None
    assert second.radiographs is not None
    return (
        first.study_ids == second.study_ids
        and torch.equal(first.radiographs, second.radiographs)
        and torch.equal(first.input_ids, second.input_ids)
    )


def test_a_step_holds_both_kinds_and_their_reports(store: Store) -> None:
    steps = TrainingSteps(store, BatchRecipe(radiographs=3, volumes=2), tokenize, seed=0, count=5)
    batch = steps[0]
    assert batch.radiographs.shape == (3, *PREPROCESS.radiograph_size)
    assert batch.hires_volumes.shape == (2, *PREPROCESS.hires_shape)
    assert len(batch.study_ids) == len(batch.report_keys) == len(batch.input_ids) == 5
    modalities = {study.study_id: study.modality for study in store.studies}
    assert [modalities[study].ndim for study in batch.study_ids] == [2, 2, 2, 3, 3]


@pytest.mark.parametrize("workers", [0, 2])
def test_resuming_continues_the_same_order(store: Store, workers: int) -> None:
    steps = TrainingSteps(store, BatchRecipe(radiographs=2, volumes=1), tokenize, seed=3, count=6)
    whole = list(training_loader(steps, range(6)))
    rest = list(training_loader(steps, twice(range(4, 6), 1), workers))
    assert all(same(a, b) for a, b in zip([whole[4], whole[4], whole[5], whole[5]], rest, strict=True))


def test_a_store_of_one_modality_gives_batches_of_one_kind(tmp_path: Path) -> None:
    store = write_store(tmp_path / "store", records(3, 0), PREPROCESS)
    batch = TrainingSteps(store, BatchRecipe(radiographs=2, volumes=2), tokenize, seed=0, count=1)[0]
    assert batch.hires_volumes is None
    assert len(batch.study_ids) == 2
    with pytest.raises(ValueError, match="no study with a report in the training split"):
        TrainingSteps(store, BatchRecipe(radiographs=0, volumes=2), tokenize, seed=0, count=1)


def test_of_all_pairs_of_a_store_those_with_the_same_report_share_a_key(tmp_path: Path) -> None:
    """Twelve studies, four reports, each written in three ways: 12 keys of a batch, 144 pairs."""
    said = ["no effusion", "effusion", "clear lungs no effusion", "1 5 cm nodule"]
    ways = [str, str.upper, lambda text: f"  {text.replace(' ', ',  ')}. "]
    made = [
        Record(replace(record.study, report=ways[i % 3](said[i // 3])), record.pixels)
        for i, record in enumerate(records(7, 5))
    ]
    store = write_store(tmp_path / "store", made, PREPROCESS)
    recipe = BatchRecipe(radiographs=7, volumes=5, sentence_keep_prob=0.5)  # what a step keeps of a report moves no key
    batch = TrainingSteps(store, recipe, tokenize, seed=0, count=1)[0]
    saying = [said[int(name[1:]) // 3] for name in batch.study_ids]
    assert sorted(batch.study_ids) == sorted(record.study.study_id for record in made)
    same_key = batch.report_keys[:, None] == batch.report_keys[None, :]
    assert same_key.tolist() == [[one == other for other in saying] for one in saying]
    assert all(0 <= key < 2**63 for key in (*batch.report_keys.tolist(), report_key("")))


def test_reports_are_whole_at_first(store: Store) -> None:
    recipe = BatchRecipe(radiographs=3, volumes=2, sentence_keep_prob=0.2, full_report_fraction=0.5)
    steps = TrainingSteps(store, recipe, tokenize, seed=0, count=4)
    whole = TrainingSteps(
        store, BatchRecipe(radiographs=3, volumes=2, sentence_keep_prob=1.0), tokenize, seed=0, count=4
    )
    equal = [torch.equal(steps[step].input_ids, whole[step].input_ids) for step in range(4)]
    assert equal[:2] == [True, True]
    assert not all(equal[2:])
