"""What slices bring: every input by a slow loop, every figure by scikit-learn, and a note for what cannot be had."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy import ndarray
from sklearn.metrics import roc_auc_score

from tests.hospital import DETAILS, FINDINGS, add_details, write_hospital, write_pretrained
from tests.tiny import PREPROCESS, tiny_model
from unimedi.evaluation.options import EvaluationOptions
from unimedi.evaluation.slices.choices import oracle_scores, slabs_by_score
from unimedi.evaluation.slices.input_ablation import (
    EvalContext,
    by_size,
    depth_shuffled_input,
    embed_inputs,
    input_ablation,
    measured_inputs,
    oracle,
    recall,
    slice_inputs,
    zero_shot,
)
from unimedi.evaluation.slices.lesions import Lesions, connected_lesions
from unimedi.evaluation.slices.scores import depth_orders
from unimedi.evaluation.slices.table import as_text
from unimedi.evaluation.zero_shot.prompts import embed_prompts, read_prompts
from unimedi.evaluation.zero_shot.tasks import log_odds
from unimedi.inputs.store import Store
from unimedi.inputs.store_writer import Record, write_store
from unimedi.metrics.bootstrap import PatientBootstrap, mean_estimate
from unimedi.metrics.measurement import Measurement, Measurements, named
from unimedi.model.sequence_kind import SequenceKind
from unimedi.model.slice_selection import BLIND_SELECTORS
from unimedi.model.unimedi import UniMediModel
from unimedi.model.vision_encoder import Tokens
from unimedi.representation.embedder import Embedder

SLABS, THICK, CUT = 4, 4, 2  # the tiny model's: four slabs of four planes, two slices
INPUTS = (
    "as_shipped", "volume_alone", "slices_alone", "random_slices", "centre_slices", "oracle_slices", "depth_shuffled"
)  # fmt: skip
OPTIONS = EvaluationOptions(resamples=20, focal=FINDINGS, batch_size=7)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return write_hospital(tmp_path_factory.mktemp("store"), ndims=(3,))


@pytest.fixture(scope="module")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Embedder:
    found = Embedder.from_pretrained(write_pretrained(tmp_path_factory.mktemp("model")), OPTIONS.batch_size)
    seeing(found.model)
    return found


def seeing(model: UniMediModel) -> UniMediModel:
    """Weights under which depth matters (its table is zero when training starts) and every token counts."""
    torch.manual_seed(1)
    for parameter in model.requires_grad_(False).vision.parameters():
        parameter.add_(0.3 * torch.randn_like(parameter))
    return model


def lesions_and_shown(store: Store, indices: list[int]) -> tuple[Lesions, ndarray]:
    lesions = connected_lesions(store, indices, FINDINGS)
    return lesions, oracle_scores(lesions.planes(), SLABS)


def best(values: list[float]) -> list[int]:
    """The slabs of the highest values, in order of height."""
    return sorted(sorted(range(SLABS), key=lambda slab: values[slab], reverse=True)[:CUT])


def encoded(model: UniMediModel, fine: ndarray, slabs: list[int], volume: bool = True) -> ndarray:
    """One volume with the middle planes of ``slabs`` (or with none), token by token."""
    stored = torch.from_numpy(fine)[None]
    whole = model.vision.volumes(model.preprocess.volumes(stored))
    runs = [whole] if volume else []
    for slab in slabs:
        plane = THICK * slab + THICK // 2
        pixels = model.preprocess.slices(stored, torch.tensor([[plane]]))
        runs.append(model.vision.slices(pixels, torch.tensor([[(plane + 0.5) / len(fine)]])))
    parts = ((run.content, run.position, run.of_t2d) for run in runs)
    cls = model.vision(Tokens(*(torch.cat(part, dim=1) for part in zip(*parts, strict=True)))).cls
    kind = SequenceKind.SLICES if not volume else SequenceKind.PAIR if slabs else SequenceKind.VOLUME
    return model.image_projection(cls, kind=kind)[0].numpy()


def one_by_one(model: UniMediModel, fine: ndarray, shown: list[float], drawn: list[int], order: list[int]) -> dict:
    """Every input of one volume, with Python's own sorting."""

    def scores(voxels: ndarray) -> list[float]:
        return model.score_slabs(model.tokens(model.normalise(torch.from_numpy(voxels)[None])))[0][0].tolist()

    own = scores(fine)
    by_mask = sorted(sorted(range(SLABS), key=lambda slab: (shown[slab], own[slab]), reverse=True)[:CUT])
    moved = np.concatenate([fine[THICK * slab : THICK * (slab + 1)] for slab in order])
    return {
        "as_shipped": encoded(model, fine, best(own)),
        "volume_alone": encoded(model, fine, []),
        "slices_alone": encoded(model, fine, best(own), volume=False),
        "random_slices": encoded(model, fine, best(drawn)),
        "centre_slices": encoded(model, fine, [1, 2]),
        "oracle_slices": encoded(model, fine, by_mask),
        "depth_shuffled": encoded(model, moved, best(scores(moved))),
    }


