"""Slices chosen by another score than the teacher's attention over T_3D's tokens (docs/paper.md, open point 3.1)."""

from jaxtyping import Float
from torch import Tensor

from unimedi.inputs.batch import MixedBatch
from unimedi.model.scoring import SCORERS
from unimedi.pretraining.step import Pretraining


class StudentScorer(Pretraining):
    """The student's attention scores the slabs, not its average's."""

    def slab_scores(self, batch: MixedBatch, volumes: Float[Tensor, "n 1 d h w"]) -> Float[Tensor, "n slabs"]:
        return self.student.score_slabs(self.student.tokens(volumes))[0]


class JointScorer(Pretraining):
    """The teacher's attention over T_2D's tokens of evenly spaced planes, in one pass."""

    def slab_scores(self, batch: MixedBatch, volumes: Float[Tensor, "n 1 d h w"]) -> Float[Tensor, "n slabs"]:
        return SCORERS["joint"](self.teacher, batch.hires_volumes, None)


class CoarseToFineScorer(Pretraining):
    """The teacher's attention over T_3D's tokens, then over the planes of the best slabs."""

    def slab_scores(self, batch: MixedBatch, volumes: Float[Tensor, "n 1 d h w"]) -> Float[Tensor, "n slabs"]:
        return SCORERS["coarse_to_fine"](self.teacher, batch.hires_volumes, None)


class TextScorer(Pretraining):
    """The likeness of each slab to the study's own report, in the teacher's space."""

    def slab_scores(self, batch: MixedBatch, volumes: Float[Tensor, "n 1 d h w"]) -> Float[Tensor, "n slabs"]:
        reports = self.teacher.get_text_features(batch.input_ids, batch.attention_mask)
        return SCORERS["text"](self.teacher, batch.hires_volumes, reports)
