"""What a sequence of tokens that E_v reads is made of: the one index of the projection's running means."""

from enum import StrEnum

from unimedi.cohort.image_kind import ImageKind


class SequenceKind(StrEnum):
    """A kind of token sequence. Its [CLS] has a mean of its own: where all kinds of a volume share one, a [CLS] says
    first of all which kind it read."""

    RADIOGRAPH = "radiograph"  # T_2D's tokens of a 2D image
    VOLUME = "volume"  # T_3D's alone
    PAIR = "pair"  # a pseudo-pair: T_3D's, then T_2D's of the selected slices
    SLICES = "slices"  # T_2D's of the selected slices alone

    @property
    def place(self) -> int:
        """Its place among the projection's running means."""
        return list(SequenceKind).index(self)

    @property
    def image_kind(self) -> ImageKind:
        """The kind of image that is read."""
        return ImageKind.XRAY if self is SequenceKind.RADIOGRAPH else ImageKind.CT

    @property
    def tokenizers(self) -> set[str]:
        """Those that the tokens come from."""
        return {
            SequenceKind.RADIOGRAPH: {"T_2D"},
            SequenceKind.VOLUME: {"T_3D"},
            SequenceKind.PAIR: {"T_2D", "T_3D"},
            SequenceKind.SLICES: {"T_2D"},
        }[self]
