"""The innocent things that a careless reader could take for a lesion, as one mask: what a selector may fall for."""

from collections.abc import Iterable

import numpy as np

from unimedi.phantom.distractors import Distractor
from unimedi.phantom.outlines import Mask, passing
from unimedi.phantom.voxelise import Box, Grid, ball_cover

INNOCENT = "innocent"  # the mask's name; no report mentions it, so no label has that name
KINDS = frozenset({"granuloma", "calcified_node", "bone_island", "plaque", "hernia"})


def innocent_mask(distractors: Iterable[Distractor], grid: Grid) -> Mask:
    """Union of the compact distractors inside the chest, over the whole grid (depth, height, width).

    Compact: a ball, round or flattened, of one of ``KINDS``. Left out are electrodes, nipples, metal dots and
    pacemakers (on the skin or in the chest wall, where no lesion of the catalogue lies), a meal (under the diaphragm),
    and catheters, leads and wires (lines: most run through so many slices that they tell none apart). A voxel counts as
    it does for a finding: its coverage passes a half, or half the thing's largest where that is less.
    """
    mask = np.zeros(grid.shape, np.bool_)
    for one in distractors:
        if one.kind in KINDS and len(one.points) == 1:
            box, marked = _marked(one, grid)
            mask[box] |= marked
    return mask


def _marked(one: Distractor, grid: Grid) -> tuple[Box, Mask]:
    """The voxels of one thing. Of one that begins outside the field a soft rim alone is no sight of it."""
    box, share = ball_cover(grid, one.points[0], one.radius_mm, one.stretch)
    return box, passing(share) if grid.holds(one.points[0]) else share > 0.5
