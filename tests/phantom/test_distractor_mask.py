"""The mask of distractors lies where they are painted, counts as lesions' masks do, and is nobody's finding."""

import csv
import json
from dataclasses import replace
from math import pi
from pathlib import Path

import numpy as np
import pytest

from tests.hospital import write_pretrained
from tests.phantom.test_hospital import digest
from tests.tiny import PREPROCESS
from unimedi.cohort.manifest import read_manifest, write_manifest
from unimedi.cohort.sources.phantom import phantom_cohort
from unimedi.evaluation.examples.pictures import marked
from unimedi.evaluation.options import EvaluationOptions
from unimedi.evaluation.split import eval_split
from unimedi.imaging.read import read_mask
from unimedi.inputs.labels import label_columns
from unimedi.inputs.prepare import prepare
from unimedi.inputs.store import Store
from unimedi.phantom.ct import render_ct
from unimedi.phantom.hospital import HospitalError, build_hospital
from unimedi.phantom.painting.distractors import DISTRACTOR, LESION_LIKE, distractor_mask, paint_distractors
from unimedi.phantom.painting.voxelise import Grid
from unimedi.phantom.patient.catalogue import FINDINGS
from unimedi.phantom.patient.distractors import Distractor
from unimedi.phantom.patient.patient import Patient, sample_patient
from unimedi.phantom.planning import patient_seed
from unimedi.phantom.presets import PRESETS
from unimedi.reporting.commands import slice_eval
from unimedi.representation.embedder import Embedder

GRID = Grid.spanning((40, 60, 60), (-100.0, -120.0, -120.0), (100.0, 120.0, 120.0))  # voxels of 5 x 4 x 4 mm
FINE = Grid.spanning((80, 120, 120), (-100.0, -120.0, -120.0), (100.0, 120.0, 120.0))
SHAPE = (40, 96, 96)


def granuloma(radius: float, where: tuple[float, float, float] = (3.0, 1.0, -2.0)) -> Distractor:
    return Distractor("granuloma", (where,), radius, 900.0)


def patients(kind: str, count: int = 3) -> list[Patient]:
    """Healthy patients with something of this kind, and with no other distractor."""
    found = []
    for number in range(400):
        patient = sample_patient(f"healthy-{number}", 3, dict.fromkeys(FINDINGS, 0.0))
        if kept := tuple(one for one in patient.distractors if one.name == kind):
            found.append(replace(patient, distractors=kept))
        if len(found) == count:
            return found
    raise AssertionError(f"no {count} patients with a {kind}")


@pytest.mark.parametrize(
    ("kind", "rise"), [("granuloma", 100), ("plaque", 250), ("calcified_node", 150), ("bone_island", 250)]
)
def test_the_mask_is_far_brighter_than_the_same_place_without_the_thing(kind: str, rise: float) -> None:
    inside = []
    for patient in patients(kind):
        scan, without = render_ct(patient, SHAPE), render_ct(replace(patient, distractors=()), SHAPE)
        mask = distractor_mask(patient.distractors, scan.grid)
        brighter = scan.voxels.astype(np.int32) - without.voxels  # the noise is the same
        assert mask.any()
        assert brighter[mask].min() > 0
        assert brighter[mask].mean() > 50 * np.abs(brighter[~mask]).mean()
        inside.append(brighter[mask])
    assert np.concatenate(inside).mean() > rise  # one of 1 mm is faint in a voxel of 5 mm


@pytest.mark.parametrize("stretch", [(1.0, 1.0, 1.0), (0.9, 0.7, 0.5)])
@pytest.mark.parametrize("radius", [16.0, 22.0])
def test_a_large_ball_has_its_volume(radius: float, stretch: tuple[float, float, float]) -> None:
    ball = replace(granuloma(radius), stretch=stretch)
    volume = distractor_mask([ball], FINE).sum() * np.prod(FINE.spacing)
    assert volume == pytest.approx(4 / 3 * pi * radius**3 * np.prod(stretch), rel=0.04)


@pytest.mark.parametrize("grid", [GRID, FINE])
def test_what_is_smaller_than_a_voxel_has_one_wherever_it_is_painted(grid: Grid) -> None:
    places = np.random.default_rng(0).uniform(-80, 80, (60, 3)).tolist()
    painted = 0
    for where in places:
        small = granuloma(1.0, tuple(where))
        hu = np.zeros(grid.shape, np.float32)
        paint_distractors((small,), grid, hu)
        mask = distractor_mask([small], grid)
        painted += hu.any()
        assert mask.any() == hu.any()  # between the centres of large voxels the phantom may paint nothing
        assert mask[np.unravel_index(hu.argmax(), hu.shape)] == hu.any()
        assert (hu[mask] > 0.5 * hu.max()).all()
        assert mask.sum() <= 8
    assert painted == len(places) if grid is FINE else painted > 0.7 * len(places)


def test_what_lies_outside_the_field_leaves_no_voxel() -> None:
    outside = (100.5, 2.0, 2.0)  # its soft rim covers 0.15 of the nearest voxel
    assert distractor_mask([granuloma(1.5, outside)], GRID).sum() == 0
    assert distractor_mask([granuloma(30.0, outside)], GRID)[-1].any()  # it reaches in
    assert distractor_mask([granuloma(30.0, (900.0, 0.0, 0.0))], GRID).sum() == 0


