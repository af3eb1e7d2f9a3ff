"""Focal findings and the outline of the body: a nodule has its volume, haze leaves vessels, the skin lies outside."""

from dataclasses import replace

import numpy as np
import pytest

from unimedi.phantom.painting import focal
from unimedi.phantom.painting.body import body, body_half_sizes, cavity
from unimedi.phantom.painting.canvas import Canvas
from unimedi.phantom.painting.thorax import paint_thorax
from unimedi.phantom.painting.voxelise import Grid
from unimedi.phantom.patient.anatomy import cage_distance
from unimedi.phantom.patient.catalogue import BOTH, FINDINGS, Finding
from unimedi.phantom.patient.patient import sample_patient

HEALTHY = sample_patient("healthy", 3, dict.fromkeys(FINDINGS, 0.0))
GRID = Grid.spanning((74, 64, 80), (-170.0, -160.0, -200.0), (200.0, 160.0, 200.0))


@pytest.fixture
def canvas() -> Canvas:
    return paint_thorax(HEALTHY, GRID, "supine", 40.0)


def lesion(name: str, size: float, **changes: object) -> Finding:
    about = Finding(name, "right", "middle", size, "moderate", (10.0, -20.0, -70.0), None, BOTH, "solid", 40.0, 5)
    return replace(about, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [4.0, 12.0, 24.0])
def test_a_nodule_adds_what_its_volume_holds_also_below_a_voxel(canvas: Canvas, size: float) -> None:
    canvas.hu[:] = -860.0
    focal.nodule(canvas, lesion("nodule", size), mask := np.zeros(GRID.shape, np.bool_))
    added = (canvas.hu + 860.0).sum() / 900.0 * np.prod(GRID.spacing)
    assert added == pytest.approx(np.pi * size**3 / 6, rel=0.25)
    assert mask.any()


def test_haze_brightens_the_lung_and_leaves_what_is_denser(canvas: Canvas) -> None:
    before = canvas.hu.copy()
    focal.ground_glass(canvas, lesion("ground_glass", 100.0, hu=-500.0), mask := np.zeros(GRID.shape, np.bool_))
    assert (canvas.hu >= before).all()
    assert np.array_equal(canvas.hu[before > -500], before[before > -500])
    assert (canvas.hu - before)[mask].mean() > 150


def test_a_cavity_is_air_inside_a_mass(canvas: Canvas) -> None:
    solid = paint_thorax(HEALTHY, GRID, "supine", 40.0)
    for scene, form in ((canvas, "cavitating"), (solid, "solid")):
        focal.mass(scene, lesion("mass", 50.0, form=form), np.zeros(GRID.shape, np.bool_))
    centre = GRID.around((10.0, -20.0, -70.0), 1.0)
    assert canvas.hu[centre].max() < -600 < 0 < solid.hu[centre].min()


def test_nodes_on_both_sides_are_two_and_mirrored(canvas: Canvas) -> None:
    node = lesion("lymph_node", 30.0, side="both", centre_mm=(20.0, 4.0, -45.0))
    focal.lymph_node(canvas, node, mask := np.zeros(GRID.shape, np.bool_))
    assert mask[..., GRID.width < -20].any()
    assert mask[..., GRID.width > 20].any()


def test_the_skin_lies_outside_the_cage_and_widens_to_the_shoulders() -> None:
    anatomy = HEALTHY.anatomy
    width, depth = body_half_sizes(anatomy, np.array([-100.0, 0.0, anatomy.apex - 5, anatomy.apex + 90], np.float32))
    assert width[0] == width[1] > max(anatomy.half_width)
    assert width[2] > width[1] > width[3]
    assert depth[0] > anatomy.half_depth


def test_a_body_is_air_outside_and_tissue_inside_and_its_cavity_holds_the_lungs_alone() -> None:
    hu = body(HEALTHY, GRID, "supine")
    assert hu[:, 0, 0].max() < -950
    assert -150 < np.median(hu[37, 32, 36:44]) < 120
    wall = cage_distance(HEALTHY.anatomy, *GRID.axes)
    above = cavity(HEALTHY.anatomy, GRID, hu, wall)
    assert above[wall > 10].max() == 0
    assert above[GRID.depth < min(HEALTHY.anatomy.dome) - 90].max() == 0  # liver, spleen and stomach lie there
    assert above.max() == 1
