"""The healthy chest, organ by organ: what lies where a textbook says, in the Hounsfield units it should have."""

import numpy as np
import pytest

from unimedi.phantom.painting.bones import girdle
from unimedi.phantom.painting.canvas import Canvas, clear, recut
from unimedi.phantom.painting.mediastinum import great_vessels
from unimedi.phantom.painting.thorax import paint_thorax
from unimedi.phantom.painting.voxelise import Grid
from unimedi.phantom.patient.anatomy import RIB_OFF_WALL, cage_distance, rib_coordinate, rib_point
from unimedi.phantom.patient.catalogue import FINDINGS
from unimedi.phantom.patient.patient import sample_patient

HEALTHY = sample_patient("healthy", 3, dict.fromkeys(FINDINGS, 0.0))
FIELD = (-170.0, -160.0, -200.0), (200.0, 160.0, 200.0)


@pytest.fixture(scope="module")
def canvas() -> Canvas:
    return paint_thorax(HEALTHY, Grid.spanning((124, 107, 134), *FIELD), "supine", 180.0)


def at(canvas: Canvas, point: tuple[float, float, float], reach: float = 4.0) -> np.ndarray:
    """Hounsfield units within ``reach`` mm of a point."""
    return canvas.hu[canvas.grid.around(point, reach)]


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("rib", range(2, 11))
def test_a_rib_is_bone_where_its_curve_runs(canvas: Canvas, side: int, rib: int) -> None:
    point = rib_point(HEALTHY.anatomy, side, rib, 80.0)
    assert (point[2] < 0) == (side == 0)
    assert at(canvas, point).max() > 250
    assert rib_coordinate(HEALTHY.anatomy, *(np.array([v], np.float32) for v in (point[0], 80.0)))[0] == pytest.approx(
        rib, abs=1e-3
    )


def test_ribs_fall_from_the_spine_to_the_front_and_stand_off_the_wall() -> None:
    depths = [rib_point(HEALTHY.anatomy, 1, 5, angle)[0] for angle in (30.0, 60.0, 90.0, 120.0)]
    assert depths == sorted(depths, reverse=True)
    point = rib_point(HEALTHY.anatomy, 1, 5, 90.0)
    wall = cage_distance(HEALTHY.anatomy, *(np.full((1, 1, 1), value, np.float32) for value in point)).item()
    assert wall == pytest.approx(RIB_OFF_WALL, abs=2)


def test_the_windpipe_holds_air_and_ends_at_the_carina(canvas: Canvas) -> None:
    anatomy = HEALTHY.anatomy
    above = (anatomy.carina + 30.0, 2.0, anatomy.shift * 0.7)
    below = (anatomy.carina - 45.0, 6.0, float(anatomy.shift))
    assert at(canvas, above).min() < -900
    assert at(canvas, below, 2.0).min() > -400


def test_contrast_fills_the_vessels_and_the_heart_alone(canvas: Canvas) -> None:
    anatomy = HEALTHY.anatomy
    aorta = (anatomy.arch - 22.0, 8 + anatomy.heart_centre[1], -9.0 + anatomy.shift)
    assert abs(at(canvas, aorta, 2.0).mean() - 180) < 30
    box, share = canvas.heart
    assert 100 < canvas.hu[box][share > 0.99].mean() < 220
    plain = paint_thorax(HEALTHY, canvas.grid, "supine", 40.0)
    assert at(plain, aorta, 2.0).mean() < 80
    brighter = canvas.hu - plain.hu > 60
    assert brighter.mean() < 0.1
    before = at(plain, aorta, 2.0).copy()
    great_vessels(plain)  # painting them again changes nothing: they are opaque
    np.testing.assert_allclose(at(plain, aorta, 2.0), before, atol=1e-3)


def test_spine_and_shoulder_girdle_are_bone_behind_and_above(canvas: Canvas) -> None:
    anatomy = HEALTHY.anatomy
    behind = canvas.hu[:, canvas.grid.height > anatomy.spine[1] - 30]
    assert (behind > 150).sum() > 2 * (canvas.hu[:, canvas.grid.height < -anatomy.half_depth + 20] > 150).sum() > 0
    air = np.full(canvas.grid.shape, -1000, np.float32)
    girdle(anatomy, canvas.grid, air)
    bone = canvas.grid.depth[np.nonzero(air > 100)[0]]
    assert bone.size
    assert np.median(bone) > anatomy.carina - 60


def test_lungs_are_air_and_of_a_persons_size(canvas: Canvas) -> None:
    lung = canvas.lung > 0.9
    values = canvas.hu[canvas.box][lung]
    assert -900 < np.median(values) < -750
    litres = lung.sum() * np.prod(canvas.grid.spacing) / 1e6
    assert 1.5 < litres < 9.0


def test_clearing_takes_a_shape_out_of_the_lungs_and_leaves_the_rest() -> None:
    canvas = paint_thorax(HEALTHY, Grid.spanning((20, 20, 24), *FIELD), "supine", 40.0)
    box = canvas.part.around((0.0, 0.0, 80.0), 20.0)
    before = canvas.lung.copy()
    clear(canvas, box, np.ones(canvas.lung[box].shape, np.float32))
    assert before[box].max() > 0
    assert canvas.lung[box].max() == 0
    before[box] = 0
    assert np.array_equal(canvas.lung, before)


def test_a_coverage_cut_anew_keeps_its_places() -> None:
    whole = np.arange(6 * 7 * 8, dtype=np.float32).reshape(6, 7, 8)
    box = slice(2, 6), slice(1, 6), slice(3, 8)  # of the grid
    outer = slice(1, 6), slice(1, 7), slice(2, 8)  # the lungs' part of the grid
    inner = slice(2, 4), slice(1, 3), slice(2, 5)  # of the lungs' part: of the grid 3-5, 2-4, 4-7
    assert np.array_equal(recut(whole[box], box, outer, inner), whole[3:5, 2:4, 4:7])
