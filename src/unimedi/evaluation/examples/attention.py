"""Where the encoder looks: the [CLS] attention of stored studies, as planes with what lies over them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from unimedi.evaluation.examples.pictures import best_plane, evenly, findings_of, lung_grey, marked, radiograph_grey
from unimedi.evaluation.record import Attention, Example, Plane
from unimedi.evaluation.split import EvalSplit
from unimedi.imaging.intensity import AIR_HU
from unimedi.inputs.store import Store

RADIOGRAPHS, VOLUMES = 8, 4  # how many are shown

Grid2 = tuple[int, int]
Grid3 = tuple[int, int, int]
Box = tuple[tuple[int, int], tuple[int, int]]


def radiograph_attention(split: EvalSplit, store: Store, grid: Grid2) -> tuple[Attention, ...]:
    """Radiographs, evenly chosen among those with one finding (any, where nothing is labelled), plain and overlaid.

    ``grid`` is the (rows, columns) of T_2D's tokens.
    """
    rows = [row for row in range(len(split)) if len(split.positives(row)) == 1] or list(range(len(split)))
    return tuple(_radiograph(split, rows[place], store, grid) for place in evenly(len(rows), RADIOGRAPHS))


def volume_attention(split: EvalSplit, store: Store, grid: Grid3, lesions: Sequence[int]) -> tuple[Attention, ...]:
    """Volumes, evenly chosen among the rows ``lesions`` (among all, where there are none): axial, coronal, sagittal.

    ``grid`` is the (depth, rows, columns) of T_3D's tokens.
    """
    rows = list(lesions) or list(range(len(split)))
    return tuple(
        Attention(_study(split, rows[place]), volume_planes(split, rows[place], store, grid))
        for place in evenly(len(rows), VOLUMES)
    )


def _radiograph(split: EvalSplit, row: int, store: Store, grid: Grid2) -> Attention:
    index = split.indices[row]
    pixels, spacing = store.pixels(index), store.studies[index].spacing
    weights = split.table.attention[row].reshape(grid).astype(np.float64)
    step = (spacing[0], spacing[1]) if spacing else (1.0, 1.0)
    plain = Plane(radiograph_grey(pixels), step, content(pixels, 0), outline=_outline(store, index))
    return Attention(_study(split, row), (plain, replace(plain, attention=weights / weights.mean())), bool(spacing))


def volume_planes(split: EvalSplit, row: int, store: Store, grid: Grid3) -> tuple[Plane, Plane, Plane, Plane]:
    """The best-scored slab's middle plane, plain and overlaid, and the coronal and sagittal plane through its peak.

    Attention on the last two is the mean along the line of sight, a lesion's outline its shadow along it.
    """
    index = split.indices[row]
    pixels, mask = store.pixels(index), _outline(store, index)
    deep, high, wide = store.studies[index].spacing or (1.0, 1.0, 1.0)
    (rows, columns), whole = content(pixels, AIR_HU), (0, len(pixels))
    attention = split.table.attention[row].reshape(grid).astype(np.float64)
    attention = attention / attention.mean()
    plane = best_plane(split, row, len(pixels))
    slab = attention[plane * grid[0] // len(pixels)]
    y, x = _peak(slab, pixels.shape[1:])
    axial = Plane(
        lung_grey(pixels[plane]),
        (high, wide),
        (rows, columns),
        f"axial, plane {plane + 1} of {len(pixels)}",
        outline=None if mask is None else mask[plane],
    )
    taken = () if split.table.selected is None else tuple(float(z) + 0.5 for z in split.table.selected[row])
    shadows = [None if mask is None else np.asarray(mask.any(axis=axis)) for axis in (1, 2)]
    coronal, sagittal = (
        Plane(lung_grey(cut), (deep, step), (whole, box), name, seen, shadow, taken, upwards=True)
        for cut, step, box, name, seen, shadow in (
            (pixels[:, y], wide, columns, "coronal", attention.mean(axis=1), shadows[0]),
            (pixels[:, :, x], high, rows, "sagittal, front left", attention.mean(axis=2), shadows[1]),
        )
    )
    return axial, replace(axial, attention=slab, name="with its attention"), coronal, sagittal


def content(pixels: ndarray, ground: int) -> Box:
    """First and one past the last row and column (the last two axes) that are not ``ground`` from edge to edge."""
    there = np.asarray(np.reshape(pixels != ground, (-1, *pixels.shape[-2:])).any(axis=0))
    if not there.any():
        return (0, pixels.shape[-2]), (0, pixels.shape[-1])
    first, second = (np.flatnonzero(there.any(axis=axis)) for axis in (1, 0))
    return (int(first[0]), int(first[-1]) + 1), (int(second[0]), int(second[-1]) + 1)


def _study(split: EvalSplit, row: int) -> Example:
    return Example(split.table.study_ids[row], findings_of(split, row))


def _outline(store: Store, index: int) -> Bool[ndarray, "*stored"] | None:
    mask = marked(store, index)
    return None if mask is None else np.asarray(mask != 0)


def _peak(weights: Float[ndarray, "rows columns"], size: tuple[int, ...]) -> tuple[int, int]:
    """The pixel in the middle of the patch with the most attention."""
    at = np.unravel_index(int(weights.argmax()), weights.shape)
    y, x = (int((int(i) + 0.5) * n / m) for i, n, m in zip(at, size, weights.shape, strict=True))
    return y, x
