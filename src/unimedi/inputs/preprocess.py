"""From an image to the tensors that the model sees: ONE object for preparing, training and serving.

Two stages. ``stored`` (:mod:`unimedi.inputs.stored_form`) runs once a study and gives what the store keeps (int16,
fixed shape). ``normalise`` and ``slices`` run on the device, on batches of stored arrays, and give what T_2D and T_3D
see. A volume is kept at the higher resolution ``hires_shape``: the volume input is downsampled from it, the selected
slices are cut from it (paper, section 3.2), so a small lesion may be visible only in a slice.
"""

import numpy as np
import torch
from jaxtyping import Float, Int, Int16
from numpy.typing import NDArray
from torch import Tensor

from unimedi.errors import InputError
from unimedi.imaging import resample
from unimedi.imaging.image import Radiograph, Volume
from unimedi.imaging.intensity import RADIOGRAPH_MAX
from unimedi.imaging.resample import downsample, resize, resize_bits
from unimedi.inputs.preprocess_settings import PreprocessSettings
from unimedi.inputs.stored_form import StoredForm


class Preprocess(StoredForm):
    """Sizes and window of a model's inputs, and what applies them. It is saved with a store and with a model, and both
    must agree.

    Args:
        radiograph_size, hires_shape, volume_shape, slice_size, hu_window: as
            :class:`~unimedi.inputs.preprocess_settings.PreprocessSettings` has them.

    Raises:
        InputError: a size that is not positive, or a window that is empty.
    """

    resize_array = staticmethod(resample.resize_array)

    @classmethod
    def of(cls, settings: PreprocessSettings) -> "Preprocess":
        """What applies these settings."""
        return cls.from_dict(settings.to_dict())

    # -- once a study: masks --------------------------------------------------------------------------------------

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

    def own_map(self, values: NDArray[np.float32], image: Radiograph | Volume) -> NDArray[np.float32]:
        """A map over the whole of ``stored(image)``, its cells of any size, to ``image``'s own grid.

        Values are of the middles of cells and linear between them; what lies over padding is left out.
        """
        depth = () if isinstance(image, Radiograph) else (self.hires_shape[0],)
        stored = self.resize_array(values, (*depth, *self._plane(image)))
        own: NDArray[np.float32] = self.resize_array(self._placement(image).cut(stored), image.array.shape)
        return own

    def own_map_plane(self, values: NDArray[np.float32], volume: Volume, plane: int) -> NDArray[np.float32]:
        """``own_map(values, volume)[plane]``, made without the other planes; ``values`` has as many slabs as the stored
        volume has planes, or fewer."""
        cells = values.shape[1:]
        deep = self.resize_array(self.resize_array(values, (self.hires_shape[0], *cells)), (len(volume.voxels), *cells))
        stored = self.resize_array(deep[plane], self.hires_shape[1:])
        own: NDArray[np.float32] = self.resize_array(self._placement(volume).cut(stored), volume.voxels.shape[1:])
        return own

    def _plane(self, image: Radiograph | Volume) -> tuple[int, int]:
        return self.radiograph_size if isinstance(image, Radiograph) else self.hires_shape[1:]

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
        rows = torch.arange(hires.shape[0], device=hires.device)[:, None]  # len() is a constant to torch.export
        planes = resize(hires[rows, index].float(), self.slice_size)  # the k planes travel as channels
        return hu_window(planes, self.hu_window)[:, :, None]


def hu_window(hu: Float[Tensor, "*shape"], window: tuple[float, float]) -> Float[Tensor, "*shape"]:
    """Hounsfield units to [-1, 1]: the window's ends map to -1 and 1, beyond them is clamped."""
    low, high = window
    return ((hu - low) * (2.0 / (high - low)) - 1.0).clamp(-1.0, 1.0)
