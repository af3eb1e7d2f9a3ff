"""Slices chosen by another score than the paper's. Open point 3.1 of docs/paper.md."""

from jaxtyping import Float
from torch import Tensor

from unimedi.inputs.batch import MixedBatch
from unimedi.model.scoring import SCORERS
from unimedi.pretraining.step import Pretraining


class StudentScorer(Pretraining):
    """The student's attention scores the slabs, not its average's."""

    def slab_scores(self, batch: MixedBatch, volumes: Float[Tensor, "n 1 d h w"]) -> Float[Tensor, "n slabs"]:
        return self.student.score_slabs(self.student.tokens(volumes))[0]


class OtherScorer(Pretraining):
    """The teacher scores the slabs in the way of :mod:`unimedi.model.scoring` that ``scorer`` names."""

    scorer: str

    def slab_scores(self, batch: MixedBatch, volumes: Float[Tensor, "n 1 d h w"]) -> Float[Tensor, "n slabs"]:
        assert batch.hires_volumes is not None
        reads_reports = self.scorer == "text"
        reports = self.teacher.get_text_features(batch.input_ids, batch.attention_mask) if reads_reports else None
        return SCORERS[self.scorer](self.teacher, batch.hires_volumes, reports)


class JointScorer(OtherScorer):
    """By the attention over T_2D's tokens of evenly spaced planes, in one pass."""

    scorer = "joint"


class CoarseToFineScorer(OtherScorer):
    """By the attention over T_3D's tokens, then over the planes of the best slabs."""

    scorer = "coarse_to_fine"


class TextScorer(OtherScorer):
    """By the likeness of each slab to the study's own report."""

    scorer = "text"
