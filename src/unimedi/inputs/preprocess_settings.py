"""The settings of preparing images, without the code that applies them: a recipe is read where torch is not."""

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from typing import Any

from unimedi.errors import InputError


@dataclass(frozen=True)
class PreprocessSettings:
    """Sizes of images in pixels, (height, width) or (depth, height, width), and the window of CTs."""

    radiograph_size: tuple[int, int] = (128, 128)
    """what the store keeps of an X-ray, and T_2D sees"""
    hires_shape: tuple[int, int, int] = (64, 128, 128)
    """what the store keeps of a CT; slices are cut from it"""
    volume_shape: tuple[int, int, int] = (32, 96, 96)
    """what T_3D sees of a CT"""
    slice_size: tuple[int, int] = (128, 128)
    """what T_2D sees of a slice"""
    hu_window: tuple[float, float] = (-1000.0, 1000.0)
    """from which to which Hounsfield unit a CT's values become -1 to 1"""

    def __post_init__(self) -> None:
        for field, length in (("radiograph_size", 2), ("hires_shape", 3), ("volume_shape", 3), ("slice_size", 2)):
            size = tuple(int(n) for n in getattr(self, field))
            if len(size) != length or min(size) < 1:
                raise InputError(f"{field}: expected {length} positive sizes, got {getattr(self, field)}")
            object.__setattr__(self, field, size)
        window = tuple(float(x) for x in self.hu_window)
        if len(window) != 2 or not -math.inf < window[0] < window[1] < math.inf:
            raise InputError(f"hu_window: expected (low, high) in HU with low < high, got {self.hu_window}")
        object.__setattr__(self, "hu_window", window)

    def to_dict(self) -> dict[str, Any]:
        return {key: list(value) for key, value in asdict(self).items()}

    def fingerprint(self) -> str:
        """Sha256 of the settings as canonical JSON."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":")).encode()).hexdigest()
