"""How often a chosen plane shows a distractor: by loops over planes, beside the mean over all planes."""

from pathlib import Path

import numpy as np
import pytest

from tests.hospital import FINDINGS, add_details, write_hospital, write_pretrained
from unimedi.evaluation.evaluate import evaluate
from unimedi.evaluation.options import EvaluationOptions
from unimedi.evaluation.slices.distractors import distractor_measurements
from unimedi.evaluation.slices.lesions import connected_lesions
from unimedi.evaluation.slices.slice_eval import slice_eval
from unimedi.inputs.store import Store
from unimedi.metrics.bootstrap import PatientBootstrap

MIDDLES = (2, 6, 10, 14)  # of four slabs of four planes


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return write_hospital(tmp_path_factory.mktemp("plain"), ndims=(3,))


@pytest.fixture(scope="module")
def store(plain: Store, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """CTs, four in five with a distractor in four planes."""
    return add_details(plain, tmp_path_factory.mktemp("store"), distractors=True)


def test_shares_and_differences_by_loops(store: Store) -> None:
    indices = store.select()
    draws = np.random.default_rng(0)
    scored = {name: draws.random((len(indices), 4)) for name in ("attentive", "brightest")}
    bootstrap = PatientBootstrap([store.studies[i].patient_id for i in indices], 50, 0)
    lesions = connected_lesions(store, indices, FINDINGS)
    found = distractor_measurements(store, indices, scored, lesions, bootstrap)
    bit = store.findings.index("distractor")
    shown = [[bool(((store.mask(i)[z] >> bit) & 1).any()) for z in MIDDLES] for i in indices]  # type: ignore[index]
    there = np.array([bool((store.mask(i) >> bit & 1).any()) for i in indices])  # type: ignore[operator]
    assert 0.1 < np.mean(shown) < 0.5
    assert 0 < there.sum() < len(there)
    lesion = [[bool((store.mask(i)[z] & 0b111).any()) for z in MIDDLES] for i in indices]  # type: ignore[index]
    own = [[one for one, is_lesion in zip(*rows, strict=True) if is_lesion] for rows in zip(shown, lesion, strict=True)]
    assert not all(own)  # some have no lesion in any of these planes
    by_loops = {"random": [np.mean(row) for row in shown], "oracle": [np.mean(row) if row else np.nan for row in own]}
    for name, scores in scored.items():
        best = [max(range(4), key=lambda slab, own=own: own[slab]) for own in scores]
        by_loops[name] = [float(row[slab]) for row, slab in zip(shown, best, strict=True)]
    for name, each in by_loops.items():
        one = found[f"slice_selection/{name}/innocents@1"]
        known = there & ~np.isnan(each)
        assert (one.value, one.n) == (pytest.approx(np.mean(np.array(each)[known])), known.sum())
        assert one.low <= one.value <= one.high
        if name != "attentive":
            gap = np.subtract(by_loops["attentive"], each)[known]
            difference = found[f"slice_selection/attentive/minus_{name}/innocents@1"]
            assert difference.value == pytest.approx(gap.mean())
            resampled = bootstrap.weights[:, known] @ gap / bootstrap.weights[:, known].sum(1)
            assert (difference.low, difference.high) == pytest.approx(tuple(np.percentile(resampled, [2.5, 97.5])))
    assert {row.method for row in found.values()} == {"random", "oracle", "uniform", "centre", *scored}


def test_who_seeks_distractors_shows_them_significantly_more_often_than_chance(store: Store) -> None:
    indices = store.select()
    bit = store.findings.index("distractor")
    lesions = connected_lesions(store, indices, FINDINGS)
    seeker = np.array([[((store.mask(i)[z] >> bit) & 1).sum() for z in MIDDLES] for i in indices], np.float64)  # type: ignore[index]
    bootstrap = PatientBootstrap([store.studies[i].patient_id for i in indices], 50, 0)
    for sign, significant in ((1, True), (-1, True), (0, False)):
        scores = sign * seeker if sign else np.random.default_rng(0).random(seeker.shape)
        found = distractor_measurements(store, indices, {"attentive": scores}, lesions, bootstrap)
        difference = found["slice_selection/attentive/minus_random/innocents@1"]
        assert difference.significant == significant
        assert difference.value * sign >= 0


def test_both_commands_say_it_where_there_are_masks_and_nothing_else_changes(
    plain: Store, store: Store, tmp_path: Path
) -> None:
    run = write_pretrained(tmp_path / "run" / "pretrained").parent
    options = EvaluationOptions(focal=FINDINGS, resamples=20, fractions=(1.0,), probe_seeds=(0,))
    texts, figures, evaluated = [], [], []
    for number, one in enumerate((plain, store)):
        said = list[str]()
        figures.append(slice_eval(run, one.path, tmp_path / f"{number}.json", options=options, say=said.append))
        texts.append("\n".join(said))
        evaluated.append(evaluate(run, one.path, tmp_path / f"out-{number}", options=options, say=lambda _: None))
    assert "innocents@1" in texts[1]
    assert "innocents@1" not in texts[0]
    for before, now in (figures, [one.measurements for one in evaluated]):
        selection = now.select(task="slice_selection")
        kept = {key: row for key, row in selection.to_json().items() if "innocents" not in key}
        assert kept == before.select(task="slice_selection").to_json()
        assert "slice_selection/attentive/minus_random/innocents@1" in selection
    bootstrap = PatientBootstrap(["a"] * len(plain), 5, 0)
    lesions, zeros = connected_lesions(plain, plain.select(), FINDINGS), np.zeros((len(plain), 4))
    assert not distractor_measurements(plain, plain.select(), {"attentive": zeros}, lesions, bootstrap)
    added = {key for key in evaluated[1].measurements if key not in evaluated[0].measurements}
    assert {key.split("/")[0] for key in added} == {"zero_shot", "linear_probe", "slice_selection"}
    unchanged = {key: row for key, row in evaluated[1].measurements.to_json().items() if key not in added}
    assert unchanged == evaluated[0].measurements.to_json()
