"""What a training step looks at: images of one kind, volumes with the slices selected from them."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from unimedi.cohort.image_kind import ImageKind
from unimedi.model.sequence_kind import SequenceKind
from unimedi.model.unimedi import CutSlices, UniMediModel
from unimedi.model.vision_encoder import Tokens


@dataclass(frozen=True, slots=True)
class ImageBatch:
    """Images of one kind as the tokenizers take them, in [-1, 1]: radiographs, volumes, or pseudo-pairs."""

    kind: ImageKind
    pixels: Float[Tensor, "n 1 *grid"]
    slices: CutSlices | None = None  # of a pseudo-pair: those that the teacher's attention selects from the volume
    contrastive_only: bool = False  # takes part in L_vl, neither in L_icl nor in L_pcl

    def __getitem__(self, rows: slice) -> "ImageBatch":
        slices = None if self.slices is None else self.slices[rows]
        return ImageBatch(self.kind, self.pixels[rows], slices, self.contrastive_only)

    def tokens(self, model: UniMediModel) -> Tokens:
        """The tokens that E_v reads."""
        return model.tokens(self.pixels, self.slices)

    def sequence(self, model: UniMediModel) -> SequenceKind:
        """What these tokens are to E_v."""
        if self.kind is ImageKind.XRAY:
            return SequenceKind.RADIOGRAPH
        return SequenceKind.VOLUME if self.slices is None else model.volume_sequence
