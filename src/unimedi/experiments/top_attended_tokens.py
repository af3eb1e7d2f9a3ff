"""L_vl sees the tokens that the teacher attends to most. A-CLIP, Yang et al. 2023."""

import torch
from jaxtyping import Int
from torch import Tensor

from unimedi.model.slice_selection import token_scores
from unimedi.model.vision_encoder import Tokens
from unimedi.pretraining.image_batch import ImageBatch
from unimedi.pretraining.step import Pretraining

KEEP_RATIO = 0.5  # of the tokens


class TopAttendedTokens(Pretraining):
    """The paper's step, but for what L_vl sees."""

    def contrastive_tokens(self, images: list[ImageBatch], tokens: list[Tokens]) -> list[Tokens]:
        return [seen.at(self.top_attended(each)) for each, seen in zip(images, tokens, strict=True)]

    @torch.no_grad()
    def top_attended(self, images: ImageBatch) -> Int[Tensor, "n kept"]:
        """The places of the tokens that the teacher's [CLS] attends to most, in the order of the sequence."""
        attention = self.teacher.vision(images.tokens(self.teacher), attention_rows=True).cls_attention
        scores = token_scores(attention)
        places = scores.topk(max(1, round(KEEP_RATIO * scores.shape[1])), dim=1).indices
        return places.sort(dim=1).values
