"""Where a picture comes to lie in the target that a store keeps: its physical aspect stays, the rest is padding."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a picture (height, width) comes to lie in a target: ``content`` pixels at ``offset``, else padding."""

    content: tuple[int, int]
    offset: tuple[int, int]

    @classmethod
    def fit(cls, shape: tuple[int, int], spacing: tuple[float, float], target: tuple[int, int]) -> "Placement":
        """The largest centred content that keeps the *physical* aspect (spacing in mm a pixel, height and width)."""
        extent = (shape[0] * spacing[0], shape[1] * spacing[1])
        pixel = max(extent[0] / target[0], extent[1] / target[1])
        content = tuple(min(max(round(e / pixel), 1), t) for e, t in zip(extent, target, strict=True))
        offset = tuple((t - c) // 2 for t, c in zip(target, content, strict=True))
        return cls((content[0], content[1]), (offset[0], offset[1]))

    def cut(self, placed: NDArray[T]) -> NDArray[T]:
        """The content of a picture (..., *target) that :meth:`place` made."""
        (top, left), (height, width) = self.offset, self.content
        return placed[..., top : top + height, left : left + width]

    def place(self, content: NDArray[T], target: tuple[int, int], fill: int) -> NDArray[T]:
        """Put ``content`` (..., height, width) into an array (..., *target) that is ``fill`` elsewhere."""
        if self.content == target:
            return content
        out = np.full((*content.shape[:-2], *target), fill, dtype=content.dtype)
        (top, left), (height, width) = self.offset, self.content
        out[..., top : top + height, left : left + width] = content
        return out
