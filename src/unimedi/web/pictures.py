"""Pictures for a browser: a plane in a window of grey values, and a map to lay over it."""

import io
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float
from matplotlib import colormaps
from numpy import ndarray
from numpy.typing import NDArray
from PIL import Image

from unimedi.cohort.study import Modality
from unimedi.explanation.pictures import FAINT, FOR_AND_AGAINST, OPAQUE
from unimedi.imaging.image import Radiograph, Volume
from unimedi.web.images import Shown

TAGGED: Final = 1  # zlib's level: a plane is sent once and looked at, so speed counts
THUMBNAIL: Final = 192  # pixels, the longer side


@dataclass(frozen=True, slots=True)
class Window:
    """Grey values from black to white: their number and their middle, Hounsfield units for a CT."""

    width: float
    level: float


# The usual windows of a chest reading room; keys 1 to 5.
PRESETS: Final = {
    "lung": Window(1500.0, -600.0),
    "soft tissue": Window(400.0, 40.0),
    "bone": Window(2500.0, 480.0),
    "brain": Window(80.0, 40.0),
    "liver": Window(150.0, 90.0),
}


def default_window(image: Radiograph | Volume) -> Window:
    """Lung for a CT; else from the 1st to the 99th percentile."""
    if isinstance(image, Volume) and image.modality != Modality.MR:
        return PRESETS["lung"]
    array = image.array if image.ndim == 2 else image.array[len(image.array) // 2]
    low, high = (float(value) for value in np.percentile(array, (1, 99)))
    if high <= low:
        low, high = float(array.min()), float(array.max())
    return Window(max(high - low, 1e-6), (high + low) / 2)


def grey(shown: Shown, plane: int, window: Window, invert: bool = False) -> NDArray[np.uint8]:
    """A plane (of a radiograph the whole), 0 black to 255 white; the patient's right on the viewer's left."""
    array = shown.display.array
    values = (array if array.ndim == 2 else array[plane]).astype(np.float32)
    scaled = (values - np.float32(window.level - window.width / 2)) * np.float32(255 / window.width)
    shades: NDArray[np.uint8] = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
    return np.invert(shades) if invert else shades


def plane_png(shown: Shown, plane: int, window: Window, invert: bool = False) -> bytes:
    """A plane as PNG, a pixel a voxel."""
    return _png(Image.fromarray(grey(shown, plane, window, invert)))


def thumbnail_png(shown: Shown, plane: int) -> bytes:
    """A plane in its usual window, in the proportions of the body, its longer side ``THUMBNAIL`` pixels."""
    height, width = shown.size_mm
    by = THUMBNAIL / max(height, width)
    size = (max(1, round(width * by)), max(1, round(height * by)))
    small = Image.fromarray(grey(shown, plane, default_window(shown.display)))
    return _png(small.resize(size, Image.Resampling.LANCZOS if small.width > size[0] else Image.Resampling.BICUBIC))


def attention_png(values: Float[ndarray, "rows columns"], most: float) -> bytes:
    """Attention as a picture to lay over a plane; ``most`` is the highest of the whole map."""
    return _overlay(colormaps["inferno"](np.clip(values / most, 0, 1)), values, most)


def relevance_png(values: Float[ndarray, "rows columns"], most: float) -> bytes:
    """What speaks for a query in orange, what speaks against it in blue; ``most`` is the strongest of the whole map."""
    return _overlay(FOR_AND_AGAINST(np.clip(values / most / 2 + 0.5, 0, 1)), values, most)


def _overlay(colours: NDArray[np.float64], values: Float[ndarray, "rows columns"], most: float) -> bytes:
    """Weak values leave the plane as it is, as in the pictures of ``unimedi explain``."""
    colours[..., 3] = np.clip((np.abs(values) / most - FAINT) * 1.3, 0, OPAQUE) / OPAQUE
    return _png(Image.fromarray((colours * 255).astype(np.uint8)))


def _png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=TAGGED)
    return file.getvalue()
