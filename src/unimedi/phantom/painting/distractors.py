"""Distractors painted into the chest, and a mask of those that could be taken for a lesion."""

from collections.abc import Iterable

import numpy as np

from unimedi.phantom.painting.canvas import Mask, passing
from unimedi.phantom.painting.voxelise import Box, Grid, ball, ball_cover, blend, threads
from unimedi.phantom.patient.anatomy import Array
from unimedi.phantom.patient.distractors import Distractor

DISTRACTOR = "distractor"  # the mask's name; no report mentions it, so no label has that name
LESION_LIKE = frozenset({"granuloma", "calcified_node", "bone_island", "plaque", "hernia"})


def distractor_mask(distractors: Iterable[Distractor], grid: Grid) -> Mask:
    """Union of the compact distractors inside the chest, over the whole grid (depth, height, width).

    Compact: a ball, round or flattened, of one of ``LESION_LIKE``. Left out are electrodes, nipples, metal dots and
    pacemakers (on the skin or in the chest wall, where no lesion of the catalogue lies), a meal (under the diaphragm),
    and catheters, leads and wires (lines: most run through so many slices that they tell none apart). A voxel counts as
    it does for a finding: its coverage passes a half, or half the thing's largest where that is less.
    """
    mask = np.zeros(grid.shape, np.bool_)
    for one in distractors:
        if one.name in LESION_LIKE and len(one.points) == 1:
            box, marked = _marked(one, grid)
            mask[box] |= marked
    return mask


def _marked(one: Distractor, grid: Grid) -> tuple[Box, Mask]:
    """Box and mask of one distractor. Where its centre lies outside the field, only voxels covered by a half count."""
    box, share = ball_cover(grid, one.points[0], one.radius_mm, one.stretch)
    return box, passing(share) if grid.holds(one.points[0]) else share > 0.5


def paint_distractors(drawn: tuple[Distractor, ...], grid: Grid, hu: Array) -> None:
    """Paint dots and lines into ``hu`` (over the whole grid), after the findings."""
    for one in drawn:
        if len(one.points) == 1:
            ball(grid, hu, one.points[0], one.radius_mm, one.hu, one.stretch)
            continue
        ends = np.asarray(one.points, np.float32)
        rows = np.concatenate([ends[:-1], ends[1:], np.full((len(ends) - 1, 2), one.radius_mm, np.float32)], axis=1)
        box = grid.box(ends.min(0) - 2, ends.max(0) + 2)
        view = hu[box]
        if min(view.shape) > 1:
            blend(view, threads(grid.part(box), rows), one.hu)
