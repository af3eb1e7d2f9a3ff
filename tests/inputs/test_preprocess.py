import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unimedi.imaging.image import ImagingError, Radiograph, Volume
from unimedi.inputs.preprocess import Preprocess

SMALL = Preprocess(
    radiograph_size=(16, 16),
    hires_shape=(8, 16, 16),
    volume_shape=(4, 8, 8),
    slice_size=(16, 16),
    hu_window=(-1000.0, 500.0),
)
RNG = np.random.default_rng(0)


def volume(*shape: int, spacing: tuple[float, float, float] = (5.0, 2.0, 2.0)) -> Volume:
    return Volume(RNG.integers(-1000, 1000, size=shape).astype(np.int16), spacing)


def fine(batch: int = 3) -> torch.Tensor:
    return torch.from_numpy(RNG.integers(-1024, 2000, size=(batch, *SMALL.hires_shape)).astype(np.int16))


def test_a_volume_that_fits_is_stored_voxel_by_voxel() -> None:
    image = volume(8, 16, 16)
    assert np.array_equal(SMALL.stored(image), image.voxels)
    assert SMALL.stored_spacing(image) == (5.0, 2.0, 2.0)


def test_shrinking_by_two_is_the_mean_of_eight() -> None:
    image = volume(16, 32, 32)
    means = image.voxels.reshape(8, 2, 16, 2, 16, 2).astype(float).mean(axis=(1, 3, 5))
    stored = SMALL.stored(image)
    assert stored.dtype == np.int16
    assert np.abs(stored - means).max() <= 0.5
    assert SMALL.stored_spacing(image) == (10.0, 4.0, 4.0)


