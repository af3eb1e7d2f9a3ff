"""From an image to what the store keeps of it: NumPy alone, so that a model can be served without torch."""

from dataclasses import fields
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from unimedi.errors import InputError
from unimedi.imaging import resample_numpy
from unimedi.imaging.image import Radiograph, Volume
from unimedi.imaging.intensity import AIR_HU, METAL_HU, check, robust_range
from unimedi.imaging.placement import Placement
from unimedi.inputs.preprocess_settings import PreprocessSettings

S = TypeVar("S", bound=PreprocessSettings)
RENAMED = {"fine_shape": "hires_shape"}  # in stores and pretrained folders of before 2026-11-30


class StoredForm(PreprocessSettings):
    """The first stage of :class:`unimedi.inputs.preprocess.Preprocess`, which resizes by torch, faster."""

    resize_array = staticmethod(resample_numpy.resize_array)

    @classmethod
    def from_dict(cls: type[S], values: dict[str, Any]) -> S:
        """What :meth:`to_dict` gave; InputError where a name is not known."""
        values = {RENAMED.get(key, key): value for key, value in values.items()}
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise InputError(f"preprocess: unknown {', '.join(unknown)}; known are {', '.join(sorted(known))}")
        kinds = {"hu_window": float}  # JSON and YAML write -1000.0 as they like
        sizes: dict[str, Any] = {key: tuple(kinds.get(key, int)(n) for n in value) for key, value in values.items()}
        return cls(**sizes)

    def stored(self, image: Radiograph | Volume) -> NDArray[np.int16]:
        """What the store keeps: (height, width) in 0..4095 or (depth, height, width) in HU.

        The physical aspect in the plane is kept by padding (0 for a radiograph, -1024 HU for a volume); depth is
        resampled to ``hires_shape[0]`` whatever it spans. A volume that already fits comes back voxel by voxel
        (clipped to -1024..3071 HU).

        Raises:
            ImagingError: the image is constant, NaN, too small, or has fewer slices than a slab.
        """
        check(image)
        placement = self._placement(image)
        if isinstance(image, Radiograph):
            pixels = robust_range(self.resize_array(image.pixels, placement.content))
            return np.ascontiguousarray(placement.place(pixels, self.radiograph_size, fill=0))
        # Clipped before averaging: one voxel of -3024 "outside the scanner" would darken its neighbours.
        voxels = np.clip(image.voxels, AIR_HU, METAL_HU)
        size = (self.hires_shape[0], *placement.content)
        if voxels.shape != size:
            voxels = np.rint(self.resize_array(voxels, size)).astype(np.int16)
        return np.ascontiguousarray(placement.place(voxels, self.hires_shape[1:], fill=AIR_HU))

    def stored_spacing(self, image: Radiograph | Volume) -> tuple[float, ...] | None:
        """Spacing of ``stored(image)`` in mm, same axis order; None where the file does not say."""
        if image.spacing is None:
            return None
        depth = () if isinstance(image, Radiograph) else (self.hires_shape[0],)
        new = (*depth, *self._placement(image).content)
        return tuple(s * o / n for s, o, n in zip(image.spacing, image.array.shape, new, strict=True))

    def _placement(self, image: Radiograph | Volume) -> Placement:
        if isinstance(image, Radiograph):
            return Placement.fit(image.pixels.shape[:2], image.pixel, self.radiograph_size)
        return Placement.fit(image.voxels.shape[1:3], image.spacing[1:], self.hires_shape[1:])
