"""Without torch the grid changes as with it: up to the last digits, on any sizes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unimedi.imaging import resample, resample_numpy
from unimedi.imaging.image import Radiograph, Volume
from unimedi.inputs.preprocess import Preprocess
from unimedi.inputs.stored_form import StoredForm

SIZES = {"radiograph_size": (24, 32), "hires_shape": (8, 16, 20), "volume_shape": (4, 8, 8), "slice_size": (16, 16)}
axes = st.integers(1, 19)
pairs = st.integers(2, 3).flatmap(lambda ndim: st.tuples(*[st.tuples(*[axes] * ndim)] * 2))


@given(pairs, st.integers(0, 2**32 - 1))
def test_any_array_at_any_size(shapes: tuple[tuple[int, ...], tuple[int, ...]], seed: int) -> None:
    shape, size = shapes
    array = np.random.default_rng(seed).uniform(-1024, 3071, shape)
    found = resample_numpy.resize_array(array, size)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, resample.resize_array(array, size), rtol=0, atol=0.01)


def test_an_axis_that_fits_is_left_as_it_is() -> None:
    array = np.random.default_rng(0).integers(-1000, 3000, (4, 5, 6)).astype(np.int16)
    np.testing.assert_array_equal(resample_numpy.resize_array(array, (4, 5, 6)), array)


@pytest.mark.parametrize(
    "image",
    [
        Radiograph(np.random.default_rng(0).uniform(0, 60000, (91, 77)).astype(np.float32)),
        Volume(np.random.default_rng(1).integers(-1024, 3000, (21, 40, 31)).astype(np.int16), (2.5, 0.7, 0.9)),
        Volume(np.random.default_rng(1).integers(-1024, 3000, (5, 12, 9)).astype(np.int16), (5.0, 1.0, 1.0)),
    ],
)
def test_what_the_store_keeps_is_the_same_but_for_roundings(image: Radiograph | Volume) -> None:
    plain, fast = StoredForm(**SIZES).stored(image), Preprocess(**SIZES).stored(image)
    assert plain.dtype == fast.dtype
    assert plain.shape == fast.shape
    assert np.abs(plain.astype(int) - fast).max() <= 1