def test_union_of_compact_things_inside_the_chest_and_of_no_others() -> None:
    here, there = granuloma(6.0), granuloma(4.0, (40.0, 50.0, 60.0))
    others = tuple(
        Distractor(kind, ((-40.0, 0.0, 0.0),), 9.0, 900.0) for kind in ("electrode", "nipple", "metal_dot", "meal")
    )
    line = Distractor("granuloma", ((-40.0, 0.0, 0.0), (40.0, 0.0, 0.0)), 5.0, 900.0)
    union = distractor_mask([here], GRID) | distractor_mask([there], GRID)
    assert np.array_equal(distractor_mask([here, *others, line, there], GRID), union)
    assert distractor_mask([], GRID).sum() == 0


def test_the_kinds_are_drawn() -> None:
    drawn = {one.name for number in range(60) for one in sample_patient(f"kinds-{number}", 0).distractors}
    assert drawn >= LESION_LIKE
    assert DISTRACTOR not in FINDINGS


# -- the hospital -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hospitals(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same hospital without and with the option."""
    folder = tmp_path_factory.mktemp("distractors")
    for name, overrides in (("plain", {}), ("more", {"mask_distractors": True})):
        build_hospital(folder / name, "micro", seed=5, workers=1, progress=False, overrides=overrides)
    return folder / "plain", folder / "more"


def index(hospital: Path) -> list[dict[str, str]]:
    with (hospital / "index.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_without_the_option_nothing_changes(hospitals: tuple[Path, Path]) -> None:
    plain, more = hospitals
    assert not any(DISTRACTOR in column for column in index(plain)[0])
    assert not [name for name in digest(plain) if DISTRACTOR in name]
    assert "mask_distractors" not in (plain / "hospital.json").read_text()  # so hospitals from before it are recognised
    written = digest(more)
    added = {name for name in written if name.endswith(f"/{DISTRACTOR}.nii.gz")}
    kept = {name: one for name, one in written.items() if name not in added | {"index.csv", "hospital.json"}}
    assert added
    assert kept == {name: one for name, one in digest(plain).items() if name not in ("index.csv", "hospital.json")}
    assert [{k: v for k, v in row.items() if k != f"mask:{DISTRACTOR}"} for row in index(more)] == index(plain)
    summaries = [json.loads((hospital / "hospital.json").read_text()) for hospital in hospitals]
    assert summaries[1]["options"].pop("mask_distractors") is True
    assert summaries[0] == summaries[1]


def test_the_index_gains_a_mask_and_no_label(hospitals: tuple[Path, Path]) -> None:
    rows = index(hospitals[1])
    assert list(rows[0])[-1] == f"mask:{DISTRACTOR}"
    assert f"label:{DISTRACTOR}" not in rows[0]
    for row in rows:
        path = row[f"mask:{DISTRACTOR}"]
        assert bool(path) == (row["modality"] == "CT")  # every patient has a granuloma, every micro CT masks
        if path:
            study = next(s for s in phantom_cohort(hospitals[1]) if s.study_id == row["study_id"])
            patient = sample_patient(row["patient_id"], patient_seed(5, study.split))
            scan = render_ct(patient, PRESETS["micro"].ct_shape)
            expected = distractor_mask(patient.distractors, scan.grid)
            assert np.array_equal(read_mask(hospitals[1] / path), expected)  # reoriented files too


def test_a_training_ct_without_masks_has_none(tmp_path: Path) -> None:
    overrides = {"mask_distractors": True, "share_train_masks": 0.0}
    build_hospital(tmp_path / "h", "micro", seed=5, workers=1, progress=False, overrides=overrides)
    for row in index(tmp_path / "h"):
        assert bool(row[f"mask:{DISTRACTOR}"]) == (row["modality"] == "CT" and row["split"] != "train")


def test_the_other_hospital_is_refused_by_name(hospitals: tuple[Path, Path]) -> None:
    plain, more = hospitals
    with pytest.raises(HospitalError, match="mask_distractors unset there, True asked for"):
        build_hospital(plain, "micro", seed=5, overrides={"mask_distractors": True})
    with pytest.raises(HospitalError, match="mask_distractors True there, unset asked for"):
        build_hospital(more, "micro", seed=5)


def test_from_the_phantom_to_slice_eval(hospitals: tuple[Path, Path], tmp_path: Path) -> None:
    manifest = hospitals[1] / "cohort.csv"
    write_manifest(phantom_cohort(hospitals[1]), manifest)
    prepare(read_manifest(manifest), tmp_path / "store", PREPROCESS, workers=0)
    store = Store.open(tmp_path / "store")
    assert store.findings == (*FINDINGS, DISTRACTOR)
    for study in store.studies:
        assert {name for name, value in study.labels.items() if value is not None} == set(FINDINGS)
    test = store.select(split="test", image_kind="ct")
    assert all((store.mask(i) >> len(FINDINGS) & 1).any() for i in test)  # type: ignore[operator]
    run = write_pretrained(tmp_path / "run" / "pretrained").parent
    figures = slice_eval(
        run, tmp_path / "store", options=EvaluationOptions(resamples=20, focal=(DISTRACTOR,)), say=lambda _: None
    )
    for selector in ("attentive", "random", "brightest", "untrained", "oracle"):
        assert figures[f"slice_selection/{selector}/hit@1"].n == len(test)
    assert tuple(label_columns(store, range(len(store)))) == FINDINGS
    seen = eval_split("ct", "test", store, Embedder.from_pretrained(run, 4), EvaluationOptions(resamples=20))
    assert seen.normal.tolist() == [not any(store.studies[i].labels.values()) for i in test]
    for i in test:
        bits, drawn = store.mask(i), marked(store, i)
        lesions = bits & np.uint16((1 << len(FINDINGS)) - 1)  # type: ignore[operator]
        assert np.array_equal(drawn, lesions if lesions.any() else bits)  # type: ignore[arg-type]
