import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unimedi.imaging.placement import Placement
from unimedi.imaging.resample import downsample, resize, resize_array, resize_bits

SIDE = st.integers(1, 9)


def area_by_loops(array: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """The mean of every pixel that an output pixel touches."""
    out = np.empty(size)
    for place in np.ndindex(*size):
        box = tuple(slice(i * o // n, -(-(i + 1) * o // n)) for i, n, o in zip(place, size, array.shape, strict=True))
        out[place] = array[box].mean()
    return out


@settings(max_examples=40)
@given(old=st.tuples(SIDE, SIDE, SIDE), new=st.tuples(SIDE, SIDE, SIDE), seed=st.integers(0, 99))
def test_shrinking_is_the_mean_of_the_footprint(old: tuple[int, ...], new: tuple[int, ...], seed: int) -> None:
    new = tuple(min(a, b) for a, b in zip(old, new, strict=True))
    array = np.random.default_rng(seed).normal(size=old).astype(np.float32)
    assert np.allclose(resize_array(array, new), area_by_loops(array, new), atol=1e-5)


@settings(max_examples=20)
@given(old=st.tuples(SIDE, SIDE), new=st.tuples(SIDE, SIDE))
def test_a_flat_image_stays_flat_and_the_range_never_grows(old: tuple[int, int], new: tuple[int, int]) -> None:
    array = np.random.default_rng(0).uniform(-5, 5, size=old).astype(np.float32)
    out = resize_array(array, new)
    assert out.shape == new
    assert out.min() >= array.min() - 1e-5
    assert out.max() <= array.max() + 1e-5
    assert np.allclose(resize_array(np.full(old, 3.0), new), 3.0)


def test_a_size_that_fits_is_left_bit_for_bit() -> None:
    images = torch.randn(2, 1, 3, 4, 5)
    assert torch.equal(resize(images, (3, 4, 5)), images)


def test_growing_keeps_pixel_centres() -> None:
    ramp = np.tile(np.arange(4, dtype=np.float32), (2, 1))
    assert np.allclose(resize_array(ramp, (2, 8))[0], np.clip((np.arange(8) + 0.5) / 2 - 0.5, 0, 3))


@settings(max_examples=60)
@given(old=st.tuples(SIDE, SIDE, SIDE), new=st.tuples(SIDE, SIDE, SIDE), seed=st.integers(0, 99))
def test_no_label_of_a_bit_field_is_invented_or_lost(old: tuple[int, ...], new: tuple[int, ...], seed: int) -> None:
    rng = np.random.default_rng(seed)
    bits = (rng.random(old) < 0.1) * rng.integers(0, 1 << 16, size=old)
    bits = bits.astype(np.uint16)
    out = resize_bits(bits, new)
    assert out.dtype == np.uint16
    assert out.shape == new
    assert np.bitwise_or.reduce(out, axis=None) == np.bitwise_or.reduce(bits, axis=None)


def test_a_label_smaller_than_a_pixel_lands_where_it_was() -> None:
    bits = np.zeros((8, 8, 8), np.uint16)
    bits[4, 4, 7] = 0b10  # (8 -> 2, sampled at 2 and 6): nearest alone would miss it
    out = resize_bits(bits, (2, 2, 2))
    assert out[1, 1, 1] == 0b10
    assert np.count_nonzero(out) == 1


@pytest.mark.parametrize(
    ("shape", "spacing", "content", "offset"),
    [
        ((8, 8), (1.0, 1.0), (16, 16), (0, 0)),
        ((8, 4), (1.0, 1.0), (16, 8), (0, 4)),
        ((8, 4), (1.0, 2.0), (16, 16), (0, 0)),  # square in mm though not in pixels
        ((100, 300), (1.0, 1.0), (5, 16), (5, 0)),
    ],
)
def test_a_picture_keeps_its_physical_aspect(
    shape: tuple[int, int], spacing: tuple[float, float], content: tuple[int, int], offset: tuple[int, int]
) -> None:
    assert Placement.fit(shape, spacing, (16, 16)) == Placement(content, offset)


def test_padding_is_the_fill_and_only_outside() -> None:
    placement = Placement.fit((4, 2), (1.0, 1.0), (4, 4))
    out = placement.place(np.ones((3, 4, 2), np.int16), (4, 4), fill=-1024)
    assert np.array_equal(out == 1, np.broadcast_to([False, True, True, False], (3, 4, 4)))
    assert set(np.unique(out)) == {-1024, 1}


@pytest.mark.parametrize("size", [(4, 5, 6), (8, 5, 6), (8, 10, 12), (2, 5, 4), (3, 4, 5), (16, 10, 12)])
def test_shrinking_stored_voxels_is_resizing_them(size: tuple[int, int, int]) -> None:
    """Whole blocks (a factor of 8 at the most extreme HU), blocks too many for int16, sizes that do not divide."""
    voxels = torch.from_numpy(np.random.default_rng(0).choice([-1024, 3071], (2, 8, 10, 12)).astype(np.int16))
    expected = resize(voxels[:, None].float(), size)[:, 0]
    torch.testing.assert_close(downsample(voxels, size), expected, rtol=1e-6, atol=1e-3)  # HU
