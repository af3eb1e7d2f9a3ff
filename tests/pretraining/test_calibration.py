"""The means that ship are those of the weights that ship."""

from pathlib import Path

import numpy as np
import torch

from tests.tiny import PREPROCESS, tiny_model
from unimedi.cohort.study import Modality, Split
from unimedi.inputs.store import Record, Store, StoredStudy, write_store
from unimedi.model.processor import UniMediProcessor
from unimedi.model.text_encoder import learn_tokenizer
from unimedi.pretraining.calibration import take_means


def store_of(path: Path, modalities: list[Modality]) -> Store:
    draws = np.random.default_rng(0)
    records = []
    for i, modality in enumerate(modalities):
        shape = PREPROCESS.radiograph_size if modality.ndim == 2 else PREPROCESS.fine_shape
        study = StoredStudy(f"s{i}", f"p{i}", modality, Split.TRAIN, f"Report {i}. Clear lungs.")
        records.append(Record(study, draws.integers(0, 1000, shape).astype(np.int16)))
    return write_store(path, records, PREPROCESS)


def test_centred_features_of_the_training_split_have_mean_zero(tmp_path: Path) -> None:
    store = store_of(tmp_path / "store", [Modality.DX] * 20 + [Modality.CT] * 5)
    processor = UniMediProcessor(PREPROCESS, learn_tokenizer(["Report 1. Clear lungs."] * 3, 40, 12), 12)
    model = tiny_model()
    take_means(model, processor, store)
    for ndim, count in ((2, 20), (3, 5)):
        inputs = processor.from_stored([store.pixels(i) for i in store.select(split="train", ndim=ndim)])
        cls = model.encode_images(**inputs).cls
        raw = model.image_projection.linear(cls)
        centred = model.image_projection.centre[ndim - 2](raw)
        assert len(centred) == count
        torch.testing.assert_close(centred.mean(0), torch.zeros(8), atol=1e-5, rtol=0)
        assert float(raw.detach().mean(0).norm()) > 1e-3
    words = processor.text([study.report for study in store.studies])
    text = model.text_projection.centre[0](model.text_projection.linear(model.text(**words)))
    torch.testing.assert_close(text.mean(0), torch.zeros(8), atol=1e-5, rtol=0)


def test_a_kind_that_is_not_there_keeps_its_mean(tmp_path: Path) -> None:
    store = store_of(tmp_path / "store", [Modality.DX] * 3)
    processor = UniMediProcessor(PREPROCESS, learn_tokenizer(["Report 1. Clear lungs."] * 3, 40, 12), 12)
    model = tiny_model()
    take_means(model, processor, store)
    assert float(model.image_projection.centre[1].weight) == 0
    assert float(model.image_projection.centre[0].weight) == 1
