"""Where the encoder looks, on radiographs and on volumes: the [CLS] attention of stored studies as pictures."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from unimedi.evaluation.split import EvalSplit
from unimedi.imaging.intensity import AIR_HU
from unimedi.inputs.store import Store
from unimedi.reporting.overlays import Plane, content, in_millimetres
from unimedi.reporting.pictures import Tile, best_plane, data_uri, evenly, marked, named, upright, windowed

RADIOGRAPHS, VOLUMES = 8, 4  # how many are drawn

Grid2 = tuple[int, int]
Grid3 = tuple[int, int, int]


def radiograph_tiles(view: EvalSplit, store: Store, grid: Grid2) -> list[Tile]:
    """Radiographs, evenly chosen among those with one finding (any, where nothing is labelled), plain and overlaid.

    ``grid`` is the (rows, columns) of T_2D's tokens.
    """
    rows = [row for row in range(len(view)) if len(view.positives(row)) == 1] or list(range(len(view)))
    tiles = []
    for place in evenly(len(rows), RADIOGRAPHS):
        row = rows[place]
        pixels, spacing = store.pixels(view.indices[row]), store.studies[view.indices[row]].spacing
        weights = view.table.attention[row].reshape(grid).astype(np.float64)
        step = (spacing[0], spacing[1]) if spacing else (1.0, 1.0)
        outline = _outline(view, row, store)
        plain = Plane(upright(pixels), step, content(pixels, 0), outline=outline)
        picture = in_millimetres([plain, replace(plain, attention=weights / weights.mean())], 4.2, bool(spacing))
        tiles.append(Tile(f"{view.table.study_ids[row]}: {named(view, row)}", data_uri(picture)))
    return tiles


def volume_pictures(view: EvalSplit, store: Store, grid: Grid3, lesions: Sequence[int]) -> list[Tile]:
    """Volumes, evenly chosen among the rows ``lesions`` (among all, where there are none): axial, coronal, sagittal.

    ``grid`` is the (depth, rows, columns) of T_3D's tokens.
    """
    rows = list(lesions) or list(range(len(view)))
    return [
        Tile(
            f"{view.table.study_ids[rows[place]]}: {named(view, rows[place])}",
            data_uri(in_millimetres(volume_planes(view, rows[place], store, grid))),
        )
        for place in evenly(len(rows), VOLUMES)
    ]


def volume_planes(view: EvalSplit, row: int, store: Store, grid: Grid3) -> list[Plane]:
    """The best-scored slab's middle plane, plain and overlaid, and the coronal and sagittal plane through its peak.

    Attention on the last two is the mean along the line of sight, a lesion's outline its shadow along it.
    """
    index = view.indices[row]
    pixels, mask = store.pixels(index), _outline(view, row, store)
    deep, high, wide = store.studies[index].spacing or (1.0, 1.0, 1.0)
    (rows, columns), whole = content(pixels, AIR_HU), slice(0, len(pixels))
    attention = view.table.attention[row].reshape(grid).astype(np.float64)
    attention = attention / attention.mean()
    plane = best_plane(view, row, len(pixels))
    slab = attention[plane * grid[0] // len(pixels)]
    y, x = _peak(slab, pixels.shape[1:])
    axial = Plane(
        windowed(pixels[plane]),
        (high, wide),
        (rows, columns),
        f"axial, plane {plane + 1} of {len(pixels)}",
        outline=None if mask is None else mask[plane],
    )
    taken = () if view.table.selected is None else tuple(float(z) + 0.5 for z in view.table.selected[row])
    coronal = Plane(windowed(pixels[:, y]), (deep, wide), (whole, columns), "coronal", attention.mean(axis=1))
    sagittal = Plane(windowed(pixels[:, :, x]), (deep, high), (whole, rows), "sagittal, front left", attention.mean(2))
    shadows = [None if mask is None else np.asarray(mask.any(axis=axis)) for axis in (1, 2)]
    return [
        axial,
        replace(axial, attention=slab, name="with its attention"),
        *(
            replace(side, outline=shadow, marks=taken, upwards=True)
            for side, shadow in zip((coronal, sagittal), shadows, strict=True)
        ),
    ]


def _outline(view: EvalSplit, row: int, store: Store) -> Bool[ndarray, "*stored"] | None:
    mask = marked(store, view.indices[row])
    return None if mask is None else np.asarray(mask != 0)


def _peak(weights: Float[ndarray, "rows columns"], size: tuple[int, ...]) -> tuple[int, int]:
    """The pixel in the middle of the patch with the most attention."""
    at = np.unravel_index(int(weights.argmax()), weights.shape)
    y, x = (int((int(i) + 0.5) * n / m) for i, n, m in zip(at, size, weights.shape, strict=True))
    return y, x