def test_every_input_equals_one_volume_after_the_other(store: Store, embedder: Embedder) -> None:
    model, indices = embedder.model, store.select(split="test")
    _, shown = lesions_and_shown(store, indices)
    found = embed_inputs(model, store, indices, shown, seed=3, batch=5)
    assert tuple(found) == INPUTS
    drawn, orders = (depth_orders(len(indices), SLABS, seed).tolist() for seed in (4, 3))
    for row, index in enumerate(indices):
        slow = one_by_one(model, store.pixels(index), shown[row].tolist(), drawn[row], orders[row])
        for name, value in slow.items():
            np.testing.assert_allclose(found[name][row], value, atol=1e-5, err_msg=name)
    for name in INPUTS[1:]:  # or the comparison above would say little
        assert np.abs(found[name] - found["as_shipped"]).max() > 1e-3, name


@pytest.mark.parametrize("changes", [{}, {"selector": "uniform"}, {"volume_tokens": False}])
def test_as_shipped_is_what_is_embedded_and_volume_alone_is_a_model_of_no_slices(
    store: Store, embedder: Embedder, changes: dict[str, object]
) -> None:
    indices = store.select(split="validation")
    model = seeing(tiny_model(**changes))
    found = embed_inputs(model, store, indices, np.zeros((len(indices), SLABS)), seed=0, batch=4)
    whole = Embedder(model, embedder.processor, 3).images(store, indices)
    np.testing.assert_allclose(found["as_shipped"], whole.embedding, atol=1e-5)
    without = seeing(tiny_model(**changes, slices=0))
    alone = Embedder(without, embedder.processor, 3).images(store, indices)
    assert alone.selected is None
    np.testing.assert_allclose(found["volume_alone"], alone.embedding, atol=1e-5)
    assert np.allclose(found["slices_alone"], found["as_shipped"], atol=1e-5) == ("volume_tokens" in changes)
    assert (model.config.volume_tokens, model.config.slices) == (changes.get("volume_tokens", True), CUT)


def test_the_same_order_of_slabs_is_as_shipped(store: Store, embedder: Embedder) -> None:
    model, fine = embedder.model, torch.from_numpy(np.stack([store.pixels(i) for i in range(5)]))
    kept = torch.arange(SLABS).expand(5, -1)
    shipped = slice_inputs(model, np.zeros((5, SLABS)), 0)(fine, slice(0, 5))["as_shipped"]
    np.testing.assert_allclose(
        depth_shuffled_input(model, kept)(fine, slice(0, 5))["depth_shuffled"], shipped, atol=1e-6
    )
    turned = depth_shuffled_input(model, kept.flip(1))(fine, slice(0, 5))["depth_shuffled"]
    assert not np.allclose(turned, shipped, atol=1e-3)


@given(arrays(np.float32, (3, 6), elements=st.sampled_from([0.0, 1e-4, 0.2, 5.0])), arrays(bool, (3, 6)), st.data())
def test_the_oracle_takes_slabs_that_show_a_lesion_and_else_the_models_own(
    scores: ndarray, shown: ndarray, data: st.DataObject
) -> None:
    k = data.draw(st.integers(1, 6))
    lifted = oracle(torch.from_numpy(scores), torch.from_numpy(shown.astype(np.float64))).numpy()
    for row, taken in enumerate(slabs_by_score(lifted, k)):
        assert shown[row, taken].sum() == min(k, shown[row].sum())
    for part in (shown, ~shown):  # among equals the model's own order
        for row in range(3):
            mine, theirs = lifted[row, part[row]], scores[row, part[row]]
            assert ((mine[:, None] > mine) == (theirs[:, None] > theirs)).all()


