"""What is measured of slice selection while a run trains: by slow loops, and nothing of the model moves by it."""

import copy
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from tests.evaluation.slices.test_input_ablation import seeing
from tests.hospital import SENTENCES, write_hospital
from tests.tiny import PREPROCESS, WORDS, tiny_model
from unimedi.cohort.study import Modality, Split
from unimedi.evaluation.slices import over_time
from unimedi.evaluation.slices.input_ablation import slice_inputs
from unimedi.evaluation.slices.over_time import INPUTS, SEED, Watched, selection_over_time
from unimedi.inputs.store import Store, StoredStudy
from unimedi.inputs.store_writer import Record, write_store
from unimedi.metrics.checks import NotComputable
from unimedi.model.processor import UniMediProcessor
from unimedi.model.sequence_kind import SequenceKind
from unimedi.model.slice_selection import slice_scores
from unimedi.model.text_encoder import learn_tokenizer
from unimedi.model.unimedi import UniMediModel
from unimedi.objectives.contrastive import contrastive_loss

SLABS, THICK = 4, 4  # the tiny model's slabs, each of four planes
# The planes that a nodule, an effusion (not focal) and a distractor touch, of each volume; None: no mask at all.
PLANES: list[tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]] | None] = [
    ((5, 6), (), ()),
    ((0, 1), (9,), (10,)),
    ((), (3, 4), ()),
    ((2, 3, 4), (), (2, 14)),
    None,
    ((12, 13, 14), (), ()),
    (tuple(range(16)), (), (7,)),
]
MARKED = [0, 1, 3, 5, 6]  # with a nodule
REPORTS = ["A nodule.", "No nodule.", "Clear.", "A NODULE", "Clear.", "Two nodules in the right lung.", "Large."]


def write(path: Path, reports: Sequence[str] = REPORTS) -> Store:
    draws, records = np.random.default_rng(0), []
    for number, (planes, report) in enumerate(zip(PLANES, reports, strict=True)):
        mask = np.zeros(PREPROCESS.hires_shape, np.uint16)
        for bit, touched in enumerate(planes or ()):
            mask[list(touched), 3 * bit, 5] |= 1 << bit
        study = StoredStudy(f"s{number}", f"p{number}", Modality.CT, Split.VALIDATION, report, has_mask=bool(planes))
        pixels = draws.integers(-900, 300, PREPROCESS.hires_shape).astype(np.int16)
        records.append(Record(study, pixels, mask if planes else None))
    return write_store(path, records, PREPROCESS, ("nodule", "pleural_effusion", "distractor"))


@pytest.fixture(scope="module")
def processor() -> UniMediProcessor:
    return UniMediProcessor(PREPROCESS, learn_tokenizer([*REPORTS, *SENTENCES.values()] * 3, 40, WORDS), WORDS)


@pytest.fixture(scope="module")
def model() -> UniMediModel:
    return seeing(tiny_model())


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory, processor: UniMediProcessor, model: UniMediModel) -> Watched:
    return selection_over_time(model, processor, write(tmp_path_factory.mktemp("store")))


