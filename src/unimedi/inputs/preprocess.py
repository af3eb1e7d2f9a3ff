"""From an image to the tensors that the model sees: ONE object for preparing, training and serving.

Two stages. ``stored`` runs once a study and gives what the store keeps (int16, fixed shape). ``normalise``
and ``slices`` run on the device, on batches of stored arrays, and give what T_2D and T_3D see.
A volume is kept at the higher resolution ``hires_shape``: the volume input is downsampled from it, the selected slices
are cut from it (paper, section 3.2), so a small lesion may be visible only in a slice.
"""

from dataclasses import fields
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, Int16
from numpy.typing import NDArray
from torch import Tensor

from unimedi.errors import InputError
from unimedi.imaging.image import Radiograph, Volume
from unimedi.imaging.intensity import AIR_HU, METAL_HU, RADIOGRAPH_MAX, check, hu_window, robust_range
from unimedi.imaging.resample import Placement, downsample, resize, resize_array, resize_bits
from unimedi.inputs.preprocess_settings import PreprocessSettings

RENAMED = {"fine_shape": "hires_shape"}  # in stores and pretrained folders of before 2026-11-30


class Preprocess(PreprocessSettings):
    """Sizes and window of a model's inputs, and what applies them. It is saved with a store and with a model, and both
    must agree.

    Args:
        radiograph_size, hires_shape, volume_shape, slice_size, hu_window: as
            :class:`~unimedi.inputs.preprocess_settings.PreprocessSettings` has them.

    Raises:
        InputError: a size that is not positive, or a window that is empty.
    """

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Preprocess":
        values = {RENAMED.get(key, key): value for key, value in values.items()}
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise InputError(f"preprocess: unknown {', '.join(unknown)}; known are {', '.join(sorted(known))}")
        kinds = {"hu_window": float}  # JSON and YAML write -1000.0 as they like
        sizes: dict[str, Any] = {key: tuple(kinds.get(key, int)(n) for n in value) for key, value in values.items()}
        return cls(**sizes)

    @classmethod
    def of(cls, settings: PreprocessSettings) -> "Preprocess":
        """What applies these settings."""
        return cls.from_dict(settings.to_dict())

    # -- once a study ---------------------------------------------------------------------------------------------

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
            pixels = robust_range(resize_array(image.pixels, placement.content))
            return np.ascontiguousarray(placement.place(pixels, self.radiograph_size, fill=0))
        # Clipped before averaging: one voxel of -3024 "outside the scanner" would darken its neighbours.
        voxels = np.clip(image.voxels, AIR_HU, METAL_HU)
        size = (self.hires_shape[0], *placement.content)
        if voxels.shape != size:
            voxels = np.rint(resize_array(voxels, size)).astype(np.int16)
        return np.ascontiguousarray(placement.place(voxels, self.hires_shape[1:], fill=AIR_HU))

    def stored_mask(self, bits: NDArray[np.uint16], image: Radiograph | Volume) -> NDArray[np.uint16]:
        """Bit field of masks (one bit a finding) in ``image``'s own grid to the geometry of ``stored(image)``."""
        if bits.shape != image.array.shape:
            raise InputError(f"expected a mask of the image's shape {image.array.shape}, got {bits.shape}")
        placement = self._placement(image)
        depth = () if isinstance(image, Radiograph) else (self.hires_shape[0],)
        return placement.place(resize_bits(bits, (*depth, *placement.content)), self._plane(image), fill=0)

    def own_mask(self, bits: NDArray[np.uint16], image: Radiograph | Volume) -> NDArray[np.uint16]:
        """Bit field of masks in the geometry of ``stored(image)`` to ``image``'s own grid, by the nearest pixel: what
        :meth:`stored_mask` does, the other way."""
        return resize_bits(self._placement(image).cut(bits), image.array.shape)

    def stored_spacing(self, image: Radiograph | Volume) -> tuple[float, ...] | None:
        """Spacing of ``stored(image)`` in mm, same axis order; None where the file does not say."""
        if image.spacing is None:
            return None
        depth = () if isinstance(image, Radiograph) else (self.hires_shape[0],)
        new = (*depth, *self._placement(image).content)
        return tuple(s * o / n for s, o, n in zip(image.spacing, image.array.shape, new, strict=True))

    def _plane(self, image: Radiograph | Volume) -> tuple[int, int]:
        return self.radiograph_size if isinstance(image, Radiograph) else self.hires_shape[1:]

    def _placement(self, image: Radiograph | Volume) -> Placement:
        if isinstance(image, Radiograph):
            return Placement.fit(image.pixels.shape[:2], image.pixel, self.radiograph_size)
        return Placement.fit(image.voxels.shape[1:3], image.spacing[1:], self.hires_shape[1:])

    # -- once a batch, on the device ------------------------------------------------------------------------------

    def normalise(self, stored: Int16[Tensor, "batch *size"]) -> Float[Tensor, "batch 1 *grid"]:
        """Stored radiographs (3 axes with the batch's) or volumes (4) to the input of T_2D or T_3D in [-1, 1]."""
        return self.radiographs(stored) if stored.ndim == 3 else self.volumes(stored)

    def radiographs(self, stored: Int16[Tensor, "batch height width"]) -> Float[Tensor, "batch 1 height width"]:
        """Stored radiographs to T_2D's input in [-1, 1]."""
        return (stored.float() * (2.0 / RADIOGRAPH_MAX) - 1.0)[:, None]

    def volumes(self, hires: Int16[Tensor, "batch planes height width"]) -> Float[Tensor, "batch 1 d h w"]:
        """Stored volumes to T_3D's input: averaged down to ``volume_shape`` in HU, then windowed to [-1, 1]."""
        return hu_window(downsample(hires, self.volume_shape), self.hu_window)[:, None]

    def slices(
        self, hires: Int16[Tensor, "batch planes height width"], index: Int[Tensor, "batch k"]
    ) -> Float[Tensor, "batch k 1 h w"]:
        """Axial planes ``index`` (depth index in the stored volume) to T_2D's input in [-1, 1]."""
        rows = torch.arange(len(hires), device=hires.device)[:, None]
        planes = resize(hires[rows, index].float(), self.slice_size)  # the k planes travel as channels
        return hu_window(planes, self.hu_window)[:, :, None]