def test_a_model_of_random_slices_gives_the_same_again(store: Store) -> None:
    indices, shown = store.select(split="validation"), np.zeros((10, SLABS))
    assert "random" in BLIND_SELECTORS
    model = seeing(tiny_model(selector="random"))
    one, other, third = (embed_inputs(model, store, indices, shown, seed, 4) for seed in (0, 0, 1))
    assert all((one[name] == other[name]).all() for name in INPUTS)
    assert (one["as_shipped"] == third["as_shipped"]).all()  # in use its draws are fixed
    assert not np.allclose(one["random_slices"], third["random_slices"])


def test_slabs_of_unequal_thickness_have_no_other_order(tmp_path: Path) -> None:
    preprocess = replace(PREPROCESS, hires_shape=(18, 32, 32))
    whole, draws = write_hospital(tmp_path / "whole", ndims=(3,)), np.random.default_rng(0)
    records = [
        Record(study, draws.integers(-900, 300, preprocess.hires_shape).astype(np.int16), None)
        for study in (replace(study, has_mask=False) for study in whole.studies[:8])
    ]
    store = write_store(tmp_path / "store", records, preprocess, FINDINGS)
    embedder = Embedder.from_pretrained(write_pretrained(tmp_path / "model", preprocess))
    lesions = connected_lesions(store, range(8), FINDINGS)
    figures, notes = input_ablation(embedder, store, range(8), lesions, OPTIONS)
    assert "input_ablation/centre_slices/r@10" in figures
    assert not any("depth_shuffled" in key for key in figures)
    assert any("equal thickness" in note for note in notes)


def no_prompts(folder: Path) -> Path:
    path = folder / "prompts.yaml"
    path.write_text(
        "version: 1\nlanguage: en\nfindings:\n  gout:\n    present: [There is gout.]\n    absent: [No gout.]\n"
    )
    return path


# -- figures --------------------------------------------------------------------------------------------------------


def sizes(lesions: Lesions) -> Lesions:
    """Lesions of four planes, 4 mm or 20 mm deep."""
    return replace(lesions, plane_mm=np.random.default_rng(0).choice([1.0, 5.0], len(lesions)))


def test_zero_shot_by_finding_and_by_size_equals_scikit_learn(store: Store, embedder: Embedder) -> None:
    indices = store.select()
    lesions = sizes(connected_lesions(store, indices, FINDINGS))
    patients = [store.studies[i].patient_id for i in indices]
    context = EvalContext(embedder, store, indices, lesions, PatientBootstrap(patients, 20, 0), OPTIONS)
    rows = embedder.images(store, indices).embedding
    measure, _ = zero_shot(context)
    assert measure is not None
    found = Measurements(measure(rows))
    vectors = embed_prompts(embedder.texts, read_prompts(), FINDINGS)
    areas = {}
    for name, scores in log_odds(rows, vectors, embedder.scale).items():
        present = [bool(store.studies[i].labels[name]) for i in indices]
        areas[f"auroc/{name}"] = roc_auc_score(present, scores)
        for band, low, high in (("under_10mm", 0, 10), ("10_to_30mm", 10, 30), ("from_30mm", 30, np.inf)):
            kept = []
            for row, positive in enumerate(present):
                mine = [
                    4 * lesions.plane_mm[i]
                    for i in range(len(lesions))
                    if lesions.volume[i] == row and lesions.finding[i] == name
                ]
                if not positive or (mine and low <= max(mine) < high):
                    kept.append(row)
            if sum(present[row] for row in kept) >= 10:
                areas[f"auroc/{name}/{band}"] = roc_auc_score([present[row] for row in kept], scores[kept])
    areas["auroc"] = np.mean([area for key, area in areas.items() if key.count("/") == 1])
    assert any(key.endswith("/under_10mm") for key in areas)
    assert {key: figure.value for key, figure in found.items()} == pytest.approx(areas)


