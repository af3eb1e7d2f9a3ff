import numpy as np
import pytest

from unimedi.phantom.painting.voxelise import Grid
from unimedi.phantom.patient.catalogue import FINDINGS
from unimedi.phantom.patient.patient import Patient, sample_patient
from unimedi.phantom.xray import WATER, Geometry, attenuation, project, render_xray

SIZE = (80, 80)
GEOMETRY = Geometry(source=1700.0, detector=-100.0, pitch=3.0)


def only(name: str, index: int = 0) -> Patient:
    return sample_patient(f"{name}-{index}", 5, {other: float(other == name) for other in FINDINGS})


def test_a_slab_attenuates_by_beers_law() -> None:
    """A slab of water 60 mm thick: exp(-mu t / cos), the ray's slant known in closed form."""
    grid = Grid.spanning((50, 20, 50), (-250.0, -30.0, -250.0), (250.0, 30.0, 250.0))
    water = attenuation(np.zeros(grid.shape, np.float32))
    path = project(water, grid, GEOMETRY, SIZE)
    up = (np.arange(80) - 39.5) * 3.0
    slant = np.sqrt(1 + (up[:, None] ** 2 + up[None] ** 2) / 1800.0**2)
    np.testing.assert_allclose(np.exp(-path), np.exp(-WATER * 60 * slant), rtol=2e-5)


def test_a_point_lands_where_the_ray_says() -> None:
    grid = Grid.spanning((81, 41, 81), (-121.5, -61.5, -121.5), (121.5, 61.5, 121.5))
    for where in ((60, 35, 20), (15, 5, 70), (40, 20, 40)):
        dot = np.zeros(grid.shape, np.float32)
        dot[where] = 1
        path = project(dot, grid, GEOMETRY, (120, 120))
        z, y, x = grid.depth[where[0]], grid.height[where[1]], grid.width[where[2]]
        magnification = 1800 / (1700 - y)
        row, column = (np.array(np.nonzero(path)).T * path[np.nonzero(path)][:, None]).sum(0) / path.sum()
        assert row == pytest.approx(59.5 - z * magnification / 3.0, abs=0.15)
        assert column == pytest.approx(59.5 + x * magnification / 3.0, abs=0.15)


@pytest.mark.parametrize("size", [(80, 80), (50, 37), (16, 16)])
def test_a_projection_is_the_product_of_its_weights_layer_by_layer(size: tuple[int, int]) -> None:
    """Written out: every voxel's share of every pixel, none left out."""
    grid = Grid.spanning((41, 9, 33), (-90.0, -30.0, -70.0), (90.0, 30.0, 70.0))
    turned = Geometry(source=1700.0, detector=-100.0, pitch=230 / size[0], yaw=0.05, tilt=-0.04)
    density = np.random.default_rng(0).random(grid.shape, np.float32)
    up = ((size[0] - 1) / 2 - np.arange(size[0])) * turned.pitch
    across = (np.arange(size[1]) - (size[1] - 1) / 2) * turned.pitch
    expected = np.zeros(size)
    for index, height in enumerate(grid.height.astype(float)):
        share = (1700 - height) / 1800
        rows, columns = (
            np.maximum(1 - np.abs(np.clip((at - axis[0]) / step, 0, len(axis) - 1)[:, None] - np.arange(len(axis))), 0)
            for at, axis, step in (
                (up * share - turned.tilt * height, grid.depth, grid.spacing[0]),
                (across * share - turned.yaw * height, grid.width, grid.spacing[2]),
            )
        )
        expected += rows @ density[:, index] @ columns.T
    expected *= np.sqrt(1 + (up[:, None] ** 2 + across[None] ** 2) / 1800**2) * grid.spacing[1]
    np.testing.assert_allclose(project(density, grid, turned, size), expected, rtol=1e-4)


def test_without_masks_the_picture_is_the_same() -> None:
    patient = only("mass")
    with_masks, without = render_xray(patient, "PA", SIZE), render_xray(patient, "PA", SIZE, masks=False)
    assert with_masks.pixels.tobytes() == without.pixels.tobytes()
    assert with_masks.masks["mass"].any()
    assert not without.masks


def test_air_does_not_attenuate_and_bone_more_than_its_hu() -> None:
    values = attenuation(np.array([-1000, -1024, 0, 1000], np.float32))
    assert values[0] == values[1] == 0
    assert values[2] == pytest.approx(WATER)
    assert values[3] > 2 * WATER


def test_same_bytes_twice_and_twelve_bits() -> None:
    patient = sample_patient("p", 3)
    first, again = render_xray(patient, "PA", SIZE), render_xray(patient, "PA", SIZE)
    assert first.pixels.tobytes() == again.pixels.tobytes()
    assert first.pixels.dtype == np.uint16
    assert first.pixels.max() <= 4095
    assert first.pixels.std() > 400
    assert render_xray(patient, "AP", SIZE).pixels.tobytes() != first.pixels.tobytes()


@pytest.mark.parametrize("view", ["PA", "AP"])
@pytest.mark.parametrize("name", ["mass", "consolidation", "pneumothorax", "pleural_effusion"])
def test_left_is_on_the_right_of_the_picture(view: str, name: str) -> None:
    for index in range(3):
        patient = only(name, index)
        mask = render_xray(patient, view, SIZE).masks[name]  # type: ignore[arg-type]
        assert mask.any()
        side = patient.findings[0].side
        if side != "both":
            assert (np.nonzero(mask)[1].mean() > 39.5) == (side == "left")


def test_lungs_are_dark_the_heart_is_bright_and_the_head_is_up() -> None:
    pixels = render_xray(sample_patient("n", 0, dict.fromkeys(FINDINGS, 0.0)), "PA", (96, 96)).pixels.astype(float)
    right, middle = pixels[30:50, 24:36].mean(), pixels[30:70, 44:56].mean()
    assert middle > right + 600
    assert pixels[82:92, 30:66].mean() > pixels[30:50, 24:36].mean() + 600  # the abdomen below


def test_masks_of_all_findings_and_unequal_sides() -> None:
    patient = sample_patient("all", 1, dict.fromkeys(FINDINGS, 1.0))
    film = render_xray(patient, "PA", (96, 72))
    assert film.pixels.shape == (96, 72)
    for finding in patient.findings:
        assert film.masks[finding.name].shape == (96, 72)
        assert film.masks[finding.name].any(), finding
