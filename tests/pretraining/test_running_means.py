"""The means that ship are those of the weights that ship."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.tiny import PREPROCESS, tiny_model
from unimedi.cohort.image_kind import ImageKind
from unimedi.cohort.study import Modality, Split
from unimedi.inputs.sampling import drawn
from unimedi.inputs.store import Store, StoredStudy
from unimedi.inputs.store_writer import Record, write_store
from unimedi.model.processor import UniMediProcessor
from unimedi.model.sequence_kind import SequenceKind
from unimedi.model.text_encoder import learn_tokenizer
from unimedi.model.unimedi import UniMediModel
from unimedi.pretraining import running_means
from unimedi.pretraining.running_means import recompute_running_means


def store_of(path: Path, modalities: list[Modality]) -> Store:
    draws = np.random.default_rng(0)
    records = []
    for i, modality in enumerate(modalities):
        shape = PREPROCESS.radiograph_size if modality.ndim == 2 else PREPROCESS.hires_shape
        study = StoredStudy(f"s{i}", f"p{i}", modality, Split.TRAIN, f"Report {i}. Clear lungs.")
        records.append(Record(study, draws.integers(0, 1000, shape).astype(np.int16)))
    return write_store(path, records, PREPROCESS)


def test_centred_features_of_the_training_split_have_mean_zero(tmp_path: Path) -> None:
    store = store_of(tmp_path / "store", [Modality.DX] * 20 + [Modality.CT] * 5)
    processor = UniMediProcessor(PREPROCESS, learn_tokenizer(["Report 1. Clear lungs."] * 3, 40, 12), 12)
    model = tiny_model()
    recompute_running_means(model, processor, store)
    for kind, changes in {
        SequenceKind.RADIOGRAPH: {},
        SequenceKind.VOLUME: {"slices": 0},
        SequenceKind.PAIR: {},
        SequenceKind.SLICES: {"volume_tokens": False},
    }.items():
        studies = store.select("train", kind.image_kind)
        inputs = processor.from_stored([store.pixels(i) for i in studies])
        cls = model.with_config(**changes).encode_images(**inputs).cls
        raw = model.image_projection.linear(cls)
        centred = model.image_projection.centre[kind.place](raw)
        assert len(centred) == (20 if kind is SequenceKind.RADIOGRAPH else 5)
        torch.testing.assert_close(centred.mean(0), torch.zeros(8), atol=1e-5, rtol=0)
        assert float(raw.detach().mean(0).norm()) > 1e-3
    words = processor.text([study.report for study in store.studies])
    text = model.text_projection.centre[0](model.text_projection.linear(model.text(**words)))
    torch.testing.assert_close(text.mean(0), torch.zeros(8), atol=1e-5, rtol=0)


def test_a_kind_that_is_not_there_keeps_its_mean(tmp_path: Path) -> None:
    store = store_of(tmp_path / "store", [Modality.DX] * 3)
    processor = UniMediProcessor(PREPROCESS, learn_tokenizer(["Report 1. Clear lungs."] * 3, 40, 12), 12)
    model = tiny_model()
    recompute_running_means(model, processor, store)
    assert [float(centre.weight) for centre in model.image_projection.centre] == [1, 0, 0, 0]


def buffers(model: UniMediModel) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.named_buffers() if "centre" in name}


def processor_of(*reports: str) -> UniMediProcessor:
    return UniMediProcessor(PREPROCESS, learn_tokenizer(reports * 3, 40, 12), 12)


@pytest.mark.parametrize("silent", [[0, 1, 2], [1, 3, 22], list(range(3, 20))], ids=["first", "spread", "most"])
def test_studies_that_did_not_train_move_no_mean(tmp_path: Path, silent: list[int]) -> None:
    """A store in which they have no report, or a blank one, against one in which they are not."""
    whole = store_of(tmp_path / "whole", [Modality.DX] * 20 + [Modality.CT] * 5)
    without = [i for i in range(25) if i not in silent]
    records = [
        Record(replace(s, report="" if i in silent else s.report), whole.pixels(i)) for i, s in enumerate(whole.studies)
    ]
    some = write_store(tmp_path / "some", records, PREPROCESS)
    rest = write_store(tmp_path / "rest", [records[i] for i in without], PREPROCESS)
    processor, means = processor_of("Report 1. Clear lungs."), []
    for store in (some, rest):
        model = tiny_model()
        recompute_running_means(model, processor, store)
        means.append(buffers(model))
    assert all(torch.equal(value, means[1][name]) for name, value in means[0].items())


def test_means_of_a_sorted_manifest_are_those_of_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dark pictures with one report first, bright ones with another behind: the first 40 would give the dark ones'."""
    studies = [
        StoredStudy(f"s{i}", f"p{i}", Modality.DX, Split.TRAIN, "Clear lungs." if i < 200 else "A large mass.")
        for i in range(400)
    ]
    shape = PREPROCESS.radiograph_size
    records = [Record(s, np.full(shape, 500 if i < 200 else 3500, np.int16)) for i, s in enumerate(studies)]
    store = write_store(tmp_path, records, PREPROCESS)
    processor, model = processor_of("Clear lungs.", "A large mass."), tiny_model()
    images = model.encode_images(**processor.from_stored([store.pixels(0), store.pixels(399)])).cls
    words = model.text(**processor.text(["Clear lungs.", "A large mass."]))
    recompute_running_means(model, processor, store)  # of all 400
    whole = buffers(model)
    monkeypatch.setattr(running_means, "STUDIES", 100)
    recompute_running_means(model, processor, store)
    for name, states in (("image", images), ("text", words)):
        one, other = getattr(model, f"{name}_projection").linear(states).detach()
        moved = buffers(model)[f"{name}_projection.centre.0.mean"] - whole[f"{name}_projection.centre.0.mean"]
        assert float(moved.norm()) < 0.2 * float((other - one).norm())  # the first 100: .5
    again = tiny_model()
    torch.manual_seed(5)  # nothing else that is drawn has a part in it
    recompute_running_means(again, processor, store)
    assert all(torch.equal(value, buffers(again)[name]) for name, value in buffers(model).items())


def test_a_kind_that_the_recipe_left_out_moves_no_mean_of_reports(tmp_path: Path) -> None:
    both = store_of(tmp_path / "both", [Modality.DX] * 6 + [Modality.CT] * 3)
    flat = store_of(tmp_path / "flat", [Modality.DX] * 6)
    processor, one, two = processor_of("Report 1. Clear lungs."), tiny_model(), tiny_model()
    recompute_running_means(one, processor, both, kinds=(ImageKind.XRAY,))
    recompute_running_means(two, processor, flat)
    assert all(torch.equal(value, buffers(two)[name]) for name, value in buffers(one).items())


def test_a_draw_is_of_the_whole_in_its_order_and_the_same_for_a_seed() -> None:
    studies = list(range(100, 1100))
    some = drawn(studies, 200, seed=3)
    assert some == sorted(set(some)) == drawn(studies, 200, seed=3)
    assert len(some) == 200
    assert some != drawn(studies, 200, seed=4)
    assert all(25 < sum(start <= i < start + 250 for i in some) < 75 for start in range(100, 1100, 250))
    assert drawn(studies, 1000, seed=0) == studies
    assert drawn([], 5, seed=0) == []