def test_a_size_keeps_its_positives_and_every_negative() -> None:
    """Ten volumes of a nodule of 8 mm beside one of 3 mm, two of 8 and 40 mm, one without a mask, three of none."""
    each = [(row, 0, 3) for row in range(12)] + [(row, 5, 5) for row in range(10)] + [(10, 6, 25), (11, 6, 25)]
    volume, first, last = np.array(each).T
    lesions = Lesions(16, 32, volume, ("nodule",) * len(each), first, last, np.where(first == 5, 3.0, 2.0))
    labels = np.array([1.0] * 13 + [0, 0, np.nan])
    assert lesions.largest_mm("nodule")[:12].tolist() == [8.0] * 10 + [40.0] * 2
    assert np.isnan(lesions.largest_mm("nodule")[12:]).all()
    assert np.isnan(lesions.largest_mm("mass")).all()
    sized, notes = by_size({"nodule": labels}, lesions)
    assert list(sized) == [("nodule", "under_10mm")]
    np.testing.assert_array_equal(sized["nodule", "under_10mm"], [1.0] * 10 + [np.nan] * 3 + [0, 0, np.nan])
    assert notes == ["fewer than 10 positives of a size, so no AUROC: nodule 10_to_30mm (0), nodule from_30mm (2)"]


def test_recall_counts_duplicates_and_leaves_out_studies_without_a_report(tmp_path: Path, embedder: Embedder) -> None:
    whole = write_hospital(tmp_path / "whole", ndims=(3,))
    studies = [replace(study, has_mask=False) for study in whole.studies]
    studies = [replace(study, report="") if i % 5 == 0 else study for i, study in enumerate(studies)]
    records = [Record(study, whole.pixels(i), None) for i, study in enumerate(studies)]
    store = write_store(tmp_path / "store", records, PREPROCESS, FINDINGS)
    indices = store.select()
    bootstrap = PatientBootstrap([store.studies[i].patient_id for i in indices], 20, 0)
    context = EvalContext(embedder, store, indices, connected_lesions(store, indices, ()), bootstrap, OPTIONS)
    rows = embedder.images(store, indices).embedding
    measure, _ = recall(context)
    assert measure is not None
    (figure,) = measure(rows)
    reports = {i: embedder.texts([store.studies[i].report])[0] for i in indices if store.studies[i].report}
    hits = []
    for row, index in enumerate(indices):
        if index in reports:
            near = {other: float(rows[row] @ report) for other, report in reports.items()}
            right = [o for o in near if store.studies[o].report == store.studies[index].report]
            top = max(near[o] for o in right)
            ahead = sum(near[o] >= top - 1e-6 for o in near if o not in right)
            hits.append(ahead < 10)
    assert figure.n == len(hits) == 40
    assert figure.value == pytest.approx(np.mean(hits))


def test_differences_are_paired_with_the_volume_alone_and_with_as_shipped() -> None:
    draws = np.random.default_rng(0)
    embedded = {name: draws.normal(size=(12, 3)).astype(np.float32) for name in INPUTS}
    bootstrap = PatientBootstrap([str(i) for i in range(12)], 50, 0)

    def measure(rows: ndarray) -> list[Measurement]:
        return [named(mean_estimate(rows[:, 0].astype(np.float64), bootstrap), metric="auroc")]

    figures = measured_inputs(embedded, [measure])
    assert len(figures) == 7 + 6 + 6
    for name in INPUTS:
        for base in ("volume_alone", "as_shipped"):
            key = f"input_ablation/{name}/minus_{base}/auroc"
            assert (key in figures) == (name != base)
            if name != base:
                gap = embedded[name].astype(np.float64)[:, 0] - embedded[base].astype(np.float64)[:, 0]
                expected = mean_estimate(gap, bootstrap)
                assert figures[key].value == pytest.approx(gap.mean())
                assert (figures[key].low, figures[key].high) == pytest.approx((expected.low, expected.high))


