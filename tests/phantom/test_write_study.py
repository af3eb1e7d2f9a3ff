"""A study on disk is the study as it was rendered, in every format that was planned for it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from unimedi.imaging.image import Radiograph, Volume
from unimedi.imaging.read import read_image, read_mask
from unimedi.phantom.ct import render_ct
from unimedi.phantom.painting.distractors import DISTRACTOR
from unimedi.phantom.patient.catalogue import FINDINGS
from unimedi.phantom.patient.patient import Patient, sample_patient
from unimedi.phantom.planning import StudyPlan
from unimedi.phantom.presets import PRESETS
from unimedi.phantom.write_study import write_study
from unimedi.phantom.xray import render_xray

SHAPE = (24, 40, 40)
PRESET = replace(PRESETS["micro"], ct_shape=SHAPE)


@pytest.fixture(scope="module")
def patient() -> Patient:
    return sample_patient("P000001", 0, {name: float(name in ("mass", "pleural_effusion")) for name in FINDINGS})


@pytest.mark.parametrize(
    "plan",
    [
        StudyPlan("s", "NIFTI", "en"),
        StudyPlan("s", "NIFTI", "en", gzip=True, reoriented=True, distractors=True),
        StudyPlan("s", "DICOM", "en"),
    ],
    ids=["nifti", "reoriented", "dicom"],
)
def test_a_ct_and_its_masks_come_back(patient: Patient, plan: StudyPlan, tmp_path: Path) -> None:
    row = write_study(tmp_path, patient, plan, PRESET)
    scan = render_ct(patient, SHAPE)
    image = read_image(tmp_path / row["image"])
    assert isinstance(image, Volume)
    assert np.array_equal(image.voxels, scan.voxels)
    assert image.spacing == pytest.approx(scan.spacing, rel=1e-4)
    masks = {name.removeprefix("mask:"): tmp_path / path for name, path in row.items() if name != "image"}
    assert {"mass", "pleural_effusion"} <= set(masks)
    assert (DISTRACTOR in masks) == plan.distractors
    for name in ("mass", "pleural_effusion"):
        assert np.array_equal(read_mask(masks[name]), scan.masks[name])


@pytest.mark.parametrize("stored_as", ["DX", "CR", "PNG", "JPEG"])
def test_an_xray_comes_back_and_without_masks_where_none_are_planned(
    patient: Patient, stored_as: str, tmp_path: Path
) -> None:
    size = (64, 64)
    plan = StudyPlan("s", stored_as, "en", view="AP", monochrome1=stored_as == "DX", masks=False, size=size)  # type: ignore[arg-type]
    row = write_study(tmp_path, patient, plan, PRESET)
    assert set(row) == {"image"}
    image = read_image(tmp_path / row["image"])
    assert isinstance(image, Radiograph)
    expected = render_xray(patient, "AP", size).pixels.astype(np.float32)
    assert np.corrcoef(image.pixels.ravel(), expected.ravel())[0, 1] > 0.99
