"""Which way does the patient lie? Decided by the chest's own anatomy, whatever the header says.

Each axis has its own cues, positive in the axis order of ``imaging/image.py`` and negative in a mirrored file:

- feet to head: the lungs' tops are narrow domes, so their upper surface falls towards the rim; and the heart, which is
  broad, stands in their lower half;
- front to back: the spine holds most of the bone near the middle plane, the breastbone is thin;
- right to left: the liver fills the space under the right lung, while stomach, bowel, fat and spleen share that under
  the left; and the descending aorta runs on the left of the spine.

One person in about ten thousand is a mirror image (situs inversus): a flagged study is to be looked at, not deleted.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from unimedi.doctor.chest import Chest, bone_weight, middle, spine_line

SOFT = (-50, 400)  # HU: tissue and blood with contrast, no bone
ORGAN = (20, 250)  # HU: liver and spleen with and without contrast; fat, gas and water are below
UNDER = (8.0, 60.0)  # mm below the lungs: past the diaphragm, not yet at the kidneys
ASIDE = 15.0  # mm from the spine's middle, half a vertebra
AORTA = (8.0, 38.0, -55.0, -10.0)  # mm beside (from, to) and in front of the spine's centroid (from, to)
ENOUGH = 100.0  # ml on either side, to compare them
DECIDED = 0.5  # in units of what is usual (a sum of cues, each about 1 in a usual chest)


@dataclass(frozen=True, slots=True)
class Orientation:
    """A score an axis: about 2 in a usual chest, about -2 in a mirrored one, near 0 where it cannot be decided."""

    head: float
    back: float
    left: float

    @property
    def signs(self) -> tuple[str, ...]:
        names = {"flipped_head_feet": self.head, "flipped_front_back": self.back, "flipped_left_right": self.left}
        return tuple(name for name, score in names.items() if score < -DECIDED)


def read_orientation(chest: Chest, ends: bool = True) -> Orientation:
    """Scores of a recognised chest; left and right are decided after the other two axes, turned as their scores say.

    ``ends``: whether the volume shows both ends of the lungs. A lung without its top has no dome.
    """
    head, back = _head(chest) if ends else 0.0, _back(chest)
    turned = _turned(chest, head < -DECIDED, back < -DECIDED)
    return Orientation(head, back, _left(turned))


def _head(chest: Chest) -> float:
    """Mean fall of both surfaces from the lungs' core to their rim (about 1 mm a mm), and how far the soft tissue
    between the lungs lies in their lower part (about 0.3 of it more than above)."""
    lungs, (first, last) = chest.lungs, chest.extent
    shadow = lungs.any(axis=0)
    rim = ndimage.distance_transform_edt(np.pad(shadow, 1), sampling=chest.step[1:])[1:-1, 1:-1][shadow]
    lowest = lungs.argmax(axis=0)[shadow] * chest.step[0]
    highest = (len(lungs) - 1 - lungs[::-1].argmax(axis=0)[shadow]) * chest.step[0]
    inward = rim - rim.mean()
    spread = float(inward @ inward)
    slope = float(inward @ (lowest + highest)) / spread if spread > 0 else 0.0
    between = _between(chest).sum(axis=(1, 2)).astype(np.float64)
    margin, third = (last - first + 1) // 8, (last - first + 1) // 3
    low = between[first + margin : first + margin + third].sum()
    high = between[last + 1 - margin - third : last + 1 - margin].sum()
    broader = float((low - high) / max(low + high, 1))
    return slope + min(max(3 * broader, -1.0), 1.0)  # fluid can fill the lungs' lower part and leave no heart to see


def _back(chest: Chest) -> float:
    """Bone near the middle plane: the back third of the body against the front third, twice."""
    first, last = chest.extent
    _, width = middle(chest)
    near = np.abs(np.arange(chest.hu.shape[2]) - width) * chest.step[2] < 40
    bone = bone_weight(chest)[first : last + 1, :, near].sum(axis=(0, 2))
    rows = np.flatnonzero(chest.body.any(axis=(0, 2)))
    place = (np.arange(len(bone)) - rows[0]) / max(rows[-1] - rows[0], 1)
    front, back = bone[place < 1 / 3].sum(), bone[place > 2 / 3].sum()
    return 2 * float((back - front) / max(back + front, 1e-6))


def _left(chest: Chest) -> float:
    """Solid organ under the lungs (right less left, usually 0.5 of the space) and soft tissue beside the spine (left
    less right, 0.2 of it); 0 for a cue that lies outside the volume."""
    y, x = spine_line(chest)
    aside = (np.arange(chest.hu.shape[2])[None, None] - x[:, None, None]) * chest.step[2]
    ahead = (np.arange(chest.hu.shape[1])[None, :, None] - y[:, None, None]) * chest.step[1]
    return 2 * _organs(chest, aside) + 2 * _aorta(chest, aside, ahead)


def _organs(chest: Chest, aside: NDArray[np.float64]) -> float:
    lowest = chest.lungs.argmax(axis=0)
    below = (lowest[None] - np.arange(len(chest.hu))[:, None, None]) * chest.step[0]
    under = (below > UNDER[0]) & (below < UNDER[1]) & chest.lungs.any(axis=0)
    organ = (chest.hu > ORGAN[0]) & (chest.hu < ORGAN[1])
    right, left = under & (aside < -ASIDE), under & (aside > ASIDE)
    if min(chest.millilitres(right), chest.millilitres(left)) < ENOUGH:
        return 0.0
    return float(organ[right].mean() - organ[left].mean())


def _aorta(chest: Chest, aside: NDArray[np.float64], ahead: NDArray[np.float64]) -> float:
    first, last = chest.extent
    nearest, farthest, front, back = AORTA
    soft = (chest.hu > SOFT[0]) & (chest.hu < SOFT[1]) & (ahead > front) & (ahead < back)
    from_, to = first + round(0.3 * (last - first)), first + round(0.75 * (last - first)) + 1
    left = int(np.count_nonzero((soft & (aside > nearest) & (aside < farthest))[from_:to]))
    right = int(np.count_nonzero((soft & (aside < -nearest) & (aside > -farthest))[from_:to]))
    return (left - right) / max(left + right, 1)


def _between(chest: Chest) -> NDArray[np.bool_]:
    """Soft tissue with lung on both sides of it in its row."""
    from_right = np.maximum.accumulate(chest.lungs, axis=2)
    from_left = np.maximum.accumulate(chest.lungs[:, :, ::-1], axis=2)[:, :, ::-1]
    return np.asarray(from_right & from_left & ~chest.lungs & (chest.hu > -200))


def _turned(chest: Chest, upside_down: bool, face_down: bool) -> Chest:
    """The chest with its first two axes as they seem to be."""
    flip = (slice(None, None, -1 if upside_down else 1), slice(None, None, -1 if face_down else 1))
    return Chest(
        chest.hu[flip], chest.step, chest.body[flip], chest.lungs[flip], chest.lung_at_side, chest.body_at_side
    )