def test_what_cannot_be_measured_is_said(tmp_path: Path, store: Store, embedder: Embedder) -> None:
    indices = store.select(split="test")
    lesions, _ = lesions_and_shown(store, indices)
    figures, notes = input_ablation(embedder, store, indices, lesions, replace(OPTIONS, prompts=no_prompts(tmp_path)))
    assert {key.rsplit("/", 1)[1] for key in figures} == {"r@10"}
    assert notes == [
        "input ablation: no prompts in prompts for cardiomegaly, nodule, pleural_effusion",
        "input ablation: no finding has prompts and both classes, so no zero-shot",
    ]

    silent = [
        Record(replace(store.studies[i], report="", has_mask=False, labels={"nodule": True}), store.pixels(i), None)
        for i in indices
    ]
    mute = write_store(tmp_path / "mute", silent, PREPROCESS, FINDINGS)
    nothing = connected_lesions(mute, mute.select(), FINDINGS)
    figures, notes = input_ablation(embedder, mute, mute.select(), nothing, OPTIONS)
    assert not figures
    assert notes == [
        "input ablation: only one class in this split for nodule",
        "input ablation: no finding has prompts and both classes, so no zero-shot",
        "input ablation: fewer than two volumes have a report, so no retrieval",
        "input ablation: neither zero-shot nor retrieval can be measured",
    ]

    unlabelled = write_hospital(tmp_path / "unlabelled", ndims=(3,), labelled=False, masked=False)
    rows = unlabelled.select(split="test")
    figures, notes = input_ablation(embedder, unlabelled, rows, connected_lesions(unlabelled, rows), OPTIONS)
    assert notes == ["input ablation: no labels, so no zero-shot"]
    assert "input_ablation/as_shipped/r@10" in figures

    without = Embedder(tiny_model(slices=0), embedder.processor)
    figures, notes = input_ablation(without, store, indices, lesions, OPTIONS)
    assert (len(figures), notes) == (0, ["input ablation: the model takes no slices"])


def test_details_stand_beside_the_findings_with_the_same_differences(
    tmp_path: Path, store: Store, embedder: Embedder
) -> None:
    detailed, indices = add_details(store, tmp_path / "store"), store.select()
    lesions, _ = lesions_and_shown(store, indices)
    before, said = input_ablation(embedder, store, indices, lesions, OPTIONS)
    now, notes = input_ablation(embedder, detailed, indices, lesions, OPTIONS)
    assert said == notes
    assert {key: row for key, row in now.to_json().items() if key in before} == before.to_json()
    added = {row.key: row for row in now.values() if row.key not in before}
    assert len(added) == (7 + 6 + 6) * (1 + len(DETAILS))
    embedded = embed_inputs(embedder.model, store, indices, lesions_and_shown(store, indices)[1], OPTIONS.seed, 7)
    vectors = embed_prompts(embedder.texts, read_prompts(), DETAILS)
    areas = {}
    for name, rows in embedded.items():
        scores = log_odds(rows, vectors, embedder.scale)
        for detail in DETAILS:
            present = [bool(detailed.studies[i].labels[detail]) for i in indices]
            areas[name, detail] = roc_auc_score(present, scores[detail])
            assert added[f"input_ablation/{name}/auroc/{detail}"].value == pytest.approx(areas[name, detail])
    for name in INPUTS:
        mean, alone = (np.mean([areas[one, detail] for detail in DETAILS]) for one in (name, "volume_alone"))
        assert added[f"input_ablation/{name}/detail_auroc"].value == pytest.approx(mean)
        if name != "volume_alone":
            difference = added[f"input_ablation/{name}/minus_volume_alone/detail_auroc"]
            assert difference.value == pytest.approx(mean - alone)
            assert difference.low <= difference.value <= difference.high
    text = as_text(now)
    assert "details: the mean zero-shot AUROC" in text
    heads = next(line for line in text.splitlines() if line.startswith("input "))
    assert heads.split()[1:4] == ["zero-shot", "details", "R@10"]
    assert heads.split()[-4:] == ["spiculated", "calcified", "volume", "alone"]
    assert "details" not in as_text(before)


def test_details_are_measured_where_every_volume_has_the_same_findings(
    tmp_path: Path, store: Store, embedder: Embedder
) -> None:
    """As in the phantom of lesions, where every patient has a mass."""
    detailed, indices = add_details(store, tmp_path / "store"), store.select()
    masses = [
        Record(
            replace(study, labels=study.labels | dict.fromkeys(FINDINGS, True)), detailed.pixels(i), detailed.mask(i)
        )
        for i, study in enumerate(detailed.studies)
    ]
    same = write_store(tmp_path / "same", masses, PREPROCESS, detailed.findings)
    figures, notes = input_ablation(embedder, same, indices, connected_lesions(same, indices, FINDINGS), OPTIONS)
    assert {row.metric for row in figures.values() if not row.finding} == {"detail_auroc", "r@10"}
    assert {row.finding for row in figures.values()} == {"", *DETAILS}
    assert notes[0] == "input ablation: only one class in this split for cardiomegaly, nodule, pleural_effusion"
    assert len(notes) == 1
    assert "as shipped" in as_text(figures)
