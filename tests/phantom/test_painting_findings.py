"""Findings in the chest: fluid sinks, air rises, each stays on its side, and its mask is where the chest changed."""

from dataclasses import replace

import numpy as np
import pytest

from unimedi.phantom.painting import diffuse
from unimedi.phantom.painting.canvas import grain, lobe_share, lumpy, side_of
from unimedi.phantom.painting.findings import PAINTERS, paint_findings
from unimedi.phantom.painting.thorax import paint_thorax
from unimedi.phantom.painting.voxelise import Grid, ellipsoid
from unimedi.phantom.patient.catalogue import CT_ONLY, DEFAULT_PREVALENCE, FINDINGS, FOCAL, Finding
from unimedi.phantom.patient.patient import Patient, sample_patient
from unimedi.phantom.sheet import showcase

GRID = Grid.spanning((74, 64, 80), (-170.0, -160.0, -200.0), (200.0, 160.0, 200.0))


def painted(patient: Patient, posture: str = "supine") -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]:
    """HU before and after, and the masks."""
    canvas = paint_thorax(patient, GRID, posture, 40.0)
    before = canvas.hu.copy()
    masks = paint_findings(canvas)
    return before, masks, canvas.hu


def centre(mask: np.ndarray) -> tuple[float, ...]:
    return tuple(
        float(axis[index].mean())
        for axis, index in zip((GRID.depth, GRID.height, GRID.width), mask.nonzero(), strict=True)
    )


def test_every_name_has_a_painter_and_a_rate() -> None:
    assert set(PAINTERS) == set(FINDINGS) == set(DEFAULT_PREVALENCE)
    assert set(FOCAL) < set(FINDINGS)


@pytest.mark.parametrize("name", [name for name in FINDINGS if name != "cardiomegaly"])  # its heart is the anatomy's
def test_the_chest_changes_inside_the_mask_more_than_outside(name: str) -> None:
    before, masks, after = painted(showcase(name, 0))
    changed = np.abs(after - before)
    mask = masks[name]
    assert list(masks) == [name]
    assert mask.any()
    assert changed[mask].mean() > 30
    assert changed[mask].mean() > 20 * changed[~mask].mean()


def test_fluid_sinks_to_the_back_of_who_lies_and_to_the_base_of_who_stands() -> None:
    patient = showcase("pleural_effusion", 0)
    lying, standing = (centre(painted(patient, posture)[1]["pleural_effusion"]) for posture in ("supine", "upright"))
    assert lying[1] > standing[1] + 10  # further back
    assert standing[0] < lying[0] - 10  # further down


def test_air_rises_to_the_front_of_who_lies_and_to_the_apex_of_who_stands() -> None:
    patient = showcase("pneumothorax", 0)
    lying, standing = (centre(painted(patient, posture)[1]["pneumothorax"]) for posture in ("supine", "upright"))
    assert lying[1] < standing[1] - 10
    assert standing[0] > lying[0] + 10


def test_fibrosis_lies_at_the_bases_and_emphysema_above() -> None:
    assert (
        centre(painted(showcase("fibrosis", 0))[1]["fibrosis"])[0] + 20
        < centre(painted(showcase("emphysema", 0))[1]["emphysema"])[0]
    )


def test_more_fluid_makes_a_larger_mask() -> None:
    patient = showcase("pleural_effusion", 0)
    canvas = paint_thorax(patient, GRID, "supine", 40.0)
    finding = patient.finding("pleural_effusion")
    assert finding is not None
    sizes = []
    for size in (10.0, 25.0, 50.0):
        mask = np.zeros(GRID.shape, np.bool_)
        diffuse.pleural_effusion(canvas, replace(finding, size_mm=size), mask)
        sizes.append(int(mask.sum()))
    assert sizes == sorted(set(sizes))


def finding(**changes: object) -> Finding:
    values = {"side": "right", "lobe": "upper", "size_mm": 20.0, "severity": "mild", "centre_mm": (0.0, 0.0, -70.0)}
    return Finding("nodule", **{**values, "rib": None, "visible_on": CT_ONLY, "seed": 5, **changes})  # type: ignore[arg-type]


def test_sides_share_the_width_and_nothing_else() -> None:
    right, left = (side_of(GRID, side) for side in ("right", "left"))
    assert np.array_equal(right + left, np.ones_like(right))
    assert right[0, 0, 0] == 1
    assert side_of(GRID, "both").min() == side_of(GRID, None).min() == 1


def test_the_lobes_of_a_lung_fill_it_once() -> None:
    canvas = paint_thorax(sample_patient("lobes", 1, dict.fromkeys(FINDINGS, 0.0)), GRID, "supine", 40.0)
    for side, lobes in (("right", ("upper", "middle", "lower")), ("left", ("upper", "lower"))):
        shares = [lobe_share(canvas.part, canvas, finding(side=side, lobe=lobe)) for lobe in lobes]
        middles = [float((share * canvas.part.axes[0]).sum() / share.sum()) for share in shares]
        assert middles == sorted(middles, reverse=True), "from head to feet"
        away = np.abs(sum(shares) - side_of(canvas.part, side)) > 0.02
        assert away.mean() < 0.1, "more than the soft edges between the lobes"


def test_an_outline_is_the_ellipsoid_within_its_roughness_and_grows_from_its_seed() -> None:
    nodule = finding()
    smooth = lumpy(nodule, GRID, 10.0, 0.0, 8.0)
    assert np.array_equal(smooth, ellipsoid(GRID, (0.0, 0.0, -70.0), 10.0))
    rough = lumpy(nodule, GRID, 10.0, 2.0, 8.0)
    assert 0 < np.abs(rough - smooth).max() < 2 * 5
    assert np.array_equal(rough, lumpy(nodule, GRID, 10.0, 2.0, 8.0))
    assert grain(nodule).integers(1 << 30) != grain(finding(seed=6)).integers(1 << 30)
