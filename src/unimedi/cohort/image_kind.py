"""What an image is to the model: the one index of kinds, from a manifest's modality to the keys of metrics.json."""

from enum import StrEnum


class ImageKind(StrEnum):
    """A kind of image with a tokenizer of its own. Its value is its name in keys and files: ``ct/l_icl``."""

    XRAY = "xray"  # any 2D image: T_2D
    CT = "ct"  # any volume: T_3D

    @property
    def place(self) -> int:
        """Its place among the kinds: in the draws of a training step."""
        return list(ImageKind).index(self)

    @property
    def ndim(self) -> int:
        """Dimensions of a stored array of it: (height, width) or (depth, height, width)."""
        return {ImageKind.XRAY: 2, ImageKind.CT: 3}[self]

    @property
    def label(self) -> str:
        """What pages and tables call it."""
        return {ImageKind.XRAY: "X-ray", ImageKind.CT: "CT"}[self]

    @classmethod
    def of(cls, ndim: int) -> "ImageKind":
        """The kind of an image with so many dimensions."""
        return next(kind for kind in cls if kind.ndim == ndim)
