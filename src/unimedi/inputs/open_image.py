"""Anything a user may hold, as a radiograph or a volume in physical units: a path, a PIL image, an array, a tensor."""

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unimedi.cohort.study import Modality
from unimedi.errors import InputError
from unimedi.imaging.image import Radiograph, Volume
from unimedi.imaging.intensity import MIN_SLICES, check, to_hu
from unimedi.imaging.pictures import grey_values
from unimedi.imaging.read import read_image
from unimedi.inputs.gate import refuse_foreign

PLANE, SPACE = ("height", "width"), ("depth", "height", "width")
LEAST_STEP, MOST_STEP = 1e-3, 1e3  # mm a pixel: from below a micro-CT's to beyond a body's; NaN is not between
EXPECTED = (
    "expected a path, a PIL image, a Radiograph, a Volume, or an array or tensor: (height, width) of a radiograph, "
    "(depth, height, width) of a CT in Hounsfield units"
)


def open_image(image: Any, spacing: Any = None, name: str = "image") -> Radiograph | Volume:
    """Open an image for the model: it is read, checked, and is what it should be (``gate.py``).

    Args:
        image: a path; a PIL image; a ``Radiograph`` or ``Volume``; or an array or tensor of real numbers, (height,
            width) of a radiograph, (height, width, 3) uint8 of a colour picture, (depth, height, width) of a CT in
            Hounsfield units.
        spacing: mm, for what does not say its own: two numbers (height, width) of a picture, where known, and three
            (depth, height, width) of a volume as an array, which needs them.
        name: what messages call it.

    Returns:
        A ``Radiograph`` (float32) or a ``Volume`` (int16 HU) in the axes of ``imaging/image.py``.

    Raises:
        TypeError: another type, or values that are no real numbers (bool, complex, objects).
        InputError: its shape or spacing; an ``ImagingError`` as of ``read_image`` and ``refuse_foreign``.
    """
    if isinstance(image, str | os.PathLike):
        return _with_spacing(_read(os.fspath(image), name), spacing, name)
    if isinstance(image, Radiograph | Volume):
        held = _with_spacing(image, spacing, name)
    elif isinstance(image, Image.Image):
        held = _radiograph(grey_values(image, name), spacing, name)
    elif isinstance(image, np.ndarray) or _is_tensor(image):
        held = _of_array(_numbers(image, name), spacing, name)
    else:
        raise TypeError(f"{name}: {EXPECTED}; got {type(image).__name__}")
    check(held, name)
    refuse_foreign(held, _modality(held), name)
    return held


def open_images(images: Any, spacing: Any = None) -> dict[str, Radiograph | Volume]:
    """One image or a sequence of them, opened (:func:`open_image`), by the names that messages give them."""
    return {name: open_image(image, spacing, name) for name, image in named(images, "image", "images").items()}


def named(given: Any, one: str, several: str) -> dict[str, Any]:
    """What was given, one or several, by the name that a message gives it: ``image``, or ``images[3]``."""
    if not isinstance(given, Sequence) or isinstance(given, str | bytes | bytearray | memoryview):
        return {one: given}
    if not len(given):
        raise InputError(f"expected at least one {one}, got an empty {type(given).__name__}")
    return {f"{several}[{place}]": item for place, item in enumerate(given)}


def _read(path: str, name: str) -> Radiograph | Volume:
    if not path:
        raise InputError(f"{name}: expected a path, got an empty string")
    image = read_image(path)
    refuse_foreign(image, _modality(image), path)
    return image


def _modality(image: Radiograph | Volume) -> Modality:
    """An MR where the header says so; every other volume has to be a CT."""
    if image.ndim == 2:
        return Modality.DX
    return Modality.MR if image.modality == Modality.MR else Modality.CT


def _is_tensor(image: Any) -> bool:
    """Nobody holds one where torch was not imported, and it need not be installed."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(image, torch.Tensor)


def _numbers(image: Any, name: str) -> NDArray[Any]:
    if _is_tensor(image):
        held = image.detach().cpu()
        array: NDArray[Any] = (held.float() if str(held.dtype) == "torch.bfloat16" else held).numpy()
    else:
        array = image
    if array.dtype.kind not in "iuf":
        mask = ", a mask's" if array.dtype.kind == "b" else ""
        raise TypeError(f"{name}: expected grey values or Hounsfield units, got values of type {array.dtype}{mask}")
    if np.ma.is_masked(array):
        raise InputError(f"{name}: expected a value for every pixel, got an array with masked ones")
    return np.asarray(array)


def _of_array(array: NDArray[Any], spacing: Any, name: str) -> Radiograph | Volume:
    if array.ndim == 2:
        return _radiograph(array, spacing, name)
    if array.ndim != 3 or array.size == 0:
        several = "; of several images give a list" if array.ndim > 3 else ""
        raise InputError(f"{name}: {EXPECTED}; got {array.ndim}-D {array.shape}{several}")
    if array.shape[2] == 3 and array.dtype == np.uint8:
        return _radiograph(grey_values(Image.fromarray(array), name), spacing, name)
    if len(array) < MIN_SLICES or array.shape[2] <= 4:
        raise InputError(f"{name}: {EXPECTED}; got {array.shape}, which looks like channels or a batch of one")
    voxels = to_hu(array, name)
    depth, height, width = _spacing(spacing, SPACE, name)
    return Volume(voxels, (depth, height, width))


def _radiograph(pixels: NDArray[Any], spacing: Any, name: str) -> Radiograph | Volume:
    with np.errstate(over="ignore"):  # beyond float32 it is infinite, which is refused
        grey = pixels.astype(np.float32)
    return _with_spacing(Radiograph(grey), spacing, name)


def _spacing(spacing: Any, axes: tuple[str, ...], name: str) -> tuple[float, ...]:
    expected = f"{name}: expected spacing=({', '.join(axes)}) in mm, got {spacing!r}"
    if spacing is None or isinstance(spacing, str | bytes):
        raise InputError(expected)
    try:
        values = tuple(float(step) for step in spacing)
    except (TypeError, ValueError):
        raise InputError(expected) from None
    if len(values) != len(axes) or not all(LEAST_STEP <= step <= MOST_STEP for step in values):
        raise InputError(expected)
    return values


def _with_spacing(image: Radiograph | Volume, spacing: Any, name: str) -> Radiograph | Volume:
    """Give a spacing to a picture that says none; one that a file says cannot be replaced."""
    if spacing is None:
        return image
    if isinstance(image, Volume) or image.spacing is not None:
        raise InputError(f"{name}: spacing= goes with what has none, got {spacing!r} beside its own, {image.spacing}")
    height, width = _spacing(spacing, PLANE, name)
    return replace(image, spacing=(height, width))
