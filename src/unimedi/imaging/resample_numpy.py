"""Changing the grid where torch is not installed: the rule of ``resample.py``, by NumPy, up to the last digits."""

import numpy as np
from numpy.typing import NDArray


def resize_array(array: NDArray[np.generic], size: tuple[int, ...]) -> NDArray[np.float32]:
    """As :func:`unimedi.imaging.resample.resize_array`, which is up to six times faster.

    Args:
        array: (height, width) or (depth, height, width), real numbers.
        size: the new shape; an axis that already fits is left exactly as it is.

    Returns:
        float32 of shape ``size``: the mean over all pixels that an output pixel touches on an axis that shrinks, linear
        between pixel centres on one that grows.
    """
    real = array.astype(np.float32)
    for axis, new in enumerate(size):
        if new < real.shape[axis]:
            real = _averaged(real, axis, new)
    for axis, new in enumerate(size):
        if new > real.shape[axis]:
            real = _interpolated(real, axis, new)
    return real


def _averaged(array: NDArray[np.float32], axis: int, new: int) -> NDArray[np.float32]:
    old, places = array.shape[axis], np.arange(new)
    start, stop = places * old // new, -(-(places + 1) * old // new)  # the pixels that each output pixel touches
    total = np.zeros((*array.shape[:axis], new, *array.shape[axis + 1 :]), np.float32)
    for step in range(int((stop - start).max())):
        touched = _along(start + step < stop, axis, array.ndim)
        total += array.take(np.minimum(start + step, old - 1), axis) * touched
    mean: NDArray[np.float32] = total / _along((stop - start).astype(np.float32), axis, array.ndim)
    return mean


def _interpolated(array: NDArray[np.float32], axis: int, new: int) -> NDArray[np.float32]:
    old = array.shape[axis]
    place = np.maximum((np.arange(new) + 0.5) * old / new - 0.5, 0)
    below = place.astype(int)
    above = np.minimum(below + 1, old - 1)
    share = _along((place - below).astype(np.float32), axis, array.ndim)
    between: NDArray[np.float32] = array.take(below, axis) * (1 - share) + array.take(above, axis) * share
    return between


def _along(values: NDArray[np.generic], axis: int, ndim: int) -> NDArray[np.generic]:
    """One value a place of ``axis``, to multiply an array of ``ndim`` axes with."""
    return values.reshape([-1 if one == axis else 1 for one in range(ndim)])
