"""Are these Hounsfield units? Told by where the two peaks of every CT lie: air and soft tissue.

Water is 0 and air -1000 by definition, and scanners keep to it within a few units, so the peaks have little room:
air around the patient -1000, lung -950 to -700, fat -120 to -70, muscle and organs 30 to 70, blood with contrast more.
A rescaling applied twice, forgotten or wrong moves both peaks in a way of its own.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from unimedi.errors import InputError

SAMPLE = 1_000_000  # voxels looked at: a peak is known to far less than a unit from these
BIN = 8  # HU: below the noise of any CT (10 to 30), so nothing is lost
SMOOTH = 2.0  # bins, 16 HU
AIR = (-1060.0, -920.0)  # HU of the lower peak where air around the patient makes it
LUNG = (-920.0, -680.0)  # ... where lung does, in a picture cut so close that there is no air around the patient
LOWEST = (-1060.0, -860.0)  # HU of the lowest per cent in such a picture: windpipe, emphysema, noise
TISSUE = (-150.0, 100.0)  # HU of the upper peak: a fat patient's fat to muscle after contrast, with 30 for noise
SOLID = -500  # HU, half way from lung to tissue
LEAST_SOLID = 0.05  # of the voxels; a chest has 30 to 60 % above, an intercept subtracted twice leaves only bone
HIGHEST = 4095  # HU: the top of a 12-bit scanner's scale with air at 0; above there is extended metal, and little of it
MOST_ABOVE = 0.01  # of the voxels: more is air that wrapped round
BRIGHT, MOST_BRIGHT = 900, 0.08  # HU, cortical bone; all bones together are about 5 % of a trunk
INTERCEPT = (-1400.0, -700.0)  # by how much an intercept applied once too often moves everything: -1000 or -1024 mostly


@dataclass(frozen=True, slots=True)
class Scale:
    """``air`` and ``tissue`` are the two peaks in HU, ``lowest`` the first percentile without padding; ``solid``,
    ``bright`` and ``beyond`` shares of voxels above -500, 900 and 4095 HU (or below -4096)."""

    air: float
    tissue: float
    lowest: float
    solid: float
    bright: float
    beyond: float

    @property
    def sign(self) -> str:
        """What is wrong, or ``""``: ``wrapped``, ``scaled_twice``, ``not_scaled``, ``wrong_slope`` or ``odd_hu``."""
        if self.beyond > MOST_ABOVE:
            return "wrapped"
        shift = (self.air + 1000 + self.tissue) / 2
        if self.solid < LEAST_SOLID or (_in(self.tissue, INTERCEPT) and shift < INTERCEPT[1]):
            return "scaled_twice"
        if -INTERCEPT[1] < self.tissue < -INTERCEPT[0] and shift > -INTERCEPT[1]:
            return "not_scaled"
        airy = _in(self.air, AIR) or (_in(self.air, LUNG) and _in(self.lowest, LOWEST))
        if not _in(self.tissue, TISSUE) or self.bright > MOST_BRIGHT:
            return "wrong_slope"
        return "" if airy else "odd_hu"


def read_scale(voxels: NDArray[np.int16]) -> Scale:
    """The scale of a volume (depth, height, width) in what should be HU; padding (a spike at the minimum) is left out.

    Raises:
        InputError: there is nothing but padding.
    """
    every = max(1, round((voxels.size / SAMPLE) ** (1 / 3)))
    sample = voxels[::every, ::every, ::every].astype(np.int32).ravel()
    inside = sample[sample > _padding(sample)]
    if inside.size == 0:
        raise InputError("expected a volume of several values, got one of padding alone")
    low, high = np.percentile(inside, (0.1, 99.9))
    edges = np.arange(low - BIN, high + 2 * BIN, BIN)
    counts = gaussian_filter1d(np.histogram(inside, edges)[0].astype(np.float64), SMOOTH, mode="constant")
    centres = (edges[:-1] + edges[1:]) / 2
    between = _otsu(counts, centres)
    lower, upper = centres < between, centres >= between
    return Scale(
        air=float(centres[lower][counts[lower].argmax()]) if lower.any() else float(low),
        tissue=float(centres[upper][counts[upper].argmax()]),
        lowest=float(np.percentile(inside, 1)),
        solid=float(np.mean(sample > SOLID)),
        bright=float(np.mean(inside > BRIGHT)),
        beyond=float(np.mean((sample > HIGHEST) | (sample < -HIGHEST - 1))),
    )


def _padding(sample: NDArray[np.int32]) -> int:
    """The minimum where it is a spike (what scanners write outside their field, or a clipped scale), or below it."""
    lowest = int(sample.min())
    here = np.count_nonzero(sample == lowest)
    near = np.count_nonzero((sample > lowest) & (sample <= lowest + 20)) / 20
    return lowest if here > 5 * near and here > 0.002 * sample.size else lowest - 1


def _otsu(counts: NDArray[np.float64], centres: NDArray[np.float64]) -> float:
    """The value that divides a histogram into two classes with most variance between them."""
    below = np.cumsum(counts)
    mass = np.cumsum(counts * centres)
    above = below[-1] - below
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = mass / below - (mass[-1] - mass) / above
    variance = np.nan_to_num(below * above * apart**2, nan=0.0, posinf=0.0)
    return float(centres[variance.argmax()] + BIN / 2)


def _in(value: float, bounds: tuple[float, float]) -> bool:
    return bounds[0] <= value <= bounds[1]
