"""Changing the grid: area averaging where an axis shrinks, linear interpolation where it grows, nearest for masks.

Averaging over an output pixel's whole footprint keeps thin structures (a rib edge, a 4 mm nodule) as partial contrast;
plain linear interpolation of a 512 grid at every fourth pixel would drop them or let them alias.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int16
from numpy.typing import NDArray
from torch import Tensor

MOST_SUMMED = 10  # values of up to 3071 HU whose sum still fits int16


def resize(images: Float[Tensor, "batch channel *size"], size: tuple[int, ...]) -> Float[Tensor, "batch channel *new"]:
    """Resize 2 or 3 spatial axes; an axis that already fits is left exactly as it is.

    Shrinking is ``adaptive_avg_pool`` (the mean of all pixels that an output pixel touches), growing is linear with
    pixel centres aligned (``align_corners=False``). Elements of a batch do not influence each other.
    """
    shrunk = tuple(min(old, new) for old, new in zip(images.shape[2:], size, strict=True))
    if shrunk != tuple(images.shape[2:]):
        images = F.interpolate(images, size=shrunk, mode="area")
    if shrunk != tuple(size):
        images = F.interpolate(
            images, size=size, mode="bilinear" if len(size) == 2 else "trilinear", align_corners=False
        )
    return images


def downsample(voxels: Int16[Tensor, "batch *size"], size: tuple[int, ...]) -> Float[Tensor, "batch *new"]:
    """``resize`` of stored HU (-1024..3071), four times faster where ``size`` divides theirs: blocks are added up as
    int16, exactly, and only their sums become floats."""
    factors = [old // new for old, new in zip(voxels.shape[1:], size, strict=True)]
    whole = all(new * by == old for old, new, by in zip(voxels.shape[1:], size, factors, strict=True))
    if not whole or math.prod(factors) > MOST_SUMMED:
        return resize(voxels[:, None].float(), size)[:, 0]
    for axis, by in enumerate(factors, start=1):
        every = [voxels[(slice(None),) * axis + (slice(first, None, by),)] for first in range(by)]
        voxels = sum(every[1:], start=every[0])
    return voxels.float() / math.prod(factors)


def resize_array(array: NDArray[np.generic], size: tuple[int, ...]) -> NDArray[np.float32]:
    """``resize`` for one array (height, width) or (depth, height, width); returns float32 of shape ``size``."""
    real = torch.from_numpy(np.array(array, dtype=np.float32))  # a copy: the caller's array may be read-only
    return resize(real[None, None], size)[0, 0].numpy()


def resize_bits(bits: NDArray[np.uint16], size: tuple[int, ...]) -> NDArray[np.uint16]:
    """Nearest resampling of a bit field (one bit a label).

    A label smaller than the output's pixels can fall between the sampled points; one that would vanish altogether is
    written into every output pixel that it touches instead, because "no lesion" would be false.
    """
    if bits.shape == tuple(size):
        return bits.copy()
    axes = [
        np.minimum(((np.arange(n) + 0.5) * o / n).astype(int), o - 1) for n, o in zip(size, bits.shape, strict=True)
    ]
    out = bits[np.ix_(*axes)]
    lost = int(np.bitwise_or.reduce(bits, axis=None)) & ~int(np.bitwise_or.reduce(out, axis=None))
    if lost:
        where = np.nonzero(bits & np.uint16(lost))
        target = tuple(((w + 0.5) * n / o).astype(int) for w, n, o in zip(where, size, bits.shape, strict=True))
        np.bitwise_or.at(out, target, bits[where] & np.uint16(lost))
    return out
