from math import pi

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unimedi.phantom.painting.voxelise import Grid, ball, capsule, cover, ellipsoid, lattice_noise, threads

LOW, HIGH = (-30.0, -30.0, -30.0), (30.0, 30.0, 30.0)


def grid_of(count: int) -> Grid:
    return Grid.spanning((count, count + 4, count + 8), LOW, HIGH)


@settings(max_examples=25)
@given(st.floats(0.8, 18), st.tuples(*[st.floats(-8, 8)] * 3), st.integers(14, 40))
def test_a_ball_holds_its_volume_on_any_grid(radius: float, centre: tuple[float, float, float], count: int) -> None:
    grid = grid_of(count)
    hu = np.zeros(grid.shape, np.float32)
    ball(grid, hu, centre, radius, 1.0)
    volume = float(hu.sum()) * float(np.prod(grid.spacing))
    assert volume <= 4 / 3 * pi * radius**3 * 1.06
    if radius > 1.2 * grid.voxel:
        assert volume == pytest.approx(4 / 3 * pi * radius**3, rel=0.06)


def test_threads_hold_the_volume_of_their_cylinders() -> None:
    grid = grid_of(32)
    rows = np.array([[-20, -10, 5, 18, 12, -9, 0.6, 0.6]], np.float32)
    length = float(np.linalg.norm(rows[0, 3:6] - rows[0, :3]))
    total = float(threads(grid, rows).sum()) * float(np.prod(grid.spacing))
    assert total == pytest.approx(pi * 0.36 * length, rel=0.01)


def test_distances_against_a_slow_loop() -> None:
    grid = grid_of(7)
    start, end = np.array([-9, 2, 4], np.float32), np.array([11, -5, 8], np.float32)
    fast_capsule, fast_ball = capsule(grid, start, end, 2.0, 4.0), ellipsoid(grid, (1.0, 2.0, 3.0), 5.0)
    for index in np.ndindex(grid.shape):
        point = np.array([grid.depth[index[0]], grid.height[index[1]], grid.width[index[2]]])
        t = np.clip((point - start) @ (end - start) / ((end - start) @ (end - start)), 0, 1)
        expected = np.linalg.norm(point - start - t * (end - start)) - (2 + 2 * t)
        assert fast_capsule[index] == pytest.approx(expected, abs=1e-4)
        assert fast_ball[index] == pytest.approx(np.linalg.norm(point - (1, 2, 3)) - 5, abs=1e-4)


def test_cover_is_half_at_the_surface() -> None:
    assert cover(np.array([-9.0, 0, 9], np.float32), 2.0).tolist() == [1.0, 0.5, 0.0]


def test_a_box_may_lie_outside() -> None:
    grid = grid_of(16)
    hu = np.zeros(grid.shape, np.float32)
    ball(grid, hu, (200.0, 0.0, 0.0), 5.0, 1.0)
    assert not hu.any()
    assert hu[grid.around((0.0, 0.0, 0.0), 5.0)].size


def test_noise_belongs_to_the_place_and_not_to_the_grid() -> None:
    coarse, fine = grid_of(16), grid_of(48)
    draw = [lattice_noise(np.random.default_rng(4), g, 12.0, (0.0, 0.0, 0.0)) for g in (coarse, fine)]
    part = fine.box((-10.0, -10.0, -10.0), (10.0, 10.0, 10.0))
    again = lattice_noise(np.random.default_rng(4), fine.part(part), 12.0, (0.0, 0.0, 0.0))
    np.testing.assert_allclose(again, draw[1][part], atol=1e-5)
    # 16 voxels are 48 in threes: the middle one of three lies at the coarse voxel's centre along the first axis.
    line = [g.depth for g in (coarse, fine)]
    np.testing.assert_allclose(line[0], line[1][1::3], atol=1e-4)
    assert 0.7 < float(draw[1].std()) < 1.4
    assert abs(float(draw[1].mean())) < 0.35
