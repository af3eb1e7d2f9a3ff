import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unimedi.imaging.image import ImagingError, Radiograph, Volume
from unimedi.imaging.intensity import check, robust_range, to_hu
from unimedi.inputs.preprocess import hu_window

ONES = (1.0, 1.0, 1.0)


def varied(*shape: int) -> np.ndarray:
    return np.arange(np.prod(shape)).reshape(shape)


BAD = [
    ("constant", Radiograph(np.full((16, 16), 7.0, np.float32))),
    ("constant", Volume(np.full((8, 16, 16), -1000, np.int16), ONES)),
    ("nan", Radiograph(np.where(varied(16, 16) == 5, np.nan, 1.0).astype(np.float32))),
    ("nan", Radiograph(np.where(varied(16, 16) == 5, np.inf, 1.0).astype(np.float32))),
    ("too_small", Radiograph(np.ones((1, 1), np.float32))),
    ("too_small", Volume(varied(8, 1, 16).astype(np.int16), ONES)),
    ("too_few_slices", Volume(varied(3, 16, 16).astype(np.int16), ONES)),
    ("wrong_dimension", Radiograph(varied(4, 16, 16).astype(np.float32))),
    ("wrong_dimension", Volume(varied(16, 16).astype(np.int16), ONES)),
    ("bad_spacing", Volume(varied(8, 16, 16).astype(np.int16), (1.0, 0.0, 1.0))),
]


@pytest.mark.parametrize(("reason", "image"), BAD)
def test_what_cannot_be_learnt_from_is_refused_by_name(reason: str, image: Radiograph | Volume) -> None:
    with pytest.raises(ImagingError, match=r"chest\.dcm") as caught:
        check(image, "chest.dcm")
    assert caught.value.reason == reason


def test_good_images_pass() -> None:
    check(Radiograph(varied(16, 16).astype(np.float32)))
    check(Volume(varied(4, 16, 16).astype(np.int16), ONES))


def test_the_window_maps_its_ends_to_minus_one_and_one_and_clamps() -> None:
    hu = torch.tensor([-3000.0, -1000.0, 0.0, 500.0, 1000.0, 3000.0])
    assert hu_window(hu, (-1000.0, 1000.0)).tolist() == pytest.approx([-1.0, -1.0, 0.0, 0.5, 1.0, 1.0])


@settings(max_examples=30)
@given(scale=st.floats(0.01, 100), shift=st.floats(-1000, 1000))
def test_exposure_does_not_change_a_stored_radiograph(scale: float, shift: float) -> None:
    pixels = np.random.default_rng(0).random((20, 20)).astype(np.float32)
    first, second = robust_range(pixels), robust_range((pixels * scale + shift).astype(np.float32))
    # float32 keeps 24 bits of the shifted values, so a large shift on a small scale costs a few grey levels
    assert np.abs(first.astype(int) - second).max() <= 2 + 4095 * abs(shift) / scale * 2**-22


def test_one_hot_pixel_does_not_set_the_scale() -> None:
    pixels = np.linspace(0, 1, 400, dtype=np.float32).reshape(20, 20)
    spoilt = pixels.copy()
    spoilt[0, 0] = 1e6
    assert np.abs(robust_range(pixels).astype(int) - robust_range(spoilt))[1:].max() < 50
    assert robust_range(spoilt).max() == 4095


def test_thin_lines_on_a_plain_ground_survive() -> None:
    pixels = np.zeros((40, 40), np.float32)
    pixels[3, 3] = 1.0  # below the 99th percentile
    assert robust_range(pixels)[3, 3] == 4095


def test_hounsfield_units_are_rounded_and_never_wrapped() -> None:
    assert to_hu(np.array([-0.6, 1e6, -1e6])).tolist() == [-1, 32767, -32768]
    assert to_hu(np.array([70000], np.int32)).tolist() == [32767]
    with pytest.raises(ImagingError, match="NaN"):
        to_hu(np.array([0.0, np.nan]))