def hit(planes: Sequence[int], scores: Sequence[float]) -> float:
    return float(THICK * int(np.argmax(scores)) + THICK // 2 in planes)


def at_random(planes: Sequence[int]) -> float:
    return sum(THICK * slab + THICK // 2 in planes for slab in range(SLABS)) / SLABS


def test_every_figure_of_selection_equals_one_volume_after_the_other(watched: Watched, model: UniMediModel) -> None:
    expected: dict[str, list[float]] = {}
    for index in MARKED:
        nodule, _, innocent = PLANES[index] or ((), (), ())
        volume = model.tokens(model.normalise(torch.from_numpy(watched.store.pixels(index))[None]))
        scores, attention = model.score_slabs(volume)
        each = {"": scores[0].tolist()}
        for layer in range(attention.shape[1]):
            own = slice_scores(attention[:, layer : layer + 1], model.vision.volume_grid)
            each[f"layer_{layer + 1}/"] = own[0].tolist()
        slabs = [any(THICK * slab <= plane < THICK * (slab + 1) for plane in nodule) for slab in range(SLABS)]
        for prefix, values in each.items():
            expected.setdefault(f"{prefix}hit@1", []).append(hit(nodule, values))
            if not all(slabs):
                expected.setdefault(f"{prefix}auroc", []).append(roc_auc_score(slabs, values))
        expected.setdefault("random_hit@1", []).append(at_random(nodule))
        if any(THICK * slab + THICK // 2 in innocent for slab in range(SLABS)):
            expected.setdefault("innocents_hit@1", []).append(hit(innocent, each[""]))
            expected.setdefault("innocents_random_hit@1", []).append(at_random(innocent))
    means = {f"selection/{name}": float(np.mean(values)) for name, values in expected.items()}
    found = watched(model)
    assert {name: value for name, value in found.items() if "l_vl" not in name and "volumes" not in name} == (
        pytest.approx(means)
    )
    assert found["selection/volumes"] == len(MARKED)
    assert len(means) == 1 + 2 * 3 + 2  # random; hit@1 and AUROC of the teacher and two layers; the innocents'


def test_the_worth_of_slices_is_l_vl_of_a_model_that_carries_the_means_of_these_very_volumes(
    watched: Watched, model: UniMediModel, processor: UniMediProcessor
) -> None:
    ships = copy.deepcopy(model)
    hires = torch.from_numpy(np.stack([watched.store.pixels(i) for i in MARKED]))
    words = processor.text([REPORTS[i] for i in MARKED])
    pairs, volumes = ships.encode_images(hires).cls, ships.with_config(slices=0).encode_images(hires).cls
    for projection, rows, kind in (
        (ships.image_projection, pairs, SequenceKind.PAIR),
        (ships.image_projection, volumes, SequenceKind.VOLUME),
        (ships.text_projection, ships.text(**words), None),
    ):
        mean = projection.centre[kind.place if kind else 0]
        mean.mean.copy_(projection.project(rows).mean(0))
        mean.weight.fill_(1.0)
    embedded = slice_inputs(ships, watched.shown, SEED - 1)(hires, slice(0, len(MARKED)))
    embedded = {"attentive": embedded["as_shipped"], **embedded}
    keys = torch.tensor([0, 1, 0, 2, 3])  # "A nodule." and "A NODULE" are the same report
    reports, found = ships.get_text_features(**words), watched(model)
    for name in INPUTS:
        expected = contrastive_loss(embedded[name].float(), reports, keys, ships.scale())
        assert found[f"selection/l_vl/{name}"] == pytest.approx(float(expected), rel=1e-4), name
    assert found["selection/l_vl/chance"] == pytest.approx(np.log(5))
    assert len({round(found[f"selection/l_vl/{name}"], 6) for name in INPUTS}) == len(INPUTS)


def test_nothing_moves_by_it(watched: Watched, model: UniMediModel) -> None:
    before, state = copy.deepcopy(model.state_dict()), torch.random.get_rng_state()
    drawn = np.random.get_state()[1].copy()
    first = watched(model)
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in before.items())
    assert torch.equal(torch.random.get_rng_state(), state)
    np.testing.assert_array_equal(np.random.get_state()[1], drawn)
    assert not any(module.training for module in model.modules())
    assert watched(model) == first
    assert all(isinstance(value, float) for value in first.values())


@pytest.mark.parametrize("reports", [[""] * 7, ["Clear."] * 7, ["A nodule."] + [""] * 6])
def test_reports_that_do_not_differ_say_nothing_of_worth(
    tmp_path: Path, model: UniMediModel, processor: UniMediProcessor, reports: list[str]
) -> None:
    found = selection_over_time(model, processor, write(tmp_path, reports))(model)
    assert "selection/hit@1" in found
    assert not [name for name in found if "l_vl" in name]


def test_only_volumes_with_a_report_count_for_worth(
    tmp_path: Path, model: UniMediModel, processor: UniMediProcessor
) -> None:
    found = selection_over_time(model, processor, write(tmp_path, ["", *REPORTS[1:]]))(model)
    assert found["selection/volumes"] == 5
    assert found["selection/l_vl/chance"] == pytest.approx(np.log(4))


def test_volumes_are_of_validation_with_a_focal_lesion_and_not_too_many(
    tmp_path: Path, model: UniMediModel, processor: UniMediProcessor, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = write_hospital(tmp_path)
    nodules = [i for i in store.select("validation", "ct") if store.studies[i].labels["nodule"]]
    assert list(selection_over_time(model, processor, store).indices) == nodules
    monkeypatch.setattr(over_time, "MOST", 3)
    few = list(selection_over_time(model, processor, store).indices)
    assert len(few) == 3
    assert set(few) < set(nodules)


def test_where_there_is_nothing_to_measure_the_reason_is_said(
    tmp_path: Path, model: UniMediModel, processor: UniMediProcessor
) -> None:
    store = write_hospital(tmp_path, masked=False)
    with pytest.raises(NotComputable, match="no CT of the validation split has a mask of a focal lesion"):
        selection_over_time(model, processor, store)
    with pytest.raises(NotComputable, match="the model takes no slices"):
        selection_over_time(tiny_model(slices=0), processor, store)
