"""Is all of the chest in the picture, and are its sizes those of a person? Signs of one volume, outliers of many."""

from collections.abc import Sequence
from math import log

import numpy as np

from unimedi.doctor.chest import Chest

END = 0.10  # of the lungs' largest cross-section: apices and the last recess are less, a cut end is more
SIDE = 10.0  # cm² of lung on a side of the picture
BODY = 0.75  # of the body's largest cross-section parallel to a side: an oval cut there has lost a third of a half
SHORT = (
    120.0  # mm from the first plane to the last: an adult's lungs take 200 to 350, a newborn's chest is no part here
)
FEW = 16  # slices: half of what the smallest recipe asks of a volume
THICK = 7.5  # mm: beyond the usual 5 mm of thick series, with room for gaps
FIELD = (150.0, 700.0)  # mm, width of a CT's picture: a child's chest to a wide bore's extended field
DETECTOR = (80.0, 600.0)  # mm, side of an X-ray: detectors have 430, long ones more
FAR = 3.0  # times as large or small as the modality's median spacing
ENOUGH = 20  # studies of a modality, to speak of its median


def truncation(chest: Chest) -> dict[str, float]:
    """``at_feet`` and ``at_head``: the lungs' cross-section in the outermost plane as a share of their largest;
    ``at_side`` in cm² of lung, ``body_at_side`` as a share of the body's largest section."""
    area = chest.lungs.sum(axis=(1, 2))
    largest = float(max(area.max(), 1))
    sides = {"at_side": chest.lung_at_side, "body_at_side": chest.body_at_side}
    return sides | {"at_feet": float(area[0]) / largest, "at_head": float(area[-1]) / largest}


def cut_signs(shares: dict[str, float]) -> tuple[str, ...]:
    """``cut_at_feet``, ``cut_at_head``, ``cut_at_side``."""
    cut = {
        "cut_at_side": shares["at_side"] > SIDE or shares["body_at_side"] > BODY,
        "cut_at_feet": shares["at_feet"] > END,
        "cut_at_head": shares["at_head"] > END,
    }
    return tuple(sign for sign, here in cut.items() if here)


def size_signs(shape: Sequence[int], spacing: Sequence[float]) -> tuple[str, ...]:
    """``short_volume``, ``few_slices``, ``thick_slices`` and ``odd_field`` of shape and spacing (mm, same order)."""
    extent = [n * mm for n, mm in zip(shape, spacing, strict=True)]
    low, high = FIELD if len(shape) == 3 else DETECTOR
    odd = not all(low <= side <= high for side in extent[-2:])
    found = {"odd_field": odd}
    if len(shape) == 3:
        found |= {"short_volume": extent[0] < SHORT, "few_slices": shape[0] < FEW, "thick_slices": spacing[0] > THICK}
    return tuple(name for name, here in found.items() if here)


def spacing_outliers(spacings: Sequence[Sequence[float]]) -> list[int]:
    """Positions whose spacing is three times larger or smaller than the median on some axis; ``()`` is left out."""
    known = [i for i, spacing in enumerate(spacings) if spacing]
    if len(known) < ENOUGH:
        return []
    logs = np.log(np.array([spacings[i] for i in known], dtype=np.float64))
    far = np.abs(logs - np.median(logs, axis=0)).max(axis=1) > log(FAR)
    return [known[i] for i in np.flatnonzero(far).tolist()]
