import numpy as np
import pytest

from unimedi.phantom.ct import CtScan, render_ct
from unimedi.phantom.patient.catalogue import FINDINGS
from unimedi.phantom.patient.patient import Patient, sample_patient

SHAPE = (40, 72, 72)


def only(name: str, index: int = 0) -> Patient:
    return sample_patient(f"{name}-{index}", 5, {other: float(other == name) for other in FINDINGS})


def centroid(mask: np.ndarray, scan: CtScan) -> np.ndarray:
    return np.argwhere(mask).mean(0) * scan.spacing + scan.origin


def test_same_bytes_twice() -> None:
    patient = sample_patient("p", 3, dict.fromkeys(FINDINGS, 0.5))
    first, again = render_ct(patient, SHAPE), render_ct(patient, SHAPE)
    assert first.voxels.tobytes() == again.voxels.tobytes()
    assert {k: m.tobytes() for k, m in first.masks.items()} == {k: m.tobytes() for k, m in again.masks.items()}


@pytest.mark.parametrize("index", range(6))
def test_every_finding_leaves_a_mask_inside_the_body(index: int) -> None:
    patient = sample_patient(f"all-{index}", 8, dict.fromkeys(FINDINGS, 1.0))
    scan = render_ct(patient, SHAPE)
    assert scan.voxels.dtype == np.int16
    assert scan.voxels.shape == SHAPE
    assert tuple(scan.masks)
    assert set(scan.masks) == set(FINDINGS)
    for name, mask in scan.masks.items():
        assert mask.shape == SHAPE
        assert mask.any(), name
        # Inside the body: no mask reaches the border of the picture.
        assert not mask[:, [0, -1]].any(), name
        assert not mask[:, :, [0, -1]].any(), name


# Mean HU of the mask: what a radiologist expects, wide enough for air bronchograms, cavities and partial volume.
RANGES = {
    "nodule": (-750, 80),
    "mass": (-450, 80),
    "consolidation": (-350, 60),
    "ground_glass": (-720, -380),
    "atelectasis": (-250, 80),
    "pleural_effusion": (-120, 40),
    "pneumothorax": (-1024, -800),
    "cardiomegaly": (20, 300),
    "emphysema": (-1010, -880),
    "fibrosis": (-720, -300),
    "lymph_node": (-120, 200),
    "rib_fracture": (-120, 250),
}


@pytest.mark.parametrize("name", FINDINGS)
def test_density_is_the_findings_own(name: str) -> None:
    for index in range(3):
        patient = only(name, index)
        scan = render_ct(patient, (56, 112, 112))
        mean = float(scan.voxels[scan.masks[name]].mean())
        low, high = RANGES[name]
        assert low < mean < high, (index, patient.findings)


@pytest.mark.parametrize(
    "name", ["mass", "consolidation", "ground_glass", "pneumothorax", "rib_fracture", "atelectasis"]
)
def test_left_is_left(name: str) -> None:
    for index in range(3):
        patient = only(name, index)
        finding = patient.findings[0]
        scan = render_ct(patient, SHAPE)
        where = centroid(scan.masks[name], scan)
        if finding.side != "both":
            assert (where[2] > 0) == (finding.side == "left")
        if finding.centre_mm is not None and name in ("mass", "rib_fracture"):
            assert np.abs(where - finding.centre_mm).max() < 0.35 * finding.size_mm + 8


def test_liver_lies_under_the_right_dome_and_the_back_is_behind() -> None:
    scan = render_ct(sample_patient("normal", 0, dict.fromkeys(FINDINGS, 0.0)), (64, 96, 96))
    depth, _, width = (
        np.arange(n) * s + o for n, s, o in zip(scan.voxels.shape, scan.spacing, scan.origin, strict=True)
    )
    lung = (scan.voxels < -600) & (np.abs(width) < 100) & (np.abs(width) > 50)
    lowest = [depth[lung[:, 30:60, side].any(axis=(1, 2))].min() for side in (width < 0, width > 0)]
    assert np.isfinite(lowest).all()
    bone = scan.voxels > 150
    middle = np.abs(width) < 25
    behind, front = bone[:, 48:, middle].sum(), bone[:, :48, middle].sum()
    assert behind > 2 * front  # the spine


def test_volume_does_not_depend_on_the_grid() -> None:
    for name in ("mass", "cardiomegaly", "pleural_effusion", "ground_glass", "lymph_node"):
        patient = only(name)
        coarse, fine = render_ct(patient, (48, 96, 96)), render_ct(patient, (72, 144, 144))
        ml = [scan.masks[name].sum() * np.prod(scan.spacing) / 1000 for scan in (coarse, fine)]
        assert ml[0] == pytest.approx(ml[1], rel=0.12), name


def test_unequal_sides_and_one_slice() -> None:
    scan = render_ct(only("mass"), (3, 48, 64))
    assert scan.voxels.shape == (3, 48, 64)
    assert scan.spacing[1] == pytest.approx(scan.spacing[2], rel=1e-4)
