"""Is an image what it is said to be? The check that every image passes, in prepare, doctor, embed and processor.

A mask, a PET or a CT scaled to 0..1 is no CT in Hounsfield units, and a label image is no radiograph.
"""

import numpy as np
from numpy.typing import NDArray

from unimedi.cohort.study import Modality
from unimedi.imaging.image import ImagingError, Radiograph, Volume

LOWEST = -20  # HU: fat is -100 and air -1000; splines take a picture of 0..255, a PET or an MR a few units below 0
SPAN = 100  # HU from the lowest to the highest voxel, at least; what was scaled to -1..1 or by its deviation has less
GREY = "grey_as_hu"  # the note of a CT that came as pictures, and is judged as these
ROWS = 64  # pairs of rows looked at
FLAT = 0.9  # of the pixels equal their neighbours to the right and below: noise and blur leave fewer in an X-ray
LABELS = 64  # different values, at most: bones of a body, organs of a trunk


def refuse_foreign(image: Radiograph | Volume, modality: Modality, name: str) -> None:
    """Refuse an image that is not of ``modality``.

    Args:
        image: as ``read_image`` gives it.
        modality: what the manifest, or the caller, says that it is.
        name: what the message calls it.

    Raises:
        ImagingError: ``wrong_dimension``, ``wrong_modality`` (of a volume, by its header), ``not_hu`` (a CT), or
            ``label_image`` (any other).
    """
    if image.ndim != modality.ndim:
        raise ImagingError(
            "wrong_dimension", f"{name}: expected {modality} ({modality.ndim}-D), the image is {image.ndim}-D"
        )
    if isinstance(image, Volume) and image.modality not in ("", modality):
        raise ImagingError("wrong_modality", f"{name}: expected {modality}, its header says {image.modality}")
    if isinstance(image, Volume) and modality is Modality.CT and GREY not in image.notes:
        _check_hounsfield(image.voxels, name)
    elif _is_labels(image.array if image.ndim == 2 else image.array[len(image.array) // 2]):
        raise ImagingError("label_image", f"{name}: large areas of few values: a mask or a label image, not an image")


def _check_hounsfield(voxels: NDArray[np.int16], name: str) -> None:
    low, high = int(voxels.min()), int(voxels.max())
    if low > LOWEST or high - low < SPAN:
        message = f"{name}: values from {low} to {high}, so these are not Hounsfield units (air -1000, water 0)"
        raise ImagingError("not_hu", f"{message}: a mask, another modality, or a CT that was scaled")


def _is_labels(plane: NDArray[np.generic]) -> bool:
    rows = np.unique(np.linspace(0, len(plane) - 2, ROWS).astype(int))
    here, below = plane[rows, :-1], plane[rows + 1, :-1]
    flat = (here == plane[rows, 1:]) & (here == below)
    return bool(flat.mean() >= FLAT) and len(np.unique(plane[rows])) <= LABELS
