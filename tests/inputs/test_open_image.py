"""What a user may hold: read as a file of it would be, or refused with what was expected and what came."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
import torch
from PIL import Image

from unimedi.imaging.image import Radiograph, Volume
from unimedi.imaging.read import read_image
from unimedi.inputs.open_image import open_image

DRAWS = np.random.default_rng(0)
GREY = DRAWS.integers(0, 255, (40, 32)).astype(np.uint8)
CT = DRAWS.integers(-1000, 400, (12, 24, 20)).astype(np.int16)
STEPS = (2.0, 1.0, 0.5)


@pytest.mark.parametrize(
    "held",
    [
        GREY.astype(np.int64),
        GREY.astype(np.float16),
        GREY[::-1][::-1],
        torch.from_numpy(GREY),
        torch.from_numpy(GREY).bfloat16(),
        torch.from_numpy(GREY).double().requires_grad_(),
        Image.fromarray(GREY),
        np.stack([GREY] * 3, -1),
        np.ma.masked_array(GREY, mask=False),
    ],
    ids=["int64", "float16", "view", "tensor", "bfloat16", "with gradient", "PIL", "colour", "nothing masked"],
)
def test_grey_values_are_the_same_in_any_dress(held: object) -> None:
    image = open_image(held, spacing=(0.2, 0.1))
    assert isinstance(image, Radiograph)
    assert image.pixels.dtype == np.float32
    assert np.array_equal(image.pixels, GREY)
    assert image.spacing == (0.2, 0.1)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "I;16", "1", "LA"])
def test_a_pil_image_is_what_its_file_is(mode: str, tmp_path: Path) -> None:
    picture = Image.fromarray(GREY.astype(np.uint16) * 7) if mode == "I;16" else Image.fromarray(GREY).convert(mode)
    picture.save(tmp_path / "x.png")
    expected = read_image(tmp_path / "x.png")
    assert np.array_equal(open_image(picture).pixels, expected.pixels)  # type: ignore[union-attr]
    with Image.open(tmp_path / "x.png") as opened:
        assert np.array_equal(open_image(opened).pixels, expected.pixels)  # type: ignore[union-attr]


@pytest.mark.parametrize("spacing", [STEPS, list(STEPS), np.array(STEPS), torch.tensor(STEPS)])
@pytest.mark.parametrize("held", [CT, CT.astype(np.float64) + 0.25, torch.from_numpy(CT), torch.from_numpy(CT).half()])
def test_a_volume_comes_with_its_spacing(held: object, spacing: object) -> None:
    image = open_image(held, spacing)
    assert isinstance(image, Volume)
    assert np.array_equal(image.voxels, CT)
    assert image.spacing == STEPS


@pytest.mark.parametrize(
    ("held", "kind"),
    [
        (None, "NoneType"),
        (b"\x89PNG\r\n\x1a\n", "bytes"),
        (GREY.tolist(), "list"),
        ({"pixels": GREY}, "dict"),
        (7, "int"),
        (GREY > 100, "bool"),
        (GREY * 1j, "complex128"),
        (GREY.astype(object), "object"),
        (GREY.astype(str), "<U3"),
        (torch.from_numpy(GREY > 100), "bool"),
    ],
)
def test_what_is_no_image_is_a_type_error(held: object, kind: str) -> None:
    with pytest.raises(TypeError, match=rf"seventh: expected .*got .*{kind}"):
        open_image(held, name="seventh")


def holed(array: np.ndarray, value: float) -> np.ndarray:
    spoilt = array.astype(np.float32)
    spoilt[tuple(np.array(array.shape) // 2)] = value
    return spoilt


@pytest.mark.parametrize(
    ("held", "spacing", "message"),
    [
        (np.float32(3), None, "Scalar|0-D|float32"),
        (GREY[0], None, r"got 1-D \(32,\)"),
        (CT[None], STEPS, "got 4-D .*give a list"),
        (GREY[None], None, "a batch of one"),
        (np.stack([GREY] * 3), None, "channels"),
        (np.stack([GREY] * 4, -1), None, "channels"),
        (np.stack([GREY] * 3, -1) / 255, None, "channels"),
        (np.zeros((0, 5)), None, "at least 8"),
        (np.zeros((8, 0, 8)), STEPS, r"\(8, 0, 8\)"),
        (np.zeros((40, 32)), None, "every pixel is 0"),
        (np.full((8, 24, 20), -1000), STEPS, "every pixel is -1000"),
        (holed(GREY, np.nan), None, "NaN or infinite"),
        (holed(GREY, np.inf), None, "NaN or infinite"),
        (GREY.astype(np.float64) * 1e300, None, "NaN or infinite"),
        (holed(CT, np.nan), STEPS, "NaN or infinite"),
        (torch.from_numpy(holed(CT, np.nan)), STEPS, "NaN or infinite"),
        (holed(CT, -np.inf), STEPS, "NaN or infinite"),
        (np.ma.masked_less(CT, 0), STEPS, "masked"),
        (CT[:3], STEPS, "channels"),
        ("", None, "an empty string"),
        ("nowhere.png", None, "no such file"),
    ],
)
def test_what_has_no_right_reading_is_refused(held: object, spacing: object, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        open_image(held, spacing)


@pytest.mark.parametrize(
    "spacing",
    [None, "123", 2.0, (), (1, 1), (1, 1, 1, 1), (0, 1, 1), (-1, 1, 1), (np.nan, 1, 1), (np.inf, 1, 1), (1e-9, 1, 1)],
)
def test_a_spacing_that_cannot_be_is_refused(spacing: object) -> None:
    with pytest.raises(ValueError, match=r"expected spacing=\(depth, height, width\) in mm, got"):
        open_image(CT, spacing)


def test_a_spacing_beside_its_own_is_refused_and_not_forgotten(tmp_path: Path) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(GREY), str(tmp_path / "x.mha"))
    flat = Radiograph(GREY.astype(np.float32), (0.1, 0.1))
    for held in (tmp_path / "x.mha", flat, Volume(CT, STEPS)):
        with pytest.raises(ValueError, match=r"got \(1, 1\) beside its own, \("):
            open_image(held, (1, 1))
    with pytest.raises(ValueError, match=r"spacing=\(height, width\)"):
        open_image(GREY, STEPS)


def test_a_picture_may_be_given_the_spacing_that_it_does_not_say(tmp_path: Path) -> None:
    Image.fromarray(GREY).save(tmp_path / "x.png")
    for held in (tmp_path / "x.png", str(tmp_path / "x.png"), Radiograph(GREY.astype(np.float32))):
        assert open_image(held).spacing is None
        assert open_image(held, (0.2, 0.1)).spacing == (0.2, 0.1)