def test_a_narrow_volume_is_padded_with_air() -> None:
    stored = SMALL.stored(Volume(volume(8, 16, 8).voxels // 2 + 100, (1.0, 2.0, 2.0)))
    assert (stored[:, :, :4] == -1024).all()
    assert (stored[:, :, 12:] == -1024).all()
    assert (stored[:, :, 4:12] > -1024).all()


def test_what_lies_outside_the_scanner_does_not_darken_the_edge() -> None:
    voxels = np.zeros((8, 32, 32), np.int16)
    voxels[:, :, ::2] = -3024
    assert (SMALL.stored(Volume(voxels, (1.0, 1.0, 1.0))) == -512).all()


@pytest.mark.parametrize("shape", [(8, 16, 16), (20, 31, 17), (4, 9, 40), (64, 12, 12)])
def test_any_shape_comes_out_at_the_stored_shape_and_keeps_its_millimetres(shape: tuple[int, int, int]) -> None:
    image = volume(*shape)
    assert SMALL.stored(image).shape == SMALL.hires_shape
    spacing = SMALL.stored_spacing(image)
    assert spacing is not None
    assert spacing[0] * SMALL.hires_shape[0] == pytest.approx(5.0 * shape[0])
    assert spacing[1] == pytest.approx(spacing[2], rel=0.15)  # square pixels, up to a pixel's rounding
    assert spacing[1 + int(np.argmax(shape[1:]))] * 16 == pytest.approx(max(shape[1:]) * 2.0)


def test_a_radiograph_is_stored_in_twelve_bits_with_its_aspect() -> None:
    stored = SMALL.stored(Radiograph(RNG.random((40, 20), dtype=np.float32)))
    assert stored.shape == (16, 16)
    assert stored.dtype == np.int16
    assert (stored.min(), stored.max()) == (0, 4095)
    assert not stored[:, :4].any()
    assert not stored[:, 12:].any()
    assert SMALL.stored_spacing(Radiograph(np.ones((40, 20), np.float32))) is None


def test_images_that_cannot_be_used_are_refused() -> None:
    for reason, image in {
        "too_few_slices": volume(3, 16, 16),
        "constant": Volume(np.zeros((8, 16, 16), np.int16), (1.0, 1.0, 1.0)),
        "nan": Radiograph(np.full((16, 16), np.nan, np.float32)),
        "too_small": Radiograph(np.ones((1, 1), np.float32)),
    }.items():
        with pytest.raises(ImagingError) as caught:
            SMALL.stored(image)
        assert caught.value.reason == reason


@pytest.mark.parametrize("shape", [(8, 16, 16), (16, 32, 32), (11, 40, 24)])
def test_a_mask_lies_where_the_lesion_is_stored(shape: tuple[int, int, int]) -> None:
    voxels = np.full(shape, -800, np.int16)
    box = tuple(slice(n // 2, n // 2 + n // 4) for n in shape)
    voxels[box] = 200
    image = Volume(voxels, (5.0, 2.0, 2.0))
    mask = SMALL.stored_mask((voxels == 200).astype(np.uint16) << 3, image)
    assert mask.shape == SMALL.hires_shape
    assert set(np.unique(mask)) == {0, 8}
    inside = SMALL.stored(image) > -300
    assert (inside & (mask == 8)).sum() > 0.6 * (inside | (mask == 8)).sum()


def test_a_mask_of_another_shape_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"\(8, 16, 16\), got \(8, 16, 15\)"):
        SMALL.stored_mask(np.zeros((8, 16, 15), np.uint16), volume(8, 16, 16))


def test_device_side_values_are_the_windowed_means() -> None:
    stored = fine()
    means = stored.reshape(3, 4, 2, 8, 2, 8, 2).double().mean(dim=(2, 4, 6))
    assert torch.allclose(SMALL.volumes(stored)[:, 0].double(), ((means + 1000) / 750 - 1).clamp(-1, 1), atol=1e-5)
    picture = torch.tensor([[[0, 4095]]], dtype=torch.int16)
    assert SMALL.radiographs(picture).tolist() == [[[[-1.0, 1.0]]]]


def test_slices_are_planes_of_the_finer_array() -> None:
    stored, index = fine(), torch.tensor([[0, 7], [3, 3], [6, 1]])
    cut = SMALL.slices(stored, index)
    assert cut.shape == (3, 2, 1, 16, 16)
    for b in range(3):
        for j in range(2):
            plane = stored[b, index[b, j]].float()
            assert torch.allclose(cut[b, j, 0], ((plane + 1000) / 750 - 1).clamp(-1, 1), atol=1e-5)


@pytest.mark.parametrize("size", [(8, 8), (24, 24), (12, 20)])
def test_slices_come_at_the_size_that_is_asked_for(size: tuple[int, int]) -> None:
    policy = Preprocess(hires_shape=(8, 16, 16), slice_size=size)
    assert policy.slices(fine(), torch.zeros(3, 2, dtype=torch.long)).shape == (3, 2, 1, *size)


@settings(deadline=None, max_examples=15)
@given(batch=st.integers(1, 5), depth=st.integers(1, 8), side=st.integers(1, 20), seed=st.integers(0, 9))
def test_a_batch_equals_its_elements_bit_by_bit(batch: int, depth: int, side: int, seed: int) -> None:
    policy = Preprocess(hires_shape=(8, 16, 16), volume_shape=(depth, side, side), slice_size=(side, side))
    torch.manual_seed(seed)
    stored = torch.randint(-1024, 2000, (batch, 8, 16, 16), dtype=torch.int16)
    index = torch.randint(0, 8, (batch, 2))
    volumes, slices, pictures = policy.volumes(stored), policy.slices(stored, index), policy.radiographs(stored[:, 0])
    for i in range(batch):
        one = slice(i, i + 1)
        assert torch.equal(volumes[one], policy.volumes(stored[one]))
        assert torch.equal(slices[one], policy.slices(stored[one], index[one]))
        assert torch.equal(pictures[one], policy.radiographs(stored[one, 0]))


def test_it_travels_as_json_and_its_fingerprint_with_it() -> None:
    again = Preprocess.from_dict(json.loads(json.dumps(SMALL.to_dict())))
    assert again == SMALL
    assert again.fingerprint() == SMALL.fingerprint()
    assert Preprocess().fingerprint() != SMALL.fingerprint()
    assert len(SMALL.fingerprint()) == 64


def test_wrong_settings_say_what_was_expected() -> None:
    with pytest.raises(ValueError, match="unknown hu_windows; known are"):
        Preprocess.from_dict({"hu_windows": [0, 1]})
    with pytest.raises(ValueError, match="volume_shape: expected 3 positive sizes"):
        Preprocess.from_dict({"volume_shape": [0, 4, 4]})
    with pytest.raises(ValueError, match="low < high"):
        Preprocess(hu_window=(100.0, -100.0))
